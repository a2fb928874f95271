"""Allocating and freeing frames: the choice of a zone, folios.

Counterpart: Linux v6.18 mm/page_alloc.c: get_page_from_freelist, rmqueue_pcplist, free_frozen_page_commit. The free lists themselves
are free_area.pyx, the per-CPU ones pcp.pyx. States of a frame:

    unseen -> part of a free block (its head: PG_buddy) -> on a per-CPU list (PG_pcp) -> allocated -> per-CPU list or free block
"""

from libc.string cimport memset

from vmtool.mm.arena cimport OOM_KILLED, alloc_context_t, content_free, cpu_mut, folio_x_at, folio_x_mut, frame_at, frame_mut, memcg_mut, should_fail, slot_mut
from vmtool.mm.compact_state cimport (COMPACT_DEFERRED, COMPACT_PRIO_ASYNC, COMPACT_PRIO_SYNC_FULL, COMPACT_PRIO_SYNC_LIGHT, COMPACT_SKIPPED,
                                      COMPACT_SUCCESS, compaction_defer_reset)
from vmtool.mm.frame cimport (MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, WMARK_HIGH, WMARK_LOW, WMARK_MIN, ZONE_DMA, ZONE_DMA32, ZONE_HIGHMEM, ZONE_NORMAL, folio_order,
                              frame_index, frame_set_index, pageblock_type, pfn_to_zone, wmark_pages)
from vmtool.mm.memcontrol cimport charge_folio, current_memcg, split_charge, try_charge, uncharge_folio
from vmtool.mm.free_area cimport (ZONE_BELOW_HIGH, ZONE_RECLAIM_ACTIVE, free_one_block, reserve_highatomic_pageblock, rmqueue, rmqueue_highatomic,
                                  unreserve_highatomic_pageblock)
from vmtool.mm.large_folio cimport MTHP_STAT_NR_ANON, clear_tails, mod_mthp_stat, unqueue_deferred_split
from vmtool.mm.lruvec cimport lru_add_split, lruvec_del_folio
from vmtool.mm.pcp cimport (BATCH_SCALE_MAX, PAGE_ALLOC_COSTLY_ORDER, drain_all_pages, drain_pcp, order_to_pindex, pcp_allowed_order, pcp_is_run,
                            pcp_shrink, pcp_stays, rmqueue_bulk, watermark_ok, watermark_ok_reserve)
from vmtool.mm.sched cimport schedule
from vmtool.mm.trace cimport TR_FRAME_ALLOC, TR_FRAME_FREE, trace2
from vmtool.mm.vmstat cimport COMPACTFAIL, COMPACTSTALL, COMPACTSUCCESS, NR_MLOCK, PGALLOC_DMA, PGFREE, UNEVICTABLE_PGCLEARED, count_vm_event, count_vm_events

cdef enum:
    MAX_COMPACT_RETRIES = 16


# --- allocation ---------------------------------------------------------------------------------------------------


cdef inline pfn_t rmqueue_zone(arena_t *a, uint32_t z, uint32_t order, uint32_t mt, bint nofragment) noexcept nogil:
    """From the per-CPU list when the order has one, else from the free lists."""
    cdef zone_t *zone = &a.m.zone[z]
    cdef pcp_t *pcp
    cdef uint32_t pindex
    cdef pfn_t pfn
    if not pcp_allowed_order(&a.m.arch, order):
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


cdef inline uint32_t highest_zone(uint32_t gfp) noexcept nogil:
    """gfp_zone()."""
    if gfp & GFP_DMA:
        return ZONE_DMA
    if gfp & GFP_DMA32:
        return ZONE_DMA32
    return ZONE_HIGHMEM if gfp & (GFP_USER_MOVABLE | GFP_HIGHMEM) else ZONE_NORMAL


cdef inline bint is_highatomic(uint32_t gfp, uint32_t mark) noexcept nogil:
    """ALLOC_HIGHATOMIC, ALLOC_NON_BLOCK: an atomic allocation that did not stay above the low watermark."""
    return mark == WMARK_MIN and gfp & (GFP_ATOMIC | GFP_NOMEMALLOC) == GFP_ATOMIC


cdef bint has_reserve(arena_t *a, const zone_t *zone, uint32_t order, uint32_t gfp, uint32_t highest) noexcept nogil:
    """ALLOC_MIN_RESERVE: half way below the min watermark, and a quarter of that again."""
    cdef uint64_t floor = wmark_pages(zone, WMARK_MIN)
    cdef bint highatomic = is_highatomic(gfp, WMARK_MIN)
    floor -= floor // 2
    if highatomic:
        floor -= floor // 4
    return watermark_ok_reserve(a, zone, order, floor, highest, highatomic)


