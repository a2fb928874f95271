"""What compaction remembers of a zone, so that it does not do in vain again what it did in vain just now.

    a pageblock gave nothing, or was scanned twice     skip bit: both scanners pass it over
    the scanners stopped                               the next run begins there; an async one does not move where the sync one begins
    a sync run went through and no block came of it    the next 1, 2, 4 ... 64 attempts for such an order are not made
    the scanners met                                   positions back to the zone's ends; the skip bits fall when kswapd goes to sleep, or when
                                                       64 attempts were left out

Counterpart: Linux v6.18 mm/compaction.c. A skip bit is bit 2 of a pageblock's record (PB_compact_skip).
Invariants: defer_shift <= 6; considered <= 1 << defer_shift; a skip bit is never set for a pageblock outside the machine.
"""

from vmtool.mm.arena cimport frame_at, rec_at, rec_mut
from vmtool.mm.frame cimport (MIGRATE_MOVABLE, folio_order, max_order_nr_pages, page_folio, pageblock_nr_pages, pageblock_type, pfn_to_zone,
                              reserved_end)
from vmtool.mm.trace cimport TR_COMPACT_DEFER, trace4

cdef enum:
    COMPACT_MAX_DEFER_SHIFT = 6
    PAGEBLOCK_SKIP = 4
    SAMPLE = 8  # frames between two that are looked at


# --- deferring ---------------------------------------------------------------------------------------------------------


cdef void defer_compaction(arena_t *a, uint32_t zone, int order) noexcept nogil:
    cdef compact_zone_t *c = &a.m.compaction.zone[zone]
    c.considered = 0
    c.defer_shift = min(c.defer_shift + 1, <uint32_t>COMPACT_MAX_DEFER_SHIFT)
    if order < <int>c.order_failed:
        c.order_failed = <uint32_t>order


cdef bint compaction_deferred(arena_t *a, uint32_t zone, int order) noexcept nogil:
    cdef compact_zone_t *c = &a.m.compaction.zone[zone]
    cdef uint32_t limit = <uint32_t>1 << min(c.defer_shift, <uint32_t>COMPACT_MAX_DEFER_SHIFT)
    if order < <int>c.order_failed:
        return False
    c.considered += 1
    if c.considered >= limit:
        c.considered = limit
        return False
    trace4(a, TR_COMPACT_DEFER, zone, <uint64_t>order, c.considered, limit)
    return True


cdef void compaction_defer_reset(arena_t *a, uint32_t zone, int order, bint alloc_success) noexcept nogil:
    cdef compact_zone_t *c = &a.m.compaction.zone[zone]
    if alloc_success:
        c.considered = 0
        c.defer_shift = 0
    if order >= <int>c.order_failed:
        c.order_failed = <uint32_t>order + 1


cdef bint compaction_restarting(arena_t *a, uint32_t zone, int order) noexcept nogil:
    cdef const compact_zone_t *c = &a.m.compaction.zone[zone]
    if order < <int>c.order_failed:
        return False
    return c.defer_shift == COMPACT_MAX_DEFER_SHIFT and c.considered >= 1 << COMPACT_MAX_DEFER_SHIFT


# --- pageblocks to skip ----------------------------------------------------------------------------------------------------


cdef bint get_pageblock_skip(arena_t *a, uint64_t pfn) noexcept nogil:
    return (<uint8_t *>rec_at(a, POOL_PAGEBLOCK, <uint32_t>(pfn >> a.m.arch.pageblock_order)))[0] & PAGEBLOCK_SKIP != 0


cdef void set_pageblock_skip(arena_t *a, uint64_t pfn) noexcept nogil:
    if not get_pageblock_skip(a, pfn):
        (<uint8_t *>rec_mut(a, POOL_PAGEBLOCK, <uint32_t>(pfn >> a.m.arch.pageblock_order)))[0] |= PAGEBLOCK_SKIP


cdef void clear_pageblock_skip(arena_t *a, uint64_t pfn) noexcept nogil:
    if get_pageblock_skip(a, pfn):
        (<uint8_t *>rec_mut(a, POOL_PAGEBLOCK, <uint32_t>(pfn >> a.m.arch.pageblock_order)))[0] &= <uint8_t>(~<uint32_t>PAGEBLOCK_SKIP & 0xFF)


