"""Free blocks: the lists of each zone by order and migrate type, merging of buddies, and what to take when a type has nothing left.

Counterpart: Linux v6.18 mm/page_alloc.c: __free_one_page, __rmqueue_smallest, __rmqueue_claim, __rmqueue_steal, expand,
reserve_highatomic_pageblock, unreserve_highatomic_pageblock.

A block of 2**order frames is aligned to its size; its buddy differs in bit `order` of the frame number. The first frame of a free
block has PG_buddy and the order in index_lo; the others' records are zeros. Blocks of the highest order in unseen_pfn ..
unseen_end stand at the tail of the Movable list without being linked: taken lowest address first, they never become unseen again.
An atomic allocation of several pages that had to go below the low watermark leaves the rest of its pageblock to others like it: type HighAtomic, up to
1 % of the zone. Nobody else takes of it, until reclaim finds nothing more.
Invariants: no two free buddies of one order; free_pages = lists + unseen; a list's blocks lie in pageblocks of its type.
"""

from vmtool.mm.arena cimport ARENA_RANGE, arena_fail, capture_t, frame_at, frame_mut, rec_mut
from vmtool.mm.frame cimport (MIGRATE_HIGHATOMIC, MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE, WMARK_HIGH, WMARK_MIN, ZONE_DMA,
                              ZONE_HIGHMEM, free_area, free_at_boot, max_order_nr_pages, pageblock_nr_pages, pageblock_type, pfn_to_zone, zone_holds)
from vmtool.mm.free_list cimport add_block, del_block, unlink_block
from vmtool.mm.trace cimport TR_HIGHATOMIC, trace3

cdef enum:
    NEAR_ORDER = 9  # frames whose records lie in one chunk
    LARGE_PAGEBLOCK = 11  # beyond, a block of it is a large part of a machine

# which types to take from, in order, when a type has nothing left
cdef uint32_t FALLBACKS[3][2]
FALLBACKS[0][:] = [MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE]
FALLBACKS[1][:] = [MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE]
FALLBACKS[2][:] = [MIGRATE_UNMOVABLE, MIGRATE_MOVABLE]


# --- free blocks and their lists -------------------------------------------------------------------------


cdef inline bint is_free_block(arena_t *a, const zone_t *zone, uint64_t pfn, uint32_t order) noexcept nogil:
    """Whether a free block of exactly this order begins here (page_is_buddy)."""
    cdef frame_t *f
    if not zone_holds(zone, pfn):
        return False
    f = frame_at(a, <pfn_t>pfn)
    return f.flags & PG_buddy and f.index_lo == order


cdef inline pfn_t take_first(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt) noexcept nogil:
    """Unlink the first block of a list, or the first unseen one. Preconditions: not area_empty()."""
    cdef pfn_t pfn = free_area(a, zone, order, mt).head
    if pfn:
        del_block(a, zone, pfn, order, mt)
    else:
        pfn = <pfn_t>zone.unseen_pfn
        zone.unseen_pfn += max_order_nr_pages(a)
    return pfn


cdef inline void expand(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t low, uint32_t high, uint32_t mt) noexcept nogil:
    """Of a block of order `high` keep the first 2**low frames; the upper halves go to the heads of their lists."""
    while high > low:
        high -= 1
        add_block(a, zone, pfn + (<uint32_t>1 << high), high, mt, False)


cdef void set_pageblock_type(arena_t *a, zone_t *zone, uint64_t pfn, uint32_t order, uint32_t mt) noexcept nogil:
    """The type of each pageblock of a block of at least pageblock order."""
    cdef uint64_t end = pfn + (<uint64_t>1 << order)
    cdef uint8_t *block
    while pfn < end:
        zone.pageblocks[pageblock_type(a, pfn)] -= 1
        zone.pageblocks[mt] += 1
        block = <uint8_t *>rec_mut(a, POOL_PAGEBLOCK, <uint32_t>(pfn >> a.m.arch.pageblock_order))
        block[0] = <uint8_t>((block[0] & ~3) | (mt ^ MIGRATE_MOVABLE))  # the skip bit stays
        pfn += pageblock_nr_pages(a)


cdef bint compaction_capture(arena_t *a, const zone_t *zone, uint64_t pfn, uint32_t order, uint32_t mt) noexcept nogil:
    """Whether the task that compacts this zone takes the block at once. For less than a pageblock a movable one is not opened to other types."""
    cdef capture_t *c = &a.capture
    if c.page or order != c.order or zone != &a.m.zone[c.zone - 1]:
        return False
    if order < a.m.arch.pageblock_order and mt == MIGRATE_MOVABLE and c.migratetype != MIGRATE_MOVABLE:
        return False
    c.page = <pfn_t>pfn
    return True


