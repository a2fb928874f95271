"""For tests only: processes with areas and pages, on a machine without programs, files or a state file. The product never imports it.

A Space owns an arena that is booted like a machine, and a first process with an empty address space. Swap slots are named by plant_swap(); who asks
what of them (arena_t's upward calls) is counted in `swap`.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport memset

from vmtool.mm.access cimport load_bytes, siginfo_t, store_bytes, touch_range
from vmtool.mm.arena cimport *
from vmtool.mm.boot cimport machine_boot
from vmtool.mm.frame cimport page_bytes
from vmtool.mm.fsck_cache cimport fsck_cache
from vmtool.mm.fsck_entries cimport fsck_entries
from vmtool.mm.fsck_kmem cimport fsck_kmem
from vmtool.mm.fsck_phys cimport fsck_phys
from vmtool.mm.fsck_tlb cimport fsck_tlb
from vmtool.mm.fsck_slab cimport fsck_slab
from vmtool.mm.fsck_space cimport fsck_space
from vmtool.mm.mm cimport do_exit, do_fork, mm_alloc, switch_mm
from vmtool.mm.mm_acct cimport add_mm_counter, mm_counter_sum
from vmtool.mm.pagewalk cimport WALK_AGAIN, mm_walk_t, walk_init, walk_page_range
from vmtool.mm.pgtable cimport *
from vmtool.mm.rmap cimport page_mkclean
from vmtool.mm.show_smaps cimport mem_stats_t, pagemap_entry, smap_gather
from vmtool.mm.sys_file cimport sys_mincore
from vmtool.mm.sys_madvise cimport sys_madvise
from vmtool.mm.sys_mlock cimport sys_mlock
from vmtool.mm.sys_mmap cimport mmap_req_t, sys_mmap, sys_munmap
from vmtool.mm.sys_mprotect cimport sys_mprotect
from vmtool.mm.sys_mremap cimport sys_mremap
from vmtool.mm.task cimport task_alloc
from vmtool.mm.thp cimport split_huge_pmd
from vmtool.mm.types cimport *
from vmtool.mm.mmu_context cimport mmu_gather_t, tlb_finish_mmu, tlb_gather_mmu
from vmtool.mm.unmap cimport ZAP_DROP_MARKER, ZAP_EVEN_COWS, unmap_mapping_range, zap_range
from vmtool.mm.vma cimport vma_lookup

U64 = (1 << 64) - 1
ACCESSES = {"r": ACCESS_READ, "w": ACCESS_WRITE, "x": ACCESS_EXEC}
CLASSES = {ENTRY_NONE: "none", ENTRY_PAGE: "page", ENTRY_SPECIAL: "special", ENTRY_TABLE: "table", ENTRY_HUGE: "huge", ENTRY_SWAP: "swap",
           ENTRY_MIGRATION: "migration", ENTRY_MARKER: "marker", ENTRY_BAD: "bad"}


cdef void collect(void *ctx, const char *name, uint64_t first, uint64_t second) noexcept with gil:
    (<list>ctx).append((name.decode(), first, second))


cdef int note(arena_t *a, object what, swp_entry_t entry, int step) except -100 with gil:
    """The slot's count after it."""
    cdef Space s = <Space>a.ctx
    s.swap.append((what, swp_type(entry), swp_offset(entry)))
    s.slots[entry] = s.slots.get(entry, 0) + step
    return -ENOMEM if s.swap_fails and step > 0 else s.slots[entry]


cdef int fake_duplicate(arena_t *a, swp_entry_t entry) noexcept nogil:
    with gil:
        return min(note(a, "duplicate", entry, 1), 0)


cdef int fake_free(arena_t *a, swp_entry_t entry, uint32_t nr) noexcept nogil:
    cdef uint32_t i
    with gil:
        for i in range(nr):
            note(a, "free", entry + i, -1)
    return 0


cdef int fake_count(arena_t *a, swp_entry_t entry) noexcept nogil:
    with gil:
        return note(a, "count", entry, 0)


cdef uint32_t fake_fault(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags, swp_entry_t entry) noexcept nogil:
    with gil:
        note(a, "fault", entry, 0)
        return VM_FAULT_SIGBUS