cdef inline bint has_room(arena_t *a, zone_t *zone, uint32_t order, uint32_t gfp, uint32_t mark, uint32_t highest) noexcept nogil:
    """Above the watermark; below the high one, what is freed shall not lie on the per-CPU lists."""
    if not zone.flags & ZONE_BELOW_HIGH:
        if watermark_ok(a, zone, order, wmark_pages(zone, WMARK_HIGH), highest):
            return True
        zone.flags |= ZONE_BELOW_HIGH
    if a.memalloc and not gfp & GFP_NOMEMALLOC:
        return True
    if mark == WMARK_MIN and gfp & (GFP_HIGH | GFP_ATOMIC):
        return has_reserve(a, zone, order, gfp, highest)
    return watermark_ok(a, zone, order, wmark_pages(zone, mark), highest)


cdef pfn_t take_highatomic(arena_t *a, uint32_t z, uint32_t order) noexcept nogil:
    cdef pfn_t pfn = rmqueue_highatomic(a, &a.m.zone[z], order)
    if pfn:
        a.m.zone[z].free_pages -= <uint64_t>1 << order
    return pfn


cdef pfn_t get_page_from_freelist(arena_t *a, uint32_t order, uint32_t gfp, uint32_t mark, uint32_t *zone_out) noexcept nogil:
    """The highest zone that stays above its watermark. Rather a lower zone than mixing types in Normal."""
    cdef uint32_t highest = min(highest_zone(gfp), <uint32_t>(ZONE_HIGHMEM if a.m.zone[ZONE_HIGHMEM].managed_pages else ZONE_NORMAL))
    cdef uint32_t mt = gfp_migratetype(gfp)
    cdef bint highatomic = is_highatomic(gfp, mark)
    cdef bint nofragment = a.m.zone[ZONE_NORMAL].managed_pages != 0 and a.m.zone[ZONE_DMA32].managed_pages != 0
    cdef uint32_t z
    cdef pfn_t pfn
    while True:
        z = highest + 1
        while z:
            z -= 1
            if a.m.zone[z].managed_pages and has_room(a, &a.m.zone[z], order, gfp, mark, highest):
                pfn = 0
                if highatomic and not pcp_allowed_order(&a.m.arch, order):
                    pfn = take_highatomic(a, z, order)
                if pfn == 0:
                    pfn = rmqueue_zone(a, z, order, mt, nofragment)
                if pfn == 0 and highatomic:
                    pfn = take_highatomic(a, z, order)
                if pfn:
                    if highatomic and order:
                        reserve_highatomic_pageblock(a, &a.m.zone[z], pfn, order)
                    zone_out[0] = z
                    return pfn
        if not nofragment:
            return 0
        nofragment = False


cdef inline uint32_t first_zone(arena_t *a) noexcept nogil:
    """The first zone of the zonelist."""
    cdef uint32_t z = ZONE_HIGHMEM
    while z and a.m.zone[z].managed_pages == 0:
        z -= 1
    return z


cdef inline bint can_direct_reclaim(arena_t *a, uint32_t gfp) noexcept nogil:
    """Tables, slabs and nodes never do, here: whoever asks for them holds on to what reclaim changes, and takes of the reserve instead."""
    return gfp & (GFP_USER_MOVABLE | GFP_DIRECT_RECLAIM) != 0 and not gfp & (GFP_ATOMIC | GFP_NO_DIRECT) and not a.memalloc


cdef inline bint wakes_kswapd(uint32_t order, uint32_t gfp, bint may_reclaim) noexcept nogil:
    """# Deviation: the page cache's attempt at a costly order does not; in Linux it does."""
    if gfp & GFP_NO_KSWAPD or (order > PAGE_ALLOC_COSTLY_ORDER and gfp & (GFP_NORETRY | GFP_THISNODE) == GFP_NORETRY):
        return False
    return may_reclaim or gfp & GFP_NO_DIRECT or is_highatomic(gfp, WMARK_MIN)


