# cython: language_level=3
"""What advice does to pages: cold, lazily free, guard, page out."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef void cold_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil
cdef void free_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil
cdef void pageout_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil
cdef int guard_install(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil
cdef void guard_remove(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil
cdef void willneed_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil  # of anonymous and shared memory: what is in swap
