"""The free scanner.

    |........|..m..m..|mm......|....mmm.|
                                        <- one pageblock after the other

It takes free blocks out of movable pageblocks that are not wholly free, as many as are needed, and from what is left of them next time; an async one
looks at every 32nd frame until it finds some. For an order that is wanted the free lists are searched first, for blocks that lie near the end.

Counterpart: Linux v6.18 mm/compaction.c: isolate_freepages_block(), fast_isolate_freepages(), compaction_alloc().
Simplified: nothing is contended, no signal comes.
Counts: COMPACTISOLATED; what was scanned is counted by compact_zone().
"""

from vmtool.mm.arena cimport frame_at, frame_mut
from vmtool.mm.buddy cimport free_pages
from vmtool.mm.compact_state cimport get_pageblock_skip, set_pageblock_skip
from vmtool.mm.frame cimport MIGRATE_MOVABLE, folio_order, free_area, max_order_nr_pages, pageblock_nr_pages, pageblock_type, reserved_end
from vmtool.mm.free_area cimport isolate_free_page
from vmtool.mm.free_list cimport turn_list
from vmtool.mm.migrate cimport MIGRATE_ASYNC
from vmtool.mm.vmstat cimport COMPACTISOLATED, count_vm_events


cdef uint64_t dull_run(arena_t *a, const zone_t *zone, uint64_t pfn, uint64_t end) noexcept nogil:
    cdef uint64_t reserved = reserved_end(a, pfn)
    if is_unseen(zone, pfn):
        return min(max_order_nr_pages(a) - (pfn & (max_order_nr_pages(a) - 1)), end - pfn) if pfn % max_order_nr_pages(a) else 0
    return min(reserved, end) - pfn if reserved > pfn else 0


# --- isolated free blocks ----------------------------------------------------------------------------------------------


cdef void put_block(arena_t *a, compact_control_t *c, pfn_t pfn, uint32_t order, bint to_tail) noexcept nogil:
    cdef free_list_t *list = &c.freepages[order]
    frame_mut(a, pfn).lru_next = 0 if to_tail else list.head
    if list.head == 0:
        list.head = list.tail = pfn
    elif to_tail:
        frame_mut(a, list.tail).lru_next = pfn
        list.tail = pfn
    else:
        list.head = pfn


cdef pfn_t get_block(arena_t *a, compact_control_t *c, uint32_t order) noexcept nogil:
    cdef free_list_t *list = &c.freepages[order]
    cdef pfn_t pfn = list.head
    list.head = frame_at(a, pfn).lru_next
    if list.head == 0:
        list.tail = 0
    frame_mut(a, pfn).lru_next = 0
    return pfn


cdef uint64_t release_free_list(arena_t *a, compact_control_t *c) noexcept nogil:
    """To the per-CPU lists, as if each had been allocated; they are in nobody's account of frames, so nothing is told of them."""
    cdef uint32_t order, told = a.m.trace_on
    cdef uint64_t high_pfn = 0
    cdef pfn_t pfn
    a.m.trace_on = 0
    for order in range(a.m.arch.max_order + 1):
        while c.freepages[order].head:
            pfn = get_block(a, c, order)
            high_pfn = max(high_pfn, <uint64_t>pfn)
            free_pages(a, pfn, order)
    a.m.trace_on = told
    c.nr_freepages = 0
    return high_pfn


cdef bint isolate_block(arena_t *a, compact_control_t *c, pfn_t pfn, uint64_t *nr_pages) noexcept nogil:
    """False: the watermark forbids it."""
    cdef uint32_t order = 0
    if not isolate_free_page(a, c.zone, pfn, &order):
        return False
    put_block(a, c, pfn, order, True)
    nr_pages[0] = <uint64_t>1 << order
    c.nr_freepages += nr_pages[0]
    count_vm_events(a, COMPACTISOLATED, <int64_t>nr_pages[0])
    return True


# --- the free scanner ------------------------------------------------------------------------------------------------------


cdef bint suitable_migration_target(arena_t *a, const compact_control_t *c, uint64_t block) noexcept nogil:
    """Movable, and not one free block that would do as it is."""
    cdef uint32_t order = <uint32_t>c.order if c.order > 0 else a.m.arch.pageblock_order
    cdef const frame_t *f
    if is_unseen(c.zone, block) and block % max_order_nr_pages(a) == 0:
        return False
    if reserved_end(a, block) <= block and not is_unseen(c.zone, block):
        f = frame_at(a, <pfn_t>block)
        if f.flags & PG_buddy and f.index_lo >= order:
            return False
    return c.ignore_block_suitable or pageblock_type(a, block) == MIGRATE_MOVABLE


