# cython: language_level=3
"""Folios of files that reclaim or advice takes apart.

    folio of order 2, mapped by 4 entries; cold over one of its pages
    after: 4 folios of order 0 in the cache, no entry: the next access is a minor fault
Counterpart: Linux v6.18 mm/rmap.c:try_to_unmap_one(), mm/huge_memory.c:unmap_folio(), __folio_split().
"""

from vmtool.mm.arena cimport frame_at, inode_at, mm_mut, vma_at
from vmtool.mm.arch cimport level_index
from vmtool.mm.filemap cimport folio_test_dirty
from vmtool.mm.folio_split cimport folio_split
from vmtool.mm.frame cimport folio_order, frame_index, page_folio
from vmtool.mm.mm_acct cimport add_mm_counter, update_hiwater_rss
from vmtool.mm.pgtable cimport flush_tlb_page, pte_frame, table_lookup
from vmtool.mm.pte cimport ENTRY_PAGE, pte_class, pte_load, pte_store
from vmtool.mm.rmap cimport page_mapcount, remove_rmap
from vmtool.mm.vma cimport vma_pages

cdef uint64_t folio_mapcount(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint64_t i, n = 0
    for i in range(<uint64_t>1 << folio_order(a, head)):
        n += page_mapcount(a, <pfn_t>(head + i))
    return n

cdef pfn_t mapped_at(arena_t *a, const vma_t *area, pfn_t head, uint64_t i, vaddr_t *addr, uint32_t *index) noexcept nogil:
    """The PTE table, and the place in it, by which the area maps page i of the folio; 0: it does not."""
    cdef uint64_t pgoff = frame_index(frame_at(a, head)) + i
    cdef pfn_t table
    cdef pte_t e
    if pgoff < area.vm_pgoff or pgoff >= area.vm_pgoff + vma_pages(area):
        return 0
    addr[0] = area.vm_start + ((pgoff - area.vm_pgoff) << 12)
    table = table_lookup(a, mm_mut(a, area.vm_mm), addr[0], 0)
    if table == 0:
        return 0
    index[0] = level_index(&a.m.arch, 0, addr[0])
    e = pte_load(a, table, index[0])
    return table if pte_class(a, e) == ENTRY_PAGE and pte_frame(a, e) == head + <pfn_t>i else 0

cdef bint file_folio_is_one_mms(arena_t *a, pfn_t head) noexcept nogil:
    cdef idx_t v = inode_at(a, frame_at(a, head).mapping).i_mmap, seen = 0
    cdef vaddr_t addr
    cdef uint32_t index
    cdef uint64_t i
    while v:
        for i in range(<uint64_t>1 << folio_order(a, head)):
            if mapped_at(a, vma_at(a, v), head, i, &addr, &index):
                if seen and seen != vma_at(a, v).vm_mm:
                    return False
                seen = vma_at(a, v).vm_mm
                break
        v = vma_at(a, v).i_mmap_next
    return True

cdef void try_to_unmap(arena_t *a, pfn_t head) noexcept nogil:
    cdef int kind = MM_SHMEMPAGES if frame_at(a, head).flags & PG_swapbacked else MM_FILEPAGES
    cdef idx_t v = inode_at(a, frame_at(a, head).mapping).i_mmap
    cdef vaddr_t addr
    cdef uint32_t index
    cdef uint64_t i
    cdef pfn_t table
    cdef mm_t *m
    while v:
        m = mm_mut(a, vma_at(a, v).vm_mm)
        for i in range(<uint64_t>1 << folio_order(a, head)):
            table = mapped_at(a, vma_at(a, v), head, i, &addr, &index)
            if table:
                update_hiwater_rss(m)
                pte_store(a, table, index, 0)
                flush_tlb_page(a, m, addr)
                remove_rmap(a, <pfn_t>(head + i))
                add_mm_counter(m, kind, -1)
        v = vma_at(a, v).i_mmap_next

cdef bint split_file_folio(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint64_t i
    cdef pfn_t at
    if folio_test_dirty(a, head):
        return False
    try_to_unmap(a, head)
    for i in range(<uint64_t>1 << folio_order(a, head)):
        at = <pfn_t>(head + i)
        while folio_order(a, page_folio(a, at)):
            folio_split(a, page_folio(a, at), at)
    return True
