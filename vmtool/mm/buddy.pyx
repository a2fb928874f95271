"""Allocating and freeing frames: the per-CPU lists, the choice of a zone, folios.

Counterpart: Linux v6.18 mm/page_alloc.c: get_page_from_freelist, rmqueue_pcplist, nr_pcp_alloc, free_frozen_page_commit, nr_pcp_high,
nr_pcp_free. The free lists themselves are free_area.pyx. States of a frame:

    unseen -> part of a free block (its head: PG_buddy) -> on a per-CPU list (PG_pcp) -> allocated -> per-CPU list or free block

# Deviation: no draining by PCPF_PREV_FREE_HIGH_ORDER; ZONE_BELOW_HIGH is computed where it is asked.
Invariants: pcp.count = pages on its lists; a frame on one has no contents, references or mappings.
"""

from libc.string cimport memset

from vmtool.mm.arena cimport OOM_KILLED, content_free, cpu_mut, frame_at, frame_mut, mm_at, task_at
from vmtool.mm.frame cimport (MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE, PAGEBLOCK_ORDER, WMARK_HIGH, WMARK_LOW, WMARK_MIN,
                              ZONE_DMA, ZONE_DMA32, ZONE_HIGHMEM, ZONE_NORMAL, folio_order, frame_index,
                              frame_set_index, pageblock_type, pfn_to_zone, wmark_pages)
from vmtool.mm.memcontrol cimport charge_folio, current_memcg, split_charge, try_charge, uncharge_folio
from vmtool.mm.free_area cimport area_empty, free_one_block, rmqueue, rmqueue_run
from vmtool.mm.lruvec cimport lru_add_split, lruvec_del_folio
from vmtool.mm.trace cimport TR_FRAME_ALLOC, TR_FRAME_FREE, trace2
from vmtool.mm.vmstat cimport NR_MLOCK, PGALLOC_DMA, PGFREE, UNEVICTABLE_PGCLEARED, count_vm_events

cdef enum:
    COSTLY_ORDER = 3
    BATCH_SCALE_MAX = 5  # CONFIG_PCP_BATCH_SCALE_MAX
    MAX_RECLAIM_RETRIES = 16


# --- per-CPU lists ---------------------------------------------------------------------------------------------
# Linked by lru_next and lru_prev; the first one's lru_prev is stale, so that taking it touches no other record.

cdef inline uint32_t order_to_pindex(uint32_t order, uint32_t mt) noexcept nogil:
    return order * 3 + mt if order <= COSTLY_ORDER else 12 + (mt == MIGRATE_MOVABLE)


cdef inline uint32_t pindex_to_order(uint32_t pindex) noexcept nogil:
    return pindex // 3 if pindex < 12 else PAGEBLOCK_ORDER


cdef inline bint pcp_allowed_order(uint32_t order) noexcept nogil:
    return order <= COSTLY_ORDER or order == PAGEBLOCK_ORDER


cdef void pcp_add_run(arena_t *a, pcp_t *pcp, uint32_t pindex, pfn_t pfn, uint32_t nr) noexcept nogil:
    """Neighbouring frames, or one block, to the tail of a list. A block's order stands in index_lo, as in a free block."""
    cdef uint32_t i
    cdef uint32_t last = pfn + nr - 1
    cdef frame_t *f
    for i in range(nr):
        f = frame_mut(a, pfn + i)
        f.flags = PG_pcp
        f.lru_next = pfn + i + 1
        f.lru_prev = pfn + i - 1
    frame_mut(a, last).lru_next = 0
    frame_mut(a, pfn).index_lo = pindex_to_order(pindex)
    frame_mut(a, pfn).lru_prev = pcp.tail[pindex]
    if pcp.head[pindex]:
        frame_mut(a, pcp.tail[pindex]).lru_next = pfn
    else:
        pcp.head[pindex] = pfn
    pcp.tail[pindex] = last


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
    if zone.pcp_high_min != zone.pcp_high_max and zone.free_pages >= wmark_pages(zone, WMARK_HIGH):
        pcp.high = <uint32_t>min(<uint64_t>pcp.high + <uint64_t>batch, zone.pcp_high_max)
    if order == 0:
        most = max(<int64_t>pcp.high - <int64_t>pcp.count - base, base)
        if batch <= most and pcp.alloc_factor < BATCH_SCALE_MAX:
            pcp.alloc_factor += 1
        batch = min(batch, most)
    if batch > 1:
        batch = max(batch >> order, <int64_t>2)
    return <uint32_t>batch


cdef void rmqueue_bulk(arena_t *a, zone_t *zone, pcp_t *pcp, uint32_t order, uint32_t mt, bint nofragment) noexcept nogil:
    """Refill an empty list."""
    cdef uint32_t want = nr_pcp_alloc(pcp, zone, order)
    cdef uint32_t got = 0
    cdef uint32_t nr = 0
    cdef pfn_t pfn
    while got < want:
        if order == 0:
            pfn = rmqueue_run(a, zone, mt, want - got, &nr)
            if pfn:
                pcp_add_run(a, pcp, mt, pfn, nr)
                got += nr
                continue
        pfn = rmqueue(a, zone, order, mt, nofragment)
        if pfn == 0:
            break
        pcp_add_run(a, pcp, order_to_pindex(order, mt), pfn, 1)
        got += 1
    pcp.count += got << order
    zone.free_pages -= <uint64_t>got << order


