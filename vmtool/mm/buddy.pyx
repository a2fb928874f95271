"""The buddy system and the per-CPU lists in front of it.

Counterpart: Linux v6.18 mm/page_alloc.c: __free_one_page, __rmqueue_smallest, __rmqueue_claim, __rmqueue_steal, rmqueue_pcplist,
nr_pcp_alloc, free_frozen_page_commit, nr_pcp_high, nr_pcp_free, get_page_from_freelist.

A block of 2**order frames is aligned to its size; its buddy differs in bit `order` of the frame number. States of a frame:

    unseen -> part of a free block (its head: PG_buddy) -> on a per-CPU list (PG_pcp) -> allocated -> per-CPU list or free block

Blocks of the highest order in unseen_pfn .. unseen_end stand at the tail of the Movable list without being linked; they are taken
lowest address first, and what was taken never becomes unseen again.
# Deviation: no HighAtomic reserve, no watermark boost, no compaction, no draining by PCPF_PREV_FREE_HIGH_ORDER; ZONE_BELOW_HIGH is
computed where it is asked.
Invariants: no two free buddies of one block; free_pages = lists + unseen; pcp.count = pages on its lists.
"""

from vmtool.mm.arena cimport ARENA_LOOP, arena_fail, content_free, cpu_mut, frame_at, frame_mut, rec_mut
from vmtool.mm.frame cimport (MAX_ORDER_PAGES, MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE, PAGEBLOCK_ORDER, WMARK_HIGH,
                              WMARK_LOW, WMARK_MIN, ZONE_DMA32, ZONE_HIGHMEM, ZONE_NORMAL, folio_del_lru, folio_lru_list, folio_order,
                              frame_index, frame_set_index, page_folio, pageblock_type, pfn_to_zone)
from vmtool.mm.trace cimport TR_FRAME_ALLOC, TR_FRAME_FREE, trace2
from vmtool.mm.vmstat cimport PGALLOC_DMA, PGFREE, count_vm_events

cdef enum:
    MAX_PAGE_ORDER = 10
    COSTLY_ORDER = 3
    BATCH_SCALE_MAX = 5  # CONFIG_PCP_BATCH_SCALE_MAX
    PAGEBLOCK_PAGES = 512
    MAX_RECLAIM_RETRIES = 16

# which types to take from, in order, when a type has nothing left
cdef uint32_t FALLBACKS[3][2]
FALLBACKS[0][:] = [MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE]
FALLBACKS[1][:] = [MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE]
FALLBACKS[2][:] = [MIGRATE_UNMOVABLE, MIGRATE_MOVABLE]


# --- free blocks and their lists -------------------------------------------------------------------------

cdef inline bint is_free_block(arena_t *a, const zone_t *zone, uint64_t pfn, uint32_t order) noexcept nogil:
    """Whether a free block of exactly this order begins here (page_is_buddy)."""
    cdef frame_t *f
    if pfn < zone.start_pfn or pfn >= zone.start_pfn + zone.spanned_pages:
        return False
    f = frame_at(a, <pfn_t>pfn)
    return f.flags & PG_buddy and f.index_lo == order


cdef inline void add_block(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t order, uint32_t mt, bint to_tail) noexcept nogil:
    cdef free_list_t *list = &zone.area[order][mt]
    cdef frame_t *f = frame_mut(a, pfn)
    f.flags = PG_buddy
    f.index_lo = order
    if list.head == 0:
        f.lru_next = 0
        f.lru_prev = 0
        list.head = pfn
        list.tail = pfn
    elif to_tail:
        f.lru_next = 0
        f.lru_prev = list.tail
        frame_mut(a, list.tail).lru_next = pfn
        list.tail = pfn
    else:
        f.lru_next = list.head
        f.lru_prev = 0
        frame_mut(a, list.head).lru_prev = pfn
        list.head = pfn
    list.nr_free += 1


cdef inline void del_block(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t order, uint32_t mt) noexcept nogil:
    cdef free_list_t *list = &zone.area[order][mt]
    cdef frame_t *f = frame_mut(a, pfn)
    if f.lru_prev:
        frame_mut(a, f.lru_prev).lru_next = f.lru_next
    else:
        list.head = f.lru_next
    if f.lru_next:
        frame_mut(a, f.lru_next).lru_prev = f.lru_prev
    else:
        list.tail = f.lru_prev
    list.nr_free -= 1
    f.flags = 0
    f.index_lo = 0
    f.lru_next = 0
    f.lru_prev = 0


