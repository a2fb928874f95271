# cython: language_level=3
"""Faults, fork and madvise on whole huge pages.

Counterpart: Linux v6.18 mm/huge_memory.c:do_huge_pmd_anonymous_page(), do_huge_pmd_wp_page(), copy_huge_pmd(), move_huge_pmd(),
change_huge_pmd().
"""

from vmtool.mm.arena cimport frame_at, frame_mut, mm_mut, vma_at
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.large_folio cimport (MTHP_STAT_ANON_FAULT_ALLOC, MTHP_STAT_ANON_FAULT_FALLBACK, MTHP_STAT_ANON_FAULT_FALLBACK_CHARGE,
                                    count_mthp_stat, deferred_split_folio, hpage_pmd_nr, hpage_pmd_start, large_mapcount)
from vmtool.mm.lruvec cimport count_mm_event
from vmtool.mm.mlock cimport mlock_new_folio
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.mm_slot cimport khugepaged_enter_vma
from vmtool.mm.pgtable cimport (entry_get, entry_set, flush_pmd_tlb_range, mk_pte, pte_dirty, pte_frame, pte_mkdirty, pte_mkhuge, pte_mkold,
                                pte_mkspecial, pte_mkwrite, pte_mkyoung, pte_modify, pte_special, pte_wrprotect, table_alloc)
from vmtool.mm.pte cimport pte_mksoft_dirty, pte_needs_soft_dirty_wp
from vmtool.mm.rmap cimport add_new_anon_rmap_pmd, anon_vma_prepare, dup_anon_rmap_pmd
from vmtool.mm.swap_lru cimport folio_add_lru
from vmtool.mm.thp cimport get_huge_zero, is_file_pmd, pgtable_trans_huge_deposit, pgtable_trans_huge_move, split_huge_pmd, vma_thp_gfp_mask
from vmtool.mm.trace cimport TR_THP_MAP, trace2
from vmtool.mm.vmstat cimport THP_FAULT_ALLOC, THP_FAULT_FALLBACK, THP_FAULT_FALLBACK_CHARGE, count_vm_event


cdef void map_anon_pmd(arena_t *a, idx_t v, vaddr_t addr, pfn_t head, bint dirty) noexcept nogil:
    """A new exclusive 2 MB folio at addr, on the LRU; the caller counts what is new of it."""
    cdef vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_mut(a, area.vm_mm)
    cdef pte_t e = pte_mkhuge(a, mk_pte(a, head, area.vm_flags))
    if dirty:
        e = pte_mkdirty(a, e)
    if area.vm_flags & VM_WRITE:
        e = pte_mkwrite(a, e)
    add_new_anon_rmap_pmd(a, v, addr, head)
    deferred_split_folio(a, head, False)
    if area.vm_flags & VM_LOCKED:
        mlock_new_folio(a, head)
    else:
        folio_add_lru(a, head)
    entry_set(a, m, addr, 1, e)
    trace2(a, TR_THP_MAP, addr, head)


cdef void count_fault_alloc(arena_t *a, const mm_t *m) noexcept nogil:
    count_mm_event(a, m, THP_FAULT_ALLOC)
    count_mthp_stat(a, a.m.arch.pmd_order, MTHP_STAT_ANON_FAULT_ALLOC)


cdef void count_fallback(arena_t *a) noexcept nogil:
    """vma_alloc_anon_folio_pmd() got none."""
    count_vm_event(a, THP_FAULT_FALLBACK)
    count_mthp_stat(a, a.m.arch.pmd_order, MTHP_STAT_ANON_FAULT_FALLBACK)
    if a.charge_failed:
        count_vm_event(a, THP_FAULT_FALLBACK_CHARGE)
        count_mthp_stat(a, a.m.arch.pmd_order, MTHP_STAT_ANON_FAULT_FALLBACK_CHARGE)


