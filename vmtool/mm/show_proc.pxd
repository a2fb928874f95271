# cython: language_level=3
"""Level show_. What numa_maps and oom_score tell of a process."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef struct numa_stats_t:  # struct numa_maps: pages
    uint64_t pages
    uint64_t anon
    uint64_t active
    uint64_t writeback
    uint64_t mapcount_max
    uint64_t dirty
    uint64_t swapcache

cdef void numa_gather(arena_t *a, idx_t v, numa_stats_t *out) noexcept nogil  # adds to out
cdef vaddr_t next_table(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil  # the first address that has entries; end: none has
cdef uint64_t oom_score(arena_t *a, idx_t task, bint is_new) noexcept nogil  # 0 to 2000; is_new: of 5.8 and later
