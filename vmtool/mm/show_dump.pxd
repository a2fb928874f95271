# cython: language_level=3
"""The bytes of a process as a core dump takes them."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# The page at addr, which is page-aligned, without a fault; NULL: zeros. Precondition: the area v contains it.
cdef const char *dump_page(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil
