# cython: language_level=3
"""What the kernel allocates for a task: objects, credentials, a kernel stack, its place among the PIDs."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# All of a process's, or (cred: its leader's) those that a thread has of its own. 0 or -ENOMEM, then nothing is taken.
cdef int task_objects_alloc(arena_t *a, idx_t task, idx_t cred) noexcept nogil
cdef void task_objects_free(arena_t *a, idx_t task) noexcept nogil  # what task_objects_alloc() gave, or a part of it
cdef int pid_attach(arena_t *a, uint32_t pid) noexcept nogil  # 0, -ENOMEM: no node
cdef void pid_detach(arena_t *a, uint32_t pid) noexcept nogil  # the PID is free
cdef void commit_creds(arena_t *a, idx_t task, idx_t fresh) noexcept nogil  # exec: the task's old ones live on with the files that it opened
cdef int futex_hash_alloc(arena_t *a, idx_t mm) noexcept nogil  # with the second task that runs in a space; 0 or -ENOMEM
cdef void futex_hash_free(arena_t *a, idx_t mm) noexcept nogil
