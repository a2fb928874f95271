# cython: language_level=3
"""arm64's direct map: tables whose entries follow from where they lie, until one of them is changed."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# Whether a frame is one of these tables; its level and, among those of that level, its number.
cdef bint linear_table(arena_t *a, pfn_t pfn, int *level, uint64_t *nr) noexcept nogil
cdef bint linear_untouched(arena_t *a, pfn_t table) noexcept nogil  # one that has no contents: its entries are all alike but for the frame
cdef pfn_t linear_pfn(arena_t *a, int level, uint64_t nr) noexcept nogil  # precondition: there is such a table
cdef pte_t linear_entry(arena_t *a, pfn_t table, uint32_t index) noexcept nogil  # as it stands in memory; 0: no such table
cdef void linear_fill(arena_t *a, pfn_t table, char *bytes) noexcept nogil  # all of one. Precondition: linear_table()
