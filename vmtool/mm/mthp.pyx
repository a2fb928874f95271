# cython: language_level=3
"""Huge pages of sizes between a page and a PMD's (mTHP).

    hugepages-64kB always; VMA 0x7000-0x30000 rw, nothing mapped
    write 0x15000    a folio of order 4: PTEs 0x10000..0x1f000 -> pfn 0x4a10..0x4a1f, each writable and dirty       one fault, Rss + 64 kB
    write 0x8000     the 64 kB around it would begin before the area: a page
Which sizes: hugepages-*kB/enabled, of those the ones that lie in the area where they are aligned, of those the largest with nothing
mapped in it; where no such block is free, the next smaller one. Reads map the zero page, copies on write are single pages.
Counterpart: Linux v6.18 mm/memory.c:alloc_anon_folio(), pte_range_none(), do_anonymous_page().
"""

from vmtool.mm.arena cimport mm_mut, vma_at
from vmtool.mm.arch cimport page_size
from vmtool.mm.buddy cimport alloc_pages
from vmtool.mm.frame cimport folio_order
from vmtool.mm.large_folio cimport MTHP_STAT_ANON_FAULT_ALLOC, MTHP_STAT_ANON_FAULT_FALLBACK, MTHP_STAT_ANON_FAULT_FALLBACK_CHARGE, count_mthp_stat
from vmtool.mm.mlock cimport mlock_new_folio
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.pte cimport mk_pte, pte_load, pte_mkdirty, pte_mkwrite, pte_store
from vmtool.mm.rmap cimport add_new_anon_rmap_ptes
from vmtool.mm.swap_lru cimport folio_add_lru
from vmtool.mm.thp cimport thp_vma_allowable_orders, thp_vma_suitable_orders, vma_thp_gfp_mask
from vmtool.mm.trace cimport TR_ANON_MAP, trace2


cdef bint pte_range_none(arena_t *a, pfn_t table, uint32_t index, uint32_t nr) noexcept nogil:
    cdef uint32_t i
    for i in range(nr):
        if pte_load(a, table, index + i):
            return False
    return True


cdef uint32_t empty_orders(arena_t *a, uint32_t orders, pfn_t table, uint32_t index) noexcept nogil:
    """Those from the largest on whose entries are all empty: smaller ones lie within."""
    cdef uint32_t order = a.m.arch.pmd_order
    while orders:
        order -= 1
        if orders >> order & 1 and pte_range_none(a, table, index & ~((<uint32_t>1 << order) - 1), <uint32_t>1 << order):
            break
        orders &= (<uint32_t>1 << order) - 1
    return orders


cdef pfn_t alloc_anon_folio(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index) noexcept nogil:
    cdef uint32_t order = a.m.arch.pmd_order
    cdef uint32_t orders = thp_vma_allowable_orders(a, vma_at(a, v), (<uint32_t>1 << order) - 1)
    cdef pfn_t head
    orders = thp_vma_suitable_orders(a, vma_at(a, v), addr, orders)
    orders = empty_orders(a, orders, table, index)
    while orders:
        order -= 1
        if not orders >> order & 1:
            continue
        orders &= ~(<uint32_t>1 << order)
        a.charge_failed = False
        head = alloc_pages(a, order, vma_thp_gfp_mask(a, vma_at(a, v).vm_flags))
        if head:
            return head
        if a.charge_failed:
            count_mthp_stat(a, order, MTHP_STAT_ANON_FAULT_FALLBACK_CHARGE)
        count_mthp_stat(a, order, MTHP_STAT_ANON_FAULT_FALLBACK)
    return 0


cdef void map_anon_folio(arena_t *a, idx_t v, vaddr_t addr, pfn_t head, pfn_t table, uint32_t index) noexcept nogil:
    cdef uint32_t order = folio_order(a, head), nr = <uint32_t>1 << order, i
    cdef uint64_t vm_flags = vma_at(a, v).vm_flags
    cdef pte_t e
    addr &= ~((page_size(&a.m.arch) << order) - 1)
    index &= ~(nr - 1)
    add_mm_counter(mm_mut(a, vma_at(a, v).vm_mm), MM_ANONPAGES, nr)
    count_mthp_stat(a, order, MTHP_STAT_ANON_FAULT_ALLOC)
    add_new_anon_rmap_ptes(a, v, addr, head)
    if vm_flags & VM_LOCKED:
        mlock_new_folio(a, head)
    else:
        folio_add_lru(a, head)
    for i in range(nr):
        e = mk_pte(a, head + i, vm_flags)
        if vm_flags & VM_WRITE:
            e = pte_mkwrite(a, pte_mkdirty(a, e))
        pte_store(a, table, index + i, e)
        trace2(a, TR_ANON_MAP, addr + (<uint64_t>i << a.m.arch.page_shift), head + i)
