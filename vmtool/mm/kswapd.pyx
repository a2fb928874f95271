"""kswapd: from the low watermark up to the high one.

    an allocation finds every zone below low      it is woken, for the zones that the allocation may use; it stops when one of them is at high
    a pageblock changed its type                  its zone's watermarks are boosted by a pageblock; kswapd reclaims that much of clean cache
                                                  there, or, when the zone is below its watermarks, what there is
    nothing can be reclaimed 16 times             hopeless: allocations reclaim for themselves
    it goes to sleep                              skip bits of compaction fall; after a boost, or an order that it gave up, kcompactd is woken

Counterpart: Linux v6.18 mm/vmscan.c: balance_pgdat, kswapd, wakeup_kswapd.
Simplified: it runs to its end when whoever woke it gives the processor away: at the end of the fault or of the call, when a window of read-ahead
is on its way, or before that task would have to reclaim for itself. What woke it in the meantime is one run for the highest of the zones, as
pgdat->kswapd_highest_zoneidx has it. So the order of events is the same each time.
"""

from vmtool.mm.arena cimport plug_t
from vmtool.mm.compact_state cimport reset_isolation_suitable
from vmtool.mm.compaction cimport kcompactd_if_woken, wakeup_kcompactd
from vmtool.mm.frame cimport WMARK_HIGH, wmark_pages
from vmtool.mm.free_area cimport WOKEN_ORDER, WOKEN_ORDER_SHIFT, ZONE_RECLAIM_ACTIVE
from vmtool.mm.lruvec cimport LRU_ACTIVE_ANON, LRU_INACTIVE_ANON, lruvec_of, memcg_next
from vmtool.mm.memcontrol cimport MAX_RECLAIM_RETRIES
from vmtool.mm.pcp cimport watermark_ok
from vmtool.mm.sched cimport NO_ZONE, ZONE_WOKEN, kswapd_is_woken
from vmtool.mm.trace cimport TR_KSWAPD_SLEEP, TR_KSWAPD_WAKE, trace2
from vmtool.mm.vmscan cimport DEF_PRIORITY, inactive_is_low, sc_init, shrink_node, snapshot_refaults
from vmtool.mm.vmscan_list cimport RECLAIM_KSWAPD, scan_control_t, shrink_active_list
from vmtool.mm.vmstat cimport KSWAPD_HIGH_WMARK_HIT_QUICKLY, PAGEOUTRUN, count_vm_event
from vmtool.mm.zone cimport SWAP_CLUSTER_MAX


cdef bint pgdat_balanced(arena_t *a, uint32_t order, uint32_t highest) noexcept nogil:
    cdef uint32_t z
    for z in range(NR_ZONES):
        if z <= highest and a.m.zone[z].managed_pages and watermark_ok(
                a, &a.m.zone[z], order, wmark_pages(&a.m.zone[z], WMARK_HIGH), highest):
            return True
    return False


cdef uint64_t boosts(arena_t *a, uint32_t highest, uint64_t *each) noexcept nogil:
    cdef uint64_t n = 0
    cdef uint32_t z
    for z in range(NR_ZONES):
        each[z] = a.m.zone[z].watermark_boost if z <= highest and a.m.zone[z].managed_pages else 0
        n += each[z]
    return n


cdef void kswapd_age_node(arena_t *a, scan_control_t *sc) noexcept nogil:
    cdef idx_t memcg = 0
    cdef uint32_t steps = 0
    if a.m.total_swap_pages == 0 or not inactive_is_low(a, &a.m.lruvec, LRU_INACTIVE_ANON):
        return
    while steps <= a.pool[POOL_MEMCG].count:
        steps += 1
        shrink_active_list(a, lruvec_of(a, memcg), sc, LRU_ACTIVE_ANON, SWAP_CLUSTER_MAX)
        memcg = memcg_next(a, 0, memcg)
        if memcg == 0:
            return


cdef bint kswapd_shrink_node(arena_t *a, scan_control_t *sc) noexcept nogil:
    """True: as much was scanned as would have done at full efficiency."""
    cdef uint64_t before = sc.nr_reclaimed
    cdef uint32_t z
    sc.nr_to_reclaim = 0
    for z in range(NR_ZONES):
        if z <= sc.reclaim_idx and a.m.zone[z].managed_pages:
            sc.nr_to_reclaim += max(wmark_pages(&a.m.zone[z], WMARK_HIGH), <uint64_t>SWAP_CLUSTER_MAX)
    shrink_node(a, sc)
    if sc.order and sc.nr_reclaimed >= <uint64_t>2 << sc.order:  # compact_gap()
        sc.order = 0
    return max(sc.nr_scanned, sc.nr_reclaimed - before) >= sc.nr_to_reclaim


cdef bint balance_passes(arena_t *a, scan_control_t *sc, uint32_t highest, uint64_t *nr_boost) noexcept nogil:
    """The priority loop of balance_pgdat(). True: balanced; false: it went through."""
    cdef uint64_t before
    cdef bint raise_priority, balanced
    while sc.priority >= 1 and not a.err:
        before = sc.nr_reclaimed
        raise_priority = True
        sc.reclaim_idx = highest
        balanced = pgdat_balanced(a, sc.order, highest)
        if not balanced and nr_boost[0]:
            nr_boost[0] = 0
            sc.priority = DEF_PRIORITY
            continue
        if not nr_boost[0] and balanced:
            return True
        if nr_boost[0] and sc.priority == DEF_PRIORITY - 2:
            raise_priority = False
        sc.may_writepage = sc.may_swap = nr_boost[0] == 0
        kswapd_age_node(a, sc)
        sc.nr_scanned = 0
        if kswapd_shrink_node(a, sc):
            raise_priority = False
        nr_boost[0] -= min(nr_boost[0], sc.nr_reclaimed - before)
        if nr_boost[0] and sc.nr_reclaimed == before:
            return False
        if raise_priority or sc.nr_reclaimed == before:
            sc.priority -= 1
    return False


