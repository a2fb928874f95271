# cython: language_level=3
"""Splitting an anonymous folio into single pages.

    folio of order 9, 411 of its pages mapped by PTEs
    after: 411 folios of order 0, or, where a page holds only zeros, the zero page in its place; 101 free frames
For the while all its pages are unmapped, which in locked areas takes locks off the whole and puts one on each single page that comes back.
Counterpart: Linux v6.18 mm/huge_memory.c:__folio_split(), mm/migrate.c:remove_migration_pte(), try_to_map_unused_to_zeropage().
"""

from libc.string cimport memcmp

from vmtool.mm.arch cimport is_arm64, page_size
from vmtool.mm.arena cimport fbatches_mut, frame_at, frame_mut, mm_at, mm_mut, rec_at, runs_in_circle, vma_at
from vmtool.mm.buddy cimport folio_put, folio_try_free, split_folio_frames
from vmtool.mm.contpte cimport contpte_unfold
from vmtool.mm.folio_split cimport count_split
from vmtool.mm.frame cimport folio_order, frame_index, page_bytes, page_folio
from vmtool.mm.large_folio cimport deferred_split_folio, folio_nr_mapped, hpage_pmd_nr, partially_mapped
from vmtool.mm.mlock cimport mlock_drain, mlock_folio, munlock_folio
from vmtool.mm.mm_acct cimport add_mm_counter, update_hiwater_rss
from vmtool.mm.pgtable cimport entry_at_t, entry_find, flush_tlb_page
from vmtool.mm.pte cimport ENTRY_HUGE, ENTRY_PAGE, mk_pte, pte_dirty, pte_frame, pte_mksoft_dirty, pte_mkspecial, pte_soft_dirty, pte_store
from vmtool.mm.rmap cimport avc_at, remove_rmap
from vmtool.mm.swap_state cimport folio_free_swap
from vmtool.mm.thp cimport freeze_huge_pmd
from vmtool.mm.vma cimport vma_address, vma_has_index

cdef char ZEROS[CONTENT_BYTES]


cdef idx_t first_avc(arena_t *a, pfn_t head) noexcept nogil:
    return (<anon_vma_t *>rec_at(a, POOL_ANON_VMA, frame_at(a, head).mapping)).avc_head


cdef void split_mappings(arena_t *a, pfn_t head) noexcept nogil:
    """Every huge entry that maps the folio becomes small ones."""
    cdef idx_t c = first_avc(a, head)
    cdef uint64_t index = frame_index(frame_at(a, head))
    cdef uint32_t steps = 0
    cdef entry_at_t at
    cdef vma_t *v
    while c and not runs_in_circle(a, POOL_AVC, c, &steps):
        v = vma_at(a, avc_at(a, c).vma)
        if vma_has_index(a, v, index):
            entry_find(a, mm_at(a, v.vm_mm), vma_address(a, v, index), &at)
            if at.what == ENTRY_HUGE and pte_frame(a, at.entry) == head:
                freeze_huge_pmd(a, avc_at(a, c).vma, vma_address(a, v, index))
        c = avc_at(a, c).same_av_next


cdef bint is_locked(arena_t *a, pfn_t head) noexcept nogil:
    """An area that may map part of the folio is VM_LOCKED."""
    cdef idx_t c = first_avc(a, head)
    cdef uint32_t steps = 0
    while c and not runs_in_circle(a, POOL_AVC, c, &steps):
        if vma_at(a, avc_at(a, c).vma).vm_flags & VM_LOCKED:
            return True
        c = avc_at(a, c).same_av_next
    return False


cdef void unlock_mappings(arena_t *a, pfn_t head, uint32_t nr) noexcept nogil:
    """try_to_migrate_one(): each small entry that a locked area loses takes one lock off the whole folio; reclaim is to correct it."""
    cdef idx_t c = first_avc(a, head)
    cdef uint64_t index = frame_index(frame_at(a, head))
    cdef uint32_t steps = 0, i
    cdef entry_at_t at
    cdef vma_t *v
    while c and not runs_in_circle(a, POOL_AVC, c, &steps):
        v = vma_at(a, avc_at(a, c).vma)
        for i in range(nr if v.vm_flags & VM_LOCKED else 0):
            if vma_has_index(a, v, index + i):
                entry_find(a, mm_at(a, v.vm_mm), vma_address(a, v, index + i), &at)
                if at.what == ENTRY_PAGE and pte_frame(a, at.entry) == head + <pfn_t>i:
                    munlock_folio(a, head)
        c = avc_at(a, c).same_av_next