cdef inline bint area_empty(const zone_t *zone, uint32_t order, uint32_t mt) noexcept nogil:
    if zone.area[order][mt].head:
        return False
    return order != MAX_PAGE_ORDER or mt != MIGRATE_MOVABLE or zone.unseen_pfn >= zone.unseen_end


cdef inline pfn_t take_first(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt) noexcept nogil:
    """Unlink the first block of a list, or the first unseen one. Preconditions: not area_empty()."""
    cdef pfn_t pfn = zone.area[order][mt].head
    if pfn:
        del_block(a, zone, pfn, order, mt)
    else:
        pfn = <pfn_t>zone.unseen_pfn
        zone.unseen_pfn += MAX_ORDER_PAGES
    return pfn


cdef inline void expand(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t low, uint32_t high, uint32_t mt) noexcept nogil:
    """Of a block of order `high` keep the first 2**low frames; the upper halves go to the heads of their lists."""
    while high > low:
        high -= 1
        add_block(a, zone, pfn + (<uint32_t>1 << high), high, mt, False)


cdef void set_pageblock_type(arena_t *a, zone_t *zone, uint64_t pfn, uint32_t order, uint32_t mt) noexcept nogil:
    """The type of each pageblock of a block of at least pageblock order."""
    cdef uint64_t end = pfn + (<uint64_t>1 << order)
    while pfn < end:
        zone.pageblocks[pageblock_type(a, pfn)] -= 1
        zone.pageblocks[mt] += 1
        (<uint8_t *>rec_mut(a, POOL_PAGEBLOCK, <uint32_t>(pfn >> PAGEBLOCK_ORDER)))[0] = <uint8_t>(mt ^ MIGRATE_MOVABLE)
        pfn += PAGEBLOCK_PAGES


cdef void free_one_block(arena_t *a, zone_t *zone, uint64_t pfn, uint32_t order) noexcept nogil:
    """__free_one_page(): merge with free buddies as long as there are any, then join the list."""
    cdef uint32_t mt = pageblock_type(a, pfn)
    cdef uint32_t buddy_mt
    cdef uint64_t buddy
    cdef bint to_tail = False
    zone.free_pages += <uint64_t>1 << order
    while order < MAX_PAGE_ORDER:
        buddy = pfn ^ (<uint64_t>1 << order)
        if not is_free_block(a, zone, buddy, order):
            break
        buddy_mt = mt
        if order >= PAGEBLOCK_ORDER:
            buddy_mt = pageblock_type(a, buddy)
        del_block(a, zone, <pfn_t>buddy, order, buddy_mt)
        if buddy_mt != mt:
            set_pageblock_type(a, zone, buddy, order, mt)
        pfn &= buddy
        order += 1
    if order < MAX_PAGE_ORDER - 1:  # the block above may soon be whole: leave this one for last
        to_tail = is_free_block(a, zone, (pfn & ~(<uint64_t>1 << order)) ^ (<uint64_t>2 << order), order + 1)
    add_block(a, zone, <pfn_t>pfn, order, mt, to_tail)


# --- taking blocks, with fallback to other types -------------------------------------------------------------

cdef pfn_t rmqueue_smallest(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt) noexcept nogil:
    cdef uint32_t found = order
    cdef pfn_t pfn
    while found < NR_ORDERS:
        if not area_empty(zone, found, mt):
            pfn = take_first(a, zone, found, mt)
            expand(a, zone, pfn, order, found, mt)
            return pfn
        found += 1
    return 0


cdef bint should_claim(uint32_t order, uint32_t start_mt) noexcept nogil:
    """Whether a block this large, or for this type, is worth taking the whole pageblock over."""
    return order >= PAGEBLOCK_ORDER // 2 or start_mt != MIGRATE_MOVABLE


