# cython: language_level=3
"""Memory back to the kernel: the break lowered, pages inside free chunks dropped."""

from libc.stdint cimport uint64_t

from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

cdef bint systrim(libc_t *l, uint64_t pad, vaddr_t av) noexcept nogil
cdef bint drop_free_pages(libc_t *l, vaddr_t av) noexcept nogil
