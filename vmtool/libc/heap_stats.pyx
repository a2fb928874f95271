"""Figures of fragmentation. A hole is a free chunk between others; the top is none, because any request can be cut from it, and the break can take it."""

from libc.string cimport memset

from vmtool.libc.chunk cimport PAGE, SIZEOF_CHUNK, align_up
from vmtool.libc.heap_walk cimport *


cdef inline uint64_t whole_pages(const chunk_t *c) noexcept nogil:
    """As malloc_trim() counts: behind the words of a large chunk."""
    cdef vaddr_t first = align_up(c.p + SIZEOF_CHUNK, PAGE), end = (c.p + c.size) & ~<uint64_t>(PAGE - 1)
    return end - first if end > first else 0


cdef int heap_stats(libc_t *l, heap_stats_t *out) noexcept nogil:
    cdef heap_walk_t w
    cdef chunk_t c
    cdef uint64_t idle = 0
    memset(out, 0, sizeof(heap_stats_t))
    if heap_walk_open(&w, l) < 0:
        heap_walk_close(&w)
        return -1
    while heap_walk_next(&w, &c):
        out.nr[c.state] += 1
        out.bytes[c.state] += c.size
        if c.state == CHUNK_FREE:
            out.largest_free = max(out.largest_free, c.size)
            out.droppable += whole_pages(&c)
        if w.av == l.main_arena:
            if c.state == CHUNK_LIVE:
                out.pinned += idle
                idle = 0
            elif c.state != CHUNK_TABLE:
                idle += c.size
    out.broken_at = w.broken_at
    heap_walk_close(&w)
    return 0


cdef int heap_cells(libc_t *l, vaddr_t start, uint64_t unit, uint64_t nr, uint8_t *cells) noexcept nogil:
    cdef heap_walk_t w
    cdef chunk_t c
    cdef uint64_t first, last
    memset(cells, 0, nr)
    if heap_walk_open(&w, l) < 0:
        heap_walk_close(&w)
        return -1
    while heap_walk_next(&w, &c):
        if c.p < start or (c.p - start) // unit >= nr:
            continue
        first = (c.p - start) // unit
        last = min((c.p + c.size - 1 - start) // unit, nr - 1)
        while first <= last:
            cells[first] |= <uint8_t>(1 << c.state)
            first += 1
    heap_walk_close(&w)
    return 0