cdef inline void join_list(arena_t *a, zone_t *zone, uint64_t pfn, uint32_t order, uint32_t mt) noexcept nogil:
    """When the block above may soon be whole, this one is left for last."""
    cdef uint64_t beside = (pfn & ~(<uint64_t>1 << order)) ^ (<uint64_t>2 << order)
    cdef bint to_tail = order < a.m.arch.max_order - 1 and is_free_block(a, zone, beside, order + 1)
    add_block(a, zone, <pfn_t>pfn, order, mt, to_tail)


cdef inline bint merge_near(arena_t *a, zone_t *zone, uint64_t *pfn, uint32_t *order, uint32_t mt) noexcept nogil:
    """As long as the buddies' records lie in the same chunk, within a pageblock. True: the last one was not free."""
    cdef uint32_t near = min(<uint32_t>NEAR_ORDER, <uint32_t>a.m.arch.pageblock_order)
    cdef frame_t *chunk = frame_mut(a, <pfn_t>pfn[0]) - (pfn[0] & (1 << NEAR_ORDER) - 1)
    cdef frame_t *f
    cdef uint64_t buddy
    while order[0] < near:
        buddy = pfn[0] ^ (<uint64_t>1 << order[0])
        f = chunk + (buddy & (1 << NEAR_ORDER) - 1)
        if not f.flags & PG_buddy or f.index_lo != order[0] or not zone_holds(zone, buddy):
            return True
        unlink_block(a, &zone.low_area[order[0]][mt], f)
        pfn[0] &= buddy
        order[0] += 1
    return False


cdef void free_one_block(arena_t *a, zone_t *zone, uint64_t pfn, uint32_t order) noexcept nogil:
    """__free_one_page(): merge with free buddies as long as there are any, then join the list."""
    cdef uint32_t mt = pageblock_type(a, pfn)
    cdef uint32_t buddy_mt
    cdef uint64_t buddy
    zone.free_pages += <uint64_t>1 << order
    if a.capture.zone == 0 and mt != MIGRATE_HIGHATOMIC and merge_near(a, zone, &pfn, &order, mt):
        join_list(a, zone, pfn, order, mt)
        return
    while order < a.m.arch.max_order:
        if a.capture.zone and compaction_capture(a, zone, pfn, order, mt):
            zone.free_pages -= <uint64_t>1 << order
            return
        buddy = pfn ^ (<uint64_t>1 << order)
        if not is_free_block(a, zone, buddy, order):
            break
        buddy_mt = mt
        if order >= a.m.arch.pageblock_order:
            buddy_mt = pageblock_type(a, buddy)
            if buddy_mt != mt and (mt == MIGRATE_HIGHATOMIC or buddy_mt == MIGRATE_HIGHATOMIC):
                break
        del_block(a, zone, <pfn_t>buddy, order, buddy_mt)
        if buddy_mt != mt:
            set_pageblock_type(a, zone, buddy, order, mt)
        pfn &= buddy
        order += 1
    join_list(a, zone, pfn, order, mt)


# --- taking blocks, with fallback to other types -------------------------------------------------------------


cdef pfn_t rmqueue_smallest(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt) noexcept nogil:
    cdef uint32_t found = order
    cdef pfn_t pfn
    while found <= a.m.arch.max_order:
        if not area_empty(a, zone, found, mt):
            pfn = take_first(a, zone, found, mt)
            expand(a, zone, pfn, order, found, mt)
            return pfn
        found += 1
    return 0


cdef pfn_t rmqueue_highatomic(arena_t *a, zone_t *zone, uint32_t order) noexcept nogil:
    return rmqueue_smallest(a, zone, order, MIGRATE_HIGHATOMIC) if zone.nr_free_highatomic else 0


cdef bint should_claim(arena_t *a, uint32_t order, uint32_t start_mt) noexcept nogil:
    """Whether a block this large, or for this type, is worth taking the whole pageblock over."""
    return order >= a.m.arch.pageblock_order // 2 or start_mt != MIGRATE_MOVABLE


cdef void boost_watermark(arena_t *a, zone_t *zone) noexcept nogil:
    cdef uint64_t most = zone.watermark[WMARK_HIGH] * a.m.watermark_boost_factor // 10000
    if a.m.watermark_boost_factor == 0 or pageblock_nr_pages(a) * 4 > zone.managed_pages or most == 0:
        return
    zone.watermark_boost = min(zone.watermark_boost + pageblock_nr_pages(a), max(pageblock_nr_pages(a), most))
    zone.flags |= ZONE_BOOSTED_WATERMARK


