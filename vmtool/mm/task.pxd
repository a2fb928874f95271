# cython: language_level=3
"""Tasks: the record of a process or of a thread, with its kernel objects and stack."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# Pid 0: the next free; leader 0: a process, else a thread of it. 0: *err is ENOMEM, no memory, or EAGAIN: threads-max, no PID is free, or
# the PID is too high; else *err is 0. Counts: nr_tasks.
cdef idx_t task_alloc(arena_t *a, uint32_t pid, uint32_t ppid, idx_t leader, int *err) noexcept nogil
# its record, objects, PID and stack. Preconditions: it runs nowhere and has no address space
cdef void task_free(arena_t *a, idx_t task) noexcept nogil
cdef void exit_files(arena_t *a, idx_t task) noexcept nogil
cdef idx_t group_leader(arena_t *a, idx_t task) noexcept nogil  # itself, of a process
cdef idx_t next_thread(arena_t *a, idx_t leader, idx_t after) noexcept nogil  # of its group, in the order of the records, itself among them; after 0: the first; 0: no more
cdef void exit_thread(arena_t *a, idx_t task) noexcept nogil  # not a leader: its faults stay with the process
cdef void end_threads(arena_t *a, idx_t leader) noexcept nogil  # all but the leader
cdef void group_faults(arena_t *a, idx_t leader, uint64_t *min_flt, uint64_t *maj_flt) noexcept nogil  # of all its threads, those that have ended among them

# What the record has no names for yet: faults of threads that have ended, and the top of a thread's own stack (0: the address space's).
cdef inline uint64_t *sig_min_flt(task_t *t) noexcept nogil:
    return &t.pad[0]

cdef inline uint32_t *sig_maj_flt(task_t *t) noexcept nogil:
    return &t.pad0

cdef inline uint64_t *thread_sp(task_t *t) noexcept nogil:
    return &t.pad[1]