cdef pfn_t claim_pageblock(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t order, uint32_t start_mt, uint32_t block_mt) noexcept nogil:
    """A free block smaller than a pageblock: take over its pageblock when half of it is free or of our kind. Else 0."""
    cdef uint64_t start = pfn & ~<uint32_t>(PAGEBLOCK_PAGES - 1)
    cdef uint64_t end = start + PAGEBLOCK_PAGES
    cdef uint64_t at = start
    cdef uint32_t nr_free = 0
    cdef uint32_t nr_movable = 0
    cdef uint32_t alike = 0
    cdef uint32_t block
    cdef frame_t *f
    if start < zone.start_pfn or end > zone.start_pfn + zone.spanned_pages:
        return 0
    while at < end:
        f = frame_at(a, <pfn_t>at)
        if f.flags & PG_buddy:
            nr_free += <uint32_t>1 << f.index_lo
            at += <uint64_t>1 << f.index_lo
            continue
        nr_movable += (f.flags & PG_lru) != 0
        at += 1
    if start_mt == MIGRATE_MOVABLE:
        alike = nr_movable
    elif block_mt == MIGRATE_MOVABLE:
        alike = PAGEBLOCK_PAGES - nr_free - nr_movable
    if nr_free + alike < PAGEBLOCK_PAGES // 2:
        return 0
    at = start
    while at < end:
        f = frame_at(a, <pfn_t>at)
        block = 0
        if f.flags & PG_buddy:
            block = f.index_lo
            del_block(a, zone, <pfn_t>at, block, block_mt)
            add_block(a, zone, <pfn_t>at, block, start_mt, True)
        at += <uint64_t>1 << block
    set_pageblock_type(a, zone, start, PAGEBLOCK_ORDER, start_mt)
    return rmqueue_smallest(a, zone, order, start_mt)


cdef pfn_t rmqueue_claim(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt, uint32_t min_order) noexcept nogil:
    """The largest block of another type, with its pageblock, so that types mix as little as possible."""
    cdef uint32_t current = MAX_PAGE_ORDER + 1
    cdef uint32_t i
    cdef uint32_t other
    cdef pfn_t pfn
    while current > min_order:
        current -= 1
        if not should_claim(current, mt):
            break
        for i in range(2):
            other = FALLBACKS[mt][i]
            if area_empty(zone, current, other):
                continue
            if current >= PAGEBLOCK_ORDER:
                pfn = take_first(a, zone, current, other)
                set_pageblock_type(a, zone, pfn, current, mt)
                expand(a, zone, pfn, order, current, mt)
            else:
                pfn = claim_pageblock(a, zone, zone.area[current][other].head, order, mt, other)
            if pfn:
                return pfn
            break
    return 0


cdef pfn_t rmqueue_steal(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt) noexcept nogil:
    """The smallest block of another type; its pageblock stays what it is."""
    cdef uint32_t current = order
    cdef uint32_t i
    cdef pfn_t pfn
    while current < NR_ORDERS:
        for i in range(2):
            if not area_empty(zone, current, FALLBACKS[mt][i]):
                pfn = take_first(a, zone, current, FALLBACKS[mt][i])
                expand(a, zone, pfn, order, current, FALLBACKS[mt][i])
                return pfn
        current += 1
    return 0


cdef pfn_t rmqueue(arena_t *a, zone_t *zone, uint32_t order, uint32_t mt, bint nofragment) noexcept nogil:
    """__rmqueue(): one block out of the zone's lists; free_pages is the caller's."""
    cdef pfn_t pfn = rmqueue_smallest(a, zone, order, mt)
    if pfn == 0:
        pfn = rmqueue_claim(a, zone, order, mt, PAGEBLOCK_ORDER if nofragment and order < PAGEBLOCK_ORDER else order)
    if pfn == 0 and not nofragment:
        pfn = rmqueue_steal(a, zone, order, mt)
    return pfn


# --- per-CPU lists ---------------------------------------------------------------------------------------------
# Linked by lru_next and lru_prev; the first one's lru_prev is stale, so that taking it touches no other record.

cdef inline uint32_t order_to_pindex(uint32_t order, uint32_t mt) noexcept nogil:
    return order * 3 + mt if order <= COSTLY_ORDER else 12 + (mt == MIGRATE_MOVABLE)


cdef inline uint32_t pindex_to_order(uint32_t pindex) noexcept nogil:
    return pindex // 3 if pindex < 12 else PAGEBLOCK_ORDER


cdef inline bint pcp_allowed_order(uint32_t order) noexcept nogil:
    return order <= COSTLY_ORDER or order == PAGEBLOCK_ORDER


