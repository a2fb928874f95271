# cython: language_level=3
"""mmap(), munmap(), brk(): arguments checked in the kernel's order."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef struct mmap_req_t:
    vaddr_t addr
    uint64_t length
    uint64_t prot
    uint64_t flags
    idx_t file  # 0: anonymous; the caller opened it and drops its own reference afterwards
    uint64_t offset
    uint32_t file_read_only  # opened O_RDONLY

cdef uint64_t sys_mmap(arena_t *a, idx_t mm, const mmap_req_t *req) noexcept nogil  # address or -errno
cdef uint64_t mmap_region(arena_t *a, idx_t mm, idx_t file, vaddr_t addr, uint64_t length, uint64_t vm_flags, uint64_t pgoff, uint32_t kind) noexcept nogil
cdef int sys_munmap(arena_t *a, idx_t mm, vaddr_t addr, uint64_t length) noexcept nogil
cdef uint64_t sys_brk(arena_t *a, idx_t mm, vaddr_t addr, int *err) noexcept nogil  # the break; *err says why it stayed
cdef int do_brk_flags(arena_t *a, idx_t mm, idx_t prev, vaddr_t addr, uint64_t length, uint64_t vm_flags) noexcept nogil
