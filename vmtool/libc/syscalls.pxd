# cython: language_level=3
"""The system calls that malloc makes, each told to whoever listens (libc_t.on_call)."""

from libc.stdint cimport int64_t, uint64_t

from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

cdef enum:
    PROT_RW = 3
    MAX_ERRNO = 4095

cdef inline bint failed(uint64_t result) noexcept nogil:
    return result >= <uint64_t>-MAX_ERRNO

cdef vaddr_t current_brk(libc_t *l) noexcept nogil  # __curbrk, which no system call asks for
cdef vaddr_t sbrk(libc_t *l, int64_t increment) noexcept nogil  # the old break; -1: it cannot move
cdef vaddr_t morecore(libc_t *l, int64_t increment) noexcept nogil  # the same; 0: it cannot, or is not to
# private and anonymous; the address, or what sys_mmap() returns: failed()
cdef vaddr_t libc_mmap(libc_t *l, vaddr_t hint, uint64_t length, uint64_t prot, uint64_t flags) noexcept nogil
cdef int libc_munmap(libc_t *l, vaddr_t at, uint64_t length) noexcept nogil  # what sys_munmap() returns
# MREMAP_MAYMOVE; the address, or what sys_mremap() returns: failed()
cdef vaddr_t libc_mremap(libc_t *l, vaddr_t at, uint64_t old, uint64_t new) noexcept nogil
cdef int libc_mprotect(libc_t *l, vaddr_t at, uint64_t length, uint64_t prot) noexcept nogil  # what sys_mprotect() returns
cdef int libc_madvise(libc_t *l, vaddr_t at, uint64_t length, int advice) noexcept nogil  # what sys_madvise() returns
cdef void madvise_thp(libc_t *l, vaddr_t at, uint64_t length) noexcept nogil
