# cython: language_level=3
"""_int_malloc(): a chunk for a request, by the order of the bins."""

from libc.stdint cimport uint64_t

from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

cdef vaddr_t int_malloc(libc_t *l, vaddr_t av, uint64_t bytes) noexcept nogil  # the block; 0: no memory. av 0: by a mapping
