"""Swapping in.

    entry: slot 5, exclusive     read fault     the swap cache's frame (read-ahead brings it and its neighbours: a major fault), mapped writable
                                                and clean; slot 5 stays with the clean frame, until swap is half full
                                 write fault    the same, and slot 5 is given up: its bytes are about to change
    slot 5 named by two          read fault     mapped read-only; a write then copies, as after fork
    a large folio, still cached  any fault      all its pages are mapped at once, where all its entries are there; those read are single pages

Counterpart: Linux v6.18 mm/memory.c:do_swap_page(), should_try_to_free_swap(); mm/swapfile.c:unuse_pte_range().
"""

from vmtool.mm.arena cimport folio_x_at, frame_at, frame_mut, mm_at, mm_mut, rec_at, slot_at, vma_at
from vmtool.mm.arch cimport level_index, level_size, page_size, page_start
from vmtool.mm.buddy cimport folio_mapcount
from vmtool.mm.fault cimport do_wp_page
from vmtool.mm.frame cimport folio_order
from vmtool.mm.lruvec cimport count_mm_event, folio_memcg, lruvec_stat_mod_folio
from vmtool.mm.memcontrol cimport mem_cgroup_swap_full
from vmtool.mm.mlock cimport mlock_folio
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.pgtable cimport mk_pte, pte_cache, table_lookup
from vmtool.mm.pte cimport (ENTRY_SWAP, pte_class, pte_load, pte_mkdirty, pte_mkold, pte_mksoft_dirty, pte_mkwrite, pte_move_swp_offset,
                            pte_needs_soft_dirty_wp, pte_store, pte_swp_exclusive, pte_swp_soft_dirty, pte_to_swp_entry, pte_write, pte_wrprotect)
from vmtool.mm.rmap cimport add_anon_rmap_ptes, add_new_anon_rmap
from vmtool.mm.swap_lru cimport lru_add_drain
from vmtool.mm.swap_readahead cimport swap_update_readahead, swapin_readahead
from vmtool.mm.swap_state cimport folio_free_swap, folio_swap_page, swap_cache_get, swap_free_nr, swap_write_wait
from vmtool.mm.swapfile cimport entry_record, swap_pte_batch
from vmtool.mm.swapin_quick cimport map_plain
from vmtool.mm.trace cimport TR_PTE_SET, trace3
from vmtool.mm.vmstat cimport NR_ANON_MAPPED, PGMAJFAULT


cdef void add_anon_rmap(arena_t *a, pfn_t pfn, const vma_t *area, vaddr_t addr, bint exclusive) noexcept nogil:
    """folio_add_new_anon_rmap() for one that was just read, folio_add_anon_rmap_pte() for one that was not forgotten yet."""
    cdef frame_t *f = frame_mut(a, pfn)
    cdef uint16_t refs = f.extra_refs
    if not f.flags & PG_anon:
        add_new_anon_rmap(a, pfn, f, area, addr)
        f.extra_refs = refs
        if not exclusive:  # whoever else has the entry finds it by the root, which is in every chain
            f.mapping = (<anon_vma_t *>rec_at(a, POOL_ANON_VMA, f.mapping)).root
    else:
        f.mapcount += 1
        if f.mapcount == 1:
            lruvec_stat_mod_folio(a, pfn, NR_ANON_MAPPED, 1)
    if exclusive:
        f.flags |= PG_anon_exclusive
    else:
        f.flags &= ~<uint32_t>PG_anon_exclusive


cdef bint should_try_to_free_swap(arena_t *a, pfn_t head, const frame_t *f, const vma_t *area, uint32_t flags) noexcept nogil:
    if mem_cgroup_swap_full(a, folio_memcg(a, head)) or area.vm_flags & VM_LOCKED or f.flags & PG_mlocked:
        return True
    return flags & FAULT_WRITE and f.extra_refs + folio_mapcount(a, head) == 1


cdef struct swapin_t:  # what is mapped by one fault
    idx_t v
    vaddr_t addr
    pfn_t table
    uint32_t index
    pfn_t head
    uint32_t record
    uint32_t nr  # pages from there on


