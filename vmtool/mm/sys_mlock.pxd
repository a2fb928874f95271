# cython: language_level=3
"""mlock(), mlock2(), munlock(), mlockall(), munlockall()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int sys_mlock(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, bint onfault) noexcept nogil
cdef int sys_munlock(arena_t *a, idx_t mm, vaddr_t start, uint64_t length) noexcept nogil
cdef int sys_mlockall(arena_t *a, idx_t mm, uint64_t flags) noexcept nogil
cdef int sys_munlockall(arena_t *a, idx_t mm) noexcept nogil
