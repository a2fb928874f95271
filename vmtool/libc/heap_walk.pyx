"""A walk by the sizes in the headers, as `heap` and the end of a trace show it.

A free chunk is told by its follower's PREV_INUSE; what the tcaches and fastbins hold is in use by that bit, and is marked before. The
main arena's chunks are between the first break that malloc got and the break, as far as they lie side by side; where the program moved the
break, or a mapping continues the heap, the walk goes on behind the fenceposts only if the headers there lead to the top. Each heap of a
thread's arena is walked by itself.
"""

from libc.stdlib cimport free, qsort, realloc

from vmtool.libc.chunk cimport *
from vmtool.libc.heaps cimport heap_for_ptr
from vmtool.libc.peek cimport peek64, peek_open
from vmtool.libc.words cimport step
from vmtool.mm.arena cimport task_at
from vmtool.mm.types cimport ENOMEM, POOL_TASK, idx_t

cdef uint64_t MOST_MARKS = 1 << 26


cdef void mark(heap_walk_t *w, vaddr_t p, int32_t state, int32_t bin) noexcept nogil:
    cdef mark_t *grown
    if w.nr_marks == w.cap_marks:
        grown = <mark_t *>realloc(w.marks, (w.cap_marks * 2 + 256) * sizeof(mark_t))
        if grown == NULL or w.nr_marks > MOST_MARKS:
            w.broken = True
            return
        w.marks = grown
        w.cap_marks = w.cap_marks * 2 + 256
    w.marks[w.nr_marks].p = p
    w.marks[w.nr_marks].state = state
    w.marks[w.nr_marks].bin = bin
    w.nr_marks += 1


cdef void mark_list(heap_walk_t *w, vaddr_t at, uint64_t link, uint64_t most, int32_t state, int32_t bin) noexcept nogil:
    """A list with protected pointers: a tcache's of blocks, whose first word is the link, or a fastbin's of chunks."""
    while at and most and not misaligned(at) and not w.broken:
        mark(w, at + link - CHUNK_HDR_SZ, state, bin)
        at = protect_ptr(at + link, peek64(&w.k, at + link))
        most -= 1


cdef void mark_tcache(heap_walk_t *w, vaddr_t table) noexcept nogil:
    cdef uint64_t i
    mark(w, mem2chunk(table), CHUNK_TABLE, -1)
    for i in range(TCACHE_MAX_BINS):
        mark_list(w, peek64(&w.k, table + TCACHE_ENTRIES + i * 8), 0, MAX_TCACHE_COUNT + 1, CHUNK_TCACHE, <int32_t>i)


cdef int by_address(const void *a, const void *b) noexcept nogil:
    cdef vaddr_t p = (<const mark_t *>a).p, q = (<const mark_t *>b).p
    return (p > q) - (p < q)


cdef void open_arena(heap_walk_t *w, vaddr_t av) noexcept nogil:
    cdef libc_t *l = w.k.l
    w.av = av
    w.top = peek64(&w.k, av + AV_TOP)
    if av == l.main_arena:
        w.heap = 0
        w.at = align_up(l.d.mp.sbrk_base, MALLOC_ALIGNMENT)
        w.end = w.top + (peek64(&w.k, w.top + OFF_SIZE) & ~<uint64_t>SIZE_BITS)
        if w.top == initial_top(av):
            w.at = w.end
    else:
        w.heap = heap_for_ptr(w.top)
        open_heap(w)


cdef void open_heap(heap_walk_t *w) noexcept nogil:
    w.at = w.heap + SIZEOF_HEAP_INFO
    w.end = w.heap + peek64(&w.k, w.heap + HEAP_SIZE)
    if w.at == w.av:
        w.at = align_up(w.av + SIZEOF_ARENA, MALLOC_ALIGNMENT)


cdef bint next_run(heap_walk_t *w) noexcept nogil:
    """The heap before in the same arena, else the next arena. The runs do not ascend, so the marks are searched anew."""
    cdef vaddr_t before
    w.next_mark = 0
    if not step(w.k.l):
        return False
    if w.heap:
        before = peek64(&w.k, w.heap + HEAP_PREV)
        if before and w.heap + SIZEOF_HEAP_INFO != w.av:
            w.heap = before
            open_heap(w)
            return True
    w.av = peek64(&w.k, w.av + AV_NEXT)
    if w.av == w.k.l.main_arena or w.av == 0:
        return False
    open_arena(w, w.av)
    return True


cdef int heap_walk_open(heap_walk_t *w, libc_t *l) noexcept nogil:
    cdef vaddr_t av = l.main_arena
    cdef idx_t t
    cdef uint32_t i
    peek_open(&w.k, l)
    w.marks = NULL
    w.nr_marks = w.cap_marks = w.next_mark = 0
    w.broken = False
    w.broken_at = 0
    w.at = w.end = 0
    w.av = av
    w.heap = 0
    w.more = l.d.initialized != 0
    if not w.more:
        return 0
    for t in range(1, l.a.pool[POOL_TASK].count):
        if task_at(l.a, t).mm == l.mm and task_at(l.a, t).tcache:
            mark_tcache(w, task_at(l.a, t).tcache)
    while not w.broken:
        for i in range(NFASTBINS):
            av_list(w, av, i)
        av = peek64(&w.k, av + AV_NEXT)
        if av == l.main_arena or av == 0 or not step(l):
            break
    if w.broken:
        return -ENOMEM
    qsort(w.marks, w.nr_marks, sizeof(mark_t), by_address)
    open_arena(w, l.main_arena)
    return 0


cdef void av_list(heap_walk_t *w, vaddr_t av, uint32_t i) noexcept nogil:
    mark_list(w, peek64(&w.k, fastbin_at(av, i)), OFF_FD, MOST_MARKS, CHUNK_FASTBIN, <int32_t>i)


cdef const mark_t *mark_of(heap_walk_t *w, vaddr_t p) noexcept nogil:
    while w.next_mark < w.nr_marks and w.marks[w.next_mark].p < p:
        w.next_mark += 1
    return &w.marks[w.next_mark] if w.next_mark < w.nr_marks and w.marks[w.next_mark].p == p else NULL


cdef void state_of(heap_walk_t *w, chunk_t *c) noexcept nogil:
    cdef const mark_t *m
    c.bin = -1
    if c.p == w.top:
        c.state = CHUNK_TOP
    elif c.size < MINSIZE:
        c.state = CHUNK_FENCE
    elif not peek64(&w.k, c.p + c.size + OFF_SIZE) & PREV_INUSE:
        c.state = CHUNK_FREE
        c.bin = <int32_t>bin_index(c.size)
    else:
        m = mark_of(w, c.p)
        c.state = CHUNK_LIVE if m == NULL else m.state
        c.bin = -1 if m == NULL else m.bin


cdef bint heap_walk_next(heap_walk_t *w, chunk_t *out) noexcept nogil:
    while w.more:
        if w.at < w.end:
            out.p = w.at
            out.size = peek64(&w.k, w.at + OFF_SIZE) & ~<uint64_t>SIZE_BITS
            state_of(w, out)
            if out.state == CHUNK_FENCE and out.size == 0:
                out.size = CHUNK_HDR_SZ  # the last of a thread's heap
            if out.size < CHUNK_HDR_SZ or out.size > w.end - w.at:
                w.broken_at = w.at
                w.at = w.end
                continue
            w.at += out.size
            return True
        w.more = next_run(w)
    return False


cdef void heap_walk_close(heap_walk_t *w) noexcept nogil:
    free(w.marks)
    w.marks = NULL