cdef uint64_t isolate_freepages_block(arena_t *a, compact_control_t *c, uint64_t *start, uint64_t end, uint64_t stride) noexcept nogil:
    """Moves *start to where it stopped: there are enough now, or the watermark forbids more, or the block ends. Returns pages."""
    cdef uint64_t pfn = start[0], scanned = 0, total = 0, nr = 0
    cdef const frame_t *f
    while pfn < end and not a.err:
        nr = dull_run(a, c.zone, pfn, end)
        if nr:
            nr = (nr + stride - 1) // stride
            scanned += nr
            pfn += nr * stride
            continue
        f = frame_at(a, <pfn_t>pfn)
        scanned += 1
        if f.flags & PG_head and pfn + (<uint64_t>1 << folio_order(a, <pfn_t>pfn)) <= end:
            nr = (<uint64_t>1 << folio_order(a, <pfn_t>pfn)) - 1
            scanned += nr
            pfn += nr
        elif f.flags & PG_buddy:
            if not isolate_block(a, c, <pfn_t>pfn, &nr):
                break
            scanned += nr - 1
            total += nr
            if c.nr_migratepages <= <int64_t>c.nr_freepages:
                pfn += nr
                break
            pfn += nr - 1
        pfn += stride
    start[0] = min(pfn, end)
    c.total_free_scanned += scanned
    return total


cdef int next_search_order(compact_control_t *c, int order) noexcept nogil:
    """Round from the order that gave something last; -1: all were searched."""
    order -= 1
    if order < 0:
        order = c.order - 1
    if order == c.search_order:
        c.search_order = c.search_order - 1 if c.search_order > 0 else c.order - 1
        return -1
    return order


cdef struct fast_search_t:
    uint64_t low_pfn, min_pfn  # rather above the first, at least above the second
    uint64_t highest  # pageblock that a candidate lay in
    uint32_t limit  # blocks of a list
    uint64_t scanned


cdef pfn_t search_list(arena_t *a, compact_control_t *c, fast_search_t *s, int order, uint32_t *order_scanned) noexcept nogil:
    """From the tail of a list: the first block that lies high enough, or the highest that was seen. The list is turned, so that the next search
    begins with others."""
    cdef free_list_t *list = free_area(a, c.zone, order, MIGRATE_MOVABLE)
    cdef pfn_t pfn = list.tail, high_pfn = 0, last = 0
    order_scanned[0] = 0
    while pfn and not a.err:
        last = pfn
        order_scanned[0] += 1
        s.scanned += 1
        if pfn >= s.highest:
            s.highest = max(block_start(a, pfn), c.zone.start_pfn)
        if pfn >= s.low_pfn:
            c.fast_search_fail = 0
            c.search_order = order
            turn_list(a, list, pfn)
            return pfn
        if pfn >= s.min_pfn and pfn > high_pfn:
            high_pfn = pfn
            s.limit >>= 1
        if order_scanned[0] >= s.limit:
            break
        pfn = frame_at(a, pfn).lru_prev
    if high_pfn:
        turn_list(a, list, high_pfn)
    elif pfn:  # it did not come to the list's end
        turn_list(a, list, last)
    return high_pfn


cdef bint area_has_any(arena_t *a, const zone_t *zone, int order) noexcept nogil:
    cdef uint32_t mt
    for mt in range(NR_MIGRATETYPES):
        if free_area(a, zone, order, mt).nr_free:
            return True
    return False


cdef pfn_t fast_search(arena_t *a, compact_control_t *c, fast_search_t *s) noexcept nogil:
    """A free block high up, isolated. 0: none was found."""
    cdef pfn_t page = 0
    cdef uint64_t nr = 0
    cdef uint32_t order_scanned = 0
    cdef int order
    c.search_order = min(c.order - 1, c.search_order)
    order = c.search_order
    while not page and order >= 0 and not a.err:
        if area_has_any(a, c.zone, order):
            page = search_list(a, c, s, order, &order_scanned)
            if page:
                if isolate_block(a, c, page, &nr):
                    s.scanned += nr - 1
                else:
                    order = c.search_order + 1
                    page = 0
            if <int64_t>c.nr_freepages >= c.nr_migratepages:
                break
            if order_scanned >= s.limit:
                s.limit = max(<uint32_t>1, s.limit >> 1)
        order = next_search_order(c, order)
    return page


