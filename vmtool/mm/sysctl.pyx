"""sysctl: the parameters of memory management, as /proc/sys/vm and /sys/kernel/mm have them.

Counterpart: Linux v6.18 mm/util.c, mm/page_alloc.c, mm/page-writeback.c, mm/vmscan.c, fs/drop_caches.c (struct ctl_table of each), mm/huge_memory.c.
Simplified: swapping, compaction and huge pages of hugetlb are not built; what concerns them is kept and read back, or refuses any other value.
"""

from vmtool.mm.frame cimport setup_per_zone_wmarks
from vmtool.mm.pagecache cimport drop_caches

cdef enum:
    INT_MAX = 0x7FFFFFFF

cdef enum:  # what setting one does beside
    PLAIN
    WATERMARKS
    DROP_CACHES  # written only
    NO_BYTES  # one of two fields of which the other becomes 0

cdef struct sysctl_t:
    const char *name
    Py_ssize_t offset  # in machine_t
    uint32_t bytes
    uint32_t values
    int64_t lowest
    int64_t highest
    int action
    const char *const *words

cdef const char *THP_ENABLED[4]
THP_ENABLED[:] = [b"never", b"madvise", b"always", NULL]

cdef enum:
    NR_SYSCTLS = 17

cdef machine_t M  # never used but for the distances of its fields
cdef int64_t LONG_MAX = 0x7FFFFFFFFFFFFFFF
cdef sysctl_t TABLE[NR_SYSCTLS]
TABLE[0] = sysctl_t(b"vm.admin_reserve_kbytes", <char *>&M.admin_reserve_kbytes - <char *>&M, 8, 1, 0, LONG_MAX, PLAIN, NULL)
TABLE[1] = sysctl_t(b"vm.dirty_background_ratio", <char *>&M.dirty_background_ratio - <char *>&M, 4, 1, 0, 100, PLAIN, NULL)
TABLE[2] = sysctl_t(b"vm.dirty_ratio", <char *>&M.dirty_ratio - <char *>&M, 4, 1, 0, 100, PLAIN, NULL)
TABLE[3] = sysctl_t(b"vm.drop_caches", 0, 0, 0, 1, 4, DROP_CACHES, NULL)
TABLE[4] = sysctl_t(b"vm.lowmem_reserve_ratio", <char *>&M.lowmem_reserve_ratio[0] - <char *>&M, 4, NR_ZONES, 0, INT_MAX, WATERMARKS, NULL)
TABLE[5] = sysctl_t(b"vm.max_map_count", <char *>&M.max_map_count - <char *>&M, 4, 1, 0, INT_MAX, PLAIN, NULL)
TABLE[6] = sysctl_t(b"vm.min_free_kbytes", <char *>&M.min_free_kbytes - <char *>&M, 8, 1, 0, INT_MAX, WATERMARKS, NULL)
TABLE[7] = sysctl_t(b"vm.mmap_min_addr", <char *>&M.mmap_min_addr - <char *>&M, 4, 1, 0, 0xFFFFF000, PLAIN, NULL)
TABLE[8] = sysctl_t(b"vm.overcommit_kbytes", <char *>&M.overcommit_kbytes - <char *>&M, 8, 1, 0, LONG_MAX, PLAIN, NULL)
TABLE[9] = sysctl_t(b"vm.overcommit_memory", <char *>&M.overcommit_memory - <char *>&M, 4, 1, 0, 2, PLAIN, NULL)
TABLE[10] = sysctl_t(b"vm.overcommit_ratio", <char *>&M.overcommit_ratio - <char *>&M, 4, 1, 0, INT_MAX, NO_BYTES, NULL)
TABLE[11] = sysctl_t(b"vm.page-cluster", <char *>&M.page_cluster - <char *>&M, 4, 1, 0, 31, PLAIN, NULL)
TABLE[12] = sysctl_t(b"vm.swappiness", <char *>&M.swappiness - <char *>&M, 4, 1, 0, 200, PLAIN, NULL)
TABLE[13] = sysctl_t(b"vm.user_reserve_kbytes", <char *>&M.user_reserve_kbytes - <char *>&M, 8, 1, 0, LONG_MAX, PLAIN, NULL)
TABLE[14] = sysctl_t(b"vm.vfs_cache_pressure", <char *>&M.vfs_cache_pressure - <char *>&M, 4, 1, 0, INT_MAX, PLAIN, NULL)
TABLE[15] = sysctl_t(b"vm.watermark_scale_factor", <char *>&M.watermark_scale_factor - <char *>&M, 4, 1, 1, 3000, WATERMARKS, NULL)
TABLE[16] = sysctl_t(b"transparent_hugepage/enabled", <char *>&M.thp_enabled - <char *>&M, 4, 1, 0, 2, PLAIN, &THP_ENABLED[0])


cdef uint32_t sysctl_count() noexcept nogil:
    return NR_SYSCTLS


cdef const char *sysctl_name(uint32_t i) noexcept nogil:
    return TABLE[i].name


cdef uint32_t sysctl_values(uint32_t i) noexcept nogil:
    return TABLE[i].values


cdef const char *const *sysctl_words(uint32_t i) noexcept nogil:
    return TABLE[i].words


cdef int64_t sysctl_get(arena_t *a, uint32_t i, uint32_t n) noexcept nogil:
    cdef char *field = <char *>a.m + TABLE[i].offset + n * TABLE[i].bytes
    return (<int64_t *>field)[0] if TABLE[i].bytes == 8 else (<uint32_t *>field)[0]


cdef bint sysctl_in_range(arena_t *a, uint32_t i, int64_t value) noexcept nogil:
    return TABLE[i].lowest <= value <= TABLE[i].highest


cdef void sysctl_set(arena_t *a, uint32_t i, uint32_t n, int64_t value) noexcept nogil:
    cdef char *field = <char *>a.m + TABLE[i].offset + n * TABLE[i].bytes
    if TABLE[i].action == DROP_CACHES:
        if value & 3:
            drop_caches(a, <uint32_t>value & 3)
        return
    if TABLE[i].bytes == 8:
        (<int64_t *>field)[0] = value
    else:
        (<uint32_t *>field)[0] = <uint32_t>value
    if TABLE[i].action == WATERMARKS:
        setup_per_zone_wmarks(a)
    elif TABLE[i].action == NO_BYTES:
        a.m.overcommit_kbytes = 0
