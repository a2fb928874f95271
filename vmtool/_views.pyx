# cython: language_level=3
"""Views: what the machine is like: page walks, TLBs, frames, zones, counters, slabs, trace, parameters; fsck is in _fsck.pyx.

Nothing here changes the machine but set_sysctl(), set_trace() and poke(). See _core.pyi for what each takes and gives.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from vmtool._state cimport State
from vmtool.mm.arch cimport is_arm, is_riscv
from vmtool.mm.arena cimport arena_t, frame_at, inode_at, pool_name, rec_at, rec_mut
from vmtool.mm.free_area cimport free_area_count
from vmtool.mm.frame cimport WMARK_HIGH, WMARK_LOW, WMARK_MIN, WMARK_PROMO, pfn_to_zone, zone_name, wmark_pages
from vmtool.mm.zone cimport reserved_name
from vmtool.mm.pagecache cimport inode_path
from vmtool.mm.show_fields cimport field_t, find_field
from vmtool.mm.show_frames cimport (KPAGECGROUP, KPAGECOUNT, KPAGEFLAGS, NR_FRAME_KINDS, frame_facts_t, frame_kind_name, frames_by_kind, kpage_entries,
                                    look_at_frame)
from vmtool.mm.show_memory cimport (NR_MEMINFO, empty_zone_name, empty_zone_wmark, meminfo_fill, meminfo_label, vmstat_count, vmstat_is_node_stat,
                                    vmstat_name, vmstat_value, zone_is_built, zone_stat_count, zone_stat_name, zone_stat_value)
from vmtool.mm.sysctl cimport (choice_t, sysctl_count, sysctl_exists, sysctl_get, sysctl_in_range, sysctl_is_signed, sysctl_name, sysctl_set,
                               sysctl_unit, sysctl_values, sysctl_words)
from vmtool.mm.tlb cimport (TLB_GLOBAL, TLB_L1I_2M, TLB_L1I_4K, TLB_L2, TLB_L2I, TLB_L2_1G, TLB_PSC, tlb_frame, tlb_is_dirty, tlb_is_nx, tlb_is_user,
                            tlb_is_valid, tlb_is_write, tlb_locate, tlb_name)
from vmtool.mm.trace cimport NR_TRACE_EVENTS, TRACE_RECORDS, tally_start, trace_arg_names, trace_event_name, trace_reset as mm_trace_reset
from vmtool.mm.types cimport *

from vmtool import records as r
from vmtool.errors import KernelError

ARM_WORDS = {"cr3_load": "ttbr0_load", "pcid": "asid"}
RISCV_WORDS = {"cr3_load": "satp_load", "pcid": "asid"}
"""For x86's words for the register of the top table, and for what a TLB calls an address space."""
KPAGE_FILES = {"kpageflags": KPAGEFLAGS, "kpagecount": KPAGECOUNT, "kpagecgroup": KPAGECGROUP}
PAGE_FLAGS = ("locked writeback referenced uptodate dirty lru head waiters active workingset swapcache anon_exclusive reserved private reclaim "
              "swapbacked unevictable mlocked young idle").split()


