# cython: language_level=3
"""Folios of files that reclaim or advice takes apart.

    folio of order 2, mapped by 4 entries; cold over one of its pages
    after: 4 folios of order 0 in the cache, no entry: the next access is a minor fault
Counterpart: Linux v6.18 mm/rmap.c:try_to_unmap_one(), mm/huge_memory.c:unmap_folio(), __folio_split().
"""

from vmtool.mm.arch cimport page_align
from vmtool.mm.arena cimport fbatches_mut, frame_at, inode_at, mm_at, mm_mut, vma_at
from vmtool.mm.filemap cimport filemap_remove, folio_mark_dirty, folio_test_dirty
from vmtool.mm.folio_split cimport count_split, folio_split
from vmtool.mm.frame cimport folio_order, frame_index, page_folio
from vmtool.mm.inode cimport shmem_recalc_inode
from vmtool.mm.mlock cimport mlock_drain, munlock_folio
from vmtool.mm.mm_acct cimport add_mm_counter, update_hiwater_rss
from vmtool.mm.pgtable cimport entry_at_t, entry_find, flush_tlb_page
from vmtool.mm.pte cimport ENTRY_HUGE, ENTRY_PAGE, pte_dirty, pte_frame, pte_store
from vmtool.mm.rmap cimport remove_rmap
from vmtool.mm.thp cimport split_huge_pmd
from vmtool.mm.vma cimport vma_address, vma_has_index


cdef bint mapped_at(arena_t *a, const vma_t *area, pfn_t head, uint64_t i, entry_at_t *at) noexcept nogil:
    """The entry by which the area maps page i of the folio. False: it does not."""
    cdef uint64_t pgoff = frame_index(frame_at(a, head)) + i
    if not vma_has_index(a, area, pgoff):
        return False
    entry_find(a, mm_at(a, area.vm_mm), vma_address(a, area, pgoff), at)
    if at.what == ENTRY_HUGE:
        return pte_frame(a, at.entry) == head
    return at.what == ENTRY_PAGE and pte_frame(a, at.entry) == head + <pfn_t>i


cdef bint file_folio_is_one_mms(arena_t *a, pfn_t head) noexcept nogil:
    cdef idx_t v = inode_at(a, frame_at(a, head).mapping).i_mmap, seen = 0
    cdef entry_at_t at
    cdef uint64_t i
    while v:
        for i in range(<uint64_t>1 << folio_order(a, head)):
            if mapped_at(a, vma_at(a, v), head, i, &at):
                if seen and seen != vma_at(a, v).vm_mm:
                    return False
                seen = vma_at(a, v).vm_mm
                break
        v = vma_at(a, v).i_mmap_next
    return True


cdef void try_to_unmap(arena_t *a, pfn_t head) noexcept nogil:
    cdef int kind = MM_SHMEMPAGES if frame_at(a, head).flags & PG_swapbacked else MM_FILEPAGES
    cdef idx_t v = inode_at(a, frame_at(a, head).mapping).i_mmap
    cdef entry_at_t at
    cdef uint64_t i
    cdef mm_t *m
    while v:
        m = mm_mut(a, vma_at(a, v).vm_mm)
        for i in range(<uint64_t>1 << folio_order(a, head)):
            if mapped_at(a, vma_at(a, v), head, i, &at):
                if at.what == ENTRY_HUGE:
                    split_huge_pmd(a, v, vma_address(a, vma_at(a, v), frame_index(frame_at(a, head)) + i))
                    break
                update_hiwater_rss(m)
                pte_store(a, at.table, at.index, 0)
                if pte_dirty(a, at.entry):
                    folio_mark_dirty(a, head)
                flush_tlb_page(a, m, vma_address(a, vma_at(a, v), frame_index(frame_at(a, head)) + i))
                remove_rmap(a, <pfn_t>(head + i), vma_at(a, v).vm_mm)
                if vma_at(a, v).vm_flags & VM_LOCKED:  # TTU_IGNORE_MLOCK
                    munlock_folio(a, head)
                    mlock_drain(a, fbatches_mut(a))
                add_mm_counter(m, kind, -1)
        v = vma_at(a, v).i_mmap_next


cdef void drop_past_end(arena_t *a, idx_t inode, pfn_t head, uint64_t nr_pages) noexcept nogil:
    """The end of __folio_split(): a folio may reach beyond the file, its pieces may not."""
    cdef uint64_t end = page_align(&a.m.arch, inode_at(a, inode).size) >> a.m.arch.page_shift
    cdef uint64_t index = frame_index(frame_at(a, head)), i
    for i in range(nr_pages):
        if index + i >= end:
            filemap_remove(a, <pfn_t>(head + i))
    shmem_recalc_inode(a, inode)


cdef bint split_file_folio(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint64_t i, nr_pages = <uint64_t>1 << folio_order(a, head)
    cdef idx_t inode = frame_at(a, head).mapping
    cdef pfn_t at
    cdef bint can_split = frame_at(a, head).flags & PG_swapbacked or not folio_test_dirty(a, head)
    count_split(a, folio_order(a, head), can_split)
    if not can_split:
        return False  # its buffers cannot be released; shared memory has none
    try_to_unmap(a, head)
    for i in range(nr_pages):
        at = <pfn_t>(head + i)
        while folio_order(a, page_folio(a, at)):
            folio_split(a, page_folio(a, at), at)
    drop_past_end(a, inode, head, nr_pages)
    return True
