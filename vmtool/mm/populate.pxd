# cython: language_level=3
"""Faulting pages in on a process's behalf: mlock, MAP_POPULATE, MADV_POPULATE."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int64_t populate_vma_page_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, uint32_t flags) noexcept nogil  # 0 or -errno
cdef int64_t mm_populate(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, bint ignore_errors) noexcept nogil
cdef int64_t faultin_page_range(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end, bint write) noexcept nogil  # madvise_populate: 0 or -errno
