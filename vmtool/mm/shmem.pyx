"""shmem: MAP_SHARED|MAP_ANONYMOUS, memfd, SysV segments.

Modelled: pages made at the first fault or write, zeros where there is none; they count as NR_SHMEM and lie on the anonymous lists. The commit
charge is taken for the whole when the file is made, or, with VM_NORESERVE (memfd, too), for each page when that is made.
Counterpart: Linux v6.18 mm/shmem.c:shmem_get_folio_gfp(), shmem_acct_size(), shmem_inode_acct_blocks(), shmem_file_read_iter(), shmem_write_begin().
Huge pages, of 2M: as transparent_hugepage/shmem_enabled says, where nothing of the 2M is there yet; the fault maps them by one entry if it can.
# Deviation: write() makes single pages, whatever its size; no sizes between (hugepages-*kB/shmem_enabled are as at boot: 2M inherit).
"""

from libc.string cimport memcpy, memset

from vmtool.mm.arch cimport offset_in_page, page_align, page_size
from vmtool.mm.arena cimport file_at, frame_at, frame_mut, inode_at, inode_mut, mm_at, task_at, vma_at
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.thp cimport HPAGE_PMD_NR, HPAGE_PMD_ORDER, thp_vma_suitable
from vmtool.mm.vma cimport vma_address
from vmtool.mm.vmstat cimport THP_FILE_ALLOC, THP_FILE_FALLBACK, count_vm_event
from vmtool.mm.xnode cimport xnode_next
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


cdef bint shmem_allowable_huge(arena_t *a, idx_t v, uint64_t index) noexcept nogil:
    """shmem_allowable_huge_orders(): by the machine's mode, the area's flags, the file's size."""
    cdef uint32_t how = a.m.shmem_huge
    cdef vma_t *area = vma_at(a, v)
    cdef idx_t inode = file_at(a, area.vm_file).inode
    if how == SHMEM_HUGE_NEVER or how == SHMEM_HUGE_DENY or inode_at(a, inode).kind != INODE_SHMEM or a.m.arch.page_shift != 12 or a.m.arch.levels < 4:
        return False
    if area.vm_flags & (VM_NOHUGEPAGE | VM_HUGETLB) or mm_at(a, area.vm_mm).flags & MMF_DISABLE_THP:
        return False
    if how == SHMEM_HUGE_WITHIN_SIZE and (index | (HPAGE_PMD_NR - 1)) < page_align(&a.m.arch, inode_at(a, inode).size) >> a.m.arch.page_shift:
        return True
    return how == SHMEM_HUGE_ALWAYS or how == SHMEM_HUGE_FORCE or area.vm_flags & VM_HUGEPAGE != 0


cdef bint shmem_suitable_huge(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    """thp_vma_suitable_order() of a file's area: 2M around an address lie in it as they lie in the file."""
    cdef vma_t *area = vma_at(a, v)
    return ((area.vm_start >> a.m.arch.page_shift) - area.vm_pgoff) & (HPAGE_PMD_NR - 1) == 0 and thp_vma_suitable(area, addr)


cdef bint range_is_empty(arena_t *a, idx_t inode, uint64_t first) noexcept nogil:
    """Neither pages nor slots."""
    cdef uint64_t at = first
    if xnode_next(a, inode_at(a, inode).i_pages, &at, first + HPAGE_PMD_NR - 1):
        return False
    at = first
    return not (inode_at(a, inode).nr_swapped and xnode_next(a, inode_at(a, inode).swapped, &at, first + HPAGE_PMD_NR - 1))


cdef uint32_t add_folio(arena_t *a, idx_t inode, uint64_t index, pfn_t head, uint32_t order) noexcept nogil:
    """shmem_add_to_page_cache(), shmem_inode_acct_blocks(): 0, or why not, and the folio is free again."""
    cdef bint by_page = inode_at(a, inode).shmem_flags & VM_NORESERVE != 0
    cdef uint64_t nr_pages = <uint64_t>1 << order
    cdef uint32_t failed = 0
    frame_mut(a, head).flags |= PG_swapbacked | PG_uptodate
    if by_page and vm_enough_memory(a, current_mm(a), <int64_t>nr_pages) < 0:
        failed = VM_FAULT_SIGBUS  # no space
    elif filemap_add(a, inode, index, head, order) < 0:
        failed = VM_FAULT_OOM
        if by_page:
            vm_unacct_memory(a, nr_pages)
    if failed:
        frame_mut(a, head).flags &= ~<uint32_t>(PG_swapbacked | PG_uptodate)
        free_pages(a, head, order)
        return failed
    if by_page:
        inode_mut(a, inode).accounted += nr_pages
        shmem_recalc_inode(a, inode)
    return 0


cdef pfn_t get_huge(arena_t *a, idx_t inode, uint64_t index, idx_t v) noexcept nogil:
    """shmem_alloc_and_add_folio() of 2M. 0: a single page has to do. Counts: THP_FILE_ALLOC, THP_FILE_FALLBACK."""
    cdef uint64_t first = index & ~<uint64_t>(HPAGE_PMD_NR - 1)
    cdef pfn_t head
    if v == 0 or not shmem_allowable_huge(a, v, index) or not shmem_suitable_huge(a, v, vma_address(a, vma_at(a, v), index)) or not range_is_empty(a, inode, first):
        return 0
    head = alloc_pages(a, HPAGE_PMD_ORDER, GFP_USER_MOVABLE | GFP_NORETRY | GFP_ZERO)
    if head == 0:
        count_vm_event(a, THP_FILE_FALLBACK)
        return 0
    if add_folio(a, inode, first, head, HPAGE_PMD_ORDER):
        return 0
    count_vm_event(a, THP_FILE_ALLOC)
    return head + <pfn_t>(index - first)


cdef pfn_t shmem_get(arena_t *a, idx_t inode, uint64_t index, idx_t v, uint32_t *result) noexcept nogil:
    """shmem_get_folio_gfp(SGP_CACHE): a new page is charged when the whole file was not, and what reclaim took is given back then."""
    cdef pfn_t pfn = look_up(a, inode, index, result)
    if pfn or result[0] & VM_FAULT_OOM:
        return pfn
    pfn = get_huge(a, inode, index, v)
    if pfn:
        return pfn
    pfn = alloc_pages(a, 0, GFP_USER_MOVABLE | GFP_ZERO)
    if pfn == 0:
        result[0] |= VM_FAULT_OOM
        return 0
    result[0] |= add_folio(a, inode, index, pfn, 0)
    return 0 if result[0] & (VM_FAULT_OOM | VM_FAULT_SIGBUS) else pfn


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
        pfn = shmem_get(a, inode, (pos + done) >> a.m.arch.page_shift, 0, &result)
        if pfn == 0:
            return <int64_t>done if done else -ENOSPC if result & VM_FAULT_SIGBUS else -ENOMEM
        memcpy(page_bytes_mut(a, pfn) + offset_in_page(&a.m.arch, pos + done), buf + done, part)
        folio_mark_dirty(a, page_folio(a, pfn))
        trace3(a, TR_COPY_FROM_USER, inode, pos + done, part)
        done += part
        if pos + done > inode_at(a, inode).size:
            inode_mut(a, inode).size = pos + done
    return <int64_t>done
