# cython: language_level=3
"""Reclaim of anonymous pages as nearly all are: single, of no group, mapped by one entry or by none.

Counterpart: Linux v6.18 mm/vmscan.c:shrink_folio_list(), for folios of that kind.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.buddy cimport frees_t
from vmtool.mm.mmu_context cimport page_flush_t
from vmtool.mm.swap_quick cimport slots_t
from vmtool.mm.pte cimport ptes_t
from vmtool.mm.types cimport *

cdef enum fate:  # what became of a folio
    FATE_FREED
    FATE_KEEP
    FATE_ACTIVATE
    FATE_UNKNOWN  # it is of another kind, and nothing is changed

cdef struct sole_t:  # what the pages of a batch share; the entry of the present one
    bint ignore_references
    bint may_writepage
    uint32_t refs  # of a page that the swap cache alone has: one, and one more for the reclaimer when it is off its list
    uint32_t order  # bucket_order()
    uint32_t zone
    bint slots_are_plain
    slots_t slots
    idx_t anon_vma  # whose area is remembered
    vma_t *area
    mm_t *mm
    uint64_t pgoff  # of the area's first page
    uint64_t nr_pages  # of the area; 0: none is remembered
    uint64_t region  # what the table found last covers, + 1; 0: none is remembered
    pfn_t table
    ptes_t ptes  # of it
    bint marked  # it is open to change
    vaddr_t addr
    uint32_t index
    pte_t entry
    page_flush_t flush
    frees_t frees
    # counted and not added yet
    int64_t nr_cached
    int64_t nr_unmapped
    int64_t nr_pageout
    int64_t nr_started

cdef inline void sole_forget(sole_t *s) noexcept nogil:
    """A folio went another road, which may have taken slots or frames, or looked at another table."""
    s.region = 0
    s.slots.cluster = NULL
    s.frees.block = 0

cdef enum:
    ANON_USUAL = PG_anon | PG_swapbacked
    ANON_JUDGED = ANON_USUAL | PG_head | PG_tail | PG_locked | PG_writeback | PG_mlocked | PG_unevictable | PG_young | PG_charged

cdef inline bint anon_is_usual(const frame_t *f) noexcept nogil:
    return f.flags & ANON_JUDGED == ANON_USUAL

cdef enum:
    TAIL_MOST = 32

cdef struct tail_t:  # what became of the pages at a list's end
    uint32_t nr
    uint32_t nr_freed
    uint32_t nr_activated
    pfn_t activated[TAIL_MOST]
    pfn_t kept_first  # a piece of a list, linked both ways: the first that was judged stands last
    pfn_t kept_last
    uint32_t nr_kept
    bint isolated  # they are off their list for others to see, too

cdef void sole_begin(arena_t *a, sole_t *s, bint ignore_references, bint may_writepage) noexcept nogil
cdef void sole_end(arena_t *a, sole_t *s) noexcept nogil  # what was counted is added
# shrink_folio() of one that is usual and off its list, with a reference.
cdef uint32_t shrink_anon(arena_t *a, pfn_t head, frame_t *f, sole_t *s) noexcept nogil
# isolate_lru_folios() and shrink_folio_list() of the usual ones that stand last on the machine's inactive list, `most` of them (TAIL_MOST), as far as
# they are of one zone, `highest` or below. Those that stay are off the list until tail_putback(). Precondition: swap_stays_empty().
cdef void shrink_anon_tail(arena_t *a, sole_t *s, uint32_t highest, uint64_t most, tail_t *t) noexcept nogil
cdef void tail_isolate(arena_t *a, tail_t *t) noexcept nogil  # before others of the batch are looked at
cdef void tail_putback(arena_t *a, tail_t *t) noexcept nogil
