# cython: language_level=3
"""Free chunks in their lists: out of one, and into the unsorted list or the bin of their size."""

from libc.stdint cimport uint32_t, uint64_t

from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

# out of its list. Precondition: it is free and on one; what is corrupted ends the process
cdef void unlink_chunk(libc_t *l, vaddr_t p) noexcept nogil
cdef void place_in_bin(libc_t *l, vaddr_t av, vaddr_t victim, uint64_t size) noexcept nogil
cdef void put_unsorted(libc_t *l, vaddr_t av, vaddr_t p, uint64_t size, const char *corrupted) noexcept nogil
cdef vaddr_t use_front(libc_t *l, vaddr_t av, vaddr_t victim, uint64_t size, uint64_t nb, const char *corrupted) noexcept nogil
cdef uint32_t binmap_word(libc_t *l, vaddr_t av, uint32_t block) noexcept nogil
cdef void binmap_set(libc_t *l, vaddr_t av, uint32_t block, uint32_t word) noexcept nogil