cdef void free_pcppages_bulk(arena_t *a, zone_t *zone, pcp_t *pcp, int64_t count, int pindex) noexcept nogil:
    """Give `count` pages back, oldest first, list by list beginning with pindex."""
    cdef pfn_t pfn
    cdef uint32_t order
    cdef frame_t *f
    cdef int nr_empty = 0
    count = min(count, <int64_t>pcp.count)
    while count > 0 and nr_empty <= NR_PCP_LISTS:
        if pindex >= NR_PCP_LISTS:
            pindex = 0
        if pcp.head[pindex] == 0:
            pindex += 1
            nr_empty += 1
            continue
        nr_empty = 0
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
            f = frame_mut(a, pfn)
            f.flags = 0
            f.index_lo = 0
            f.lru_next = 0
            f.lru_prev = 0
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
    if zone.free_pages < wmark_pages(zone, WMARK_HIGH):
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

cdef bint watermark_ok(const zone_t *zone, uint32_t order, uint64_t mark, uint32_t highest) noexcept nogil:
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


cdef inline uint32_t highest_zone(uint32_t gfp) noexcept nogil:
    """gfp_zone()."""
    if gfp & GFP_DMA:
        return ZONE_DMA
    if gfp & GFP_DMA32:
        return ZONE_DMA32
    return ZONE_HIGHMEM if gfp & GFP_USER_MOVABLE else ZONE_NORMAL


cdef pfn_t get_page_from_freelist(arena_t *a, uint32_t order, uint32_t gfp, uint32_t mark, uint32_t *zone_out) noexcept nogil:
    """The highest zone that stays above its watermark. Rather a lower zone than mixing types in Normal."""
    cdef uint32_t highest = min(highest_zone(gfp), <uint32_t>(ZONE_HIGHMEM if a.m.zone[ZONE_HIGHMEM].managed_pages else ZONE_NORMAL))
    cdef uint32_t mt = gfp_migratetype(gfp)
    cdef bint nofragment = a.m.zone[ZONE_NORMAL].managed_pages != 0 and a.m.zone[ZONE_DMA32].managed_pages != 0
    cdef uint32_t z
    cdef pfn_t pfn
    while True:
        z = highest + 1
        while z:
            z -= 1
            if a.m.zone[z].managed_pages and (a.memalloc or watermark_ok(&a.m.zone[z], order, wmark_pages(&a.m.zone[z], mark), highest)):
                pfn = rmqueue_zone(a, z, order, mt, nofragment)
                if pfn:
                    zone_out[0] = z
                    return pfn
        if not nofragment:
            return 0
        nofragment = False


cdef inline uint32_t top_zone(arena_t *a) noexcept nogil:
    """The first zone of the zonelist."""
    cdef uint32_t z = ZONE_HIGHMEM
    while z and a.m.zone[z].managed_pages == 0:
        z -= 1
    return z


cdef pfn_t reclaim_and_retry(arena_t *a, uint32_t order, uint32_t gfp, uint32_t *zone_out) noexcept nogil:
    """Direct reclaim as long as it makes progress, or might; then the OOM killer. Preconditions: reclaim may run here."""
    cdef uint32_t no_progress = 0
    cdef uint32_t progress
    cdef uint32_t tries = 0
    cdef pfn_t pfn = 0
    while a.alloc_slowpath != NULL and not a.err:
        progress = a.alloc_slowpath(a, order, gfp)
        pfn = get_page_from_freelist(a, order, gfp, WMARK_MIN, zone_out)
        if pfn == 0:
            drain_pcp(a, a.cpu)
            pfn = get_page_from_freelist(a, order, gfp, WMARK_MIN, zone_out)
        if pfn or gfp & GFP_NORETRY or order > COSTLY_ORDER:
            return pfn
        no_progress = 0 if progress else no_progress + 1
        tries += 1
        if order and tries > MAX_RECLAIM_RETRIES:  # without compaction more pages do not make a larger block
            return 0
        if a.should_reclaim_retry != NULL and a.should_reclaim_retry(a, order, gfp, &no_progress):
            continue
        if a.out_of_memory == NULL or a.out_of_memory(a, 0, order, gfp) != OOM_KILLED:
            return 0
        no_progress = 0
        tries = 0
        pfn = get_page_from_freelist(a, order, gfp, WMARK_MIN, zone_out)
        if pfn:
            return pfn
    return 0


