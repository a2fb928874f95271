# cython: language_level=3
"""How much of a heap is live, kept, free and lost to fragmentation; its bins; and what lies where."""

from libc.stdint cimport uint8_t, uint64_t

from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

cdef enum:
    NR_STATES = 7  # chunk_t.state

cdef struct heap_stats_t:
    uint64_t nr[NR_STATES]  # chunks, by state
    uint64_t bytes[NR_STATES]
    uint64_t largest_free  # bytes of the largest chunk in a bin
    uint64_t pinned  # bytes of the main arena below its last live chunk that are not live: a lower break cannot give them back
    uint64_t droppable  # of all free chunks: bytes in whole pages, which malloc_trim() drops
    vaddr_t broken_at  # a header that cannot be; 0: all lead to the top

cdef struct bin_count_t:
    uint64_t nr
    uint64_t bytes

cdef int heap_stats(libc_t *l, heap_stats_t *out) noexcept nogil  # 0, -1: the host has no memory
# Marks in `cells` (nr bytes) what each `unit` bytes from `start` hold: bit of the chunks' state. 0, -1: the host has no memory.
cdef int heap_cells(libc_t *l, vaddr_t start, uint64_t unit, uint64_t nr, uint8_t *cells) noexcept nogil