def constants():
    """The flags that the door takes and gives, by the kernel's names."""
    return {
        "VM_READ": VM_READ, "VM_WRITE": VM_WRITE, "VM_EXEC": VM_EXEC, "VM_SHARED": VM_SHARED, "VM_MAYREAD": VM_MAYREAD, "VM_MAYWRITE":
        VM_MAYWRITE, "VM_MAYEXEC": VM_MAYEXEC, "VM_MAYSHARE": VM_MAYSHARE, "VM_GROWSDOWN": VM_GROWSDOWN, "VM_PFNMAP": VM_PFNMAP,
        "VM_LOCKED": VM_LOCKED, "VM_IO": VM_IO, "VM_SEQ_READ": VM_SEQ_READ, "VM_RAND_READ": VM_RAND_READ, "VM_DONTCOPY": VM_DONTCOPY,
        "VM_DONTEXPAND": VM_DONTEXPAND, "VM_LOCKONFAULT": VM_LOCKONFAULT, "VM_ACCOUNT": VM_ACCOUNT, "VM_NORESERVE": VM_NORESERVE,
        "VM_HUGETLB": VM_HUGETLB, "VM_SYNC": VM_SYNC, "VM_WIPEONFORK": VM_WIPEONFORK, "VM_DONTDUMP": VM_DONTDUMP, "VM_MIXEDMAP":
        VM_MIXEDMAP, "VM_HUGEPAGE": VM_HUGEPAGE, "VM_NOHUGEPAGE": VM_NOHUGEPAGE, "PROT_READ": PROT_READ, "PROT_WRITE": PROT_WRITE,
        "PROT_EXEC": PROT_EXEC, "PROT_GROWSDOWN": PROT_GROWSDOWN, "PROT_GROWSUP": PROT_GROWSUP, "MAP_SHARED": MAP_SHARED, "MAP_PRIVATE":
        MAP_PRIVATE, "MAP_FIXED": MAP_FIXED, "MAP_ANONYMOUS": MAP_ANONYMOUS, "MAP_32BIT": MAP_32BIT, "MAP_GROWSDOWN": MAP_GROWSDOWN,
        "MAP_LOCKED": MAP_LOCKED, "MAP_NORESERVE": MAP_NORESERVE, "MAP_POPULATE": MAP_POPULATE, "MAP_NONBLOCK": MAP_NONBLOCK, "MAP_STACK":
        MAP_STACK, "MAP_HUGETLB": MAP_HUGETLB, "MAP_SYNC": MAP_SYNC, "MAP_FIXED_NOREPLACE": MAP_FIXED_NOREPLACE, "MREMAP_MAYMOVE":
        MREMAP_MAYMOVE, "MREMAP_FIXED": MREMAP_FIXED, "MREMAP_DONTUNMAP": MREMAP_DONTUNMAP, "MS_ASYNC": MS_ASYNC, "MS_INVALIDATE":
        MS_INVALIDATE, "MS_SYNC": MS_SYNC, "MCL_CURRENT": MCL_CURRENT, "MCL_FUTURE": MCL_FUTURE, "MCL_ONFAULT": MCL_ONFAULT,
        "RLIMIT_DATA": RLIMIT_DATA, "RLIMIT_STACK": RLIMIT_STACK, "RLIMIT_MEMLOCK": RLIMIT_MEMLOCK, "RLIMIT_AS": RLIMIT_AS,
    }


cdef object word_of(const arch_t *g, name):
    return ARM_WORDS.get(name, name) if is_arm(g) else RISCV_WORDS.get(name, name) if is_riscv(g) else name


cdef object tlb_place(machine_t *m, uint32_t which):
    """Level and kind of a structure: `d`, `i`, `s` for both; a paging-structure cache is of level 0, and its kind its name."""
    if which >= TLB_PSC:
        return 0, tlb_name(which).decode()
    if which in (TLB_L2, TLB_L2I, TLB_L2_1G):
        return 2, "i" if which == TLB_L2I else "d" if m.tlb_geom[TLB_L2I].ways else "s"
    return 1, "i" if which in (TLB_L1I_4K, TLB_L1I_2M) else "d"


cdef object path_of(State self, idx_t inode):
    cdef char text[4400]
    cdef uint32_t n = inode_path(&self.a, inode, text, 4400)
    return text[:n].decode("utf-8", "surrogateescape")


# --- the hardware --------------------------------------------------------------------------------------


