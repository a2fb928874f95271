"""A chunk given back: into the tcache, a fastbin, or merged with what is free beside it.

Counterpart: glibc 2.36 malloc/malloc.c (_int_free(), malloc_consolidate()).
"""

from vmtool.libc.bins cimport put_unsorted, unlink_chunk
from vmtool.libc.chunk cimport *
from vmtool.libc.heaps cimport heap_trim
from vmtool.libc.munmap_chunk cimport munmap_chunk
from vmtool.libc.tcache cimport tcache_count, tcache_look_for_double_free, tcache_put
from vmtool.libc.trim cimport systrim
from vmtool.libc.words cimport abort_with, memory_fill, st32, step


cdef inline void free_perturb(libc_t *l, vaddr_t p, uint64_t size) noexcept nogil:
    if l.d.perturb_byte:
        memory_fill(l, chunk2mem(p), <int>(l.d.perturb_byte & 0xff), size - CHUNK_HDR_SZ)


cdef void merge_forward(libc_t *l, vaddr_t av, vaddr_t p, uint64_t size, vaddr_t next, uint64_t next_size, const char *corrupted) noexcept nogil:
    """A free chunk with what follows it: into the top, or into the unsorted list, with the next one if that is free."""
    if next == top_of(l, av):
        set_head(l, p, (size + next_size) | PREV_INUSE)
        set_top(l, av, p)
        return
    if size_word(l, next + next_size) & PREV_INUSE:
        set_head(l, next, size_word(l, next) & ~<uint64_t>PREV_INUSE)
    else:
        unlink_chunk(l, next)
        size += next_size
    put_unsorted(l, av, p, size, corrupted)


cdef vaddr_t merge_backward(libc_t *l, vaddr_t p, uint64_t *size, const char *corrupted) noexcept nogil:
    cdef uint64_t before
    if size_word(l, p) & PREV_INUSE:
        return p
    before = prev_size(l, p)
    size[0] += before
    p -= before
    if chunksize(l, p) != before:
        abort_with(l, corrupted)
    unlink_chunk(l, p)
    return p


cdef void malloc_consolidate(libc_t *l, vaddr_t av) noexcept nogil:
    """Every fastbin chunk, smallest bin first and newest chunk first, becomes an ordinary free one."""
    cdef uint32_t i
    cdef vaddr_t p, rest, next
    cdef uint64_t size
    st32(l, av + AV_HAVE_FASTCHUNKS, 0)
    for i in range(NFASTBINS):
        p = ld64(l, fastbin_at(av, i))
        if p == 0:
            continue
        st64(l, fastbin_at(av, i), 0)
        while p:
            if misaligned(p):
                abort_with(l, "malloc_consolidate(): unaligned fastbin chunk detected")
            size = chunksize(l, p)
            if fastbin_index(size) != i:
                abort_with(l, "malloc_consolidate(): invalid chunk size")
            rest = reveal_at(l, p + OFF_FD)
            next = p + size
            p = merge_backward(l, p, &size, "corrupted size vs. prev_size in fastbins")
            merge_forward(l, av, p, size, next, chunksize(l, next), NULL)
            p = rest
            step(l)


cdef bint free_to_tcache(libc_t *l, vaddr_t p, uint64_t size) noexcept nogil:
    cdef uint64_t index = tcache_index(size)
    if l.t.tcache == 0 or index >= l.d.mp.tcache_bins:
        return False
    if ld64(l, chunk2mem(p) + 8) == l.d.tcache_key:
        tcache_look_for_double_free(l, chunk2mem(p), index)
    if tcache_count(l, index) >= l.d.mp.tcache_count:
        return False
    tcache_put(l, p, index)
    return True


cdef void free_to_fastbin(libc_t *l, vaddr_t av, vaddr_t p, uint64_t size, bint have_lock) noexcept nogil:
    cdef vaddr_t next = p + size, head = fastbin_at(av, fastbin_index(size)), old
    if size_word(l, next) <= CHUNK_HDR_SZ or chunksize(l, next) >= system_mem(l, av):
        abort_with(l, "free(): invalid next size (fast)")
    free_perturb(l, p, size)
    st32(l, av + AV_HAVE_FASTCHUNKS, 1)
    old = ld64(l, head)
    if old == p:
        abort_with(l, "double free or corruption (fasttop)")
    set_fd(l, p, protect_ptr(p + OFF_FD, old))
    st64(l, head, p)
    if have_lock and old and fastbin_index(chunksize(l, old)) != fastbin_index(size):
        abort_with(l, "invalid fastbin entry (free)")


cdef void free_merged(libc_t *l, vaddr_t av, vaddr_t p, uint64_t size) noexcept nogil:
    cdef vaddr_t next = p + size, top = top_of(l, av)
    cdef uint64_t next_size
    if p == top:
        abort_with(l, "double free or corruption (top)")
    if contiguous(l, av) and next >= top + chunksize(l, top):
        abort_with(l, "double free or corruption (out)")
    if not size_word(l, next) & PREV_INUSE:
        abort_with(l, "double free or corruption (!prev)")
    next_size = chunksize(l, next)
    if size_word(l, next) <= CHUNK_HDR_SZ or next_size >= system_mem(l, av):
        abort_with(l, "free(): invalid next size (normal)")
    free_perturb(l, p, size)
    p = merge_backward(l, p, &size, "corrupted size vs. prev_size while consolidating")
    merge_forward(l, av, p, size, next, next_size, "free(): corrupted unsorted chunks")
    # what counts as large is what the chunk has become, the top included
    if chunksize(l, p) < FASTBIN_CONSOLIDATION_THRESHOLD:
        return
    if ld32(l, av + AV_HAVE_FASTCHUNKS):
        malloc_consolidate(l, av)
    if av != l.main_arena:
        heap_trim(l, av, l.d.mp.top_pad)
    elif chunksize(l, top_of(l, av)) >= l.d.mp.trim_threshold:
        systrim(l, l.d.mp.top_pad, av)


cdef void int_free(libc_t *l, vaddr_t av, vaddr_t p, bint have_lock) noexcept nogil:
    cdef uint64_t word = size_word(l, p), size = word & ~<uint64_t>SIZE_BITS
    if p > <vaddr_t>-<int64_t>size or misaligned(p):
        abort_with(l, "free(): invalid pointer")
    if size < MINSIZE or misaligned(size):
        abort_with(l, "free(): invalid size")
    if free_to_tcache(l, p, size):
        return
    if size <= l.d.global_max_fast:
        free_to_fastbin(l, av, p, size, have_lock)
    elif word & IS_MMAPPED:
        munmap_chunk(l, p)
    else:
        free_merged(l, av, p, size)
