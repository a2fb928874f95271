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

# The address. Preconditions: mm is the current task's; req.file is open. Instead of it, is_err():
# -EINVAL: length is 0, offset or a fixed addr off a page, no such type of mapping, or one that this kind cannot be; -ENOMEM: no gap,
# RLIMIT_AS, too many areas, overcommit, no huge pages, no memory; -EPERM: below mmap_min_addr, MAP_LOCKED with RLIMIT_MEMLOCK 0, MAP_FIXED
# over what is sealed; -EAGAIN: more locked than RLIMIT_MEMLOCK; -EEXIST: MAP_FIXED_NOREPLACE over an area; -EOVERFLOW: the file's offset;
# -EACCES: shared and written, of a file that is open to be read; -EOPNOTSUPP: MAP_SYNC. What MAP_FIXED was to replace may be gone by then.
# Counts: total_vm and its kin, vm_committed_as, locked_vm.
cdef uint64_t sys_mmap(arena_t *a, idx_t mm, const mmap_req_t *req) noexcept nogil
# What is there is unmapped, then the range is a neighbour's or a new area. Preconditions: aligned, within task_size, length > 0. The
# address, or is_err(): -EPERM (sealed), -EINVAL ([vdso] or a huge page in part): nothing is unmapped; -ENOMEM: by then it may be.
cdef uint64_t mmap_region(arena_t *a, idx_t mm, idx_t file, vaddr_t addr, uint64_t length, uint64_t vm_flags, uint64_t pgoff, uint32_t kind) noexcept nogil
cdef int sys_munmap(arena_t *a, idx_t mm, vaddr_t addr, uint64_t length) noexcept nogil  # what do_munmap() returns
# The break, page-aligned or not. It stays where it was: below start_brk, over a limit, an area is in the way, or no memory.
cdef uint64_t sys_brk(arena_t *a, idx_t mm, vaddr_t addr) noexcept nogil

cdef inline bint brk_failed(uint64_t got, vaddr_t asked) noexcept nogil:
    """The kernel tells no errno: the C library takes a break below what it asked for as ENOMEM, and any above it for success."""
    return got < asked

# Anonymous, private, writable memory at addr: prev grows (0: it may not), or there is a new area. Preconditions: aligned; nothing is mapped
# there. 0, -ENOMEM: RLIMIT_AS, too many areas, overcommit, no memory. Counts: total_vm, data_vm, locked_vm, vm_committed_as.
cdef int do_brk_flags(arena_t *a, idx_t mm, idx_t prev, vaddr_t addr, uint64_t length, uint64_t vm_flags) noexcept nogil
