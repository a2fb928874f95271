"""A mapping for what is large, a higher break (or a larger heap of the thread) for the rest.

    brk continues the heap     old_top grows
    someone moved the break    old_top | fence | fence | ...foreign... | new top        what is left of old_top is freed
    brk fails                  a mapping of at least 1 MB becomes the new top

Counterpart: glibc 2.36 malloc/malloc.c (sysmalloc(), sysmalloc_mmap_fallback()).
"""

from libc.stdint cimport int64_t

from vmtool.libc.chunk cimport *
from vmtool.libc.heaps cimport grow_heap, heap_for_ptr, new_heap
from vmtool.libc.int_free cimport int_free
from vmtool.libc.munmap_chunk cimport sysmalloc_mmap
from vmtool.libc.syscalls cimport PROT_RW, current_brk, failed, libc_mmap, madvise_thp, morecore
from vmtool.libc.words cimport abort_with, st32
from vmtool.mm.types cimport MAP_HUGETLB

# What assert() prints. glibc 2.36, Debian 12.
cdef const char *ASSERT_TOP = (b"malloc.c:2379: sysmalloc: Assertion `(old_top == initial_top (av) && old_size == 0) || ((unsigned long) (old_size) >= MINSIZE && "
                               b"prev_inuse (old_top) && ((unsigned long) old_end & (pagesize - 1)) == 0)' failed.")


cdef vaddr_t try_mmap(libc_t *l, uint64_t nb) noexcept nogil:
    cdef vaddr_t mem = 0
    if l.d.mp.hp_pagesize and nb >= l.d.mp.hp_pagesize:
        mem = sysmalloc_mmap(l, nb, l.d.mp.hp_pagesize, <uint64_t>l.d.mp.hp_flags)
    return mem if mem else sysmalloc_mmap(l, nb, PAGE, 0)


cdef vaddr_t mmap_fallback(libc_t *l, uint64_t *size, uint64_t nb, uint64_t old_size, uint64_t least, uint64_t unit, uint64_t flags, vaddr_t av) noexcept nogil:
    """Where the break cannot move: a mapping in its place, and from now on the arena is not contiguous. 0: no."""
    cdef uint64_t want = size[0]
    cdef vaddr_t at
    if contiguous(l, av):
        want = align_up(want + old_size, unit)
    if want < least:
        want = least
    if want <= nb:
        return 0
    at = libc_mmap(l, 0, want, PROT_RW, flags)
    if failed(at):
        return 0
    if not flags & MAP_HUGETLB:
        madvise_thp(l, at, want)
    st32(l, av + AV_FLAGS, ld32(l, av + AV_FLAGS) | NONCONTIGUOUS_BIT)
    size[0] = want
    return at


cdef void fence_old_top(libc_t *l, vaddr_t av, vaddr_t old_top, uint64_t old_size) noexcept nogil:
    """Two chunks of 16 bytes, always in use, end the old top, so that nothing merges across; the rest of it is freed."""
    if old_size == 0:
        return
    old_size = (old_size - 2 * CHUNK_HDR_SZ) & ~<uint64_t>MALLOC_ALIGN_MASK
    set_head(l, old_top, old_size | PREV_INUSE)
    set_head(l, old_top + old_size, CHUNK_HDR_SZ | PREV_INUSE)
    set_head(l, old_top + old_size + CHUNK_HDR_SZ, CHUNK_HDR_SZ | PREV_INUSE)
    if old_size >= MINSIZE:
        int_free(l, av, old_top, True)


cdef void new_top(libc_t *l, vaddr_t av, vaddr_t brk, vaddr_t snd_brk, uint64_t size, vaddr_t old_top, uint64_t old_size) noexcept nogil:
    """The memory at brk does not continue the heap. It becomes the top, its beginning aligned and its end made that of a page by a second brk."""
    cdef uint64_t correction = 0, front, end
    cdef vaddr_t aligned = brk
    if contiguous(l, av):
        if old_size:
            st64(l, av + AV_SYSTEM_MEM, system_mem(l, av) + (brk - (old_top + old_size)))
        front = chunk2mem(brk) & MALLOC_ALIGN_MASK
        if front:
            correction = MALLOC_ALIGNMENT - front
            aligned += correction
        correction += old_size
        end = brk + size + correction
        correction += align_up(end, PAGE) - end
        snd_brk = morecore(l, <int64_t>correction)
        if snd_brk == 0:
            correction = 0
            snd_brk = 0 if l.d.no_morecore else current_brk(l)
        else:
            madvise_thp(l, snd_brk, correction)
    elif snd_brk == 0:
        snd_brk = 0 if l.d.no_morecore else current_brk(l)
    if snd_brk == 0:
        return
    set_top(l, av, aligned)
    set_head(l, aligned, (snd_brk - aligned + correction) | PREV_INUSE)
    st64(l, av + AV_SYSTEM_MEM, system_mem(l, av) + correction)
    fence_old_top(l, av, old_top, old_size)


