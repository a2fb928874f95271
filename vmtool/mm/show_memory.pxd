# cython: language_level=3
"""What /proc/meminfo, vmstat and zoneinfo say: each figure by its name, in 6.18's order."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # a figure of /proc/meminfo, by its line
    NR_MEMINFO = 54

cdef const char *meminfo_label(uint32_t line) noexcept nogil
cdef void meminfo_fill(arena_t *a, uint64_t *out) noexcept nogil  # NR_MEMINFO figures: kB, pages for HugePages_
cdef uint32_t vmstat_count() noexcept nogil
cdef const char *vmstat_name(uint32_t line) noexcept nogil
cdef int64_t vmstat_value(arena_t *a, uint32_t line) noexcept nogil
cdef bint vmstat_is_node_stat(uint32_t line) noexcept nogil  # zoneinfo prints it among the per-node stats
cdef uint32_t zone_stat_count() noexcept nogil
cdef const char *zone_stat_name(uint32_t line) noexcept nogil
cdef int64_t zone_stat_value(arena_t *a, uint32_t zone, uint32_t line) noexcept nogil
