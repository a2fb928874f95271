"""Walks from a folio to the entries that map it.

    frame 7, anonymous: its anon_vma's chain -> areas -> the entry at its index, when it names frame 7
    frame 8, of a file: the file's list of areas -> the entry at its offset

Counterpart: Linux v6.18 mm/rmap.c:rmap_walk_anon(), rmap_walk_file(), folio_referenced_one(), try_to_unmap_one().
Simplified: the TLB of an entry made old is not flushed, as on x86.
"""

from vmtool.mm.arena cimport frame_at, frame_mut, folio_x_at, inode_at, mm_at, mm_mut, rec_at, runs_in_circle, slot_mut, vma_at
from vmtool.mm.arch cimport level_index, level_size, nr_entries
from vmtool.mm.filemap cimport folio_mark_dirty
from vmtool.mm.frame cimport folio_order, frame_index
from vmtool.mm.large_folio cimport FPB_RESPECT_WRITE, folio_pte_batch_flags
from vmtool.mm.lruvec cimport is_lazyfree
from vmtool.mm.mlock cimport mlock_folio
from vmtool.mm.mm_acct cimport add_mm_counter, update_hiwater_rss
from vmtool.mm.buddy cimport folio_mapcount
from vmtool.mm.pgtable cimport entry_get, entry_set, flush_pmd_tlb_range, flush_tlb_page, flush_tlb_range, pte_dirty, pte_frame, pte_mkold, pte_special, pte_young, table_lookup
from vmtool.mm.pte cimport ENTRY_PAGE, pte_class, pte_load, pte_soft_dirty, pte_store, pte_swp_mkexclusive, pte_swp_mksoft_dirty, swp_entry_to_pte
from vmtool.mm.rmap cimport remove_rmap, remove_rmap_ptes
from vmtool.mm.swapfile cimport record_entry
from vmtool.mm.thp cimport pmd_is_huge, split_huge_pmd, zap_huge_pmd
from vmtool.mm.vma cimport vma_pages

cdef struct walk_at_t:  # where an entry is that maps a page of the folio
    idx_t v
    vaddr_t addr
    pfn_t page
    pfn_t table  # 0: a huge entry
    uint32_t index
    pte_t entry

cdef struct rwalk_t:  # rmap_walk_control
    idx_t memcg
    uint64_t vm_flags
    uint32_t referenced  # areas
    idx_t counted  # the last of them
    pfn_t to

ctypedef bint (*rmap_one_fn)(arena_t *a, rwalk_t *w, pfn_t head, walk_at_t *at) noexcept nogil  # false: enough


# --- the walk --------------------------------------------------------------------------------------------------------


cdef bint walk_area(arena_t *a, rwalk_t *w, pfn_t head, idx_t v, rmap_one_fn one) noexcept nogil:
    """page_vma_mapped_walk(): each entry of one area that maps a page of the folio."""
    cdef vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_mut(a, area.vm_mm)
    cdef uint64_t first = frame_index(frame_at(a, head))
    cdef uint64_t nr = <uint64_t>1 << folio_order(a, head)
    cdef uint64_t from_page = first if first > area.vm_pgoff else area.vm_pgoff
    cdef uint64_t end = min(first + nr, area.vm_pgoff + vma_pages(a, area))
    cdef walk_at_t at
    cdef pte_t pmd
    at.v = v
    while from_page < end:
        at.addr = area.vm_start + ((from_page - area.vm_pgoff) << a.m.arch.page_shift)
        at.page = head + <pfn_t>(from_page - first)
        from_page += 1
        if nr >= nr_entries(&a.m.arch, 0) and table_lookup(a, m, at.addr, 1):
            pmd = entry_get(a, m, at.addr, 1)
            if pmd_is_huge(a, pmd):
                if pte_special(a, pmd) or pte_frame(a, pmd) != head:
                    return True
                at.table = 0
                at.entry = pmd
                if not one(a, w, head, &at):
                    return False
                pmd = entry_get(a, m, at.addr, 1)
                if pmd == 0 or pmd_is_huge(a, pmd):
                    return True  # else it was split, and small entries are in its place
        at.table = table_lookup(a, m, at.addr, 0)
        if at.table == 0:
            continue
        at.index = level_index(&a.m.arch, 0, at.addr)
        at.entry = pte_load(a, at.table, at.index)
        if pte_class(a, at.entry) == ENTRY_PAGE and pte_frame(a, at.entry) == at.page and not one(a, w, head, &at):
            return False
    return True


