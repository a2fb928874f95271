# cython: language_level=3
"""Splitting a folio itself (not only its mapping) into single pages."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef bint thp_underused(arena_t *a, pfn_t head) noexcept nogil  # more of its pages hold zeros than khugepaged's max_ptes_none
# An anonymous folio of order > 0 falls into single pages; those that nothing maps are freed, and pages full of zeros give way to the zero
# page. False: somebody holds it beside who maps it, and nothing is changed. Counts: THP_SPLIT_PAGE, SPLIT, or _FAILED.
cdef bint split_anon_folio(arena_t *a, pfn_t head) noexcept nogil
# The same for reclaim, which holds a reference and has it off its list: the other pages, mapped or not, get one each and are pushed on *list, a
# stack linked by lru_next.
cdef bint split_folio_to_list(arena_t *a, pfn_t head, pfn_t *list) noexcept nogil
