"""Where a chunk comes from, in this order:

    fastbin      newest first; what else the bin has moves to the tcache, until that is full
    small bin    oldest first; the same
    unsorted     oldest first: an exact fit is taken (or cached, while there is room), anything else goes to its bin
    own bin      of a large size: the smallest that fits
    larger bins  ascending; what is cut off goes to the unsorted list, and is remembered when the request was small
    top          the rest of the heap
    sysmalloc    the kernel

Counterpart: glibc 2.36 malloc/malloc.c (_int_malloc()).
"""

from libc.stdint cimport uint32_t

from vmtool.libc.bins cimport binmap_set, binmap_word, place_in_bin, unlink_chunk, use_front
from vmtool.libc.chunk cimport *
from vmtool.libc.int_free cimport malloc_consolidate
from vmtool.libc.sysmalloc cimport sysmalloc
from vmtool.libc.tcache cimport tcache_get, tcache_has_room, tcache_put
from vmtool.libc.words cimport abort_with, memory_fill, step

cdef const char *ASSERT_SIZE = b"malloc.c:4160: _int_malloc: Assertion `(unsigned long) (size) >= (unsigned long) (nb)' failed."

cdef struct request_t:
    vaddr_t av
    uint64_t nb  # bytes of the chunk
    uint64_t cache  # index of its size in the tcache
    uint32_t bin


cdef vaddr_t from_fastbin(libc_t *l, const request_t *r) noexcept nogil:
    cdef vaddr_t head = fastbin_at(r.av, fastbin_index(r.nb)), victim = ld64(l, head), p
    if victim == 0:
        return 0
    if misaligned(victim):
        abort_with(l, "malloc(): unaligned fastbin chunk detected 2")
    st64(l, head, reveal_at(l, victim + OFF_FD))
    if fastbin_index(chunksize(l, victim)) != fastbin_index(r.nb):
        abort_with(l, "malloc(): memory corruption (fast)")
    p = ld64(l, head)
    while p and tcache_has_room(l, r.cache):
        if misaligned(p):
            abort_with(l, "malloc(): unaligned fastbin chunk detected 3")
        st64(l, head, reveal_at(l, p + OFF_FD))
        tcache_put(l, p, r.cache)
        p = ld64(l, head)
    return victim


cdef void take_oldest(libc_t *l, const request_t *r, vaddr_t bin, vaddr_t victim, vaddr_t before) noexcept nogil:
    set_inuse_at(l, victim + r.nb)
    set_bk(l, bin, before)
    set_fd(l, before, bin)
    if arena_bit(l, r.av):
        set_head(l, victim, size_word(l, victim) | NON_MAIN_ARENA)


cdef vaddr_t from_small_bin(libc_t *l, const request_t *r) noexcept nogil:
    cdef vaddr_t bin = bin_at(r.av, r.bin), victim = bk(l, bin), before, p
    if victim == bin:
        return 0
    before = bk(l, victim)
    if fd(l, before) != victim:
        abort_with(l, "malloc(): smallbin double linked list corrupted")
    take_oldest(l, r, bin, victim, before)
    p = bk(l, bin)
    while p != bin and tcache_has_room(l, r.cache):
        if p == 0:  # as the library: for a list that a program has spoilt, no end either
            break
        take_oldest(l, r, bin, p, bk(l, p))
        tcache_put(l, p, r.cache)
        p = bk(l, bin)
    return victim


cdef void check_unsorted(libc_t *l, vaddr_t av, vaddr_t victim, vaddr_t before, uint64_t size) noexcept nogil:
    cdef vaddr_t next = victim + size
    cdef uint64_t next_word
    if size <= CHUNK_HDR_SZ or size > system_mem(l, av):
        abort_with(l, "malloc(): invalid size (unsorted)")
    next_word = size_word(l, next)
    if next_word < CHUNK_HDR_SZ or next_word > system_mem(l, av):
        abort_with(l, "malloc(): invalid next size (unsorted)")
    if (prev_size(l, next) & ~<uint64_t>SIZE_BITS) != size:
        abort_with(l, "malloc(): mismatching next->prev_size (unsorted)")
    if fd(l, before) != victim or fd(l, victim) != unsorted_chunks(av):
        abort_with(l, "malloc(): unsorted double linked list corrupted")
    if next_word & PREV_INUSE:
        abort_with(l, "malloc(): invalid next->prev_inuse (unsorted)")


cdef void carve_last_remainder(libc_t *l, const request_t *r, vaddr_t victim, uint64_t size) noexcept nogil:
    """The only unsorted chunk is what the last small request left over: the next one is cut from it, so that they lie together."""
    cdef vaddr_t left = victim + r.nb, list = unsorted_chunks(r.av)
    cdef uint64_t left_size = size - r.nb
    set_fd(l, list, left)
    set_bk(l, list, left)
    st64(l, r.av + AV_LAST_REMAINDER, left)
    set_fd(l, left, list)
    set_bk(l, left, list)
    if not in_smallbin_range(left_size):
        st64(l, left + OFF_FD_NEXTSIZE, 0)
        st64(l, left + OFF_BK_NEXTSIZE, 0)
    set_head(l, victim, r.nb | PREV_INUSE | arena_bit(l, r.av))
    set_head(l, left, left_size | PREV_INUSE)
    set_foot(l, left, left_size)


