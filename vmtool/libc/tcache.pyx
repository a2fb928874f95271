"""The tcache. Its table is the first block of the heap; an entry is the block itself, with the next one's address and a key in it.

Counterpart: glibc 2.36 malloc/malloc.c (tcache_put(), tcache_get(), the double-free check of _int_free()).
"""

from vmtool.libc.words cimport abort_with


cdef vaddr_t tcache_entry(libc_t *l, uint64_t index) noexcept nogil:
    return ld64(l, l.t.tcache + TCACHE_ENTRIES + index * 8)


cdef void tcache_put(libc_t *l, vaddr_t p, uint64_t index) noexcept nogil:
    cdef vaddr_t e = chunk2mem(p), head = l.t.tcache + TCACHE_ENTRIES + index * 8
    st64(l, e + 8, l.d.tcache_key)
    st64(l, e, protect_ptr(e, ld64(l, head)))
    st64(l, head, e)
    st16(l, l.t.tcache + TCACHE_COUNTS + index * 2, tcache_count(l, index) + 1)


cdef vaddr_t tcache_get(libc_t *l, uint64_t index) noexcept nogil:
    cdef vaddr_t head = l.t.tcache + TCACHE_ENTRIES + index * 8, e = ld64(l, head)
    if misaligned(e):
        abort_with(l, "malloc(): unaligned tcache chunk detected")
    st64(l, head, reveal_at(l, e))
    st16(l, l.t.tcache + TCACHE_COUNTS + index * 2, tcache_count(l, index) - 1)
    st64(l, e + 8, 0)
    return e


cdef void tcache_look_for_double_free(libc_t *l, vaddr_t mem, uint64_t index) noexcept nogil:
    """The key is where a cached block has it: a coincidence, or the block is in the list already."""
    cdef vaddr_t e = tcache_entry(l, index)
    cdef uint64_t nr = 0
    while e:
        if nr >= l.d.mp.tcache_count:
            abort_with(l, "free(): too many chunks detected in tcache")
        if misaligned(e):
            abort_with(l, "free(): unaligned chunk detected in tcache 2")
        if e == mem:
            abort_with(l, "free(): double free detected in tcache 2")
        e = reveal_at(l, e)
        nr += 1
