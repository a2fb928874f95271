# cython: language_level=3
"""A trace of a program's calls, replayed: one operation a line."""

from libc.stdint cimport int64_t, uint64_t

from vmtool.libc.blocks cimport blocks_t
from vmtool.libc.text cimport text_t
from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

cdef struct counts_t:  # of system calls and operations
    uint64_t ops
    uint64_t brk
    uint64_t mmap
    uint64_t munmap
    uint64_t mremap
    uint64_t madvise
    uint64_t mprotect

cdef struct heaptrace_t:
    libc_t l
    blocks_t blocks
    text_t log
    text_t calls
    counts_t counts
    bint with_log
    bint with_calls
    bint foreign  # the program moved the break itself: chunks do not lie side by side any more
    vaddr_t heap_start
    uint64_t line  # of the trace, from 1
    uint64_t stop_at  # operations after which a feed ends; 0: it does not
    const char *wrong  # why that line cannot be; NULL: nothing is wrong
    # the line in hand
    const char *at
    const char *end

# Lines of the trace, whole ones. 0, with `at` behind the last that was done; -1: `wrong` says why, or the process died (l.signo).
cdef int heaptrace_feed(heaptrace_t *t, const char *text, uint64_t len) noexcept nogil
cdef void heaptrace_free(heaptrace_t *t) noexcept nogil
