# cython: language_level=3
"""A run of frames is emptied and taken as one folio.

    Normal  |..mm....|..K.....|........|..m.....|     ranges as long as the run, aligned to it, from the zone's start
             ^ tried first     K: a page that cannot move: the range is left as it is
    free blocks of the range leave their lists, what moves is put elsewhere (clean pages of files are dropped), and if all came free it is the caller's

Modelled: pfn_range_valid_contig(), has_unmovable_pages(), __alloc_contig_migrate_range(), reclaim_clean_pages_from_list(). MIGRATE_ISOLATE is not a
type here: while the range is emptied its free frames are on no list, which is what it says of them; nothing else runs meanwhile.
Counterpart: Linux v6.18 mm/page_alloc.c, mm/page_isolation.c.
Invariants: a range that is given up is on the free lists again, frame by frame; zone.free_pages counts what is on them.
"""

from libc.string cimport memset

from vmtool.mm.arena cimport frame_at, frame_mut
from vmtool.mm.buddy cimport alloc_pages, free_pages, prep_compound, prep_new_page
from vmtool.mm.compact_free cimport COMPACT_CLUSTER_MAX, is_unseen
from vmtool.mm.frame cimport ZONE_NORMAL, folio_order, max_order_nr_pages, page_folio, pageblock_type, reserved_end
from vmtool.mm.free_area cimport free_one_block
from vmtool.mm.free_list cimport add_block, del_block
from vmtool.mm.hstate cimport PG_hugetlb
from vmtool.mm.migrate cimport MIGRATE_SYNC, folio_list_t, isolate_folio, migrate_pages, putback_movable_pages
from vmtool.mm.pcp cimport drain_all_pages
from vmtool.mm.swap_lru cimport lru_add_drain_all
from vmtool.mm.trace cimport TR_FRAME_ALLOC, trace2
from vmtool.mm.vmscan_list cimport reclaim_clean_pages
from vmtool.mm.vmstat cimport COMPACTISOLATED, count_vm_events

cdef enum:
    MAX_TRIES = 5

cdef struct range_t:
    zone_t *zone
    uint64_t start, end


cdef inline bint is_held(const frame_t *f) noexcept nogil:
    """On no list, and nobody's."""
    return f.flags == 0 and f.extra_refs == 0 and f.mapcount == 0


# --- what lies in a range --------------------------------------------------------------------------------------------------


cdef uint64_t movable_run(arena_t *a, const range_t *r, uint64_t pfn) noexcept nogil:
    """How many frames from here on are free, or one folio's that can move; 0: neither. A new page in a batch is not on the LRU yet: it counts as
    one that cannot."""
    cdef const frame_t *f
    cdef pfn_t head
    cdef uint32_t order
    if is_unseen(r.zone, pfn):
        return r.zone.unseen_end - pfn
    if reserved_end(a, pfn) > pfn:
        return 0
    f = frame_at(a, <pfn_t>pfn)
    if f.flags & (PG_buddy | PG_pcp):
        return <uint64_t>1 << min(f.index_lo, <uint32_t>a.m.arch.max_order)
    head = page_folio(a, <pfn_t>pfn)
    f = frame_at(a, head)
    order = folio_order(a, head)
    if f.flags & PG_hugetlb or (not f.flags & PG_lru and (order or not is_held(f))):
        return 0
    return head + (<uint64_t>1 << order) - pfn if head + (<uint64_t>1 << order) > pfn else 0


cdef bint can_be_emptied(arena_t *a, const range_t *r) noexcept nogil:
    cdef uint64_t pfn = r.start, n
    while pfn < r.end and not a.err:
        n = movable_run(a, r, pfn)
        if n == 0:
            return False
        pfn += n
    return not a.err


# --- holding its free frames -----------------------------------------------------------------------------------------------


cdef void hold_unseen(arena_t *a, const range_t *r) noexcept nogil:
    """Blocks that were never used have no list. Those before the range get to the end of one, where they stood as it were."""
    cdef zone_t *zone = r.zone
    cdef uint64_t first = max(r.start, zone.unseen_pfn)
    cdef uint64_t last = min(r.end, zone.unseen_end)
    if first >= last:
        return
    while zone.unseen_pfn < first:
        add_block(a, zone, <pfn_t>zone.unseen_pfn, a.m.arch.max_order, pageblock_type(a, zone.unseen_pfn), True)
        zone.unseen_pfn += max_order_nr_pages(a)
    zone.unseen_pfn = last
    zone.free_pages -= last - first


cdef void hold_free(arena_t *a, const range_t *r, uint64_t start, uint64_t end) noexcept nogil:
    """Free blocks that begin in start..end leave their lists."""
    cdef uint64_t pfn = start
    cdef uint32_t order
    drain_all_pages(a)
    while pfn < end and not a.err:
        order = 0
        if frame_at(a, <pfn_t>pfn).flags & PG_buddy:
            order = min(frame_at(a, <pfn_t>pfn).index_lo, <uint32_t>a.m.arch.max_order)
            del_block(a, r.zone, <pfn_t>pfn, order, pageblock_type(a, pfn))
            r.zone.free_pages -= <uint64_t>1 << order
        pfn += <uint64_t>1 << order


cdef void give_back(arena_t *a, const range_t *r) noexcept nogil:
    cdef uint64_t pfn
    for pfn in range(r.start, r.end):
        if is_held(frame_at(a, <pfn_t>pfn)):
            free_one_block(a, r.zone, pfn, 0)


