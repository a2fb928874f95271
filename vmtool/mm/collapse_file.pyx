"""Collapse in the page cache.

    before  pages 0..511: 40 single folios, one of order 2, 8 in swap, the rest holes; two areas map some of them
    after   one folio of order 9, dirty, on its way to the LRU; entries and, in areas without private copies, their tables are gone
The next fault maps it by one entry. Private copies keep their table, and those areas small entries.
Counterpart: Linux v6.18 mm/khugepaged.c:collapse_file(), retract_page_tables(), set_huge_pmd().
# Deviation: files on a disk are not collapsed (CONFIG_READ_ONLY_THP_FOR_FS is off, as in the recorded kernels).
"""

from vmtool.mm.arena cimport file_at, frame_at, frame_mut, inode_at, mm_mut, vma_at
from vmtool.mm.buddy cimport free_pages
from vmtool.mm.collapse cimport *
from vmtool.mm.filemap cimport filemap_collapse, filemap_get, filemap_next_swapped, filemap_swapped, folio_mark_dirty
from vmtool.mm.folio_unmap cimport try_to_unmap
from vmtool.mm.frame cimport folio_order, frame_index, page_copy, page_folio
from vmtool.mm.inode cimport shmem_recalc_inode
from vmtool.mm.large_folio cimport hpage_pmd_nr, hpage_pmd_size
from vmtool.mm.lruvec cimport lruvec_del_folio
from vmtool.mm.mlock cimport munlock_folio
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.mm_slot cimport TVA_FORCED_COLLAPSE, thp_vma_allowable_pmd
from vmtool.mm.pgtable cimport flush_tlb_range, table_free
from vmtool.mm.pte cimport ENTRY_NONE, ENTRY_PAGE, pte_class, pte_frame, pte_load, pte_store
from vmtool.mm.rmap cimport remove_rmap
from vmtool.mm.shmem cimport shmem_charge, shmem_find
from vmtool.mm.swap_lru cimport folio_add_lru, lru_add_drain
from vmtool.mm.thp cimport set_file_pmd
from vmtool.mm.vma cimport linear_page_index, vma_lookup
from vmtool.mm.vmstat cimport THP_SCAN_EXCEED_NONE_PTE, THP_SCAN_EXCEED_SWAP_PTE, count_vm_event
from vmtool.mm.xnode cimport xnode_next

cdef struct pagelist_t:  # the folios that are to go
    uint32_t nr
    uint32_t nr_none  # pages that none of them has
    pfn_t folio[MAX_PMD_PAGES]


cdef bint is_swapped(arena_t *a, idx_t inode, uint64_t index) noexcept nogil:
    return filemap_swapped(a, inode, index) != 0


cdef int hpage_collapse_scan_file(arena_t *a, idx_t v, uint64_t start, collapse_t *cc) noexcept nogil:
    cdef idx_t inode = file_at(a, vma_at(a, v).vm_file).inode
    cdef uint64_t index = start, end = start + hpage_pmd_nr(a)
    cdef uint32_t present = 0, swapped = 0
    cdef pfn_t head
    cc.mmap_locked = False
    while index < end:
        head = page_folio(a, filemap_get(a, inode, index))
        if head == 0:
            swapped += is_swapped(a, inode, index)
            if cc.is_khugepaged and swapped > a.m.khugepaged.max_ptes_swap:
                count_vm_event(a, THP_SCAN_EXCEED_SWAP_PTE)
                return SCAN_EXCEED_SWAP_PTE
            index += 1
            continue
        if folio_order(a, head) == a.m.arch.pmd_order:
            return SCAN_PTE_MAPPED_HUGEPAGE
        if not frame_at(a, head).flags & PG_lru:
            return SCAN_PAGE_LRU
        if frame_at(a, head).extra_refs != 1:
            return SCAN_PAGE_COUNT
        present += <uint32_t>1 << folio_order(a, head)
        index = frame_index(frame_at(a, head)) + (<uint64_t>1 << folio_order(a, head))
    if cc.is_khugepaged and present < hpage_pmd_nr(a) - a.m.khugepaged.max_ptes_none:
        count_vm_event(a, THP_SCAN_EXCEED_NONE_PTE)
        return SCAN_EXCEED_NONE_PTE
    return collapse_file(a, v, inode, start, cc)


