# cython: language_level=3
"""mseal()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int sys_mseal(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, uint64_t flags) noexcept nogil
