# cython: language_level=3
"""Shared memory's small folios become one of 2M, whoever maps them.

Counterpart: Linux v6.18 mm/khugepaged.c:hpage_collapse_scan_file(), collapse_pte_mapped_thp().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.collapse cimport collapse_t
from vmtool.mm.types cimport *

# The 512 pages from `start` on of the area's file, for the space of that area; scan_result: SCAN_PTE_MAPPED_HUGEPAGE: it is, or has become, one folio
cdef int hpage_collapse_scan_file(arena_t *a, idx_t v, uint64_t start, collapse_t *cc) noexcept nogil
# Small entries of the folio go, with their table; install: one entry maps it at once.
cdef int collapse_pte_mapped_thp(arena_t *a, idx_t mm, vaddr_t addr, bint install) noexcept nogil
