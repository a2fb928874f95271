"""Loads and stores of the C library, and the end of a process that one of them, or the library itself, brings about.

A call that ends so does not come back through its callers, as it would not in the program: die() jumps to where the door called.
Nothing on the way holds anything: all state is in records and simulated memory.
"""

from libc.setjmp cimport longjmp

from vmtool.mm.access cimport copy_bytes, fill_bytes, load_u64, store_u64
from vmtool.mm.types cimport SIGKILL

cdef enum:
    SIGABRT = 6

cdef uint64_t SURELY_HONEST = 1 << 24  # steps


cdef void die(libc_t *l, int signo, const char *message) noexcept nogil:
    """Does not return."""
    l.signo = signo
    l.message = message
    longjmp(l.env, 1)


cdef void abort_with(libc_t *l, const char *message) noexcept nogil:
    die(l, SIGABRT, message)


cdef uint64_t memory_load(libc_t *l, vaddr_t at) noexcept nogil:
    cdef uint64_t value = 0
    if load_u64(l.a, l.c, l.task, at, &value, &l.info) < 0:
        die(l, l.info.signo, NULL)
    return value


cdef void memory_store(libc_t *l, vaddr_t at, uint64_t value) noexcept nogil:
    if store_u64(l.a, l.c, l.task, at, value, &l.info) < 0:
        die(l, l.info.signo, NULL)


cdef void memory_fill(libc_t *l, vaddr_t at, int byte, uint64_t length) noexcept nogil:
    if fill_bytes(l.a, l.task, at, byte, length, &l.info) < 0:
        die(l, l.info.signo, NULL)


cdef void memory_copy(libc_t *l, vaddr_t to, vaddr_t at, uint64_t length) noexcept nogil:
    if copy_bytes(l.a, l.task, to, at, length, &l.info) < 0:
        die(l, l.info.signo, NULL)


cdef bint step(libc_t *l) noexcept nogil:
    # A ring of damaged chunks would keep the program busy for ever; someone ends it.
    l.nr_steps += 1
    if l.nr_steps > SURELY_HONEST + (l.d.main_arena.system_mem >> 5):
        if l.looks:
            l.signo = SIGKILL
            return False
        die(l, SIGKILL, "a list of chunks goes round for ever")
    return True
