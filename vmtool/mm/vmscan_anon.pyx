"""The quick road of shrink_folio_list() (vmscan_list): what it, folio_referenced() and try_to_unmap() do together, each record fetched once.

    mapped, used since         PG_referenced, the entry old; the second time: active
    mapped, not used           a slot, the entry names it, a write begins
    cached, clean, unmapped    a shadow stays in the slot, the frame is free

The area of an anon_vma, its space and the table are looked up once for the pages of a batch that follow one another; counts are added up.
At the end of the machine's inactive list they are judged where they stand: a piece of it that stays comes to its head as it is linked.
The state it leaves is the one that the general road leaves, record by record: tests/mm/test_vmscan_anon.py holds the two together.
"""

from libc.string cimport memcmp, memset

from vmtool.mm.arch cimport level_index, page_size
from vmtool.mm.arena cimport FRAMES_A_CHUNK, folio_x_at, folio_x_mut, frame_at, frame_mut, mm_mut, rec_at, slot_mut, vma_at
from vmtool.mm.buddy cimport free_frame
from vmtool.mm.frame cimport frame_index, page_bytes
from vmtool.mm.lruvec cimport LRU_INACTIVE_ANON, lruvec_add_folio, update_lru_size, workingset_age_nonresident
from vmtool.mm.mm_acct cimport add_mm_counter, update_hiwater_rss
from vmtool.mm.mmu_context cimport page_flush, page_flush_open
from vmtool.mm.pgtable cimport pte_cache, pte_dirty, pte_mkold, pte_young, table_lookup
from vmtool.mm.pte cimport (pte_maps, pte_soft_dirty, pte_swp_mkexclusive, pte_swp_mksoft_dirty, ptes_change, ptes_load, ptes_open, ptes_open_mut,
                            swp_entry, swp_entry_to_pte)
from vmtool.mm.swap_quick cimport slot_take, swap_is_plain, swap_stays_empty
from vmtool.mm.swap_state cimport WRITEOUT_STARTED, folio_alloc_swap, swap_cache_remove, swap_io_add, swap_writeout
from vmtool.mm.swapfile cimport record_entry
from vmtool.mm.vma cimport vma_pages
from vmtool.mm.vmstat cimport (NR_ANON_MAPPED, NR_FILE_PAGES, NR_SWAPCACHE, NR_VMSCAN_WRITE, NR_WRITEBACK, NR_ZONE_WRITE_PENDING, PGACTIVATE, PGPGOUT, PSWPOUT,
                               count_vm_events, mod_node_stat)
from vmtool.mm.workingset cimport bucket_order, shadow_of
from vmtool.mm.zone cimport pfn_to_zone, zone_holds

cdef enum:
    FOLIOS_AHEAD = 8

cdef extern from *:
    void prefetch "__builtin_prefetch" (const void *address) noexcept nogil

# --- its entry -----------------------------------------------------------------------------------------------------------


cdef bint remember_area(arena_t *a, idx_t anon_vma, sole_t *s) noexcept nogil:
    """The only area of an anon_vma. False: there are several, or it is locked."""
    cdef idx_t first = (<const anon_vma_t *>rec_at(a, POOL_ANON_VMA, anon_vma)).avc_head if anon_vma else 0
    cdef const avc_t *link = <const avc_t *>rec_at(a, POOL_AVC, first)
    s.nr_pages = 0
    s.region = 0
    if first == 0 or link.same_av_next:
        return False
    s.area = vma_at(a, link.vma)
    if s.area.vm_flags & VM_LOCKED:
        return False
    s.mm = mm_mut(a, s.area.vm_mm)
    s.anon_vma = anon_vma
    s.pgoff = s.area.vm_pgoff
    s.nr_pages = vma_pages(a, s.area)
    if s.flush.mm != s.mm:
        page_flush_open(a, s.mm, &s.flush)
    return True


cdef bint remember_table(arena_t *a, sole_t *s) noexcept nogil:
    s.region = 0
    s.table = pte_cache(a, s.mm, s.addr, 0)
    if s.table == 0:
        s.table = table_lookup(a, s.mm, s.addr, 0)
    if s.table == 0 or not ptes_open(a, s.table, &s.ptes):
        return False
    s.marked = False
    s.region = (s.addr >> a.m.arch.level_shift[1]) + 1
    return True