cdef void set_reclaim_active(arena_t *a, uint32_t highest, uint32_t flag) noexcept nogil:
    """While kswapd runs, what is freed hardly stays on the per-CPU lists."""
    cdef uint32_t z
    for z in range(highest + 1):
        if a.m.zone[z].managed_pages:
            a.m.zone[z].flags = (a.m.zone[z].flags & ~<uint32_t>ZONE_RECLAIM_ACTIVE) | flag


cdef uint32_t balance_pgdat(arena_t *a, uint32_t order, uint32_t highest) noexcept nogil:
    """Returns the order that it reclaimed for at last: 0 when it gave up a larger one."""
    cdef scan_control_t sc
    cdef uint64_t zone_boosts[NR_ZONES]
    cdef uint64_t nr_boost = boosts(a, highest, zone_boosts)
    cdef bint boosted = nr_boost != 0
    cdef bint balanced
    cdef uint32_t z
    sc_init(&sc, RECLAIM_KSWAPD)
    sc.order = order
    count_vm_event(a, PAGEOUTRUN)
    trace2(a, TR_KSWAPD_WAKE, order, highest)
    set_reclaim_active(a, highest, ZONE_RECLAIM_ACTIVE)
    balanced = balance_passes(a, &sc, highest, &nr_boost)
    if not balanced and sc.nr_reclaimed == 0 and sc.priority < 1 and sc.cache_trim_mode_failed and not sc.no_cache_trim_mode:
        sc.no_cache_trim_mode = True
        sc.priority = DEF_PRIORITY
        balanced = balance_passes(a, &sc, highest, &nr_boost)
    if not balanced and sc.nr_reclaimed == 0 and not boosted:
        a.m.kswapd_failures += 1
    set_reclaim_active(a, highest, 0)
    for z in range(NR_ZONES):
        a.m.zone[z].watermark_boost -= min(a.m.zone[z].watermark_boost, zone_boosts[z])
    if boosted:
        wakeup_kcompactd(a, a.m.arch.pageblock_order, highest)
    snapshot_refaults(a, 0)
    trace2(a, TR_KSWAPD_SLEEP, sc.nr_reclaimed, 0)
    return sc.order


cdef void kswapd(arena_t *a, uint32_t order, uint32_t highest) noexcept nogil:
    """It goes on until the node is balanced or hopeless, as kswapd() does before it sleeps."""
    cdef plug_t plug = a.plug  # of who gave the processor away: kswapd is a task of its own
    cdef uint32_t runs = 0, reclaim_order
    a.memalloc = 2
    a.plug.depth = 0
    while runs <= MAX_RECLAIM_RETRIES and not a.err:
        reclaim_order = balance_pgdat(a, order, highest)
        runs += 1
        if reclaim_order >= order:  # it did what it was asked for
            reclaim_order = order = 0
        if a.m.kswapd_failures >= MAX_RECLAIM_RETRIES or pgdat_balanced(a, reclaim_order, highest):
            reset_isolation_suitable(a)
            wakeup_kcompactd(a, order, highest)
            break
        count_vm_event(a, KSWAPD_HIGH_WMARK_HIT_QUICKLY)
        order = 0
    plug.nr_writes = 0  # while it ran they went out with its own
    a.plug = plug
    a.memalloc = 0


cdef void kswapd_if_woken(arena_t *a) noexcept nogil:
    cdef uint32_t order = a.m.zone[0].flags >> WOKEN_ORDER_SHIFT
    cdef int highest = -1
    cdef uint32_t z
    for z in range(NR_ZONES):
        if a.m.zone[z].flags & ZONE_WOKEN:
            highest = <int>z
    if highest < 0 or a.memalloc or a.err:
        return
    for z in range(NR_ZONES):
        a.m.zone[z].flags &= WOKEN_ORDER - 1 & ~<uint32_t>ZONE_WOKEN
    kswapd(a, order, <uint32_t>highest)


cdef bint balanced(arena_t *a, uint32_t order, uint32_t highest) noexcept nogil:
    """There is nothing for kswapd to do, or it is hopeless."""
    cdef uint64_t each[NR_ZONES]
    return a.m.kswapd_failures >= MAX_RECLAIM_RETRIES or (pgdat_balanced(a, order, highest) and boosts(a, highest, each) == 0)


cdef void wakeup_kswapd(arena_t *a, uint32_t zone, uint32_t order, uint32_t gfp, uint32_t highest) noexcept nogil:
    cdef uint32_t *flags = &a.m.zone[0].flags
    if zone == NO_ZONE:
        kswapd_if_woken(a)
        kcompactd_if_woken(a)
        return
    if a.memalloc or a.m.zone[zone].managed_pages == 0:
        return
    if order > flags[0] >> WOKEN_ORDER_SHIFT:  # kept until it runs, be it for something else
        flags[0] = (flags[0] & (WOKEN_ORDER - 1)) | order << WOKEN_ORDER_SHIFT
    if kswapd_is_woken(a.m) or not balanced(a, order, highest):
        a.m.zone[highest].flags |= ZONE_WOKEN
    elif gfp & (GFP_ATOMIC | GFP_NO_DIRECT):  # enough is free, but not together, and whoever asks cannot see to it
        wakeup_kcompactd(a, order, highest)