cdef bint holds_zeros(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef uint64_t at = 0
    if frame_at(a, pfn).content == 0 and not frame_at(a, page_folio(a, pfn)).flags & PG_swapcache:
        return True
    while at < page_size(&a.m.arch) and memcmp(page_bytes(a, pfn) + at, ZEROS, CONTENT_BYTES) == 0:
        at += CONTENT_BYTES
    return at == page_size(&a.m.arch)


cdef void remap_page(arena_t *a, pfn_t pfn, bint zeros) noexcept nogil:
    """remove_migration_pte() of one small page, area by area: a locked one locks it; another gets the zero page for zeros that nobody locked."""
    cdef idx_t c = first_avc(a, pfn)
    cdef uint64_t index = frame_index(frame_at(a, pfn))
    cdef entry_at_t at
    cdef vma_t *v
    cdef mm_t *m
    cdef pte_t e
    cdef uint32_t steps = 0
    while c and not runs_in_circle(a, POOL_AVC, c, &steps):
        v = vma_at(a, avc_at(a, c).vma)
        if vma_has_index(a, v, index):
            m = mm_mut(a, v.vm_mm)
            entry_find(a, m, vma_address(a, v, index), &at)
            if at.what == ENTRY_PAGE and pte_frame(a, at.entry) == pfn:
                if v.vm_flags & VM_LOCKED:
                    mlock_folio(a, pfn)
                    mlock_drain(a, fbatches_mut(a))
                elif zeros and not frame_at(a, pfn).flags & PG_mlocked:
                    e = pte_mkspecial(a, mk_pte(a, a.m.zero_pfn, v.vm_flags))
                    pte_store(a, at.table, at.index, pte_mksoft_dirty(a, e) if pte_soft_dirty(a, at.entry) else e)
                    remove_rmap(a, pfn, v.vm_mm)
                    add_mm_counter(m, MM_ANONPAGES, -1)
                    flush_tlb_page(a, m, vma_address(a, v, index))
        c = avc_at(a, c).same_av_next


cdef void note_unmapped(arena_t *a, pfn_t head) noexcept nogil:
    """try_to_migrate_one(): for a moment what small entries map is unmapped, in each address space; a huge entry is frozen instead. What comes
    back is single pages, whose entries belong to no block."""
    cdef idx_t c = first_avc(a, head)
    cdef uint64_t index = frame_index(frame_at(a, head)), i
    cdef entry_at_t at
    cdef vma_t *v
    cdef uint32_t steps = 0
    while c and not runs_in_circle(a, POOL_AVC, c, &steps):
        v = vma_at(a, avc_at(a, c).vma)
        for i in range(<uint64_t>1 << folio_order(a, head)):
            if not vma_has_index(a, v, index + i):
                continue
            entry_find(a, mm_at(a, v.vm_mm), vma_address(a, v, index + i), &at)
            if at.what == ENTRY_PAGE and pte_frame(a, at.entry) == head + <pfn_t>i:
                update_hiwater_rss(mm_mut(a, v.vm_mm))
                if pte_dirty(a, at.entry):  # the folio's to know, while no entry does
                    frame_mut(a, head).flags |= PG_dirty
                if is_arm64(&a.m.arch):
                    contpte_unfold(a, at.table, at.index)
                elif frame_at(a, head).flags & PG_dirty:
                    break
            if at.what == ENTRY_HUGE:
                break
        c = avc_at(a, c).same_av_next


cdef bint thp_underused(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t nr = <uint32_t>1 << folio_order(a, head), zeros = 0, i
    if a.m.khugepaged.max_ptes_none == hpage_pmd_nr(a) - 1:
        return False
    for i in range(nr):
        zeros += holds_zeros(a, head + i)
    return zeros > a.m.khugepaged.max_ptes_none


cdef bint split_anon_folio(arena_t *a, pfn_t head) noexcept nogil:
    return split_folio_to_list(a, head, NULL)


cdef void put_split_folio(arena_t *a, pfn_t pfn, bint is_tail) noexcept nogil:
    """free_folio_and_swap_cache() of the new folios; the first stays with who had it split."""
    if frame_at(a, pfn).flags & PG_swapcache and is_tail:
        frame_mut(a, pfn).extra_refs += 1
        folio_free_swap(a, pfn)
        folio_put(a, pfn)
    else:
        folio_try_free(a, pfn)


cdef inline void push(arena_t *a, pfn_t pfn, pfn_t *list) noexcept nogil:
    cdef frame_t *f = frame_mut(a, pfn)
    f.extra_refs += 1
    f.lru_next = list[0]
    list[0] = pfn


cdef bint split_folio_to_list(arena_t *a, pfn_t head, pfn_t *list) noexcept nogil:
    cdef uint32_t order = folio_order(a, head), i
    cdef pfn_t pfn
    cdef bint locked, zeros
    cdef uint32_t flags = frame_at(a, head).flags
    cdef bint can_split = frame_at(a, head).extra_refs == (list != NULL) + (flags & PG_swapcache != 0) and not flags & PG_writeback
    if order == 0:
        return False
    count_split(a, order, can_split)
    if not can_split:
        return False
    note_unmapped(a, head)
    if folio_nr_mapped(a, head) > 1 and not partially_mapped(a, head):
        deferred_split_folio(a, head, True)  # page by page: it is partly mapped before it is not mapped
    locked = is_locked(a, head)
    if locked:
        unlock_mappings(a, head, <uint32_t>1 << order)
    split_mappings(a, head)
    split_folio_frames(a, head)
    for i in range(<uint32_t>1 << order):
        pfn = head + i
        if i and list != NULL:
            push(a, pfn, list)
        if frame_at(a, pfn).mapcount:
            zeros = holds_zeros(a, pfn)
            if zeros or locked:
                remap_page(a, pfn, zeros)
        if frame_at(a, pfn).mapcount == 0:
            put_split_folio(a, pfn, i != 0)
    return True