# --- the folios ------------------------------------------------------------------------------------------------------------


cdef int isolate_folio(arena_t *a, idx_t inode, uint64_t start, uint64_t *index, pagelist_t *list) noexcept nogil:
    """What the cache has at *index, read from swap if it must be, off its list and mapped by nobody; *index goes on behind it."""
    cdef uint64_t at = start
    cdef uint32_t result = 0
    cdef pfn_t pfn = filemap_get(a, inode, index[0])
    cdef pfn_t head
    if pfn == 0 and not is_swapped(a, inode, index[0]):
        if index[0] == start and not xnode_next(a, inode_at(a, inode).i_pages, &at, start + hpage_pmd_nr(a) - 1):
            at = start
            if not filemap_next_swapped(a, inode, &at, start + hpage_pmd_nr(a) - 1):
                return SCAN_TRUNCATED
        list.nr_none += 1
        index[0] += 1
        return SCAN_SUCCEED
    if pfn == 0:
        pfn = shmem_find(a, inode, index[0], &result)
        if pfn == 0:
            return SCAN_FAIL
        lru_add_drain(a)
    head = page_folio(a, pfn)
    if folio_order(a, head) == a.m.arch.pmd_order:
        return SCAN_PTE_MAPPED_HUGEPAGE
    if not frame_at(a, head).flags & PG_lru:
        return SCAN_DEL_PAGE_LRU
    lruvec_del_folio(a, head)
    try_to_unmap(a, head)
    if frame_at(a, head).extra_refs != 1:
        release_folio(a, head)
        return SCAN_PAGE_COUNT
    list.folio[list.nr] = head
    list.nr += 1
    index[0] = frame_index(frame_at(a, head)) + (<uint64_t>1 << folio_order(a, head))
    return SCAN_SUCCEED


cdef void copy_folios(arena_t *a, pfn_t head, uint64_t start, const pagelist_t *list) noexcept nogil:
    cdef uint32_t i, page
    cdef pfn_t old
    for i in range(list.nr):
        old = list.folio[i]
        for page in range(<uint32_t>1 << folio_order(a, old)):
            page_copy(a, head + <pfn_t>(frame_index(frame_at(a, old)) - start) + page, old + page)


cdef int collapse_file(arena_t *a, idx_t v, idx_t inode, uint64_t start, collapse_t *cc) noexcept nogil:
    cdef pfn_t head
    cdef uint64_t index = start
    cdef pagelist_t list
    cdef int result = alloc_charge_folio(a, mm_mut(a, vma_at(a, v).vm_mm), cc, &head)
    cdef uint32_t i
    if result != SCAN_SUCCEED:
        return result
    list.nr = list.nr_none = 0
    while index < start + hpage_pmd_nr(a) and result == SCAN_SUCCEED:
        result = isolate_folio(a, inode, start, &index, &list)
    if result == SCAN_SUCCEED and list.nr_none and shmem_charge(a, inode, list.nr_none) < 0:
        result = SCAN_FAIL
    if result == SCAN_SUCCEED:
        frame_mut(a, head).flags |= PG_swapbacked | PG_uptodate
        copy_folios(a, head, start, &list)
        if filemap_collapse(a, inode, start, head, a.m.arch.pmd_order, &list.folio[0], list.nr) < 0:
            frame_mut(a, head).flags &= ~<uint32_t>(PG_swapbacked | PG_uptodate)
            result = SCAN_FAIL
        shmem_recalc_inode(a, inode)
    if result != SCAN_SUCCEED:
        for i in range(list.nr):
            release_folio(a, list.folio[i])
        free_pages(a, head, a.m.arch.pmd_order)
        return result
    folio_mark_dirty(a, head)
    folio_add_lru(a, head)
    retract_page_tables(a, inode, start)
    return SCAN_SUCCEED if cc.is_khugepaged else SCAN_PTE_MAPPED_HUGEPAGE


# --- the tables ---------------------------------------------------------------------------------------------------------------


