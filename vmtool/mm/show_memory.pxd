# cython: language_level=3
"""What /proc/meminfo, vmstat and zoneinfo say: each figure by its name, in 6.18's order."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # a figure of /proc/meminfo, by its line
    NR_MEMINFO = 58

cdef const char *meminfo_label(const arch_t *g, uint32_t line) noexcept nogil  # NULL: kernels of that architecture print no such line
cdef void meminfo_fill(arena_t *a, uint64_t *out) noexcept nogil  # NR_MEMINFO figures: kB, pages for HugePages_
cdef uint32_t vmstat_count() noexcept nogil
cdef const char *vmstat_name(uint32_t line) noexcept nogil
cdef int64_t vmstat_value(arena_t *a, uint32_t line) noexcept nogil
cdef bint vmstat_is_node_stat(uint32_t line) noexcept nogil  # zoneinfo prints it among the per-node stats
cdef uint32_t zone_stat_count() noexcept nogil
cdef const char *zone_stat_name(uint32_t line) noexcept nogil
cdef int64_t zone_stat_value(arena_t *a, uint32_t zone, uint32_t line) noexcept nogil
# Of zoneinfo: the zones that a kernel of that architecture was built with, and those behind them that never have memory here.
cdef bint zone_is_built(const arch_t *g, uint32_t zone) noexcept nogil
cdef const char *empty_zone_name(const arch_t *g, uint32_t i) noexcept nogil  # by number; NULL: no more
cdef uint64_t empty_zone_wmark(uint32_t i) noexcept nogil  # all its marks: of Movable not 0 all the same
