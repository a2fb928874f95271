# cython: language_level=3
"""mprotect()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int sys_mprotect(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, uint64_t prot, int64_t pkey) noexcept nogil  # pkey -1: the area's
