"""shmem: MAP_SHARED|MAP_ANONYMOUS, memfd, SysV segments.

Modelled: pages made at the first fault or write, zeros where there is none; they count as NR_SHMEM and lie on the anonymous lists.
Counterpart: Linux v6.18 mm/shmem.c:shmem_get_folio_gfp(), shmem_file_read_iter(), shmem_write_begin().
# Deviation: single pages only (/sys/kernel/mm/transparent_hugepage/shmem_enabled is never); no swap.
"""

from libc.string cimport memcpy, memset

from vmtool.mm.arena cimport file_at, frame_at, frame_mut, inode_at, inode_mut
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.filemap cimport filemap_add, filemap_get, folio_mark_accessed, folio_mark_dirty
from vmtool.mm.frame cimport page_bytes, page_bytes_mut, page_folio
from vmtool.mm.trace cimport TR_CACHE_LOOKUP, TR_COPY_FROM_USER, TR_COPY_TO_USER, trace3

cdef enum:
    PAGE_SHIFT = 12
    PAGE_MASK = 4095


cdef pfn_t shmem_get(arena_t *a, idx_t inode, uint64_t index) noexcept nogil:
    cdef pfn_t pfn = filemap_get(a, inode, index)
    if pfn:
        return pfn
    pfn = alloc_pages(a, 0, GFP_USER_MOVABLE | GFP_ZERO)
    if pfn == 0:
        return 0
    frame_mut(a, pfn).flags |= PG_swapbacked | PG_uptodate
    if filemap_add(a, inode, index, pfn, 0) < 0:
        frame_mut(a, pfn).flags &= ~<uint32_t>(PG_swapbacked | PG_uptodate)
        free_pages(a, pfn, 0)
        return 0
    return pfn


cdef int64_t shmem_read(arena_t *a, idx_t file, uint64_t pos, char *buf, uint64_t length) noexcept nogil:
    cdef idx_t inode = file_at(a, file).inode
    cdef uint64_t size = inode_at(a, inode).size
    cdef uint64_t done = 0
    cdef uint64_t part
    cdef pfn_t pfn
    if pos >= size:
        return 0
    if length > size - pos:
        length = size - pos
    while done < length:
        part = CONTENT_BYTES - ((pos + done) & PAGE_MASK)
        if part > length - done:
            part = length - done
        pfn = filemap_get(a, inode, (pos + done) >> PAGE_SHIFT)
        trace3(a, TR_CACHE_LOOKUP, inode, (pos + done) >> PAGE_SHIFT, pfn != 0)
        if pfn:
            folio_mark_accessed(a, page_folio(a, pfn))
            memcpy(buf + done, page_bytes(a, pfn) + ((pos + done) & PAGE_MASK), part)
        else:
            memset(buf + done, 0, part)
        trace3(a, TR_COPY_TO_USER, inode, pos + done, part)
        done += part
    return <int64_t>done


cdef int64_t shmem_write(arena_t *a, idx_t file, uint64_t pos, const char *buf, uint64_t length) noexcept nogil:
    cdef idx_t inode = file_at(a, file).inode
    cdef uint64_t done = 0
    cdef uint64_t part
    cdef pfn_t pfn
    while done < length:
        part = CONTENT_BYTES - ((pos + done) & PAGE_MASK)
        if part > length - done:
            part = length - done
        pfn = shmem_get(a, inode, (pos + done) >> PAGE_SHIFT)
        if pfn == 0:
            return <int64_t>done if done else -ENOMEM
        memcpy(page_bytes_mut(a, pfn) + ((pos + done) & PAGE_MASK), buf + done, part)
        folio_mark_dirty(a, page_folio(a, pfn))
        trace3(a, TR_COPY_FROM_USER, inode, pos + done, part)
        done += part
        if pos + done > inode_at(a, inode).size:
            inode_mut(a, inode).size = pos + done
    return <int64_t>done
