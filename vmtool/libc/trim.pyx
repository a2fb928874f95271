"""Counterpart: glibc 2.36 malloc/malloc.c (systrim(), the walk of mtrim())."""

from libc.stdint cimport int64_t, uint32_t

from vmtool.libc.chunk cimport *
from vmtool.libc.syscalls cimport current_brk, libc_madvise, morecore
from vmtool.libc.words cimport step
from vmtool.mm.sys_madvise cimport MADV_DONTNEED


cdef bint systrim(libc_t *l, uint64_t pad, vaddr_t av) noexcept nogil:
    """Lower the break by the whole pages of the top beyond `pad`; only where the break is the heap's own end."""
    cdef vaddr_t top = top_of(l, av), brk, new
    cdef uint64_t top_size = chunksize(l, top), room = top_size - MINSIZE - 1, extra, unit = PAGE, released
    if room <= pad:  # an empty heap has room below nothing: all of the address space, and no extra page comes of it
        return False
    if l.d.mp.thp_pagesize:
        unit = l.d.mp.thp_pagesize
    extra = (room - pad) & ~(unit - 1)
    if extra == 0:
        return False
    brk = current_brk(l)
    if brk != top + top_size or l.d.no_morecore:
        return False
    morecore(l, -<int64_t>extra)
    new = current_brk(l)
    released = brk - new
    if released == 0:
        return False
    st64(l, av + AV_SYSTEM_MEM, system_mem(l, av) - released)
    set_head(l, top, (top_size - released) | PREV_INUSE)
    return True


cdef bint drop_free_pages(libc_t *l, vaddr_t av) noexcept nogil:
    """madvise(MADV_DONTNEED) on the whole pages within free chunks, behind the words that the lists need."""
    cdef bint any = False
    cdef uint32_t i
    cdef vaddr_t bin, p, start
    cdef uint64_t size
    for i in range(1, NBINS):
        if i != 1 and i < bin_index(PAGE):
            continue
        bin = bin_at(av, i)
        p = bk(l, bin)
        while p != bin:
            size = chunksize(l, p)
            if size > PAGE - 1 + SIZEOF_CHUNK:
                start = align_up(p + SIZEOF_CHUNK, PAGE)
                size -= start - p
                if size > PAGE - 1:
                    libc_madvise(l, start, size & ~<uint64_t>(PAGE - 1), MADV_DONTNEED)
                    any = True
            p = bk(l, p)
            step(l)
    return any
