"""sysctl: the parameters of memory management, as /proc/sys/vm, /sys/kernel/mm and the disk's /sys/block/vda have them.

Counterpart: Linux v6.18 mm/util.c, mm/page_alloc.c, mm/page-writeback.c, mm/vmscan.c, fs/drop_caches.c (struct ctl_table of each), mm/huge_memory.c,
block/blk-sysfs.c.
Simplified: what is not built (NUMA ...) has its parameter, which tells what holds and takes no other value.
"""

from libc.string cimport strncmp

from vmtool.mm.arch cimport ARCH_NO_THP
from vmtool.mm.compaction cimport compact_nodes, kcompactd_proactive
from vmtool.mm.frame cimport setup_per_zone_wmarks
from vmtool.mm.hugetlb_pool cimport set_max_huge_pages
from vmtool.mm.mm_slot cimport khugepaged_wake_early, start_stop_khugepaged
from vmtool.mm.large_folio cimport hpage_pmd_nr, hpage_pmd_size, is_anon_order, max_pagecache_order
from vmtool.mm.pagecache cimport drop_caches
from vmtool.mm.pid cimport PID_MAX_LIMIT, PID_MAX_MIN
from vmtool.mm.sysctl_hugetlb cimport (DEMOTE, DEMOTE_SIZE, NR_HSTATE_ROWS, hstate_row_attr, hstate_row_exists, hstate_row_get, hstate_row_name, hstate_row_set,
                                      hstate_row_takes)
from vmtool.mm.writeback cimport flusher_interval_changed, writeback_set_ratelimit
from vmtool.mm.shrinker cimport drop_deferred

cdef enum:
    INT_MAX = 0x7FFFFFFF
    INT_MIN = -0x80000000
    SHMEM_ORDER_NEVER = 4  # in none of machine_t.huge_shmem_orders

cdef enum:  # what setting one does beside
    PLAIN
    FIXED  # takes no other value
    WATERMARKS
    MIN_FREE  # so, too; and huge pages coming or going leave it, unless they want more
    DROP_CACHES  # written only
    NO_BYTES  # the last set of a ratio and of its amount (overcommit_kbytes, dirty_bytes) counts, the other becomes 0
    NO_RATIO
    HUGEPAGES  # the pool grows or shrinks, as far as it can
    COMPACT  # written only
    KILOBYTES  # kept in pages
    READ_ONLY
    KHUGEPAGED  # it starts or stops, as huge pages can be had or not
    KHUGEPAGED_WAKES
    FLUSHER  # another interval than before wakes it
    SHMEM_ORDER  # of one size of folios: a bit of one of machine_t.huge_shmem_orders
    PMD_SIZE  # takes no other value
    PMD_PAGES  # fewer than a huge page has
    PROACTIVE  # kcompactd looks whether it has to do something
    THP_SIZE  # of one size of folios: a bit of thp_orders_
    HSTATE  # of the pool of one size of huge pages; sysctl_hugetlb

cdef struct sysctl_t:
    const char *name
    Py_ssize_t offset  # in machine_t
    uint32_t bytes
    uint32_t values
    int64_t lowest
    int64_t highest
    int action
    const choice_t *words

cdef choice_t THP_ENABLED[4]
THP_ENABLED[:] = [choice_t(b"always", 2), choice_t(b"madvise", 1), choice_t(b"never", 0), choice_t(NULL, 0)]
cdef choice_t SHMEM_ENABLED[7]
SHMEM_ENABLED[:] = [choice_t(b"always", SHMEM_HUGE_ALWAYS), choice_t(b"within_size", SHMEM_HUGE_WITHIN_SIZE), choice_t(b"advise", SHMEM_HUGE_ADVISE),
                    choice_t(b"never", SHMEM_HUGE_NEVER), choice_t(b"deny", SHMEM_HUGE_DENY), choice_t(b"force", SHMEM_HUGE_FORCE), choice_t(NULL, 0)]
cdef choice_t SHMEM_ORDER_ENABLED[6]
SHMEM_ORDER_ENABLED[:] = [choice_t(b"always", SHMEM_ORDERS_ALWAYS), choice_t(b"inherit", SHMEM_ORDERS_INHERIT), choice_t(b"within_size", SHMEM_ORDERS_WITHIN_SIZE),
                          choice_t(b"advise", SHMEM_ORDERS_ADVISE), choice_t(b"never", SHMEM_ORDER_NEVER), choice_t(NULL, 0)]
