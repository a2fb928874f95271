# cython: language_level=3
"""Free blocks of 2**order frames by zone and migrate type: what the buddy system is made of.

Counterpart: Linux v6.18 mm/page_alloc.c: __free_one_page, __rmqueue.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.frame cimport MIGRATE_MOVABLE, free_area
from vmtool.mm.types cimport *

cdef enum:  # zone_t.flags
    ZONE_BOOSTED_WATERMARK = 1
    ZONE_BELOW_HIGH = 2  # an allocation found it below the high watermark; until a free finds it above
    ZONE_RECLAIM_ACTIVE = 4  # kswapd runs
    WOKEN_ORDER_SHIFT = 8  # in the first zone's: kswapd_order
    WOKEN_ORDER = 1 << WOKEN_ORDER_SHIFT

cdef inline bint area_empty(arena_t *a, const zone_t *zone, uint32_t order, uint32_t mt) noexcept nogil:
    if free_area(a, zone, order, mt).head:
        return False
    return order != a.m.arch.max_order or mt != MIGRATE_MOVABLE or zone.unseen_pfn >= zone.unseen_end

# Take a block, by falling back on other types when it must be; `nofragment`: only by whole pageblocks. 0: none.
# zone.free_pages is the caller's to lower.
cdef pfn_t rmqueue(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt, bint nofragment) noexcept nogil
# One of several in a row: `steals`, False at first, remembers that no pageblock could be taken over (RMQUEUE_STEAL).
cdef pfn_t rmqueue_next(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt, bint nofragment, bint *steals) noexcept nogil
cdef pfn_t rmqueue_run(arena_t *a, zone_t *zone, uint32_t mt, uint32_t want, uint32_t *nr) noexcept nogil
# find_suitable_fallback(): another type has a block of just this order, and its pageblock may be taken over for it
cdef bint can_claim_fallback(arena_t *a, const zone_t *zone, uint32_t order, uint32_t mt) noexcept nogil
# What only atomic allocations may take of; 0: none. A pageblock joins that (an allocation of it was such a one), or leaves it: False, none was left.
cdef pfn_t rmqueue_highatomic(arena_t *a, zone_t *zone, uint32_t order) noexcept nogil
cdef void reserve_highatomic_pageblock(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t order) noexcept nogil
cdef bint unreserve_highatomic_pageblock(arena_t *a, uint32_t highest, uint32_t mt, bint force) noexcept nogil
# __isolate_free_page(): the free block that begins here, off its list, as long as the min watermark stays. False: it would not.
# zone.free_pages goes down; from half a pageblock on the pageblock becomes Movable.
cdef bint isolate_free_page(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t *order) noexcept nogil
# Give one back, merging; raises zone.free_pages. Preconditions: its frames' records are clear.
cdef void free_one_block(arena_t *a, zone_t *zone, uint64_t pfn, uint32_t order) noexcept nogil
cdef uint32_t free_area_count(arena_t *a, uint32_t zone, uint32_t order, uint32_t migratetype) noexcept nogil  # blocks, unseen ones too
# Free as /proc/kpageflags' KPF_BUDDY says: in a free block (or never used); frames on per-CPU lists are not.
cdef bint frame_is_buddy(arena_t *a, pfn_t pfn) noexcept nogil
cdef void set_pageblock_type(arena_t *a, zone_t *zone, uint64_t pfn, uint32_t order, uint32_t mt) noexcept nogil  # of the pageblocks of a block
# Boot: free frames for the kernel itself up to `end`, aligned for every order that it needs (0: there are not so many); some of them are not needed.
cdef pfn_t boot_carve(arena_t *a, uint64_t nr_pages, pfn_t *end) noexcept nogil
cdef pfn_t boot_carve_high(arena_t *a, uint64_t nr_pages, pfn_t *end) noexcept nogil  # of HighMem
cdef void boot_return(arena_t *a, pfn_t start, pfn_t end) noexcept nogil
