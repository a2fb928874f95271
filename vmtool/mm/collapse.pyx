"""From 512 entries to one.

    before  PTE table: 300 pages, 100 empty, 10 in swap, the rest of the zero page
    scan    is it worth it? (khugepaged alone: not too many empty, swapped or shared ones, and one that was used)
    then    a new folio of 2M; what is in swap is read; the pages are taken off their lists, copied and let go
    after   PMD -> the folio, exclusive, dirty; the emptied table is kept beside it
A failure on the way leaves the entries; pages that were off their lists go back by way of the batch of new folios.
Counterpart: Linux v6.18 mm/khugepaged.c:hpage_collapse_scan_pmd(), collapse_huge_page(), __collapse_huge_page_isolate(), _copy(), _swapin().
Simplified: one node, no userfaultfd, no poisoned memory.
"""

from vmtool.mm.arena cimport frame_at, frame_mut, mm_mut, vma_at
from vmtool.mm.buddy cimport alloc_pages, folio_put, free_pages
from vmtool.mm.frame cimport folio_order, page_copy, page_folio
from vmtool.mm.large_folio cimport folio_maybe_mapped_shared, folio_pte_batch, hpage_pmd_nr, hpage_pmd_size
from vmtool.mm.lruvec cimport count_folio_events, lruvec_del_folio
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.mm_slot cimport TVA_FORCED_COLLAPSE, TVA_KHUGEPAGED, thp_vma_allowable_pmd
from vmtool.mm.pgtable cimport entry_at_t, entry_find, flush_tlb_range
from vmtool.mm.pte cimport ENTRY_HUGE, ENTRY_NONE, ENTRY_PAGE, ENTRY_SPECIAL, ENTRY_SWAP, pte_class, pte_frame, pte_load, pte_special, pte_store, pte_to_swp_entry, pte_young
from vmtool.mm.rmap cimport page_mapcount
from vmtool.mm.swap_lru cimport folio_add_lru, lru_add_drain
from vmtool.mm.thp cimport pgtable_trans_huge_take
from vmtool.mm.thp_fault cimport map_anon_pmd
from vmtool.mm.unmap cimport zap_present_pte, zap_present_ptes
from vmtool.mm.vmstat cimport THP_COLLAPSE_ALLOC, THP_COLLAPSE_ALLOC_FAILED, THP_SCAN_EXCEED_NONE_PTE, THP_SCAN_EXCEED_SHARED_PTE, THP_SCAN_EXCEED_SWAP_PTE, count_vm_event

cdef enum:
    MOST_LARGE = MAX_PMD_PAGES // 2  # folios of two pages or more

cdef struct scan_t:  # what was met so far
    uint32_t none_or_zero
    uint32_t shared
    uint32_t unmapped
    uint32_t referenced
    pfn_t large  # the large folio met last, and whether it is shared: its pages stand side by side
    bint large_shared


cdef int find_pmd_or_thp_or_none(arena_t *a, const mm_t *m, vaddr_t addr, pfn_t *table) noexcept nogil:
    cdef entry_at_t at
    entry_find(a, m, addr, &at)
    table[0] = at.table if at.level == 0 else 0
    if at.level == 0:
        return SCAN_SUCCEED
    if at.what == ENTRY_HUGE:
        return SCAN_PMD_MAPPED
    return SCAN_PMD_NONE if at.level == 1 else SCAN_PMD_NULL