cdef inline bint find_entry(arena_t *a, pfn_t head, const frame_t *f, sole_t *s) noexcept nogil:
    """rmap_walk(), where it comes by one entry."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t page
    if f.mapcount != 1 or ((f.mapping != s.anon_vma or s.nr_pages == 0) and not remember_area(a, f.mapping, s)):
        return False
    page = frame_index(f) - s.pgoff
    if page >= s.nr_pages:
        return False
    s.addr = s.area.vm_start + (page << g.page_shift)
    if (s.addr >> g.level_shift[1]) + 1 != s.region and not remember_table(a, s):
        return False
    s.index = level_index(g, 0, s.addr)
    s.entry = ptes_load(&s.ptes, s.index)
    return pte_maps(a, s.entry, head)


cdef inline void store_entry(arena_t *a, sole_t *s, pte_t value) noexcept nogil:
    """pte_store() over an entry that is not zero."""
    if not s.marked:
        ptes_open_mut(a, s.table, &s.ptes)
        s.marked = True
    ptes_change(&s.ptes, s.index, value)


cdef inline bint test_and_clear_young(arena_t *a, sole_t *s) noexcept nogil:
    """folio_referenced()."""
    if not pte_young(a, s.entry) or s.area.vm_flags & (VM_SEQ_READ | VM_RAND_READ):
        return False
    s.entry = pte_mkold(a, s.entry)
    store_entry(a, s, s.entry)
    return True


cdef inline void unmap(arena_t *a, frame_t *f, swap_slot_t *slot, swp_entry_t name, sole_t *s) noexcept nogil:
    """try_to_unmap(). Precondition: PG_swapcache."""
    cdef pte_t new = swp_entry_to_pte(a, name)
    update_hiwater_rss(s.mm)
    if pte_dirty(a, s.entry):
        f.flags |= PG_dirty
    if f.flags & PG_anon_exclusive:
        new = pte_swp_mkexclusive(a, new)
        f.flags &= ~<uint32_t>PG_anon_exclusive
    if pte_soft_dirty(a, s.entry):
        new = pte_swp_mksoft_dirty(a, new)
    slot.count += 1
    add_mm_counter(s.mm, MM_SWAPENTS, 1)
    store_entry(a, s, new)
    add_mm_counter(s.mm, MM_ANONPAGES, -1)
    page_flush(a, &s.flush, s.addr)
    f.mapcount = 0
    s.nr_unmapped += 1


# --- the page ------------------------------------------------------------------------------------------------------------


cdef inline uint32_t free_clean(arena_t *a, pfn_t head, frame_t *f, sole_t *s) noexcept nogil:
    """__remove_mapping()."""
    cdef folio_x_t *x
    cdef swap_slot_t *slot
    cdef uint32_t shadow
    if f.extra_refs != s.refs or f.flags & PG_dirty:
        return FATE_KEEP
    shadow = shadow_of(a.m.lruvec.nonresident_age >> s.order, 0, f.flags & PG_workingset != 0)
    a.m.lruvec.nonresident_age += 1
    x = folio_x_mut(a, head)
    slot = slot_mut(a, x.swap)
    f.flags &= ~<uint32_t>PG_lru
    if slot.count:
        slot.flags = <uint16_t>((slot.flags & ~SLOT_CACHE) | SLOT_SHADOW)
        slot.folio = shadow
        s.nr_cached -= 1
        x.swap = 0
    else:
        f.extra_refs += 1  # which the frame goes with
        swap_cache_remove(a, head, shadow)
    free_frame(a, &s.frees, head, f)
    return FATE_FREED


cdef inline uint32_t pageout(arena_t *a, pfn_t head, frame_t *f, sole_t *s) noexcept nogil:
    if f.extra_refs != s.refs or not s.may_writepage:
        return FATE_KEEP
    f.flags |= PG_reclaim
    if swap_writeout(a, head) != WRITEOUT_STARTED:
        f.flags &= ~<uint32_t>PG_reclaim
    s.nr_pageout += 1
    return FATE_KEEP if f.flags & (PG_writeback | PG_dirty) else free_clean(a, head, f, s)


cdef bint has_zeros(arena_t *a, pfn_t head) noexcept nogil:
    """is_zero_filled(), of a page with bytes of its own."""
    cdef const char *bytes_ = page_bytes(a, head)
    return bytes_[0] == 0 and memcmp(bytes_, bytes_ + 1, page_size(&a.m.arch) - 1) == 0


cdef inline bint swap_out_new(arena_t *a, pfn_t head, frame_t *f, sole_t *s) noexcept nogil:
    """folio_alloc_swap(), try_to_unmap() and pageout() of a mapped page that has no slot yet. False: another case."""
    cdef swap_slot_t *slot
    cdef uint32_t record = 0
    if not s.slots_are_plain or not s.may_writepage or f.extra_refs + 1 != <int>s.refs or (f.content and has_zeros(a, head)):
        return False
    slot = slot_take(a, &s.slots, &record)
    if slot == NULL:
        return False
    slot.folio = head
    slot.flags = SLOT_CACHE | SLOT_WRITEBACK
    slot.content = f.content
    f.content = 0
    folio_x_mut(a, head).swap = record
    f.extra_refs += 1
    s.nr_cached += 1
    unmap(a, f, slot, swp_entry(0, record - a.m.swap[0].base), s)
    f.flags = (f.flags | PG_swapcache | PG_reclaim | PG_writeback) & ~<uint32_t>PG_dirty
    s.nr_pageout += 1
    s.nr_started += 1
    if not zone_holds(&a.m.zone[s.zone], head):
        s.zone = pfn_to_zone(a, head)
    a.m.zone_stat[s.zone][NR_ZONE_WRITE_PENDING] += 1
    swap_io_add(a, record, slot, 1)
    return True


cdef inline uint32_t judge(arena_t *a, pfn_t head, frame_t *f, sole_t *s) noexcept nogil:
    cdef bint mapped = f.mapcount != 0, was_referenced
    cdef uint32_t record, flags = f.flags
    if mapped and not find_entry(a, head, f, s):
        return FATE_UNKNOWN
    if not s.ignore_references:
        was_referenced = f.flags & PG_referenced != 0
        f.flags &= ~<uint32_t>PG_referenced
        if mapped and test_and_clear_young(a, s):
            f.flags |= PG_referenced
            return FATE_ACTIVATE if was_referenced else FATE_KEEP
    if not f.flags & PG_swapcache:
        if mapped and swap_out_new(a, head, f, s):
            return FATE_KEEP
        if s.refs == 1:  # a cluster may need a table: whoever looks for one shall find this batch on no list
            f.flags = flags
            return FATE_UNKNOWN
        sole_forget(s)
        if not folio_alloc_swap(a, head):
            return FATE_ACTIVATE
        f.flags |= PG_dirty
    if mapped:
        record = folio_x_at(a, head).swap
        unmap(a, f, slot_mut(a, record), record_entry(a, record), s)
    return pageout(a, head, f, s) if f.flags & PG_dirty else free_clean(a, head, f, s)


cdef uint32_t shrink_anon(arena_t *a, pfn_t head, frame_t *f, sole_t *s) noexcept nogil:
    s.refs = 2
    return judge(a, head, f, s)


# --- a batch -------------------------------------------------------------------------------------------------------------


cdef void sole_begin(arena_t *a, sole_t *s, bint ignore_references, bint may_writepage) noexcept nogil:
    memset(s, 0, sizeof(sole_t))
    s.ignore_references = ignore_references
    s.may_writepage = may_writepage
    s.order = bucket_order(a)
    s.slots_are_plain = swap_is_plain(a) and swap_stays_empty(a)


cdef void sole_end(arena_t *a, sole_t *s) noexcept nogil:
    mod_node_stat(a, NR_FILE_PAGES, s.nr_cached)
    mod_node_stat(a, NR_SWAPCACHE, s.nr_cached)
    mod_node_stat(a, NR_ANON_MAPPED, -s.nr_unmapped)
    mod_node_stat(a, NR_VMSCAN_WRITE, s.nr_pageout)
    mod_node_stat(a, NR_WRITEBACK, s.nr_started)
    count_vm_events(a, PSWPOUT, s.nr_started)
    count_vm_events(a, PGPGOUT, s.nr_started << (a.m.arch.page_shift - 10))


cdef inline pfn_t fetch_ahead(arena_t *a, pfn_t head) noexcept nogil:
    """A list is gone through from record to record: one that is judged later is on its way to the processor's cache meanwhile. Only a hint."""
    cdef const char *records
    if head == 0:
        return 0
    head = frame_at(a, head).lru_prev
    if head < a.pool[POOL_FRAME].count:
        records = a.pool[POOL_FRAME].chunk[head // FRAMES_A_CHUNK]
        if records != NULL:
            prefetch(records + head % FRAMES_A_CHUNK * sizeof(frame_t))
            return head
    return 0


cdef void cut_tail(arena_t *a, uint32_t zone, pfn_t tail, const tail_t *t) noexcept nogil:
    """The list ends with `tail` now."""
    cdef free_list_t *list = &a.m.lruvec.lists[LRU_INACTIVE_ANON]
    list.tail = tail
    if tail:
        frame_mut(a, tail).lru_next = 0
    else:
        list.head = 0
    list.nr_free -= t.nr
    update_lru_size(a, &a.m.lruvec, LRU_INACTIVE_ANON, zone, -<int64_t>(t.nr_freed + t.nr_activated))


cdef void shrink_anon_tail(arena_t *a, sole_t *s, uint32_t highest, uint64_t most, tail_t *t) noexcept nogil:
    cdef pfn_t head = a.m.lruvec.lists[LRU_INACTIVE_ANON].tail, before, ahead = head, last = 0
    cdef uint32_t zone = pfn_to_zone(a, head), nr = 0, fate, i
    cdef uint64_t first = a.m.zone[zone].start_pfn, nr_pages = a.m.zone[zone].spanned_pages  # zone_holds()
    cdef frame_t *f
    cdef frame_t *last_f = NULL
    if zone > highest:
        return
    s.refs = 1
    most = min(most, <uint64_t>TAIL_MOST)
    for i in range(FOLIOS_AHEAD):
        ahead = fetch_ahead(a, ahead)
    while nr < most and head and head - first < nr_pages:
        f = frame_mut(a, head)
        if not anon_is_usual(f):
            break
        before = f.lru_prev
        ahead = fetch_ahead(a, ahead)
        fate = judge(a, head, f, s)
        if fate == FATE_KEEP:
            f.lru_next = last
            if last:
                last_f.lru_prev = head
            else:
                t.kept_first = head
            last = head
            last_f = f
        elif fate == FATE_FREED:
            t.nr_freed += 1
        elif fate == FATE_ACTIVATE:
            t.activated[t.nr_activated] = head
            t.nr_activated += 1
        else:
            break
        nr += 1
        head = before
    t.nr = nr
    t.kept_last = last
    t.nr_kept = nr - t.nr_freed - t.nr_activated
    if nr:
        cut_tail(a, zone, head, t)


cdef void tail_isolate(arena_t *a, tail_t *t) noexcept nogil:
    cdef pfn_t head = t.kept_first
    cdef frame_t *f
    cdef uint32_t i
    t.isolated = True
    for i in range(t.nr_kept):
        f = frame_mut(a, head)
        f.flags ^= PG_lru
        head = f.lru_prev
    for i in range(t.nr_activated):
        frame_mut(a, t.activated[i]).flags &= ~<uint32_t>PG_lru


cdef void tail_putback(arena_t *a, tail_t *t) noexcept nogil:
    cdef free_list_t *list = &a.m.lruvec.lists[LRU_INACTIVE_ANON]
    cdef uint32_t i
    if t.isolated:
        tail_isolate(a, t)  # turns it back
    if t.nr_kept:
        frame_mut(a, t.kept_first).lru_next = list.head
        if list.head:
            frame_mut(a, list.head).lru_prev = t.kept_first
        else:
            list.tail = t.kept_first
        frame_mut(a, t.kept_last).lru_prev = 0
        list.head = t.kept_last
        list.nr_free += t.nr_kept
    for i in range(t.nr_activated):
        frame_mut(a, t.activated[i]).flags |= PG_active
        lruvec_add_folio(a, t.activated[i])
    workingset_age_nonresident(a, &a.m.lruvec, t.nr_activated)
    count_vm_events(a, PGACTIVATE, t.nr_activated)
