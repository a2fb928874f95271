"""shmem: MAP_SHARED|MAP_ANONYMOUS, memfd, SysV segments.

Modelled: pages made at the first fault or write, zeros where there is none; they count as NR_SHMEM and lie on the anonymous lists. The commit
charge is taken for the whole when the file is made, or, with VM_NORESERVE (memfd, too), for each page when that is made.
Counterpart: Linux v6.18 mm/shmem.c:shmem_get_folio_gfp(), shmem_acct_size(), shmem_inode_acct_blocks(), shmem_file_read_iter(), shmem_write_begin().
Large folios: as shmem_enabled, the sizes' hugepages-*kB/shmem_enabled and the mount's huge= say, where nothing of their pages is there yet; a fault maps
one of 2M by one entry if it can, a write() fills the largest that are allowed.
"""

from libc.string cimport memcmp, memcpy, memset

from vmtool.mm.arch cimport ARCH_NO_THP, offset_in_page, page_align, page_size
from vmtool.mm.arena cimport file_at, frame_mut, inode_at, inode_mut, task_at, vma_at
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.thp cimport vma_thp_disabled, vma_thp_gfp_mask
from vmtool.mm.vma cimport vma_address
from vmtool.mm.vmstat cimport THP_FILE_ALLOC, THP_FILE_FALLBACK, count_vm_events
from vmtool.mm.xnode cimport xnode_next
from vmtool.mm.filemap cimport filemap_add, filemap_get, filemap_next_swapped, folio_mark_dirty
from vmtool.mm.frame cimport folio_order, page_bytes, page_bytes_mut, page_folio
from vmtool.mm.mm_acct cimport vm_enough_memory, vm_unacct_memory
from vmtool.mm.names cimport name_read
from vmtool.mm.inode cimport MAPPING_LARGE_FOLIOS, shmem_recalc_inode
from vmtool.mm.large_folio cimport max_pagecache_order, thp_orders_all_file
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


cdef bint shmem_is_charged_whole(arena_t *a, idx_t inode) noexcept nogil:
    """By the names that shmem_zero_setup() and newseg() give."""
    cdef char name[10]
    cdef uint32_t n = name_read(a, inode_at(a, inode).name, name, sizeof(name))
    return n >= 5 and memcmp(name, b"/SYSV", 5) == 0 or n >= 9 and memcmp(name, b"/dev/zero", 9) == 0


cdef void shmem_adopt_size(arena_t *a, idx_t inode, uint64_t vm_flags) noexcept nogil:
    if vm_flags & VM_NORESERVE or not shmem_is_charged_whole(a, inode):
        shmem_acct_size(a, inode, VM_NORESERVE)
        return
    inode_mut(a, inode).accounted = page_align(&a.m.arch, inode_at(a, inode).size) >> a.m.arch.page_shift
    a.m.vm_committed_as += <int64_t>inode_at(a, inode).accounted


cdef inline idx_t current_mm(arena_t *a) noexcept nogil:
    return task_at(a, a.task).mm if a.task else 0


cdef pfn_t shmem_find(arena_t *a, idx_t inode, uint64_t index, uint32_t *result) noexcept nogil:
    """The page in the cache, brought back from swap if it is there; 0: there is none, or VM_FAULT_OOM."""
    cdef pfn_t pfn = filemap_get(a, inode, index)
    if pfn == 0 and inode_at(a, inode).nr_swapped and a.shmem_swapin != NULL:
        pfn = a.shmem_swapin(a, inode, index, result)
    return pfn


# --- which sizes -------------------------------------------------------------------------------------------------------


cdef inline uint32_t highest_order(uint32_t orders) noexcept nogil:
    cdef uint32_t order = NR_MTHP_ORDERS - 1
    while order and not orders >> order & 1:
        order -= 1
    return order


