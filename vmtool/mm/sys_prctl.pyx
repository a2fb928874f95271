# cython: language_level=3
"""prctl(PR_SET_THP_DISABLE) and its PR_GET_. Counterpart: Linux v6.18 kernel/sys.c:prctl_set_thp_disable(), prctl_get_thp_disable().

Who obeys: mthp.thp_vma_allowable_orders() and its kin. A child has the flags too; execve() keeps them.
"""

from vmtool.mm.arena cimport mm_at, mm_mut


cdef int prctl_set_thp_disable(arena_t *a, idx_t mm, bint thp_disable, uint64_t flags) noexcept nogil:
    if flags & ~<uint64_t>PR_THP_DISABLE_EXCEPT_ADVISED or (flags and not thp_disable):
        return -EINVAL
    mm_mut(a, mm).flags &= ~<uint32_t>(MMF_DISABLE_THP | MMF_DISABLE_THP_EXCEPT_ADVISED)
    if thp_disable:
        mm_mut(a, mm).flags |= MMF_DISABLE_THP_EXCEPT_ADVISED if flags else MMF_DISABLE_THP
    return 0


cdef int prctl_get_thp_disable(arena_t *a, idx_t mm) noexcept nogil:
    if mm_at(a, mm).flags & MMF_DISABLE_THP:
        return 1
    return 1 | PR_THP_DISABLE_EXCEPT_ADVISED if mm_at(a, mm).flags & MMF_DISABLE_THP_EXCEPT_ADVISED else 0