cdef choice_t TMPFS_HUGE[5]
TMPFS_HUGE[:] = [choice_t(b"always", SHMEM_HUGE_ALWAYS), choice_t(b"within_size", SHMEM_HUGE_WITHIN_SIZE), choice_t(b"advise", SHMEM_HUGE_ADVISE),
                 choice_t(b"never", SHMEM_HUGE_NEVER), choice_t(NULL, 0)]
cdef enum:
    INHERIT = 3  # of hugepages-*kB/enabled: as THP_ENABLED says
cdef choice_t THP_SIZE_ENABLED[5]
THP_SIZE_ENABLED[:] = [choice_t(b"always", THP_ALWAYS), choice_t(b"inherit", INHERIT), choice_t(b"madvise", THP_MADVISE), choice_t(b"never", THP_NEVER),
                       choice_t(NULL, 0)]
cdef choice_t THP_DEFRAG[6]
THP_DEFRAG[:] = [choice_t(b"always", 4), choice_t(b"defer", 2), choice_t(b"defer+madvise", 3), choice_t(b"madvise", 1), choice_t(b"never", 0),
                 choice_t(NULL, 0)]

cdef enum:
    NR_SHMEM_SIZES = 17  # 8 kB to 512 MB
    FIRST_SHMEM_SIZE = 50
    NR_THP_SIZES = 16  # 16 kB to 512 MB
    FIRST_THP_SIZE = FIRST_SHMEM_SIZE + NR_SHMEM_SIZES
    FIRST_HSTATE_ROW = FIRST_THP_SIZE + NR_THP_SIZES
    NR_SYSCTLS = FIRST_HSTATE_ROW + NR_HSTATE_ROWS

