"""Direct reclaim, and the balance between anonymous memory and files.

    an allocation finds every zone below min               32 pages are reclaimed for it, at priority 12 (a 4096th of each list), 11, ...
    each pass: how many of each list            by swappiness and by what each kind has cost lately; files alone when there is much clean cache

Modelled: get_scan_count() with all its exceptions, proportional stops, cache_trim_mode, file_is_tiny.
Counterpart: Linux v6.18 mm/vmscan.c.
Simplified: nothing waits.
"""

from vmtool.mm.extfrag cimport compaction_has_room, compaction_suitable
from vmtool.mm.frame cimport WMARK_HIGH, WMARK_MIN, ZONE_NORMAL, wmark_pages
from vmtool.mm.lruvec cimport LRU_ACTIVE_ANON, LRU_ACTIVE_FILE, LRU_INACTIVE_ANON, LRU_INACTIVE_FILE, lruvec_node_state, lruvec_of, lruvec_page_state, memcg_next
from vmtool.mm.pcp cimport watermark_ok
from vmtool.mm.memcontrol cimport (MAX_RECLAIM_RETRIES, mem_cgroup_below_low, mem_cgroup_below_min, mem_cgroup_calculate_protection, mem_cgroup_event,
                                   mem_cgroup_protection)
from vmtool.mm.shrinker cimport shrink_slab
from vmtool.mm.swap_lru cimport lru_add_drain_all
from vmtool.mm.swap_state cimport blk_finish_plug, blk_start_plug, swap_write_poll
from vmtool.mm.trace cimport TR_DIRECT_RECLAIM, trace2
from vmtool.mm.vmscan_list cimport (DEACTIVATE_ANON, DEACTIVATE_FILE, RECLAIM_DIRECT, RECLAIM_KSWAPD, RECLAIM_PROACTIVE,
                                    scan_control_t, shrink_active_list, shrink_inactive_list)
from vmtool.mm.vmstat cimport (ALLOCSTALL_DMA, NR_ZONE_ACTIVE_ANON, NR_ZONE_ACTIVE_FILE, NR_ZONE_INACTIVE_ANON,
                               NR_ZONE_INACTIVE_FILE, WORKINGSET_ACTIVATE_ANON, WORKINGSET_ACTIVATE_FILE, count_vm_event)
from vmtool.mm.workingset cimport swap_is_there
from vmtool.mm.zone cimport SWAP_CLUSTER_MAX, int_sqrt

cdef enum:
    MAX_SWAPPINESS = 200
    COSTLY_ORDER = 3
    ZONE_MOVABLE = 3  # of a machine without one: the highest that there is
    MOST_NODES = 1 << 20  # passes; only a damaged machine makes as many

cdef enum scan_balance:
    SCAN_EQUAL
    SCAN_FRACT
    SCAN_ANON
    SCAN_FILE


cdef inline bint can_reclaim_anon(arena_t *a, idx_t memcg) noexcept nogil:
    return swap_is_there(a, memcg)


cdef uint64_t zone_reclaimable_pages(arena_t *a, uint32_t zone) noexcept nogil:
    cdef int64_t *n = a.m.zone_stat[zone]
    cdef int64_t nr = n[NR_ZONE_INACTIVE_FILE] + n[NR_ZONE_ACTIVE_FILE]
    if can_reclaim_anon(a, 0):
        nr += n[NR_ZONE_INACTIVE_ANON] + n[NR_ZONE_ACTIVE_ANON]
    return <uint64_t>nr


cdef bint inactive_is_low(arena_t *a, const lruvec_t *lruvec, uint32_t inactive_lru) noexcept nogil:
    """As many inactive as active pages up to 1 GiB of both, fewer the more there are."""
    cdef uint64_t inactive = lruvec_page_state(a, lruvec, inactive_lru)
    cdef uint64_t active = lruvec_page_state(a, lruvec, inactive_lru + 1)
    cdef uint64_t gb = (inactive + active) >> 18
    return inactive * (int_sqrt(10 * gb) if gb else 1) < active


cdef uint64_t lruvec_lru_size(const lruvec_t *lruvec, uint32_t lru, uint32_t reclaim_idx) noexcept nogil:
    cdef int64_t n = 0
    cdef uint32_t z
    for z in range(NR_ZONES):
        if z <= reclaim_idx:
            n += lruvec.zone_size[z][lru]
    return <uint64_t>n


