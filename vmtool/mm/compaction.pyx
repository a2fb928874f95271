"""Compaction by hand.

    before   |m.m..m.m|..m..m..|mm......|........|      migrate scanner ->            <- free scanner
    after    |........|........|.......m|mmmmmmmm|      they meet: done

Two scanners walk each zone from both ends. The first takes folios off the LRU, up to 32 pages a turn (to the end of the pageblock when it was
there last time, too); the second takes free blocks out of movable pageblocks that are not wholly free, as many as are needed, and from what is
left of them next time. A folio moves with its bytes, flags, places in the cache and entries (migrate_folio()); one that somebody else holds stays.

Modelled: compact_nodes() of 6.18, synchronous: nothing is skipped by hints, unevictable folios move too, folios of a pageblock and more do not.
Counterpart: Linux v6.18 mm/compaction.c:compact_zone(), isolate_migratepages_block(), isolate_freepages_block(), compaction_alloc();
mm/migrate.c:migrate_pages(), folio_migrate_mapping(), folio_migrate_flags().
# Deviation: no kcompactd and no direct compaction: an allocation that finds no block does not compact.
Counts: COMPACTMIGRATE_SCANNED, COMPACTFREE_SCANNED, COMPACTISOLATED (of both kinds), PGMIGRATE_SUCCESS, PGMIGRATE_FAIL by pages.
"""

from libc.string cimport memcpy, memset

from vmtool.mm.arena cimport folio_x_at, folio_x_mut, frame_at, frame_mut, inode_mut, slot_mut
from vmtool.mm.buddy cimport folio_get, folio_put, free_pages
from vmtool.mm.frame cimport MAX_ORDER_PAGES, MIGRATE_MOVABLE, PAGEBLOCK_ORDER, WMARK_MIN, folio_order, frame_index, pageblock_type, reserved_end
from vmtool.mm.free_area cimport free_one_block
from vmtool.mm.free_list cimport del_block
from vmtool.mm.lruvec cimport lruvec_add_folio, lruvec_del_folio
from vmtool.mm.pcp cimport watermark_ok
from vmtool.mm.rmap_walk cimport remap_folio
from vmtool.mm.swap_lru cimport folio_add_lru, lru_add_drain, lru_add_drain_all
from vmtool.mm.swap_state cimport swap_write_wait
from vmtool.mm.vmstat cimport COMPACTFREE_SCANNED, COMPACTISOLATED, COMPACTMIGRATE_SCANNED, PGMIGRATE_FAIL, PGMIGRATE_SUCCESS, count_vm_events
from vmtool.mm.xnode cimport xnode_set

cdef enum:
    PAGEBLOCK_PAGES = 512
    COMPACT_CLUSTER_MAX = 32

cdef struct taken_t:  # a folio off its list
    pfn_t head
    uint32_t mlock_count

cdef struct compact_control_t:
    zone_t *zone
    uint64_t end_pfn
    uint64_t migrate_pfn
    uint64_t free_pfn
    bint finish_pageblock
    uint64_t nr_freepages
    int64_t nr_migratepages  # pages that are still to get a place
    uint32_t nr_taken
    taken_t taken[PAGEBLOCK_PAGES]
    free_list_t freepages[NR_ORDERS]  # isolated, by lru_next


cdef inline uint64_t pageblock_start(uint64_t pfn) noexcept nogil:
    return pfn & ~<uint64_t>(PAGEBLOCK_PAGES - 1)


cdef inline bint scanners_met(const compact_control_t *c) noexcept nogil:
    return c.free_pfn >> PAGEBLOCK_ORDER <= c.migrate_pfn >> PAGEBLOCK_ORDER


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


cdef void release_free_list(arena_t *a, compact_control_t *c) noexcept nogil:
    cdef uint32_t order
    for order in range(NR_ORDERS):
        while c.freepages[order].head:
            free_one_block(a, c.zone, get_block(a, c, order), order)


# --- the migrate scanner -------------------------------------------------------------------------------------------------

cdef inline bint may_move(arena_t *a, pfn_t pfn, const frame_t *f) noexcept nogil:
    """On the LRU, no tail; an anonymous folio that somebody else holds would fail later."""
    if not f.flags & PG_lru or f.flags & PG_tail:
        return False
    return not f.flags & PG_anon or f.flags & PG_swapcache or f.extra_refs == 0


