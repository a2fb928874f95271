# cython: language_level=3
"""Memory back to the kernel: the break lowered, pages inside free chunks dropped."""

from libc.stdint cimport uint64_t

from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

# the break is lowered but for pad bytes of the top; false: it was not
cdef bint systrim(libc_t *l, uint64_t pad, vaddr_t av) noexcept nogil
cdef bint drop_free_pages(libc_t *l, vaddr_t av) noexcept nogil  # whole pages within free chunks, by MADV_DONTNEED; false: there were none