cdef pfn_t alloc_slowpath(arena_t *a, uint32_t order, uint32_t gfp, uint32_t *zone_out) noexcept nogil:
    """Below the low watermark: kswapd runs; then down to min; then reclaim. Whoever holds on to what reclaim changes takes of the reserve instead."""
    cdef bint may_reclaim = gfp & (GFP_USER_MOVABLE | GFP_DIRECT_RECLAIM) != 0 and not gfp & GFP_ATOMIC and not a.memalloc
    cdef uint32_t outer = a.memalloc
    cdef pfn_t pfn
    if may_reclaim and order <= COSTLY_ORDER and a.wakeup_kswapd != NULL:
        a.wakeup_kswapd(a, top_zone(a), order, gfp, highest_zone(gfp))
    pfn = get_page_from_freelist(a, order, gfp, WMARK_MIN, zone_out)
    if pfn:
        return pfn
    if may_reclaim and order <= COSTLY_ORDER:
        pfn = reclaim_and_retry(a, order, gfp, zone_out)
    if pfn == 0 and not gfp & GFP_NORETRY and not a.oom_victim:  # what lies on the per-CPU lists may be all that is left
        drain_pcp(a, a.cpu)
        if not may_reclaim:
            a.memalloc = 1
        pfn = get_page_from_freelist(a, order, gfp, WMARK_MIN, zone_out)
        a.memalloc = outer
    return pfn


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
        free_pages(a, pfn, order)
        return False
    charge_folio(a, memcg, pfn)
    return True


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
    cdef pfn_t pfn = 0
    if order >= NR_ORDERS:
        return 0
    if order == 0 and not gfp & (GFP_DMA | GFP_DMA32):
        pfn = pcp_take(a, gfp, &z)
    if pfn == 0:
        pfn = get_page_from_freelist(a, order, gfp, WMARK_LOW, &z)
    if pfn == 0:
        pfn = alloc_slowpath(a, order, gfp, &z)
        if pfn == 0:
            return 0
    prep_new_page(frame_mut(a, pfn))
    if order:
        prep_compound(a, pfn, order)
    count_vm_events(a, PGALLOC_DMA + <int>z, <int64_t>1 << order)
    trace2(a, TR_FRAME_ALLOC, pfn, order)
    if gfp & (GFP_USER_MOVABLE | GFP_ACCOUNT) and a.m.nr_memcgs and not charge_user_page(a, pfn, order, gfp):
        return 0
    if a.m.zone[z].flags & ZONE_BOOSTED_WATERMARK and gfp & GFP_USER_MOVABLE and not a.memalloc:
        run_boosted(a, z)
    return pfn


# --- giving back ----------------------------------------------------------------------------------------------------

cdef inline frame_t *clear_frame(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef frame_t *f = frame_mut(a, pfn)
    if f.content:
        content_free(a, f.content)
    memset(f, 0, sizeof(frame_t))
    return f


cdef void free_pages(arena_t *a, pfn_t pfn, uint32_t order) noexcept nogil:
    cdef uint32_t z = pfn_to_zone(a, pfn)
    cdef uint32_t i
    cdef uint32_t pindex
    cdef uint32_t next
    cdef pcp_t *pcp
    cdef zone_t *zone = &a.m.zone[z]
    cdef frame_t *f
    if frame_at(a, pfn).flags & PG_charged:
        uncharge_folio(a, pfn, <uint32_t>1 << order)
    f = clear_frame(a, pfn)
    for i in range(1, <uint32_t>1 << order):
        clear_frame(a, pfn + i)
    count_vm_events(a, PGFREE, <int64_t>1 << order)
    trace2(a, TR_FRAME_FREE, pfn, order)
    if not pcp_allowed_order(order):
        free_one_block(a, zone, pfn, order)
        return
    pcp = &cpu_mut(a, a.cpu).pcp[z]
    pindex = order_to_pindex(order, min(pageblock_type(a, pfn), <uint32_t>MIGRATE_RECLAIMABLE))
    next = pcp.head[pindex]
    f.flags = PG_pcp
    f.index_lo = order
    f.lru_next = next
    if next:
        frame_mut(a, next).lru_prev = pfn
    else:
        pcp.tail[pindex] = pfn
    pcp.head[pindex] = pfn
    pcp.count += <uint32_t>1 << order
    pcp.alloc_factor >>= 1
    if pcp.free_count < zone.pcp_batch << BATCH_SCALE_MAX:
        pcp.free_count += <uint32_t>1 << order
    if pcp.count >= pcp.high or pcp.high > zone.pcp_high_max or zone.free_pages < wmark_pages(zone, WMARK_HIGH):
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
        lruvec_del_folio(a, head)
    if frame_at(a, head).flags & PG_mlocked:
        a.m.zone_stat[pfn_to_zone(a, head)][NR_MLOCK] -= <int64_t>1 << folio_order(a, head)
        count_vm_events(a, UNEVICTABLE_PGCLEARED, <int64_t>1 << folio_order(a, head))
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
        if copied & PG_charged:
            split_charge(a, head, head + i)
        if copied & PG_lru:
            lru_add_split(a, head, head + i)


cdef uint64_t nr_free_pages(arena_t *a) noexcept nogil:
    cdef uint64_t n = 0
    cdef uint32_t z
    for z in range(NR_ZONES):
        n += a.m.zone[z].free_pages
    return n