cdef void move_freepages_block(arena_t *a, zone_t *zone, uint64_t start, uint32_t block_mt, uint32_t mt) noexcept nogil:
    cdef uint64_t at = start
    cdef uint32_t order
    while at < start + pageblock_nr_pages(a):
        order = 0
        if frame_at(a, <pfn_t>at).flags & PG_buddy:
            order = frame_at(a, <pfn_t>at).index_lo
            del_block(a, zone, <pfn_t>at, order, block_mt)
            add_block(a, zone, <pfn_t>at, order, mt, True)
        at += <uint64_t>1 << order
    set_pageblock_type(a, zone, start, a.m.arch.pageblock_order, mt)


cdef pfn_t claim_pageblock(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t order, uint32_t start_mt, uint32_t block_mt) noexcept nogil:
    """A free block smaller than a pageblock: take over its pageblock when half of it is free or of our kind. Else 0.

    Types begin to mix: the zone's watermarks rise until kswapd has made room (boost_watermark()).
    """
    cdef uint64_t start = pfn & ~(pageblock_nr_pages(a) - 1)
    cdef uint64_t end = start + pageblock_nr_pages(a)
    cdef uint64_t at = start
    cdef uint32_t nr_free = 0
    cdef uint32_t nr_movable = 0
    cdef uint32_t alike = 0
    cdef frame_t *f
    boost_watermark(a, zone)
    if start < zone.start_pfn or end > zone.start_pfn + zone.spanned_pages:
        return 0
    while at < end:
        f = frame_at(a, <pfn_t>at)
        if f.flags & PG_buddy:
            if f.index_lo > a.m.arch.max_order:
                arena_fail(a, ARENA_RANGE, POOL_FRAME, <uint32_t>at)
                return 0
            nr_free += <uint32_t>1 << f.index_lo
            at += <uint64_t>1 << f.index_lo
            continue
        nr_movable += (f.flags & PG_lru) != 0
        at += 1
    if start_mt == MIGRATE_MOVABLE:
        alike = nr_movable
    elif block_mt == MIGRATE_MOVABLE:
        alike = pageblock_nr_pages(a) - nr_free - nr_movable
    if nr_free + alike < pageblock_nr_pages(a) // 2:
        return 0
    move_freepages_block(a, zone, start, block_mt, start_mt)
    return rmqueue_smallest(a, zone, order, start_mt)


cdef pfn_t rmqueue_claim(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt, uint32_t min_order) noexcept nogil:
    """The largest block of another type, with its pageblock, so that types mix as little as possible."""
    cdef uint32_t current = a.m.arch.max_order + 1
    cdef uint32_t i
    cdef uint32_t other
    cdef pfn_t pfn
    while current > min_order:
        current -= 1
        if not should_claim(a, current, mt):
            break
        for i in range(2):
            other = FALLBACKS[mt][i]
            if area_empty(a, zone, current, other):
                continue
            if current >= a.m.arch.pageblock_order:
                pfn = take_first(a, zone, current, other)
                set_pageblock_type(a, zone, pfn, current, mt)
                expand(a, zone, pfn, order, current, mt)
            else:
                pfn = claim_pageblock(a, zone, free_area(a, zone, current, other).head, order, mt, other)
            if pfn:
                return pfn
            break
    return 0


cdef bint can_claim_fallback(arena_t *a, const zone_t *zone, uint32_t order, uint32_t mt) noexcept nogil:
    return should_claim(a, order, mt) and (not area_empty(a, zone, order, FALLBACKS[mt][0]) or not area_empty(a, zone, order, FALLBACKS[mt][1]))


cdef pfn_t rmqueue_steal(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt) noexcept nogil:
    """The smallest block of another type; its pageblock stays what it is."""
    cdef uint32_t current = order
    cdef uint32_t i
    cdef pfn_t pfn
    while current <= a.m.arch.max_order:
        for i in range(2):
            if not area_empty(a, zone, current, FALLBACKS[mt][i]):
                pfn = take_first(a, zone, current, FALLBACKS[mt][i])
                expand(a, zone, pfn, order, current, FALLBACKS[mt][i])
                return pfn
        current += 1
    return 0


cdef pfn_t rmqueue(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt, bint nofragment) noexcept nogil:
    cdef bint steals = False
    return rmqueue_next(a, zone, order, mt, nofragment, &steals)


