# cython: language_level=3
"""Reclaim: which lists are looked at, how far, and when it is enough.

Counterpart: Linux v6.18 mm/vmscan.c, classic lists (lru_gen off).
"""

from vmtool.mm.arena cimport alloc_context_t, arena_t
from vmtool.mm.types cimport *
from vmtool.mm.vmscan_list cimport scan_control_t

from libc.string cimport memset

cdef enum:
    DEF_PRIORITY = 12

# direct reclaim; pages reclaimed. Counts: ALLOCSTALL_*, PGSCAN_DIRECT, PGSTEAL_DIRECT and what goes with them
cdef uint32_t try_to_free_pages(arena_t *a, uint32_t order, uint32_t gfp) noexcept nogil
cdef uint64_t try_to_free_mem_cgroup_pages(arena_t *a, idx_t memcg, uint64_t nr_pages, bint may_swap, bint proactive) noexcept nogil
# memory.reclaim: until so many pages are reclaimed; false: it did not get there
cdef bint user_proactive_reclaim(arena_t *a, idx_t memcg, uint64_t nr_to_reclaim, uint64_t *nr_reclaimed) noexcept nogil
# no_progress: rounds without any. False: the OOM killer is next
cdef bint should_reclaim_retry(arena_t *a, uint32_t order, uint32_t gfp, uint32_t *no_progress) noexcept nogil
cdef bint compaction_zonelist_suitable(arena_t *a, const alloc_context_t *ac) noexcept nogil

# --- for kswapd

cdef bint inactive_is_low(arena_t *a, const lruvec_t *lruvec, uint32_t inactive_lru) noexcept nogil
cdef void shrink_node(arena_t *a, scan_control_t *sc) noexcept nogil  # one pass, by sc; what it reclaimed is in sc.nr_reclaimed
cdef void snapshot_refaults(arena_t *a, idx_t memcg) noexcept nogil  # where the refaults stand that the next pass is held against

cdef inline void sc_init(scan_control_t *sc, uint32_t by) noexcept nogil:
    memset(sc, 0, sizeof(scan_control_t))
    sc.by = by
    sc.may_unmap = True
    sc.priority = DEF_PRIORITY
