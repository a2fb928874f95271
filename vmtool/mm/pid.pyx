# cython: language_level=3
"""Numbers of processes: given out upwards, a free one again only when the highest was reached.

    1 2 3 .. 300 .. pid_max-1      the next is one above the last; behind pid_max-1 comes 300, not 1
Counterpart: Linux v6.18 kernel/pid.c:alloc_pid() (idr_alloc_cyclic()), pid_idr_init().
"""

from vmtool.mm.arena cimport rec_at

cdef enum:
    PID_MAX_DEFAULT = 0x8000
    PIDS_PER_CPU_DEFAULT = 1024
    THREAD_BYTES = 16384
    MIN_THREADS = 20


cdef uint32_t default_pid_max(uint32_t nr_cpus) noexcept nogil:
    return max(<uint32_t>PID_MAX_DEFAULT, PIDS_PER_CPU_DEFAULT * nr_cpus)


cdef uint32_t default_max_threads(uint64_t nr_bytes) noexcept nogil:
    return <uint32_t>min(max(nr_bytes // (THREAD_BYTES * 8), <uint64_t>MIN_THREADS), <uint64_t>0x3fffffff)


cdef idx_t find_task(arena_t *a, uint32_t pid) noexcept nogil:
    if pid == 0 or pid >= a.pool[POOL_PID].count:
        return 0
    return (<uint32_t *>rec_at(a, POOL_PID, pid))[0]


cdef uint32_t free_pid(arena_t *a, uint32_t first, uint32_t end) noexcept nogil:
    while first < end and find_task(a, first):
        first += 1
    return first if first < end else 0


cdef uint32_t alloc_pid(arena_t *a) noexcept nogil:
    cdef uint32_t pid_min = RESERVED_PIDS if a.m.next_pid > RESERVED_PIDS else 1
    cdef uint32_t pid_max = a.m.pid_max if a.m.pid_max else default_pid_max(a.m.nr_cpus)
    cdef uint32_t pid = free_pid(a, max(a.m.next_pid, pid_min), pid_max)
    if pid == 0:
        pid = free_pid(a, pid_min, pid_max)
    if pid:
        a.m.next_pid = pid + 1
    return pid
