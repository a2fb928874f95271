"""The quick road of map_swapped() (swap_fault), and of do_swap_page() for what the swap cache has, each record fetched once.

    entry: slot 5, exclusive     read: its frame, writable and clean, slot 5 stays; write: slot 5 is free, the frame dirty

The state they leave is the one that the general roads leave, record by record: tests/mm/test_vmscan_anon.py holds them together.
"""

from vmtool.mm.arch cimport ARCH_TRANSLATES
from vmtool.mm.arena cimport content_mut, folio_x_mut, frame_mut, slot_mut, vma_mut
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.pgtable cimport mk_pte
from vmtool.mm.pte cimport (pte_load, pte_mkdirty, pte_mksoft_dirty, pte_mkwrite, pte_needs_soft_dirty_wp, pte_store, pte_swp_exclusive, pte_swp_soft_dirty,
                            pte_to_swp_entry)
from vmtool.mm.rmap cimport add_new_anon_rmap
from vmtool.mm.swap_quick cimport slot_give, swap_is_plain
from vmtool.mm.swap_readahead cimport note_hit
from vmtool.mm.swapfile cimport vm_swap_full
from vmtool.mm.swapops cimport swp_offset, swp_type
from vmtool.mm.vmstat cimport NR_ANON_MAPPED, NR_FILE_PAGES, NR_SWAPCACHE, mod_node_stat


cdef inline bint map_is_plain(arena_t *a, const vma_t *area, const frame_t *f, const swap_slot_t *s, pte_t old, uint32_t flags) noexcept nogil:
    """Private memory that is not locked, whose page nobody else has, maps or writes; if it is written, it may be at once."""
    if not swap_is_plain(a) or f.flags & (PG_swapcache | PG_head | PG_charged | PG_mlocked | PG_writeback) != PG_swapcache or f.mapcount:
        return False
    if area.vm_flags & (VM_SHARED | VM_MAYSHARE | VM_LOCKED) or s.count != 1 or not pte_swp_exclusive(a, old):
        return False
    if not flags & FAULT_WRITE:
        return True
    return area.vm_flags & VM_WRITE and (pte_swp_soft_dirty(a, old) or not pte_needs_soft_dirty_wp(a, 0, area.vm_flags))


cdef inline void forget_slot(arena_t *a, pfn_t head, frame_t *f, uint32_t record, swap_slot_t *s) noexcept nogil:
    """folio_free_swap() of one that no entry names any more."""
    if f.content == 0:  # the page keeps its bytes
        f.content = s.content
        s.content = 0
    s.flags &= ~<uint32_t>SLOT_CACHE
    slot_give(a, record, s)
    folio_x_mut(a, head).swap = 0
    f.flags = (f.flags | PG_dirty) & ~<uint32_t>PG_swapcache
    f.extra_refs -= 1
    mod_node_stat(a, NR_FILE_PAGES, -1)
    mod_node_stat(a, NR_SWAPCACHE, -1)


cdef inline pte_t map_page(arena_t *a, const vma_t *area, mm_t *m, vaddr_t addr, pte_t old, pfn_t head, frame_t *f, uint32_t record, swap_slot_t *s,
                           uint32_t flags) noexcept nogil:
    """map_swapped(). Returns the entry, which is the caller's to store."""
    cdef pte_t e = mk_pte(a, head, area.vm_flags)
    cdef uint16_t refs
    if pte_swp_soft_dirty(a, old):
        e = pte_mksoft_dirty(a, e)
    s.count = 0
    if vm_swap_full(a) or (flags & FAULT_WRITE and f.extra_refs == 1):
        forget_slot(a, head, f, record, s)
    if area.vm_flags & VM_WRITE and not pte_needs_soft_dirty_wp(a, e, area.vm_flags):
        e = pte_mkwrite(a, e)
        if flags & FAULT_WRITE:
            e = pte_mkdirty(a, e)
    add_mm_counter(m, MM_ANONPAGES, 1)
    add_mm_counter(m, MM_SWAPENTS, -1)
    refs = f.extra_refs
    if f.flags & PG_anon:
        f.mapcount = 1
        f.flags |= PG_anon_exclusive
        mod_node_stat(a, NR_ANON_MAPPED, 1)
    else:
        add_new_anon_rmap(a, head, f, area, addr)
        f.extra_refs = refs
    return e


cdef bint map_plain(arena_t *a, const vma_t *area, mm_t *m, vaddr_t addr, pfn_t table, uint32_t index, pfn_t head, uint32_t record,
                    uint32_t flags) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    cdef swap_slot_t *s = slot_mut(a, record)
    cdef pte_t old = pte_load(a, table, index)
    if not map_is_plain(a, area, f, s, old, flags):
        return False
    pte_store(a, table, index, map_page(a, area, m, addr, old, head, f, record, s, flags))
    return True


cdef bint fault_plain(arena_t *a, idx_t v, mm_t *m, vaddr_t addr, idx_t content, uint64_t *entries, uint32_t index, uint32_t flags) noexcept nogil:
    cdef const swap_info_t *si = &a.m.swap[0]
    cdef pte_t old = entries[index]
    cdef swp_entry_t entry = pte_to_swp_entry(a, old)
    cdef vma_t *area = vma_mut(a, v)
    cdef swap_slot_t *s
    cdef frame_t *f
    cdef uint32_t record
    if swp_type(entry) or swp_offset(entry) >= si.max or a.m.arch.flags & ARCH_TRANSLATES or a.m.arch.top_order:
        return False
    record = si.base + <uint32_t>swp_offset(entry)
    s = slot_mut(a, record)
    if not s.flags & SLOT_CACHE:
        return False
    f = frame_mut(a, s.folio)
    if (flags & FAULT_WRITE and not f.flags & PG_lru) or not map_is_plain(a, area, f, s, old, flags):
        return False
    note_hit(a, f, area, addr)
    content_mut(a, content)  # the chunk changes
    entries[index] = map_page(a, area, m, addr, old, s.folio, f, record, s, flags)
    return True