cdef machine_t M  # never used but for the distances of its fields
cdef int64_t LONG_MAX = 0x7FFFFFFFFFFFFFFF
cdef int64_t UINT_MAX = 0xFFFFFFFF
cdef sysctl_t TABLE[NR_SYSCTLS]
TABLE[0] = sysctl_t(b"kernel.pid_max", <char *>&M.pid_max - <char *>&M, 4, 1, PID_MAX_MIN, PID_MAX_LIMIT, PLAIN, NULL)
TABLE[1] = sysctl_t(b"vm.admin_reserve_kbytes", <char *>&M.admin_reserve_kbytes - <char *>&M, 8, 1, 0, LONG_MAX, PLAIN, NULL)
TABLE[2] = sysctl_t(b"vm.dirty_background_bytes", <char *>&M.dirty_background_bytes - <char *>&M, 8, 1, 1, LONG_MAX, NO_RATIO, NULL)
TABLE[3] = sysctl_t(b"vm.dirty_background_ratio", <char *>&M.dirty_background_ratio - <char *>&M, 4, 1, 0, 100, NO_BYTES, NULL)
TABLE[4] = sysctl_t(b"vm.dirty_bytes", <char *>&M.dirty_bytes - <char *>&M, 8, 1, 2, LONG_MAX, NO_RATIO, NULL)
TABLE[5] = sysctl_t(b"vm.dirty_expire_centisecs", <char *>&M.dirty_expire_centisecs - <char *>&M, 4, 1, 0, INT_MAX, PLAIN, NULL)
TABLE[6] = sysctl_t(b"vm.dirty_ratio", <char *>&M.dirty_ratio - <char *>&M, 4, 1, 0, 100, NO_BYTES, NULL)
TABLE[7] = sysctl_t(b"vm.dirty_writeback_centisecs", <char *>&M.dirty_writeback_centisecs - <char *>&M, 4, 1, 0, INT_MAX, FLUSHER, NULL)
TABLE[8] = sysctl_t(b"vm.drop_caches", 0, 0, 0, 1, 4, DROP_CACHES, NULL)
TABLE[9] = sysctl_t(b"vm.lowmem_reserve_ratio", <char *>&M.lowmem_reserve_ratio[0] - <char *>&M, 4, 5, INT_MIN, INT_MAX, WATERMARKS, NULL)
TABLE[10] = sysctl_t(b"vm.max_map_count", <char *>&M.max_map_count - <char *>&M, 4, 1, 0, INT_MAX, PLAIN, NULL)
TABLE[11] = sysctl_t(b"vm.min_free_kbytes", <char *>&M.min_free_kbytes - <char *>&M, 8, 1, 0, INT_MAX, MIN_FREE, NULL)
TABLE[12] = sysctl_t(b"vm.mmap_min_addr", <char *>&M.mmap_min_addr - <char *>&M, 4, 1, 0, 0x7FFFF000, PLAIN, NULL)
TABLE[13] = sysctl_t(b"vm.nr_hugepages", <char *>&M.hstate[0].max_huge_pages - <char *>&M, 4, 1, 0, INT_MAX, HUGEPAGES, NULL)
TABLE[14] = sysctl_t(b"vm.nr_overcommit_hugepages", <char *>&M.hstate[0].nr_overcommit_huge_pages - <char *>&M, 4, 1, 0, INT_MAX, PLAIN, NULL)
TABLE[15] = sysctl_t(b"vm.numa_stat", 0, 0, 1, 0, 0, FIXED, NULL)
TABLE[16] = sysctl_t(b"vm.oom_dump_tasks", <char *>&M.oom_dump_tasks - <char *>&M, 4, 1, 0, INT_MAX, PLAIN, NULL)
TABLE[17] = sysctl_t(b"vm.oom_kill_allocating_task", <char *>&M.oom_kill_allocating_task - <char *>&M, 4, 1, 0, INT_MAX, PLAIN, NULL)
TABLE[18] = sysctl_t(b"vm.overcommit_kbytes", <char *>&M.overcommit_kbytes - <char *>&M, 8, 1, 0, LONG_MAX, NO_RATIO, NULL)
TABLE[19] = sysctl_t(b"vm.overcommit_memory", <char *>&M.overcommit_memory - <char *>&M, 4, 1, 0, 2, PLAIN, NULL)
TABLE[20] = sysctl_t(b"vm.overcommit_ratio", <char *>&M.overcommit_ratio - <char *>&M, 4, 1, 0, INT_MAX, NO_BYTES, NULL)
TABLE[21] = sysctl_t(b"vm.page-cluster", <char *>&M.page_cluster - <char *>&M, 4, 1, 0, 31, PLAIN, NULL)
TABLE[22] = sysctl_t(b"vm.panic_on_oom", <char *>&M.panic_on_oom - <char *>&M, 4, 1, 0, 2, PLAIN, NULL)
TABLE[23] = sysctl_t(b"vm.swappiness", <char *>&M.swappiness - <char *>&M, 4, 1, 0, 200, PLAIN, NULL)
TABLE[24] = sysctl_t(b"vm.user_reserve_kbytes", <char *>&M.user_reserve_kbytes - <char *>&M, 8, 1, 0, LONG_MAX, PLAIN, NULL)
TABLE[25] = sysctl_t(b"vm.vfs_cache_pressure", <char *>&M.vfs_cache_pressure - <char *>&M, 4, 1, 0, INT_MAX, PLAIN, NULL)
TABLE[26] = sysctl_t(b"vm.watermark_boost_factor", <char *>&M.watermark_boost_factor - <char *>&M, 4, 1, 0, INT_MAX, PLAIN, NULL)
TABLE[27] = sysctl_t(b"vm.watermark_scale_factor", <char *>&M.watermark_scale_factor - <char *>&M, 4, 1, 1, 3000, WATERMARKS, NULL)
TABLE[28] = sysctl_t(b"vm.zone_reclaim_mode", 0, 0, 1, 0, 0, FIXED, NULL)
TABLE[29] = sysctl_t(b"transparent_hugepage/defrag", <char *>&M.thp_defrag - <char *>&M, 4, 1, 0, INT_MAX, PLAIN, &THP_DEFRAG[0])
TABLE[30] = sysctl_t(b"transparent_hugepage/enabled", <char *>&M.thp_enabled - <char *>&M, 4, 1, 0, INT_MAX, KHUGEPAGED, &THP_ENABLED[0])
TABLE[31] = sysctl_t(b"transparent_hugepage/hpage_pmd_size", 0, 0, 1, 0, 0, PMD_SIZE, NULL)
TABLE[32] = sysctl_t(b"transparent_hugepage/use_zero_page", 0, 0, 1, 1, 1, FIXED, NULL)
TABLE[33] = sysctl_t(b"kernel.threads-max", <char *>&M.max_threads - <char *>&M, 4, 1, 1, 0x3FFFFFFF, PLAIN, NULL)
TABLE[34] = sysctl_t(b"vm.compact_memory", 0, 0, 0, 1, 1, COMPACT, NULL)
TABLE[35] = sysctl_t(b"queue/read_ahead_kb", <char *>&M.ra_pages - <char *>&M, 4, 1, 0, UINT_MAX, KILOBYTES, NULL)
TABLE[36] = sysctl_t(b"transparent_hugepage/shmem_enabled", <char *>&M.shmem_huge - <char *>&M, 4, 1, 0, INT_MAX, KHUGEPAGED, &SHMEM_ENABLED[0])