# --- how much of which list ---------------------------------------------------------------------------------------------


cdef void prepare_scan_control(arena_t *a, scan_control_t *sc) noexcept nogil:
    cdef lruvec_t *target = lruvec_of(a, sc.memcg)
    cdef uint64_t file, free_pages = 0, high = 0
    cdef uint32_t z
    sc.anon_cost = target.anon_cost
    sc.file_cost = target.file_cost
    sc.may_deactivate = 0
    # refaults mean that a new working set is coming up: the active ones are stale
    if sc.force_deactivate or lruvec_node_state(a, target, WORKINGSET_ACTIVATE_ANON) != target.refaults[0] or inactive_is_low(
            a, target, LRU_INACTIVE_ANON):
        sc.may_deactivate |= DEACTIVATE_ANON
    if sc.force_deactivate or lruvec_node_state(a, target, WORKINGSET_ACTIVATE_FILE) != target.refaults[1] or inactive_is_low(
            a, target, LRU_INACTIVE_FILE):
        sc.may_deactivate |= DEACTIVATE_FILE
    file = lruvec_page_state(a, target, LRU_INACTIVE_FILE)
    sc.cache_trim_mode = file >> sc.priority != 0 and not sc.may_deactivate & DEACTIVATE_FILE and not sc.no_cache_trim_mode
    if sc.memcg:
        return
    file += lruvec_page_state(a, target, LRU_ACTIVE_FILE)
    for z in range(NR_ZONES):
        free_pages += a.m.zone[z].free_pages
        if a.m.zone[z].managed_pages:
            high += wmark_pages(&a.m.zone[z], WMARK_HIGH)
    sc.file_is_tiny = (file + free_pages <= high and not sc.may_deactivate & DEACTIVATE_ANON
                       and lruvec_page_state(a, target, LRU_INACTIVE_ANON) >> sc.priority != 0)


cdef uint32_t choose_balance(arena_t *a, const lruvec_t *lruvec, scan_control_t *sc, uint64_t swappiness) noexcept nogil:
    if not sc.may_swap or not can_reclaim_anon(a, lruvec.memcg):
        return SCAN_FILE
    if sc.memcg and not swappiness:
        return SCAN_FILE
    if sc.priority == 0 and swappiness:
        return SCAN_EQUAL
    if sc.file_is_tiny:
        return SCAN_ANON
    return SCAN_FILE if sc.cache_trim_mode else SCAN_FRACT


cdef void get_scan_count(arena_t *a, const lruvec_t *lruvec, scan_control_t *sc, uint64_t *nr) noexcept nogil:
    cdef uint64_t swappiness = a.m.swappiness
    cdef uint32_t balance = choose_balance(a, lruvec, sc, swappiness)
    cdef uint64_t total = sc.anon_cost + sc.file_cost
    cdef uint64_t anon_cost = total + sc.anon_cost
    cdef uint64_t file_cost = total + sc.file_cost
    cdef uint64_t fraction[2]
    cdef uint64_t denominator
    cdef uint64_t scan
    cdef uint32_t lru
    total = anon_cost + file_cost
    fraction[0] = swappiness * (total + 1) // (anon_cost + 1)
    fraction[1] = (MAX_SWAPPINESS - swappiness) * (total + 1) // (file_cost + 1)
    denominator = fraction[0] + fraction[1]
    for lru in range(4):
        scan = mem_cgroup_protection(a, sc.memcg, lruvec.memcg, lruvec_lru_size(lruvec, lru, sc.reclaim_idx), sc.memcg_low_reclaim,
                                     &sc.memcg_low_skipped) >> sc.priority
        if balance == SCAN_FRACT:
            scan = scan * fraction[lru >> 1] // denominator
        elif balance != SCAN_EQUAL and (balance == SCAN_FILE) != (lru >= LRU_INACTIVE_FILE):
            scan = 0
        nr[lru] = scan


cdef uint64_t shrink_list(arena_t *a, lruvec_t *lruvec, scan_control_t *sc, uint32_t lru, uint64_t nr_to_scan) noexcept nogil:
    if lru & 1:
        if sc.may_deactivate >> (lru >> 1) & 1:
            shrink_active_list(a, lruvec, sc, lru, nr_to_scan)
        else:
            sc.skipped_deactivate = True
        return 0
    return shrink_inactive_list(a, lruvec, sc, lru, nr_to_scan)


