# cython: language_level=3
"""The life of an address space and of its process: create, fork, end."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef idx_t mm_alloc(arena_t *a) noexcept nogil  # an empty address space, users 1; 0: no memory
cdef void mmput(arena_t *a, idx_t mm) noexcept nogil  # the last user's goodbye frees everything
# The child's task, at the same place of the program; share_mm: vfork(), both have the space. Precondition: the parent is live; pid: 0 is
# the next free one. -EAGAIN: too many tasks, or the PID is taken; -ENOMEM: nothing is left of it, but the parent's entries are read-only.
cdef int64_t do_fork(arena_t *a, idx_t parent, uint32_t pid, bint share_mm) noexcept nogil
# The thread's task; sp: of its own stack, 0 for none. -EAGAIN, -ENOMEM: as do_fork().
cdef int64_t clone_thread(arena_t *a, idx_t task, uint32_t pid, vaddr_t sp) noexcept nogil
# of the whole process, with its threads; code: wait status. The task's record is free then, and the space's, if nobody else has that
cdef void do_exit(arena_t *a, idx_t any_thread, int code) noexcept nogil
# the CPU runs this task: CR3, or what the architecture has, is its space's
cdef void switch_mm(arena_t *a, idx_t task, uint32_t cpu) noexcept nogil
# An area of its own, never merged; takes a reference of the file; 0: no memory.
cdef idx_t insert_area(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end, uint64_t vm_flags, uint64_t pgoff, idx_t file, uint32_t kind) noexcept nogil

cdef inline uint32_t rss_stat_bytes(arena_t *a) noexcept nogil:
    """pcpu_obj_full_size() of mm_struct.rss_stat: four int32_t a CPU, and a pointer to who pays for each four bytes."""
    return 16 * a.m.nr_cpus + 4 * 8