TABLE[37] = sysctl_t(b"transparent_hugepage/khugepaged/defrag", <char *>&M.khugepaged.defrag - <char *>&M, 4, 1, 0, 1, PLAIN, NULL)
TABLE[38] = sysctl_t(b"transparent_hugepage/khugepaged/pages_to_scan", <char *>&M.khugepaged.pages_to_scan - <char *>&M, 4, 1, 1, UINT_MAX, PLAIN, NULL)
TABLE[39] = sysctl_t(b"transparent_hugepage/khugepaged/scan_sleep_millisecs", <char *>&M.khugepaged.scan_sleep_millisecs - <char *>&M, 4, 1, 0, UINT_MAX, KHUGEPAGED_WAKES, NULL)
TABLE[40] = sysctl_t(b"transparent_hugepage/khugepaged/alloc_sleep_millisecs", <char *>&M.khugepaged.alloc_sleep_millisecs - <char *>&M, 4, 1, 0, UINT_MAX, KHUGEPAGED_WAKES, NULL)
TABLE[41] = sysctl_t(b"transparent_hugepage/khugepaged/max_ptes_none", <char *>&M.khugepaged.max_ptes_none - <char *>&M, 4, 1, 0, UINT_MAX, PMD_PAGES, NULL)
TABLE[42] = sysctl_t(b"transparent_hugepage/khugepaged/max_ptes_swap", <char *>&M.khugepaged.max_ptes_swap - <char *>&M, 4, 1, 0, UINT_MAX, PMD_PAGES, NULL)
TABLE[43] = sysctl_t(b"transparent_hugepage/khugepaged/max_ptes_shared", <char *>&M.khugepaged.max_ptes_shared - <char *>&M, 4, 1, 0, UINT_MAX, PMD_PAGES, NULL)
TABLE[44] = sysctl_t(b"transparent_hugepage/khugepaged/full_scans", <char *>&M.khugepaged.full_scans - <char *>&M, 4, 1, 0, UINT_MAX, READ_ONLY, NULL)
TABLE[45] = sysctl_t(b"transparent_hugepage/khugepaged/pages_collapsed", <char *>&M.khugepaged.pages_collapsed - <char *>&M, 4, 1, 0, UINT_MAX, READ_ONLY, NULL)
TABLE[46] = sysctl_t(b"tmpfs/huge", <char *>&M.tmpfs_huge - <char *>&M, 4, 1, 0, INT_MAX, PLAIN, &TMPFS_HUGE[0])
cdef const char *SHMEM_SIZE_NAMES[NR_SHMEM_SIZES]
SHMEM_SIZE_NAMES[:] = [
    b"transparent_hugepage/hugepages-8kB/shmem_enabled", b"transparent_hugepage/hugepages-16kB/shmem_enabled",
    b"transparent_hugepage/hugepages-32kB/shmem_enabled", b"transparent_hugepage/hugepages-64kB/shmem_enabled",
    b"transparent_hugepage/hugepages-128kB/shmem_enabled", b"transparent_hugepage/hugepages-256kB/shmem_enabled",
    b"transparent_hugepage/hugepages-512kB/shmem_enabled", b"transparent_hugepage/hugepages-1024kB/shmem_enabled",
    b"transparent_hugepage/hugepages-2048kB/shmem_enabled", b"transparent_hugepage/hugepages-4096kB/shmem_enabled",
    b"transparent_hugepage/hugepages-8192kB/shmem_enabled", b"transparent_hugepage/hugepages-16384kB/shmem_enabled",
    b"transparent_hugepage/hugepages-32768kB/shmem_enabled", b"transparent_hugepage/hugepages-65536kB/shmem_enabled",
    b"transparent_hugepage/hugepages-131072kB/shmem_enabled", b"transparent_hugepage/hugepages-262144kB/shmem_enabled",
    b"transparent_hugepage/hugepages-524288kB/shmem_enabled",
]
cdef const char *THP_SIZE_NAMES[NR_THP_SIZES]
THP_SIZE_NAMES[:] = [
    b"transparent_hugepage/hugepages-16kB/enabled", b"transparent_hugepage/hugepages-32kB/enabled",
    b"transparent_hugepage/hugepages-64kB/enabled", b"transparent_hugepage/hugepages-128kB/enabled",
    b"transparent_hugepage/hugepages-256kB/enabled", b"transparent_hugepage/hugepages-512kB/enabled",
    b"transparent_hugepage/hugepages-1024kB/enabled", b"transparent_hugepage/hugepages-2048kB/enabled",
    b"transparent_hugepage/hugepages-4096kB/enabled", b"transparent_hugepage/hugepages-8192kB/enabled",
    b"transparent_hugepage/hugepages-16384kB/enabled", b"transparent_hugepage/hugepages-32768kB/enabled",
    b"transparent_hugepage/hugepages-65536kB/enabled", b"transparent_hugepage/hugepages-131072kB/enabled",
    b"transparent_hugepage/hugepages-262144kB/enabled", b"transparent_hugepage/hugepages-524288kB/enabled",
]
cdef void size_rows() noexcept nogil:
    cdef uint32_t size, row
    for size in range(NR_SHMEM_SIZES):
        TABLE[FIRST_SHMEM_SIZE + size] = sysctl_t(SHMEM_SIZE_NAMES[size], 0, 4, 1, 0, INT_MAX, SHMEM_ORDER, &SHMEM_ORDER_ENABLED[0])
    for size in range(NR_THP_SIZES):
        TABLE[FIRST_THP_SIZE + size] = sysctl_t(THP_SIZE_NAMES[size], 0, 0, 1, 0, INT_MAX, THP_SIZE, &THP_SIZE_ENABLED[0])
    for row in range(NR_HSTATE_ROWS):
        TABLE[FIRST_HSTATE_ROW + row] = sysctl_t(hstate_row_name(row), 0, 0, hstate_row_attr(row) != DEMOTE, 0, INT_MAX, HSTATE, NULL)
