# cython: language_level=3
"""The chunks of a process's heaps, from the first to the top, without touching one."""

from libc.stdint cimport int32_t, uint32_t, uint64_t

from vmtool.libc.peek cimport peek_t
from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

cdef enum:  # chunk_t.state
    CHUNK_LIVE  # the program has it
    CHUNK_FREE  # in a bin, or yet unsorted
    CHUNK_TOP
    CHUNK_TCACHE  # freed, in a thread's cache
    CHUNK_FASTBIN
    CHUNK_TABLE  # a thread's tcache_perthread_struct
    CHUNK_FENCE  # the end of a heap that was cut off

cdef struct chunk_t:
    vaddr_t p
    uint64_t size
    int32_t state
    int32_t bin  # index in its tcache, fastbins or bins; -1: none

cdef struct mark_t:  # a chunk that is in use by its neighbour's bit, but not by the program
    vaddr_t p
    int32_t state
    int32_t bin

cdef struct heap_walk_t:
    peek_t k
    mark_t *marks
    uint64_t nr_marks
    uint64_t cap_marks
    uint64_t next_mark
    vaddr_t at  # the next chunk
    vaddr_t end  # of this run of chunks
    vaddr_t av
    vaddr_t top
    vaddr_t heap  # of a thread's arena: the heap that is walked
    bint more  # arenas or heaps to come
    bint broken  # no memory for the marks
    vaddr_t broken_at  # a header whose size cannot be: what follows it cannot be found

# Begins at the main arena. The heap must not change until it is closed, which is the caller's also after a failure. 0, -ENOMEM: the host
# has none.
cdef int heap_walk_open(heap_walk_t *w, libc_t *l) noexcept nogil
# in *out; false at the end, or where sizes lead no further (w.broken_at)
cdef bint heap_walk_next(heap_walk_t *w, chunk_t *out) noexcept nogil
cdef void heap_walk_close(heap_walk_t *w) noexcept nogil
