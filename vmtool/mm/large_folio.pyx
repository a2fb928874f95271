"""Large folios: who maps them, which of them are better split.

    mapped by p          mm_id p, -        mapcount 16, 0    not shared
    fork                 mm_id p, c        mapcount 16, 16   shared
    p unmaps all of it   mm_id -, c        mapcount 0, 16    c owns all mappings: not shared
    c unmaps one page    mm_id -, c        mapcount 0, 15    partially mapped: on the queue

Two address spaces are kept; a third maps without a slot, and the folio counts as shared until one of the two owns all mappings. A slot that falls
free is for whoever maps more: of one that has mappings already it knows the new ones alone, and is free again when as many are gone.
Counterpart: Linux v6.18 include/linux/rmap.h:folio_add_return_large_mapcount(), folio_sub_return_large_mapcount(); mm/huge_memory.c:
deferred_split_folio(), __folio_unqueue_deferred_split().
Invariants (fsck_entries): counts by slot equal the entries, of a shared folio they may be fewer; not shared means that one slot has them all; a folio is queued as its bit says.
"""

from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport memcg_mut
from vmtool.mm.frame cimport page_folio
from vmtool.mm.lruvec cimport folio_memcg
from vmtool.mm.pte cimport pte_frame, pte_load
from vmtool.mm.vmstat cimport THP_DEFERRED_SPLIT_PAGE, count_vm_event


cdef void renew_tail(arena_t *a, pfn_t head, uint32_t order) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head + 1)
    f.index_lo = order
    f.index_hi = 0
    f.lru_prev = 0
    f.mapping = 0


cdef void clear_tails(arena_t *a, pfn_t head, uint32_t order) noexcept nogil:
    cdef frame_t *f
    cdef uint32_t i
    renew_tail(a, head, order)
    frame_mut(a, head + 1).extra_refs = 0
    for i in range(2, 4 if order > 1 else 2):
        f = frame_mut(a, head + i)
        f.index_lo = 0
        f.index_hi = 0
        f.lru_prev = 0
        f.mapping = 0


cdef uint32_t add_large_mapcount(arena_t *a, pfn_t head, idx_t mm, uint32_t n) noexcept nogil:
    cdef frame_t *second = frame_mut(a, head + 1)
    cdef frame_t *third
    cdef frame_t *fourth
    second.lru_prev += n
    if second.index_lo < 2:
        return second.lru_prev
    third = frame_mut(a, head + 2)
    fourth = frame_mut(a, head + 3)
    if fourth.index_lo == mm:
        third.mapping += n
    elif fourth.lru_prev == mm:
        fourth.mapping += n
    elif fourth.index_lo == 0:
        fourth.index_lo = mm
        third.mapping = n
        if second.lru_prev != n:  # others map it already
            third.index_hi |= LARGE_MM_IDS_SHARED
    elif fourth.lru_prev == 0:
        fourth.lru_prev = mm
        fourth.mapping = n
        third.index_hi |= LARGE_MM_IDS_SHARED
    return second.lru_prev


cdef uint32_t sub_large_mapcount(arena_t *a, pfn_t head, idx_t mm, uint32_t n) noexcept nogil:
    cdef frame_t *second = frame_mut(a, head + 1)
    cdef frame_t *third
    cdef frame_t *fourth
    second.lru_prev -= n
    if second.index_lo < 2:
        return second.lru_prev
    third = frame_mut(a, head + 2)
    fourth = frame_mut(a, head + 3)
    if fourth.index_lo == mm:
        third.mapping -= min(n, third.mapping)
        if third.mapping:
            return second.lru_prev
        fourth.index_lo = 0
    elif fourth.lru_prev == mm:
        fourth.mapping -= min(n, fourth.mapping)
        if fourth.mapping:
            return second.lru_prev
        fourth.lru_prev = 0
    if third.mapping == second.lru_prev or fourth.mapping == second.lru_prev:
        third.index_hi &= ~<uint16_t>LARGE_MM_IDS_SHARED
    return second.lru_prev


cdef uint32_t folio_pte_batch(arena_t *a, pfn_t table, uint32_t index, pte_t e, uint64_t max_nr) noexcept nogil:
    return folio_pte_batch_flags(a, table, index, e, max_nr, 0)


