# cython: language_level=3
"""The program's side of a call: its memory word by word through the MMU, and how it dies.

libc_t is one call of the program into its C library. `main_arena` is no page of the simulated memory: it is in the record of the
address space (libc_data_t), and stands at an address where nothing can be mapped, the page behind the last user address; a list
of chunks that comes back to its bin gets there by that address.
"""

from libc.setjmp cimport jmp_buf
from libc.stdint cimport uint32_t, uint64_t

from vmtool.libc.layout cimport SIZEOF_ARENA
from vmtool.mm.access cimport siginfo_t
from vmtool.mm.arena cimport arena_t
from vmtool.mm.libc_data cimport libc_data_t
from vmtool.mm.types cimport cpu_t, idx_t, task_t, vaddr_t

cdef enum:  # libc_call_t.kind
    CALL_BRK
    CALL_MMAP
    CALL_MUNMAP
    CALL_MREMAP
    CALL_MADVISE
    CALL_MPROTECT

cdef struct libc_call_t:  # a system call that malloc made
    int kind
    vaddr_t addr
    uint64_t length
    uint64_t arg  # mremap: the new length; madvise: the advice; mprotect: the protection; mmap: the flags
    uint64_t result  # address, 0 or -errno

cdef struct libc_t
ctypedef void (*call_fn)(libc_t *l, const libc_call_t *call) noexcept nogil

cdef struct libc_t:
    arena_t *a
    cpu_t *c
    libc_data_t *d
    task_t *t
    idx_t task
    idx_t mm
    vaddr_t main_arena
    bint looks  # nothing is changed, and nothing can die of it
    bint many_threads  # SINGLE_THREAD_P is false
    siginfo_t info
    int signo  # what the process died of; 0: it lives
    const char *message  # what the C library said before it aborted
    uint64_t nr_steps  # of the walks of this call: a list of damaged chunks may be a ring
    jmp_buf env
    call_fn on_call  # NULL: nobody listens
    void *ctx

# malloc_printerr(): SIGABRT. Precondition of this and all that touches the program's memory: the caller has set l.env (setjmp); where the
# process dies of it they do not return, but go back there with l.signo.
cdef void abort_with(libc_t *l, const char *message) noexcept nogil
cdef uint64_t memory_load(libc_t *l, vaddr_t at) noexcept nogil
cdef void memory_store(libc_t *l, vaddr_t at, uint64_t value) noexcept nogil
cdef void memory_fill(libc_t *l, vaddr_t at, int byte, uint64_t length) noexcept nogil
cdef void memory_copy(libc_t *l, vaddr_t to, vaddr_t at, uint64_t length) noexcept nogil
# One more of a walk that a damaged list could make endless. False: a look has gone on for too long (signo is set); a program dies of it.
cdef bint step(libc_t *l) noexcept nogil

cdef inline uint64_t ld64(libc_t *l, vaddr_t at) noexcept nogil:
    cdef uint64_t off = at - l.main_arena
    if off <= SIZEOF_ARENA - 8:
        return (<uint64_t *>(<char *>&l.d.main_arena + off))[0]
    return memory_load(l, at)

cdef inline void st64(libc_t *l, vaddr_t at, uint64_t value) noexcept nogil:
    cdef uint64_t off = at - l.main_arena
    if off <= SIZEOF_ARENA - 8:
        (<uint64_t *>(<char *>&l.d.main_arena + off))[0] = value
    else:
        memory_store(l, at, value)

# Halves and quarters of a word, at their natural alignment.
cdef inline uint32_t ld32(libc_t *l, vaddr_t at) noexcept nogil:
    return <uint32_t>(ld64(l, at & ~<uint64_t>7) >> ((at & 4) * 8))

cdef inline void st32(libc_t *l, vaddr_t at, uint32_t value) noexcept nogil:
    cdef vaddr_t word = at & ~<uint64_t>7
    cdef uint64_t shift = (at & 4) * 8
    st64(l, word, (ld64(l, word) & ~(<uint64_t>0xffffffff << shift)) | <uint64_t>value << shift)

cdef inline uint32_t ld16(libc_t *l, vaddr_t at) noexcept nogil:
    return <uint32_t>(ld64(l, at & ~<uint64_t>7) >> ((at & 6) * 8)) & 0xffff

cdef inline void st16(libc_t *l, vaddr_t at, uint32_t value) noexcept nogil:
    cdef vaddr_t word = at & ~<uint64_t>7
    cdef uint64_t shift = (at & 6) * 8
    st64(l, word, (ld64(l, word) & ~(<uint64_t>0xffff << shift)) | <uint64_t>(value & 0xffff) << shift)