cdef void stop_smaller(uint64_t *nr, const uint64_t *targets) noexcept nogil:
    """Enough is reclaimed: the kind with less left to scan stops, the other goes on to the same share of its target."""
    cdef uint64_t nr_file = nr[LRU_INACTIVE_FILE] + nr[LRU_ACTIVE_FILE]
    cdef uint64_t nr_anon = nr[LRU_INACTIVE_ANON] + nr[LRU_ACTIVE_ANON]
    cdef uint32_t lru = 0 if nr_file > nr_anon else 2
    cdef uint64_t percentage = (nr_anon if lru == 0 else nr_file) * 100 // (targets[lru] + targets[lru + 1] + 1)
    cdef uint32_t i
    cdef uint64_t scanned
    nr[lru] = 0
    nr[lru + 1] = 0
    lru = 2 - lru
    for i in range(lru, lru + 2):
        scanned = targets[i] - nr[i]
        nr[i] = targets[i] * (100 - percentage) // 100
        nr[i] -= min(nr[i], scanned)


cdef void shrink_lruvec(arena_t *a, lruvec_t *lruvec, scan_control_t *sc) noexcept nogil:
    cdef uint64_t nr[4]
    cdef uint64_t targets[4]
    cdef uint64_t nr_reclaimed = 0
    cdef uint64_t to_scan
    cdef uint64_t wanted = sc.nr_to_reclaim
    cdef bint proportional = sc.memcg == 0 and sc.by != RECLAIM_KSWAPD and sc.priority == DEF_PRIORITY
    cdef uint32_t lru
    get_scan_count(a, lruvec, sc, nr)
    for lru in range(4):
        targets[lru] = nr[lru]
    blk_start_plug(a)
    while (nr[LRU_INACTIVE_ANON] or nr[LRU_ACTIVE_FILE] or nr[LRU_INACTIVE_FILE]) and not a.err:
        for lru in range(4):
            if nr[lru]:
                to_scan = min(nr[lru], <uint64_t>SWAP_CLUSTER_MAX)
                nr[lru] -= to_scan
                nr_reclaimed += shrink_list(a, lruvec, sc, lru, to_scan)
        if nr_reclaimed < wanted or proportional:
            continue
        if nr[LRU_INACTIVE_FILE] + nr[LRU_ACTIVE_FILE] == 0 or nr[LRU_INACTIVE_ANON] + nr[LRU_ACTIVE_ANON] == 0:
            break
        stop_smaller(nr, targets)
    blk_finish_plug(a)
    sc.nr_reclaimed += nr_reclaimed
    if a.m.total_swap_pages > 0 and inactive_is_low(a, lruvec, LRU_INACTIVE_ANON):
        shrink_active_list(a, lruvec, sc, LRU_ACTIVE_ANON, SWAP_CLUSTER_MAX)


# --- a pass over the machine or a group -----------------------------------------------------------------------------------


cdef void shrink_node_memcgs(arena_t *a, scan_control_t *sc) noexcept nogil:
    """The target itself, then every group below it."""
    cdef idx_t memcg = sc.memcg
    cdef uint32_t steps = 0
    while steps <= a.pool[POOL_MEMCG].count and not a.err:
        steps += 1
        mem_cgroup_calculate_protection(a, sc.memcg, memcg)
        if mem_cgroup_below_min(a, sc.memcg, memcg):
            pass
        elif mem_cgroup_below_low(a, sc.memcg, memcg) and not sc.memcg_low_reclaim:
            sc.memcg_low_skipped = True
        else:
            if memcg and mem_cgroup_below_low(a, sc.memcg, memcg):
                mem_cgroup_event(a, memcg, MEMCG_LOW, 1)
            shrink_lruvec(a, lruvec_of(a, memcg), sc)
            sc.nr_reclaimed += shrink_slab(a, memcg, sc.priority)
        if sc.by != RECLAIM_KSWAPD and not sc.memcg_full_walk and sc.nr_reclaimed >= sc.nr_to_reclaim:
            return
        memcg = memcg_next(a, sc.memcg, 0 if memcg == sc.memcg else memcg)
        if memcg == 0:
            return


