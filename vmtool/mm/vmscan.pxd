# cython: language_level=3
"""Level 14. Reclaim: which lists are looked at, how far, and when it is enough.

Counterpart: Linux v6.18 mm/vmscan.c, classic lists (lru_gen off).
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef void wakeup_kswapd(arena_t *a, uint32_t zone, uint32_t order, uint32_t gfp, uint32_t highest) noexcept nogil  # and it runs, to its end
cdef uint32_t try_to_free_pages(arena_t *a, uint32_t order, uint32_t gfp) noexcept nogil  # direct reclaim; pages reclaimed
cdef uint64_t try_to_free_mem_cgroup_pages(arena_t *a, idx_t memcg, uint64_t nr_pages, bint may_swap, bint proactive) noexcept nogil
# memory.reclaim: until so many pages are reclaimed; false: it did not get there
cdef bint user_proactive_reclaim(arena_t *a, idx_t memcg, uint64_t nr_to_reclaim, uint64_t *nr_reclaimed) noexcept nogil
cdef bint should_reclaim_retry(arena_t *a, uint32_t order, uint32_t gfp, uint32_t *no_progress) noexcept nogil
cdef uint64_t zone_reclaimable_pages(arena_t *a, uint32_t zone) noexcept nogil
