# cython: language_level=3
"""Anonymous folios of sizes between a page and a PMD's. Counterpart: Linux v6.18 mm/memory.c:alloc_anon_folio()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# A folio of the largest size that the area, the machine's modes and the empty entries around index allow; 0: none, a page will do. Counts:
# ANON_FAULT_FALLBACK of each size that was tried in vain, _FALLBACK_CHARGE where a group's limit was the reason.
cdef pfn_t alloc_anon_folio(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index) noexcept nogil
# It, new, by an entry each, writable and dirty; counted, on its way to the LRU. Counts: ANON_FAULT_ALLOC, MM_ANONPAGES.
cdef void map_anon_folio(arena_t *a, idx_t v, vaddr_t addr, pfn_t head, pfn_t table, uint32_t index) noexcept nogil
