# cython: language_level=3
"""Shared memory that is swapped out: which slot stands for which page of an inode.

Counterpart: Linux v6.18 mm/shmem.c:shmem_writeout(), shmem_swapin_folio(), shmem_undo_range().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef bint shmem_writeout(arena_t *a, pfn_t head) noexcept nogil  # to a slot of its own and on its way; false: there is none
cdef pfn_t shmem_swapin(arena_t *a, idx_t inode, uint64_t index, uint32_t *result) noexcept nogil  # back into the cache; 0: not swapped, or VM_FAULT_OOM
cdef void shmem_free_swap(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil  # truncated, or the end of the inode
cdef bint shmem_unuse(arena_t *a, uint32_t type) noexcept nogil  # swapoff: all of an area back; false: no memory
