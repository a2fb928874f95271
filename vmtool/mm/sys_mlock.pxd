# cython: language_level=3
"""mlock(), mlock2(), munlock(), mlockall(), munlockall()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# mlock2(), onfault: MLOCK_ONFAULT. Any start and length. 0, -EPERM: RLIMIT_MEMLOCK is 0; -ENOMEM: more than that, a hole, too many areas,
# or a page could not be faulted in; -EINVAL: the end wraps, or [vdso] and its like in part; -EAGAIN: a fault had no memory. Counts:
# locked_vm, NR_MLOCK, UNEVICTABLE_PG*.
cdef int sys_mlock(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, bint onfault) noexcept nogil
# 0, -ENOMEM: a hole, or too many areas; -EINVAL: as sys_mlock()
cdef int sys_munlock(arena_t *a, idx_t mm, vaddr_t start, uint64_t length) noexcept nogil
# MCL_ flags. 0, -EINVAL: no such flags; -EPERM: RLIMIT_MEMLOCK is 0; -ENOMEM: MCL_CURRENT of more than that
cdef int sys_mlockall(arena_t *a, idx_t mm, uint64_t flags) noexcept nogil
cdef int sys_munlockall(arena_t *a, idx_t mm) noexcept nogil  # 0
