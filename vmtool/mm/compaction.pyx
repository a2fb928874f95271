"""Compaction of zones: by hand, for an allocation, in the background.

    before   |m.m..m.m|..m..m..|mm......|........|      migrate scanner ->            <- free scanner
    after    |........|........|.......m|mmmmmmmm|      they meet: done

    vm.compact_memory=1          every zone, whole; nothing is skipped by hints
    an allocation finds no block     direct compaction: async first (no page that would have to be waited for), then sync; it ends when there is a block, and
                                     the first one that comes up is the allocation's (capture)
    kswapd goes to sleep             after reclaim for an order that it gave up, or after a boost: kcompactd makes a block of that order, or a pageblock
    half a second passes (sleep)     kcompactd does what it was asked for; above 90 of 100 (vm.compaction_proactiveness 20) of memory unusable for huge
                                     pages it compacts until 80

kcompactd runs to its end where whoever woke it gives the processor away, after kswapd, so that the order of events is the same each time.

Counterpart: Linux v6.18 mm/compaction.c:compact_zone(), try_to_compact_pages(), compact_node(), kcompactd().
Simplified: nothing is contended; kswapd never runs at the same time; a sleep of kcompactd that would find what the one before it found is not repeated.
Counts: COMPACTMIGRATE_SCANNED, COMPACTFREE_SCANNED; KCOMPACTD_WAKE, KCOMPACTD_MIGRATE_SCANNED, KCOMPACTD_FREE_SCANNED.
"""

from libc.string cimport memset

from vmtool.mm.arena cimport capture_t
from vmtool.mm.buddy cimport gfp_migratetype
from vmtool.mm.compact_free cimport block_start, compact_control_t, compaction_alloc, compaction_free, release_free_list, zone_end
from vmtool.mm.compact_scan cimport isolate_migratepages
from vmtool.mm.compact_state cimport (COMPACT_COMPLETE, COMPACT_CONTENDED, COMPACT_CONTINUE, COMPACT_DEFERRED, COMPACT_PARTIAL_SKIPPED, COMPACT_PRIO_ASYNC,
                                      COMPACT_PRIO_SYNC_FULL, COMPACT_SKIPPED, COMPACT_SUCCESS, compaction_defer_reset, compaction_deferred,
                                      compaction_restarting, defer_compaction, reset_cached_positions, reset_isolation_suitable_zone)
from vmtool.mm.extfrag cimport compaction_suitable, extfrag_for_order
from vmtool.mm.frame cimport WMARK_MIN, pageblock_nr_pages, wmark_pages
from vmtool.mm.free_area cimport area_empty, can_claim_fallback
from vmtool.mm.migrate cimport MIGRATE_ASYNC, MIGRATE_SYNC, MIGRATE_SYNC_LIGHT, migrate_pages, putback_movable_pages
from vmtool.mm.pcp cimport drain_zone_pcp, watermark_ok
from vmtool.mm.swap_lru cimport lru_add_drain, lru_add_drain_all
from vmtool.mm.swap_state cimport swap_write_wait
from vmtool.mm.trace cimport TR_COMPACT_BEGIN, TR_COMPACT_END, TR_COMPACT_TRY, TR_KCOMPACTD_WAKE, trace2, trace4
from vmtool.mm.vmstat cimport (COMPACTFREE_SCANNED, COMPACTMIGRATE_SCANNED, KCOMPACTD_FREE_SCANNED, KCOMPACTD_MIGRATE_SCANNED, KCOMPACTD_WAKE, count_vm_event,
                               count_vm_events)

cdef enum:
    WHOLE = -1  # order: all there can be
    KCOMPACTD = 2  # arena's memalloc while it runs
    WOKEN = 1
    WOKEN_PROACTIVE = 2
    MOST_ROUNDS = 128  # of one sleep
    MAX_DEFER_SHIFT = 6

cdef uint64_t FRAG_CHECK_INTERVAL = 500000  # us


# --- one zone --------------------------------------------------------------------------------------------------------------