cdef bint pageblock_skip_persistent(arena_t *a, uint64_t pfn) noexcept nogil:
    if reserved_end(a, pfn) > pfn or not frame_at(a, <pfn_t>pfn).flags & (PG_head | PG_tail):
        return False
    return folio_order(a, page_folio(a, <pfn_t>pfn)) >= a.m.arch.pageblock_order


cdef inline bint is_unseen_head(arena_t *a, const zone_t *zone, uint64_t pfn) noexcept nogil:
    return zone.unseen_pfn <= pfn < zone.unseen_end and pfn % max_order_nr_pages(a) == 0


cdef bint reset_isolation_pfn(arena_t *a, uint32_t z, uint64_t pfn, bint check_source, bint check_target) noexcept nogil:
    """Whether the pageblock may be of use again: one of each eight frames is looked at."""
    cdef const zone_t *zone = &a.m.zone[z]
    cdef uint64_t end
    cdef const frame_t *f
    if pfn_to_zone(a, pfn) != z or pageblock_skip_persistent(a, pfn):
        return False
    if check_source and check_target and not get_pageblock_skip(a, pfn):
        return True
    if not check_source and check_target and pageblock_type(a, pfn) != MIGRATE_MOVABLE:
        return False
    pfn = max(pfn & ~(pageblock_nr_pages(a) - 1), zone.start_pfn)
    end = min((pfn | (pageblock_nr_pages(a) - 1)) + 1, zone.start_pfn + zone.spanned_pages)
    while pfn < end and not a.err:
        f = frame_at(a, page_folio(a, <pfn_t>pfn))
        if (check_source and f.flags & PG_lru) or (check_target and (f.flags & PG_buddy or is_unseen_head(a, zone, pfn))):
            clear_pageblock_skip(a, pfn)
            return True
        pfn += SAMPLE
    return False


cdef void reset_cached_positions(arena_t *a, uint32_t zone) noexcept nogil:
    cdef compact_zone_t *c = &a.m.compaction.zone[zone]
    c.cached_migrate_pfn[0] = c.cached_migrate_pfn[1] = a.m.zone[zone].start_pfn
    c.cached_free_pfn = (a.m.zone[zone].start_pfn + a.m.zone[zone].spanned_pages - 1) & ~(pageblock_nr_pages(a) - 1)


cdef void reset_isolation_suitable_zone(arena_t *a, uint32_t zone) noexcept nogil:
    cdef compact_zone_t *c = &a.m.compaction.zone[zone]
    cdef uint64_t migrate_pfn = a.m.zone[zone].start_pfn
    cdef uint64_t free_pfn = migrate_pfn + a.m.zone[zone].spanned_pages - 1
    cdef uint64_t reset_migrate = free_pfn, reset_free = migrate_pfn
    cdef bint source_set = False, free_set = False
    if not c.blockskip_flush:
        return
    c.blockskip_flush = 0
    while migrate_pfn < free_pfn and not a.err:
        if reset_isolation_pfn(a, zone, migrate_pfn, True, source_set) and migrate_pfn < reset_migrate:
            source_set = True
            reset_migrate = migrate_pfn
            c.init_migrate_pfn = c.cached_migrate_pfn[0] = c.cached_migrate_pfn[1] = reset_migrate
        if reset_isolation_pfn(a, zone, free_pfn, free_set, True) and free_pfn > reset_free:
            free_set = True
            reset_free = free_pfn
            c.init_free_pfn = c.cached_free_pfn = reset_free
        migrate_pfn += pageblock_nr_pages(a)
        free_pfn -= min(free_pfn, pageblock_nr_pages(a))
    if reset_migrate >= reset_free:
        c.cached_migrate_pfn[0] = c.cached_migrate_pfn[1] = migrate_pfn
        c.cached_free_pfn = free_pfn


cdef void reset_isolation_suitable(arena_t *a) noexcept nogil:
    cdef uint32_t zone
    for zone in range(NR_ZONES):
        if a.m.zone[zone].present_pages:
            reset_isolation_suitable_zone(a, zone)