def tlb(State self, cpu=None):
    cdef uint32_t c
    cdef uint32_t n
    cdef uint32_t which = 0
    cdef uint32_t set_index = 0
    cdef uint32_t way = 0
    cdef cpu_t *p
    cdef tlb_entry_t *e
    cdef const arch_t *g = &self.a.m.arch
    found = []
    for c in range(self.a.m.nr_cpus) if cpu is None else (cpu,):
        p = <cpu_t *>rec_at(&self.a, POOL_CPU, c + 1)
        for n in range(p.nr_tlb):
            if not tlb_locate(&self.a, n, &which, &set_index, &way):
                continue
            e = <tlb_entry_t *>rec_at(&self.a, POOL_TLB, p.tlb_base + n)
            if not tlb_is_valid(p, e):
                continue
            level, kind = tlb_place(self.a.m, which)
            found.append(r.TlbEntry(
                c, level, kind, set_index, way, e.tag >> 1, tlb_frame(g, e, level != 0), e.pcid, e.page_shift,
                bool(e.flags & TLB_GLOBAL), tlb_is_write(g, e), tlb_is_user(g, e), tlb_is_nx(g, e), tlb_is_dirty(g, e), e.age))
    self.check()
    return found


def tlb_stats(State self):
    cdef uint32_t c
    cdef cpu_t *p
    found = []
    for c in range(self.a.m.nr_cpus):
        p = <cpu_t *>rec_at(&self.a, POOL_CPU, c + 1)
        found.append(r.TlbStats(c, p.l1_hits, p.l2_hits, p.misses, p.walks, p.walk_reads, p.flushes_all, p.flushes_page, p.cr3_loads, p.evictions,
                                p.psc_hits, p.shootdowns))
    self.check()
    return found


# --- frames --------------------------------------------------------------------------------------------------


def max_pfn(State self):
    return self.a.m.max_pfn


cdef object frame(State self, pfn_t pfn):
    cdef frame_facts_t f
    look_at_frame(&self.a, pfn, &f)
    flags = tuple([name for bit, name in enumerate(PAGE_FLAGS) if f.flags >> bit & 1])
    mapping = ""
    if f.mapping:
        mapping = f"anon_vma {f.mapping}" if f.is_anon else path_of(self, f.mapping)
    return r.Frame(pfn, zone_name(pfn_to_zone(&self.a, pfn)).decode(), flags, f.kpageflags, f.order, f.refcount, f.mapcount,
                   frame_kind_name(f.kind).decode(), mapping, f.index, f.has_content)


def frames(State self, pfns):
    found = []
    for pfn in pfns:
        if not 0 <= pfn < self.a.m.max_pfn:
            raise KernelError(EINVAL, f"frame {pfn:#x} is beyond the machine's memory, which ends at {self.a.m.max_pfn:#x}")
        found.append(frame(self, pfn))
    self.check()
    return found


def kpage(State self, file, pfn, nr):
    """Entries of /proc/kpageflags, kpagecount or kpagecgroup."""
    cdef uint64_t first = min(<uint64_t>pfn, self.a.m.max_pfn)
    cdef uint64_t count = min(<uint64_t>nr, self.a.m.max_pfn - first)
    cdef int which = KPAGE_FILES[file]
    found = PyBytes_FromStringAndSize(NULL, 8 * count)
    cdef uint64_t *entry = <uint64_t *>PyBytes_AS_STRING(found)
    with nogil:
        kpage_entries(&self.a, which, first, count, entry)
    self.check()
    return found


def frame_kinds(State self, pfn, nr):
    cdef uint64_t first = min(<uint64_t>pfn, self.a.m.max_pfn)
    cdef uint64_t count = min(<uint64_t>nr, self.a.m.max_pfn - first)
    cdef uint64_t i
    cdef frame_facts_t f
    found = PyBytes_FromStringAndSize(NULL, count)
    cdef unsigned char *kind = <unsigned char *>PyBytes_AS_STRING(found)
    with nogil:
        for i in range(count):
            look_at_frame(&self.a, <pfn_t>(first + i), &f)
            kind[i] = <unsigned char>f.kind
    self.check()
    return found