cdef pfn_t direct_compact(arena_t *a, const alloc_context_t *ac, uint32_t prio, uint32_t *result, uint32_t *zone_out) noexcept nogil:
    """__alloc_pages_direct_compact(). Counts: COMPACTSTALL, COMPACTSUCCESS, COMPACTFAIL. A captured block counts for no zone: NR_ZONES."""
    cdef uint32_t outer = a.memalloc
    cdef pfn_t pfn = 0
    if ac.order == 0 or a.direct_compact == NULL:
        return 0
    a.memalloc = 1
    result[0] = a.direct_compact(a, ac, prio, &pfn)
    a.memalloc = outer
    if result[0] == COMPACT_SKIPPED:
        return 0
    count_vm_event(a, COMPACTSTALL)
    zone_out[0] = NR_ZONES
    if pfn == 0:
        pfn = get_page_from_freelist(a, ac.order, ac.gfp, WMARK_MIN, zone_out)
    if pfn == 0:
        count_vm_event(a, COMPACTFAIL)
        return 0
    a.m.compaction.zone[pfn_to_zone(a, pfn)].blockskip_flush = 0
    compaction_defer_reset(a, pfn_to_zone(a, pfn), <int>ac.order, True)
    count_vm_event(a, COMPACTSUCCESS)
    return pfn


