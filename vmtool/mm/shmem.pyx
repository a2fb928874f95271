"""shmem: MAP_SHARED|MAP_ANONYMOUS, memfd, SysV segments.

Modelled: pages made at the first fault or write, zeros where there is none; they count as NR_SHMEM and lie on the anonymous lists. The commit
charge is taken for the whole when the file is made, or, with VM_NORESERVE (memfd, too), for each page when that is made.
Counterpart: Linux v6.18 mm/shmem.c:shmem_get_folio_gfp(), shmem_acct_size(), shmem_inode_acct_blocks(), shmem_file_read_iter(), shmem_write_begin().
# Deviation: single pages only (/sys/kernel/mm/transparent_hugepage/shmem_enabled is never).
"""

from libc.string cimport memcpy, memset

from vmtool.mm.arch cimport offset_in_page, page_align, page_size
from vmtool.mm.arena cimport file_at, frame_at, frame_mut, inode_at, inode_mut, task_at
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.filemap cimport filemap_add, filemap_get, folio_mark_dirty
from vmtool.mm.frame cimport page_bytes, page_bytes_mut, page_folio
from vmtool.mm.mm_acct cimport vm_enough_memory, vm_unacct_memory
from vmtool.mm.inode cimport shmem_recalc_inode
from vmtool.mm.swap_lru cimport folio_mark_accessed
from vmtool.mm.trace cimport TR_CACHE_LOOKUP, TR_COPY_FROM_USER, TR_COPY_TO_USER, trace3

cdef int shmem_acct_size(arena_t *a, idx_t inode, uint64_t vm_flags) noexcept nogil:
    cdef uint64_t nr_pages = page_align(&a.m.arch, inode_at(a, inode).size) >> a.m.arch.page_shift
    if vm_flags & VM_NORESERVE:
        inode_mut(a, inode).shmem_flags |= VM_NORESERVE
        return 0
    if vm_enough_memory(a, current_mm(a), <int64_t>nr_pages) < 0:
        return -ENOMEM
    inode_mut(a, inode).accounted = nr_pages
    return 0


cdef inline idx_t current_mm(arena_t *a) noexcept nogil:
    return task_at(a, a.task).mm if a.task else 0


cdef pfn_t look_up(arena_t *a, idx_t inode, uint64_t index, uint32_t *result) noexcept nogil:
    """The page in the cache, brought back from swap if it is there; 0: there is none, or VM_FAULT_OOM."""
    cdef pfn_t pfn = filemap_get(a, inode, index)
    if pfn == 0 and inode_at(a, inode).nr_swapped and a.shmem_swapin != NULL:
        pfn = a.shmem_swapin(a, inode, index, result)
    return pfn


cdef pfn_t shmem_get(arena_t *a, idx_t inode, uint64_t index, uint32_t *result) noexcept nogil:
    """shmem_get_folio_gfp(SGP_CACHE): a new page is charged when the whole file was not, and what reclaim took is given back then."""
    cdef pfn_t pfn = look_up(a, inode, index, result)
    cdef bint by_page = inode_at(a, inode).shmem_flags & VM_NORESERVE != 0
    cdef uint32_t failed = 0
    if pfn or result[0] & VM_FAULT_OOM:
        return pfn
    pfn = alloc_pages(a, 0, GFP_USER_MOVABLE | GFP_ZERO)
    if pfn == 0:
        result[0] |= VM_FAULT_OOM
        return 0
    frame_mut(a, pfn).flags |= PG_swapbacked | PG_uptodate
    if by_page and vm_enough_memory(a, current_mm(a), 1) < 0:
        failed = VM_FAULT_SIGBUS  # no space
    elif filemap_add(a, inode, index, pfn, 0) < 0:
        failed = VM_FAULT_OOM
        if by_page:
            vm_unacct_memory(a, 1)
    if failed:
        frame_mut(a, pfn).flags &= ~<uint32_t>(PG_swapbacked | PG_uptodate)
        free_pages(a, pfn, 0)
        result[0] |= failed
        return 0
    if by_page:
        inode_mut(a, inode).accounted += 1
        shmem_recalc_inode(a, inode)
    return pfn


cdef int64_t shmem_read(arena_t *a, idx_t file, uint64_t pos, char *buf, uint64_t length) noexcept nogil:
    cdef idx_t inode = file_at(a, file).inode
    cdef uint64_t size = inode_at(a, inode).size
    cdef uint64_t done = 0
    cdef uint64_t part
    cdef uint32_t result = 0
    cdef pfn_t pfn
    if pos >= size:
        return 0
    if length > size - pos:
        length = size - pos
    while done < length:
        part = page_size(&a.m.arch) - offset_in_page(&a.m.arch, pos + done)
        if part > length - done:
            part = length - done
        pfn = look_up(a, inode, (pos + done) >> a.m.arch.page_shift, &result)
        if result & VM_FAULT_OOM:
            return <int64_t>done if done else -ENOMEM
        trace3(a, TR_CACHE_LOOKUP, inode, (pos + done) >> a.m.arch.page_shift, pfn != 0)
        if pfn:
            folio_mark_accessed(a, page_folio(a, pfn))
            memcpy(buf + done, page_bytes(a, pfn) + offset_in_page(&a.m.arch, pos + done), part)
        else:
            memset(buf + done, 0, part)
        trace3(a, TR_COPY_TO_USER, inode, pos + done, part)
        done += part
    return <int64_t>done


cdef int64_t shmem_write(arena_t *a, idx_t file, uint64_t pos, const char *buf, uint64_t length) noexcept nogil:
    cdef idx_t inode = file_at(a, file).inode
    cdef uint64_t done = 0
    cdef uint64_t part
    cdef uint32_t result = 0
    cdef pfn_t pfn
    while done < length:
        part = page_size(&a.m.arch) - offset_in_page(&a.m.arch, pos + done)
        if part > length - done:
            part = length - done
        pfn = shmem_get(a, inode, (pos + done) >> a.m.arch.page_shift, &result)
        if pfn == 0:
            return <int64_t>done if done else -ENOSPC if result & VM_FAULT_SIGBUS else -ENOMEM
        memcpy(page_bytes_mut(a, pfn) + offset_in_page(&a.m.arch, pos + done), buf + done, part)
        folio_mark_dirty(a, page_folio(a, pfn))
        trace3(a, TR_COPY_FROM_USER, inode, pos + done, part)
        done += part
        if pos + done > inode_at(a, inode).size:
            inode_mut(a, inode).size = pos + done
    return <int64_t>done
