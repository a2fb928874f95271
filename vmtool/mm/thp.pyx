# cython: language_level=3
"""Transparent huge pages: an aligned 2 MB by one PMD entry, and how it falls apart.

    PMD 0x7ffff7400000 -> pfn 0x1200, 2M
    split (munmap, mprotect, mremap or mlock of a part)
    PMD -> the PTE table deposited when it was mapped, 512 PTEs -> pfn 0x1200..0x13ff
The folio itself stays in one piece; only the mapping is split. One of a file has no table deposited: what would be split is unmapped
instead, for a fault finds it again in the cache. Counterpart: Linux v6.18 mm/huge_memory.c:
__split_huge_pmd_locked(), zap_huge_pmd(), mm/pgtable-generic.c:pgtable_trans_huge_deposit(), mm/memory.c:do_set_pmd().
Simplified: the deposited tables of a PMD table hang from its frame (mapping -> lru_next).
"""

from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport frame_at, frame_mut, mm_at, mm_mut, vma_at
from vmtool.mm.buddy cimport alloc_pages, folio_try_free, free_pages
from vmtool.mm.filemap cimport folio_mark_dirty
from vmtool.mm.frame cimport folio_order, mm_counter
from vmtool.mm.large_folio cimport has_pmd_thp, hpage_pmd_nr, hpage_pmd_size, hpage_pmd_start, thp_orders_all_anon
from vmtool.mm.lruvec cimport lruvec_stat_mod_folio
from vmtool.mm.mlock cimport mlock_folio, munlock_folio
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.pte cimport mk_table, pte_clear_soft_dirty, pte_mksoft_dirty, pte_soft_dirty
from vmtool.mm.pgtable cimport (entry_at_t, entry_find, entry_get, entry_set, flush_pmd_tlb_range, mk_pte, pte_dirty, pte_frame, pte_mkdirty,
                                pte_mkhuge, pte_mkold, pte_mkspecial, pte_mkwrite, pte_special, pte_write, pte_young, table_alloc, table_lookup)
from vmtool.mm.rmap cimport add_file_rmap_pmd, remove_rmap_pmd, split_pmd_rmap
from vmtool.mm.swap_lru cimport folio_mark_accessed
from vmtool.mm.trace cimport TR_THP_MAP, TR_THP_SPLIT, trace2
from vmtool.mm.vma cimport vma_soft_dirty_enabled
from vmtool.mm.vmstat cimport NR_PAGETABLE, THP_FILE_MAPPED, THP_SPLIT_PMD, THP_ZERO_PAGE_ALLOC, count_vm_event


cdef int pgtable_trans_huge_deposit(arena_t *a, mm_t *mm, vaddr_t addr) noexcept nogil:
    cdef pfn_t table = table_lookup(a, mm, addr, 1)
    cdef pfn_t spare = alloc_pages(a, 0, GFP_KERNEL | GFP_ZERO | GFP_ACCOUNT)
    if spare == 0:
        return -ENOMEM
    frame_mut(a, spare).flags |= PG_table
    frame_mut(a, spare).index_lo = 0
    frame_mut(a, spare).lru_next = frame_at(a, table).mapping
    frame_mut(a, table).mapping = spare
    mm.pgtables_bytes += page_size(&a.m.arch)
    mm.thp_mapped += 1
    lruvec_stat_mod_folio(a, spare, NR_PAGETABLE, 1)
    return 0


cdef void pgtable_trans_huge_take(arena_t *a, mm_t *mm, vaddr_t addr) noexcept nogil:
    cdef pfn_t table = table_lookup(a, mm, addr, 1)
    cdef pfn_t spare = pte_frame(a, entry_get(a, mm, addr, 1))
    entry_set(a, mm, addr, 1, 0)
    frame_mut(a, spare).lru_next = frame_at(a, table).mapping
    frame_mut(a, table).mapping = spare
    mm.thp_mapped += 1


cdef pfn_t withdraw(arena_t *a, mm_t *mm, vaddr_t addr) noexcept nogil:
    cdef pfn_t table = table_lookup(a, mm, addr, 1)
    cdef pfn_t spare = frame_at(a, table).mapping
    frame_mut(a, table).mapping = frame_at(a, spare).lru_next
    frame_mut(a, spare).lru_next = 0
    mm.thp_mapped -= 1
    return spare


cdef void pgtable_trans_huge_free(arena_t *a, mm_t *mm, vaddr_t addr) noexcept nogil:
    cdef pfn_t spare = withdraw(a, mm, addr)
    mm.pgtables_bytes -= page_size(&a.m.arch)
    lruvec_stat_mod_folio(a, spare, NR_PAGETABLE, -1)
    free_pages(a, spare, 0)