cdef pfn_t rmqueue_next(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt, bint nofragment, bint *steals) noexcept nogil:
    """__rmqueue(): one block out of the zone's lists; free_pages is the caller's."""
    cdef pfn_t pfn = rmqueue_smallest(a, zone, order, mt)
    if pfn == 0 and not steals[0]:
        pfn = rmqueue_claim(a, zone, order, mt, a.m.arch.pageblock_order if nofragment and order < a.m.arch.pageblock_order else order)
    if pfn == 0 and not nofragment:
        pfn = rmqueue_steal(a, zone, order, mt)
        steals[0] = pfn != 0
    return pfn


cdef pfn_t rmqueue_run(arena_t *a, zone_t *zone, uint32_t mt, uint32_t want, uint32_t *nr) noexcept nogil:
    """Up to `want` neighbouring frames of the type itself: those that as many calls for single frames would give, in their order. A
    block that is used up whole is not split on the way. Returns the first, 0: none of this type."""
    cdef uint32_t found = 0
    cdef uint32_t keep
    cdef pfn_t pfn
    while found <= a.m.arch.max_order and area_empty(a, zone, found, mt):
        found += 1
    if found > a.m.arch.max_order:
        return 0
    keep = found
    while (<uint32_t>1 << keep) > want:
        keep -= 1
    pfn = take_first(a, zone, found, mt)
    expand(a, zone, pfn, keep, found, mt)
    nr[0] = <uint32_t>1 << keep
    return pfn


# --- the reserve for atomic allocations ------------------------------------------------------------------


cdef bint retype_pageblock(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t mt) noexcept nogil:
    """move_freepages_block() of the pageblock around a frame. False: the zone has not all of it."""
    cdef uint64_t start = pfn & ~(pageblock_nr_pages(a) - 1)
    if start < zone.start_pfn or start + pageblock_nr_pages(a) > zone.start_pfn + zone.spanned_pages:
        return False
    move_freepages_block(a, zone, start, pageblock_type(a, pfn), mt)
    return True


cdef bint isolate_free_page(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t *order) noexcept nogil:
    cdef uint32_t n = min(frame_at(a, pfn).index_lo, a.m.arch.max_order)
    cdef uint64_t at = pfn
    if zone.free_pages <= zone.watermark[WMARK_MIN] + (<uint64_t>1 << n) + zone.lowmem_reserve[0] + zone.nr_free_highatomic:
        return False
    del_block(a, zone, pfn, n, pageblock_type(a, pfn))
    zone.free_pages -= <uint64_t>1 << n
    order[0] = n
    while n >= a.m.arch.pageblock_order - 1 and at < pfn + (<uint64_t>1 << n):
        if pageblock_type(a, at) != MIGRATE_HIGHATOMIC:
            retype_pageblock(a, zone, <pfn_t>at, MIGRATE_MOVABLE)
        at += pageblock_nr_pages(a)
    return True


cdef void reserve_highatomic_pageblock(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t order) noexcept nogil:
    cdef uint64_t most = zone.managed_pages // 100
    if most < pageblock_nr_pages(a) or zone.nr_reserved_highatomic >= ((most + pageblock_nr_pages(a) - 1) & ~(pageblock_nr_pages(a) - 1)):
        return
    if pageblock_type(a, pfn) == MIGRATE_HIGHATOMIC:
        return
    if order >= a.m.arch.pageblock_order:
        set_pageblock_type(a, zone, pfn, order, MIGRATE_HIGHATOMIC)
        zone.nr_reserved_highatomic += <uint32_t>1 << order
    elif retype_pageblock(a, zone, pfn, MIGRATE_HIGHATOMIC):
        zone.nr_reserved_highatomic += pageblock_nr_pages(a)
    else:
        return
    trace3(a, TR_HIGHATOMIC, pfn & ~(pageblock_nr_pages(a) - 1), max(pageblock_nr_pages(a), <uint64_t>1 << order), True)