cdef uint32_t wmark_score(arena_t *a, bint low) noexcept nogil:
    """fragmentation_score_wmark(): proactive compaction begins above the one and ends at the other."""
    cdef uint32_t at = 100 - min(a.m.compaction_proactiveness, <uint32_t>100)
    return at if low else min(at + min(<uint32_t>10, at // 2), <uint32_t>100)


cdef uint32_t compact_finished(arena_t *a, compact_control_t *c) noexcept nogil:
    cdef uint32_t order
    if c.free_pfn >> a.m.arch.pageblock_order <= c.migrate_pfn >> a.m.arch.pageblock_order:
        reset_cached_positions(a, c.zone_index)
        if c.direct_compaction:
            a.m.compaction.zone[c.zone_index].blockskip_flush = 1
        return COMPACT_COMPLETE if c.whole_zone else COMPACT_PARTIAL_SKIPPED
    if c.proactive_compaction:
        return COMPACT_CONTINUE if extfrag_for_order(a, c.zone_index, a.m.arch.pmd_order) > wmark_score(a, True) else COMPACT_SUCCESS
    if c.order == WHOLE or c.migrate_pfn % pageblock_nr_pages(a):  # a pageblock that was begun is scanned to its end
        return COMPACT_CONTINUE
    for order in range(<uint32_t>c.order, a.m.arch.max_order + 1):
        if not area_empty(a, c.zone, order, c.migratetype) or can_claim_fallback(a, c.zone, order, c.migratetype):
            return COMPACT_SUCCESS
    return COMPACT_CONTINUE


cdef uint32_t suits_order(arena_t *a, uint32_t zone, uint32_t order, uint32_t highest) noexcept nogil:
    """compaction_suit_allocation_order()."""
    cdef uint64_t mark = wmark_pages(&a.m.zone[zone], WMARK_MIN)
    if watermark_ok(a, &a.m.zone[zone], order, mark, highest):
        return COMPACT_SUCCESS
    return COMPACT_CONTINUE if compaction_suitable(a, zone, order, mark, highest) else COMPACT_SKIPPED


cdef void set_scanners(arena_t *a, compact_control_t *c) noexcept nogil:
    """At the zone's ends, or where they were."""
    cdef compact_zone_t *z = &a.m.compaction.zone[c.zone_index]
    cdef uint64_t start = c.zone.start_pfn, end = zone_end(c.zone)
    if c.whole_zone:
        c.migrate_pfn = start
        c.free_pfn = block_start(a, end - 1)
        return
    c.migrate_pfn = z.cached_migrate_pfn[c.mode != MIGRATE_ASYNC]
    c.free_pfn = z.cached_free_pfn
    if c.free_pfn < start or c.free_pfn >= end:
        c.free_pfn = z.cached_free_pfn = block_start(a, end - 1)
    if c.migrate_pfn < start or c.migrate_pfn >= end:
        c.migrate_pfn = z.cached_migrate_pfn[0] = z.cached_migrate_pfn[1] = start
    if c.migrate_pfn <= z.init_migrate_pfn:
        c.whole_zone = True


cdef int compact_turn(arena_t *a, compact_control_t *c, uint64_t *last_migrated, bint *keep_in_step, uint32_t *nr_moved) noexcept nogil:
    """One pageblock's share: isolate and migrate, to the end of the pageblock when some could not. Returns 0, or a compact_result that ends it."""
    cdef compact_zone_t *z = &a.m.compaction.zone[c.zone_index]
    cdef int err
    c.finish_pageblock = block_start(a, last_migrated[0]) == block_start(a, c.migrate_pfn)
    while not a.err:
        if not isolate_migratepages(a, c):
            if keep_in_step[0]:
                z.cached_migrate_pfn[1] = z.cached_migrate_pfn[0]
            return 0
        keep_in_step[0] = False
        last_migrated[0] = max(c.zone.start_pfn, block_start(a, c.migrate_pfn - 1))
        err = migrate_pages(a, &c.migratepages, compaction_alloc, compaction_free, c, c.mode, nr_moved)
        c.nr_migratepages = 0
        if err:
            putback_movable_pages(a, &c.migratepages)
            if err == -ENOMEM and c.free_pfn >> a.m.arch.pageblock_order > c.migrate_pfn >> a.m.arch.pageblock_order:
                return COMPACT_CONTENDED
            if c.migrate_pfn % pageblock_nr_pages(a) and not c.ignore_skip_hint and not c.finish_pageblock and c.mode < MIGRATE_SYNC:
                c.finish_pageblock = True
                if c.order == a.m.arch.pmd_order:
                    last_migrated[0] = 0
                continue
        return COMPACT_SUCCESS if a.capture.page else 0
    return COMPACT_CONTENDED


cdef uint32_t compact_zone(arena_t *a, compact_control_t *c) noexcept nogil:
    cdef compact_zone_t *z = &a.m.compaction.zone[c.zone_index]
    cdef uint64_t last_migrated = 0, high_pfn
    cdef uint32_t ret = COMPACT_CONTENDED, nr_moved = 0
    cdef bint keep_in_step
    c.zone = &a.m.zone[c.zone_index]
    c.total_migrate_scanned = c.total_free_scanned = c.nr_freepages = 0
    c.nr_migratepages = c.migratepages.nr = 0
    if c.order != WHOLE:
        ret = suits_order(a, c.zone_index, <uint32_t>c.order, c.highest)
        if ret != COMPACT_CONTINUE:
            trace4(a, TR_COMPACT_END, c.zone_index, 0, 0, ret)
            return ret
    if compaction_restarting(a, c.zone_index, c.order):
        reset_isolation_suitable_zone(a, c.zone_index)
    c.fast_start_pfn = 0
    set_scanners(a, c)
    keep_in_step = c.mode == MIGRATE_ASYNC and z.cached_migrate_pfn[0] == z.cached_migrate_pfn[1]
    trace4(a, TR_COMPACT_BEGIN, c.zone_index, c.migrate_pfn, c.free_pfn, c.mode)
    lru_add_drain(a)
    while not a.err:
        ret = compact_finished(a, c)
        if ret != COMPACT_CONTINUE:
            break
        ret = <uint32_t>compact_turn(a, c, &last_migrated, &keep_in_step, &nr_moved)
        if ret:
            break
        # away from the block in which pages were moved: what is free there shall merge, so that it is seen
        if c.order > 0 and last_migrated and last_migrated < c.migrate_pfn & ~((<uint64_t>1 << c.order) - 1):
            lru_add_drain(a)
            drain_zone_pcp(a, c.zone_index, a.cpu)
            last_migrated = 0
    if c.nr_freepages:
        high_pfn = block_start(a, release_free_list(a, c))
        z.cached_free_pfn = max(z.cached_free_pfn, high_pfn)
    count_vm_events(a, COMPACTMIGRATE_SCANNED, <int64_t>c.total_migrate_scanned)
    count_vm_events(a, COMPACTFREE_SCANNED, <int64_t>c.total_free_scanned)
    trace4(a, TR_COMPACT_END, c.zone_index, nr_moved, c.total_migrate_scanned, ret)
    return ret


# --- for an allocation -------------------------------------------------------------------------------------------------------


cdef uint32_t compact_zone_order(arena_t *a, uint32_t zone, const alloc_context_t *ac, uint32_t prio, pfn_t *captured) noexcept nogil:
    cdef compact_control_t c
    cdef uint32_t ret
    memset(&c, 0, sizeof(c))
    c.zone_index = zone
    c.order = c.search_order = <int>ac.order
    c.migratetype = ac.migratetype
    c.mode = MIGRATE_ASYNC if prio == COMPACT_PRIO_ASYNC else MIGRATE_SYNC_LIGHT
    c.highest = ac.highest
    c.no_fs = ac.gfp & GFP_NOFS != 0
    c.direct_compaction = True
    c.whole_zone = c.ignore_skip_hint = c.ignore_block_suitable = prio == COMPACT_PRIO_SYNC_FULL
    a.capture.zone = zone + 1
    a.capture.order = ac.order
    a.capture.migratetype = ac.migratetype
    a.capture.page = 0
    ret = compact_zone(a, &c)
    captured[0] = a.capture.page
    memset(&a.capture, 0, sizeof(capture_t))
    return COMPACT_SUCCESS if captured[0] else ret


cdef uint32_t try_to_compact_pages(arena_t *a, const alloc_context_t *ac, uint32_t prio, pfn_t *captured) noexcept nogil:
    cdef uint32_t result = COMPACT_SKIPPED, status
    cdef uint32_t z = ac.highest + 1
    captured[0] = 0
    trace2(a, TR_COMPACT_TRY, ac.order, prio)
    while z and not a.err:
        z -= 1
        if a.m.zone[z].managed_pages == 0:
            continue
        if prio > COMPACT_PRIO_SYNC_FULL and compaction_deferred(a, z, <int>ac.order):
            result = max(result, <uint32_t>COMPACT_DEFERRED)
            continue
        status = compact_zone_order(a, z, ac, prio, captured)
        result = max(result, status)
        if status == COMPACT_SUCCESS:
            compaction_defer_reset(a, z, <int>ac.order, False)
            break
        if prio != COMPACT_PRIO_ASYNC and (status == COMPACT_COMPLETE or status == COMPACT_PARTIAL_SKIPPED):
            defer_compaction(a, z, <int>ac.order)
    return result


# --- by hand ------------------------------------------------------------------------------------------------------------------


cdef void compact_node(arena_t *a, bint proactive) noexcept nogil:
    cdef compact_control_t c
    cdef uint32_t z
    memset(&c, 0, sizeof(c))
    c.order = c.search_order = WHOLE
    c.mode = MIGRATE_SYNC_LIGHT if proactive else MIGRATE_SYNC
    c.ignore_skip_hint = c.whole_zone = True
    c.proactive_compaction = proactive
    for z in range(NR_ZONES):
        if a.m.zone[z].present_pages == 0:
            continue
        c.zone_index = z
        compact_zone(a, &c)
        if proactive:
            count_vm_events(a, KCOMPACTD_MIGRATE_SCANNED, <int64_t>c.total_migrate_scanned)
            count_vm_events(a, KCOMPACTD_FREE_SCANNED, <int64_t>c.total_free_scanned)


cdef void compact_nodes(arena_t *a) noexcept nogil:
    swap_write_wait(a)
    lru_add_drain_all(a)
    compact_node(a, False)


# --- kcompactd -----------------------------------------------------------------------------------------------------------------


cdef uint32_t highest_populated(arena_t *a) noexcept nogil:
    cdef uint32_t z = NR_ZONES - 1
    while z and a.m.zone[z].present_pages == 0:
        z -= 1
    return z


cdef bint node_suitable(arena_t *a, uint32_t order, uint32_t highest) noexcept nogil:
    cdef uint32_t z
    for z in range(highest + 1):
        if a.m.zone[z].present_pages and suits_order(a, z, order, highest) == COMPACT_CONTINUE:
            return True
    return False


cdef void wakeup_kcompactd(arena_t *a, uint32_t order, uint32_t highest) noexcept nogil:
    cdef compaction_t *k = &a.m.compaction
    if order == 0 or order > a.m.arch.max_order:
        return
    k.kcompactd_max_order = max(k.kcompactd_max_order, order)
    if k.kcompactd_highest == 0 or k.kcompactd_highest - 1 > highest:
        k.kcompactd_highest = min(highest, highest_populated(a)) + 1
    if k.kcompactd_woken == 0 and node_suitable(a, k.kcompactd_max_order, k.kcompactd_highest - 1):
        k.kcompactd_woken = WOKEN


cdef void kcompactd_do_work(arena_t *a) noexcept nogil:
    cdef compaction_t *k = &a.m.compaction
    cdef compact_control_t c
    cdef uint32_t z, ret, cpu
    memset(&c, 0, sizeof(c))
    c.order = c.search_order = <int>min(k.kcompactd_max_order, <uint32_t>a.m.arch.max_order)
    c.highest = min(k.kcompactd_highest - 1, highest_populated(a)) if k.kcompactd_highest else highest_populated(a)
    c.mode = MIGRATE_SYNC_LIGHT
    c.migratetype = gfp_migratetype(GFP_KERNEL)
    count_vm_event(a, KCOMPACTD_WAKE)
    trace2(a, TR_KCOMPACTD_WAKE, <uint64_t>c.order, c.highest)
    for z in range(c.highest + 1):
        if a.m.zone[z].present_pages == 0 or compaction_deferred(a, z, c.order) or suits_order(a, z, <uint32_t>c.order, z) != COMPACT_CONTINUE:
            continue
        c.zone_index = z
        ret = compact_zone(a, &c)
        if ret == COMPACT_SUCCESS:
            compaction_defer_reset(a, z, c.order, False)
        elif ret == COMPACT_PARTIAL_SKIPPED or ret == COMPACT_COMPLETE:
            for cpu in range(a.m.nr_cpus):
                drain_zone_pcp(a, z, cpu)
            defer_compaction(a, z, c.order)
        count_vm_events(a, KCOMPACTD_MIGRATE_SCANNED, <int64_t>c.total_migrate_scanned)
        count_vm_events(a, KCOMPACTD_FREE_SCANNED, <int64_t>c.total_free_scanned)
    k.kcompactd_max_order = 0
    k.kcompactd_highest = 0
    k.kcompactd_us = a.m.now_us + FRAG_CHECK_INTERVAL


cdef uint32_t score_node(arena_t *a) noexcept nogil:
    """fragmentation_score_node(): what of free memory huge pages cannot use, zones weighted by their size."""
    cdef uint64_t present = 1
    cdef uint32_t z, score = 0
    for z in range(NR_ZONES):
        present += a.m.zone[z].present_pages
    for z in range(NR_ZONES):
        if a.m.zone[z].present_pages:
            score += <uint32_t>(a.m.zone[z].present_pages * extfrag_for_order(a, z, a.m.arch.pmd_order) // present)
    return score


cdef bint should_proactive_compact_node(arena_t *a) noexcept nogil:
    return a.m.compaction_proactiveness != 0 and score_node(a) > wmark_score(a, False)


cdef uint64_t compact_proactively(arena_t *a) noexcept nogil:
    """Returns how long kcompactd sleeps then."""
    cdef uint32_t before
    if not should_proactive_compact_node(a):
        return FRAG_CHECK_INTERVAL
    before = score_node(a)
    compact_node(a, True)
    return FRAG_CHECK_INTERVAL << MAX_DEFER_SHIFT if score_node(a) >= before else FRAG_CHECK_INTERVAL


cdef void kcompactd_proactive(arena_t *a) noexcept nogil:
    if a.m.compaction_proactiveness:
        a.m.compaction.kcompactd_woken = WOKEN_PROACTIVE


cdef void kcompactd_if_woken(arena_t *a) noexcept nogil:
    cdef compaction_t *k = &a.m.compaction
    cdef uint32_t woken = k.kcompactd_woken
    if woken == 0 or a.memalloc or a.err:
        return
    k.kcompactd_woken = 0
    a.memalloc = KCOMPACTD
    if woken == WOKEN_PROACTIVE:
        k.kcompactd_us = a.m.now_us + compact_proactively(a)
    if k.kcompactd_max_order:
        kcompactd_do_work(a)
    a.memalloc = 0


cdef void kcompactd_until(arena_t *a) noexcept nogil:
    cdef compaction_t *k = &a.m.compaction
    cdef uint64_t due = k.kcompactd_us if k.kcompactd_us else FRAG_CHECK_INTERVAL
    cdef uint32_t rounds = 0
    if a.m.compaction_proactiveness == 0 or a.memalloc:
        return
    a.memalloc = KCOMPACTD
    while due <= a.m.now_us and rounds < MOST_ROUNDS and not a.err:
        rounds += 1
        if k.kcompactd_max_order:
            kcompactd_do_work(a)
            due += FRAG_CHECK_INTERVAL
        elif should_proactive_compact_node(a):
            due += compact_proactively(a)
        else:
            break
    a.memalloc = 0
    if due <= a.m.now_us:  # nothing would change until then
        due += ((a.m.now_us - due) // FRAG_CHECK_INTERVAL + 1) * FRAG_CHECK_INTERVAL
    k.kcompactd_us = due