def reserved(State self):
    """(first frame, frames, what) of what boot kept."""
    cdef uint32_t i
    return [(self.a.m.reserved[i].start_pfn, self.a.m.reserved[i].nr_pages, reserved_name(self.a.m.reserved[i].what).decode())
            for i in range(self.a.m.nr_reserved)]


def frames_summary(State self):
    cdef uint64_t count[NR_FRAME_KINDS]
    with nogil:
        frames_by_kind(&self.a, count)
    self.check()
    return [(frame_kind_name(i).decode(), count[i]) for i in range(NR_FRAME_KINDS)]


def content_frames(State self, contents):
    cdef uint32_t count = self.a.pool[POOL_CONTENT].count
    cdef uint64_t pfn = 0
    cdef zone_t *z
    cdef idx_t content
    wanted = bytearray(count)
    for content in contents:
        if content < count:
            wanted[content] = 1
    cdef const char *is_wanted = PyByteArray_AS_STRING(wanted)
    found = []
    while pfn < self.a.m.max_pfn:
        z = &self.a.m.zone[pfn_to_zone(&self.a, pfn)]
        if z.unseen_pfn <= pfn < z.unseen_end:
            pfn = z.unseen_end
            continue
        content = frame_at(&self.a, pfn).content
        if content and content < count and is_wanted[content]:
            found.append(pfn)
        pfn += 1
    self.check()
    return found


def frame_contents(State self, pfns):
    found = [frame_at(&self.a, pfn).content if pfn < self.a.m.max_pfn else 0 for pfn in pfns]
    self.check()
    return found


# --- counters --------------------------------------------------------------------------------------------------


def meminfo(State self):
    cdef uint64_t figure[NR_MEMINFO]
    meminfo_fill(&self.a, figure)
    self.check()
    return {meminfo_label(&self.a.m.arch, i).decode(): figure[i] for i in range(NR_MEMINFO) if meminfo_label(&self.a.m.arch, i) != NULL}


def vmstat(State self):
    found = {vmstat_name(i).decode(): vmstat_value(&self.a, i) for i in range(vmstat_count())}
    self.check()
    return found


def node_stats(State self):
    found = {vmstat_name(i).decode(): vmstat_value(&self.a, i) for i in range(vmstat_count()) if vmstat_is_node_stat(i)}
    self.check()
    return found


cdef object pcp(State self, int z):
    cdef uint32_t cpu
    cdef pcp_t *p
    cdef zone_t *zone = &self.a.m.zone[z]
    found = []
    for cpu in range(self.a.m.nr_cpus):
        p = &(<cpu_t *>rec_at(&self.a, POOL_CPU, cpu + 1)).pcp[z]
        found.append((p.count, p.high, zone.pcp_batch, zone.pcp_high_min, zone.pcp_high_max))
    return tuple(found)


cdef list zone_types(State self):
    return [z for z in range(NR_ZONES) if zone_is_built(&self.a.m.arch, z)]


cdef list empty_zones(State self):
    """Movable and Device: name and marks."""
    cdef uint32_t i = 0
    found = []
    while empty_zone_name(&self.a.m.arch, i) != NULL:
        found.append((empty_zone_name(&self.a.m.arch, i).decode(), empty_zone_wmark(i)))
        i += 1
    return found


cdef object zone(State self, int z, str name):
    cdef zone_t *p = &self.a.m.zone[z]
    blocks = tuple([tuple([free_area_count(&self.a, z, order, mt) for order in range(self.a.m.arch.max_order + 1)]) for mt in range(NR_MIGRATETYPES)])
    stats = {zone_stat_name(i).decode(): zone_stat_value(&self.a, z, i) for i in range(zone_stat_count())}
    protection = [p.lowmem_reserve[i] for i in zone_types(self)]
    return r.ZoneInfo(
        0, name, p.free_pages, p.watermark_boost, wmark_pages(p, WMARK_MIN), wmark_pages(p, WMARK_LOW), wmark_pages(p, WMARK_HIGH), wmark_pages(p, WMARK_PROMO),
        p.spanned_pages, p.present_pages, p.managed_pages, 0, p.start_pfn, (*protection, *(p.lowmem_reserve[NR_ZONES - 1],) * len(empty_zones(self))),
        tuple([sum(column) for column in zip(*blocks)]), blocks, tuple([p.pageblocks[i] for i in range(NR_MIGRATETYPES)]), pcp(self, z), stats)


