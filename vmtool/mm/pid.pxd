# cython: language_level=3
"""Numbers of processes. Counterpart: Linux v6.18 kernel/pid.c:alloc_pid(), find_task_by_vpid(); kernel/fork.c:set_max_threads()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    RESERVED_PIDS = 300  # after the highest number comes this one: those below are for what starts with the machine
    PID_MAX_MIN = RESERVED_PIDS + 1
    PID_MAX_LIMIT = 4 << 20

cdef uint32_t default_pid_max(uint32_t nr_cpus) noexcept nogil  # 32768, or 1024 a CPU if that is more
cdef uint32_t default_max_threads(uint64_t nr_bytes) noexcept nogil  # as many as an eighth of the memory has room for stacks
cdef idx_t find_task(arena_t *a, uint32_t pid) noexcept nogil  # 0: none
cdef uint32_t alloc_pid(arena_t *a) noexcept nogil  # the next free number; 0: all below pid_max are taken