cdef inline void pcp_add_tail(arena_t *a, pcp_t *pcp, uint32_t pindex, pfn_t pfn) noexcept nogil:
    cdef frame_t *f = frame_mut(a, pfn)
    f.flags = PG_pcp
    f.lru_next = 0
    f.lru_prev = pcp.tail[pindex]
    if pcp.head[pindex]:
        frame_mut(a, pcp.tail[pindex]).lru_next = pfn
    else:
        pcp.head[pindex] = pfn
    pcp.tail[pindex] = pfn


cdef uint32_t nr_pcp_alloc(pcp_t *pcp, const zone_t *zone, uint32_t order) noexcept nogil:
    """How many blocks to fetch: twice as many each time, until something is freed."""
    cdef int64_t base = <int64_t>zone.pcp_batch
    cdef int64_t batch = base
    cdef int64_t most
    pcp.high = <uint32_t>min(max(<uint64_t>pcp.high, zone.pcp_high_min), zone.pcp_high_max)
    if pcp.high < zone.pcp_batch:
        return 1
    if order == 0:
        batch = base << pcp.alloc_factor
    if zone.pcp_high_min != zone.pcp_high_max and zone.free_pages >= zone.watermark[WMARK_HIGH]:
        pcp.high = <uint32_t>min(<uint64_t>pcp.high + <uint64_t>batch, zone.pcp_high_max)
    if order == 0:
        most = max(<int64_t>pcp.high - <int64_t>pcp.count - base, base)
        if batch <= most and pcp.alloc_factor < BATCH_SCALE_MAX:
            pcp.alloc_factor += 1
        batch = min(batch, most)
    if batch > 1:
        batch = max(batch >> order, <int64_t>2)
    return <uint32_t>batch


cdef uint32_t rmqueue_bulk_smallest(arena_t *a, zone_t *zone, pcp_t *pcp, uint32_t mt, uint32_t want) noexcept nogil:
    """Up to `want` single frames of the type itself. A block that is used up whole is not split on the way: its frames would
    come out one by one in this very order. Returns how many."""
    cdef uint32_t found
    cdef uint32_t keep
    cdef uint32_t i
    cdef uint32_t got = 0
    cdef pfn_t pfn
    while got < want:
        found = 0
        while found < NR_ORDERS and area_empty(zone, found, mt):
            found += 1
        if found == NR_ORDERS:
            break
        keep = found
        while (<uint32_t>1 << keep) > want - got:
            keep -= 1
        pfn = take_first(a, zone, found, mt)
        expand(a, zone, pfn, keep, found, mt)
        for i in range(<uint32_t>1 << keep):
            pcp_add_tail(a, pcp, mt, pfn + i)
        got += <uint32_t>1 << keep
    return got


cdef void rmqueue_bulk(arena_t *a, zone_t *zone, pcp_t *pcp, uint32_t order, uint32_t mt, bint nofragment) noexcept nogil:
    """Refill an empty list."""
    cdef uint32_t want = nr_pcp_alloc(pcp, zone, order)
    cdef uint32_t got = 0
    cdef pfn_t pfn
    if order == 0:
        got = rmqueue_bulk_smallest(a, zone, pcp, mt, want)
    while got < want:
        pfn = rmqueue(a, zone, order, mt, nofragment)
        if pfn == 0:
            break
        pcp_add_tail(a, pcp, order_to_pindex(order, mt), pfn)
        got += 1
        if order == 0:  # a fallback left more of our type
            got += rmqueue_bulk_smallest(a, zone, pcp, mt, want - got)
    pcp.count += got << order
    zone.free_pages -= <uint64_t>got << order


cdef void free_pcppages_bulk(arena_t *a, zone_t *zone, pcp_t *pcp, int64_t count, int pindex) noexcept nogil:
    """Give `count` pages back, oldest first, list by list beginning with pindex."""
    cdef pfn_t pfn
    cdef uint32_t order
    count = min(count, <int64_t>pcp.count)
    while count > 0:
        if pindex >= NR_PCP_LISTS:
            pindex = 0
        if pcp.head[pindex] == 0:
            pindex += 1
            continue
        order = pindex_to_order(pindex)
        while count > 0 and pcp.head[pindex]:
            pfn = pcp.tail[pindex]
            pcp.tail[pindex] = frame_at(a, pfn).lru_prev
            if pfn == pcp.head[pindex]:
                pcp.head[pindex] = 0
                pcp.tail[pindex] = 0
            else:
                frame_mut(a, pcp.tail[pindex]).lru_next = 0
            count -= <int64_t>1 << order
            pcp.count -= <uint32_t>1 << order
            free_one_block(a, zone, pfn, order)
        pindex += 1


