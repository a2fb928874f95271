# cython: language_level=3
"""prctl(): huge pages switched off for a process. Names of areas, its PR_SET_VMA: sys_madvise."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    PR_THP_DISABLE_EXCEPT_ADVISED = 2

# Flags: PR_THP_DISABLE_. 0, -EINVAL: a flag that there is not, or one though huge pages are allowed again.
cdef int prctl_set_thp_disable(arena_t *a, idx_t mm, bint thp_disable, uint64_t flags) noexcept nogil
cdef int prctl_get_thp_disable(arena_t *a, idx_t mm) noexcept nogil  # 0, or 1 with the flags
