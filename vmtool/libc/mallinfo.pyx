"""Counterpart: glibc 2.36 malloc/malloc.c (int_mallinfo(), __malloc_stats()), summed over the arenas. Looks, and touches nothing."""

from libc.stdint cimport uint32_t
from libc.string cimport memset

from vmtool.libc.chunk cimport *
from vmtool.libc.peek cimport peek64, peek_open, peek_t
from vmtool.libc.words cimport step


cdef void arena_info(peek_t *k, vaddr_t av, mallinfo_t *out) noexcept nogil:
    cdef vaddr_t top = peek64(k, av + AV_TOP), p, bin
    cdef uint64_t top_size = peek64(k, top + OFF_SIZE) & ~<uint64_t>SIZE_BITS, free_bytes = top_size, fast_bytes = 0, size
    cdef uint32_t i
    out.ordblks += 1
    for i in range(NFASTBINS):
        p = peek64(k, fastbin_at(av, i))
        while p and step(k.l):
            out.smblks += 1
            fast_bytes += peek64(k, p + OFF_SIZE) & ~<uint64_t>SIZE_BITS
            p = protect_ptr(p + OFF_FD, peek64(k, p + OFF_FD))
    free_bytes += fast_bytes
    out.fsmblks += fast_bytes
    for i in range(1, NBINS):
        bin = bin_at(av, i)
        p = peek64(k, bin + OFF_BK)
        while p != bin and step(k.l):
            out.ordblks += 1
            free_bytes += peek64(k, p + OFF_SIZE) & ~<uint64_t>SIZE_BITS
            p = peek64(k, p + OFF_BK)
    size = peek64(k, av + AV_SYSTEM_MEM)
    out.arena += size
    out.fordblks += free_bytes
    out.uordblks += size - free_bytes
    if av == k.l.main_arena:
        out.keepcost = top_size


cdef void libc_mallinfo(libc_t *l, mallinfo_t *out) noexcept nogil:
    cdef peek_t k
    cdef vaddr_t av = l.main_arena
    memset(out, 0, sizeof(mallinfo_t))
    if not l.d.initialized:
        return
    peek_open(&k, l)
    while True:
        out.nr_arenas += 1
        arena_info(&k, av, out)
        av = peek64(&k, av + AV_NEXT)
        if av == l.main_arena or av == 0 or not step(l):
            break
    out.hblks = <uint64_t>l.d.mp.n_mmaps
    out.hblkhd = l.d.mp.mmapped_mem
    out.system_bytes = out.arena + l.d.mp.mmapped_mem
    out.in_use_bytes = out.uordblks + l.d.mp.mmapped_mem
    out.max_mmap_regions = <uint64_t>l.d.mp.max_n_mmaps
    out.max_mmap_bytes = l.d.mp.max_mmapped_mem