def zones(State self):
    """DMA, DMA32, Normal (DMA, Normal, HighMem), then those that are empty."""
    found = [zone(self, z, zone_name(z).decode()) for z in zone_types(self)]
    zeros = (0,) * (self.a.m.arch.max_order + 1)
    for name, mark in empty_zones(self):
        found.append(r.ZoneInfo(0, name, 0, 0, mark, mark, mark, mark, 0, 0, 0, 0, 0, (0,) * len(found[0].protection), zeros,
                                (zeros,) * NR_MIGRATETYPES, (0,) * NR_MIGRATETYPES, ((0, 0, 1, 0, 0),) * self.a.m.nr_cpus, {}))
    self.check()
    return found


# --- trace ------------------------------------------------------------------------------------------------------


def set_trace(State self, on):
    self.mark_machine()
    self.a.m.trace_on = (self.a.m.trace_on & ~TRACE_RECORDS) | (TRACE_RECORDS if on else 0)


def tracing(State self):
    return bool(self.a.m.trace_on & TRACE_RECORDS)


def trace_reset(State self):
    if self.a.m.trace_head:
        self.mark()
    mm_trace_reset(&self.a)


def start_tally(State self):
    self.mark_machine()
    tally_start(&self.a)


def tally(State self):
    counts = {word_of(&self.a.m.arch, trace_event_name(i).decode()): self.a.tally.nr[i] for i in range(1, NR_TRACE_EVENTS)}
    return r.Tally(counts, self.a.tally.nr_copied, self.a.tally.frames, self.a.tally.frames_peak)


def nr_traced(State self):
    return self.a.m.trace_seq


def trace(State self):
    cdef uint32_t i
    cdef trace_t *t
    found = []
    for i in range(1, self.a.m.trace_head + 1):
        t = <trace_t *>rec_at(&self.a, POOL_TRACE, i)
        names = trace_arg_names(t.event).decode().split()
        found.append(r.TraceRecord(t.seq, t.pid, word_of(&self.a.m.arch, trace_event_name(t.event).decode()),
                                   {word_of(&self.a.m.arch, name): t.arg[k] for k, name in enumerate(names)}))
    self.check()
    return found


def traced_file(State self, inode):
    cdef inode_t *i
    if not 0 < inode < self.a.pool[POOL_INODE].count:
        return None
    i = inode_at(&self.a, inode)
    if i.ino == 0:
        return None
    path = path_of(self, inode)
    self.check()
    return r.TracedFile(path, i.dev_major, i.dev_minor, i.ino)


# --- parameters ------------------------------------------------------------------------------------------------------


def sysctl_names(State self):
    """Those that can be read."""
    return [sysctl_name(i).decode() for i in range(sysctl_count()) if sysctl_values(i) and sysctl_exists(&self.a, i)]


def sysctl(State self, name):
    cdef uint32_t i = sysctl_index(&self.a, name)
    cdef uint32_t n = 0
    cdef const choice_t *words = sysctl_words(i)
    if sysctl_values(i) == 0:
        raise KernelError(EACCES, f"{name} can only be written")
    if words == NULL:
        numbers = [sysctl_get(&self.a, i, n) & (-1 if sysctl_is_signed(i) else (1 << 64) - 1) for n in range(sysctl_values(i))]
        return "\t".join(map(str, numbers)) + sysctl_unit(i).decode()
    found = []
    while words[n].word != NULL:
        text = words[n].word.decode()
        found.append(f"[{text}]" if sysctl_get(&self.a, i, 0) == words[n].value else text)
        n += 1
    return " ".join(found)


