# cython: language_level=3
"""The free scanner of compaction: blocks that folios can move to, from the end of a zone.

Counterpart: Linux v6.18 mm/compaction.c: isolate_freepages(), compaction_alloc(), struct compact_control.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.frame cimport pageblock_nr_pages
from vmtool.mm.migrate cimport folio_list_t
from vmtool.mm.types cimport *

cdef enum:
    COMPACT_CLUSTER_MAX = 32

cdef struct compact_control_t:
    zone_t *zone
    uint32_t zone_index
    int order  # of the block that is wanted; -1: all there can be
    int search_order  # where the free lists are searched first
    uint32_t migratetype  # of whom it is for
    uint32_t mode  # migrate_mode
    uint32_t highest  # zone that the allocation may use
    bint no_fs
    bint direct_compaction, proactive_compaction
    bint whole_zone, ignore_skip_hint, ignore_block_suitable, finish_pageblock
    uint64_t migrate_pfn, free_pfn, fast_start_pfn
    uint32_t fast_search_fail
    uint64_t total_migrate_scanned, total_free_scanned
    uint64_t nr_freepages
    int64_t nr_migratepages  # pages that are still to get a place
    folio_list_t migratepages
    free_list_t freepages[NR_ORDERS]  # isolated, by lru_next

cdef pfn_t compaction_alloc(arena_t *a, void *compact_control, uint32_t order) noexcept nogil  # new_folio_fn
cdef void compaction_free(arena_t *a, void *compact_control, pfn_t pfn, uint32_t order) noexcept nogil  # free_folio_fn
cdef uint64_t release_free_list(arena_t *a, compact_control_t *c) noexcept nogil  # what was not needed; its highest frame, 0: nothing
# How many frames from here on are the kernel's own from boot, or lie within a free block that has no records.
cdef uint64_t dull_run(arena_t *a, const zone_t *zone, uint64_t pfn, uint64_t end) noexcept nogil

cdef inline uint64_t block_start(arena_t *a, uint64_t pfn) noexcept nogil:
    return pfn & ~(pageblock_nr_pages(a) - 1)

cdef inline uint64_t block_end(uint64_t pfn, uint64_t nr_pages) noexcept nogil:
    """Of the aligned block of nr_pages around a frame."""
    return (pfn + nr_pages) & ~(nr_pages - 1)

cdef inline uint64_t zone_end(const zone_t *zone) noexcept nogil:
    return zone.start_pfn + zone.spanned_pages

cdef inline bint is_unseen(const zone_t *zone, uint64_t pfn) noexcept nogil:
    return zone.unseen_pfn <= pfn < zone.unseen_end

cdef inline uint32_t freelist_scan_limit(const compact_control_t *c) noexcept nogil:
    """Blocks of a free list that are looked at: fewer after each search that found nothing."""
    return (COMPACT_CLUSTER_MAX >> min(c.fast_search_fail, <uint32_t>31)) + 1