cdef bint unreserve_highatomic_pageblock(arena_t *a, uint32_t highest, uint32_t mt, bint force) noexcept nogil:
    cdef uint32_t z = highest + 1
    cdef uint32_t order
    cdef zone_t *zone
    cdef pfn_t pfn
    while z:
        z -= 1
        zone = &a.m.zone[z]
        if zone.nr_free_highatomic == 0 or (not force and zone.nr_reserved_highatomic <= pageblock_nr_pages(a)):
            continue
        order = 0
        while order < a.m.arch.max_order and free_area(a, zone, order, MIGRATE_HIGHATOMIC).head == 0:
            order += 1
        pfn = free_area(a, zone, order, MIGRATE_HIGHATOMIC).head
        if pfn == 0:
            continue
        zone.nr_reserved_highatomic -= min(zone.nr_reserved_highatomic, max(pageblock_nr_pages(a), <uint32_t>1 << order))
        if order >= a.m.arch.pageblock_order:
            del_block(a, zone, pfn, order, MIGRATE_HIGHATOMIC)
            set_pageblock_type(a, zone, pfn, order, mt)
            add_block(a, zone, pfn, order, mt, True)
        else:
            retype_pageblock(a, zone, pfn, mt)
        trace3(a, TR_HIGHATOMIC, pfn & ~(pageblock_nr_pages(a) - 1), max(pageblock_nr_pages(a), <uint64_t>1 << order), False)
        return True
    return False


# --- looking -----------------------------------------------------------------------------------------------


cdef uint32_t free_area_count(arena_t *a, uint32_t zone, uint32_t order, uint32_t migratetype) noexcept nogil:
    cdef zone_t *z = &a.m.zone[zone]
    cdef uint32_t n = free_area(a, z, order, migratetype).nr_free
    if order == a.m.arch.max_order and migratetype == MIGRATE_MOVABLE:
        n += <uint32_t>((z.unseen_end - z.unseen_pfn) // max_order_nr_pages(a))
    return n


cdef bint frame_is_buddy(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef uint32_t order
    cdef zone_t *zone = &a.m.zone[pfn_to_zone(a, pfn)]
    cdef uint32_t head
    if zone.unseen_pfn <= pfn < zone.unseen_end:
        return True
    for order in range(a.m.arch.max_order + 1):
        head = pfn & ~((<uint32_t>1 << order) - 1)
        if frame_at(a, head).flags & PG_buddy:
            return frame_at(a, head).index_lo >= order
    return False


# --- boot -----------------------------------------------------------------------------------------------------


cdef pfn_t boot_carve_block(arena_t *a, zone_t *zone, uint64_t nr_pages, pfn_t *end) noexcept nogil:
    """One block of a list: the highest order is more than such a machine has in one piece."""
    cdef uint32_t order = 0
    cdef pfn_t pfn
    while (<uint64_t>1 << order) < nr_pages:
        order += 1
    pfn = rmqueue(a, zone, order, MIGRATE_UNMOVABLE, False) if order <= a.m.arch.max_order else 0
    if pfn:
        zone.free_pages -= <uint64_t>1 << order
        end[0] = pfn + (<pfn_t>1 << order)
    return pfn


cdef pfn_t boot_carve(arena_t *a, uint64_t nr_pages, pfn_t *end) noexcept nogil:
    """From the end of the largest free range that the kernel maps, in blocks of the highest order."""
    cdef zone_t *best = &a.m.zone[ZONE_DMA]
    cdef uint32_t z
    cdef uint64_t wanted = nr_pages
    nr_pages = (nr_pages + max_order_nr_pages(a) - 1) & ~(max_order_nr_pages(a) - 1)
    for z in range(ZONE_HIGHMEM):
        if a.m.zone[z].unseen_end - a.m.zone[z].unseen_pfn > best.unseen_end - best.unseen_pfn:
            best = &a.m.zone[z]
    if best.unseen_end - best.unseen_pfn <= nr_pages:
        return boot_carve_block(a, best, wanted, end) if a.m.arch.pageblock_order > LARGE_PAGEBLOCK else 0
    end[0] = <pfn_t>best.unseen_end
    best.unseen_end -= nr_pages
    best.free_pages -= nr_pages
    return <pfn_t>best.unseen_end


cdef pfn_t boot_carve_high(arena_t *a, uint64_t nr_pages, pfn_t *end) noexcept nogil:
    """From the end of what the kernel does not map. 0: there is none, or not as much."""
    cdef zone_t *zone = &a.m.zone[ZONE_HIGHMEM]
    nr_pages = (nr_pages + max_order_nr_pages(a) - 1) & ~(max_order_nr_pages(a) - 1)
    if zone.unseen_end - zone.unseen_pfn <= nr_pages:
        return 0
    end[0] = <pfn_t>zone.unseen_end
    zone.unseen_end -= nr_pages
    zone.free_pages -= nr_pages
    return <pfn_t>zone.unseen_end


cdef void boot_return(arena_t *a, pfn_t start, pfn_t end) noexcept nogil:
    """Frames of what boot_carve() gave are free after all."""
    cdef zone_t *zone = &a.m.zone[pfn_to_zone(a, start)]
    free_at_boot(a, zone, start, end)
    zone.free_pages += end - start
