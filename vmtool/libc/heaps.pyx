"""Counterpart: glibc 2.36 malloc/arena.c (alloc_new_heap(), grow_heap(), shrink_heap(), delete_heap(), heap_trim())."""

from vmtool.libc.bins cimport unlink_chunk
from vmtool.libc.chunk cimport *
from vmtool.libc.syscalls cimport PROT_RW, failed, libc_madvise, libc_mmap, libc_mprotect, libc_munmap, madvise_thp
from vmtool.libc.words cimport abort_with
from vmtool.mm.sys_madvise cimport MADV_DONTNEED
from vmtool.mm.types cimport MAP_FIXED, MAP_NORESERVE, OVERCOMMIT_NEVER


cdef vaddr_t aligned_area(libc_t *l) noexcept nogil:
    """64 MB aligned to 64 MB: beside the last heap, else what is aligned of twice as much. 0: no room."""
    cdef vaddr_t p, at
    cdef uint64_t front
    if l.d.aligned_heap_area:
        at = libc_mmap(l, l.d.aligned_heap_area, HEAP_MAX_SIZE, 0, MAP_NORESERVE)
        l.d.aligned_heap_area = 0
        if not failed(at):
            if at & (HEAP_MAX_SIZE - 1) == 0:
                return at
            libc_munmap(l, at, HEAP_MAX_SIZE)
    p = libc_mmap(l, 0, HEAP_MAX_SIZE * 2, 0, MAP_NORESERVE)
    if not failed(p):
        at = align_up(p, HEAP_MAX_SIZE)
        front = at - p
        if front:
            libc_munmap(l, p, front)
        else:
            l.d.aligned_heap_area = at + HEAP_MAX_SIZE
        libc_munmap(l, at + HEAP_MAX_SIZE, HEAP_MAX_SIZE - front)
        return at
    at = libc_mmap(l, 0, HEAP_MAX_SIZE, 0, MAP_NORESERVE)
    if failed(at):
        return 0
    if at & (HEAP_MAX_SIZE - 1):
        libc_munmap(l, at, HEAP_MAX_SIZE)
        return 0
    return at


cdef vaddr_t new_heap(libc_t *l, uint64_t size, uint64_t top_pad) noexcept nogil:
    cdef vaddr_t heap
    if size + top_pad < HEAP_MIN_SIZE:
        size = HEAP_MIN_SIZE
    elif size + top_pad <= HEAP_MAX_SIZE:
        size += top_pad
    elif size > HEAP_MAX_SIZE:
        return 0
    else:
        size = HEAP_MAX_SIZE
    size = align_up(size, PAGE)
    heap = aligned_area(l)
    if heap == 0:
        return 0
    if libc_mprotect(l, heap, size, PROT_RW) != 0:
        libc_munmap(l, heap, HEAP_MAX_SIZE)
        return 0
    madvise_thp(l, heap, size)
    st64(l, heap + HEAP_SIZE, size)
    st64(l, heap + HEAP_MPROTECT_SIZE, size)
    st64(l, heap + HEAP_PAGESIZE, PAGE)
    return heap


cdef bint grow_heap(libc_t *l, vaddr_t heap, uint64_t diff) noexcept nogil:
    cdef uint64_t size = ld64(l, heap + HEAP_SIZE) + align_up(diff, PAGE), accessible = ld64(l, heap + HEAP_MPROTECT_SIZE)
    if size > HEAP_MAX_SIZE:
        return False
    if size > accessible:
        if libc_mprotect(l, heap + accessible, size - accessible, PROT_RW) != 0:
            return False
        st64(l, heap + HEAP_MPROTECT_SIZE, size)
    st64(l, heap + HEAP_SIZE, size)
    return True


cdef bint shrink_heap(libc_t *l, vaddr_t heap, uint64_t diff) noexcept nogil:
    cdef uint64_t size = ld64(l, heap + HEAP_SIZE) - diff
    if <int64_t>size < SIZEOF_HEAP_INFO:
        return False
    if l.a.m.overcommit_memory == OVERCOMMIT_NEVER:  # pages that are only dropped would still be charged for
        if failed(libc_mmap(l, heap + size, diff, 0, MAP_FIXED)):
            return False
        st64(l, heap + HEAP_MPROTECT_SIZE, size)
    else:
        libc_madvise(l, heap + size, diff, MADV_DONTNEED)
    st64(l, heap + HEAP_SIZE, size)
    return True


cdef void delete_heap(libc_t *l, vaddr_t heap) noexcept nogil:
    if heap + HEAP_MAX_SIZE == l.d.aligned_heap_area:
        l.d.aligned_heap_area = 0
    libc_munmap(l, heap, HEAP_MAX_SIZE)


cdef vaddr_t drop_empty_heaps(libc_t *l, vaddr_t av, uint64_t pad) noexcept nogil:
    """While the top is all of its heap, and the heap before has room: that heap's end, without its fenceposts, is the top. The heap of the top."""
    cdef vaddr_t top = top_of(l, av), heap = heap_for_ptr(top), before, p
    cdef uint64_t size
    while top == heap + SIZEOF_HEAP_INFO:
        before = ld64(l, heap + HEAP_PREV)
        p = (before + ld64(l, before + HEAP_SIZE) - (MINSIZE - CHUNK_HDR_SZ)) & ~<uint64_t>MALLOC_ALIGN_MASK
        if size_word(l, p) != PREV_INUSE:
            abort_with(l, "malloc: heap_trim(): the fencepost of the heap before is gone")
        p -= prev_size(l, p)
        size = before + ld64(l, before + HEAP_SIZE) - p
        if not size_word(l, p) & PREV_INUSE:
            size += prev_size(l, p)
        if size + (HEAP_MAX_SIZE - ld64(l, before + HEAP_SIZE)) < pad + MINSIZE + PAGE:
            break
        st64(l, av + AV_SYSTEM_MEM, system_mem(l, av) - ld64(l, heap + HEAP_SIZE))
        delete_heap(l, heap)
        heap = before
        if not size_word(l, p) & PREV_INUSE:
            p -= prev_size(l, p)
            unlink_chunk(l, p)
        top = p
        set_top(l, av, top)
        set_head(l, top, size | PREV_INUSE)
    return heap


cdef bint heap_trim(libc_t *l, vaddr_t av, uint64_t pad) noexcept nogil:
    cdef vaddr_t heap = drop_empty_heaps(l, av, pad), top = top_of(l, av)
    cdef uint64_t size = chunksize(l, top), extra
    cdef int64_t room = <int64_t>(size - MINSIZE - 1)
    if size < l.d.mp.trim_threshold or room < 0 or <uint64_t>room <= pad:
        return False
    extra = (<uint64_t>room - pad) & ~<uint64_t>(PAGE - 1)
    if extra == 0 or not shrink_heap(l, heap, extra):
        return False
    st64(l, av + AV_SYSTEM_MEM, system_mem(l, av) - extra)
    set_head(l, top, (size - extra) | PREV_INUSE)
    return True
