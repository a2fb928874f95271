# cython: language_level=3
"""Shared memory: files without a disk, whose pages are swap-backed.

Counterpart: Linux v6.18 mm/shmem.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int shmem_acct_size(arena_t *a, idx_t inode, uint64_t vm_flags) noexcept nogil  # commit charge of a new file: whole, or (VM_NORESERVE) later. 0, -ENOMEM
cdef bint shmem_is_charged_whole(arena_t *a, idx_t inode) noexcept nogil  # MAP_SHARED|MAP_ANONYMOUS and shmget() are, tmpfs and memfd_create() not
# The charge that another kernel granted a file, whatever the limit here. vm_flags: of the area that maps it.
cdef void shmem_adopt_size(arena_t *a, idx_t inode, uint64_t vm_flags) noexcept nogil
# The page found, swapped in, or made of zeros. v: the area whose fault asks, 0: none; write_end: where a write() ends, in bytes, 0: none.
# 0: no memory, *result has VM_FAULT_OOM, or no space, VM_FAULT_SIGBUS. Bits are added to *result; VM_FAULT_MAJOR: swapped in.
cdef pfn_t shmem_get(arena_t *a, idx_t inode, uint64_t index, idx_t v, uint64_t write_end, uint32_t *result) noexcept nogil
cdef pfn_t shmem_find(arena_t *a, idx_t inode, uint64_t index, uint32_t *result) noexcept nogil  # found or swapped in: SGP_NOALLOC
cdef int shmem_charge(arena_t *a, idx_t inode, uint64_t nr_pages) noexcept nogil  # what a file charged page by page has more; -ENOMEM
# Bit n: order n; v may be NULL; force: MADV_COLLAPSE.
cdef uint32_t shmem_allowable_huge_orders(arena_t *a, idx_t inode, const vma_t *v, uint64_t index, uint64_t write_end, bint force) noexcept nogil
cdef bint shmem_suitable_huge(arena_t *a, idx_t v, vaddr_t addr, uint32_t order) noexcept nogil  # an aligned folio around an address fits the area
# bytes, 0 at or past the end; none: -ENOMEM, of swap
cdef int64_t shmem_read(arena_t *a, idx_t file, uint64_t pos, char *buf, uint64_t length) noexcept nogil
# bytes; none: -ENOSPC, -ENOMEM
cdef int64_t shmem_write(arena_t *a, idx_t file, uint64_t pos, const char *buf, uint64_t length) noexcept nogil
