# cython: language_level=3
"""What an address space may have and has: limits, statistics by area, commit charge.

Counterpart: Linux v6.18 mm/mmap.c:may_expand_vm(), vm_stat_account(), mlock_future_ok(); mm/util.c:__vm_enough_memory(),
vm_commit_limit(). Every process is without privileges: it leaves the administrator's reserve alone.
"""

from vmtool.mm.arena cimport task_at


cdef uint64_t rlimit(arena_t *a, uint32_t resource) noexcept nogil:
    if a.task == 0:
        return <uint64_t>-1
    return task_at(a, a.task).rlim_cur[resource]


cdef void vm_stat_account(mm_t *m, uint64_t vm_flags, int64_t nr_pages) noexcept nogil:
    m.total_vm += nr_pages
    if is_exec_mapping(vm_flags):
        m.exec_vm += nr_pages
    elif vm_flags & VM_GROWSDOWN:
        m.stack_vm += nr_pages
    elif is_data_mapping(vm_flags):
        m.data_vm += nr_pages


cdef bint may_expand_vm(arena_t *a, idx_t mm, uint64_t vm_flags, uint64_t nr_pages) noexcept nogil:
    cdef mm_t *m = mm_at(a, mm)
    cdef uint64_t data
    if m.total_vm + nr_pages > rlimit(a, RLIMIT_AS) >> a.m.arch.page_shift:
        return False
    if is_data_mapping(vm_flags):
        data = rlimit(a, RLIMIT_DATA)
        if m.data_vm + nr_pages > data >> a.m.arch.page_shift:
            # A limit of 0 is taken for valgrind's trick: then the hard limit counts.
            return data == 0 and a.task != 0 and m.data_vm + nr_pages <= task_at(a, a.task).rlim_max[RLIMIT_DATA] >> a.m.arch.page_shift
    return True


cdef bint mlock_future_ok(arena_t *a, idx_t mm, uint64_t vm_flags, uint64_t nr_bytes) noexcept nogil:
    if not vm_flags & VM_LOCKED:
        return True
    return (nr_bytes >> a.m.arch.page_shift) + mm_at(a, mm).locked_vm <= rlimit(a, RLIMIT_MEMLOCK) >> a.m.arch.page_shift


cdef uint64_t hugetlb_total_pages(arena_t *a) noexcept nogil:
    """The order of the default's stands nowhere in files from before the others were."""
    cdef uint64_t n = <uint64_t>a.m.hstate[0].nr_huge_pages << (a.m.arch.level_shift[1] - a.m.arch.page_shift)
    cdef uint32_t h
    n += <uint64_t>a.m.hstate[1].nr_huge_pages << (a.m.hstate[1].order & 31)
    for h in range(NR_HSTATES - 2):
        n += <uint64_t>a.m.hstate_more[h].nr_huge_pages << (a.m.hstate_more[h].order & 31)
    return n


cdef uint64_t commit_limit(arena_t *a) noexcept nogil:
    cdef uint64_t allowed
    if a.m.overcommit_kbytes:
        allowed = a.m.overcommit_kbytes >> (a.m.arch.page_shift - 10)
    else:
        allowed = (a.m.totalram_pages - min(hugetlb_total_pages(a), a.m.totalram_pages)) * a.m.overcommit_ratio // 100
    return allowed + <uint64_t>a.m.total_swap_pages


cdef int vm_enough_memory(arena_t *a, idx_t mm, int64_t nr_pages) noexcept nogil:
    cdef int64_t allowed, reserve
    a.m.vm_committed_as += nr_pages
    if a.m.overcommit_memory == OVERCOMMIT_ALWAYS:
        return 0
    if a.m.overcommit_memory == OVERCOMMIT_GUESS:
        if nr_pages <= <int64_t>(a.m.totalram_pages + <uint64_t>a.m.total_swap_pages):
            return 0
        a.m.vm_committed_as -= nr_pages
        return -ENOMEM
    allowed = <int64_t>commit_limit(a)
    if a.task:  # no process here has CAP_SYS_ADMIN; who stands outside has
        allowed -= <int64_t>(a.m.admin_reserve_kbytes >> (a.m.arch.page_shift - 10))
    if mm:
        # A part of the limit is kept so that one process cannot take it all.
        reserve = <int64_t>(a.m.user_reserve_kbytes >> (a.m.arch.page_shift - 10))
        if <int64_t>(mm_at(a, mm).total_vm // 32) < reserve:
            reserve = <int64_t>(mm_at(a, mm).total_vm // 32)
        allowed -= reserve
    if a.m.vm_committed_as < allowed:
        return 0
    a.m.vm_committed_as -= nr_pages
    return -ENOMEM