cdef bint compaction_can(arena_t *a, uint32_t z, const scan_control_t *sc, uint32_t mark) noexcept nogil:
    """The zone has a block as it is, or enough above the mark that compaction can make one."""
    cdef const zone_t *zone = &a.m.zone[z]
    if watermark_ok(a, zone, sc.order, wmark_pages(zone, WMARK_MIN), sc.reclaim_idx):
        return True
    return compaction_suitable(a, z, sc.order, wmark_pages(zone, mark), sc.reclaim_idx)


cdef bint compaction_ready(arena_t *a, scan_control_t *sc) noexcept nogil:
    """Every zone is: nothing is reclaimed for a costly order."""
    cdef uint32_t z
    cdef bint every = True
    if sc.memcg or sc.order <= COSTLY_ORDER:
        return False
    for z in range(NR_ZONES):
        if z > sc.reclaim_idx or a.m.zone[z].managed_pages == 0:
            continue
        if compaction_can(a, z, sc, WMARK_HIGH):
            sc.compaction_ready = True
        else:
            every = False
    return every


cdef bint should_continue(arena_t *a, uint64_t nr_reclaimed, const scan_control_t *sc) noexcept nogil:
    """should_continue_reclaim(): for high orders, until compaction would have room."""
    cdef uint64_t inactive
    cdef uint32_t z
    if sc.order == 0 or (sc.order <= COSTLY_ORDER and sc.priority >= DEF_PRIORITY - 2) or nr_reclaimed == 0:
        return False
    for z in range(NR_ZONES):
        if a.m.zone[z].managed_pages and z <= sc.reclaim_idx and compaction_can(a, z, sc, WMARK_MIN):
            return False
    inactive = lruvec_page_state(a, &a.m.lruvec, LRU_INACTIVE_FILE)
    if can_reclaim_anon(a, 0):
        inactive += lruvec_page_state(a, &a.m.lruvec, LRU_INACTIVE_ANON)
    return inactive > <uint64_t>2 << sc.order


cdef void shrink_node(arena_t *a, scan_control_t *sc) noexcept nogil:
    cdef uint64_t before
    cdef bint reclaimable = False
    cdef uint32_t passes = 0
    while passes < MOST_NODES and not a.err:
        before = sc.nr_reclaimed
        prepare_scan_control(a, sc)
        shrink_node_memcgs(a, sc)
        if sc.nr_reclaimed != before:
            reclaimable = True
        passes += 1
        if not should_continue(a, sc.nr_reclaimed - before, sc):
            break
    if reclaimable:
        a.m.kswapd_failures = 0
    elif sc.cache_trim_mode:
        sc.cache_trim_mode_failed = True


cdef void snapshot_refaults(arena_t *a, idx_t memcg) noexcept nogil:
    cdef lruvec_t *target = lruvec_of(a, memcg)
    target.refaults[0] = lruvec_node_state(a, target, WORKINGSET_ACTIVATE_ANON)
    target.refaults[1] = lruvec_node_state(a, target, WORKINGSET_ACTIVATE_FILE)


# --- direct reclaim ---------------------------------------------------------------------------------------------------------


cdef void down_the_priorities(arena_t *a, scan_control_t *sc) noexcept nogil:
    if sc.memcg == 0:
        count_vm_event(a, ALLOCSTALL_DMA + <int>min(sc.reclaim_idx, <uint32_t>ZONE_MOVABLE))
    while sc.priority >= 0 and not a.err:
        sc.nr_scanned = 0
        if not compaction_ready(a, sc):
            shrink_node(a, sc)
        if sc.nr_reclaimed >= sc.nr_to_reclaim or sc.compaction_ready:
            break
        sc.priority -= 1
    snapshot_refaults(a, sc.memcg)


cdef uint64_t do_try_to_free_pages(arena_t *a, scan_control_t *sc) noexcept nogil:
    """Each retry is for something that the passes before left out."""
    while not a.err:
        down_the_priorities(a, sc)
        if sc.nr_reclaimed or sc.compaction_ready:
            return max(sc.nr_reclaimed, <uint64_t>1)
        sc.priority = DEF_PRIORITY
        if not sc.memcg_full_walk:
            sc.memcg_full_walk = True
        elif sc.skipped_deactivate:
            sc.force_deactivate = True
            sc.skipped_deactivate = False
        elif sc.memcg_low_skipped:
            sc.force_deactivate = False
            sc.memcg_low_reclaim = True
            sc.memcg_low_skipped = False
        else:
            break
    return 0


