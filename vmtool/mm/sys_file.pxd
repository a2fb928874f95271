# cython: language_level=3
"""msync() and mincore()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int sys_msync(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, uint64_t flags) noexcept nogil
cdef int sys_mincore(arena_t *a, idx_t mm, vaddr_t start, uint64_t nr_pages, char *vec) noexcept nogil