size_rows()


cdef inline uint32_t thp_size_order(arena_t *a, uint32_t i) noexcept nogil:
    """Of a row for one size of folios; one that is less than a page has an order beyond all."""
    return (i - FIRST_THP_SIZE + 14 if i >= FIRST_THP_SIZE else i - FIRST_SHMEM_SIZE + 13) - a.m.arch.page_shift


cdef bint sysctl_exists(arena_t *a, uint32_t i) noexcept nogil:
    if a.m.arch.flags & ARCH_NO_THP and strncmp(TABLE[i].name, b"transparent_hugepage/", 21) == 0:
        return False
    if TABLE[i].action == SHMEM_ORDER:
        return 1 <= thp_size_order(a, i) <= max_pagecache_order(&a.m.arch)
    if TABLE[i].action == HSTATE:
        return hstate_row_exists(a, i - FIRST_HSTATE_ROW)
    return TABLE[i].action != THP_SIZE or is_anon_order(a, thp_size_order(a, i))


cdef uint32_t thp_size_mode(arena_t *a, uint32_t order) noexcept nogil:
    if a.m.thp_orders_always >> order & 1:
        return THP_ALWAYS
    if a.m.thp_orders_inherit >> order & 1:
        return INHERIT
    return THP_MADVISE if a.m.thp_orders_madvise >> order & 1 else THP_NEVER


cdef void set_thp_size_mode(arena_t *a, uint32_t order, int64_t mode) noexcept nogil:
    """anon_enabled_store()."""
    cdef uint32_t bit = <uint32_t>1 << order
    a.m.thp_orders_always = a.m.thp_orders_always & ~bit | (bit if mode == THP_ALWAYS else 0)
    a.m.thp_orders_inherit = a.m.thp_orders_inherit & ~bit | (bit if mode == INHERIT else 0)
    a.m.thp_orders_madvise = a.m.thp_orders_madvise & ~bit | (bit if mode == THP_MADVISE else 0)

