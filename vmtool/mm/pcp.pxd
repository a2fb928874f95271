# cython: language_level=3
"""Free frames that each CPU has at hand, in front of the buddy system.

Counterpart: Linux v6.18 mm/page_alloc.c.
"""

from vmtool.mm.arch cimport ARCH_NO_THP
from vmtool.mm.arena cimport arena_t
from vmtool.mm.frame cimport MIGRATE_MOVABLE
from vmtool.mm.free_area cimport ZONE_RECLAIM_ACTIVE
from vmtool.mm.types cimport *

cdef enum:
    PAGE_ALLOC_COSTLY_ORDER = 3
    NR_LOWORDER_PCP_LISTS = 12  # one a type for each order up to that; then those of huge pages
    BATCH_SCALE_MAX = 5  # CONFIG_PCP_BATCH_SCALE_MAX

# Above the watermark after the allocation of an order. `highest`: the highest zone that the allocation may use, which decides the reserve.
cdef bint watermark_ok(arena_t *a, const zone_t *zone, uint32_t order, uint64_t mark, uint32_t highest) noexcept nogil
# For those who may go below the min watermark, and, `highatomic`, take of what is reserved for them.
cdef bint watermark_ok_reserve(arena_t *a, const zone_t *zone, uint32_t order, uint64_t mark, uint32_t highest, bint highatomic) noexcept nogil
cdef void rmqueue_bulk(arena_t *a, zone_t *zone, pcp_t *pcp, uint32_t order, uint32_t mt, bint nofragment) noexcept nogil  # refill an empty list
cdef bint pcp_is_run(pcp_t *pcp, const zone_t *zone, uint32_t order) noexcept nogil  # before the free of an order that is not 0, and the one after
cdef void pcp_shrink(arena_t *a, zone_t *zone, pcp_t *pcp, uint32_t pindex, bint is_run) noexcept nogil  # after a free that may be one too many
cdef void drain_pcp(arena_t *a, uint32_t cpu) noexcept nogil
cdef void drain_all_pages(arena_t *a) noexcept nogil  # of every CPU
cdef void drain_zone_pcp(arena_t *a, uint32_t zone, uint32_t cpu) noexcept nogil
cdef void decay_pcp_high(arena_t *a) noexcept nogil  # of all CPUs, once a second: what idle lists hold too much goes back

cdef inline uint32_t order_to_pindex(uint32_t order, uint32_t mt) noexcept nogil:
    return order * 3 + mt if order <= PAGE_ALLOC_COSTLY_ORDER else NR_LOWORDER_PCP_LISTS + (mt == MIGRATE_MOVABLE)

cdef inline bint pcp_allowed_order(const arch_t *g, uint32_t order) noexcept nogil:
    return order <= PAGE_ALLOC_COSTLY_ORDER or (order == g.pageblock_order and not g.flags & ARCH_NO_THP)

cdef inline bint pcp_stays(const pcp_t *pcp, const zone_t *zone) noexcept nogil:
    """While kswapd works on the zone: the limit has fallen as far as it can, and the lists are shorter than what may stay on them."""
    return zone.flags & ZONE_RECLAIM_ACTIVE != 0 and pcp.high == zone.pcp_high_min and pcp.count < min(zone.pcp_batch << 2, <uint64_t>pcp.high)