cdef uint32_t orders_within_size(arena_t *a, idx_t inode, uint32_t orders, uint64_t index, uint64_t write_end) noexcept nogil:
    """shmem_get_orders_within_size(): from the largest on whose folio would end within the file, as it will be after the write."""
    cdef uint64_t nr_pages = page_align(&a.m.arch, max(inode_at(a, inode).size, write_end)) >> a.m.arch.page_shift
    cdef uint32_t order
    while orders:
        order = highest_order(orders)
        if nr_pages >= (index | ((<uint64_t>1 << order) - 1)) + 1:
            return orders
        orders &= ~(<uint32_t>1 << order)
    return 0


cdef uint32_t huge_global_enabled(arena_t *a, idx_t inode, const vma_t *v, uint64_t index, uint64_t write_end, bint force) noexcept nogil:
    """shmem_huge_global_enabled(): by the mount's huge=. A fault knows no size but the huge one, a write takes what it fills."""
    cdef uint32_t how = a.m.shmem_huge
    cdef uint32_t pmd = thp_orders_all_file(&a.m.arch) & <uint32_t>1 << a.m.arch.pmd_order
    cdef uint32_t all = pmd if v != NULL else thp_orders_all_file(&a.m.arch)
    if how == SHMEM_HUGE_DENY:
        return 0
    if force or how == SHMEM_HUGE_FORCE:
        return pmd
    if inode_at(a, inode).s_mount == SHMEM_TMPFS:
        how = a.m.tmpfs_huge
    if how == SHMEM_HUGE_ALWAYS:
        return all
    if how == SHMEM_HUGE_WITHIN_SIZE:
        all = orders_within_size(a, inode, all, index, write_end)
        if all:
            return all
    elif how != SHMEM_HUGE_ADVISE:
        return 0
    return pmd if v != NULL and v.vm_flags & VM_HUGEPAGE else 0


cdef uint32_t shmem_allowable_huge_orders(arena_t *a, idx_t inode, const vma_t *v, uint64_t index, uint64_t write_end, bint force) noexcept nogil:
    """By the settings, the area's flags, the file's size. Anonymous shared memory goes by the sizes' own settings, too."""
    cdef uint32_t global_orders, mask
    cdef const uint32_t *orders = &a.m.huge_shmem_orders[0]
    if inode_at(a, inode).kind != INODE_SHMEM or a.m.arch.flags & ARCH_NO_THP:
        return 0
    if v != NULL and (v.vm_flags & VM_HUGETLB or vma_thp_disabled(a, v, force)):
        return 0
    global_orders = huge_global_enabled(a, inode, v, index, write_end, force)
    if v == NULL or inode_at(a, inode).s_mount != SHMEM_ANON:
        return global_orders
    if a.m.shmem_huge == SHMEM_HUGE_DENY:
        return 0
    if a.m.shmem_huge == SHMEM_HUGE_FORCE:
        return orders[SHMEM_ORDERS_INHERIT]
    mask = orders[SHMEM_ORDERS_ALWAYS] | orders_within_size(a, inode, orders[SHMEM_ORDERS_WITHIN_SIZE], index, 0)
    if v.vm_flags & VM_HUGEPAGE:
        mask |= orders[SHMEM_ORDERS_ADVISE]
    if global_orders:
        mask |= orders[SHMEM_ORDERS_INHERIT]
    return mask & thp_orders_all_file(&a.m.arch)


cdef bint shmem_suitable_huge(arena_t *a, idx_t v, vaddr_t addr, uint32_t order) noexcept nogil:
    """thp_vma_suitable_order() of a file's area: as many pages around an address lie in it as they lie in the file."""
    cdef const vma_t *area = vma_at(a, v)
    cdef uint64_t bytes = <uint64_t>page_size(&a.m.arch) << order
    cdef vaddr_t start = addr & ~(bytes - 1)
    if ((area.vm_start >> a.m.arch.page_shift) - area.vm_pgoff) & ((<uint64_t>1 << order) - 1):
        return False
    return start >= area.vm_start and start + bytes <= area.vm_end


