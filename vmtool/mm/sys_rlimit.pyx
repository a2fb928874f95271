# cython: language_level=3
"""setrlimit() and prlimit(). Counterpart: Linux v6.18 kernel/sys.c:do_prlimit(). What a limit does: mm_acct, and who asks rlimit().

Who may set another's limits is not judged: there is one user. In Linux the limits are the process's (signal_struct); here each thread has a copy.
"""

from vmtool.mm.arena cimport task_at, task_mut
from vmtool.mm.task cimport group_leader, next_thread

cdef enum:
    RLIMIT_NOFILE = 7
    NR_OPEN = 1048576  # sysctl_nr_open


cdef int do_prlimit(arena_t *a, idx_t task, uint32_t resource, const rlimit_t *new, rlimit_t *old, bint is_capable) noexcept nogil:
    cdef idx_t leader = group_leader(a, task), thread
    if resource >= NR_RLIMITS:
        return -EINVAL
    if new != NULL:
        if new.cur > new.max:
            return -EINVAL
        if resource == RLIMIT_NOFILE and new.max > NR_OPEN:
            return -EPERM
        if new.max > task_at(a, leader).rlim_max[resource] and not is_capable:
            return -EPERM
    if old != NULL:
        old.cur, old.max = task_at(a, leader).rlim_cur[resource], task_at(a, leader).rlim_max[resource]
    thread = next_thread(a, leader, 0) if new != NULL else 0
    while thread:
        task_mut(a, thread).rlim_cur[resource] = new.cur
        task_mut(a, thread).rlim_max[resource] = new.max
        thread = next_thread(a, leader, thread)
    return 0


cdef int set_soft_limit(arena_t *a, idx_t task, uint32_t resource, uint64_t limit) noexcept nogil:
    cdef rlimit_t r
    cdef int err = do_prlimit(a, task, resource, NULL, &r, True)
    if err:
        return err
    r.cur = limit
    r.max = max(r.max, limit)
    return do_prlimit(a, task, resource, &r, NULL, True)