cdef uint32_t gfp_zone(uint32_t gfp) noexcept nogil:
    return ZONE_MOVABLE if gfp & GFP_USER_MOVABLE else ZONE_NORMAL


cdef uint32_t try_to_free_pages(arena_t *a, uint32_t order, uint32_t gfp) noexcept nogil:
    cdef scan_control_t sc
    cdef uint32_t outer = a.memalloc
    cdef uint64_t progress
    sc_init(&sc, RECLAIM_DIRECT)
    sc.nr_to_reclaim = SWAP_CLUSTER_MAX
    sc.reclaim_idx = gfp_zone(gfp)
    sc.order = order
    sc.may_writepage = sc.may_swap = True
    a.memalloc = 1
    progress = do_try_to_free_pages(a, &sc)
    a.memalloc = outer
    trace2(a, TR_DIRECT_RECLAIM, order, sc.nr_reclaimed)
    return <uint32_t>min(progress, <uint64_t>0x7FFFFFFF)


cdef uint64_t try_to_free_mem_cgroup_pages(arena_t *a, idx_t memcg, uint64_t nr_pages, bint may_swap, bint proactive) noexcept nogil:
    cdef scan_control_t sc
    cdef uint32_t outer = a.memalloc
    sc_init(&sc, RECLAIM_PROACTIVE if proactive else RECLAIM_DIRECT)
    sc.nr_to_reclaim = max(nr_pages, <uint64_t>SWAP_CLUSTER_MAX)
    sc.reclaim_idx = NR_ZONES - 1
    sc.memcg = memcg
    sc.may_writepage = True
    sc.may_swap = may_swap
    a.memalloc = 1
    do_try_to_free_pages(a, &sc)
    swap_write_poll(a, a.m.swap_io_nr)
    a.memalloc = outer
    return sc.nr_reclaimed


cdef bint user_proactive_reclaim(arena_t *a, idx_t memcg, uint64_t nr_to_reclaim, uint64_t *nr_reclaimed) noexcept nogil:
    """False: sixteen attempts brought nothing, the last one with what waited in batches."""
    cdef uint32_t nr_retries = MAX_RECLAIM_RETRIES
    cdef uint64_t n
    nr_reclaimed[0] = 0
    while nr_reclaimed[0] < nr_to_reclaim and not a.err:
        if nr_retries == 0:
            lru_add_drain_all(a)
        n = try_to_free_mem_cgroup_pages(a, memcg, (nr_to_reclaim - nr_reclaimed[0]) // 4, True, True)
        if n == 0 and nr_retries == 0:
            return False
        nr_retries -= n == 0
        nr_reclaimed[0] += n
    return True


cdef bint compaction_zonelist_suitable(arena_t *a, const alloc_context_t *ac) noexcept nogil:
    """Whether one zone had room for compaction with a part of what can be reclaimed."""
    cdef uint32_t z
    for z in range(NR_ZONES):
        if z <= ac.highest and a.m.zone[z].managed_pages and compaction_has_room(
                a, z, ac.order, wmark_pages(&a.m.zone[z], WMARK_MIN), ac.highest, zone_reclaimable_pages(a, z) // ac.order):
            return True
    return False


cdef bint should_reclaim_retry(arena_t *a, uint32_t order, uint32_t gfp, uint32_t *no_progress) noexcept nogil:
    """Whether everything that could be reclaimed, were it free, would let the allocation through."""
    cdef zone_t with_all
    cdef uint32_t z
    cdef uint32_t highest = gfp_zone(gfp)
    if no_progress[0] > MAX_RECLAIM_RETRIES:
        return False
    for z in range(NR_ZONES):
        if z > highest or a.m.zone[z].managed_pages == 0:
            continue
        with_all = a.m.zone[z]
        with_all.free_pages += zone_reclaimable_pages(a, z)
        if watermark_ok(a, &with_all, order, wmark_pages(&with_all, WMARK_MIN), highest):
            return True
    return False
