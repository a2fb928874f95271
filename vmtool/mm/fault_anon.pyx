"""Faults that end in an anonymous page of the area's own.

    write 0x7000, no entry:         a zeroed frame, entry -> it, writable and dirty           do_anonymous_page
    read  0x7000, no entry:         the zero page, read-only                                  do_anonymous_page
    write, entry read-only, shared: a new frame with the old one's bytes, entry -> it         wp_page_copy
    write, entry read-only, ours:   the same frame, entry writable                            wp_page_reuse

Counterpart: Linux v6.18 mm/memory.c. The common ones are done by access_quick.pyx, too.
"""

from vmtool.mm.arena cimport frame_mut, mm_mut, vma_at
from vmtool.mm.buddy cimport alloc_pages, folio_get, folio_put
from vmtool.mm.frame cimport page_copy, page_folio
from vmtool.mm.mthp cimport alloc_anon_folio, map_anon_folio
from vmtool.mm.mlock cimport mlock_new_folio, munlock_folio
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.pgtable cimport flush_tlb_page, mk_pte, pte_frame, pte_mkdirty, pte_mkspecial, pte_mkwrite, pte_mkyoung, pte_special
from vmtool.mm.pte cimport pte_load, pte_store
from vmtool.mm.rmap cimport add_new_anon_rmap, anon_vma_prepare
from vmtool.mm.swap_lru cimport folio_add_lru
from vmtool.mm.thp cimport may_be_large
from vmtool.mm.trace cimport TR_ANON_MAP, TR_COW_COPY, TR_ZERO_PAGE_MAP, trace2, trace3
from vmtool.mm.unmap cimport drop_mapping
from vmtool.mm.vmstat cimport PGREUSE, count_vm_event


cdef void map_new_anon(arena_t *a, idx_t v, vaddr_t addr, pfn_t pfn) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef frame_t *f = frame_mut(a, pfn)
    add_new_anon_rmap(a, pfn, f, area, addr)
    if area.vm_flags & VM_LOCKED:
        mlock_new_folio(a, pfn)
    else:
        folio_add_lru(a, pfn)


cdef uint32_t do_anonymous_page(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags, pfn_t table, uint32_t index) noexcept nogil:
    cdef uint64_t vm_flags = vma_at(a, v).vm_flags
    cdef pfn_t pfn
    if not flags & FAULT_WRITE:
        pte_store(a, table, index, pte_mkspecial(a, mk_pte(a, a.m.zero_pfn, vm_flags)))
        trace2(a, TR_ZERO_PAGE_MAP, addr, a.m.zero_pfn)
        return 0
    if vma_at(a, v).anon_vma == 0 and anon_vma_prepare(a, v) < 0:
        return VM_FAULT_OOM
    if may_be_large(a):
        pfn = alloc_anon_folio(a, v, addr, table, index)
        if pfn:
            map_anon_folio(a, v, addr, pfn, table, index)
            return 0
    pfn = alloc_pages(a, 0, GFP_USER_MOVABLE | GFP_ZERO)
    if pfn == 0:
        return VM_FAULT_OOM
    map_new_anon(a, v, addr, pfn)
    add_mm_counter(mm_mut(a, vma_at(a, v).vm_mm), MM_ANONPAGES, 1)
    pte_store(a, table, index, anon_pte(a, pfn, vm_flags))
    trace2(a, TR_ANON_MAP, addr, pfn)
    return 0


cdef void wp_page_reuse(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e) noexcept nogil:
    e = pte_mkdirty(a, pte_mkyoung(a, e))
    pte_store(a, table, index, pte_mkwrite(a, e) if vma_at(a, v).vm_flags & VM_WRITE else e)
    flush_tlb_page(a, mm_mut(a, vma_at(a, v).vm_mm), addr)
    count_vm_event(a, PGREUSE)


cdef uint32_t wp_page_copy(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e) noexcept nogil:
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef pfn_t old = pte_frame(a, e)
    cdef pfn_t copy
    cdef int kind
    if anon_vma_prepare(a, v) < 0:
        return VM_FAULT_OOM
    if not pte_special(a, e):
        folio_get(a, page_folio(a, old))  # reclaim for the copy's frame may unmap it, but must not free it
    copy = alloc_pages(a, 0, GFP_USER_MOVABLE)
    if not pte_special(a, e):
        if copy and pte_load(a, table, index) == e:
            page_copy(a, copy, old)
        elif copy:
            folio_put(a, copy)
        folio_put(a, page_folio(a, old))
    if copy == 0:
        return VM_FAULT_OOM
    if pte_load(a, table, index) != e:
        return 0  # it was unmapped meanwhile: the access faults again
    map_new_anon(a, v, addr, copy)
    pte_store(a, table, index, anon_pte(a, copy, vma_at(a, v).vm_flags))
    flush_tlb_page(a, m, addr)
    trace3(a, TR_COW_COPY, addr, old, copy)
    if vma_at(a, v).vm_flags & VM_LOCKED and not pte_special(a, e):
        munlock_folio(a, page_folio(a, old))
    kind = drop_mapping(a, e, vma_at(a, v).vm_mm)
    if kind != MM_ANONPAGES:  # one for one else, and the counter goes in batches
        add_mm_counter(m, MM_ANONPAGES, 1)
        if kind >= 0:
            add_mm_counter(m, kind, -1)
    return 0
