"""Back on a list: reclaim of a list puts its folios there itself, in one go; MADV_PAGEOUT leaves them to the CPU's batch.

    40 pages of MADV_PAGEOUT        31 fill a batch and are on their list, 9 wait in the next one
    their writes end                the 31 are rotated to the tail; nobody finds the 9 on a list

Counterpart: Linux v6.18 mm/vmscan.c:move_folios_to_lru(), folio_putback_lru().
"""

from vmtool.mm.arena cimport frame_mut
from vmtool.mm.buddy cimport folio_put
from vmtool.mm.frame cimport folio_order
from vmtool.mm.lruvec cimport folio_lruvec, lru_adds_begin, lru_adds_end, lru_adds_t, lruvec_add_folio, lruvec_add_one_of_many, workingset_age_nonresident
from vmtool.mm.swap_lru cimport folio_add_lru


cdef void putback(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    if f.flags & PG_mlocked:
        f.flags = (f.flags | PG_unevictable) & ~<uint32_t>PG_active
    if f.flags & PG_active:
        workingset_age_nonresident(a, folio_lruvec(a, head), <uint64_t>1 << folio_order(a, head))
    lruvec_add_folio(a, head)
    if f.flags & PG_unevictable:
        f.lru_prev = 0
    folio_put(a, head)


cdef void move_folios_to_lru(arena_t *a, pfn_t head) noexcept nogil:
    cdef lru_adds_t adds
    cdef pfn_t next
    cdef frame_t *f
    lru_adds_begin(a, &adds)
    while head and not a.err:
        f = frame_mut(a, head)
        next = f.lru_next
        f.lru_next = 0
        if f.flags & (PG_head | PG_mlocked | PG_unevictable | PG_active):
            putback(a, head)
        else:
            lruvec_add_one_of_many(a, head, f, &adds)
            folio_put(a, head)
        head = next
    lru_adds_end(a, &adds)


cdef void putback_lru_folios(arena_t *a, pfn_t head) noexcept nogil:
    cdef pfn_t next
    while head and not a.err:
        next = frame_mut(a, head).lru_next
        frame_mut(a, head).lru_next = 0
        folio_add_lru(a, head)
        folio_put(a, head)
        head = next