cdef int alloc_charge_folio(arena_t *a, const mm_t *m, const collapse_t *cc, pfn_t *head) noexcept nogil:
    cdef uint32_t gfp = GFP_USER_MOVABLE | GFP_NO_KSWAPD  # GFP_TRANSHUGE; khugepaged's without defrag: _LIGHT
    if cc.is_khugepaged and not a.m.khugepaged.defrag:
        gfp |= GFP_NO_DIRECT
    a.active_memcg = m.memcg
    a.charge_failed = False
    head[0] = alloc_pages(a, a.m.arch.pmd_order, gfp)
    a.active_memcg = 0
    if head[0]:
        count_folio_events(a, head[0], THP_COLLAPSE_ALLOC, 1)
        return SCAN_SUCCEED
    if a.charge_failed:  # it was there, but not for the group
        a.charge_failed = False
        count_vm_event(a, THP_COLLAPSE_ALLOC)
        return SCAN_CGROUP_CHARGE_FAIL
    count_vm_event(a, THP_COLLAPSE_ALLOC_FAILED)
    return SCAN_ALLOC_HUGE_PAGE_FAIL


cdef void release_folio(arena_t *a, pfn_t head) noexcept nogil:
    """folio_putback_lru()."""
    folio_add_lru(a, head)


# --- judging ---------------------------------------------------------------------------------------------------------------


cdef bint too_many_empty(arena_t *a, scan_t *s, const collapse_t *cc) noexcept nogil:
    s.none_or_zero += 1
    if not cc.is_khugepaged or s.none_or_zero <= a.m.khugepaged.max_ptes_none:
        return False
    count_vm_event(a, THP_SCAN_EXCEED_NONE_PTE)
    return True


cdef bint too_many_shared(arena_t *a, scan_t *s, const collapse_t *cc, pfn_t head, pfn_t pfn) noexcept nogil:
    """A page counts as shared if any page of its folio is."""
    if folio_order(a, head) == 0:
        s.shared += page_mapcount(a, pfn) > 1
    else:
        if head != s.large:
            s.large = head
            s.large_shared = folio_maybe_mapped_shared(a, head)
        s.shared += s.large_shared
    if not cc.is_khugepaged or s.shared <= a.m.khugepaged.max_ptes_shared:
        return False
    count_vm_event(a, THP_SCAN_EXCEED_SHARED_PTE)
    return True


cdef inline bint has_other_refs(arena_t *a, pfn_t head) noexcept nogil:
    """folio_expected_ref_count(): the swap cache's reference is no secret."""
    cdef const frame_t *f = frame_at(a, head)
    return f.extra_refs != (1 if f.flags & PG_swapcache else 0)


cdef inline bint was_used(arena_t *a, pfn_t head, pte_t e) noexcept nogil:
    return pte_young(a, e) or frame_at(a, head).flags & (PG_young | PG_referenced) != 0


cdef int judge_entry(arena_t *a, scan_t *s, const collapse_t *cc, pte_t e) noexcept nogil:
    """One entry of hpage_collapse_scan_pmd(). SCAN_SUCCEED: on to the next one."""
    cdef uint32_t what = pte_class(a, e)
    cdef pfn_t head
    if what != ENTRY_NONE and what != ENTRY_PAGE and what != ENTRY_SPECIAL:
        s.unmapped += 1
        if not cc.is_khugepaged or s.unmapped <= a.m.khugepaged.max_ptes_swap:
            return SCAN_SUCCEED
        count_vm_event(a, THP_SCAN_EXCEED_SWAP_PTE)
        return SCAN_EXCEED_SWAP_PTE
    if what != ENTRY_PAGE:
        return SCAN_EXCEED_NONE_PTE if too_many_empty(a, s, cc) else SCAN_SUCCEED
    head = page_folio(a, pte_frame(a, e))
    if not frame_at(a, head).flags & PG_anon:
        return SCAN_PAGE_ANON
    if too_many_shared(a, s, cc, head, pte_frame(a, e)):
        return SCAN_EXCEED_SHARED_PTE
    if not frame_at(a, head).flags & PG_lru:
        return SCAN_PAGE_LRU
    if has_other_refs(a, head):
        return SCAN_PAGE_COUNT
    s.referenced += was_used(a, head, e)
    return SCAN_SUCCEED


