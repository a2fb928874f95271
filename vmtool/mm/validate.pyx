"""The machine's own record and its CPUs, before anything is computed from them.

A state file's checksums tell of accidents, not of someone who writes a file with care. Records of pools are reached by numbers that the
arena checks each time; but the paging format, the TLB's geometry, the zones and the counts in machine_t are used as they are, in
every walk: with a set's length changed, a look into the TLB would end in memory that is not the machine's. So they are looked at here.
What lists and trees of records say is checked where they are walked, and by fsck.
"""

from libc.string cimport memcmp

from vmtool.mm.arch cimport arch_features, arch_lookup, arch_name
from vmtool.mm.arena cimport content_sized, frame_mut, rec_at
from vmtool.mm.boot cimport note_special_frames, vdso_outside_maps
from vmtool.mm.free_area cimport WOKEN_ORDER_SHIFT
from vmtool.mm.swap_cluster cimport SWAPFILE_CLUSTER, cluster_of
from vmtool.mm.tlb cimport NR_TLBS, TLB_ALL_SIZES, TLB_ODD, TLB_POLICY, TLB_RANDOM, tlb_geom_of, tlb_is_plain
from vmtool.mm.tlb_spec cimport MAX_WAYS
from vmtool.mm.types cimport *

cdef enum:
    SETS_ALIGN = 128  # records; no set is longer, a chunk holds a multiple
    MAX_MIN_FREE_KBYTES = 0x80000000  # INT_MAX and one
    MAX_READAHEAD = 1 << 30  # pages; read_ahead_kb is an unsigned int
    MAX_PAGE_CLUSTER = 31  # a shift
    MAX_PIDS = (1 << 22) + 1  # PID_MAX_LIMIT of 64-bit kernels, and the null record
    MAX_BUCKETS = 4096
    OLD_MAX_ORDER = 10  # of all formats in older files
    OLD_PAGEBLOCK_ORDER = 9


cdef bint is_power_of_two(uint32_t n) noexcept nogil:
    return n != 0 and n & (n - 1) == 0


cdef bint is_text(const char *text, uint32_t size) noexcept nogil:
    """Printable ASCII that ends within its field."""
    cdef uint32_t i
    for i in range(size):
        if text[i] == 0:
            return True
        if text[i] < 0x20 or text[i] > 0x7E:
            return False
    return False


cdef bint valid_arch(machine_t *m) noexcept nogil:
    """The format in the record is that of the table. What older files do not have of it is filled in."""
    cdef arch_t g
    if arch_lookup(arch_name(m.arch.id), &g) < 0:
        return False
    note_special_frames(m, &g)
    arch_features(m, &g, tlb_is_plain(m))
    m.arch.flags = g.flags
    m.arch.user_nx = g.user_nx
    m.arch.kernel_start = g.kernel_start
    m.arch.top_order = g.top_order
    m.arch.soft_dirty = g.soft_dirty
    m.arch.pmd_order = g.pmd_order
    if m.arch.max_order == 0:
        m.arch.max_order = OLD_MAX_ORDER
        m.arch.pageblock_order = OLD_PAGEBLOCK_ORDER
    if m.arch.max_order == OLD_MAX_ORDER and m.arch.pageblock_order == OLD_PAGEBLOCK_ORDER:  # its blocks are what they were made as
        g.max_order = OLD_MAX_ORDER
        g.pageblock_order = OLD_PAGEBLOCK_ORDER
    return memcmp(&g, &m.arch, sizeof(g)) == 0


cdef bint valid_tlb(machine_t *m, uint32_t *nr_entries) noexcept nogil:
    """Sets that lie within one chunk; `nr_entries`: what a CPU's must hold."""
    cdef uint32_t i
    cdef uint32_t end
    cdef const tlb_geom_t *g
    nr_entries[0] = 0
    for i in range(16):
        g = tlb_geom_of(m, i)
        if g.ways == 0:
            continue
        if i >= NR_TLBS or g.ways > MAX_WAYS or g.stride > MAX_WAYS or g.ways > g.stride or g.sets == 0:
            return False
        if g.policy & ~(TLB_POLICY | TLB_ALL_SIZES | TLB_ODD) or g.policy & TLB_POLICY > TLB_RANDOM:
            return False
        if is_power_of_two(g.sets) != (g.policy & TLB_ODD == 0) or not is_power_of_two(g.stride) or g.base % g.stride:
            return False
        end = g.base + <uint32_t>g.sets * g.stride
        if end > nr_entries[0]:
            nr_entries[0] = end
    return True


cdef bint valid_cpus(arena_t *a, uint32_t nr_entries) noexcept nogil:
    cdef uint32_t cpu
    cdef const cpu_t *c
    for cpu in range(a.m.nr_cpus):
        c = <const cpu_t *>rec_at(a, POOL_CPU, cpu + 1)
        if c.nr_tlb < nr_entries or c.nr_tlb > 0xFFFF or c.tlb_base % SETS_ALIGN:
            return False
        if c.nr_tlb and (c.tlb_base == 0 or <uint64_t>c.tlb_base + c.nr_tlb > a.pool[POOL_TLB].count):
            return False
    return True


cdef bint within(uint64_t start, uint64_t nr, uint64_t first, uint64_t end) noexcept nogil:
    """Whether `nr` frames from `start` lie in first..end."""
    return first <= start <= end and nr <= end - start