TABLE[47] = sysctl_t(b"vm.compact_unevictable_allowed", <char *>&M.compaction.unevictable_allowed - <char *>&M, 4, 1, 0, 1, PLAIN, NULL)
TABLE[48] = sysctl_t(b"vm.compaction_proactiveness", <char *>&M.compaction_proactiveness - <char *>&M, 4, 1, 0, 100, PROACTIVE, NULL)
TABLE[49] = sysctl_t(b"vm.extfrag_threshold", <char *>&M.extfrag_threshold - <char *>&M, 4, 1, 0, 1000, PLAIN, NULL)


cdef uint32_t sysctl_count() noexcept nogil:
    return NR_SYSCTLS


cdef const char *sysctl_name(uint32_t i) noexcept nogil:
    return TABLE[i].name


cdef uint32_t sysctl_values(uint32_t i) noexcept nogil:
    return TABLE[i].values


cdef bint sysctl_is_signed(uint32_t i) noexcept nogil:
    return TABLE[i].action != HSTATE


cdef const char *sysctl_unit(uint32_t i) noexcept nogil:
    return b"kB" if TABLE[i].action == HSTATE and hstate_row_attr(i - FIRST_HSTATE_ROW) == DEMOTE_SIZE else b""


cdef const choice_t *sysctl_words(uint32_t i) noexcept nogil:
    return TABLE[i].words


cdef bint is_inherited_alone(arena_t *a) noexcept nogil:
    return a.m.huge_shmem_orders[SHMEM_ORDERS_INHERIT] == <uint32_t>1 << a.m.arch.pmd_order


cdef inline int64_t lowest_of(arena_t *a, uint32_t i) noexcept nogil:
    """dirty_bytes_min counts in pages."""
    return TABLE[i].lowest << a.m.arch.page_shift if TABLE[i].offset == <char *>&M.dirty_bytes - <char *>&M else TABLE[i].lowest


cdef bint sysctl_in_range(arena_t *a, uint32_t i, int64_t value) noexcept nogil:
    if TABLE[i].action == READ_ONLY or TABLE[i].action == PMD_SIZE:
        return value == sysctl_get(a, i, 0)
    if TABLE[i].action == HSTATE:
        return hstate_row_takes(a, i - FIRST_HSTATE_ROW, value)
    if TABLE[i].action == PMD_PAGES:
        return 0 <= value < hpage_pmd_nr(a)
    if TABLE[i].action == SHMEM_ORDER and value == SHMEM_ORDERS_INHERIT:
        return a.m.shmem_huge != SHMEM_HUGE_FORCE or thp_size_order(a, i) == a.m.arch.pmd_order
    if TABLE[i].words == &SHMEM_ENABLED[0] and value == SHMEM_HUGE_FORCE:  # which would be for other sizes, too
        return is_inherited_alone(a)
    return lowest_of(a, i) <= value <= TABLE[i].highest


cdef bint is_stored(uint32_t i, uint32_t n) noexcept nogil:
    """Zones above HighMem have no ratio: 0."""
    return TABLE[i].bytes != 0 and (TABLE[i].values == 1 or n < NR_ZONES)


cdef int64_t shmem_order_get(arena_t *a, uint32_t order) noexcept nogil:
    cdef uint32_t how = 0
    while how < SHMEM_ORDER_NEVER and not a.m.huge_shmem_orders[how] >> order & 1:
        how += 1
    return how


cdef void shmem_order_set(arena_t *a, uint32_t order, uint32_t value) noexcept nogil:
    cdef uint32_t how
    for how in range(SHMEM_ORDER_NEVER):
        a.m.huge_shmem_orders[how] &= ~(<uint32_t>1 << order)
    if value < SHMEM_ORDER_NEVER:
        a.m.huge_shmem_orders[value] |= <uint32_t>1 << order


