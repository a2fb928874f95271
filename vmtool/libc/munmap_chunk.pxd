# cython: language_level=3
"""Chunks with a mapping of their own."""

from libc.stdint cimport uint64_t

from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

# the block; 0: no memory, or nb wraps
cdef vaddr_t sysmalloc_mmap(libc_t *l, uint64_t nb, uint64_t pagesize, uint64_t extra_flags) noexcept nogil
cdef void munmap_chunk(libc_t *l, vaddr_t p) noexcept nogil
cdef vaddr_t mremap_chunk(libc_t *l, vaddr_t p, uint64_t nb) noexcept nogil  # the chunk, moved or not; 0: no memory, and it is as it was
