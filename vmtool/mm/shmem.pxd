# cython: language_level=3
"""Level 4. Shared memory: files without a disk, whose pages are swap-backed.

Counterpart: Linux v6.18 mm/shmem.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int shmem_acct_size(arena_t *a, idx_t inode, uint64_t vm_flags) noexcept nogil  # commit charge of a new file: whole, or (VM_NORESERVE) later. 0, -ENOMEM
# v: the area whose fault asks, 0: none
cdef pfn_t shmem_get(arena_t *a, idx_t inode, uint64_t index, idx_t v, uint32_t *result) noexcept nogil  # the page found, swapped in, or made of zeros; 0: VM_FAULT_OOM, or (no space) VM_FAULT_SIGBUS
# Whether the machine's mode, the area and the file let page `index` be of 2M; whether 2M around an address fit the area
cdef bint shmem_allowable_huge(arena_t *a, idx_t v, uint64_t index) noexcept nogil
cdef bint shmem_suitable_huge(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil
cdef int64_t shmem_read(arena_t *a, idx_t file, uint64_t pos, char *buf, uint64_t length) noexcept nogil  # bytes
cdef int64_t shmem_write(arena_t *a, idx_t file, uint64_t pos, const char *buf, uint64_t length) noexcept nogil  # bytes or -errno