cdef int64_t sysctl_get(arena_t *a, uint32_t i, uint32_t n) noexcept nogil:
    cdef char *field = <char *>a.m + TABLE[i].offset + n * TABLE[i].bytes
    if TABLE[i].action == SHMEM_ORDER:
        return shmem_order_get(a, thp_size_order(a, i))
    if TABLE[i].action == THP_SIZE:
        return thp_size_mode(a, thp_size_order(a, i))
    if TABLE[i].action == HSTATE:
        return hstate_row_get(a, i - FIRST_HSTATE_ROW)
    if TABLE[i].action == PMD_SIZE:
        return <int64_t>hpage_pmd_size(a)
    if not is_stored(i, n):
        return TABLE[i].lowest if TABLE[i].action == FIXED else 0
    if TABLE[i].action == KILOBYTES:
        return <int64_t>(<uint32_t *>field)[0] << (a.m.arch.page_shift - 10)
    return (<int64_t *>field)[0] if TABLE[i].bytes == 8 else (<uint32_t *>field)[0]


cdef uint64_t *amount_of(arena_t *a, uint32_t i) noexcept nogil:
    """What a ratio puts out of force."""
    if TABLE[i].offset == <char *>&M.dirty_ratio - <char *>&M:
        return &a.m.dirty_bytes
    return &a.m.dirty_background_bytes if TABLE[i].offset == <char *>&M.dirty_background_ratio - <char *>&M else &a.m.overcommit_kbytes


cdef uint32_t *ratio_of(arena_t *a, uint32_t i) noexcept nogil:
    if TABLE[i].offset == <char *>&M.dirty_bytes - <char *>&M:
        return &a.m.dirty_ratio
    return &a.m.dirty_background_ratio if TABLE[i].offset == <char *>&M.dirty_background_bytes - <char *>&M else &a.m.overcommit_ratio


cdef void sysctl_set(arena_t *a, uint32_t i, uint32_t n, int64_t value) noexcept nogil:
    cdef char *field = <char *>a.m + TABLE[i].offset + n * TABLE[i].bytes
    cdef bint is_new
    if TABLE[i].action == DROP_CACHES:
        if value & 3:
            drop_caches(a, <int>value & 3)
        if value & 2:
            drop_deferred(a)
        return
    if TABLE[i].action == THP_SIZE:
        set_thp_size_mode(a, thp_size_order(a, i), value)
        start_stop_khugepaged(a)
        return
    if TABLE[i].action == HSTATE:
        hstate_row_set(a, i - FIRST_HSTATE_ROW, value)
        return
    if TABLE[i].action == COMPACT:
        compact_nodes(a)
        return
    if TABLE[i].action == HUGEPAGES:
        set_max_huge_pages(a, 0, <uint64_t>value)
        return
    if TABLE[i].action == READ_ONLY:
        return
    if TABLE[i].action == SHMEM_ORDER:
        shmem_order_set(a, thp_size_order(a, i), <uint32_t>value)
        start_stop_khugepaged(a)
        return
    if TABLE[i].action == FLUSHER and value != sysctl_get(a, i, 0):
        a.m.dirty_writeback_centisecs = <uint32_t>value
        flusher_interval_changed(a)
        return
    if TABLE[i].action == KILOBYTES:  # what is no whole page is cut off; source: queue_ra_store()
        value >>= a.m.arch.page_shift - 10
    is_new = value != sysctl_get(a, i, n)
    if is_stored(i, n):
        if TABLE[i].bytes == 8:
            (<int64_t *>field)[0] = value
        else:
            (<uint32_t *>field)[0] = <uint32_t>(value if value > 0 else 0)
    if TABLE[i].action == PROACTIVE:
        kcompactd_proactive(a)
    elif TABLE[i].action == MIN_FREE:
        a.m.user_min_free_kbytes = <uint32_t>value + 1
        setup_per_zone_wmarks(a)
    elif TABLE[i].action == WATERMARKS:
        setup_per_zone_wmarks(a)
    elif TABLE[i].action == KHUGEPAGED:
        start_stop_khugepaged(a)
    elif TABLE[i].action == KHUGEPAGED_WAKES:
        khugepaged_wake_early(a)
    elif TABLE[i].action == NO_BYTES:
        amount_of(a, i)[0] = 0
    elif TABLE[i].action == NO_RATIO:
        ratio_of(a, i)[0] = 0
    if is_new and (field == <char *>&a.m.dirty_ratio or field == <char *>&a.m.dirty_bytes):
        writeback_set_ratelimit(a)
