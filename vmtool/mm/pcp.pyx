"""Per-CPU lists of free frames, and how long they may be.

    an allocation finds a list empty      batch << alloc_factor blocks at once; as long as the zone is above its high watermark the limit grows, too
    a free finds more than the limit      as many as were freed in a row go back, the oldest first
    the zone is below its high watermark  or kswapd works on it: the limit falls with each free, and little stays
    a run of blocks of several pages      nothing stays, so that they merge again
    a second passes                       the limit falls by an eighth

Counterpart: Linux v6.18 mm/page_alloc.c: rmqueue_bulk, free_pcppages_bulk, nr_pcp_alloc, nr_pcp_high, nr_pcp_free, decay_pcp_high.
# Deviation: PCPF_FREE_HIGH_BATCH is as if every processor had a cache of 3 batches.
Invariants: pcp.count = pages on its lists; a frame on one has no contents, references or mappings.
"""

from vmtool.mm.arena cimport cpu_mut, frame_mut
from vmtool.mm.frame cimport WMARK_HIGH, wmark_pages
from vmtool.mm.free_area cimport ZONE_BELOW_HIGH, ZONE_RECLAIM_ACTIVE, area_empty, free_one_block, rmqueue_next, rmqueue_run

cdef enum:
    PCPF_PREV_FREE_HIGH_ORDER = 1
    RUN_ORDER = 5


# Linked by lru_next and lru_prev; the first one's lru_prev is stale, so that taking it touches no other record.


cdef inline uint32_t pindex_to_order(arena_t *a, uint32_t pindex) noexcept nogil:
    return pindex // 3 if pindex < NR_LOWORDER_PCP_LISTS else a.m.arch.pageblock_order


cdef bint watermark_ok(arena_t *a, const zone_t *zone, uint32_t order, uint64_t mark, uint32_t highest) noexcept nogil:
    """__zone_watermark_ok(): what is reserved for atomic allocations does not count."""
    cdef uint64_t floor = mark + zone.lowmem_reserve[highest] + zone.nr_free_highatomic
    return zone.free_pages > floor if order == 0 else has_block(a, zone, order, floor, 3)


cdef bint watermark_ok_reserve(arena_t *a, const zone_t *zone, uint32_t order, uint64_t mark, uint32_t highest, bint highatomic) noexcept nogil:
    cdef uint64_t floor = mark + zone.lowmem_reserve[highest]
    return zone.free_pages > floor if order == 0 else has_block(a, zone, order, floor, NR_MIGRATETYPES if highatomic else 3)


cdef bint has_block(arena_t *a, const zone_t *zone, uint32_t order, uint64_t floor, uint32_t nr_types) noexcept nogil:
    cdef uint32_t mt
    if zone.free_pages <= floor + (<uint64_t>1 << order) - 1:
        return False
    while order <= a.m.arch.max_order:
        for mt in range(nr_types):
            if not area_empty(a, zone, order, mt):
                return True
        order += 1
    return False


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
    frame_mut(a, pfn).index_lo = pindex_to_order(a, pindex)
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
    if zone.pcp_high_min != zone.pcp_high_max and not zone.flags & ZONE_BELOW_HIGH:
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
    cdef bint steals = False
    cdef pfn_t pfn
    while got < want:
        if order == 0:
            pfn = rmqueue_run(a, zone, mt, want - got, &nr)
            if pfn:
                pcp_add_run(a, pcp, mt, pfn, nr)
                got += nr
                continue
        pfn = rmqueue_next(a, zone, order, mt, nofragment, &steals)
        if pfn == 0:
            break
        pcp_add_run(a, pcp, order_to_pindex(order, mt), pfn, 1)
        got += 1
    pcp.count += got << order
    zone.free_pages -= <uint64_t>got << order


cdef inline uint32_t aligned_run(pfn_t pfn, const frame_t *f, pfn_t head, int64_t most, int step) noexcept nogil:
    """log2 of how many frames from this one towards the list's head lie upwards, or downwards, in memory, and would be one block. Their records share a
    chunk."""
    cdef uint32_t order = 0, edge = pfn + (step < 0)
    cdef int64_t nr = 1
    while order < RUN_ORDER and edge & (<uint32_t>2 << order) - 1 == 0 and <int64_t>2 << order <= most:
        while nr < <int64_t>2 << order:
            if pfn + <uint32_t>(step * (nr - 1)) == head or f[step * (nr - 1)].lru_prev != pfn + <uint32_t>(step * nr):
                return order
            nr += 1
        order += 1
    return order


cdef void free_pcppages_bulk(arena_t *a, zone_t *zone, pcp_t *pcp, int64_t count, int pindex) noexcept nogil:
    """Give `count` pages back, oldest first, list by list beginning with pindex. Frames that would merge one after the other go as the block that they
    come to."""
    cdef pfn_t pfn, next, last
    cdef uint32_t order, run, i
    cdef int step
    cdef frame_t *f
    cdef int nr_empty = 0
    cdef bint by_runs = a.quick and not a.m.trace_on and a.capture.zone == 0 and a.m.arch.pageblock_order >= RUN_ORDER
    count = min(count, <int64_t>pcp.count)
    while count > 0 and nr_empty <= NR_PCP_LISTS:
        if pindex >= NR_PCP_LISTS:
            pindex = 0
        if pcp.head[pindex] == 0:
            pindex += 1
            nr_empty += 1
            continue
        nr_empty = 0
        order = pindex_to_order(a, pindex)
        pfn = pcp.tail[pindex]
        while count > 0 and pcp.head[pindex]:
            f = frame_mut(a, pfn)
            step = -1 if f.lru_prev == pfn - 1 else 1
            run = aligned_run(pfn, f, pcp.head[pindex], count, step) if by_runs and order == 0 else 0
            last = pfn + <uint32_t>(step * ((1 << run) - 1))
            next = f[<int64_t>last - pfn].lru_prev
            if last == pcp.head[pindex]:
                pcp.head[pindex] = next = 0
            if last < pfn:
                f -= pfn - last
                pfn = last
            count -= <int64_t>1 << (order + run)
            pcp.count -= <uint32_t>1 << (order + run)
            for i in range(<uint32_t>1 << run):
                f[i].flags = 0
                f[i].index_lo = 0
                f[i].lru_next = 0
                f[i].lru_prev = 0
            free_one_block(a, zone, pfn, order + run)
            pfn = next
        pcp.tail[pindex] = pfn
        if pfn:
            frame_mut(a, pfn).lru_next = 0
        pindex += 1