cdef uint32_t folio_pte_batch_flags(arena_t *a, pfn_t table, uint32_t index, pte_t e, uint64_t max_nr, uint32_t flags) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef pfn_t head = page_folio(a, pte_frame(a, e))
    cdef pte_t ignored = g.accessed | g.dirty | (0 if flags & FPB_RESPECT_WRITE else g.write)
    cdef pte_t expected = e & ~ignored
    cdef uint32_t n = 1
    max_nr = min(max_nr, (<uint64_t>1 << folio_order(a, head)) - (pte_frame(a, e) - head))
    while n < max_nr:
        expected += page_size(g)
        if pte_load(a, table, index + n) & ~ignored != expected:
            break
        n += 1
    return n


cdef bint folio_maybe_mapped_shared(arena_t *a, pfn_t head) noexcept nogil:
    if not frame_at(a, head).flags & PG_head:
        return frame_at(a, head).mapcount > 1
    if large_mapcount(a, head) <= 1:
        return False
    return folio_order(a, head) < 2 or frame_at(a, head + 2).index_hi & LARGE_MM_IDS_SHARED != 0


# --- the queue ---------------------------------------------------------------------------------------------------------


cdef free_list_t *split_queue_of(arena_t *a, pfn_t head) noexcept nogil:
    """get_deferred_split_queue(): of the group that pays for it."""
    cdef idx_t memcg = folio_memcg(a, head)
    return &memcg_mut(a, memcg).split_queue if memcg else &a.m.split_queue


cdef void queue_add_tail(arena_t *a, free_list_t *queue, pfn_t head) noexcept nogil:
    cdef frame_t *links = frame_mut(a, head + 2)
    links.index_lo = queue.tail
    links.lru_prev = 0
    if queue.tail:
        frame_mut(a, queue.tail + 2).lru_prev = head
    else:
        queue.head = head
    queue.tail = head
    queue.nr_free += 1


cdef void queue_del(arena_t *a, free_list_t *queue, pfn_t head) noexcept nogil:
    cdef frame_t *links = frame_mut(a, head + 2)
    if links.index_lo:
        frame_mut(a, links.index_lo + 2).lru_prev = links.lru_prev
    else:
        queue.head = links.lru_prev
    if links.lru_prev:
        frame_mut(a, links.lru_prev + 2).index_lo = links.index_lo
    else:
        queue.tail = links.index_lo
    queue.nr_free -= 1
    links.index_lo = 0
    links.lru_prev = 0


cdef pfn_t next_in_queue(arena_t *a, pfn_t head) noexcept nogil:
    return frame_at(a, head + 2).lru_prev


cdef void requeue(arena_t *a, pfn_t head) noexcept nogil:
    queue_del(a, split_queue_of(a, head), head)
    queue_add_tail(a, split_queue_of(a, head), head)


cdef void deferred_split_folio(arena_t *a, pfn_t head, bint partially) noexcept nogil:
    cdef uint32_t order = folio_order(a, head)
    cdef frame_t *third
    if order < 2 or frame_at(a, head).flags & PG_swapcache:
        return
    third = frame_mut(a, head + 2)
    if partially and not third.index_hi & LARGE_PARTIALLY_MAPPED:
        third.index_hi |= LARGE_PARTIALLY_MAPPED
        if order >= a.m.arch.pmd_order:
            count_vm_event(a, THP_DEFERRED_SPLIT_PAGE)
        count_mthp_stat(a, order, MTHP_STAT_SPLIT_DEFERRED)
        count_mthp_stat(a, order, MTHP_STAT_NR_ANON_PARTIALLY_MAPPED)
    if not third.index_hi & LARGE_QUEUED:
        third.index_hi |= LARGE_QUEUED
        queue_add_tail(a, split_queue_of(a, head), head)


cdef void unqueue_deferred_split(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *third
    if folio_order(a, head) < 2 or not frame_at(a, head + 2).index_hi & LARGE_QUEUED:
        return
    third = frame_mut(a, head + 2)
    if third.index_hi & LARGE_PARTIALLY_MAPPED:
        mod_mthp_stat(a, folio_order(a, head), MTHP_STAT_NR_ANON_PARTIALLY_MAPPED, -1)
    third.index_hi &= ~<uint16_t>(LARGE_QUEUED | LARGE_PARTIALLY_MAPPED)
    queue_del(a, split_queue_of(a, head), head)
