# cython: language_level=3
"""Tasks: the record of a process or of a thread, its place among the PIDs and in its group. What the kernel allocates for it: task_objects.

    process   its own leader: tgid == pid; without a parent its limits are INIT_RLIMITS (include/asm-generic/resource.h)
    thread    tgid is its leader's pid, whose mm, files, limits and signals are its own, too
Counterpart: Linux v6.18 kernel/fork.c:copy_process(), kernel/exit.c:release_task(), kernel/signal.c:zap_other_threads().
Simplified: a leader ends with all its threads: none stays behind as a zombie.
Invariants (fsck_space): a thread's leader is there and has the same mm; a leader counts its threads, itself included.
"""

from vmtool.mm.arena cimport arena_resize, cpu_mut, file_at, mm_mut, rec_alloc, rec_free, rec_mut, task_at, task_mut
from vmtool.mm.pagecache cimport fput
from vmtool.mm.pkeys cimport has_pkeys
from vmtool.mm.pid cimport alloc_pid, find_task
from vmtool.mm.task_objects cimport pid_attach, pid_detach, task_objects_alloc, task_objects_free

cdef enum:  # what limits; those that act have their names in flags.pxd
    RLIMIT_CORE = 4
    RLIMIT_NPROC = 6
    RLIMIT_NOFILE = 7
    RLIMIT_SIGPENDING = 11
    RLIMIT_MSGQUEUE = 12
    RLIMIT_NICE = 13
    RLIMIT_RTPRIO = 14
    STACK_LIMIT = 8 << 20  # _STK_LIM
    MLOCK_LIMIT = 8 << 20
    INR_OPEN_CUR = 1024
    INR_OPEN_MAX = 4096
    MQ_BYTES_MAX = 819200
    NOBODY = 65534  # whose processes those without a parent are


cdef void rlim_init(task_t *t, int resource, uint64_t cur, uint64_t max) noexcept nogil:
    t.rlim_cur[resource], t.rlim_max[resource] = cur, max


cdef void init_task(const machine_t *m, task_t *t) noexcept nogil:
    """What a process has of no parent: INIT_RLIMITS, and of fork_init() half as many processes and signals as there may be threads."""
    cdef uint64_t infinity = <uint64_t>-1
    cdef int i
    for i in range(NR_RLIMITS):
        rlim_init(t, i, infinity, infinity)
    rlim_init(t, RLIMIT_STACK, STACK_LIMIT, infinity)
    rlim_init(t, RLIMIT_CORE, 0, infinity)
    rlim_init(t, RLIMIT_NPROC, m.max_threads // 2, m.max_threads // 2)
    rlim_init(t, RLIMIT_NOFILE, INR_OPEN_CUR, INR_OPEN_MAX)
    rlim_init(t, RLIMIT_MEMLOCK, MLOCK_LIMIT, MLOCK_LIMIT)
    rlim_init(t, RLIMIT_SIGPENDING, m.max_threads // 2, m.max_threads // 2)
    rlim_init(t, RLIMIT_MSGQUEUE, MQ_BYTES_MAX, MQ_BYTES_MAX)
    rlim_init(t, RLIMIT_NICE, 0, 0)
    rlim_init(t, RLIMIT_RTPRIO, 0, 0)
    t.uid = NOBODY


cdef idx_t group_leader(arena_t *a, idx_t task) noexcept nogil:
    cdef task_t *t = task_at(a, task)
    return task if t.tgid == t.pid else find_task(a, t.tgid)


cdef idx_t next_thread(arena_t *a, idx_t leader, idx_t after) noexcept nogil:
    cdef uint32_t tgid = task_at(a, leader).pid
    cdef idx_t i = after + 1
    if task_at(a, leader).nr_threads <= 1:
        return leader if after < leader else 0
    while i < a.pool[POOL_TASK].count:
        if task_at(a, i).tgid == tgid:
            return i
        i += 1
    return 0


cdef idx_t task_alloc(arena_t *a, uint32_t pid, uint32_t ppid, idx_t leader, int *err) noexcept nogil:
    """copy_process() without the address space: memory is asked for before the count of threads and the PID are looked at."""
    cdef idx_t t
    cdef task_t *task
    err[0] = ENOMEM
    t = rec_alloc(a, POOL_TASK)
    if t == 0:
        return 0
    if task_objects_alloc(a, t, task_at(a, leader).cred if leader else 0) < 0:
        rec_free(a, POOL_TASK, t)
        return 0
    err[0] = EAGAIN
    if a.m.max_threads == 0 or a.m.nr_tasks < a.m.max_threads:
        pid = pid if pid else alloc_pid(a)
        if pid and arena_resize(a, POOL_PID, pid + 1) == 0:
            err[0] = -pid_attach(a, pid)
    if err[0]:
        task_objects_free(a, t)
        rec_free(a, POOL_TASK, t)
        return 0
    task = task_mut(a, t)
    task.pid = pid
    task.tgid = task_at(a, leader).pid if leader else pid
    task.ppid = ppid
    task.state = c'S'
    task.nr_threads = 1
    task.pkru = INIT_PKRU if has_pkeys(a) else 0
    task.start_time = a.m.clock
    init_task(a.m, task)
    (<uint32_t *>rec_mut(a, POOL_PID, pid))[0] = t
    a.m.nr_tasks += 1
    if leader:
        task_mut(a, leader).nr_threads += 1
    return t


cdef void exit_files(arena_t *a, idx_t task) noexcept nogil:
    cdef idx_t f = task_at(a, task).files, next
    while f:
        next = file_at(a, f).next
        fput(a, f)
        f = next
    task_mut(a, task).files = 0


cdef void task_free(arena_t *a, idx_t t) noexcept nogil:
    cpu_mut(a, a.cpu).dirty_throttle_leaks += task_at(a, t).nr_dirtied
    task_objects_free(a, t)
    pid_detach(a, task_at(a, t).pid)
    (<uint32_t *>rec_mut(a, POOL_PID, task_at(a, t).pid))[0] = 0
    a.m.nr_tasks -= 1
    rec_free(a, POOL_TASK, t)


cdef void exit_thread(arena_t *a, idx_t t) noexcept nogil:
    cdef task_t *task = task_mut(a, t)
    cdef task_t *leader = task_mut(a, group_leader(a, t))
    if cpu_mut(a, task.cpu).task == t:
        cpu_mut(a, task.cpu).task = 0  # whose tables stay (lazy TLB)
    if task.mm:
        mm_mut(a, task.mm).users -= 1  # the leader is one still
    leader.nr_threads -= 1
    sig_min_flt(leader)[0] += task.min_flt
    sig_maj_flt(leader)[0] += <uint32_t>task.maj_flt
    task_free(a, t)


cdef void end_threads(arena_t *a, idx_t leader) noexcept nogil:
    cdef idx_t t = 0
    while task_at(a, leader).nr_threads > 1 and (t := next_thread(a, leader, t)):
        if t != leader:
            exit_thread(a, t)


cdef void group_faults(arena_t *a, idx_t leader, uint64_t *min_flt, uint64_t *maj_flt) noexcept nogil:
    cdef idx_t t = next_thread(a, leader, 0)
    min_flt[0], maj_flt[0] = sig_min_flt(task_at(a, leader))[0], sig_maj_flt(task_at(a, leader))[0]
    while t:
        min_flt[0] += task_at(a, t).min_flt
        maj_flt[0] += task_at(a, t).maj_flt
        t = next_thread(a, leader, t)