cdef uint32_t nr_pcp_high(pcp_t *pcp, const zone_t *zone) noexcept nogil:
    """How many pages may stay on the lists."""
    cdef uint64_t high
    cdef uint64_t need
    pcp.high = <uint32_t>min(max(<uint64_t>pcp.high, zone.pcp_high_min), zone.pcp_high_max)
    high = pcp.high
    if zone.pcp_high_min == zone.pcp_high_max:
        return <uint32_t>high
    if zone.free_pages < zone.watermark[WMARK_HIGH]:
        need = max(<uint64_t>pcp.free_count, zone.pcp_batch)
        pcp.high = <uint32_t>max(high - min(need, high), zone.pcp_high_min)
        return <uint32_t>max(<uint64_t>pcp.count, zone.pcp_high_min)
    if pcp.count >= high:
        need = pcp.free_count + zone.pcp_batch
        if pcp.high < need:
            pcp.high = <uint32_t>min(max(need, zone.pcp_high_min), zone.pcp_high_max)
    return <uint32_t>high


cdef void pcp_shrink(arena_t *a, zone_t *zone, pcp_t *pcp, uint32_t pindex) noexcept nogil:
    """The rare part of a free: the lists may have become too long."""
    cdef uint64_t high = nr_pcp_high(pcp, zone)
    cdef uint64_t nr
    if pcp.count < high:
        return
    if high < zone.pcp_batch:
        nr = 1
    else:
        nr = min(max(<uint64_t>pcp.free_count, zone.pcp_batch), high - zone.pcp_batch)
    free_pcppages_bulk(a, zone, pcp, <int64_t>nr, <int>pindex)


cdef void drain_pcp(arena_t *a, uint32_t cpu) noexcept nogil:
    cdef cpu_t *c = cpu_mut(a, cpu)
    cdef uint32_t z
    for z in range(NR_ZONES):
        free_pcppages_bulk(a, &a.m.zone[z], &c.pcp[z], c.pcp[z].count, 0)


# --- allocation ---------------------------------------------------------------------------------------------------

cdef inline bint watermark_ok(const zone_t *zone, uint32_t order, uint64_t mark, uint32_t highest) noexcept nogil:
    cdef uint64_t floor = mark + zone.lowmem_reserve[highest]
    cdef uint32_t mt
    if order == 0:
        return zone.free_pages > floor
    if zone.free_pages <= floor + (<uint64_t>1 << order) - 1:
        return False
    while order < NR_ORDERS:
        for mt in range(3):
            if not area_empty(zone, order, mt):
                return True
        order += 1
    return False


cdef inline pfn_t rmqueue_zone(arena_t *a, uint32_t z, uint32_t order, uint32_t mt, bint nofragment) noexcept nogil:
    """From the per-CPU list when the order has one, else from the free lists."""
    cdef zone_t *zone = &a.m.zone[z]
    cdef pcp_t *pcp
    cdef uint32_t pindex
    cdef pfn_t pfn
    if not pcp_allowed_order(order):
        pfn = rmqueue(a, zone, order, mt, nofragment)
        if pfn:
            zone.free_pages -= <uint64_t>1 << order
        return pfn
    pcp = &cpu_mut(a, a.cpu).pcp[z]
    pindex = order_to_pindex(order, mt)
    pcp.free_count >>= 1
    pfn = pcp.head[pindex]
    if pfn == 0:
        rmqueue_bulk(a, zone, pcp, order, mt, nofragment)
        pfn = pcp.head[pindex]
        if pfn == 0:
            return 0
    pcp.head[pindex] = frame_at(a, pfn).lru_next
    if pcp.head[pindex] == 0:
        pcp.tail[pindex] = 0
    pcp.count -= <uint32_t>1 << order
    return pfn