cdef void batch_whole_folio(arena_t *a, swapin_t *s) noexcept nogil:
    """A large folio of the swap cache is mapped as a whole where its entries are all there around the one, and in no other area."""
    cdef const vma_t *area = vma_at(a, s.v)
    cdef uint64_t span = level_size(&a.m.arch, 1)
    cdef uint32_t nr = <uint32_t>1 << folio_order(a, s.head)
    cdef uint32_t before = s.record - folio_x_at(a, s.head).swap
    cdef uint64_t bytes_before = <uint64_t>before << a.m.arch.page_shift
    cdef vaddr_t addr = page_start(&a.m.arch, s.addr)
    cdef pte_t first
    if addr - max(area.vm_start, addr & ~(span - 1)) < bytes_before:
        return
    if (min(area.vm_end, (addr & ~(span - 1)) + span) - addr + bytes_before) >> a.m.arch.page_shift < nr:
        return
    first = pte_move_swp_offset(a, pte_load(a, s.table, s.index), -<int64_t>before)
    if pte_load(a, s.table, s.index - before) != first or swap_pte_batch(a, s.table, s.index - before, first, nr) != nr:
        return
    s.addr = addr - bytes_before
    s.index -= before
    s.record -= before
    s.nr = nr


cdef void add_rmap(arena_t *a, const swapin_t *s, pfn_t page, bint exclusive) noexcept nogil:
    """folio_add_new_anon_rmap() of one that was just read locks nothing, in a locked area either; folio_add_anon_rmap_ptes() does."""
    cdef vma_t *area = vma_at(a, s.v)
    cdef bint was_anon = frame_at(a, s.head).flags & PG_anon != 0
    cdef uint32_t i
    if not frame_at(a, s.head).flags & PG_head:
        add_anon_rmap(a, page, area, s.addr, exclusive)
    else:
        add_anon_rmap_ptes(a, page, s.nr, area.vm_mm)
        for i in range(s.nr):
            if exclusive:
                frame_mut(a, page + i).flags |= PG_anon_exclusive
            else:
                frame_mut(a, page + i).flags &= ~<uint32_t>PG_anon_exclusive
    if was_anon and area.vm_flags & VM_LOCKED and s.nr == <uint32_t>1 << folio_order(a, s.head):
        mlock_folio(a, s.head)


cdef uint32_t map_swapped(arena_t *a, const swapin_t *s, uint32_t flags) noexcept nogil:
    """The folio of the entries, found or read, into its place. Returns FAULT_WRITE when the write is still to be seen to."""
    cdef vma_t *area = vma_at(a, s.v)
    cdef mm_t *m = mm_mut(a, area.vm_mm)
    cdef frame_t *f = frame_mut(a, s.head)
    cdef pte_t old = pte_load(a, s.table, s.index)
    cdef bint exclusive = pte_swp_exclusive(a, old)
    cdef uint32_t left = flags & FAULT_WRITE, i
    cdef pfn_t page = folio_swap_page(a, s.head, s.record)
    cdef pte_t e = mk_pte(a, page, area.vm_flags)
    if pte_swp_soft_dirty(a, old):
        e = pte_mksoft_dirty(a, e)
    swap_free_nr(a, s.record, s.nr)
    if f.flags & PG_swapcache and should_try_to_free_swap(a, s.head, f, area, flags):
        f.extra_refs += 1
        folio_free_swap(a, s.head)
        f.extra_refs -= 1
    if not area.vm_flags & (VM_SHARED | VM_MAYSHARE) and (exclusive or f.extra_refs + folio_mapcount(a, s.head) == 0):
        exclusive = True
        if area.vm_flags & VM_WRITE and not pte_needs_soft_dirty_wp(a, e, area.vm_flags):
            e = pte_mkwrite(a, e)
            if left:
                e = pte_mkdirty(a, e)
                left = 0
    add_mm_counter(m, MM_ANONPAGES, s.nr)
    add_mm_counter(m, MM_SWAPENTS, -<int64_t>s.nr)
    add_rmap(a, s, page, exclusive)
    for i in range(s.nr):
        pte_store(a, s.table, s.index + i, e + (<pte_t>i << a.m.arch.page_shift))
        trace3(a, TR_PTE_SET, s.addr + (<uint64_t>i << a.m.arch.page_shift), page + i, pte_write(a, e))
    return left


