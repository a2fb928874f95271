# cython: language_level=3
"""Cutting a folio of the page cache at one page.

Counterpart: Linux v6.18 mm/huge_memory.c:folio_split() (non-uniform), mm/truncate.c:try_folio_split_to_order().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# Halve the folio that holds `at` until `at` is a folio of its own: order 4 at page 4 gives 4+1+1+2+8 pages. Preconditions: clean, no page of it is mapped.
cdef void folio_split(arena_t *a, pfn_t head, pfn_t at) noexcept nogil
# What __folio_split() counts of a folio, anonymous or a file's, at its end. Counts: THP_SPLIT_PAGE, SPLIT, or _FAILED.
cdef void count_split(arena_t *a, uint32_t order, bint is_split) noexcept nogil
