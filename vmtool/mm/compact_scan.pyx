"""The migrate scanner.

    |m.m..m.m|..m..m..|mm......|........|
     one pageblock after the other ->

It takes folios off the LRU, up to 32 pages a turn, to the end of the pageblock when it was there last time, too. An async one that works for an
allocation gives up a block of the wanted order at the first page in it that cannot move. For an order above 3 it looks into the free lists first, for
a pageblock near the start where much is free already.

Counterpart: Linux v6.18 mm/compaction.c: isolate_migratepages_block(), fast_find_migrateblock().
Simplified: nothing is contended, no signal comes, no page is another's to isolate.
Counts: COMPACTISOLATED; what was scanned is counted by compact_zone().
"""

from vmtool.mm.arena cimport frame_at
from vmtool.mm.compact_free cimport COMPACT_CLUSTER_MAX, block_end, block_start, dull_run, freelist_scan_limit, is_unseen
from vmtool.mm.compact_state cimport get_pageblock_skip, pageblock_skip_persistent, set_pageblock_skip
from vmtool.mm.frame cimport MIGRATE_MOVABLE, folio_order, free_area, max_order_nr_pages, pageblock_nr_pages, pageblock_type
from vmtool.mm.free_list cimport turn_list
from vmtool.mm.migrate cimport MIGRATE_ASYNC, MIGRATE_SYNC, isolate_folio, putback_movable_pages
from vmtool.mm.pcp cimport PAGE_ALLOC_COSTLY_ORDER
from vmtool.mm.vmstat cimport COMPACTISOLATED, count_vm_events

cdef enum step_kind:
    STEP_FREE
    STEP_FAIL  # it cannot move
    STEP_FOLIO

cdef uint64_t NO_FAST_START = <uint64_t>-1


# --- the migrate scanner -------------------------------------------------------------------------------------------------


cdef bint may_move(arena_t *a, const compact_control_t *c, const frame_t *f) noexcept nogil:
    """On the LRU, no tail; an anonymous folio that somebody else holds would fail later."""
    cdef bint mapping = f.flags & PG_swapcache or not f.flags & PG_anon
    if not f.flags & PG_lru or f.flags & PG_tail:
        return False
    if not mapping and f.extra_refs:
        return False
    if mapping and c.no_fs:
        return False
    if f.flags & PG_unevictable and not a.m.compaction.unevictable_allowed:
        return False
    return c.mode == MIGRATE_SYNC or not f.flags & PG_writeback


cdef uint32_t next_step(arena_t *a, const compact_control_t *c, uint64_t pfn, uint64_t end, bint by_page, uint64_t *nr_pages) noexcept nogil:
    """What lies at a frame, and how far the scanner goes with it. A free block of two pageblocks is passed over whole by its head, and its second half
    once more."""
    cdef uint64_t run = dull_run(a, c.zone, pfn, end)
    cdef const frame_t *f
    cdef uint32_t order
    nr_pages[0] = 1
    if run:
        nr_pages[0] = 1 if by_page else run
        return STEP_FAIL
    if is_unseen(c.zone, pfn):
        nr_pages[0] = max_order_nr_pages(a)
        return STEP_FREE
    f = frame_at(a, <pfn_t>pfn)
    if f.flags & PG_buddy:
        nr_pages[0] = <uint64_t>1 << min(f.index_lo, <uint32_t>a.m.arch.max_order)
        return STEP_FREE
    order = folio_order(a, <pfn_t>pfn) if not f.flags & PG_tail else 0
    if order and ((c.order > 0 and <int>order >= c.order) or order >= a.m.arch.pageblock_order):  # skip_isolation_on_order()
        nr_pages[0] = <uint64_t>1 << order
        return STEP_FAIL
    if not may_move(a, c, f):
        return STEP_FAIL
    nr_pages[0] = <uint64_t>1 << order
    return STEP_FOLIO


cdef void update_cached_migrate(arena_t *a, const compact_control_t *c, uint64_t pfn) noexcept nogil:
    cdef compact_zone_t *z = &a.m.compaction.zone[c.zone_index]
    pfn = block_end(pfn, pageblock_nr_pages(a))
    if pfn > z.cached_migrate_pfn[0]:
        z.cached_migrate_pfn[0] = pfn
    if c.mode != MIGRATE_ASYNC and pfn > z.cached_migrate_pfn[1]:
        z.cached_migrate_pfn[1] = pfn


cdef bint skip_now(arena_t *a, const compact_control_t *c, uint64_t block) noexcept nogil:
    """test_and_set_skip(), at the first folio that is taken: somebody has been here already."""
    cdef bint skip
    if c.ignore_skip_hint:
        return False
    skip = get_pageblock_skip(a, block)
    if not skip:
        set_pageblock_skip(a, block)
    return skip and not c.finish_pageblock


