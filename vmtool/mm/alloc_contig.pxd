# cython: language_level=3
"""Runs of frames longer than the buddy system has in one block: what is in their way moves elsewhere.

Counterpart: Linux v6.18 mm/page_alloc.c: alloc_contig_range(), folio_alloc_gigantic(); mm/page_isolation.c: start_isolate_page_range().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# A folio of an order above arch_t.max_order, with one reference; 0: no range of any zone can be emptied for it. Counts: COMPACTISOLATED.
cdef pfn_t folio_alloc_gigantic(arena_t *a, uint32_t order) noexcept nogil