cdef void extend_main_arena(libc_t *l, uint64_t nb, vaddr_t av, vaddr_t old_top, uint64_t old_size) noexcept nogil:
    cdef uint64_t size = nb + l.d.mp.top_pad + MINSIZE, hp = l.d.mp.hp_pagesize
    cdef vaddr_t brk = 0, snd_brk = 0, old_end = old_top + old_size
    if contiguous(l, av):
        size -= old_size
    if l.d.mp.thp_pagesize:
        brk = current_brk(l)
        size = align_up(brk + size, l.d.mp.thp_pagesize) - brk
        brk = 0
    else:
        size = align_up(size, PAGE)
    if <int64_t>size > 0:
        brk = morecore(l, <int64_t>size)
        if brk:
            madvise_thp(l, brk, size)
    if brk == 0:
        if hp:
            brk = mmap_fallback(l, &size, nb, old_size, hp, hp, <uint64_t>l.d.mp.hp_flags, av)
        if brk == 0:  # the least and the unit are this way round in 2.36, so that mappings are whole megabytes
            brk = mmap_fallback(l, &size, nb, old_size, PAGE, MMAP_AS_MORECORE_SIZE, 0, av)
        if brk == 0:
            return
        snd_brk = brk + size
    if l.d.mp.sbrk_base == 0:
        l.d.mp.sbrk_base = brk
    st64(l, av + AV_SYSTEM_MEM, system_mem(l, av) + size)
    if brk == old_end and snd_brk == 0:
        set_head(l, old_top, (size + old_size) | PREV_INUSE)
    elif contiguous(l, av) and old_size and brk < old_end:
        abort_with(l, "break adjusted to free malloc space")
    else:
        new_top(l, av, brk, snd_brk, size, old_top, old_size)


cdef vaddr_t extend_thread_arena(libc_t *l, uint64_t nb, vaddr_t av, vaddr_t old_top, uint64_t old_size, bint tried_mmap) noexcept nogil:
    """The heap grows, or the arena gets another one. A block of its own when neither can be; else 0."""
    cdef vaddr_t old_heap = heap_for_ptr(old_top), heap
    cdef uint64_t before = ld64(l, old_heap + HEAP_SIZE)
    if <int64_t>(MINSIZE + nb - old_size) > 0 and grow_heap(l, old_heap, MINSIZE + nb - old_size):
        st64(l, av + AV_SYSTEM_MEM, system_mem(l, av) + ld64(l, old_heap + HEAP_SIZE) - before)
        set_head(l, old_top, (old_heap + ld64(l, old_heap + HEAP_SIZE) - old_top) | PREV_INUSE)
        return 0
    heap = new_heap(l, nb + MINSIZE + SIZEOF_HEAP_INFO, l.d.mp.top_pad)
    if heap == 0:
        return 0 if tried_mmap else try_mmap(l, nb)
    st64(l, heap + HEAP_AR_PTR, av)
    st64(l, heap + HEAP_PREV, old_heap)
    st64(l, av + AV_SYSTEM_MEM, system_mem(l, av) + ld64(l, heap + HEAP_SIZE))
    set_top(l, av, heap + SIZEOF_HEAP_INFO)
    set_head(l, heap + SIZEOF_HEAP_INFO, (ld64(l, heap + HEAP_SIZE) - SIZEOF_HEAP_INFO) | PREV_INUSE)
    old_size = (old_size - MINSIZE) & ~<uint64_t>MALLOC_ALIGN_MASK
    set_head(l, old_top + old_size + CHUNK_HDR_SZ, PREV_INUSE)  # the fencepost: size 0
    if old_size >= MINSIZE:
        set_head(l, old_top + old_size, CHUNK_HDR_SZ | PREV_INUSE)
        set_foot(l, old_top + old_size, CHUNK_HDR_SZ)
        set_head(l, old_top, old_size | PREV_INUSE | NON_MAIN_ARENA)
        int_free(l, av, old_top, True)
    else:
        set_head(l, old_top, (old_size + CHUNK_HDR_SZ) | PREV_INUSE)
        set_foot(l, old_top, old_size + CHUNK_HDR_SZ)
    return 0


cdef vaddr_t sysmalloc(libc_t *l, uint64_t nb, vaddr_t av) noexcept nogil:
    cdef bint tried_mmap = False
    cdef vaddr_t mem, old_top, p
    cdef uint64_t old_size, size
    if av == 0 or (nb >= l.d.mp.mmap_threshold and l.d.mp.n_mmaps < l.d.mp.n_mmaps_max):
        mem = try_mmap(l, nb)
        if mem:
            return mem
        tried_mmap = True
    if av == 0:
        return 0
    old_top = top_of(l, av)
    old_size = chunksize(l, old_top)
    if not ((old_top == initial_top(av) and old_size == 0)
            or (old_size >= MINSIZE and size_word(l, old_top) & PREV_INUSE and (old_top + old_size) & (PAGE - 1) == 0)):
        abort_with(l, ASSERT_TOP)
    if av == l.main_arena:
        extend_main_arena(l, nb, av, old_top, old_size)
    else:
        mem = extend_thread_arena(l, nb, av, old_top, old_size, tried_mmap)
        if mem:
            return mem
    if system_mem(l, av) > ld64(l, av + AV_MAX_SYSTEM_MEM):
        st64(l, av + AV_MAX_SYSTEM_MEM, system_mem(l, av))
    p = top_of(l, av)
    size = chunksize(l, p)
    if size < nb + MINSIZE:
        return 0
    set_top(l, av, p + nb)
    set_head(l, p, nb | PREV_INUSE | arena_bit(l, av))
    set_head(l, p + nb, (size - nb) | PREV_INUSE)
    return chunk2mem(p)
