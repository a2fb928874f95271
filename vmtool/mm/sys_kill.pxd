# cython: language_level=3
"""kill(): what a signal does to a process that has no handlers, running or stopped. Counterpart: Linux v6.18 kernel/signal.c."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    NSIG = 64

cdef void exit_by_signal(arena_t *a, idx_t task, uint32_t signo) noexcept nogil  # the default action of one that ends: get_signal()
cdef void sys_kill(arena_t *a, idx_t task, uint32_t signo) noexcept nogil  # 1 to 64; 0 does nothing
