"""A chunk that is a mapping: no chunk before it or after it, its size the mapping's, less what lies before an aligned block.

    mapping   |<- prev_size ->| prev_size | size | 2 | block ...               |

Counterpart: glibc 2.36 malloc/malloc.c (sysmalloc_mmap(), munmap_chunk(), mremap_chunk()).
"""


from vmtool.libc.chunk cimport *
from vmtool.libc.syscalls cimport PROT_RW, failed, libc_mmap, libc_mremap, libc_munmap, madvise_thp
from vmtool.libc.words cimport abort_with
from vmtool.mm.types cimport MAP_HUGETLB


cdef vaddr_t sysmalloc_mmap(libc_t *l, uint64_t nb, uint64_t pagesize, uint64_t extra_flags) noexcept nogil:
    cdef uint64_t size = align_up(nb + SIZE_SZ, pagesize)
    cdef vaddr_t p
    if size <= nb:
        return 0
    p = libc_mmap(l, 0, size, PROT_RW, extra_flags)
    if failed(p):
        return 0
    if not extra_flags & MAP_HUGETLB:
        madvise_thp(l, p, size)
    set_head(l, p, size | IS_MMAPPED)  # prev_size is 0 already: the mapping is new
    l.d.mp.n_mmaps += 1
    if l.d.mp.n_mmaps > l.d.mp.max_n_mmaps:
        l.d.mp.max_n_mmaps = l.d.mp.n_mmaps
    l.d.mp.mmapped_mem += size
    if l.d.mp.mmapped_mem > l.d.mp.max_mmapped_mem:
        l.d.mp.max_mmapped_mem = l.d.mp.mmapped_mem
    return chunk2mem(p)


cdef bint is_sound(libc_t *l, vaddr_t p, uint64_t front, uint64_t total) noexcept nogil:
    """Whether a mapping can be there: whole pages, and the block at a place in its page that an alignment gives."""
    cdef uint64_t in_page = chunk2mem(p) & (PAGE - 1)
    return ((p - front) | total) & (PAGE - 1) == 0 and in_page & (in_page - 1) == 0


cdef void munmap_chunk(libc_t *l, vaddr_t p) noexcept nogil:
    cdef uint64_t front = prev_size(l, p), total = front + chunksize(l, p)
    if not is_sound(l, p, front, total):
        abort_with(l, "munmap_chunk(): invalid pointer")
    l.d.mp.n_mmaps -= 1
    l.d.mp.mmapped_mem -= total
    libc_munmap(l, p - front, total)  # one that fails leaves the memory where it is; nothing better can be done


cdef vaddr_t mremap_chunk(libc_t *l, vaddr_t p, uint64_t nb) noexcept nogil:
    cdef uint64_t front = prev_size(l, p), total = front + chunksize(l, p), new = align_up(nb + front + SIZE_SZ, PAGE)
    cdef vaddr_t at
    if not is_sound(l, p, front, total):
        abort_with(l, "mremap_chunk(): invalid pointer")
    if total == new:
        return p
    at = libc_mremap(l, p - front, total, new)
    if failed(at):
        return 0
    p = at + front
    set_head(l, p, (new - front) | IS_MMAPPED)
    l.d.mp.mmapped_mem += new - total
    if l.d.mp.mmapped_mem > l.d.mp.max_mmapped_mem:
        l.d.mp.max_mmapped_mem = l.d.mp.mmapped_mem
    return p
