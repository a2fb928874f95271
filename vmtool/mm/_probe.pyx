"""For tests only: the lower rooms of mm/ driven one by one from Python, and timed. The product never imports it.

A Probe owns an arena of its own; its methods are the rooms' functions with Python numbers.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport strncpy
from posix.time cimport CLOCK_PROCESS_CPUTIME_ID, clock_gettime, timespec

from vmtool.mm.arch cimport arch_features, arch_lookup, level_name
from vmtool.mm.arena cimport *
from vmtool.mm.buddy cimport *
from vmtool.mm.checks cimport fsck_check_t
from vmtool.mm.pcp cimport drain_pcp
from vmtool.mm.lruvec cimport lruvec_add_folio, lruvec_del_folio
from vmtool.mm.swap_lru cimport folio_add_lru
from vmtool.mm.frame cimport *
from vmtool.mm.fsck_lru cimport fsck_lru, fsck_lru_check
from vmtool.mm.fsck_phys cimport fsck_phys, fsck_phys_check
from vmtool.mm.fsck_slab cimport fsck_slab, fsck_slab_check
from vmtool.mm.fsck_tlb cimport fsck_tlb, fsck_tlb_check
from vmtool.mm.mmu cimport *
from vmtool.mm.mmu_context cimport asids_init, mmu_gather_t, tlb_finish_mmu, tlb_gather_mmu
from vmtool.mm.pgtable cimport *
from vmtool.mm.maple cimport maple_at, mtree_free
from vmtool.mm.mtree cimport mtree_store
from vmtool.mm.slab cimport *
from vmtool.mm.tlb cimport *
from vmtool.mm.trace cimport trace_arg_names, trace_event_name
from vmtool.mm.types cimport *
from vmtool.mm.xnode cimport *


cdef double now_ns() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t)
    return t.tv_sec * 1e9 + t.tv_nsec


cdef void collect(void *ctx, const char *name, uint64_t first, uint64_t second) noexcept with gil:
    (<list>ctx).append((name.decode(), first, second))


ctypedef const fsck_check_t *(*nth_fn)(uint32_t i) noexcept nogil


cdef void sentences_of(dict out, nth_fn nth):
    cdef uint32_t i = 0
    while nth(i) != NULL:
        out[nth(i).name.decode()] = nth(i).text.decode()
        i += 1


def fsck_sentences():
    out = {}
    sentences_of(out, fsck_phys_check)
    sentences_of(out, fsck_tlb_check)
    sentences_of(out, fsck_lru_check)
    sentences_of(out, fsck_slab_check)
    return out

cdef class Probe:
    def __cinit__(self):
        if arena_init(&self.a) < 0:
            raise MemoryError

    def __dealloc__(self):
        arena_destroy(&self.a)

    @property
    def err(self):
        return self.a.err

    # --- boot -------------------------------------------------------------------------------------
    def boot(self, ram, nr_cpus=1, thp=1, tlb="", pcid=0, arch="x86-64"):
        """0 or -errno. An empty address space is made too."""
        cdef bytes name = arch.encode()
        cdef bytes spec = tlb.encode()
        cdef int err = arch_lookup(name, &self.a.m.arch)
        self.a.m.ram_bytes = ram
        self.a.m.nr_cpus = nr_cpus
        self.a.m.thp_enabled = thp
        self.a.m.pcid = pcid
        strncpy(self.a.m.tlb_spec, spec, sizeof(self.a.m.tlb_spec) - 1)
        err = err or boot_memory(&self.a)
        if err:
            return err
        kmem_cache_init(&self.a)
        err = tlb_init(&self.a)
        arch_features(self.a.m, &self.a.m.arch, tlb_is_plain(self.a.m))
        err = err or pgtable_boot(&self.a)
        if err:
            return err
        self.mm = rec_alloc(&self.a, POOL_MM)
        mm_mut(&self.a, self.mm).pgd = pgd_alloc(&self.a)
        mm_mut(&self.a, self.mm).users = 1
        load_cr3(&self.a, 0, <uint64_t>mm_at(&self.a, self.mm).pgd << self.a.m.arch.page_shift, False)
        asids_init(self.a.m)
        return 0

    def zones(self):
        out = []
        cdef zone_t *z
        for i in range(NR_ZONES):
            z = &self.a.m.zone[<int>i]
            if z.spanned_pages:
                out.append({"name": zone_name(i).decode(), "start_pfn": z.start_pfn, "spanned": z.spanned_pages, "present": z.present_pages,
                            "managed": z.managed_pages, "free": z.free_pages, "min": z.watermark[0], "low": z.watermark[1],
                            "high": z.watermark[2], "promo": z.watermark[3], "protection": [z.lowmem_reserve[j] for j in range(NR_ZONES)],
                            "batch": z.pcp_batch, "high_min": z.pcp_high_min, "high_max": z.pcp_high_max,
                            "pageblocks": [z.pageblocks[j] for j in range(NR_MIGRATETYPES)], "unseen": z.unseen_end - z.unseen_pfn})
        return out

    def machine(self):
        cdef machine_t *m = self.a.m
        return {"min_free_kbytes": m.min_free_kbytes, "totalreserve": m.totalreserve_pages, "totalram": m.totalram_pages,
                "max_pfn": m.max_pfn, "zero_pfn": m.zero_pfn, "kernel_pgd": m.kernel_pgd, "nr_contents": m.nr_contents}

    def set_wmarks(self, min_free_kbytes=None, scale=None):
        if min_free_kbytes is not None:
            self.a.m.min_free_kbytes = min_free_kbytes
        if scale is not None:
            self.a.m.watermark_scale_factor = scale
        setup_per_zone_wmarks(&self.a)

    def set_managed(self, managed):
        """Managed pages by zone, as another machine has them: for the formulas that follow from them."""
        for z, n in enumerate(managed):
            self.a.m.zone[<int>z].managed_pages = n

    def reserved(self):
        return [(reserved_name(self.a.m.reserved[<uint32_t>i].what).decode(), self.a.m.reserved[<uint32_t>i].start_pfn,
                 self.a.m.reserved[<uint32_t>i].nr_pages) for i in range(self.a.m.nr_reserved)]

    def node_stat(self, item):
        return self.a.m.node_stat[<int>item]

    def event(self, item):
        return self.a.m.event[<int>item]

    def chunks(self):
        """How many chunks the machine uses."""
        cdef uint32_t i
        n = 0
        for pool in range(NR_POOLS):
            for i in range((self.a.pool[<int>pool].count + self.a.pool[<int>pool].mask) >> self.a.pool[<int>pool].shift):
                n += self.a.pool[<int>pool].chunk[i] != NULL
        return n

    def fsck(self):
        """(check, number, number) of each broken promise."""
        found = []
        fsck_phys(&self.a, collect, <void *>found)
        fsck_tlb(&self.a, collect, <void *>found)
        fsck_lru(&self.a, collect, <void *>found)
        fsck_slab(&self.a, collect, <void *>found)
        return found

    # --- frames ---------------------------------------------------------------------------------------
    def alloc(self, order=0, gfp=GFP_USER_MOVABLE):
        return alloc_pages(&self.a, order, gfp)

    def free(self, pfn, order=0):
        free_pages(&self.a, pfn, order)

    def put(self, pfn):
        folio_put(&self.a, pfn)

    def split(self, pfn):
        split_folio_frames(&self.a, pfn)

    def drain(self, cpu=0):
        drain_pcp(&self.a, cpu)

    def set_cpu(self, cpu):
        self.a.cpu = cpu

    def pcp(self, zone, cpu=0):
        cdef pcp_t *p = &cpu_mut(&self.a, cpu).pcp[<int>zone]
        return {"count": p.count, "high": p.high, "free_count": p.free_count, "alloc_factor": p.alloc_factor}

    def free_area(self, zone, order, mt):
        return free_area_count(&self.a, zone, order, mt)

    def is_buddy(self, pfn):
        return frame_is_buddy(&self.a, pfn)

    def pageblock(self, pfn):
        return pageblock_type(&self.a, pfn)

    def frame(self, pfn):
        cdef frame_t *f = frame_at(&self.a, pfn)
        return {"flags": f.flags, "mapcount": f.mapcount, "index": frame_index(f), "refs": f.extra_refs, "content": f.content,
                "mapping": f.mapping, "next": f.lru_next, "prev": f.lru_prev, "zone": pfn_to_zone(&self.a, pfn)}

    def set_frame(self, pfn, **fields):
        cdef frame_t *f = frame_mut(&self.a, pfn)
        for name, value in fields.items():
            if name == "flags":
                f.flags = value
            elif name == "mapping":
                f.mapping = value
            elif name == "index":
                frame_set_index(f, value)
            elif name == "mapcount":
                f.mapcount = value
            elif name == "refs":
                f.extra_refs = value
            elif name == "next":
                f.lru_next = value
            elif name == "prev":
                f.lru_prev = value
            else:
                raise KeyError(name)

    def read_page(self, pfn):
        return page_bytes(&self.a, pfn)[:CONTENT_BYTES]

    def write_page(self, pfn, offset, data):
        cdef char *p = page_bytes_mut(&self.a, pfn)
        for i, byte in enumerate(data):
            (<unsigned char *>p)[<int>(offset + i)] = byte

    def copy_page(self, dst, src):
        page_copy(&self.a, dst, src)

    def zero_page(self, pfn):
        page_zero(&self.a, pfn)

    def lru_add(self, pfn):
        lruvec_add_folio(&self.a, pfn)

    def lru_del(self, pfn):
        lruvec_del_folio(&self.a, pfn)

    def lru(self, which):
        out = []
        cdef uint32_t at = self.a.m.lruvec.lists[<int>which].head
        while at:
            out.append(at)
            at = frame_at(&self.a, at).lru_next
        return out

    def make_inode(self, kind=0):
        """An inode whose disk is the index under test."""
        cdef idx_t i = rec_alloc(&self.a, POOL_INODE)
        inode_mut(&self.a, i).kind = kind
        inode_mut(&self.a, i).blocks = self.root
        return i

    def make_content(self, data):
        cdef idx_t c = content_alloc(&self.a)
        cdef char *p = content_mut(&self.a, c)
        for i, byte in enumerate(data):
            (<unsigned char *>p)[<int>i] = byte
        return c

    # --- the index ----------------------------------------------------------------------------------------
    def xset(self, index, value):
        return xnode_set(&self.a, &self.root, index, value, NULL)

    def xget(self, index):
        return xnode_get(&self.a, self.root, index)

    def xnext(self, index, last, mark=None):
        """(index, value) or None."""
        cdef uint64_t i = index
        cdef uint32_t v
        if mark is None:
            v = xnode_next(&self.a, self.root, &i, last)
        else:
            v = xnode_next_marked(&self.a, self.root, &i, last, mark)
        return (i, v) if v else None

    def xmark(self, index, mark, on=True):
        if on:
            xnode_set_mark(&self.a, self.root, index, mark)
        else:
            xnode_clear_mark(&self.a, self.root, index, mark)

    def xhas_mark(self, index, mark):
        return bool(xnode_has_mark(&self.a, self.root, index, mark))

    def xany_mark(self, mark):
        return bool(xnode_any_mark(&self.a, self.root, mark))

    def xfree_all(self):
        xnode_free_all(&self.a, &self.root, NULL)

    def xnodes(self):
        return self.a.pool[POOL_XNODE].count - 1 - self.a.pool[POOL_XNODE].nr_free

    # --- slabs -----------------------------------------------------------------------------------------------
    def slab_alloc(self, cache):
        return kmem_cache_alloc(&self.a, cache)

    def slab_free(self, cache, obj):
        kmem_cache_free(&self.a, cache, obj)

    def slab_caches(self):
        cdef kmem_cache_t *c
        out = {}
        for i in range(self.a.m.nr_caches):
            c = cache_at(&self.a, i)
            out[c.name.decode()] = (c.nr_objs, c.nr_slab_objs, c.size, c.objs_per_slab, 1 << c.order, i)
        return out

    def slab_state(self, cache, cpu=0):
        cdef kmem_cache_t *c = cache_at(&self.a, cache)
        cdef kmem_cache_cpu_t *pc = cache_cpu_mut(&self.a, cache, cpu)
        return {"nr_slabs": c.nr_slabs, "node": c.nr_partial, "cpu": pc.nr_partial, "has_cpu_slab": pc.slab != 0, "min_partial": c.min_partial,
                "cpu_partial": c.cpu_partial_slabs, "in_sheaves": c.nr_sheaf_objs, "full_sheaves": c.nr_full_sheaves,
                "free_on_node": nr_free_partial(&self.a, c)}

    def slab_shrink(self, cache):
        kmem_cache_shrink(&self.a, cache)

    def run_on(self, cpu):
        self.a.cpu = cpu

    # --- maple trees -----------------------------------------------------------------------------------------
    def maple_store(self, first, last, entry):
        mtree_store(&self.a, &mm_mut(&self.a, self.mm).maple, first, last, entry)

    def maple_ranges(self):
        """(last, entry) of each range in order, and how many nodes there are."""
        found = []
        nodes = self.maple_below(mm_at(&self.a, self.mm).maple, found)
        return found, nodes

    def maple_below(self, i, found):
        cdef maple_node_t *n
        if i == 0:
            return 0
        n = maple_at(&self.a, i)
        nodes = 1
        for k in range(n.nr):
            if n.is_leaf:
                found.append((n.pivot[k], n.slot[k]))
            else:
                nodes += self.maple_below(n.slot[k], found)
        return nodes

    def maple_free(self):
        mtree_free(&self.a, &mm_mut(&self.a, self.mm).maple)

    # --- tables and accesses ---------------------------------------------------------------------------------
    def map(self, addr, pfn, vm_flags=VM_READ | VM_WRITE, write=True, level=0):
        """Set a leaf; False: no memory."""
        cdef mm_t *m = mm_mut(&self.a, self.mm)
        cdef pte_t e = mk_pte(&self.a, pfn, vm_flags)
        if table_alloc(&self.a, m, addr, level) == 0:
            return False
        if write:
            e = pte_mkwrite(&self.a, e)
        if level:
            e = pte_mkhuge(&self.a, e)
        entry_set(&self.a, m, addr, level, e)
        return True

    def entry(self, addr, level=0):
        return entry_get(&self.a, mm_at(&self.a, self.mm), addr, level)

    def set_entry(self, addr, value, level=0):
        entry_set(&self.a, mm_mut(&self.a, self.mm), addr, level, value)

    def table(self, addr, level=0):
        return table_lookup(&self.a, mm_mut(&self.a, self.mm), addr, level)

    def free_table(self, addr, level):
        table_free(&self.a, mm_mut(&self.a, self.mm), addr, level)

    def free_range(self, addr, end, floor=0, ceiling=0):
        cdef mmu_gather_t tlb
        tlb_gather_mmu(&tlb)
        free_pgd_range(&self.a, mm_mut(&self.a, self.mm), &tlb, addr, end, floor, ceiling)
        tlb_finish_mmu(&self.a, mm_mut(&self.a, self.mm), &tlb)

    def pgtables_bytes(self):
        return mm_at(&self.a, self.mm).pgtables_bytes

    def access(self, addr, kind="r"):
        """(0, physical address) or (error, None)."""
        cdef paddr_t phys = 0
        cdef uint32_t err = mmu_access(&self.a, cpu_mut(&self.a, self.a.cpu), addr, "rwx".index(kind), &phys)
        return (err, None) if err else (0, phys)

    def walk(self, addr, kernel=False):
        cdef walk_t w
        mmu_walk(&self.a, self.a.m.kernel_pgd if kernel else mm_at(&self.a, self.mm).pgd, addr, &w)
        return {"ok": bool(w.ok), "error": w.error, "noncanonical": bool(w.noncanonical), "phys": w.phys, "leaf": w.leaf,
                "page_shift": w.page_shift, "steps": [(level_name(&self.a.m.arch, w.entry_level[i]).decode(), w.entry_addr[i], w.raw[i])
                                                      for i in range(w.nr_steps)]}

    def flush_page(self, addr):
        flush_tlb_page(&self.a, mm_mut(&self.a, self.mm), addr)

    def invlpg(self, addr):
        cdef cpu_t *c = cpu_mut(&self.a, self.a.cpu)
        tlb_flush_page(&self.a, c, addr, tlb_space(self.a.m, c))

    def flush_range(self, start, end):
        flush_tlb_range(&self.a, mm_mut(&self.a, self.mm), start, end)

    def load_cr3(self, pcid=0, noflush=False):
        load_cr3(&self.a, self.a.cpu, <uint64_t>mm_at(&self.a, self.mm).pgd << 12 | <uint64_t>pcid, noflush)

    # --- trace ------------------------------------------------------------------------------------------------
    def trace(self, on):
        self.a.m.trace_on = on

    def traced(self):
        cdef trace_t *t
        out = []
        for i in range(self.a.m.trace_head):
            t = <trace_t *>rec_at(&self.a, POOL_TRACE, i + 1)
            names = trace_arg_names(t.event).decode().split()
            out.append((trace_event_name(t.event).decode(), dict(zip(names, [t.arg[j] for j in range(t.nr_args)]))))
        return out

    # --- time, in ns an operation -----------------------------------------------------------------------------
    def time_alloc_free(self, nr_pages, rounds=4):
        """Allocate nr_pages single frames, then free them: (alloc, free)."""
        cdef uint32_t n = nr_pages
        cdef uint32_t i
        cdef double t0
        cdef double t1
        cdef double t2
        cdef pfn_t *pfns = <pfn_t *>malloc(n * sizeof(pfn_t))
        best = (1e9, 1e9)
        for _ in range(rounds):
            t0 = now_ns()
            for i in range(n):
                pfns[i] = alloc_pages(&self.a, 0, GFP_USER_MOVABLE)
            t1 = now_ns()
            for i in range(n):
                free_pages(&self.a, pfns[i], 0)
            t2 = now_ns()
            best = (min(best[0], (t1 - t0) / n), min(best[1], (t2 - t1) / n))
        free(pfns)
        return best

    def time_access(self, addr, nr_pages, rounds, write=False):
        """Accesses to nr_pages mapped pages in turn."""
        cdef uint32_t n = nr_pages
        cdef uint32_t i
        cdef uint32_t k
        cdef uint32_t r = rounds
        cdef uint64_t base = addr
        cdef paddr_t phys = 0
        cdef cpu_t *c = cpu_mut(&self.a, 0)
        cdef int kind = ACCESS_WRITE if write else ACCESS_READ
        cdef double t0 = now_ns()
        for k in range(r):
            for i in range(n):
                mmu_access(&self.a, c, base + (<uint64_t>i << 12), kind, &phys)
        return (now_ns() - t0) / (<double>n * r)

    def time_entry_set(self, addr, nr_pages):
        """table_alloc + mk_pte + entry_set for each page."""
        cdef uint32_t n = nr_pages
        cdef uint32_t i
        cdef uint64_t base = addr
        cdef mm_t *m = mm_mut(&self.a, self.mm)
        cdef double t0 = now_ns()
        for i in range(n):
            table_alloc(&self.a, m, base + (<uint64_t>i << 12), 0)
            entry_set(&self.a, m, base + (<uint64_t>i << 12), 0, pte_mkwrite(&self.a, mk_pte(&self.a, 4096 + i, VM_READ | VM_WRITE)))
        return (now_ns() - t0) / n

    def time_fault(self, addr, nr_pages):
        """The hardware's and the lower rooms' part of a demand-zero fault: miss, frame, table, entry, retry."""
        cdef uint32_t n = nr_pages
        cdef uint32_t i
        cdef uint64_t at = addr
        cdef paddr_t phys = 0
        cdef pfn_t pfn
        cdef cpu_t *c = cpu_mut(&self.a, 0)
        cdef mm_t *m = mm_mut(&self.a, self.mm)
        cdef double t0 = now_ns()
        for i in range(n):
            if mmu_access(&self.a, c, at, ACCESS_WRITE, &phys):
                pfn = alloc_pages(&self.a, 0, GFP_USER_MOVABLE)
                table_alloc(&self.a, m, at, 0)
                entry_set(&self.a, m, at, 0, pte_mkdirty(&self.a, pte_mkwrite(&self.a, mk_pte(&self.a, pfn, VM_READ | VM_WRITE))))
                folio_add_lru(&self.a, pfn)
                mmu_access(&self.a, c, at, ACCESS_WRITE, &phys)
            at += 4096
        return (now_ns() - t0) / n