cdef bint range_is_empty(arena_t *a, idx_t inode, uint64_t first, uint64_t nr_pages) noexcept nogil:
    """Neither pages nor slots."""
    cdef uint64_t at = first
    if xnode_next(a, inode_at(a, inode).i_pages, &at, first + nr_pages - 1):
        return False
    at = first
    return filemap_next_swapped(a, inode, &at, first + nr_pages - 1) == 0


cdef uint32_t suitable_orders(arena_t *a, idx_t inode, uint64_t index, idx_t v, uint32_t orders) noexcept nogil:
    """shmem_suitable_orders(): those that fit the area, from the largest on in whose place nothing is yet."""
    cdef uint32_t order, fit = 0
    if v == 0:
        fit = orders
    else:
        for order in range(1, a.m.arch.pmd_order + 1):
            if orders >> order & 1 and shmem_suitable_huge(a, v, vma_address(a, vma_at(a, v), index), order):
                fit |= <uint32_t>1 << order
    while fit:
        order = highest_order(fit)
        if range_is_empty(a, inode, index & ~((<uint64_t>1 << order) - 1), <uint64_t>1 << order):
            return fit
        fit &= ~(<uint32_t>1 << order)
    return 0


# --- new pages ----------------------------------------------------------------------------------------------------------


cdef int shmem_charge(arena_t *a, idx_t inode, uint64_t nr_pages) noexcept nogil:
    """shmem_inode_acct_blocks()."""
    if inode_at(a, inode).shmem_flags & VM_NORESERVE:
        if vm_enough_memory(a, current_mm(a), <int64_t>nr_pages) < 0:
            return -ENOMEM
        inode_mut(a, inode).accounted += nr_pages
    return 0


cdef uint32_t add_folio(arena_t *a, idx_t inode, uint64_t index, pfn_t head, uint32_t order) noexcept nogil:
    """shmem_add_to_page_cache(), shmem_inode_acct_blocks(): 0, or why not, and the folio is free again."""
    cdef uint64_t nr_pages = <uint64_t>1 << order
    cdef uint32_t failed = 0
    frame_mut(a, head).flags |= PG_swapbacked | PG_uptodate
    if shmem_charge(a, inode, nr_pages) < 0:
        failed = VM_FAULT_SIGBUS  # no space
    elif filemap_add(a, inode, index, head, order) < 0:
        failed = VM_FAULT_OOM
        if inode_at(a, inode).shmem_flags & VM_NORESERVE:
            inode_mut(a, inode).accounted -= nr_pages
            vm_unacct_memory(a, nr_pages)
    if failed:
        frame_mut(a, head).flags &= ~<uint32_t>(PG_swapbacked | PG_uptodate)
        free_pages(a, head, order)
        return failed
    shmem_recalc_inode(a, inode)
    return 0


cdef pfn_t get_huge(arena_t *a, idx_t inode, uint64_t index, idx_t v, uint64_t write_end) noexcept nogil:
    """shmem_alloc_and_add_folio() of more than a page. 0: a single page has to do. Counts: THP_FILE_ALLOC, THP_FILE_FALLBACK."""
    cdef uint32_t orders = shmem_allowable_huge_orders(a, inode, vma_at(a, v) if v else NULL, index, write_end, False)
    cdef uint32_t order
    cdef uint64_t first
    cdef pfn_t head = 0
    if orders:
        orders = suitable_orders(a, inode, index, v, orders)
    while orders:
        order = highest_order(orders)
        first = index & ~((<uint64_t>1 << order) - 1)
        head = alloc_pages(a, order, vma_thp_gfp_mask(a, vma_at(a, v).vm_flags if v else 0) | GFP_ZERO | (GFP_MPOL if order == a.m.arch.pmd_order else 0))
        if head:
            if add_folio(a, inode, first, head, order):
                return 0
            count_vm_events(a, THP_FILE_ALLOC, order == a.m.arch.pmd_order)
            return head + <pfn_t>(index - first)
        count_vm_events(a, THP_FILE_FALLBACK, order == a.m.arch.pmd_order)
        orders &= ~(<uint32_t>1 << order)
    return 0


