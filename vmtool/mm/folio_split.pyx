"""Non-uniform split.

Modelled: a folio is cut in two halves, the half with the page in two again, down to that page; the pieces are the largest that fit beside it.
Counterpart: Linux v6.18 mm/huge_memory.c:__split_unmapped_folio(), __split_folio_to_order().

    order 3 at page 5:   |H t t t t t t t|  ->  |H t t t|H t t t|  ->  |H t t t|H t|H t|  ->  |H t t t|h|h|H t|
Each piece takes the flags of the whole (PG_readahead stays with the first), and one reference for the cache; on the LRU the pieces stand side by side.
"""

from vmtool.mm.arena cimport frame_at, frame_mut
from vmtool.mm.frame cimport folio_order, frame_index, frame_set_index, page_folio
from vmtool.mm.large_folio cimport MTHP_STAT_SPLIT, MTHP_STAT_SPLIT_FAILED, count_mthp_stat, renew_tail
from vmtool.mm.lruvec cimport lru_add_split, lruvec_stat_mod_folio, pmd_mappable
from vmtool.mm.memcontrol cimport split_charge
from vmtool.mm.vmstat cimport NR_FILE_THPS, NR_SHMEM_THPS, THP_SPLIT_PAGE, THP_SPLIT_PAGE_FAILED, count_vm_event


cdef void count_split(arena_t *a, uint32_t order, bint is_split) noexcept nogil:
    if pmd_mappable(&a.m.arch, order):
        count_vm_event(a, THP_SPLIT_PAGE if is_split else THP_SPLIT_PAGE_FAILED)
    count_mthp_stat(a, order, MTHP_STAT_SPLIT if is_split else MTHP_STAT_SPLIT_FAILED)


cdef void make_head(arena_t *a, pfn_t head, uint32_t order, uint64_t index) noexcept nogil:
    """The first page of a piece knows its order through its first tail, or is a page like any other."""
    cdef frame_t *f = frame_mut(a, head)
    cdef uint64_t i
    if order == 0:
        f.flags &= ~<uint32_t>PG_head
    else:
        f.flags |= PG_head
        for i in range(1, <uint64_t>1 << order):
            frame_mut(a, <pfn_t>(head + i)).lru_next = head
        renew_tail(a, head, order)
    frame_set_index(frame_mut(a, head), index)


cdef void folio_halve(arena_t *a, pfn_t head, uint32_t order) noexcept nogil:
    cdef frame_t *h = frame_mut(a, head)
    cdef pfn_t second = head + (<pfn_t>1 << (order - 1))
    cdef frame_t *s = frame_mut(a, second)
    cdef uint64_t index = frame_index(h)
    s.flags = h.flags & ~<uint32_t>(PG_head | PG_waiters | PG_readahead)
    s.mapping = h.mapping
    s.extra_refs = 1
    s.lru_next = 0
    s.lru_prev = 0
    if s.flags & PG_charged:
        split_charge(a, head, second)
    make_head(a, second, order - 1, index + (<uint64_t>1 << (order - 1)))
    make_head(a, head, order - 1, index)
    if h.flags & PG_lru:
        lru_add_split(a, head, second)


cdef void folio_split(arena_t *a, pfn_t head, pfn_t at) noexcept nogil:
    cdef uint32_t order = folio_order(a, head)
    if pmd_mappable(&a.m.arch, order):
        lruvec_stat_mod_folio(a, head, NR_SHMEM_THPS if frame_at(a, head).flags & PG_swapbacked else NR_FILE_THPS, -(<int64_t>1 << order))
    while order:
        folio_halve(a, head, order)
        head = page_folio(a, at)
        order = folio_order(a, head)