cdef bint pcp_is_run(pcp_t *pcp, const zone_t *zone, uint32_t order) noexcept nogil:
    """Whether block after block of several pages comes back: they go on at once, to merge again."""
    cdef bint is_run
    if order == 0 or order > PAGE_ALLOC_COSTLY_ORDER:
        pcp.flags &= <uint16_t>~PCPF_PREV_FREE_HIGH_ORDER
        return False
    is_run = pcp.flags & PCPF_PREV_FREE_HIGH_ORDER and pcp.free_count >= zone.pcp_batch + zone.pcp_high_min // 2 and pcp.count >= zone.pcp_batch
    pcp.flags |= PCPF_PREV_FREE_HIGH_ORDER
    return is_run


cdef inline void lower_high(pcp_t *pcp, const zone_t *zone, uint64_t by) noexcept nogil:
    pcp.high = <uint32_t>max(pcp.high - min(by, <uint64_t>pcp.high), zone.pcp_high_min)


cdef uint32_t nr_pcp_high(pcp_t *pcp, const zone_t *zone, bint is_run) noexcept nogil:
    """How many pages may stay on the lists."""
    cdef uint64_t high
    cdef uint64_t need
    pcp.high = <uint32_t>min(max(<uint64_t>pcp.high, zone.pcp_high_min), zone.pcp_high_max)
    high = pcp.high
    if is_run:
        lower_high(pcp, zone, zone.pcp_batch << BATCH_SCALE_MAX)
        return 0
    need = max(<uint64_t>pcp.free_count, zone.pcp_batch)
    if zone.flags & ZONE_RECLAIM_ACTIVE:
        lower_high(pcp, zone, need)
        return <uint32_t>min(zone.pcp_batch << 2, <uint64_t>pcp.high)
    if zone.pcp_high_min == zone.pcp_high_max:
        return <uint32_t>high
    if zone.flags & ZONE_BELOW_HIGH:
        lower_high(pcp, zone, need)
        return <uint32_t>max(<uint64_t>pcp.count, zone.pcp_high_min)
    if pcp.count >= high:
        need = pcp.free_count + zone.pcp_batch
        if pcp.high < need:
            pcp.high = <uint32_t>min(max(need, zone.pcp_high_min), zone.pcp_high_max)
    return <uint32_t>high


cdef void pcp_shrink(arena_t *a, zone_t *zone, pcp_t *pcp, uint32_t pindex, bint is_run) noexcept nogil:
    """The rare part of a free: the lists may have become too long."""
    cdef uint64_t high = nr_pcp_high(pcp, zone, is_run)
    cdef uint64_t nr
    if pcp.count < high:
        return
    if is_run:
        nr = min(<uint64_t>pcp.count, zone.pcp_batch << BATCH_SCALE_MAX)
    elif high < zone.pcp_batch:
        nr = 1
    else:
        nr = min(max(<uint64_t>pcp.free_count, zone.pcp_batch), high - zone.pcp_batch)
    free_pcppages_bulk(a, zone, pcp, <int64_t>nr, <int>pindex)
    if zone.flags & ZONE_BELOW_HIGH and watermark_ok(a, zone, 0, wmark_pages(zone, WMARK_HIGH), NR_ZONES - 1):
        zone.flags &= ~<uint32_t>ZONE_BELOW_HIGH


cdef void decay_pcp_high(arena_t *a) noexcept nogil:
    """What a second's refresh_cpu_vm_stats() takes of the lists' lengths: an eighth, or all but the last burst."""
    cdef uint32_t cpu, z
    cdef pcp_t *pcp
    cdef zone_t *zone
    cdef int64_t burst
    for cpu in range(a.m.nr_cpus):
        for z in range(NR_ZONES):
            zone = &a.m.zone[z]
            pcp = &cpu_mut(a, cpu).pcp[z]
            if pcp.high > zone.pcp_high_min:
                burst = <int64_t>pcp.count - <int64_t>(zone.pcp_batch << BATCH_SCALE_MAX)
                pcp.high = <uint32_t>max(max(burst, <int64_t>(pcp.high - (pcp.high >> 3))), <int64_t>zone.pcp_high_min)
            free_pcppages_bulk(a, zone, pcp, <int64_t>pcp.count - <int64_t>pcp.high, 0)


cdef void drain_zone_pcp(arena_t *a, uint32_t zone, uint32_t cpu) noexcept nogil:
    cdef pcp_t *pcp = &cpu_mut(a, cpu).pcp[zone]
    free_pcppages_bulk(a, &a.m.zone[zone], pcp, pcp.count, 0)


cdef void drain_pcp(arena_t *a, uint32_t cpu) noexcept nogil:
    cdef uint32_t z
    for z in range(NR_ZONES):
        drain_zone_pcp(a, z, cpu)


cdef void drain_all_pages(arena_t *a) noexcept nogil:
    cdef uint32_t cpu
    for cpu in range(a.m.nr_cpus):
        drain_pcp(a, cpu)