cdef void pgtable_trans_huge_move(arena_t *a, mm_t *mm, vaddr_t addr, vaddr_t to) noexcept nogil:
    cdef pfn_t table = table_lookup(a, mm, to, 1), spare
    if table == table_lookup(a, mm, addr, 1):
        return
    spare = withdraw(a, mm, addr)
    frame_mut(a, spare).lru_next = frame_at(a, table).mapping
    frame_mut(a, table).mapping = spare
    mm.thp_mapped += 1


cdef bint set_file_pmd(arena_t *a, idx_t v, vaddr_t addr, pfn_t head, bint write) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_mut(a, area.vm_mm)
    cdef pte_t e
    if not has_pmd_thp(&a.m.arch) or folio_order(a, head) != a.m.arch.pmd_order or not thp_vma_suitable(a, area, addr):
        return False
    if vma_thp_disabled(a, area, True) or ((area.vm_start >> a.m.arch.page_shift) - area.vm_pgoff) & (hpage_pmd_nr(a) - 1):
        return False
    if table_alloc(a, m, addr, 1) == 0:
        return False
    addr = hpage_pmd_start(a, addr)
    e = pte_mkhuge(a, mk_pte(a, head, area.vm_flags))
    if (frame_at(a, head).flags & PG_swapbacked and area.vm_flags & (VM_SHARED | VM_WRITE) == VM_SHARED | VM_WRITE
            and not vma_soft_dirty_enabled(a, area.vm_flags)):
        e = pte_mkwrite(a, e)  # vm_page_prot of what needs no notice of the first write
    if write:
        e = pte_mkdirty(a, e)
        if area.vm_flags & VM_WRITE:
            e = pte_mkwrite(a, e)
    add_mm_counter(m, mm_counter(a, head), hpage_pmd_nr(a))
    add_file_rmap_pmd(a, head, area.vm_mm)
    if area.vm_flags & VM_LOCKED:
        mlock_folio(a, head)
    entry_set(a, m, addr, 1, e)
    m.thp_mapped += 1
    count_vm_event(a, THP_FILE_MAPPED)
    trace2(a, TR_THP_MAP, addr, head)
    return True


cdef void clear_file_pmd(arena_t *a, idx_t v, vaddr_t addr, pte_t pmd) noexcept nogil:
    """What the entry knew of the folio's use goes to the folio."""
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef pfn_t head = pte_frame(a, pmd)
    entry_set(a, m, addr, 1, 0)
    m.thp_mapped -= 1
    if pte_dirty(a, pmd):
        folio_mark_dirty(a, head)
    remove_rmap_pmd(a, head, vma_at(a, v).vm_mm)
    add_mm_counter(m, mm_counter(a, head), -hpage_pmd_nr(a))


cdef void split_pmd(arena_t *a, idx_t v, vaddr_t addr, bint freeze) noexcept nogil:
    """Entries keep protection, accessed, dirty and soft-dirty bits; a page that was exclusive stays so, each for itself. Dirty ones are soft-dirty."""
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef uint64_t flags = vma_at(a, v).vm_flags
    cdef pte_t pmd = entry_get(a, m, addr, 1), e
    cdef pfn_t head = pte_frame(a, pmd), pfn
    cdef uint32_t i
    cdef bint exclusive
    addr = hpage_pmd_start(a, addr)
    if not pmd_is_huge(a, pmd):
        return
    trace2(a, TR_THP_SPLIT, addr, head)
    count_vm_event(a, THP_SPLIT_PMD)
    if is_file_pmd(a, pmd):
        if pte_young(a, pmd):
            frame_mut(a, head).flags |= PG_referenced
        if flags & VM_LOCKED:
            munlock_folio(a, head)
        clear_file_pmd(a, v, addr, pmd)
        flush_pmd_tlb_range(a, m, addr)
        return
    exclusive = (frame_at(a, head).flags & PG_anon_exclusive) != 0
    if pte_dirty(a, pmd) and not pte_special(a, pmd):
        frame_mut(a, head).flags |= PG_dirty
    entry_set(a, m, addr, 1, 0)
    entry_set(a, m, addr, 1, mk_table(a, withdraw(a, m, addr)))
    for i in range(hpage_pmd_nr(a)):
        if pte_special(a, pmd):
            e = pte_mkspecial(a, mk_pte(a, a.m.zero_pfn, flags))
        else:
            e = mk_pte(a, head + i, flags)
            if pte_dirty(a, pmd):
                e = pte_mkdirty(a, e)
            if freeze:  # through an entry of a page on its way, which keeps this bit by itself
                e = pte_clear_soft_dirty(a, e)
            if pte_soft_dirty(a, pmd):
                e = pte_mksoft_dirty(a, e)
            if pte_write(a, pmd):
                e = pte_mkwrite(a, e)
        if not pte_young(a, pmd):
            e = pte_mkold(a, e)
        entry_set(a, m, addr + (<uint64_t>i << a.m.arch.page_shift), 0, e)
    if not pte_special(a, pmd):
        split_pmd_rmap(a, head, exclusive, vma_at(a, v).vm_mm)
    flush_pmd_tlb_range(a, m, addr)