cdef void fast_isolate_around(arena_t *a, compact_control_t *c, uint64_t pfn) noexcept nogil:
    """What else the pageblock has, as it is here already."""
    cdef uint64_t start = max(block_start(a, pfn), c.zone.start_pfn)
    cdef uint64_t end = min(block_end(pfn, pageblock_nr_pages(a)), zone_end(c.zone))
    cdef uint64_t block = start
    if <int64_t>c.nr_freepages >= c.nr_migratepages or (c.direct_compaction and c.mode == MIGRATE_ASYNC):
        return
    isolate_freepages_block(a, c, &start, end, 1)
    if start == end:
        set_pageblock_skip(a, block)


cdef void fast_isolate_freepages(arena_t *a, compact_control_t *c) noexcept nogil:
    cdef compact_zone_t *z = &a.m.compaction.zone[c.zone_index]
    cdef fast_search_t s
    cdef uint64_t distance = c.free_pfn - c.migrate_pfn, page
    cdef bint scan_start = c.free_pfn >= z.init_free_pfn
    if c.order <= 0:
        return
    s.limit = pageblock_nr_pages(a) >> 1 if scan_start else max(<uint32_t>1, freelist_scan_limit(c) >> 1)
    s.low_pfn = block_start(a, c.free_pfn - (distance >> 2))
    s.min_pfn = block_start(a, c.free_pfn - (distance >> 1))
    s.highest = s.scanned = 0
    page = fast_search(a, c, &s)
    if page == 0:
        c.fast_search_fail += 1
        if scan_start and s.highest >= s.min_pfn:
            page = c.free_pfn = s.highest
        elif scan_start and c.direct_compaction and s.min_pfn < zone_end(c.zone):  # it wraps round once the scanners have passed each other
            if suitable_migration_target(a, c, max(s.min_pfn, c.zone.start_pfn)):
                page = s.min_pfn
            c.free_pfn = s.min_pfn
    if s.highest and s.highest >= z.cached_free_pfn:
        z.cached_free_pfn = s.highest - min(s.highest, pageblock_nr_pages(a))
    c.total_free_scanned += s.scanned
    if page:
        fast_isolate_around(a, c, page)


cdef void scan_for_freepages(arena_t *a, compact_control_t *c) noexcept nogil:
    cdef compact_zone_t *z = &a.m.compaction.zone[c.zone_index]
    cdef uint64_t start = c.free_pfn
    cdef uint64_t block = block_start(a, start)
    cdef uint64_t end = min(block + pageblock_nr_pages(a), zone_end(c.zone))
    cdef uint64_t low = block_end(c.migrate_pfn, pageblock_nr_pages(a))
    cdef uint64_t stride = COMPACT_CLUSTER_MAX if c.mode == MIGRATE_ASYNC else 1
    cdef uint64_t isolated
    while block >= low and not a.err:
        if suitable_migration_target(a, c, block) and (c.ignore_skip_hint or not get_pageblock_skip(a, block)):
            isolated = isolate_freepages_block(a, c, &start, end, stride)
            if start == end:  # update_pageblock_skip()
                set_pageblock_skip(a, block)
                z.cached_free_pfn = min(z.cached_free_pfn, block - pageblock_nr_pages(a))
            if <int64_t>c.nr_freepages >= c.nr_migratepages:
                if start >= end:
                    start = block - pageblock_nr_pages(a)
                break
            if start < end:
                break
            stride = 1 if isolated else min(<uint64_t>COMPACT_CLUSTER_MAX, stride << 1)
        end = block
        block -= pageblock_nr_pages(a)
        start = block
    c.free_pfn = start


cdef pfn_t compaction_alloc(arena_t *a, void *compact_control, uint32_t order) noexcept nogil:
    """A block for one folio: the first of the smallest that is large enough; what is left of it is taken first next time. 0: none."""
    cdef compact_control_t *c = <compact_control_t *>compact_control
    cdef uint32_t found = order
    cdef uint32_t turn
    cdef pfn_t pfn
    for turn in range(2):
        found = order
        while found <= a.m.arch.max_order and c.freepages[found].head == 0:
            found += 1
        if found <= a.m.arch.max_order:
            break
        if turn == 0:
            fast_isolate_freepages(a, c)
            if c.nr_freepages == 0:
                scan_for_freepages(a, c)
    if found > a.m.arch.max_order:
        return 0
    pfn = get_block(a, c, found)
    while found > order:
        found -= 1
        put_block(a, c, pfn + (<pfn_t>1 << found), found, False)
    c.nr_freepages -= <uint64_t>1 << order
    c.nr_migratepages -= <int64_t>1 << order
    return pfn


cdef void compaction_free(arena_t *a, void *compact_control, pfn_t pfn, uint32_t order) noexcept nogil:
    cdef compact_control_t *c = <compact_control_t *>compact_control
    put_block(a, c, pfn, order, False)
    c.nr_freepages += <uint64_t>1 << order
    c.nr_migratepages += <int64_t>1 << order