cdef uint64_t skip_pages(arena_t *a, const zone_t *zone, uint64_t pfn, uint64_t end) noexcept nogil:
    """How many pages from here on the scanner passes over at once, as nothing in them can be moved; 0: a folio that may. A free block of two
    pageblocks is passed over whole by its head, and its second half once more."""
    cdef const frame_t *f
    cdef uint32_t order
    if zone.unseen_pfn <= pfn < zone.unseen_end:
        return MAX_ORDER_PAGES - (pfn & (MAX_ORDER_PAGES - 1))
    if reserved_end(a, pfn) > pfn:
        return min(reserved_end(a, pfn), end) - pfn
    f = frame_at(a, <pfn_t>pfn)
    if f.flags & PG_buddy:
        return <uint64_t>1 << min(f.index_lo, <uint32_t>(NR_ORDERS - 1))
    order = folio_order(a, <pfn_t>pfn) if not f.flags & PG_tail else 0
    if order >= PAGEBLOCK_ORDER:  # skip_isolation_on_order()
        return <uint64_t>1 << order
    return 0 if may_move(a, <pfn_t>pfn, f) else 1


cdef void take_folio(arena_t *a, compact_control_t *c, pfn_t head) noexcept nogil:
    cdef taken_t *t = &c.taken[c.nr_taken]
    t.head = head
    t.mlock_count = frame_at(a, head).lru_prev if frame_at(a, head).flags & PG_unevictable else 0
    c.nr_taken += 1
    c.nr_migratepages += <int64_t>1 << folio_order(a, head)
    lruvec_del_folio(a, head)
    folio_get(a, head)


cdef void isolate_migratepages_block(arena_t *a, compact_control_t *c, uint64_t pfn, uint64_t end) noexcept nogil:
    cdef uint64_t first = pfn, skip
    cdef int64_t before = c.nr_migratepages
    while pfn < end and not a.err:
        skip = skip_pages(a, c.zone, pfn, end)
        if skip == 0:
            take_folio(a, c, <pfn_t>pfn)
            skip = <uint64_t>1 << folio_order(a, <pfn_t>pfn)
        pfn += skip
        if c.nr_migratepages >= COMPACT_CLUSTER_MAX and not c.finish_pageblock:
            break
    count_vm_events(a, COMPACTMIGRATE_SCANNED, <int64_t>(pfn - first))
    count_vm_events(a, COMPACTISOLATED, c.nr_migratepages - before)
    c.migrate_pfn = min(pfn, end)


cdef void isolate_migratepages(arena_t *a, compact_control_t *c) noexcept nogil:
    """The pageblock where the scanner stands, unless the free scanner is in it."""
    cdef uint64_t end = pageblock_start(c.migrate_pfn) + PAGEBLOCK_PAGES
    if end <= c.free_pfn:
        isolate_migratepages_block(a, c, c.migrate_pfn, end)
    else:
        c.migrate_pfn = c.free_pfn  # they meet


# --- the free scanner ------------------------------------------------------------------------------------------------------

cdef bint suitable_migration_target(arena_t *a, const compact_control_t *c, uint64_t block) noexcept nogil:
    """Movable, and not one free block."""
    cdef const frame_t *f
    if c.zone.unseen_pfn <= block < c.zone.unseen_end or pageblock_type(a, block) != MIGRATE_MOVABLE:
        return False
    if block < c.zone.start_pfn:
        return False
    if reserved_end(a, block) > block:
        return True
    f = frame_at(a, <pfn_t>block)
    return not f.flags & PG_buddy or f.index_lo < PAGEBLOCK_ORDER


cdef uint32_t isolate_free_page(arena_t *a, zone_t *zone, pfn_t pfn) noexcept nogil:
    """__isolate_free_page(), the watermark apart: the free block that begins here, off its list. Returns its order."""
    cdef uint32_t order = min(frame_at(a, pfn).index_lo, <uint32_t>(NR_ORDERS - 1))
    del_block(a, zone, pfn, order, pageblock_type(a, pfn))
    zone.free_pages -= <uint64_t>1 << order
    return order