cdef void isolate_migratepages_block(arena_t *a, compact_control_t *c, uint64_t pfn, uint64_t end) noexcept nogil:
    cdef bint skip_on_failure = c.direct_compaction and c.mode == MIGRATE_ASYNC
    cdef uint64_t nr_block = <uint64_t>1 << c.order if skip_on_failure else 1
    cdef uint64_t next_skip = block_end(pfn, nr_block)
    cdef uint64_t scanned = 0, nr = 0, valid = 0
    cdef int64_t isolated = 0
    cdef bint skip_updated = False
    cdef uint32_t kind
    while pfn < end and not a.err:
        if skip_on_failure and pfn >= next_skip:
            if isolated:
                break
            next_skip = block_end(pfn, nr_block)
        if valid == 0 and (pfn % pageblock_nr_pages(a) == 0 or pfn == c.zone.start_pfn):
            if not c.ignore_skip_hint and get_pageblock_skip(a, pfn):
                scanned += 1
                pfn = end
                break
            valid = pfn
        kind = next_step(a, c, pfn, end, skip_on_failure, &nr)
        scanned += nr
        if kind == STEP_FOLIO:
            if not skip_updated and valid:
                skip_updated = True
                if skip_now(a, c, valid):
                    scanned -= nr - 1
                    pfn = end
                    break
            isolate_folio(a, &c.migratepages, <pfn_t>pfn)
            isolated += <int64_t>nr
            c.nr_migratepages += <int64_t>nr
            pfn += nr
            if c.nr_migratepages >= COMPACT_CLUSTER_MAX and not c.finish_pageblock:
                break
            continue
        pfn += nr
        if kind == STEP_FAIL and skip_on_failure:
            if isolated:
                putback_movable_pages(a, &c.migratepages)
                isolated = c.nr_migratepages = 0
            if pfn - 1 < next_skip:
                pfn = next_skip
                next_skip += nr_block
    pfn = min(pfn, end)
    if pfn == end and (isolated == 0 or c.finish_pageblock):
        if valid and not skip_updated:
            set_pageblock_skip(a, valid)
        update_cached_migrate(a, c, pfn)
    c.total_migrate_scanned += scanned
    count_vm_events(a, COMPACTISOLATED, isolated)
    c.migrate_pfn = pfn


cdef uint64_t search_for_source(arena_t *a, compact_control_t *c, uint64_t high_pfn, uint32_t limit) noexcept nogil:
    """The pageblock of a free block below high_pfn that is not to be skipped; the lists are turned, so that another search goes on behind it. 0: none."""
    cdef int order = c.order - 1
    cdef uint32_t scanned = 0
    cdef free_list_t *list
    cdef pfn_t pfn, found = 0
    while order >= PAGE_ALLOC_COSTLY_ORDER and not found and scanned < limit:
        list = free_area(a, c.zone, order, MIGRATE_MOVABLE)
        pfn = list.head
        while pfn and not a.err:
            scanned += 1
            if scanned > limit or (pfn < high_pfn and not get_pageblock_skip(a, pfn)):
                found = pfn if scanned <= limit else 0
                if frame_at(a, pfn).lru_next:
                    turn_list(a, list, frame_at(a, pfn).lru_next)
                break
            pfn = frame_at(a, pfn).lru_next
        order -= 1
    c.total_migrate_scanned += scanned
    return found


cdef uint64_t fast_find_migrateblock(arena_t *a, compact_control_t *c) noexcept nogil:
    cdef uint64_t pfn = c.migrate_pfn, distance, found
    if c.ignore_skip_hint or c.finish_pageblock or (pfn != c.zone.start_pfn and pfn % pageblock_nr_pages(a)):
        return pfn
    if c.order <= PAGE_ALLOC_COSTLY_ORDER or (c.direct_compaction and c.migratetype != MIGRATE_MOVABLE):
        return pfn
    distance = (c.free_pfn - pfn) >> (1 if pfn == c.zone.start_pfn else 3)
    found = search_for_source(a, c, block_start(a, pfn + distance), freelist_scan_limit(c))
    if found:
        if c.fast_start_pfn != NO_FAST_START:
            c.fast_start_pfn = min(c.fast_start_pfn, found) if c.fast_start_pfn else found
        c.fast_search_fail = 0
        return max(block_start(a, found), c.zone.start_pfn)
    c.fast_search_fail += 1
    if c.fast_start_pfn and c.fast_start_pfn != NO_FAST_START:  # reinit_migrate_pfn()
        c.migrate_pfn = c.fast_start_pfn
        c.fast_start_pfn = NO_FAST_START
    return c.migrate_pfn


cdef bint suitable_migration_source(arena_t *a, const compact_control_t *c, uint64_t block) noexcept nogil:
    """An async one that works for an allocation stays with pageblocks of the type that is wanted."""
    if pageblock_skip_persistent(a, block):
        return False
    return c.mode != MIGRATE_ASYNC or not c.direct_compaction or pageblock_type(a, block) == c.migratetype


cdef bint isolate_migratepages(arena_t *a, compact_control_t *c) noexcept nogil:
    """The first suitable pageblock from where the scanner stands; never the free scanner's."""
    cdef uint64_t low = fast_find_migrateblock(a, c)
    cdef uint64_t start = max(block_start(a, low), c.zone.start_pfn)
    cdef uint64_t end = block_end(low, pageblock_nr_pages(a))
    cdef bint found_fast = low != c.migrate_pfn and c.fast_search_fail == 0
    while end <= c.free_pfn and not a.err:
        if (low % pageblock_nr_pages(a) == 0 or low == c.zone.start_pfn) and not found_fast and not c.ignore_skip_hint and get_pageblock_skip(a, start):
            pass
        elif not suitable_migration_source(a, c, start):
            update_cached_migrate(a, c, end)
        else:
            isolate_migratepages_block(a, c, low, end)
            break
        found_fast = False
        c.migrate_pfn = low = start = end
        end += pageblock_nr_pages(a)
    return c.nr_migratepages != 0
