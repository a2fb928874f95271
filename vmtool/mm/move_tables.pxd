# cython: language_level=3
"""The entries of an area move to another address."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# The entries of old_addr..old_addr + length-1 of area v, to new_addr, where area new_v is and has none yet. How many bytes' entries have moved: fewer
# than length where there is no memory for a table.
cdef uint64_t move_page_tables(arena_t *a, idx_t v, idx_t new_v, vaddr_t old_addr, vaddr_t new_addr, uint64_t length) noexcept nogil