cdef int note_table(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    with gil:
        (<list>w.private).append(("table", addr, next, 0))
    return 0


cdef int note_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    with gil:
        (<list>w.private).append(("leaf", addr, next, level))
    if w.v:  # asked to split
        split_huge_pmd(w.a, w.v, addr)
        return WALK_AGAIN
    return 0


cdef int note_hole(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level) noexcept nogil:
    with gil:
        (<list>w.private).append(("hole", addr, next, level))
    return 0


cdef int note_and_stop(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    note_table(w, addr, next, table)
    return -EBUSY


cdef class Space:
    cdef arena_t a
    cdef idx_t task
    cdef public list swap  # (what was asked, type, offset)
    cdef public dict slots  # entry: how many name it
    cdef public bint swap_fails

    def __cinit__(self, ram=1 << 28, arch="x86-64", thp=1):
        cdef bytes name = arch.encode()
        cdef int err
        cdef task_t *t
        self.swap = []
        self.slots = {}
        if arena_init(&self.a) < 0:
            raise MemoryError
        self.a.ctx = <void *>self
        self.a.unmap_mapping_range = unmap_mapping_range
        self.a.page_mkclean = page_mkclean
        self.a.swap_duplicate = fake_duplicate
        self.a.swap_free = fake_free
        self.a.swp_swapcount = fake_count
        self.a.do_swap_page = fake_fault
        self.a.m.ram_bytes = ram
        self.a.m.nr_cpus = 1
        err = machine_boot(&self.a, name)
        if err:
            raise OSError(-err, arch)
        self.a.m.thp_enabled = thp
        self.task = task_alloc(&self.a, 0, 0, 0, &err)
        t = task_mut(&self.a, self.task)
        for i in range(NR_RLIMITS):
            t.rlim_cur[<int>i] = t.rlim_max[<int>i] = U64
        t.mm = mm_alloc(&self.a)
        mm_mut(&self.a, t.mm).mmap_base = mm_at(&self.a, t.mm).task_size - (<uint64_t>1 << 24)
        self.run(t.pid)

    def __dealloc__(self):
        arena_destroy(&self.a)

    cdef idx_t mm(self):
        return task_at(&self.a, self.task).mm

    @property
    def page_size(self):
        return 1 << self.a.m.arch.page_shift

    @property
    def pid(self):
        return task_at(&self.a, self.task).pid

    def run(self, pid):
        """Everything below is done by this process."""
        self.task = (<uint32_t *>rec_at(&self.a, POOL_PID, pid))[0]
        self.a.task = self.task
        switch_mm(&self.a, self.task, 0)

    def fsck(self):
        found = []
        fsck_space(&self.a, collect, <void *>found)
        fsck_entries(&self.a, collect, <void *>found)
        fsck_cache(&self.a, collect, <void *>found)
        fsck_phys(&self.a, collect, <void *>found)
        fsck_tlb(&self.a, collect, <void *>found)
        fsck_slab(&self.a, collect, <void *>found)
        fsck_kmem(&self.a, collect, <void *>found)
        return found, self.a.err

    # --- system calls: a value, or -errno -----------------------------------------------------------------
    def mmap(self, length, prot=3, flags=0x22, addr=0):
        cdef mmap_req_t req
        memset(&req, 0, sizeof(req))
        req.addr, req.length, req.prot, req.flags = addr, length, prot, flags
        return <int64_t>sys_mmap(&self.a, self.mm(), &req)

    def munmap(self, addr, length):
        return sys_munmap(&self.a, self.mm(), addr, length)

    def mprotect(self, addr, length, prot):
        return sys_mprotect(&self.a, self.mm(), addr, length, prot, -1)

    def mremap(self, addr, old_len, new_len, flags=1, new_addr=0):
        return <int64_t>sys_mremap(&self.a, self.mm(), addr, old_len, new_len, flags, new_addr)

    def madvise(self, addr, length, advice):
        return sys_madvise(&self.a, self.mm(), addr, length, advice)

    def mlock(self, addr, length):
        return sys_mlock(&self.a, self.mm(), addr, length, False)

    def mincore(self, addr, nr_pages):
        cdef bytearray vec = bytearray(nr_pages)
        cdef char *out = vec
        assert sys_mincore(&self.a, self.mm(), addr, <uint64_t>nr_pages << self.a.m.arch.page_shift, out, nr_pages) == 0
        return list(vec)

    def fork(self):
        """The child's PID, or -errno."""
        cdef int64_t child = do_fork(&self.a, self.task, 0, False)
        return child if child < 0 else task_at(&self.a, <idx_t>child).pid

    def exit(self):
        do_exit(&self.a, self.task, 0)

    # --- accesses: None, or (signal, address) ---------------------------------------------------------------
    def touch(self, addr, length=1, access="w"):
        cdef siginfo_t info
        return (info.signo, info.addr) if touch_range(&self.a, self.task, addr, length, ACCESSES[access], &info) else None

    def store(self, addr, bytes data):
        cdef siginfo_t info
        return (info.signo, info.addr) if store_bytes(&self.a, self.task, addr, data, len(data), &info) else None

    def load(self, addr, length):
        cdef siginfo_t info
        cdef char *out = <char *>malloc(length)
        try:
            return (info.signo, info.addr) if load_bytes(&self.a, self.task, addr, out, length, &info) else out[:length]
        finally:
            free(out)

    # --- entries ------------------------------------------------------------------------------------------------
    def entry(self, addr, level=0):
        return entry_get(&self.a, mm_mut(&self.a, self.mm()), addr, level)

    def raw(self, addr):
        """The bytes of a PTE, as a number."""
        cdef entry_at_t at
        entry_find(&self.a, mm_at(&self.a, self.mm()), addr, &at)
        size = self.a.m.arch.entry_bytes
        return int.from_bytes(page_bytes(&self.a, at.table)[at.index * size:(at.index + 1) * size], "little")

    def what(self, addr, level=0):
        e = self.entry(addr, level)
        return CLASSES[pmd_class(&self.a, e) if level else pte_class(&self.a, e)]

    def walk(self, start, end, split=False, stop=False):
        """(what walk_page_range() answers, the calls it made: (kind, addr, next, level))."""
        cdef mm_walk_t w
        cdef list calls = []
        walk_init(&w, &self.a, mm_mut(&self.a, self.mm()), vma_lookup(&self.a, self.mm(), start) if split else 0, <void *>calls)
        w.table = note_and_stop if stop else note_table
        w.leaf = note_leaf
        w.hole = note_hole
        return walk_page_range(&w, start, end), calls

    def swap_entry(self, addr):
        """(type, offset, exclusive)"""
        cdef pte_t e = self.entry(addr)
        cdef swp_entry_t entry = pte_to_swp_entry(&self.a, e)
        return swp_type(entry), swp_offset(entry), bool(pte_swp_exclusive(&self.a, e))

    def plant_swap(self, addr, type=0, offset=1, exclusive=True):
        """The page at addr goes, and a slot stands in its place."""
        cdef mm_t *m = mm_mut(&self.a, self.mm())
        cdef pte_t e = swp_entry_to_pte(&self.a, swp_entry(type, offset))
        cdef mmu_gather_t tlb
        self.touch(addr)
        tlb_gather_mmu(&tlb)
        zap_range(&self.a, &tlb, vma_lookup(&self.a, self.mm(), addr), addr, addr + self.page_size, ZAP_EVEN_COWS | ZAP_DROP_MARKER)
        tlb_finish_mmu(&self.a, m, &tlb)
        entry_set(&self.a, m, addr, 0, pte_swp_mkexclusive(&self.a, e) if exclusive else e)
        add_mm_counter(m, MM_SWAPENTS, 1)
        self.slots[swp_entry(type, offset)] = self.slots.get(swp_entry(type, offset), 0) + 1

    def plant_migration(self, addr, type):
        """The entry of a page becomes one that says that it is on its way. A state that fsck does not know: put it back with plant()."""
        e = self.entry(addr)
        self.plant(addr, swp_entry_to_pte(&self.a, swp_entry(type, pte_frame(&self.a, e))))
        return e

    def plant(self, addr, e):
        entry_set(&self.a, mm_mut(&self.a, self.mm()), addr, 0, e)
        flush_tlb_page(&self.a, mm_mut(&self.a, self.mm()), addr)

    # --- what others see ------------------------------------------------------------------------------------------
    def rss(self):
        cdef mm_t *m = mm_at(&self.a, self.mm())
        return {"file": mm_counter_sum(m, MM_FILEPAGES), "anon": mm_counter_sum(m, MM_ANONPAGES), "swap": mm_counter_sum(m, MM_SWAPENTS),
                "shmem": mm_counter_sum(m, MM_SHMEMPAGES)}

    def tables(self):
        return mm_at(&self.a, self.mm()).pgtables_bytes

    def event(self, item):
        return self.a.m.event[<int>item]

    def min_flt(self):
        return task_at(&self.a, self.task).min_flt

    def smaps(self, addr):
        cdef mem_stats_t s
        memset(&s, 0, sizeof(s))
        smap_gather(&self.a, vma_lookup(&self.a, self.mm(), addr), &s)
        return s

    def pagemap(self, addr):
        return pagemap_entry(&self.a, self.mm(), addr)