cdef uint32_t do_huge_pmd_anonymous_page(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil:
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef vaddr_t haddr = hpage_pmd_start(a, addr)
    cdef pfn_t head
    if anon_vma_prepare(a, v) < 0:
        return VM_FAULT_OOM
    khugepaged_enter_vma(a, v, vma_at(a, v).vm_flags)
    if not flags & FAULT_WRITE:
        head = get_huge_zero(a)
        if head == 0 or pgtable_trans_huge_deposit(a, m, haddr) < 0:
            return VM_FAULT_FALLBACK
        entry_set(a, m, haddr, 1, pte_mkspecial(a, pte_mkhuge(a, mk_pte(a, head, vma_at(a, v).vm_flags))))
        return 0
    a.charge_failed = False
    head = alloc_pages(a, a.m.arch.pmd_order, vma_thp_gfp_mask(a, vma_at(a, v).vm_flags) | GFP_MPOL)
    if head == 0:
        count_fallback(a)
        return VM_FAULT_FALLBACK
    if pgtable_trans_huge_deposit(a, m, haddr) < 0:
        free_pages(a, head, a.m.arch.pmd_order)
        return VM_FAULT_OOM
    map_anon_pmd(a, v, haddr, head, True)
    add_mm_counter(m, MM_ANONPAGES, hpage_pmd_nr(a))
    count_fault_alloc(a, m)
    return 0


cdef void huge_pmd_set_accessed(arena_t *a, mm_t *m, vaddr_t addr, pte_t pmd, uint32_t flags) noexcept nogil:
    entry_set(a, m, hpage_pmd_start(a, addr), 1, pte_mkyoung(a, pte_mkdirty(a, pmd) if flags & FAULT_WRITE else pmd))


cdef uint32_t do_huge_pmd_wp_page(arena_t *a, idx_t v, vaddr_t addr, pte_t pmd) noexcept nogil:
    """Reuse the folio when nobody shares it; the zero page gives way to a new folio; else split and let the PTE be copied."""
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef vaddr_t haddr = hpage_pmd_start(a, addr)
    cdef pfn_t head = pte_frame(a, pmd)
    if pte_special(a, pmd):
        if anon_vma_prepare(a, v) < 0:
            return VM_FAULT_OOM
        a.charge_failed = False
        head = alloc_pages(a, a.m.arch.pmd_order, vma_thp_gfp_mask(a, vma_at(a, v).vm_flags) | GFP_MPOL)
        if head:
            entry_set(a, m, haddr, 1, 0)
            map_anon_pmd(a, v, haddr, head, True)
            add_mm_counter(m, MM_ANONPAGES, hpage_pmd_nr(a))
            flush_pmd_tlb_range(a, m, haddr)
            count_fault_alloc(a, m)
            return 0
        count_fallback(a)
    elif not frame_at(a, head).flags & PG_anon:
        pass  # wp_huge_pmd(): a file's is for the small entries
    elif frame_at(a, head).flags & PG_anon_exclusive or (frame_at(a, head).extra_refs == 0 and large_mapcount(a, head) == 1):
        if not frame_at(a, head).flags & PG_anon_exclusive:
            frame_mut(a, head).flags |= PG_anon_exclusive
            frame_mut(a, head).mapping = vma_at(a, v).anon_vma
        entry_set(a, m, haddr, 1, pte_mkwrite(a, pte_mkdirty(a, pte_mkyoung(a, pmd))))
        flush_pmd_tlb_range(a, m, haddr)
        return 0
    split_huge_pmd(a, v, haddr)
    return VM_FAULT_FALLBACK


cdef bint copy_huge_pmd(arena_t *a, idx_t dst, idx_t src, vaddr_t addr) noexcept nogil:
    cdef mm_t *from_mm = mm_mut(a, vma_at(a, src).vm_mm)
    cdef mm_t *to_mm = mm_mut(a, vma_at(a, dst).vm_mm)
    cdef pte_t pmd = entry_get(a, from_mm, addr, 1)
    cdef pfn_t head = pte_frame(a, pmd)
    if is_file_pmd(a, pmd):
        return True  # a fault finds it again
    if table_alloc(a, to_mm, addr, 1) == 0 or pgtable_trans_huge_deposit(a, to_mm, addr) < 0:
        return False
    if not pte_special(a, pmd):
        dup_anon_rmap_pmd(a, head, vma_at(a, dst).vm_mm)
        add_mm_counter(to_mm, MM_ANONPAGES, hpage_pmd_nr(a))
        pmd = pte_wrprotect(a, pmd)
        entry_set(a, from_mm, addr, 1, pmd)
    entry_set(a, to_mm, addr, 1, pte_mkold(a, pmd))
    return True


cdef bint move_huge_pmd(arena_t *a, idx_t v, idx_t new_v, vaddr_t old_addr, vaddr_t new_addr) noexcept nogil:
    """mremap to a place aligned alike: the entry moves as a whole."""
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef pte_t pmd = entry_get(a, m, old_addr, 1)
    if table_alloc(a, m, new_addr, 1) == 0 or entry_get(a, m, new_addr, 1) != 0:
        return False
    if is_file_pmd(a, pmd):
        entry_set(a, m, old_addr, 1, 0)
        entry_set(a, m, new_addr, 1, pte_mksoft_dirty(a, pmd))
        return True
    entry_set(a, m, old_addr, 1, 0)
    pgtable_trans_huge_move(a, m, old_addr, new_addr)
    entry_set(a, m, new_addr, 1, pte_mksoft_dirty(a, pmd))
    return True


cdef void change_huge_pmd(arena_t *a, idx_t v, vaddr_t addr, uint64_t vm_flags, bint upgrade) noexcept nogil:
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef pte_t pmd = entry_get(a, m, addr, 1)
    cdef pte_t e = pte_modify(a, pmd, vm_flags)
    if (upgrade and not pte_special(a, pmd) and pte_dirty(a, pmd) and not pte_needs_soft_dirty_wp(a, pmd, vm_flags)
            and (vm_flags & VM_SHARED or frame_at(a, pte_frame(a, pmd)).flags & PG_anon_exclusive)):
        e = pte_mkwrite(a, e)
    entry_set(a, m, addr, 1, e)
