"""The two indices of external fragmentation.

    unusable_index   the part of free memory that lies in blocks too small for the order: 0.000 all can be used, 1.000 none
    extfrag_index    why an allocation of the order would fail: -1.000 it would not; towards 0.000 for want of memory, towards 1.000 because
                     of fragmentation

Compaction is for the second kind: it has room when the low watermark and twice the block can be kept free beside, and for a costly order it is left
out when extfrag_index is not above vm.extfrag_threshold: then reclaim is what helps.

Counterpart: Linux v6.18 mm/vmstat.c:fill_contig_page_info(), unusable_free_index(), __fragmentation_index(); mm/compaction.c:__compaction_suitable().
"""

from vmtool.mm.compact_state cimport compact_gap
from vmtool.mm.frame cimport WMARK_LOW, WMARK_MIN, wmark_pages
from vmtool.mm.free_area cimport free_area_count
from vmtool.mm.pcp cimport PAGE_ALLOC_COSTLY_ORDER, watermark_ok

cdef struct contig_page_info_t:
    uint64_t free_pages
    uint64_t free_blocks_total
    uint64_t free_blocks_suitable


cdef void fill_contig_page_info(arena_t *a, uint32_t zone, uint32_t suitable_order, contig_page_info_t *info) noexcept nogil:
    """A larger block counts as the suitable ones that it can be split into."""
    cdef uint32_t order, mt
    cdef uint64_t blocks
    info.free_pages = info.free_blocks_total = info.free_blocks_suitable = 0
    for order in range(a.m.arch.max_order + 1):
        blocks = 0
        for mt in range(NR_MIGRATETYPES):
            blocks += free_area_count(a, zone, order, mt)
        info.free_blocks_total += blocks
        info.free_pages += blocks << order
        if order >= suitable_order:
            info.free_blocks_suitable += blocks << (order - suitable_order)


cdef int64_t unusable_free_index(arena_t *a, uint32_t zone, uint32_t order) noexcept nogil:
    cdef contig_page_info_t info
    fill_contig_page_info(a, zone, order, &info)
    if info.free_pages == 0:
        return 1000
    return <int64_t>((info.free_pages - (info.free_blocks_suitable << order)) * 1000 // info.free_pages)


cdef int64_t fragmentation_index(arena_t *a, uint32_t zone, uint32_t order) noexcept nogil:
    cdef contig_page_info_t info
    fill_contig_page_info(a, zone, order, &info)
    if info.free_blocks_total == 0:
        return 0
    if info.free_blocks_suitable:
        return -1000
    return 1000 - <int64_t>((1000 + info.free_pages * 1000 // (<uint64_t>1 << order)) // info.free_blocks_total)


cdef uint32_t extfrag_for_order(arena_t *a, uint32_t zone, uint32_t order) noexcept nogil:
    cdef contig_page_info_t info
    fill_contig_page_info(a, zone, order, &info)
    if info.free_pages == 0:
        return 0
    return <uint32_t>((info.free_pages - (info.free_blocks_suitable << order)) * 100 // info.free_pages)


cdef bint compaction_has_room(arena_t *a, uint32_t zone, uint32_t order, uint64_t watermark, uint32_t highest, uint64_t more) noexcept nogil:
    cdef zone_t with_more = a.m.zone[zone]
    with_more.free_pages += more
    watermark += compact_gap(order)
    if order > PAGE_ALLOC_COSTLY_ORDER:
        watermark += wmark_pages(&with_more, WMARK_LOW) - wmark_pages(&with_more, WMARK_MIN)
    return watermark_ok(a, &with_more, 0, watermark, highest)


cdef bint compaction_suitable(arena_t *a, uint32_t zone, uint32_t order, uint64_t watermark, uint32_t highest) noexcept nogil:
    cdef int64_t index
    if not compaction_has_room(a, zone, order, watermark, highest, 0):
        return False
    if order <= PAGE_ALLOC_COSTLY_ORDER:
        return True
    index = fragmentation_index(a, zone, order)
    return index < 0 or index > <int64_t>a.m.extfrag_threshold
