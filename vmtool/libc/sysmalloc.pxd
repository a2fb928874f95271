# cython: language_level=3
"""sysmalloc(): when no free chunk and not the top will do, memory of the kernel."""

from libc.stdint cimport uint64_t

from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

cdef vaddr_t sysmalloc(libc_t *l, uint64_t nb, vaddr_t av) noexcept nogil  # the block; 0: no memory. av 0: by a mapping
