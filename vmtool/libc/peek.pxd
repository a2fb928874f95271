# cython: language_level=3
"""Looking at a heap without touching it: no fault, no accessed bit."""

from libc.stdint cimport uint64_t

from vmtool.libc.layout cimport PAGE, SIZE_SZ
from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

cdef struct peek_t:
    libc_t *l
    vaddr_t page  # whose bytes are here; 1: none
    char bytes[PAGE]

cdef void peek_open(peek_t *k, libc_t *l) noexcept nogil
cdef uint64_t peek_slow(peek_t *k, vaddr_t at) noexcept nogil

cdef inline uint64_t peek64(peek_t *k, vaddr_t at) noexcept nogil:
    """The word there; of memory that was never touched, or is not there, 0."""
    if at & ~<uint64_t>(PAGE - 1) == k.page and (at & PAGE - 1) <= PAGE - SIZE_SZ:
        return (<uint64_t *>(k.bytes + (at & PAGE - 1)))[0]
    return peek_slow(k, at)
