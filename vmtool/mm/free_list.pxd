# cython: language_level=3
"""Lists of frames, linked by lru_next and lru_prev; and the one that a free block stands on: into it and off it.

Inline, for those who take blocks by their kind (free_area) and by their place (compaction), and for the LRU (lruvec). zone.free_pages is the
caller's. Counterpart: Linux v6.18 include/linux/list.h; mm/page_alloc.c: add_to_free_list, del_page_from_free_list.
"""

from vmtool.mm.arena cimport arena_t, frame_mut
from vmtool.mm.zone cimport free_area
from vmtool.mm.types cimport *

cdef inline void link_head(arena_t *a, pfn_t head, frame_t *f, free_list_t *list) noexcept nogil:
    f.lru_next = list.head
    f.lru_prev = 0
    if list.head:
        frame_mut(a, list.head).lru_prev = head
    else:
        list.tail = head
    list.head = head

cdef inline void link_tail(arena_t *a, pfn_t head, frame_t *f, free_list_t *list) noexcept nogil:
    f.lru_next = 0
    f.lru_prev = list.tail
    if list.tail:
        frame_mut(a, list.tail).lru_next = head
    else:
        list.head = head
    list.tail = head

cdef inline void unlink(arena_t *a, frame_t *f, free_list_t *list) noexcept nogil:
    if f.lru_prev:
        frame_mut(a, f.lru_prev).lru_next = f.lru_next
    else:
        list.head = f.lru_next
    if f.lru_next:
        frame_mut(a, f.lru_next).lru_prev = f.lru_prev
    else:
        list.tail = f.lru_prev
    f.lru_next = 0
    f.lru_prev = 0

cdef inline void add_block(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t order, uint32_t mt, bint to_tail) noexcept nogil:
    cdef free_list_t *list = free_area(a, zone, order, mt)
    cdef frame_t *f = frame_mut(a, pfn)
    f.flags = PG_buddy
    f.index_lo = order
    if to_tail:
        link_tail(a, pfn, f, list)
    else:
        link_head(a, pfn, f, list)
    list.nr_free += 1
    if mt == NR_MIGRATETYPES - 1:  # HighAtomic
        zone.nr_free_highatomic += <uint32_t>1 << order

cdef inline void unlink_block(arena_t *a, free_list_t *list, frame_t *f) noexcept nogil:
    unlink(a, f, list)
    list.nr_free -= 1
    f.flags = 0
    f.index_lo = 0

cdef inline void del_block(arena_t *a, zone_t *zone, pfn_t pfn, uint32_t order, uint32_t mt) noexcept nogil:
    unlink_block(a, free_area(a, zone, order, mt), frame_mut(a, pfn))
    if mt == NR_MIGRATETYPES - 1:
        zone.nr_free_highatomic -= <uint32_t>1 << order

cdef inline void turn_list(arena_t *a, free_list_t *list, pfn_t pfn) noexcept nogil:
    """What stands before this block goes behind the last one: list_cut_before(), list_splice_tail()."""
    cdef pfn_t first = list.head, last = list.tail, before = frame_mut(a, pfn).lru_prev
    if first == pfn:
        return
    frame_mut(a, last).lru_next = first
    frame_mut(a, first).lru_prev = last
    frame_mut(a, before).lru_next = 0
    frame_mut(a, pfn).lru_prev = 0
    list.head = pfn
    list.tail = before