cdef bint valid_zone(const zone_t *z, uint64_t max_pfn) noexcept nogil:
    cdef uint64_t end = z.start_pfn + z.spanned_pages
    if not within(z.start_pfn, z.spanned_pages, 0, max_pfn) or z.present_pages > z.spanned_pages or z.managed_pages > z.present_pages:
        return False
    return z.unseen_pfn <= z.unseen_end and (z.unseen_pfn == z.unseen_end or within(z.unseen_pfn, z.unseen_end - z.unseen_pfn, z.start_pfn, end))


cdef bint valid_memory(arena_t *a) noexcept nogil:
    """Zones and reserved ranges within the frames that have records."""
    cdef const machine_t *m = a.m
    cdef uint32_t i
    if m.max_pfn != a.pool[POOL_FRAME].count or m.ram_bytes >> a.m.arch.page_shift > m.max_pfn or m.nr_zones > NR_ZONES or m.nr_reserved > NR_RESERVED:
        return False
    for i in range(NR_ZONES):
        if not valid_zone(&m.zone[i], m.max_pfn):
            return False
    for i in range(m.nr_reserved):
        if not within(m.reserved[i].start_pfn, m.reserved[i].nr_pages, 0, m.max_pfn):
            return False
    return True


cdef bint valid_frames_of_note(const machine_t *m) noexcept nogil:
    cdef uint32_t i
    if m.zero_pfn >= m.max_pfn or m.huge_zero_pfn >= m.max_pfn or m.kernel_pgd >= m.max_pfn or m.kernel_pgd == 0:
        return False
    for i in range(2):
        if m.vdso_pfn[i] >= m.max_pfn:
            return False
    for i in range(6):
        if m.vvar_pfn[i] >= m.max_pfn:
            return False
    return True


cdef bint valid_swap(arena_t *a) noexcept nogil:
    """Each area's slots and clusters lie within their pools."""
    cdef uint32_t i
    cdef const swap_info_t *si
    if a.m.nr_swapfiles > MAX_SWAP_AREAS:
        return False
    for i in range(MAX_SWAP_AREAS):
        si = &a.m.swap[i]
        if si.flags and (si.base % SWAPFILE_CLUSTER or not within(si.base, si.max, SWAPFILE_CLUSTER, a.pool[POOL_SWAP].count) or si.max > 1 << 30
                         or si.next_offset > si.max or cluster_of(si, si.base + si.max) >= a.pool[POOL_CLUSTER].count):
            return False
    return True


cdef bint valid_compaction(const machine_t *m) noexcept nogil:
    """Orders and shifts that kswapd, kcompactd and compaction take as they are."""
    cdef uint32_t i
    if m.compaction.kcompactd_max_order > m.arch.max_order or m.compaction.kcompactd_highest > NR_ZONES or m.compaction_proactiveness > 100:
        return False
    for i in range(NR_ZONES):
        if m.compaction.zone[i].defer_shift > 6 or m.zone[i].flags >> WOKEN_ORDER_SHIFT > m.arch.max_order:
            return False
    return True


cdef bint valid_counts(arena_t *a) noexcept nogil:
    """Of the pools that are as long as something else says."""
    cdef const machine_t *m = a.m
    if a.pool[POOL_PAGEBLOCK].count > (m.max_pfn >> m.arch.pageblock_order) + 2 or not valid_swap(a):
        return False
    if a.pool[POOL_PID].count > MAX_PIDS or a.pool[POOL_HASH].count > MAX_BUCKETS:
        return False
    if a.pool[POOL_CONTENT].count > <uint64_t>4 * a.pool[POOL_SLOT].count:  # a slot describes a chunk of four
        return False
    return m.nr_caches < a.pool[POOL_CACHE].count and (m.trace_head == 0 or m.trace_head < a.pool[POOL_TRACE].count)


cdef const char *machine_validate(arena_t *a) noexcept nogil:
    cdef const machine_t *m = a.m
    cdef uint32_t nr_entries
    cdef bint is_old = m.arch.kernel_start == 0  # and counts two mappings of each page of [vdso] outside the machine
    cdef int i
    if not valid_arch(a.m):
        return b"its paging format"
    content_sized(a)
    if m.nr_cpus == 0 or m.nr_cpus > MAX_CPUS or m.nr_cpus >= a.pool[POOL_CPU].count:
        return b"its number of processors"
    if not valid_tlb(a.m, &nr_entries) or not valid_cpus(a, nr_entries):
        return b"the geometry of its TLB"
    if not valid_memory(a):
        return b"its zones of memory"
    if not valid_frames_of_note(m):
        return b"its frames of note"
    for i in range(2):
        if is_old and m.vdso_pfn[i]:
            frame_mut(a, m.vdso_pfn[i]).mapcount += vdso_outside_maps(&m.arch, i) - 2
    if not valid_counts(a):
        return b"its counts of records"
    if not is_text(m.kernel, 16) or not is_text(m.tlb_spec, 64):
        return b"its names"
    if m.ra_pages > MAX_READAHEAD or m.page_cluster > MAX_PAGE_CLUSTER or m.user_min_free_kbytes > MAX_MIN_FREE_KBYTES or not valid_compaction(m):
        return b"its parameters"
    return NULL
