"""The quick road of shrink_folio_list() (vmscan_list): what it, folio_referenced() and try_to_unmap() do together, each record fetched once.

    mapped, used since         PG_referenced, the entry old; the second time: active
    mapped, not used           a slot, the entry names it, a write begins
    cached, clean, unmapped    a shadow stays in the slot, the frame is free

The area of an anon_vma, and its space, are looked up once for the pages of a batch that follow one another.
The state it leaves is the one that the general road leaves, record by record: tests/mm/test_vmscan_anon.py holds the two together.
"""

from vmtool.mm.arch cimport level_index
from vmtool.mm.arena cimport folio_x_at, mm_mut, rec_at, slot_mut, vma_at
from vmtool.mm.buddy cimport folio_put
from vmtool.mm.frame cimport frame_index
from vmtool.mm.mm_acct cimport add_mm_counter, update_hiwater_rss
from vmtool.mm.pgtable cimport flush_tlb_page, pte_cache, pte_dirty, pte_frame, pte_mkold, pte_young, table_lookup
from vmtool.mm.pte cimport ENTRY_PAGE, pte_class, pte_load, pte_soft_dirty, pte_store, pte_swp_mkexclusive, pte_swp_mksoft_dirty, swp_entry_to_pte
from vmtool.mm.swap_state cimport WRITEOUT_STARTED, folio_alloc_swap, swap_cache_remove, swap_writeout
from vmtool.mm.swapfile cimport record_entry
from vmtool.mm.vma cimport vma_pages
from vmtool.mm.vmstat cimport NR_ANON_MAPPED, NR_VMSCAN_WRITE, mod_node_stat
from vmtool.mm.workingset cimport workingset_eviction

# --- its entry -----------------------------------------------------------------------------------------------------------

cdef bint remember_area(arena_t *a, idx_t anon_vma, sole_t *s) noexcept nogil:
    """The only area of an anon_vma. False: there are several, or it is locked."""
    cdef idx_t first = (<const anon_vma_t *>rec_at(a, POOL_ANON_VMA, anon_vma)).avc_head
    cdef const avc_t *link = <const avc_t *>rec_at(a, POOL_AVC, first)
    s.anon_vma = 0
    if first == 0 or link.same_av_next:
        return False
    s.area = vma_at(a, link.vma)
    if s.area.vm_flags & VM_LOCKED:
        return False
    s.mm = mm_mut(a, s.area.vm_mm)
    s.anon_vma = anon_vma
    return True


cdef inline bint find_entry(arena_t *a, pfn_t head, const frame_t *f, sole_t *s) noexcept nogil:
    """rmap_walk(), where it comes by one entry."""
    cdef uint64_t page = frame_index(f)
    if f.mapcount != 1 or f.mapping == 0 or (f.mapping != s.anon_vma and not remember_area(a, f.mapping, s)):
        return False
    if page < s.area.vm_pgoff or page - s.area.vm_pgoff >= vma_pages(a, s.area):
        return False
    s.addr = s.area.vm_start + ((page - s.area.vm_pgoff) << a.m.arch.page_shift)
    s.table = pte_cache(a, s.mm, s.addr, 0)
    if s.table == 0:
        s.table = table_lookup(a, s.mm, s.addr, 0)
    if s.table == 0:
        return False
    s.index = level_index(&a.m.arch, 0, s.addr)
    s.entry = pte_load(a, s.table, s.index)
    return pte_class(a, s.entry) == ENTRY_PAGE and pte_frame(a, s.entry) == head


cdef inline bint test_and_clear_young(arena_t *a, sole_t *s) noexcept nogil:
    """folio_referenced()."""
    if s.area.vm_flags & (VM_SEQ_READ | VM_RAND_READ) or not pte_young(a, s.entry):
        return False
    s.entry = pte_mkold(a, s.entry)
    pte_store(a, s.table, s.index, s.entry)
    return True


cdef inline void unmap(arena_t *a, pfn_t head, frame_t *f, const sole_t *s) noexcept nogil:
    """try_to_unmap(). Precondition: PG_swapcache."""
    cdef uint32_t record = folio_x_at(a, head).swap
    cdef pte_t new = swp_entry_to_pte(a, record_entry(a, record))
    update_hiwater_rss(s.mm)
    if pte_dirty(a, s.entry):
        f.flags |= PG_dirty
    if f.flags & PG_anon_exclusive:
        new = pte_swp_mkexclusive(a, new)
        f.flags &= ~<uint32_t>PG_anon_exclusive
    if pte_soft_dirty(a, s.entry):
        new = pte_swp_mksoft_dirty(a, new)
    slot_mut(a, record).count += 1
    add_mm_counter(s.mm, MM_SWAPENTS, 1)
    pte_store(a, s.table, s.index, new)
    add_mm_counter(s.mm, MM_ANONPAGES, -1)
    flush_tlb_page(a, s.mm, s.addr)
    f.mapcount = 0
    mod_node_stat(a, NR_ANON_MAPPED, -1)


# --- the page ------------------------------------------------------------------------------------------------------------

cdef inline uint32_t free_clean(arena_t *a, pfn_t head, const frame_t *f) noexcept nogil:
    """__remove_mapping()."""
    if f.extra_refs != 2 or f.flags & PG_dirty:
        return FATE_KEEP
    swap_cache_remove(a, head, workingset_eviction(a, head))
    folio_put(a, head)
    return FATE_FREED


cdef inline uint32_t pageout(arena_t *a, pfn_t head, frame_t *f, bint may_writepage, uint32_t *nr_pageout) noexcept nogil:
    if f.extra_refs != 2 or not may_writepage:
        return FATE_KEEP
    f.flags |= PG_reclaim
    if swap_writeout(a, head) != WRITEOUT_STARTED:
        f.flags &= ~<uint32_t>PG_reclaim
    mod_node_stat(a, NR_VMSCAN_WRITE, 1)
    nr_pageout[0] += 1
    return FATE_KEEP if f.flags & (PG_writeback | PG_dirty) else free_clean(a, head, f)


cdef uint32_t shrink_anon(arena_t *a, pfn_t head, frame_t *f, sole_t *s, bint ignore_references, bint may_writepage, uint32_t *nr_pageout) noexcept nogil:
    cdef bint mapped = f.mapcount != 0, was_referenced
    if mapped and not find_entry(a, head, f, s):
        return FATE_UNKNOWN
    if not ignore_references:
        was_referenced = f.flags & PG_referenced != 0
        f.flags &= ~<uint32_t>PG_referenced
        if mapped and test_and_clear_young(a, s):
            f.flags |= PG_referenced
            return FATE_ACTIVATE if was_referenced else FATE_KEEP
    if not f.flags & PG_swapcache:
        if not folio_alloc_swap(a, head):
            return FATE_ACTIVATE
        f.flags |= PG_dirty
    if mapped:
        unmap(a, head, f, s)
    return pageout(a, head, f, may_writepage, nr_pageout) if f.flags & PG_dirty else free_clean(a, head, f)