cdef pfn_t get_page_from_freelist(arena_t *a, uint32_t order, uint32_t gfp, uint32_t mark, uint32_t *zone_out) noexcept nogil:
    """The highest zone that stays above its watermark. Rather a lower zone than mixing types in Normal."""
    cdef uint32_t highest = ZONE_HIGHMEM if gfp & GFP_USER_MOVABLE and a.m.zone[ZONE_HIGHMEM].managed_pages else ZONE_NORMAL
    cdef uint32_t mt = MIGRATE_MOVABLE if gfp & GFP_USER_MOVABLE else MIGRATE_RECLAIMABLE if gfp & GFP_RECLAIMABLE else MIGRATE_UNMOVABLE
    cdef bint nofragment = a.m.zone[ZONE_NORMAL].managed_pages != 0 and a.m.zone[ZONE_DMA32].managed_pages != 0
    cdef uint32_t z
    cdef pfn_t pfn
    while True:
        z = highest + 1
        while z:
            z -= 1
            if a.m.zone[z].managed_pages and watermark_ok(&a.m.zone[z], order, a.m.zone[z].watermark[mark], highest):
                pfn = rmqueue_zone(a, z, order, mt, nofragment)
                if pfn:
                    zone_out[0] = z
                    return pfn
        if not nofragment:
            return 0
        nofragment = False


cdef pfn_t alloc_slowpath(arena_t *a, uint32_t order, uint32_t gfp, uint32_t *zone_out) noexcept nogil:
    """Below the low watermark: down to min, then reclaim (the room above) as long as it makes progress."""
    cdef pfn_t pfn = get_page_from_freelist(a, order, gfp, WMARK_MIN, zone_out)
    cdef int tries = 0
    while pfn == 0 and not gfp & GFP_NORETRY and a.alloc_slowpath != NULL and tries < MAX_RECLAIM_RETRIES:
        if a.alloc_slowpath(a, order, gfp) == 0:
            break
        pfn = get_page_from_freelist(a, order, gfp, WMARK_MIN, zone_out)
        tries += 1
    if pfn == 0 and not gfp & GFP_NORETRY:  # what lies on the per-CPU lists may be all that is left
        drain_pcp(a, a.cpu)
        pfn = get_page_from_freelist(a, order, gfp, WMARK_MIN, zone_out)
    return pfn


cdef void prep_compound(arena_t *a, pfn_t pfn, uint32_t order) noexcept nogil:
    cdef uint32_t i
    cdef frame_t *f
    frame_mut(a, pfn).flags = PG_head
    for i in range(1, <uint32_t>1 << order):
        f = frame_mut(a, pfn + i)
        f.flags = PG_tail
        f.lru_next = pfn
    f = frame_mut(a, pfn + 1)
    f.index_lo = order
    f.lru_prev = 0
    f.mapping = 0


cdef pfn_t alloc_pages(arena_t *a, uint32_t order, uint32_t gfp) noexcept nogil:
    cdef uint32_t z = 0
    cdef pfn_t pfn
    cdef frame_t *f
    if order >= NR_ORDERS:
        return 0
    pfn = get_page_from_freelist(a, order, gfp, WMARK_LOW, &z)
    if pfn == 0:
        pfn = alloc_slowpath(a, order, gfp, &z)
        if pfn == 0:
            return 0
    f = frame_mut(a, pfn)
    f.flags = 0
    f.lru_next = 0
    f.lru_prev = 0
    f.extra_refs = 1
    if order:
        prep_compound(a, pfn, order)
    count_vm_events(a, PGALLOC_DMA + <int>z, <int64_t>1 << order)
    trace2(a, TR_FRAME_ALLOC, pfn, order)
    return pfn


# --- giving back ----------------------------------------------------------------------------------------------------