cdef uint64_t isolate_freepages_block(arena_t *a, compact_control_t *c, uint64_t pfn, uint64_t end) noexcept nogil:
    """Returns where it stopped: there are enough now, or the watermark forbids more, or the block ends."""
    cdef uint64_t first = pfn, scanned = 0
    cdef int64_t isolated = 0
    cdef uint64_t step
    cdef uint32_t order
    cdef const frame_t *f
    while pfn < end and not a.err:
        if reserved_end(a, pfn) > pfn:
            step = min(reserved_end(a, pfn), end) - pfn
            pfn += step
            scanned += step
            continue
        f = frame_at(a, <pfn_t>pfn)
        scanned += 1
        step = 1
        if f.flags & PG_head and pfn + (<uint64_t>1 << folio_order(a, <pfn_t>pfn)) <= end:
            step = <uint64_t>1 << folio_order(a, <pfn_t>pfn)
        elif f.flags & PG_buddy:
            if not watermark_ok(c.zone, 0, c.zone.watermark[WMARK_MIN] + (<uint64_t>1 << f.index_lo), 0):
                break
            order = isolate_free_page(a, c.zone, <pfn_t>pfn)
            put_block(a, c, <pfn_t>pfn, order, True)
            step = <uint64_t>1 << order
            isolated += <int64_t>step
            c.nr_freepages += step
        scanned += step - 1
        pfn += step
        if isolated and c.nr_migratepages <= <int64_t>c.nr_freepages and step:
            break
    count_vm_events(a, COMPACTFREE_SCANNED, <int64_t>scanned)
    count_vm_events(a, COMPACTISOLATED, isolated)
    return min(pfn, end) if first < end else end


cdef void isolate_freepages(arena_t *a, compact_control_t *c) noexcept nogil:
    cdef uint64_t start = c.free_pfn
    cdef uint64_t block = pageblock_start(start)
    cdef uint64_t end = min(block + PAGEBLOCK_PAGES, c.end_pfn)
    cdef uint64_t low = pageblock_start(c.migrate_pfn) + PAGEBLOCK_PAGES
    while block >= low and not a.err:
        if suitable_migration_target(a, c, block):
            start = isolate_freepages_block(a, c, start, end)
            if <int64_t>c.nr_freepages >= c.nr_migratepages:
                if start >= end:
                    start = block - PAGEBLOCK_PAGES
                break
            if start < end:
                break
        end = block
        block -= PAGEBLOCK_PAGES
        start = block
    c.free_pfn = start


cdef pfn_t compaction_alloc(arena_t *a, compact_control_t *c, uint32_t order) noexcept nogil:
    """A block for one folio: the first of the smallest that is large enough; what is left of it is taken first next time. 0: none."""
    cdef uint32_t found = NR_ORDERS
    cdef uint32_t turn
    cdef pfn_t pfn
    for turn in range(2):
        found = order
        while found < NR_ORDERS and c.freepages[found].head == 0:
            found += 1
        if found < NR_ORDERS:
            break
        if turn == 0:
            isolate_freepages(a, c)
    if found == NR_ORDERS:
        return 0
    pfn = get_block(a, c, found)
    while found > order:
        found -= 1
        put_block(a, c, pfn + (<pfn_t>1 << found), found, False)
    c.nr_freepages -= <uint64_t>1 << order
    c.nr_migratepages -= <int64_t>1 << order
    return pfn


# --- moving ------------------------------------------------------------------------------------------------------------------

cdef inline bint is_held(arena_t *a, pfn_t head) noexcept nogil:
    """folio_ref_freeze(): by somebody beside us, the page cache and the swap cache."""
    cdef const frame_t *f = frame_at(a, head)
    cdef uint32_t expected = 1
    if f.flags & PG_swapcache:
        expected += 1
    elif f.mapping and not f.flags & PG_anon:
        expected += 1
    return f.extra_refs != expected


cdef void replace_in_cache(arena_t *a, pfn_t head) noexcept nogil:
    """__folio_migrate_mapping(): the file's cache names it where it is now. Its places are taken, so no node is made."""
    cdef idx_t inode = frame_at(a, head).mapping
    cdef uint64_t index = frame_index(frame_at(a, head))
    cdef uint64_t i
    for i in range(<uint64_t>1 << folio_order(a, head)):
        xnode_set(a, &inode_mut(a, inode).i_pages, index + i, <uint32_t>(head + i), NULL)