cdef void rmap_walk(arena_t *a, rwalk_t *w, pfn_t head, rmap_one_fn one) noexcept nogil:
    cdef frame_t *f = frame_at(a, head)
    cdef uint32_t steps = 0
    cdef avc_t *link
    cdef idx_t at
    if f.mapping == 0:
        return
    if f.flags & PG_anon:
        at = (<anon_vma_t *>rec_at(a, POOL_ANON_VMA, f.mapping)).avc_head
        while at and not runs_in_circle(a, POOL_AVC, at, &steps):
            link = <avc_t *>rec_at(a, POOL_AVC, at)
            if not walk_area(a, w, head, link.vma, one) or folio_mapcount(a, head) == 0:
                return
            at = link.same_av_next
        return
    at = inode_at(a, f.mapping).i_mmap
    while at and not runs_in_circle(a, POOL_VMA, at, &steps):
        if not walk_area(a, w, head, at, one) or folio_mapcount(a, head) == 0:
            return
        at = vma_at(a, at).i_mmap_next


# --- used? -------------------------------------------------------------------------------------------------------------


cdef bint is_of_group(arena_t *a, idx_t mm, idx_t memcg) noexcept nogil:
    """mm_match_cgroup(): the process is in the group or below it."""
    cdef idx_t at = mm_at(a, mm).memcg
    cdef uint32_t steps = 0
    while at and at != memcg and not runs_in_circle(a, POOL_MEMCG, at, &steps):
        at = (<memcg_t *>rec_at(a, POOL_MEMCG, at)).parent
    return at == memcg


cdef bint is_wholly_mapped(arena_t *a, pfn_t head, walk_at_t *at) noexcept nogil:
    """By the first entry that was found, and those of its table behind it."""
    cdef uint32_t nr = <uint32_t>1 << folio_order(a, head)
    if at.table == 0 or nr == 1:
        return True
    return at.page == head and nr == folio_pte_batch_flags(a, at.table, at.index, at.entry, nr_entries(&a.m.arch, 0) - at.index, 0)


cdef bint referenced_one(arena_t *a, rwalk_t *w, pfn_t head, walk_at_t *at) noexcept nogil:
    cdef vma_t *area = vma_at(a, at.v)
    if w.memcg and not is_of_group(a, area.vm_mm, w.memcg):
        return True
    if area.vm_flags & VM_LOCKED:
        if not is_wholly_mapped(a, head, at):
            return True  # whether it was used is of no matter there
        mlock_folio(a, head)  # restore the lock that was missed
        w.vm_flags |= VM_LOCKED
        return False
    if area.vm_flags & (VM_SEQ_READ | VM_RAND_READ):  # vma_has_recency(): an access there says nothing
        return True
    if not pte_young(a, at.entry):
        return True
    if at.table:
        pte_store(a, at.table, at.index, pte_mkold(a, at.entry))
    else:
        entry_set(a, mm_mut(a, area.vm_mm), at.addr, 1, pte_mkold(a, at.entry))
    if w.counted != at.v:  # an area counts once, however many pages of a large folio were used in it
        w.counted = at.v
        w.referenced += 1
    w.vm_flags |= area.vm_flags & ~<uint64_t>VM_LOCKED
    return True


cdef uint32_t folio_referenced(arena_t *a, pfn_t head, idx_t memcg, uint64_t *vm_flags) noexcept nogil:
    cdef rwalk_t w
    w.memcg = memcg
    w.vm_flags = 0
    w.referenced = 0
    w.counted = 0
    if folio_mapcount(a, head):
        rmap_walk(a, &w, head, referenced_one)
    if frame_at(a, head).flags & PG_young:
        frame_mut(a, head).flags &= ~<uint32_t>PG_young
        w.referenced += 1
    vm_flags[0] = w.vm_flags
    return w.referenced


# --- let it go ----------------------------------------------------------------------------------------------------------


cdef bint may_discard(arena_t *a, pfn_t head) noexcept nogil:
    """Of a folio that was freed lazily, whose entries have been looked at."""
    cdef frame_t *f = frame_mut(a, head)
    if f.flags & PG_dirty:  # written since MADV_FREE: it is wanted after all
        f.flags |= PG_swapbacked
        return False
    return f.extra_refs == 1


cdef bint discard_pmd(arena_t *a, pfn_t head, walk_at_t *at, mm_t *m) noexcept nogil:
    """__discard_anon_folio_pmd_locked(): the huge entry of a folio that was freed lazily. False: it stays."""
    if pte_dirty(a, at.entry):
        frame_mut(a, head).flags |= PG_dirty
    if not may_discard(a, head):
        return False
    zap_huge_pmd(a, at.v, at.addr)
    flush_pmd_tlb_range(a, m, at.addr)
    return True


