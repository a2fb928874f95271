# cython: language_level=3
"""Shared memory that is swapped out: which slot stands for which page of an inode.

Counterpart: Linux v6.18 mm/shmem.c:shmem_writeout(), shmem_swapin_folio(), shmem_undo_range().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef bint shmem_splits(arena_t *a, pfn_t head) noexcept nogil  # the file ends within it, or there are no slots for large folios: not as a whole
cdef bint shmem_writeout(arena_t *a, pfn_t head) noexcept nogil  # to slots of its own and on its way; false: there are none
# Back into the cache. 0: not swapped, or no memory and *result has VM_FAULT_OOM. The slot is free then, the folio dirty.
cdef pfn_t shmem_swapin(arena_t *a, idx_t inode, uint64_t index, uint32_t *result) noexcept nogil
cdef void shmem_free_swap(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil  # truncated, or the end of the inode
cdef void shmem_swapin_range(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil  # into the swap cache: of each entry the first page
# Pages of the entries that lie in a range, or partly (shmem_partial_swap_usage()).
cdef uint64_t shmem_partial_swap_usage(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil
cdef int shmem_upgrade(arena_t *a) noexcept nogil  # of an older file: slots that an index of their own named; 0 or -ENOMEM
cdef bint shmem_unuse(arena_t *a, uint32_t type) noexcept nogil  # swapoff: all of an area back; false: no memory
