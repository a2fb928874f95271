# cython: language_level=3
"""Splitting an anonymous folio into single pages.

    folio of order 9, 411 of its pages mapped by PTEs
    after: 411 folios of order 0, or, where a page holds only zeros, the zero page in its place; 101 free frames
Counterpart: Linux v6.18 mm/huge_memory.c:__folio_split(), mm/migrate.c:try_to_map_unused_to_zeropage().
"""

from libc.string cimport memcmp

from vmtool.mm.arena cimport frame_at, frame_mut, mm_mut, rec_at, runs_in_circle, vma_at
from vmtool.mm.arch cimport level_index
from vmtool.mm.buddy cimport free_pages, split_folio_frames
from vmtool.mm.frame cimport folio_del_lru, folio_order, frame_index, page_bytes
from vmtool.mm.mm_acct cimport add_mm_counter, update_hiwater_rss
from vmtool.mm.pgtable cimport entry_get, flush_tlb_page, mk_pte, pte_frame, pte_mkspecial, pte_special, table_lookup
from vmtool.mm.pte cimport ENTRY_PAGE, pte_class, pte_load, pte_store
from vmtool.mm.rmap cimport remove_rmap
from vmtool.mm.thp cimport pmd_is_huge, split_huge_pmd
from vmtool.mm.vmstat cimport THP_SPLIT_PAGE, count_vm_event

cdef char ZEROS[4096]

cdef inline avc_t *avc_at(arena_t *a, idx_t i) noexcept nogil:
    return <avc_t *>rec_at(a, POOL_AVC, i)

cdef idx_t first_avc(arena_t *a, pfn_t head) noexcept nogil:
    return (<anon_vma_t *>rec_at(a, POOL_ANON_VMA, frame_at(a, head).mapping)).avc_head

cdef bint maps_index(const vma_t *v, uint64_t index) noexcept nogil:
    return index >= v.vm_pgoff and index < v.vm_pgoff + ((v.vm_end - v.vm_start) >> 12)

cdef void split_mappings(arena_t *a, pfn_t head) noexcept nogil:
    """Every huge entry that maps the folio becomes 512 small ones."""
    cdef idx_t c = first_avc(a, head)
    cdef uint64_t index = frame_index(frame_at(a, head))
    cdef uint32_t steps = 0
    cdef vma_t *v
    cdef vaddr_t addr
    cdef pte_t pmd
    while c and not runs_in_circle(a, POOL_AVC, c, &steps):
        v = vma_at(a, avc_at(a, c).vma)
        if maps_index(v, index):
            addr = v.vm_start + ((index - v.vm_pgoff) << 12)
            if table_lookup(a, mm_mut(a, v.vm_mm), addr, 1):
                pmd = entry_get(a, mm_mut(a, v.vm_mm), addr, 1)
                if pmd_is_huge(a, pmd) and pte_frame(a, pmd) == head:
                    split_huge_pmd(a, avc_at(a, c).vma, addr)
        c = avc_at(a, c).same_av_next

cdef void remap_zeros(arena_t *a, pfn_t pfn) noexcept nogil:
    """Entries of a page of zeros get the zero page, but in locked areas."""
    cdef idx_t c = first_avc(a, pfn)
    cdef uint64_t index = frame_index(frame_at(a, pfn))
    cdef vma_t *v
    cdef mm_t *m
    cdef vaddr_t addr
    cdef pfn_t table
    cdef pte_t e
    cdef uint32_t steps = 0
    while c and not runs_in_circle(a, POOL_AVC, c, &steps):
        v = vma_at(a, avc_at(a, c).vma)
        if maps_index(v, index) and not v.vm_flags & VM_LOCKED:
            addr = v.vm_start + ((index - v.vm_pgoff) << 12)
            m = mm_mut(a, v.vm_mm)
            table = table_lookup(a, m, addr, 0)
            e = pte_load(a, table, level_index(&a.m.arch, 0, addr)) if table else 0
            if pte_class(a, e) == ENTRY_PAGE and pte_frame(a, e) == pfn:
                pte_store(a, table, level_index(&a.m.arch, 0, addr), pte_mkspecial(a, mk_pte(a, a.m.zero_pfn, v.vm_flags)))
                remove_rmap(a, pfn)
                add_mm_counter(m, MM_ANONPAGES, -1)
                flush_tlb_page(a, m, addr)
        c = avc_at(a, c).same_av_next

cdef bint one_mm_maps(arena_t *a, pfn_t head, idx_t *mm) noexcept nogil:
    """folio_maybe_mapped_shared() is false: all areas that can hold it belong to one address space, or only one of them does.

    mm: which one, when small entries map the folio.
    """
    cdef bint by_pte = False
    cdef idx_t c = first_avc(a, head), seen = 0, table
    cdef uint64_t index = frame_index(frame_at(a, head)), i
    cdef vma_t *v
    cdef mm_t *m
    cdef vaddr_t addr
    cdef pte_t e
    cdef uint32_t steps = 0
    while c and not runs_in_circle(a, POOL_AVC, c, &steps):
        v = vma_at(a, avc_at(a, c).vma)
        for i in range(<uint64_t>1 << folio_order(a, head)):
            if not maps_index(v, index + i):
                continue
            addr = v.vm_start + ((index + i - v.vm_pgoff) << 12)
            m = mm_mut(a, v.vm_mm)
            if table_lookup(a, m, addr, 1) == 0:
                continue
            e = entry_get(a, m, addr, 1)
            if not pmd_is_huge(a, e):
                table = table_lookup(a, m, addr, 0)
                e = pte_load(a, table, level_index(&a.m.arch, 0, addr)) if table else 0
            if (pmd_is_huge(a, e) or pte_class(a, e) == ENTRY_PAGE) and pte_frame(a, e) in (head, head + <pfn_t>i):
                if seen and seen != v.vm_mm:
                    return False
                seen = v.vm_mm
                by_pte = not pmd_is_huge(a, entry_get(a, m, addr, 1))
                break
        c = avc_at(a, c).same_av_next
    mm[0] = seen if by_pte else 0
    return True

cdef bint split_anon_folio(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t order = folio_order(a, head), i
    cdef pfn_t pfn
    cdef idx_t mm = 0
    if order == 0 or frame_at(a, head).extra_refs or not one_mm_maps(a, head, &mm):
        return False
    if mm:
        update_hiwater_rss(mm_mut(a, mm))  # try_to_migrate_one(): for a moment the folio is unmapped; a huge entry is frozen instead
    count_vm_event(a, THP_SPLIT_PAGE)
    split_mappings(a, head)
    split_folio_frames(a, head)
    for i in range(<uint32_t>1 << order):
        pfn = head + i
        if frame_at(a, pfn).mapcount and not frame_at(a, pfn).flags & PG_mlocked:
            if frame_at(a, pfn).content == 0 or memcmp(page_bytes(a, pfn), ZEROS, 4096) == 0:
                remap_zeros(a, pfn)
        if frame_at(a, pfn).mapcount == 0:
            if frame_at(a, pfn).flags & PG_lru:
                folio_del_lru(a, pfn)
            free_pages(a, pfn, 0)
    return True