cdef void retract_page_tables(arena_t *a, idx_t inode, uint64_t start) noexcept nogil:
    """Emptied tables keep a fault from the huge entry: they go, but not where private copies may be."""
    cdef idx_t v = inode_at(a, inode).i_mmap
    cdef const vma_t *area
    cdef vaddr_t addr
    cdef pfn_t table
    while v:
        area = vma_at(a, v)
        addr = area.vm_start + ((start - area.vm_pgoff) << a.m.arch.page_shift)
        if (area.anon_vma == 0 and start >= area.vm_pgoff and addr >= area.vm_start and addr & (hpage_pmd_size(a) - 1) == 0
                and addr < area.vm_end and area.vm_end - addr >= hpage_pmd_size(a)
                and find_pmd_or_thp_or_none(a, mm_mut(a, area.vm_mm), addr, &table) == SCAN_SUCCEED):
            drop_markers(a, table)
            table_free(a, mm_mut(a, area.vm_mm), addr, 0)
            flush_tlb_range(a, mm_mut(a, area.vm_mm), addr, addr + hpage_pmd_size(a))
        v = area.i_mmap_next


cdef void drop_markers(arena_t *a, pfn_t table) noexcept nogil:
    """Guards are not looked for, and lost with their table."""
    cdef uint32_t i
    for i in range(hpage_pmd_nr(a)):
        if pte_load(a, table, i):
            pte_store(a, table, i, 0)


cdef int check_entries(arena_t *a, pfn_t table, pfn_t head) noexcept nogil:
    """Every entry is empty or maps the folio's page of that place."""
    cdef uint32_t i
    cdef pte_t e
    for i in range(hpage_pmd_nr(a)):
        e = pte_load(a, table, i)
        if pte_class(a, e) == ENTRY_NONE:
            continue
        if pte_class(a, e) != ENTRY_PAGE:
            return SCAN_PTE_NON_PRESENT
        if pte_frame(a, e) != head + i:
            return SCAN_FAIL
    return SCAN_SUCCEED


cdef void clear_entries(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, pfn_t head) noexcept nogil:
    """Dirty and accessed bits are not looked at: shared memory's folio is dirty."""
    cdef const vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_mut(a, area.vm_mm)
    cdef int64_t nr = 0
    cdef uint32_t i
    for i in range(hpage_pmd_nr(a)):
        if pte_load(a, table, i) == 0:
            continue
        pte_store(a, table, i, 0)
        if area.vm_flags & VM_LOCKED:
            munlock_folio(a, head)
        remove_rmap(a, head + i, area.vm_mm)
        nr += 1
    if nr:
        add_mm_counter(m, MM_SHMEMPAGES, -nr)
    table_free(a, m, addr, 0)
    flush_tlb_range(a, m, addr, addr + hpage_pmd_size(a))


cdef int collapse_pte_mapped_thp(arena_t *a, idx_t mm, vaddr_t addr, bint install) noexcept nogil:
    cdef idx_t v = vma_lookup(a, mm, addr)
    cdef const vma_t *area = vma_at(a, v)
    cdef pfn_t table, head
    cdef int result
    if v == 0 or area.vm_file == 0 or area.vm_end - addr < hpage_pmd_size(a):
        return SCAN_VMA_CHECK
    result = find_pmd_or_thp_or_none(a, mm_mut(a, mm), addr, &table)
    if result == SCAN_PMD_MAPPED:
        return result
    if not thp_vma_allowable_pmd(a, area, area.vm_flags, TVA_FORCED_COLLAPSE):
        return SCAN_VMA_CHECK
    head = page_folio(a, filemap_get(a, file_at(a, area.vm_file).inode, linear_page_index(a, area, addr)))
    if head == 0:
        return SCAN_PAGE_NULL
    if folio_order(a, head) != a.m.arch.pmd_order:
        return SCAN_PAGE_COMPOUND
    if result == SCAN_SUCCEED:
        result = check_entries(a, table, head)
        if result != SCAN_SUCCEED:
            return result
        clear_entries(a, v, addr, table, head)
    if install and not set_file_pmd(a, v, addr, head, False):
        return SCAN_FAIL
    return SCAN_SUCCEED
