# cython: language_level=3
"""Reclaim of an anonymous page as nearly all are: single, of no group, mapped by one entry or by none.

Counterpart: Linux v6.18 mm/vmscan.c:shrink_folio_list(), for a folio of that kind.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum fate:  # what became of a folio
    FATE_FREED
    FATE_KEEP
    FATE_ACTIVATE
    FATE_UNKNOWN  # it is of another kind, and nothing is changed

cdef struct sole_t:  # the entry of a page, and what those of one batch share
    idx_t anon_vma  # whose area is remembered; 0: none is
    vma_t *area
    mm_t *mm
    vaddr_t addr
    pfn_t table
    uint32_t index
    pte_t entry

cdef enum:
    ANON_USUAL = PG_anon | PG_swapbacked
    ANON_JUDGED = ANON_USUAL | PG_head | PG_tail | PG_locked | PG_writeback | PG_mlocked | PG_unevictable | PG_young | PG_charged

cdef inline bint anon_is_usual(const frame_t *f) noexcept nogil:
    return f.flags & ANON_JUDGED == ANON_USUAL

# shrink_folio() of one that is. *nr_pageout counts.
cdef uint32_t shrink_anon(arena_t *a, pfn_t head, frame_t *f, sole_t *s, bint ignore_references, bint may_writepage, uint32_t *nr_pageout) noexcept nogil
