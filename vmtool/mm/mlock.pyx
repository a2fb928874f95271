# cython: language_level=3
"""Mlocked folios.

    p locks its page      frame 7: mlocked, unevictable
    fork, c locks too     frame 7: mapped by two locked areas
    p unlocks             frame 7: still mlocked, for c's area holds it
    c unlocks or exits    frame 7: on the inactive list again
Counterpart: Linux v6.18 mm/mlock.c:mlock_folio(), munlock_folio(); mm/internal.h:mlock_vma_folio(), munlock_vma_folio().
Simplified: Linux counts the locks in a folio that is on no list (mlock_count); here the areas that map it are asked.
"""

from vmtool.mm.arena cimport file_at, frame_at, frame_mut, inode_at, mm_at, rec_at, vma_at
from vmtool.mm.frame cimport folio_add_lru, folio_del_lru, folio_order, frame_index, page_folio
from vmtool.mm.pgtable cimport entry_at_t, entry_find
from vmtool.mm.pte cimport ENTRY_HUGE, ENTRY_PAGE, pte_frame
from vmtool.mm.vma cimport vma_address, vma_pages
from vmtool.mm.vmstat cimport UNEVICTABLE_PGMLOCKED, UNEVICTABLE_PGMUNLOCKED, count_vm_event

cdef void mlock_folio(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef pfn_t head = page_folio(a, pfn)
    cdef frame_t *f = frame_mut(a, head)
    cdef bint on_lru = (f.flags & PG_lru) != 0
    if f.flags & PG_mlocked:
        return
    if on_lru:
        folio_del_lru(a, head)
    f.flags = (f.flags | PG_mlocked | PG_unevictable) & ~<uint32_t>PG_active
    count_vm_event(a, UNEVICTABLE_PGMLOCKED)
    if on_lru:
        folio_add_lru(a, head)

cdef void munlock_folio(arena_t *a, pfn_t pfn, idx_t v) noexcept nogil:
    cdef pfn_t head = page_folio(a, pfn)
    cdef frame_t *f
    cdef bint on_lru
    if not frame_at(a, head).flags & PG_mlocked or is_locked_elsewhere(a, head, v):
        return
    f = frame_mut(a, head)
    on_lru = (f.flags & PG_lru) != 0
    if on_lru:
        folio_del_lru(a, head)
    f.flags &= ~<uint32_t>(PG_mlocked | PG_unevictable)
    count_vm_event(a, UNEVICTABLE_PGMUNLOCKED)
    if on_lru:
        folio_add_lru(a, head)

cdef bint is_locked_elsewhere(arena_t *a, pfn_t head, idx_t but_not) noexcept nogil:
    """Whether an area other than `but_not` is locked and maps a page of the folio."""
    cdef frame_t *f = frame_at(a, head)
    cdef avc_t *link
    cdef idx_t at
    cdef uint32_t left = a.pool[POOL_AVC].count + a.pool[POOL_VMA].count
    if f.mapcount <= 1 and not f.flags & PG_head:
        return False
    if f.flags & PG_anon:
        at = (<anon_vma_t *>rec_at(a, POOL_ANON_VMA, f.mapping)).avc_head
        while at and left:
            left -= 1
            link = <avc_t *>rec_at(a, POOL_AVC, at)
            if link.vma != but_not and maps_locked(a, link.vma, head):
                return True
            at = link.same_av_next
        return False
    at = inode_at(a, f.mapping).i_mmap
    while at and left:
        left -= 1
        if at != but_not and maps_locked(a, at, head):
            return True
        at = vma_at(a, at).i_mmap_next
    return False

cdef bint maps_locked(arena_t *a, idx_t v, pfn_t head) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_at(a, area.vm_mm)
    cdef uint64_t first = frame_index(frame_at(a, head)), nr = <uint64_t>1 << folio_order(a, head), i
    cdef entry_at_t at
    # allow_mlock_munlock(): a part of a large folio is never locked, and munlock of any part takes the lock of the whole
    if not area.vm_flags & VM_LOCKED or first < area.vm_pgoff or first + nr > area.vm_pgoff + vma_pages(a, area):
        return False
    for i in range(nr):
        entry_find(a, m, vma_address(a, area, first + i), &at)
        if at.what == ENTRY_HUGE and pte_frame(a, at.entry) == head:
            return True
        if at.what == ENTRY_PAGE and pte_frame(a, at.entry) == head + <pfn_t>i:
            return True
    return False