cdef bint discard_ptes(arena_t *a, pfn_t head, walk_at_t *at, mm_t *m) noexcept nogil:
    """The entries in a row that map such a folio, all or none."""
    cdef uint64_t span = level_size(&a.m.arch, 1)
    cdef uint64_t most = (min(vma_at(a, at.v).vm_end, (at.addr & ~(span - 1)) + span) - at.addr) >> a.m.arch.page_shift
    cdef uint32_t nr = folio_pte_batch_flags(a, at.table, at.index, at.entry, most, FPB_RESPECT_WRITE)
    cdef uint32_t i
    for i in range(at.index, at.index + nr):
        if pte_dirty(a, pte_load(a, at.table, i)):
            frame_mut(a, head).flags |= PG_dirty
    if not may_discard(a, head):
        return False
    for i in range(at.index, at.index + nr):
        pte_store(a, at.table, i, 0)
    add_mm_counter(m, MM_ANONPAGES, -<int64_t>nr)
    flush_tlb_range(a, m, at.addr, at.addr + (<uint64_t>nr << a.m.arch.page_shift))
    remove_rmap_ptes(a, at.page, nr, vma_at(a, at.v).vm_mm)
    return True


cdef bint unmap_anon(arena_t *a, pfn_t head, walk_at_t *at, mm_t *m) noexcept nogil:
    """The entry of an anonymous page. False: it stays."""
    cdef frame_t *f = frame_mut(a, head)
    cdef frame_t *page = frame_mut(a, at.page)
    cdef uint32_t record = folio_x_at(a, head).swap + (at.page - head)
    cdef pte_t new = 0
    if pte_dirty(a, at.entry):
        f.flags |= PG_dirty
    if f.flags & PG_swapbacked:
        if not f.flags & PG_swapcache:
            return False
        new = swp_entry_to_pte(a, record_entry(a, record))
        if page.flags & PG_anon_exclusive:
            new = pte_swp_mkexclusive(a, new)
            page.flags &= ~<uint32_t>PG_anon_exclusive
        if pte_soft_dirty(a, at.entry):
            new = pte_swp_mksoft_dirty(a, new)
        slot_mut(a, record).count += 1
        add_mm_counter(m, MM_SWAPENTS, 1)
    elif not may_discard(a, head):
        return False
    pte_store(a, at.table, at.index, new)
    add_mm_counter(m, MM_ANONPAGES, -1)
    return True


cdef bint unmap_one(arena_t *a, rwalk_t *w, pfn_t head, walk_at_t *at) noexcept nogil:
    cdef vma_t *area = vma_at(a, at.v)
    cdef mm_t *m = mm_mut(a, area.vm_mm)
    if area.vm_flags & VM_LOCKED:
        if is_wholly_mapped(a, head, at):
            mlock_folio(a, head)
        return False
    if at.table == 0:
        if is_lazyfree(frame_at(a, head).flags):
            return discard_pmd(a, head, at, m)
        split_huge_pmd(a, at.v, at.addr)  # TTU_SPLIT_HUGE_PMD: a file's is gone then, anonymous memory's becomes small ones
        return True
    update_hiwater_rss(m)
    if frame_at(a, head).flags & PG_anon:
        if folio_order(a, head) and is_lazyfree(frame_at(a, head).flags):
            return discard_ptes(a, head, at, m)
        if not unmap_anon(a, head, at, m):
            return False
    else:
        pte_store(a, at.table, at.index, 0)
        if pte_dirty(a, at.entry):
            folio_mark_dirty(a, head)
        add_mm_counter(m, MM_SHMEMPAGES if frame_at(a, head).flags & PG_swapbacked else MM_FILEPAGES, -1)
    flush_tlb_page(a, m, at.addr)
    remove_rmap(a, at.page, area.vm_mm)
    return True


cdef bint try_to_unmap(arena_t *a, pfn_t head) noexcept nogil:
    cdef rwalk_t w
    w.memcg = 0
    w.vm_flags = 0
    w.referenced = 0
    w.counted = 0
    rmap_walk(a, &w, head, unmap_one)
    return folio_mapcount(a, head) == 0


# --- it is elsewhere -----------------------------------------------------------------------------------------------------


cdef inline pte_t pte_moved(arena_t *a, pte_t e, pfn_t pfn) noexcept nogil:
    return (e & ~a.m.arch.pfn_mask) | <pte_t>pfn << a.m.arch.page_shift


cdef bint remap_one(arena_t *a, rwalk_t *w, pfn_t head, walk_at_t *at) noexcept nogil:
    """try_to_migrate_one() and remove_migration_pte(): the same bits, written to or used as before."""
    cdef frame_t *f = frame_mut(a, head)
    if at.table == 0:
        return True
    if pte_dirty(a, at.entry):
        if f.flags & PG_anon:
            f.flags |= PG_dirty
        else:
            folio_mark_dirty(a, head)
    pte_store(a, at.table, at.index, pte_moved(a, at.entry, w.to + (at.page - head)))
    flush_tlb_page(a, mm_mut(a, vma_at(a, at.v).vm_mm), at.addr)
    return True


cdef void remap_folio(arena_t *a, pfn_t head, pfn_t to) noexcept nogil:
    cdef rwalk_t w
    w.memcg = 0
    w.vm_flags = 0
    w.referenced = 0
    w.counted = 0
    w.to = to
    if folio_mapcount(a, head):
        rmap_walk(a, &w, head, remap_one)