cdef pfn_t shmem_get(arena_t *a, idx_t inode, uint64_t index, idx_t v, uint64_t write_end, uint32_t *result) noexcept nogil:
    """shmem_get_folio_gfp(SGP_CACHE, SGP_WRITE): a new page is charged when the whole file was not, and what reclaim took is given back then."""
    cdef pfn_t pfn = shmem_find(a, inode, index, result)
    if pfn:
        if write_end:
            folio_mark_accessed(a, page_folio(a, pfn))
        return pfn
    if result[0] & VM_FAULT_OOM:
        return 0
    pfn = get_huge(a, inode, index, v, write_end)
    if pfn == 0:
        pfn = alloc_pages(a, 0, GFP_USER_MOVABLE | GFP_ZERO)
        if pfn == 0:
            result[0] |= VM_FAULT_OOM
            return 0
        result[0] |= add_folio(a, inode, index, pfn, 0)
        if result[0] & (VM_FAULT_OOM | VM_FAULT_SIGBUS):
            return 0
    if write_end:
        frame_mut(a, page_folio(a, pfn)).flags |= PG_referenced
    return pfn


# --- read() and write() -------------------------------------------------------------------------------------------------------


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
        pfn = shmem_find(a, inode, (pos + done) >> a.m.arch.page_shift, &result)
        if result & VM_FAULT_OOM:
            return <int64_t>done if done else -ENOMEM
        trace3(a, TR_CACHE_LOOKUP, inode, (pos + done) >> a.m.arch.page_shift, pfn != 0)
        if pfn:
            if pfn == page_folio(a, pfn) and offset_in_page(&a.m.arch, pos + done) == 0:  # read from its beginning
                folio_mark_accessed(a, pfn)
            memcpy(buf + done, page_bytes(a, pfn) + offset_in_page(&a.m.arch, pos + done), part)
        else:
            memset(buf + done, 0, part)
        trace3(a, TR_COPY_TO_USER, inode, pos + done, part)
        done += part
    return <int64_t>done


cdef uint64_t write_chunk(arena_t *a, idx_t inode) noexcept nogil:
    """mapping_max_folio_size(): decided when the file was made, by the mount's huge= of then."""
    return <uint64_t>page_size(&a.m.arch) << (max_pagecache_order(&a.m.arch) if inode_at(a, inode).i_state & MAPPING_LARGE_FOLIOS else 0)


cdef int64_t shmem_write(arena_t *a, idx_t file, uint64_t pos, const char *buf, uint64_t length) noexcept nogil:
    """generic_perform_write(): folio by folio, of what is left up to the next border of the largest folio."""
    cdef idx_t inode = file_at(a, file).inode
    cdef uint64_t chunk = write_chunk(a, inode)
    cdef uint64_t done = 0, part, size, at
    cdef uint32_t result = 0
    cdef pfn_t pfn, head
    while done < length:
        part = min(length - done, chunk - ((pos + done) & (chunk - 1)))
        pfn = shmem_get(a, inode, (pos + done) >> a.m.arch.page_shift, 0, pos + done + part, &result)
        if pfn == 0:
            return <int64_t>done if done else -ENOSPC if result & VM_FAULT_SIGBUS else -ENOMEM
        head = page_folio(a, pfn)
        size = <uint64_t>page_size(&a.m.arch) << folio_order(a, head)
        part = min(part, size - ((pos + done) & (size - 1)))
        at = done
        while at < done + part:
            size = min(done + part - at, page_size(&a.m.arch) - offset_in_page(&a.m.arch, pos + at))
            memcpy(page_bytes_mut(a, pfn) + offset_in_page(&a.m.arch, pos + at), buf + at, size)
            at += size
            pfn += 1
        folio_mark_dirty(a, head)
        trace3(a, TR_COPY_FROM_USER, inode, pos + done, part)
        done += part
        if pos + done > inode_at(a, inode).size:
            inode_mut(a, inode).size = pos + done
    return <int64_t>done
