"""Bins: double lists of free chunks by size; large ones sorted, the first of each size linked to those of the next sizes.

    large bin:  bin <-> 1500 <-> 1500 <-> 1440 <-> 1400 <-> bin         fd: towards smaller sizes
                         |                 |        |
                         +---- nextsize ---+--------+-- and round        only the first of a size

Counterpart: glibc 2.36 malloc/malloc.c (unlink_chunk(), the placing in _int_malloc()). The checks are its checks, in its order.
"""

from vmtool.libc.chunk cimport *
from vmtool.libc.words cimport abort_with, st32, step


cdef void unlink_nextsize(libc_t *l, vaddr_t p, vaddr_t after) noexcept nogil:
    """A large chunk leaves: if it was the first of its size, the second takes its place, or the sizes beside close up."""
    cdef vaddr_t smaller = ld64(l, p + OFF_FD_NEXTSIZE), larger = ld64(l, p + OFF_BK_NEXTSIZE)
    if ld64(l, smaller + OFF_BK_NEXTSIZE) != p or ld64(l, larger + OFF_FD_NEXTSIZE) != p:
        abort_with(l, "corrupted double-linked list (not small)")
    if ld64(l, after + OFF_FD_NEXTSIZE) != 0:
        st64(l, smaller + OFF_BK_NEXTSIZE, larger)
        st64(l, larger + OFF_FD_NEXTSIZE, smaller)
    elif smaller == p:
        st64(l, after + OFF_FD_NEXTSIZE, after)
        st64(l, after + OFF_BK_NEXTSIZE, after)
    else:
        st64(l, after + OFF_FD_NEXTSIZE, smaller)
        st64(l, after + OFF_BK_NEXTSIZE, larger)
        st64(l, smaller + OFF_BK_NEXTSIZE, after)
        st64(l, larger + OFF_FD_NEXTSIZE, after)


cdef void unlink_chunk(libc_t *l, vaddr_t p) noexcept nogil:
    cdef uint64_t word = size_word(l, p)
    cdef vaddr_t after, before
    if (word & ~<uint64_t>SIZE_BITS) != prev_size(l, p + (word & ~<uint64_t>SIZE_BITS)):
        abort_with(l, "corrupted size vs. prev_size")
    after = fd(l, p)
    before = bk(l, p)
    if bk(l, after) != p or fd(l, before) != p:
        abort_with(l, "corrupted double-linked list")
    set_bk(l, after, before)
    set_fd(l, before, after)
    if not in_smallbin_range(word) and ld64(l, p + OFF_FD_NEXTSIZE) != 0:
        unlink_nextsize(l, p, after)


cdef uint32_t binmap_word(libc_t *l, vaddr_t av, uint32_t block) noexcept nogil:
    return ld32(l, av + AV_BINMAP + block * 4)


cdef void binmap_set(libc_t *l, vaddr_t av, uint32_t block, uint32_t word) noexcept nogil:
    st32(l, av + AV_BINMAP + block * 4, word)


cdef vaddr_t place_in_large_bin(libc_t *l, vaddr_t victim, uint64_t size, vaddr_t bin) noexcept nogil:
    """The chunk that the victim goes in front of; links it into the ring of sizes."""
    cdef vaddr_t largest = fd(l, bin), next, larger
    if largest == bin:
        st64(l, victim + OFF_FD_NEXTSIZE, victim)
        st64(l, victim + OFF_BK_NEXTSIZE, victim)
        return bin
    size |= PREV_INUSE  # as the words in the list have it
    if size < size_word(l, bk(l, bin)):
        larger = ld64(l, largest + OFF_BK_NEXTSIZE)
        st64(l, victim + OFF_FD_NEXTSIZE, largest)
        st64(l, victim + OFF_BK_NEXTSIZE, larger)
        st64(l, larger + OFF_FD_NEXTSIZE, victim)
        st64(l, largest + OFF_BK_NEXTSIZE, victim)
        return bin
    next = largest
    while size < size_word(l, next):
        next = ld64(l, next + OFF_FD_NEXTSIZE)
        step(l)
    if size == size_word(l, next):
        return fd(l, next)  # the second of its size: the ring stays as it is
    larger = ld64(l, next + OFF_BK_NEXTSIZE)
    st64(l, victim + OFF_FD_NEXTSIZE, next)
    st64(l, victim + OFF_BK_NEXTSIZE, larger)
    if ld64(l, larger + OFF_FD_NEXTSIZE) != next:
        abort_with(l, "malloc(): largebin double linked list corrupted (nextsize)")
    st64(l, next + OFF_BK_NEXTSIZE, victim)
    st64(l, larger + OFF_FD_NEXTSIZE, victim)
    return next


cdef void place_in_bin(libc_t *l, vaddr_t av, vaddr_t victim, uint64_t size) noexcept nogil:
    """From the unsorted list into the bin of its size: small ones at the young end, large ones sorted."""
    cdef uint32_t index = bin_index(size)
    cdef vaddr_t bin = bin_at(av, index), after, before
    if in_smallbin_range(size):
        after = fd(l, bin)
        before = bin
    else:
        after = place_in_large_bin(l, victim, size, bin)
        before = bk(l, after)
        if fd(l, before) != after:
            abort_with(l, "malloc(): largebin double linked list corrupted (bk)")
    binmap_set(l, av, index >> 5, binmap_word(l, av, index >> 5) | <uint32_t>1 << (index & 31))
    set_bk(l, victim, before)
    set_fd(l, victim, after)
    set_bk(l, after, victim)
    set_fd(l, before, victim)


cdef void put_unsorted(libc_t *l, vaddr_t av, vaddr_t p, uint64_t size, const char *corrupted) noexcept nogil:
    """As the newest of the unsorted list, its size at both ends. `corrupted`: what to die with; NULL: no look (malloc_consolidate())."""
    cdef vaddr_t before = unsorted_chunks(av), after = fd(l, before)
    if corrupted != NULL and bk(l, after) != before:
        abort_with(l, corrupted)
    set_fd(l, p, after)
    set_bk(l, p, before)
    if not in_smallbin_range(size):
        st64(l, p + OFF_FD_NEXTSIZE, 0)
        st64(l, p + OFF_BK_NEXTSIZE, 0)
    set_fd(l, before, p)
    set_bk(l, after, p)
    set_head(l, p, size | PREV_INUSE)
    set_foot(l, p, size)


cdef vaddr_t use_front(libc_t *l, vaddr_t av, vaddr_t victim, uint64_t size, uint64_t nb, const char *corrupted) noexcept nogil:
    """A chunk that has left its bin goes into use; what is behind nb bytes becomes the newest unsorted chunk, whose address is the result (0: none)."""
    cdef uint64_t left = size - nb
    if left < MINSIZE:
        set_inuse_at(l, victim + size)
        if arena_bit(l, av):
            set_head(l, victim, size_word(l, victim) | NON_MAIN_ARENA)
        return 0
    set_head(l, victim, nb | PREV_INUSE | arena_bit(l, av))
    put_unsorted(l, av, victim + nb, left, corrupted)
    return victim + nb