cdef bint should_compact_retry(arena_t *a, const alloc_context_t *ac, uint32_t result, uint32_t *prio, uint32_t *retries) noexcept nogil:
    cdef bint costly = ac.order > PAGE_ALLOC_COSTLY_ORDER
    if ac.order == 0:
        return False
    if result == COMPACT_SKIPPED:  # for want of free pages: worth another round if reclaim can bring them
        return a.compaction_zonelist_suitable != NULL and a.compaction_zonelist_suitable(a, ac)
    if result == COMPACT_SUCCESS:
        retries[0] += 1
        if retries[0] <= <uint32_t>(MAX_COMPACT_RETRIES // 4 if costly else MAX_COMPACT_RETRIES):
            return True
    if prio[0] <= <uint32_t>(COMPACT_PRIO_SYNC_LIGHT if costly else COMPACT_PRIO_SYNC_FULL):
        return False
    prio[0] -= 1
    retries[0] = 0
    return True


cdef pfn_t direct_reclaim(arena_t *a, const alloc_context_t *ac, uint32_t *progress, uint32_t *zone_out) noexcept nogil:
    cdef pfn_t pfn
    progress[0] = a.alloc_slowpath(a, ac.order, ac.gfp)
    pfn = get_page_from_freelist(a, ac.order, ac.gfp, WMARK_MIN, zone_out)
    if pfn == 0:  # Linux does so after progress alone; what lies on the per-CPU lists may be all that is left
        unreserve_highatomic_pageblock(a, ac.highest, ac.migratetype, False)
        drain_all_pages(a)
        pfn = get_page_from_freelist(a, ac.order, ac.gfp, WMARK_MIN, zone_out)
    return pfn


cdef pfn_t reclaim_and_retry(arena_t *a, const alloc_context_t *ac, uint32_t prio, uint32_t *zone_out) noexcept nogil:
    """Direct reclaim and compaction as long as they make progress, or might; then the OOM killer. Preconditions: reclaim may run here."""
    cdef bint costly = ac.order > PAGE_ALLOC_COSTLY_ORDER
    cdef uint32_t no_progress = 0, retries = 0, result = COMPACT_SKIPPED, progress = 0
    cdef pfn_t pfn = 0
    while a.alloc_slowpath != NULL and not a.err:
        pfn = get_page_from_freelist(a, ac.order, ac.gfp, WMARK_MIN, zone_out)
        if pfn:
            return pfn
        pfn = direct_reclaim(a, ac, &progress, zone_out)
        if pfn == 0:
            pfn = direct_compact(a, ac, prio, &result, zone_out)
        if pfn or ac.gfp & GFP_NORETRY or (costly and not ac.gfp & GFP_RETRY_MAYFAIL):
            return pfn
        no_progress = 0 if progress and not costly else no_progress + 1
        if a.should_reclaim_retry != NULL and a.should_reclaim_retry(a, ac.order, ac.gfp, &no_progress):
            continue
        if unreserve_highatomic_pageblock(a, ac.highest, ac.migratetype, True):  # before the OOM killer comes, it goes
            continue
        if progress and should_compact_retry(a, ac, result, &prio, &retries):
            continue
        if costly or ac.gfp & (GFP_RETRY_MAYFAIL | GFP_THISNODE):
            return 0
        if a.out_of_memory == NULL or a.out_of_memory(a, 0, ac.order, ac.gfp) != OOM_KILLED:
            return 0
        no_progress = 0
    return 0


cdef pfn_t compact_and_reclaim(arena_t *a, const alloc_context_t *ac, uint32_t *zone_out) noexcept nogil:
    """What __alloc_pages_slowpath() does when reclaim may run here: a costly order, or one that shall not break up movable pageblocks, is compacted
    for first; kswapd runs; then reclaim."""
    cdef bint costly = ac.order > PAGE_ALLOC_COSTLY_ORDER
    cdef uint32_t prio = COMPACT_PRIO_SYNC_LIGHT, result = COMPACT_SKIPPED
    cdef pfn_t pfn
    if costly or (ac.order and ac.migratetype != MIGRATE_MOVABLE):
        pfn = direct_compact(a, ac, COMPACT_PRIO_ASYNC, &result, zone_out)
        if pfn:
            return pfn
        if costly and ac.gfp & GFP_NORETRY:
            if result == COMPACT_SKIPPED or result == COMPACT_DEFERRED or ac.gfp & GFP_THISNODE:
                return 0
            prio = COMPACT_PRIO_ASYNC
    if not (costly and ac.gfp & GFP_NORETRY):  # an attempt, which goes straight on
        schedule(a)
    return reclaim_and_retry(a, ac, prio, zone_out)


cdef pfn_t alloc_slowpath(arena_t *a, uint32_t order, uint32_t gfp, uint32_t *zone_out) noexcept nogil:
    """Below the low watermark: kswapd is woken; then down to min; then compaction and reclaim."""
    cdef bint may_reclaim = can_direct_reclaim(a, gfp)
    cdef uint32_t outer = a.memalloc
    cdef alloc_context_t ac
    cdef pfn_t pfn
    if wakes_kswapd(order, gfp, may_reclaim) and a.wakeup_kswapd != NULL:
        a.wakeup_kswapd(a, first_zone(a), order, gfp, highest_zone(gfp))
    pfn = get_page_from_freelist(a, order, gfp, WMARK_MIN, zone_out)
    if pfn:
        return pfn
    if may_reclaim:
        ac.order = order
        ac.gfp = gfp
        ac.highest = highest_zone(gfp)
        ac.migratetype = gfp_migratetype(gfp)
        pfn = compact_and_reclaim(a, &ac, zone_out)
        if order > PAGE_ALLOC_COSTLY_ORDER:
            return pfn
    if pfn == 0 and not gfp & (GFP_NORETRY | GFP_ATOMIC | GFP_NO_DIRECT) and not a.oom_victim:  # what lies on the per-CPU lists may be all that is left
        drain_pcp(a, a.cpu)
        if not may_reclaim:
            a.memalloc = 1
        pfn = get_page_from_freelist(a, order, gfp, WMARK_MIN, zone_out)
        a.memalloc = outer
    return pfn


cdef pfn_t alloc_huge_slowpath(arena_t *a, uint32_t order, uint32_t gfp, uint32_t *zone_out) noexcept nogil:
    """alloc_pages_mpol(): first only compaction; then what the mask allows, from the start."""
    cdef pfn_t pfn = alloc_slowpath(a, order, gfp | GFP_THISNODE | GFP_NORETRY, zone_out)
    if pfn or not can_direct_reclaim(a, gfp):
        return pfn
    pfn = get_page_from_freelist(a, order, gfp, WMARK_LOW, zone_out)
    return pfn if pfn else alloc_slowpath(a, order, gfp, zone_out)


cdef void run_boosted(arena_t *a, uint32_t zone) noexcept nogil:
    """rmqueue()'s end: a pageblock changed its type, so this zone alone is reclaimed from."""
    a.m.zone[zone].flags &= ~<uint32_t>ZONE_BOOSTED_WATERMARK
    if a.wakeup_kswapd != NULL:
        a.wakeup_kswapd(a, zone, 0, 0, zone)


cdef bint charge_user_page(arena_t *a, pfn_t pfn, uint32_t order, uint32_t gfp) noexcept nogil:
    """False: the group's limit stands in the way; the page is not the caller's."""
    cdef idx_t memcg = current_memcg(a)
    if memcg == 0:
        return True
    if try_charge(a, memcg, <uint32_t>1 << order, gfp) < 0:
        a.charge_failed = True
        free_pages(a, pfn, order)
        return False
    charge_folio(a, memcg, pfn)
    if gfp & GFP_ACCOUNT:
        memcg_mut(a, memcg).stat[MEMCG_KMEM] += <int64_t>1 << order
    return True


cdef void prep_compound(arena_t *a, pfn_t pfn, uint32_t order) noexcept nogil:
    cdef uint32_t i
    cdef frame_t *f
    frame_mut(a, pfn).flags = PG_head
    for i in range(1, <uint32_t>1 << order):
        f = frame_mut(a, pfn + i)
        f.flags = PG_tail
        f.lru_next = pfn
    clear_tails(a, pfn, order)


cdef pfn_t alloc_pages(arena_t *a, uint32_t order, uint32_t gfp) noexcept nogil:
    cdef uint32_t z = 0
    cdef pfn_t pfn = 0
    if order > a.m.arch.max_order or (should_fail(a) and not (gfp & GFP_MPOL and can_direct_reclaim(a, gfp))):  # alloc_pages_mpol() asks twice then
        return 0
    if order == 0 and not gfp & (GFP_DMA | GFP_DMA32):
        pfn = pcp_take(a, gfp, &z)
    if pfn == 0:
        pfn = get_page_from_freelist(a, order, gfp, WMARK_LOW, &z)
    if pfn == 0:
        pfn = alloc_huge_slowpath(a, order, gfp, &z) if gfp & GFP_MPOL else alloc_slowpath(a, order, gfp, &z)
        if pfn == 0:
            return 0
    prep_new_page(frame_mut(a, pfn))
    if order:
        prep_compound(a, pfn, order)
    if z < NR_ZONES:
        count_vm_events(a, PGALLOC_DMA + <int>z, <int64_t>1 << order)
    trace2(a, TR_FRAME_ALLOC, pfn, order)
    if gfp & (GFP_USER_MOVABLE | GFP_ACCOUNT) and a.m.nr_memcgs and not charge_user_page(a, pfn, order, gfp):
        return 0
    if z < NR_ZONES and a.m.zone[z].flags & ZONE_BOOSTED_WATERMARK and gfp & GFP_USER_MOVABLE and not a.memalloc:
        run_boosted(a, z)
    return pfn


# --- giving back ----------------------------------------------------------------------------------------------------


cdef inline void clear_record(arena_t *a, frame_t *f) noexcept nogil:
    if f.content:
        content_free(a, f.content)
    memset(f, 0, sizeof(frame_t))


cdef void free_large_buddy(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t order) noexcept nogil:
    """split_large_buddy(): pageblock by pageblock."""
    cdef uint32_t piece = min(order, <uint32_t>a.m.arch.pageblock_order)
    cdef uint64_t i
    for i in range(<uint64_t>1 << (order - piece)):
        free_one_block(a, zone, pfn + (i << piece), piece)


cdef void clear_folio(arena_t *a, pfn_t pfn, uint32_t order) noexcept nogil:
    """free_pages_prepare()."""
    cdef frame_t *f
    cdef uint32_t i
    if order > 1:
        unqueue_deferred_split(a, pfn)
    f = frame_mut(a, pfn)
    if order and f.flags & PG_anon:
        mod_mthp_stat(a, order, MTHP_STAT_NR_ANON, -1)
    if f.flags & PG_charged:
        uncharge_folio(a, pfn, <uint32_t>1 << order)
    clear_record(a, f)
    for i in range(1, <uint32_t>1 << order):
        clear_record(a, frame_mut(a, pfn + i))


cdef inline void free_to_pcp(arena_t *a, const frees_t *k, pfn_t pfn, frame_t *f, uint32_t order) noexcept nogil:
    """free_frozen_page_commit()."""
    cdef zone_t *zone = k.zone
    cdef pcp_t *pcp = k.pcp
    cdef uint32_t next = pcp.head[k.pindex]
    cdef bint is_run = False
    f.flags = PG_pcp
    f.index_lo = order
    f.lru_next = next
    if next:
        frame_mut(a, next).lru_prev = pfn
    else:
        pcp.tail[k.pindex] = pfn
    pcp.head[k.pindex] = pfn
    pcp.count += <uint32_t>1 << order
    pcp.alloc_factor >>= 1
    if order or pcp.flags:
        is_run = pcp_is_run(pcp, zone, order)
    if pcp.free_count < zone.pcp_batch << BATCH_SCALE_MAX:
        pcp.free_count += <uint32_t>1 << order
    if pcp.count >= pcp.high or is_run or pcp.high > zone.pcp_high_max or (
            zone.flags & (ZONE_BELOW_HIGH | ZONE_RECLAIM_ACTIVE) and not pcp_stays(pcp, zone)):
        pcp_shrink(a, zone, pcp, k.pindex, is_run)


cdef void frees_open(arena_t *a, frees_t *k, pfn_t pfn, uint32_t order) noexcept nogil:
    cdef uint32_t z = pfn_to_zone(a, pfn), mt = pageblock_type(a, pfn)
    k.block = (<uint64_t>pfn >> a.m.arch.pageblock_order) + 1
    k.zone = &a.m.zone[z]
    k.pcp = &cpu_mut(a, a.cpu).pcp[z]
    k.pindex = order_to_pindex(order, mt if mt <= MIGRATE_RECLAIMABLE else <uint32_t>MIGRATE_MOVABLE)


cdef void free_frame(arena_t *a, frees_t *k, pfn_t pfn, frame_t *f) noexcept nogil:
    if k.block != (<uint64_t>pfn >> a.m.arch.pageblock_order) + 1:
        frees_open(a, k, pfn, 0)
    clear_record(a, f)
    count_vm_events(a, PGFREE, 1)
    trace2(a, TR_FRAME_FREE, pfn, 0)
    free_to_pcp(a, k, pfn, f, 0)


cdef void free_pages(arena_t *a, pfn_t pfn, uint32_t order) noexcept nogil:
    cdef frees_t k
    cdef frame_t *f = frame_mut(a, pfn)
    frees_open(a, &k, pfn, order)
    if order == 0 and not f.flags & PG_charged:
        free_frame(a, &k, pfn, f)
        return
    clear_folio(a, pfn, order)
    count_vm_events(a, PGFREE, <int64_t>1 << order)
    trace2(a, TR_FRAME_FREE, pfn, order)
    if pcp_allowed_order(&a.m.arch, order):
        free_to_pcp(a, &k, pfn, f, order)
    elif order > a.m.arch.max_order:
        free_large_buddy(a, k.zone, pfn, order)
    else:
        free_one_block(a, k.zone, pfn, order)


# --- folios -----------------------------------------------------------------------------------------------------------


cdef bint folio_try_free(arena_t *a, pfn_t head) noexcept nogil:
    cdef const frame_t *f = frame_at(a, head)
    if f.extra_refs or (f.mapcount if not f.flags & PG_head else folio_mapcount(a, head)):
        return False
    if f.flags & PG_lru:
        lruvec_del_folio(a, head)
    if f.flags & PG_mlocked:
        a.m.zone_stat[pfn_to_zone(a, head)][NR_MLOCK] -= <int64_t>1 << folio_order(a, head)
        count_vm_events(a, UNEVICTABLE_PGCLEARED, <int64_t>1 << folio_order(a, head))
    free_pages(a, head, folio_order(a, head) if f.flags & PG_head else 0)
    return True


cdef void split_swapped(arena_t *a, pfn_t head, uint32_t i) noexcept nogil:
    """__swap_cache_replace_folio(): a page of its own is cached by its own slot, with a reference for it."""
    cdef uint32_t record = folio_x_at(a, head).swap + i
    folio_x_mut(a, head + i).swap = record
    slot_mut(a, record).folio = head + i
    frame_mut(a, head + i).extra_refs = 1


cdef void split_folio_frames(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t order = folio_order(a, head)
    cdef frame_t *h = frame_mut(a, head)
    cdef uint32_t copied = h.flags & ~<uint32_t>(PG_head | PG_anon_exclusive | PG_waiters)
    cdef uint64_t index = frame_index(h)
    cdef uint32_t i
    cdef frame_t *f
    if order == 0:
        return
    if copied & PG_anon:
        mod_mthp_stat(a, order, MTHP_STAT_NR_ANON, -1)
    unqueue_deferred_split(a, head)
    h.flags &= ~<uint32_t>PG_head
    for i in range(1, <uint32_t>1 << order):
        f = frame_mut(a, head + i)
        f.flags = copied | (f.flags & PG_anon_exclusive)
        f.mapping = h.mapping
        frame_set_index(f, index + i if h.mapping else 0)
        f.extra_refs = h.extra_refs if h.mapping == 0 else 0 if copied & PG_anon else 1
        f.lru_next = 0
        f.lru_prev = 0
        if copied & PG_charged:
            split_charge(a, head, head + i)
        if copied & PG_swapcache:
            split_swapped(a, head, i)
        if copied & PG_lru:
            lru_add_split(a, head, head + i)
