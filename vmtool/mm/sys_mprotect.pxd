# cython: language_level=3
"""mprotect()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# pkey: a key, or -1 for mprotect(), which leaves the area's. 0, or, for the areas before it done all the same: -EINVAL: start is off a
# page, no such prot, a key that is not allocated, PROT_GROWSDOWN of what does not grow; -ENOMEM: a hole, too many areas, RLIMIT_DATA,
# overcommit, no memory; -EACCES: a right that the file or its sharing does not give; -EPERM: sealed. Counts: total_vm's kin,
# vm_committed_as.
cdef int sys_mprotect(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, uint64_t prot, int64_t pkey) noexcept nogil