cdef void split_huge_pmd(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    split_pmd(a, v, addr, False)


cdef void freeze_huge_pmd(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    split_pmd(a, v, addr, True)


cdef void vma_adjust_trans_huge(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    cdef entry_at_t at
    if addr & (hpage_pmd_size(a) - 1) == 0:
        return
    entry_find(a, mm_at(a, vma_at(a, v).vm_mm), addr, &at)
    if at.what == ENTRY_HUGE:
        split_huge_pmd(a, v, addr)


cdef void zap_huge_pmd(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef pte_t pmd = entry_get(a, m, addr, 1)
    cdef pfn_t head = pte_frame(a, pmd)
    if is_file_pmd(a, pmd):
        if pte_young(a, pmd) and not vma_at(a, v).vm_flags & (VM_SEQ_READ | VM_RAND_READ):
            folio_mark_accessed(a, head)
        clear_file_pmd(a, v, addr, pmd)
        return
    entry_set(a, m, addr, 1, 0)
    pgtable_trans_huge_free(a, m, addr)
    if pte_special(a, pmd):
        return
    remove_rmap_pmd(a, head, vma_at(a, v).vm_mm)
    add_mm_counter(m, MM_ANONPAGES, -hpage_pmd_nr(a))
    folio_try_free(a, head)


cdef bint thp_disabled(const mm_t *m, uint64_t vm_flags, bint asked) noexcept nogil:
    if vm_flags & VM_NOHUGEPAGE or m.flags & MMF_DISABLE_THP:
        return True
    return not asked and not vm_flags & VM_HUGEPAGE and m.flags & MMF_DISABLE_THP_EXCEPT_ADVISED != 0


cdef bint vma_thp_disabled(arena_t *a, const vma_t *v, bint asked) noexcept nogil:
    return thp_disabled(mm_at(a, v.vm_mm), v.vm_flags, asked)


cdef uint32_t thp_orders_mask(arena_t *a, uint64_t vm_flags) noexcept nogil:
    cdef uint32_t mask = a.m.thp_orders_always
    if vm_flags & VM_HUGEPAGE:
        mask |= a.m.thp_orders_madvise
    if a.m.thp_enabled == THP_ALWAYS or (vm_flags & VM_HUGEPAGE and a.m.thp_enabled != THP_NEVER):
        mask |= a.m.thp_orders_inherit
    return mask


cdef uint32_t thp_vma_allowable_orders(arena_t *a, const vma_t *v, uint32_t orders) noexcept nogil:
    orders &= thp_orders_mask(a, v.vm_flags) & thp_orders_all_anon(&a.m.arch)
    if orders == 0 or v.vm_file or v.kind != VMA_PLAIN or vma_thp_disabled(a, v, False):
        return 0
    return orders


cdef uint32_t thp_vma_suitable_orders(arena_t *a, const vma_t *v, vaddr_t addr, uint32_t orders) noexcept nogil:
    """Where one fits, all smaller ones do."""
    cdef uint32_t order = NR_MTHP_ORDERS - 1
    cdef uint64_t size
    while order and orders:
        size = page_size(&a.m.arch) << order
        if orders >> order & 1 and v.vm_start <= (addr & ~(size - 1)) and (addr & ~(size - 1)) + size <= v.vm_end:
            break
        orders &= ~(<uint32_t>1 << order)
        order -= 1
    return orders


cdef bint thp_vma_allowable(arena_t *a, const vma_t *v) noexcept nogil:
    return has_pmd_thp(&a.m.arch) and thp_vma_allowable_orders(a, v, 1 << a.m.arch.pmd_order) != 0


cdef bint thp_vma_suitable(arena_t *a, const vma_t *v, vaddr_t addr) noexcept nogil:
    cdef vaddr_t h = hpage_pmd_start(a, addr)
    return h >= v.vm_start and h + hpage_pmd_size(a) <= v.vm_end


cdef pfn_t get_huge_zero(arena_t *a) noexcept nogil:
    """The huge zero page, made at its first use and kept."""
    cdef pfn_t pfn = a.m.huge_zero_pfn
    if pfn == 0:
        pfn = alloc_pages(a, a.m.arch.pmd_order, GFP_KERNEL | GFP_DIRECT_RECLAIM | GFP_NO_KSWAPD)  # GFP_TRANSHUGE, not movable
        if pfn:
            frame_mut(a, pfn).flags |= PG_zero | PG_kernel
            a.m.huge_zero_pfn = pfn
            count_vm_event(a, THP_ZERO_PAGE_ALLOC)
    return pfn