cdef void move_names(arena_t *a, pfn_t src, pfn_t dst) noexcept nogil:
    """What names the folio by its frame, but for entries: caches, and who pays."""
    cdef uint32_t flags = frame_at(a, dst).flags
    if flags & (PG_charged | PG_swapcache):
        folio_x_mut(a, dst)[0] = folio_x_at(a, src)[0]
        memset(folio_x_mut(a, src), 0, sizeof(folio_x_t))
    if flags & PG_swapcache:
        slot_mut(a, folio_x_at(a, dst).swap).folio = dst
    elif frame_at(a, dst).mapping and not flags & PG_anon:
        replace_in_cache(a, dst)


cdef void migrate_folio(arena_t *a, pfn_t src, pfn_t dst) noexcept nogil:
    """Everything of the frames at src is at dst afterwards, and the entries lead there. Preconditions: not is_held(); dst is nobody's."""
    cdef uint32_t order = folio_order(a, src)
    cdef uint32_t i
    remap_folio(a, src, dst)
    for i in range(<uint32_t>1 << order):
        memcpy(frame_mut(a, dst + i), frame_at(a, src + i), sizeof(frame_t))
        memset(frame_mut(a, src + i), 0, sizeof(frame_t))
        if i:
            frame_mut(a, dst + i).lru_next = dst
    move_names(a, src, dst)
    free_pages(a, src, order)


cdef void putback(arena_t *a, pfn_t head, uint32_t mlock_count) noexcept nogil:
    """On its way to its list; our reference dropped."""
    if frame_at(a, head).flags & PG_unevictable:
        lruvec_add_folio(a, head)
        frame_mut(a, head).lru_prev = mlock_count
    else:
        folio_add_lru(a, head)
    folio_put(a, head)


cdef bint migrate_pages(arena_t *a, compact_control_t *c) noexcept nogil:
    """migrate_pages(), the folio that was taken last first. False: there is no room for them."""
    cdef bint room = True, tried
    cdef pfn_t src, dst
    cdef int64_t nr_pages
    while c.nr_taken:
        c.nr_taken -= 1
        src = c.taken[c.nr_taken].head
        nr_pages = <int64_t>1 << folio_order(a, src)
        dst = 0
        tried = room
        if room and not is_held(a, src):
            dst = compaction_alloc(a, c, folio_order(a, src))
            room = dst != 0
        if dst:
            migrate_folio(a, src, dst)
            count_vm_events(a, PGMIGRATE_SUCCESS, nr_pages)
        elif tried:
            count_vm_events(a, PGMIGRATE_FAIL, nr_pages)
        putback(a, dst if dst else src, c.taken[c.nr_taken].mlock_count)
    c.nr_migratepages = 0
    return room


# --- zones -------------------------------------------------------------------------------------------------------------------

cdef void compact_zone(arena_t *a, zone_t *zone) noexcept nogil:
    cdef compact_control_t c
    cdef uint64_t last_migrated = 0
    memset(&c, 0, sizeof(c))
    c.zone = zone
    c.end_pfn = zone.start_pfn + zone.spanned_pages
    c.migrate_pfn = zone.start_pfn
    c.free_pfn = pageblock_start(c.end_pfn - 1)
    lru_add_drain(a)
    while not scanners_met(&c) and not a.err:
        c.finish_pageblock = pageblock_start(last_migrated) == pageblock_start(c.migrate_pfn)
        isolate_migratepages(a, &c)
        if c.nr_taken:
            last_migrated = max(zone.start_pfn, pageblock_start(c.migrate_pfn - 1))
            if not migrate_pages(a, &c) and not scanners_met(&c):
                break
    release_free_list(a, &c)


cdef void compact_nodes(arena_t *a) noexcept nogil:
    cdef uint32_t z
    swap_write_wait(a)
    lru_add_drain_all(a)
    for z in range(NR_ZONES):
        if a.m.zone[z].present_pages:
            compact_zone(a, &a.m.zone[z])