def set_sysctl(State self, name, value):
    cdef uint32_t i = sysctl_index(&self.a, name)
    cdef uint32_t n
    numbers = sysctl_numbers(i, name, value)
    if not 1 <= len(numbers) <= (sysctl_values(i) or 1):
        raise KernelError(EINVAL, f"{name}={value}: {sysctl_values(i) or 1} number(s) expected")
    for number in numbers:
        if not -1 << 63 <= number < 1 << 63 or not sysctl_in_range(&self.a, i, number):
            raise KernelError(EINVAL, f"{name}={value}: out of range")
    self.mark_machine()
    for n, number in enumerate(numbers):
        sysctl_set(&self.a, i, n, number)
    self.check()


# --- for tests only ----------------------------------------------------------------------------------------------------


cdef char *field_bytes(State self, pool, record, field, const field_t **out) except NULL:
    """Where a field lies: FIELD, or FIELD[N] of an array. Marks the record's chunk."""
    cdef int p = 0
    cdef uint32_t n = 0
    cdef char *bytes_
    name, bracket, index = field.encode().partition(b"[")
    while p < NR_POOLS and pool_name(p) != pool.encode():
        p += 1
    if p == NR_POOLS or not 0 <= record < self.a.pool[p].count:
        raise KernelError(EINVAL, f"there is no record {record} in a pool {pool}")
    out[0] = find_field(p, name)
    n = int(index.removesuffix(b"]")) if bracket else 0
    if out[0] == NULL or n >= out[0].count:
        raise KernelError(EINVAL, f"a record of {pool} has no {field}")
    bytes_ = rec_mut(&self.a, p, record)
    self.check()
    return bytes_ + out[0].offset + n * out[0].stride


def peek(State self, pool, record, field):
    cdef const field_t *f = NULL
    cdef uint64_t value = 0
    cdef char *bytes_ = field_bytes(self, pool, record, field, &f)
    memcpy(&value, bytes_, f.bytes)
    if f.is_signed and value >> (8 * f.bytes - 1):
        return <object>value - (1 << 8 * <object>f.bytes)
    return value


def poke(State self, pool, record, field, value):
    cdef const field_t *f = NULL
    cdef uint64_t bits = value & <uint64_t>0xFFFFFFFFFFFFFFFF
    cdef char *bytes_ = field_bytes(self, pool, record, field, &f)
    memcpy(bytes_, &bits, f.bytes)


cdef uint32_t sysctl_index(arena_t *a, name) except? 0xFFFFFFFF:
    cdef uint32_t i
    for i in range(sysctl_count()):
        if sysctl_name(i).decode() == name and sysctl_exists(a, i):
            return i
    raise KernelError(ENOENT, name)


cdef object sysctl_numbers(uint32_t i, name, value):
    """The numbers that a text stands for: decimal, 0x or octal, as the kernel reads them; or a word of a choice."""
    cdef const choice_t *words = sysctl_words(i)
    cdef uint32_t n = 0
    if words == NULL:
        try:
            return [number_of(word.removesuffix(sysctl_unit(i).decode())) for word in value.split()]
        except ValueError:
            raise KernelError(EINVAL, f"{name}={value}: not a number") from None
    while words[n].word != NULL:
        if words[n].word.decode() == value.strip():
            return [words[n].value]
        n += 1
    raise KernelError(EINVAL, f"{name}={value}: none of its words")


cdef object number_of(word):
    digits = word.removeprefix("-")
    if not digits.isascii() or not digits.isalnum():  # int() takes more: blanks, underscores, other scripts' digits
        raise ValueError(word)
    return int(word, 16 if digits[:2].lower() == "0x" else 8 if digits[:1] == "0" else 10)