# --- emptying it -----------------------------------------------------------------------------------------------------------


cdef pfn_t alloc_migration_target(arena_t *a, void *ctx, uint32_t order) noexcept nogil:
    """What comes from the range itself, freed a moment ago, is held."""
    cdef const range_t *r = <const range_t *>ctx
    cdef idx_t task = a.task
    cdef pfn_t pfn
    cdef uint32_t i
    while True:
        a.task = 0  # the charge moves with the folio
        pfn = alloc_pages(a, order, GFP_USER_MOVABLE | (GFP_NOMEMALLOC | GFP_NO_KSWAPD if order else GFP_RETRY_MAYFAIL))
        a.task = task
        if pfn == 0 or pfn < r.start or pfn >= r.end:
            return pfn
        for i in range(<uint32_t>1 << order):
            memset(frame_mut(a, pfn + i), 0, sizeof(frame_t))


cdef void free_migration_target(arena_t *a, void *ctx, pfn_t pfn, uint32_t order) noexcept nogil:
    free_pages(a, pfn, order)


cdef uint64_t isolate_migratepages_range(arena_t *a, const range_t *r, uint64_t pfn, folio_list_t *list) noexcept nogil:
    """Folios off the LRU, 32 pages or a little more. Returns where it stopped."""
    cdef uint64_t nr = 0, n
    cdef pfn_t at
    while pfn < r.end and nr < COMPACT_CLUSTER_MAX and not a.err:
        at = <pfn_t>pfn
        n = <uint64_t>1 << folio_order(a, at)
        if frame_at(a, at).flags & (PG_lru | PG_tail) == PG_lru:
            isolate_folio(a, list, at)
            nr += n
        pfn += n
    count_vm_events(a, COMPACTISOLATED, <int64_t>nr)
    return pfn


cdef void reclaim_clean(arena_t *a, folio_list_t *list) noexcept nogil:
    """reclaim_clean_pages_from_list(): what the disk has as well is not worth moving. What stays for all that is moved."""
    cdef pfn_t clean[COMPACT_CLUSTER_MAX]
    cdef uint32_t nr = 0, left = 0, i
    for i in range(list.nr):
        if nr < COMPACT_CLUSTER_MAX and not frame_at(a, list.head[i]).flags & (PG_anon | PG_swapbacked | PG_dirty | PG_writeback | PG_unevictable):
            clean[nr] = list.head[i]
            nr += 1
            continue
        list.head[left] = list.head[i]
        list.mlock_count[left] = list.mlock_count[i]
        left += 1
    list.nr = left
    if nr:
        reclaim_clean_pages(a, clean, nr)
    for i in range(nr):
        if frame_at(a, clean[i]).flags & (PG_lru | PG_buddy | PG_pcp) == PG_lru:
            isolate_folio(a, list, clean[i])


cdef bint migrate_range(arena_t *a, range_t *r) noexcept nogil:
    """Whether all that can move did."""
    cdef folio_list_t list
    cdef uint64_t pfn = r.start, before = r.start
    cdef uint32_t tries = 0, moved = 0
    cdef int err
    list.nr = 0
    lru_add_drain_all(a)
    while (pfn < r.end or list.nr) and not a.err:
        if list.nr == 0:
            before = pfn
            pfn = isolate_migratepages_range(a, r, pfn, &list)
            tries = 0
        else:
            tries += 1
        reclaim_clean(a, &list)
        err = migrate_pages(a, &list, alloc_migration_target, free_migration_target, r, MIGRATE_SYNC, &moved) if list.nr else 0
        hold_free(a, r, before, min(pfn, r.end))
        if err == -ENOMEM or tries == MAX_TRIES:
            putback_movable_pages(a, &list)
            return False
    return not a.err


cdef bint alloc_contig_range(arena_t *a, range_t *r) noexcept nogil:
    """True: every frame of the range is held."""
    cdef uint64_t pfn
    hold_unseen(a, r)
    hold_free(a, r, r.start, r.end)
    if migrate_range(a, r):
        hold_free(a, r, r.start, r.end)
        pfn = r.start
        while pfn < r.end and is_held(frame_at(a, <pfn_t>pfn)):
            pfn += 1
        if pfn == r.end:
            count_vm_events(a, COMPACTISOLATED, <int64_t>(r.end - r.start))
            return True
    give_back(a, r)
    return False


cdef pfn_t folio_alloc_gigantic(arena_t *a, uint32_t order) noexcept nogil:
    """alloc_contig_pages(): every zone from Normal down, range by range."""
    cdef uint64_t nr_pages = <uint64_t>1 << order
    cdef uint32_t z = ZONE_NORMAL + 1
    cdef range_t r
    while z:
        z -= 1
        r.zone = &a.m.zone[z]
        r.start = (r.zone.start_pfn + nr_pages - 1) & ~(nr_pages - 1)
        r.end = r.start + nr_pages
        while r.zone.managed_pages and r.end <= r.zone.start_pfn + r.zone.spanned_pages and not a.err:
            if can_be_emptied(a, &r) and alloc_contig_range(a, &r):
                prep_new_page(frame_mut(a, <pfn_t>r.start))
                prep_compound(a, <pfn_t>r.start, order)
                trace2(a, TR_FRAME_ALLOC, r.start, order)
                return <pfn_t>r.start
            r.start = r.end
            r.end += nr_pages
    return 0
