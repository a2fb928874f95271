"""A thread keeps the arena it got at its first request: one that a dead thread left, else a new one while there are few, else one that others use.

No thread here holds an arena's lock while another runs, so none waits, and none takes another arena because of it.
Counterpart: glibc 2.36 malloc/arena.c (_int_new_arena(), arena_get2(), reused_arena(), get_free_list(), detach_arena()).
"""

from libc.stdint cimport uint32_t

from vmtool.libc.chunk cimport *
from vmtool.libc.heaps cimport new_heap
from vmtool.libc.words cimport st32, step

cdef enum:
    ARENAS_PER_CPU = 8  # NARENAS_FROM_NCORES()


cdef void malloc_init_state(libc_t *l, vaddr_t av) noexcept nogil:
    cdef uint32_t i
    for i in range(1, NBINS):
        set_fd(l, bin_at(av, i), bin_at(av, i))
        set_bk(l, bin_at(av, i), bin_at(av, i))
    if av == l.main_arena:
        l.d.global_max_fast = DEFAULT_MXFAST
    else:
        st32(l, av + AV_FLAGS, ld32(l, av + AV_FLAGS) | NONCONTIGUOUS_BIT)
    st32(l, av + AV_HAVE_FASTCHUNKS, 0)
    set_top(l, av, initial_top(av))


cdef void detach_arena(libc_t *l, vaddr_t av) noexcept nogil:
    if av:
        st64(l, av + AV_ATTACHED, ld64(l, av + AV_ATTACHED) - 1)


cdef vaddr_t new_arena(libc_t *l, uint64_t size) noexcept nogil:
    cdef uint64_t own = SIZEOF_HEAP_INFO + SIZEOF_ARENA + MALLOC_ALIGNMENT
    cdef vaddr_t heap = new_heap(l, size + own, l.d.mp.top_pad), av, top, old = l.t.thread_arena
    if heap == 0:
        heap = new_heap(l, own, l.d.mp.top_pad)  # the request may be too large for a heap; an arena is better than none
        if heap == 0:
            return 0
    av = heap + SIZEOF_HEAP_INFO
    st64(l, heap + HEAP_AR_PTR, av)
    malloc_init_state(l, av)
    st64(l, av + AV_ATTACHED, 1)
    st64(l, av + AV_SYSTEM_MEM, ld64(l, heap + HEAP_SIZE))
    st64(l, av + AV_MAX_SYSTEM_MEM, ld64(l, heap + HEAP_SIZE))
    top = align_up(av + SIZEOF_ARENA, MALLOC_ALIGNMENT)
    set_top(l, av, top)
    set_head(l, top, (heap + ld64(l, heap + HEAP_SIZE) - top) | PREV_INUSE)
    l.t.thread_arena = av
    st64(l, av + AV_NEXT, ld64(l, l.main_arena + AV_NEXT))
    st64(l, l.main_arena + AV_NEXT, av)
    detach_arena(l, old)
    return av


cdef vaddr_t from_free_list(libc_t *l) noexcept nogil:
    cdef vaddr_t av = l.d.free_list, old = l.t.thread_arena
    if av == 0:
        return 0
    l.d.free_list = ld64(l, av + AV_NEXT_FREE)
    st64(l, av + AV_ATTACHED, 1)
    detach_arena(l, old)
    l.t.thread_arena = av
    return av


cdef void leave_free_list(libc_t *l, vaddr_t av) noexcept nogil:
    cdef vaddr_t at = l.d.free_list, before = 0
    while at:
        if at == av:
            if before:
                st64(l, before + AV_NEXT_FREE, ld64(l, av + AV_NEXT_FREE))
            else:
                l.d.free_list = ld64(l, av + AV_NEXT_FREE)
            return
        before = at
        at = ld64(l, at + AV_NEXT_FREE)
        step(l)


cdef vaddr_t reused_arena(libc_t *l, vaddr_t avoid) noexcept nogil:
    cdef vaddr_t av = l.d.next_to_use if l.d.next_to_use else l.main_arena
    if av == avoid:
        av = ld64(l, av + AV_NEXT)
    detach_arena(l, l.t.thread_arena)
    leave_free_list(l, av)
    st64(l, av + AV_ATTACHED, ld64(l, av + AV_ATTACHED) + 1)
    l.t.thread_arena = av
    l.d.next_to_use = ld64(l, av + AV_NEXT)
    return av


cdef vaddr_t arena_get2(libc_t *l, uint64_t size, vaddr_t avoid) noexcept nogil:
    cdef vaddr_t av = from_free_list(l)
    if av:
        return av
    if l.d.narenas_limit == 0:
        if l.d.mp.arena_max:
            l.d.narenas_limit = l.d.mp.arena_max
        elif l.d.narenas > l.d.mp.arena_test:
            l.d.narenas_limit = l.a.m.nr_cpus * ARENAS_PER_CPU
    if l.d.narenas > l.d.narenas_limit - 1:  # 0: no limit yet
        return reused_arena(l, avoid)
    l.d.narenas += 1
    av = new_arena(l, size)
    if av == 0:
        l.d.narenas -= 1
    return av


cdef vaddr_t arena_get(libc_t *l, uint64_t size) noexcept nogil:
    return l.t.thread_arena if l.t.thread_arena else arena_get2(l, size, 0)


cdef vaddr_t arena_get_retry(libc_t *l, vaddr_t av, uint64_t size) noexcept nogil:
    """After a failure: a thread tries the break, the main arena's users a heap of mappings."""
    return l.main_arena if av != l.main_arena else arena_get2(l, size, av)


cdef void arena_thread_freeres(libc_t *l) noexcept nogil:
    """The thread ends: its arena waits for another, when it was the last user."""
    cdef vaddr_t av = l.t.thread_arena
    l.t.thread_arena = 0
    if av == 0:
        return
    detach_arena(l, av)
    if ld64(l, av + AV_ATTACHED) == 0:
        st64(l, av + AV_NEXT_FREE, l.d.free_list)
        l.d.free_list = av