cdef inline void clear_frame(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef frame_t *f = frame_mut(a, pfn)
    if f.content:
        content_free(a, f.content)
    f.flags = 0
    f.mapcount = 0
    f.index_lo = 0
    f.index_hi = 0
    f.extra_refs = 0
    f.content = 0
    f.mapping = 0


cdef void free_pages(arena_t *a, pfn_t pfn, uint32_t order) noexcept nogil:
    cdef uint32_t z = pfn_to_zone(a, pfn)
    cdef uint32_t i
    cdef uint32_t pindex
    cdef pcp_t *pcp
    cdef zone_t *zone = &a.m.zone[z]
    cdef frame_t *f
    for i in range(<uint32_t>1 << order):
        clear_frame(a, pfn + i)
    count_vm_events(a, PGFREE, <int64_t>1 << order)
    trace2(a, TR_FRAME_FREE, pfn, order)
    if not pcp_allowed_order(order):
        free_one_block(a, zone, pfn, order)
        return
    pcp = &cpu_mut(a, a.cpu).pcp[z]
    pindex = order_to_pindex(order, pageblock_type(a, pfn))
    f = frame_mut(a, pfn)
    f.flags = PG_pcp
    f.lru_next = pcp.head[pindex]
    f.lru_prev = 0
    if f.lru_next:
        frame_mut(a, f.lru_next).lru_prev = pfn
    else:
        pcp.tail[pindex] = pfn
    pcp.head[pindex] = pfn
    pcp.count += <uint32_t>1 << order
    pcp.alloc_factor >>= 1
    if pcp.free_count < zone.pcp_batch << BATCH_SCALE_MAX:
        pcp.free_count += <uint32_t>1 << order
    pcp_shrink(a, zone, pcp, pindex)


# --- folios -----------------------------------------------------------------------------------------------------------

cdef uint32_t folio_mapcount(arena_t *a, pfn_t head) noexcept nogil:
    if frame_at(a, head).flags & PG_head:
        return frame_at(a, head + 1).lru_prev
    return <uint32_t>frame_at(a, head).mapcount


cdef bint folio_try_free(arena_t *a, pfn_t head) noexcept nogil:
    if frame_at(a, head).extra_refs or folio_mapcount(a, head):
        return False
    if frame_at(a, head).flags & PG_lru:
        folio_del_lru(a, head)
    free_pages(a, head, folio_order(a, head))
    return True


cdef void folio_get(arena_t *a, pfn_t head) noexcept nogil:
    frame_mut(a, head).extra_refs += 1


cdef void folio_put(arena_t *a, pfn_t head) noexcept nogil:
    frame_mut(a, head).extra_refs -= 1
    folio_try_free(a, head)


cdef void split_folio_frames(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t order = folio_order(a, head)
    cdef frame_t *h = frame_mut(a, head)
    cdef uint32_t copied = h.flags & ~<uint32_t>(PG_head | PG_anon_exclusive | PG_waiters)
    cdef free_list_t *list = &a.m.lru[folio_lru_list(a, head)]
    cdef uint64_t index = frame_index(h)
    cdef uint32_t i
    cdef frame_t *f
    if order == 0:
        return
    h.flags &= ~<uint32_t>PG_head
    for i in range(1, <uint32_t>1 << order):
        f = frame_mut(a, head + i)
        f.flags = copied | (f.flags & PG_anon_exclusive)
        f.mapping = h.mapping
        frame_set_index(f, index + i if h.mapping else 0)
        f.extra_refs = h.extra_refs if h.mapping == 0 else 0 if copied & PG_anon else 1
        f.lru_next = 0
        f.lru_prev = 0
        if copied & PG_lru:  # in front of the head: the node and zone counters count pages, which stay as many
            f.lru_next = head
            f.lru_prev = h.lru_prev
            if h.lru_prev:
                frame_mut(a, h.lru_prev).lru_next = head + i
            else:
                list.head = head + i
            h.lru_prev = head + i
            list.nr_free += 1


# --- looking ------------------------------------------------------------------------------------------------------------

cdef uint64_t nr_free_pages(arena_t *a) noexcept nogil:
    cdef uint64_t n = 0
    cdef uint32_t z
    for z in range(NR_ZONES):
        n += a.m.zone[z].free_pages
    return n


cdef uint32_t free_area_count(arena_t *a, uint32_t zone, uint32_t order, uint32_t migratetype) noexcept nogil:
    cdef zone_t *z = &a.m.zone[zone]
    cdef uint32_t n = z.area[order][migratetype].nr_free
    if order == MAX_PAGE_ORDER and migratetype == MIGRATE_MOVABLE:
        n += <uint32_t>((z.unseen_end - z.unseen_pfn) // MAX_ORDER_PAGES)
    return n


cdef bint frame_is_buddy(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef uint32_t order
    cdef zone_t *zone = &a.m.zone[pfn_to_zone(a, pfn)]
    cdef uint32_t head
    if zone.unseen_pfn <= pfn < zone.unseen_end:
        return True
    for order in range(NR_ORDERS):
        head = pfn & ~((<uint32_t>1 << order) - 1)
        if frame_at(a, head).flags & PG_buddy:
            return frame_at(a, head).index_lo >= order
    return False