cdef vaddr_t scan_unsorted(libc_t *l, const request_t *r) noexcept nogil:
    """The chunk, or 0 when none fitted exactly; then all (at most 10000) are in their bins."""
    cdef vaddr_t list = unsorted_chunks(r.av), victim = bk(l, list), before
    cdef uint64_t size, nr_binned = 0
    cdef uint32_t iters = 0
    cdef bint cached = False
    while victim != list:
        before = bk(l, victim)
        size = chunksize(l, victim)
        check_unsorted(l, r.av, victim, before, size)
        if in_smallbin_range(r.nb) and before == list and victim == ld64(l, r.av + AV_LAST_REMAINDER) and size > r.nb + MINSIZE:
            carve_last_remainder(l, r, victim, size)
            return victim
        set_bk(l, list, before)
        set_fd(l, before, list)
        if size == r.nb:
            set_inuse_at(l, victim + size)
            if arena_bit(l, r.av):
                set_head(l, victim, size_word(l, victim) | NON_MAIN_ARENA)
            if not tcache_has_room(l, r.cache):
                return victim
            tcache_put(l, victim, r.cache)
            cached = True
        else:
            place_in_bin(l, r.av, victim, size)
            nr_binned += 1
            if cached and l.d.mp.tcache_unsorted_limit and nr_binned > l.d.mp.tcache_unsorted_limit:
                break
            iters += 1
            if iters >= MAX_ITERS:
                break
        victim = bk(l, list)
    return mem2chunk(tcache_get(l, r.cache)) if cached else 0


cdef vaddr_t from_own_bin(libc_t *l, const request_t *r) noexcept nogil:
    """Best fit in the bin of a large size; of equals the second, which has no links of sizes to mend."""
    cdef vaddr_t bin = bin_at(r.av, r.bin), victim = fd(l, bin)
    cdef uint64_t size
    if victim == bin or size_word(l, victim) < r.nb:
        return 0
    victim = ld64(l, victim + OFF_BK_NEXTSIZE)
    size = chunksize(l, victim)
    while size < r.nb:
        victim = ld64(l, victim + OFF_BK_NEXTSIZE)
        size = chunksize(l, victim)
        step(l)
    if victim != bk(l, bin) and size_word(l, victim) == size_word(l, fd(l, victim)):
        victim = fd(l, victim)
    unlink_chunk(l, victim)
    use_front(l, r.av, victim, size, r.nb, "malloc(): corrupted unsorted chunks")
    return victim


cdef vaddr_t from_larger_bins(libc_t *l, const request_t *r) noexcept nogil:
    """The last chunk of the next larger bin that has any; the bitmap may be behind the bins, and is mended on the way."""
    cdef uint32_t i = r.bin + 1, block = i >> 5, map
    cdef vaddr_t bin, victim, left
    cdef uint64_t size
    while block < BINMAPSIZE:
        map = binmap_word(l, r.av, block) & (<uint32_t>-1 << (i & 31))
        while map:
            i = (block << 5) + trailing_zeros(map)
            bin = bin_at(r.av, i)
            victim = bk(l, bin)
            if victim != bin:
                size = chunksize(l, victim)
                if size < r.nb:
                    abort_with(l, ASSERT_SIZE)
                unlink_chunk(l, victim)
                left = use_front(l, r.av, victim, size, r.nb, "malloc(): corrupted unsorted chunks 2")
                if left and in_smallbin_range(r.nb):
                    st64(l, r.av + AV_LAST_REMAINDER, left)
                return victim
            binmap_set(l, r.av, block, binmap_word(l, r.av, block) & ~(<uint32_t>1 << (i & 31)))
            map &= map - 1
        block += 1
        i = block << 5
    return 0


cdef inline uint32_t trailing_zeros(uint32_t word) noexcept nogil:
    cdef uint32_t n = 0
    while not word >> n & 1:
        n += 1
    return n


cdef vaddr_t from_top(libc_t *l, const request_t *r) noexcept nogil:
    cdef vaddr_t top = top_of(l, r.av)
    cdef uint64_t size = chunksize(l, top)
    if size > system_mem(l, r.av):
        abort_with(l, "malloc(): corrupted top size")
    if size < r.nb + MINSIZE:
        return 0
    set_top(l, r.av, top + r.nb)
    set_head(l, top, r.nb | PREV_INUSE | arena_bit(l, r.av))
    set_head(l, top + r.nb, (size - r.nb) | PREV_INUSE)
    return top


cdef vaddr_t find_chunk(libc_t *l, request_t *r) noexcept nogil:
    """Without asking the kernel; 0: none."""
    cdef vaddr_t p
    if r.nb <= l.d.global_max_fast:
        p = from_fastbin(l, r)
        if p:
            return p
    if in_smallbin_range(r.nb):
        p = from_small_bin(l, r)
        if p:
            return p
    elif ld32(l, r.av + AV_HAVE_FASTCHUNKS):
        malloc_consolidate(l, r.av)
    while True:
        p = scan_unsorted(l, r)
        if p:
            return p
        if not in_smallbin_range(r.nb):
            p = from_own_bin(l, r)
            if p:
                return p
        p = from_larger_bins(l, r)
        if p == 0:
            p = from_top(l, r)
        if p or not ld32(l, r.av + AV_HAVE_FASTCHUNKS):
            return p
        malloc_consolidate(l, r.av)


cdef vaddr_t int_malloc(libc_t *l, vaddr_t av, uint64_t bytes) noexcept nogil:
    cdef request_t r
    cdef vaddr_t mem = 0, p
    if not request2size(bytes, &r.nb):
        return 0
    r.av = av
    r.cache = tcache_index(r.nb)
    r.bin = bin_index(r.nb)
    if av:
        p = find_chunk(l, &r)
        if p:
            mem = chunk2mem(p)
    if mem == 0:
        mem = sysmalloc(l, r.nb, av)
    if mem and l.d.perturb_byte:
        memory_fill(l, mem, <int>((l.d.perturb_byte ^ 0xff) & 0xff), bytes)
    return mem