cdef int hpage_collapse_scan_pmd(arena_t *a, idx_t v, vaddr_t addr, collapse_t *cc) noexcept nogil:
    cdef pfn_t table
    cdef scan_t s
    cdef uint32_t i
    cdef int result = find_pmd_or_thp_or_none(a, mm_mut(a, vma_at(a, v).vm_mm), addr, &table)
    if result != SCAN_SUCCEED:
        return result
    s.none_or_zero = s.shared = s.unmapped = s.referenced = 0
    s.large = 0
    for i in range(hpage_pmd_nr(a)):
        result = judge_entry(a, &s, cc, pte_load(a, table, i))
        if result != SCAN_SUCCEED:
            return result
    if cc.is_khugepaged and (s.referenced == 0 or (s.unmapped and s.referenced < hpage_pmd_nr(a) // 2)):
        return SCAN_LACK_REFERENCED_PAGE
    cc.mmap_locked = False
    return collapse_huge_page(a, v, addr, s.unmapped != 0, cc)


# --- collapsing --------------------------------------------------------------------------------------------------------------


cdef int swap_in(arena_t *a, idx_t v, vaddr_t start) noexcept nogil:
    """__collapse_huge_page_swapin(): what is not present is faulted in for reading; a guard marker cannot be."""
    cdef const mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef uint32_t i, swapped_in = 0
    cdef vaddr_t addr
    cdef pfn_t table
    cdef pte_t e
    for i in range(hpage_pmd_nr(a)):
        addr = start + (<uint64_t>i << a.m.arch.page_shift)
        if find_pmd_or_thp_or_none(a, m, addr, &table) != SCAN_SUCCEED:
            return SCAN_PMD_NULL
        e = pte_load(a, table, i)
        if pte_class(a, e) in (ENTRY_NONE, ENTRY_PAGE, ENTRY_SPECIAL):
            continue
        if pte_class(a, e) != ENTRY_SWAP or a.do_swap_page == NULL or a.do_swap_page(a, v, addr, 0, pte_to_swp_entry(a, e)) & VM_FAULT_ERROR:
            return SCAN_FAIL
        swapped_in += 1
    if swapped_in:
        lru_add_drain(a)
    return SCAN_SUCCEED


cdef struct isolated_t:
    uint32_t nr_large
    pfn_t large[MOST_LARGE]  # compound_pagelist


cdef int isolate_entry(arena_t *a, scan_t *s, const collapse_t *cc, isolated_t *k, pte_t e) noexcept nogil:
    cdef uint32_t what = pte_class(a, e), i
    cdef pfn_t head
    if what == ENTRY_NONE or what == ENTRY_SPECIAL:
        return SCAN_EXCEED_NONE_PTE if too_many_empty(a, s, cc) else SCAN_SUCCEED
    if what != ENTRY_PAGE:
        return SCAN_PTE_NON_PRESENT
    head = page_folio(a, pte_frame(a, e))
    if too_many_shared(a, s, cc, head, pte_frame(a, e)):
        return SCAN_EXCEED_SHARED_PTE
    for i in range(k.nr_large):
        if k.large[i] == head:
            s.referenced += was_used(a, head, e)
            return SCAN_SUCCEED
    if has_other_refs(a, head):
        return SCAN_PAGE_COUNT
    if not frame_at(a, head).flags & PG_lru:
        return SCAN_DEL_PAGE_LRU
    lruvec_del_folio(a, head)
    if folio_order(a, head):
        k.large[k.nr_large] = head
        k.nr_large += 1
    s.referenced += was_used(a, head, e)
    return SCAN_SUCCEED


cdef int isolate(arena_t *a, pfn_t table, const collapse_t *cc, isolated_t *k) noexcept nogil:
    """__collapse_huge_page_isolate(): all off their lists, or none."""
    cdef scan_t s
    cdef uint32_t i = 0
    cdef int result = SCAN_SUCCEED
    s.none_or_zero = s.shared = s.unmapped = s.referenced = 0
    s.large = 0
    k.nr_large = 0
    while i < hpage_pmd_nr(a) and result == SCAN_SUCCEED:
        result = isolate_entry(a, &s, cc, k, pte_load(a, table, i))
        i += 1
    if result == SCAN_SUCCEED:
        if not cc.is_khugepaged or s.referenced:
            return SCAN_SUCCEED
        result = SCAN_LACK_REFERENCED_PAGE
        i += 1
    i -= 1
    while i:
        i -= 1
        release_single(a, pte_load(a, table, i))
    for i in range(k.nr_large):
        release_folio(a, k.large[i])
    return result


cdef inline void release_single(arena_t *a, pte_t e) noexcept nogil:
    if pte_class(a, e) == ENTRY_PAGE and page_folio(a, pte_frame(a, e)) == pte_frame(a, e) and folio_order(a, pte_frame(a, e)) == 0:
        release_folio(a, pte_frame(a, e))


cdef void copy_and_release(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, pfn_t head, const isolated_t *k) noexcept nogil:
    """__collapse_huge_page_copy(): the new folio has the bytes, the old pages nobody to map them."""
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef uint32_t i, n, j
    cdef pte_t e
    for i in range(hpage_pmd_nr(a)):
        e = pte_load(a, table, i)
        if pte_class(a, e) == ENTRY_PAGE:
            page_copy(a, head + i, pte_frame(a, e))
    for i in range(k.nr_large):
        frame_mut(a, k.large[i]).extra_refs += 1  # isolated: it stays until it is put back
    i = 0
    while i < hpage_pmd_nr(a):
        e = pte_load(a, table, i)
        n = 1
        if e == 0 or pte_special(a, e):
            add_mm_counter(m, MM_ANONPAGES, 1)  # one by one: the counter goes in batches
            if e:
                pte_store(a, table, i, 0)
        elif folio_order(a, page_folio(a, pte_frame(a, e))):
            n = folio_pte_batch(a, table, i, e, hpage_pmd_nr(a) - i)
            for j in range(n):
                pte_store(a, table, i + j, 0)
            zap_present_ptes(a, v, addr + (<uint64_t>i << a.m.arch.page_shift), e, n, False, False)
        else:
            release_single(a, e)
            pte_store(a, table, i, 0)
            zap_present_pte(a, v, addr + (<uint64_t>i << a.m.arch.page_shift), e)
        i += n
    for i in range(k.nr_large):
        release_folio(a, k.large[i])
        folio_put(a, k.large[i])  # a large folio waits in no batch: one that nothing maps any more is free now


cdef int collapse_huge_page(arena_t *a, idx_t v, vaddr_t addr, bint unmapped, collapse_t *cc) noexcept nogil:
    """The area cannot change meanwhile: nobody else runs. Its pages can: reclaim may run for the folio."""
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef pfn_t head, table
    cdef isolated_t k
    cdef int result = alloc_charge_folio(a, m, cc, &head)
    if result != SCAN_SUCCEED:
        return result
    result = SCAN_SUCCEED if thp_vma_allowable_pmd(a, vma_at(a, v), vma_at(a, v).vm_flags, TVA_KHUGEPAGED if cc.is_khugepaged else TVA_FORCED_COLLAPSE) else SCAN_VMA_CHECK
    if result == SCAN_SUCCEED:
        result = find_pmd_or_thp_or_none(a, m, addr, &table)
    if result == SCAN_SUCCEED and unmapped:
        result = swap_in(a, v, addr)
    if result == SCAN_SUCCEED:
        result = find_pmd_or_thp_or_none(a, m, addr, &table)
    if result == SCAN_SUCCEED:
        result = isolate(a, table, cc, &k)
    if result != SCAN_SUCCEED:
        free_pages(a, head, a.m.arch.pmd_order)
        return result
    copy_and_release(a, v, addr, table, head, &k)
    pgtable_trans_huge_take(a, m, addr)
    map_anon_pmd(a, v, addr, head, True)
    flush_tlb_range(a, m, addr, addr + hpage_pmd_size(a))
    return SCAN_SUCCEED
