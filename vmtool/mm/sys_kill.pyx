# cython: language_level=3
"""kill(): end, stop, go on, or wait until the process goes on.

    running   STOP TSTP TTIN TTOU -> stopped, off its CPU      CHLD CONT URG WINCH -> nothing      any other -> the process ends
    stopped   KILL -> the process ends      CONT -> stop signals that wait are dropped, it goes on, and the first that waits ends it
              any other -> it waits (ShdPnd), but those that would be ignored anyway
Counterpart: Linux v6.18 kernel/signal.c:prepare_signal(), complete_signal(), next_signal(), do_signal_stop().
Simplified: no handlers, no masks, no process groups: the default action is taken.
"""

from vmtool.mm.arena cimport cpu_mut, task_at, task_mut
from vmtool.mm.mm cimport do_exit
from vmtool.mm.task cimport group_leader, next_thread

cdef enum:
    SIGCONT = 18


cdef inline uint64_t sigmask(uint32_t signo) noexcept nogil:
    return <uint64_t>1 << (signo - 1)

cdef uint64_t CORE_SIGNALS = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 23 | 1 << 24 | 1 << 30  # QUIT ILL TRAP ABRT BUS FPE SEGV XCPU XFSZ SYS
cdef uint64_t IGNORED_SIGNALS = 1 << 16 | 1 << 17 | 1 << 22 | 1 << 27  # CHLD CONT URG WINCH
cdef uint64_t STOP_SIGNALS = 1 << 18 | 1 << 19 | 1 << 20 | 1 << 21  # STOP TSTP TTIN TTOU
cdef uint64_t SYNCHRONOUS = 1 << 3 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 30  # ILL TRAP BUS FPE SEGV SYS: taken first


cdef void do_signal_stop(arena_t *a, idx_t leader) noexcept nogil:
    """Each thread leaves its CPU, whose tables stay as they are (lazy TLB)."""
    cdef idx_t t = next_thread(a, leader, 0)
    while t:
        if cpu_mut(a, task_at(a, t).cpu).task == t:
            cpu_mut(a, task_at(a, t).cpu).task = 0
        task_mut(a, t).state = c'T'
        t = next_thread(a, leader, t)


cdef void exit_by_signal(arena_t *a, idx_t task, uint32_t signo) noexcept nogil:
    do_exit(a, task, signo | (0x80 if sigmask(signo) & CORE_SIGNALS else 0))


cdef void go_on(arena_t *a, idx_t task) noexcept nogil:
    cdef task_t *t = task_mut(a, task)
    cdef uint64_t pending = t.shared_pending & ~STOP_SIGNALS
    cdef uint32_t signo = 1
    cdef idx_t thread = next_thread(a, task, 0)
    t.shared_pending = 0
    while thread:
        task_mut(a, thread).state = c'S'
        thread = next_thread(a, task, thread)
    if pending & SYNCHRONOUS:
        pending &= SYNCHRONOUS
    if pending:
        while not pending & sigmask(signo):
            signo += 1
        exit_by_signal(a, task, signo)


cdef void sys_kill(arena_t *a, idx_t any_thread, uint32_t signo) noexcept nogil:
    cdef idx_t task = group_leader(a, any_thread)
    cdef bint stopped = task_at(a, task).state == c'T'
    if signo == 0 or signo > NSIG:
        return
    if signo == SIGKILL:
        exit_by_signal(a, task, signo)
    elif signo == SIGCONT and stopped:
        go_on(a, task)
    elif sigmask(signo) & IGNORED_SIGNALS:
        return
    elif stopped:
        task_mut(a, task).shared_pending |= sigmask(signo)
    elif sigmask(signo) & STOP_SIGNALS:
        do_signal_stop(a, task)
    else:
        exit_by_signal(a, task, signo)