cdef uint32_t do_swap_page(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags, swp_entry_t entry) noexcept nogil:
    cdef const vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_mut(a, area.vm_mm)
    cdef pfn_t table = pte_cache(a, m, addr, 0)
    cdef uint32_t index = level_index(&a.m.arch, 0, addr)
    cdef uint32_t result = 0
    cdef const frame_t *f
    cdef pte_t before
    cdef swapin_t s = swapin_t(v, addr, table, index, 0, entry_record(a, entry), 1)
    if table == 0:
        table = s.table = table_lookup(a, m, addr, 0)
    before = pte_load(a, table, index)
    if s.record and slot_at(a, s.record).flags & SLOT_CACHE:
        s.head = slot_at(a, s.record).folio
    if s.head:
        swap_update_readahead(a, s.head, v, addr)
    else:
        s.head = swapin_readahead(a, entry, v, addr)
        if s.head == 0:
            return VM_FAULT_OOM if a.oom_victim or swap_cache_get(a, entry) == 0 else 0
        result = VM_FAULT_MAJOR
        count_mm_event(a, m, PGMAJFAULT)
        if pte_load(a, table, index) != before:
            return result
    f = frame_at(a, s.head)
    if f.flags & PG_writeback and flags & FAULT_WRITE:
        swap_write_wait(a)
    if flags & FAULT_WRITE and not f.flags & PG_lru:
        lru_add_drain(a)  # a batch may hold the only other reference
    if map_plain(a, area, m, addr, table, index, s.head, s.record, flags):
        return result
    if f.flags & PG_head:
        batch_whole_folio(a, &s)
    if map_swapped(a, &s, flags):
        result |= do_wp_page(a, v, addr, table, index, pte_load(a, table, index))
    return result


# --- swapoff -----------------------------------------------------------------------------------------------------------


cdef int unuse_pte(arena_t *a, idx_t v, vaddr_t addr, swp_entry_t entry, pfn_t table, uint32_t index) noexcept nogil:
    """One entry, of a large folio, too."""
    cdef swapin_t s = swapin_t(v, addr, table, index, swap_cache_get(a, entry), entry_record(a, entry), 1)
    if s.head == 0:
        s.head = swapin_readahead(a, entry, v, addr)
    if s.head == 0:
        return -ENOMEM
    if frame_at(a, s.head).flags & PG_writeback:
        swap_write_wait(a)
    map_swapped(a, &s, 0)
    pte_store(a, table, index, pte_mkold(a, pte_wrprotect(a, pte_load(a, table, index))))
    frame_mut(a, s.head).extra_refs += 1
    folio_free_swap(a, s.head)
    frame_mut(a, s.head).extra_refs -= 1
    return 0


cdef int unuse_area(arena_t *a, idx_t v, uint32_t type) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_mut(a, area.vm_mm)
    cdef vaddr_t addr = area.vm_start
    cdef vaddr_t end = area.vm_end
    cdef uint64_t span = level_size(&a.m.arch, 1)
    cdef pfn_t table
    cdef pte_t e
    while addr < end and not a.err:
        table = table_lookup(a, m, addr, 0)
        if table == 0:
            addr = (addr | (span - 1)) + 1
            if addr == 0:
                break
            continue
        e = pte_load(a, table, level_index(&a.m.arch, 0, addr))
        if pte_class(a, e) == ENTRY_SWAP and swp_type(pte_to_swp_entry(a, e)) == type:
            if unuse_pte(a, v, addr, pte_to_swp_entry(a, e), table, level_index(&a.m.arch, 0, addr)) < 0:
                return -ENOMEM
        addr += page_size(&a.m.arch)
    return 0


cdef bint unuse_mms(arena_t *a, uint32_t type) noexcept nogil:
    cdef idx_t mm
    cdef idx_t v
    cdef uint32_t left
    for mm in range(1, a.pool[POOL_MM].count):
        if mm_at(a, mm).rss[MM_SWAPENTS] + mm_at(a, mm).rss_cpu[MM_SWAPENTS] == 0:
            continue
        v = mm_at(a, mm).vma_first
        left = a.pool[POOL_VMA].count
        while v and left:
            left -= 1
            if vma_at(a, v).anon_vma and unuse_area(a, v, type) < 0:
                return False
            v = vma_at(a, v).vm_next
    return True
