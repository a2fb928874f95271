# cython: language_level=3
"""mremap()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# The address of what is there now, or is_err(): -EINVAL: no such flags, lengths, or alignment, or the new place overlaps the old one;
# -EFAULT: no area at addr, or it ends before old_len, or may not grow; -ENOMEM: no gap (without MREMAP_MAYMOVE none behind it), too many
# areas, RLIMIT_AS, overcommit, no memory; -EAGAIN: more locked than RLIMIT_MEMLOCK; -EPERM: sealed, or below mmap_min_addr. With
# MREMAP_FIXED what was at new_addr may be gone by then. Of several areas those before the one that failed have moved.
cdef uint64_t sys_mremap(arena_t *a, idx_t mm, vaddr_t addr, uint64_t old_len, uint64_t new_len, uint64_t flags, vaddr_t new_addr) noexcept nogil
