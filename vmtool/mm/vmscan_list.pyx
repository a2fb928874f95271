"""Folios from the tail of a list.

    inactive tail -> used since? once: PG_referenced, back to the head; twice: active; no: go on
                  -> anonymous: a slot; mapped: try_to_unmap; dirty: swap_writeout, then it is met again; clean: free, a shadow stays behind
    active tail   -> inactive head (executable file pages that were used: active head)

Modelled: what each folio comes to, in the kernel's order, with its counters; folios of zones that do not help are passed over to the head.
Counterpart: Linux v6.18 mm/vmscan.c.
A large folio goes to swap whole, where it finds as many slots side by side; else it is split, and leaves its other pages to the same batch, where
the last of them is looked at first.
Simplified: a write is under way until the device has ended it (swap_write_poll): here, when the next batch has been looked at.
"""

from libc.string cimport memset

from vmtool.mm.arena cimport FRAMES_A_CHUNK, frame_at, frame_mut, memcg_mut
from vmtool.mm.buddy cimport folio_get, folio_mapcount, folio_put
from vmtool.mm.filemap cimport filemap_evict, folio_test_dirty
from vmtool.mm.folio_split cimport count_split, folio_split
from vmtool.mm.folio_unmap cimport drop_past_end
from vmtool.mm.frame cimport folio_nr_pages, folio_order, page_folio, pfn_to_zone
from vmtool.mm.large_folio cimport MTHP_STAT_SWPOUT_FALLBACK, count_mthp_stat, partially_mapped
from vmtool.mm.lruvec cimport (LRU_INACTIVE_ANON, count_folio_events, count_memcg_events, folio_is_file_lru, folio_memcg, is_lazyfree, lruvec_add_folio, lruvec_del_folio,
                               lruvec_isolate_singles, pmd_mappable)
from vmtool.mm.memcontrol cimport mem_cgroup_swap_full
from vmtool.mm.rmap_walk cimport folio_referenced, try_to_unmap
from vmtool.mm.shmem_swap cimport shmem_splits, shmem_writeout
from vmtool.mm.swap_lru cimport lru_add_drain
from vmtool.mm.swap_quick cimport swap_stays_empty
from vmtool.mm.swap_state cimport WRITEOUT_STARTED, folio_alloc_swap, folio_free_swap, swap_cache_remove, swap_write_poll, swap_write_wait, swap_writeout, swap_writes_issued
from vmtool.mm.thp_split cimport split_folio_to_list
from vmtool.mm.trace cimport (KEEP_DIRTY, KEEP_HELD, KEEP_LOCKED, KEEP_MAPPED, KEEP_MLOCKED, KEEP_NO_SLOT, KEEP_NOT_UNMAPPED, KEEP_USED, KEEP_USED_ONCE, KEEP_WRITEBACK,
                              KEEP_WRITING, TR_RECLAIM_KEEP, TR_RECLAIM_TAKE, TR_SHRINK_ACTIVE, TR_SHRINK_INACTIVE, trace3, trace4)
from vmtool.mm.vmscan_anon cimport (FATE_ACTIVATE, FATE_FREED, FATE_KEEP, FATE_UNKNOWN, anon_is_usual, shrink_anon, shrink_anon_tail, sole_begin,
                                    sole_end, sole_forget, sole_t, tail_isolate, tail_putback, tail_t)
from vmtool.mm.vmscan_putback cimport move_folios_to_lru, putback, putback_lru_folios
from vmtool.mm.vmstat cimport (NR_VMSCAN_IMMEDIATE, NR_VMSCAN_WRITE, PGACTIVATE, PGDEACTIVATE, PGLAZYFREED, PGREFILL, PGSCAN_ANON,
                               PGSCAN_KSWAPD, PGSCAN_SKIP_DMA, PGSTEAL_ANON, PGSTEAL_KSWAPD, THP_SWPOUT_FALLBACK, count_vm_events)
from vmtool.mm.workingset cimport lru_note_cost, workingset_eviction
from vmtool.mm.writeback cimport sync_all

cdef extern from *:
    void prefetch "__builtin_prefetch" (const void *address) noexcept nogil

cdef enum:
    BATCH = 32  # folios taken at once
    MOST_SKIPPED = 32 << 10  # SWAP_CLUSTER_MAX_SKIPPED

cdef enum reference:  # folio_references
    REF_RECLAIM
    REF_KEEP
    REF_ACTIVATE

cdef struct reclaim_stat_t:  # reclaim_stat
    uint32_t nr_pageout
    uint32_t nr_activate
    uint32_t nr_dirty
    uint32_t nr_unqueued_dirty
    uint32_t nr_writeback
    uint64_t nr_freed  # pages of the folio that was freed last: it may have been split before
    pfn_t ahead  # a folio of a later batch, whose record is fetched meanwhile; 0: none
    pfn_t pieces  # of folios that were split: a stack linked by lru_next, looked at before the rest of the batch
    tail_t tail  # pages that were judged where they stood, before the others
    pfn_t kept  # a queue linked by lru_next: those that stay, which are the caller's to put back


cdef inline void count_reclaim_events(arena_t *a, const lruvec_t *lruvec, const scan_control_t *sc, int item, int64_t n) noexcept nogil:
    """Of the group whose list it is. /proc/vmstat counts what the machine's shortage does, not what a group's limit does."""
    if sc.memcg == 0:
        count_vm_events(a, item, n)
    else:
        a.m.memcg_event[item] += n
    if lruvec.memcg:
        memcg_mut(a, lruvec.memcg).vm_event[item] += n


# --- taking ------------------------------------------------------------------------------------------------------------


cdef uint32_t isolate(arena_t *a, lruvec_t *lruvec, scan_control_t *sc, uint32_t lru, uint64_t nr_to_scan, uint32_t room, pfn_t *out, uint64_t *nr_scanned,
                      uint64_t *nr_taken) noexcept nogil:
    """isolate_lru_folios(): off the list, with a reference, as many as there is room for. Returns how many folios."""
    cdef free_list_t *list = &lruvec.lists[lru]
    cdef uint64_t scan = 0
    cdef uint64_t nr_pages
    cdef uint32_t nr = 0
    cdef uint32_t skipped = 0
    cdef uint32_t singles
    cdef pfn_t head
    cdef uint32_t zone
    while scan < nr_to_scan and list.tail and nr < room and skipped < list.nr_free and not a.err:
        singles = lruvec_isolate_singles(a, lruvec, lru, sc.reclaim_idx, min(nr_to_scan - scan, <uint64_t>(room - nr)), &out[nr]) if sc.may_unmap else 0
        nr += singles
        scan += singles
        nr_scanned[0] += singles
        nr_taken[0] += singles
        if singles:
            continue
        head = list.tail
        nr_pages = <uint64_t>folio_nr_pages(a, head)
        zone = pfn_to_zone(a, head)
        nr_scanned[0] += nr_pages
        lruvec_del_folio(a, head)
        if skipped < MOST_SKIPPED and zone > sc.reclaim_idx:
            lruvec_add_folio(a, head)
            skipped += 1
            count_vm_events(a, PGSCAN_SKIP_DMA + <int>zone, <int64_t>nr_pages)
            continue
        scan += nr_pages
        if not sc.may_unmap and folio_mapcount(a, head):
            lruvec_add_folio(a, head)
            skipped += 1
            continue
        folio_get(a, head)
        nr_taken[0] += nr_pages
        out[nr] = head
        nr += 1
    return nr


cdef inline uint32_t keep(arena_t *a, pfn_t head, uint32_t fate, uint32_t why) noexcept nogil:
    if a.m.trace_on:
        trace3(a, TR_RECLAIM_KEEP, head, <uint64_t>folio_nr_pages(a, head), why)
    return fate


# --- judging ------------------------------------------------------------------------------------------------------------


cdef uint32_t check_references(arena_t *a, scan_control_t *sc, pfn_t head) noexcept nogil:
    """folio_check_references(): the second chance, in two steps."""
    cdef uint64_t vm_flags = 0
    cdef uint32_t referenced = folio_referenced(a, head, sc.memcg, &vm_flags)
    cdef frame_t *f = frame_mut(a, head)
    cdef bint was_referenced
    if vm_flags & VM_LOCKED:
        return REF_ACTIVATE
    was_referenced = (f.flags & PG_referenced) != 0
    f.flags &= ~<uint32_t>PG_referenced
    if referenced == 0:
        return REF_RECLAIM
    f.flags |= PG_referenced
    if was_referenced or referenced > 1 or (vm_flags & VM_EXEC and folio_is_file_lru(f.flags)):
        return REF_ACTIVATE
    return REF_KEEP


cdef uint32_t free_clean(arena_t *a, pfn_t head, reclaim_stat_t *stat) noexcept nogil:
    """__remove_mapping(): nobody else holds it, so it goes; what is left of it is a shadow."""
    cdef frame_t *f = frame_at(a, head)
    cdef uint64_t nr_pages = <uint64_t>folio_nr_pages(a, head)
    cdef bint file
    if is_lazyfree(f.flags):
        if f.extra_refs != 1:
            return keep(a, head, FATE_KEEP, KEEP_HELD)
        count_folio_events(a, head, PGLAZYFREED, <int64_t>nr_pages)
    elif f.extra_refs != 2 or folio_test_dirty(a, head) or (f.mapping == 0 and not f.flags & PG_swapcache):
        return keep(a, head, FATE_KEEP, KEEP_HELD)
    elif f.flags & PG_swapcache:
        swap_cache_remove(a, head, workingset_eviction(a, head))
    else:
        file = folio_is_file_lru(f.flags)
        filemap_evict(a, head, workingset_eviction(a, head) if file else 0)
    folio_put(a, head)
    stat.nr_freed = nr_pages
    return FATE_FREED


cdef bint write_shmem(arena_t *a, scan_control_t *sc, pfn_t head, reclaim_stat_t *stat) noexcept nogil:
    """Whole, where it may be and there are slots side by side."""
    if shmem_splits(a, head):
        split_shmem(a, sc, head, stat)
    if shmem_writeout(a, head):
        return True
    return folio_order(a, head) != 0 and shmem_writeout(a, split_shmem(a, sc, head, stat))


cdef uint32_t pageout(arena_t *a, scan_control_t *sc, pfn_t head, reclaim_stat_t *stat) noexcept nogil:
    """A dirty folio of swap: written, and met again when the device has it. Pages of zeros need no device."""
    cdef frame_t *f = frame_mut(a, head)
    if f.extra_refs != 2 or not sc.may_writepage:
        return keep(a, head, FATE_KEEP, KEEP_HELD if f.extra_refs != 2 else KEEP_DIRTY)
    f.flags |= PG_reclaim
    if f.flags & PG_anon or f.flags & PG_swapcache:
        if swap_writeout(a, head) != WRITEOUT_STARTED:
            frame_mut(a, head).flags &= ~<uint32_t>PG_reclaim
    elif a.m.total_swap_pages == 0 or not write_shmem(a, sc, head, stat):
        f.flags &= ~<uint32_t>PG_reclaim
        return keep(a, head, FATE_ACTIVATE, KEEP_NO_SLOT)
    a.m.node_stat[NR_VMSCAN_WRITE] += <int64_t><uint64_t>folio_nr_pages(a, head)
    stat.nr_pageout += <uint32_t><uint64_t>folio_nr_pages(a, head)
    if frame_at(a, head).flags & (PG_writeback | PG_dirty):
        return keep(a, head, FATE_KEEP, KEEP_WRITING)
    return free_clean(a, head, stat)


cdef bint get_slots(arena_t *a, pfn_t head, reclaim_stat_t *stat) noexcept nogil:
    """An anonymous folio that has no slots yet. Counts: THP_SWPOUT_FALLBACK, SWPOUT_FALLBACK of one that had to be split.

    What is mapped in part is split at once, for of what is not mapped nothing needs to be written.
    """
    cdef uint32_t order = folio_order(a, head)
    if order and (folio_mapcount(a, head) == 0 or frame_at(a, head).extra_refs != 1):  # can_split_folio()
        return False
    if partially_mapped(a, head) and not split_folio_to_list(a, head, &stat.pieces):
        return False
    if not folio_alloc_swap(a, head):
        order = folio_order(a, head)
        if order == 0 or not split_folio_to_list(a, head, &stat.pieces):
            return False
        if pmd_mappable(&a.m.arch, order):
            count_folio_events(a, head, THP_SWPOUT_FALLBACK, 1)
        count_mthp_stat(a, order, MTHP_STAT_SWPOUT_FALLBACK)
        if not folio_alloc_swap(a, head):
            return False
    frame_mut(a, head).flags |= PG_dirty
    return True


cdef pfn_t split_shmem(arena_t *a, scan_control_t *sc, pfn_t head, reclaim_stat_t *stat) noexcept nogil:
    """A large folio of shared memory, mapped nowhere, into single pages, of which the first is the caller's."""
    cdef uint64_t i, nr_pages = <uint64_t>folio_nr_pages(a, head)
    cdef frame_t *f
    if nr_pages == 1:
        return head
    count_split(a, folio_order(a, head), True)
    frame_mut(a, head).extra_refs -= 1
    lruvec_add_folio(a, head)
    for i in range(nr_pages):
        while folio_order(a, page_folio(a, <pfn_t>(head + i))):
            folio_split(a, page_folio(a, <pfn_t>(head + i)), <pfn_t>(head + i))
    drop_past_end(a, frame_at(a, head).mapping, head, nr_pages)
    lruvec_del_folio(a, head)
    frame_mut(a, head).extra_refs += 1
    for i in range(1, nr_pages):
        f = frame_mut(a, <pfn_t>(head + i))
        if f.flags & PG_lru:  # else it lay behind the end of the file
            lruvec_del_folio(a, <pfn_t>(head + i))
            f.extra_refs += 1
            f.lru_next = stat.pieces
            stat.pieces = <pfn_t>(head + i)
    sc.nr_scanned -= nr_pages - 1
    return head


cdef uint32_t shrink_folio(arena_t *a, scan_control_t *sc, pfn_t head, reclaim_stat_t *stat) noexcept nogil:
    """The body of shrink_folio_list()'s loop."""
    cdef frame_t *f = frame_mut(a, head)
    cdef uint64_t nr_pages = <uint64_t>folio_nr_pages(a, head)
    cdef uint32_t ref = REF_RECLAIM
    cdef bint got
    if f.flags & PG_locked:
        return keep(a, head, FATE_KEEP, KEEP_LOCKED)
    sc.nr_scanned += nr_pages
    if f.flags & (PG_mlocked | PG_unevictable):
        return keep(a, head, FATE_ACTIVATE, KEEP_MLOCKED)
    if not sc.may_unmap and folio_mapcount(a, head):
        return keep(a, head, FATE_KEEP, KEEP_MAPPED)
    if f.flags & (PG_dirty | PG_writeback) and not f.flags & PG_anon:
        stat.nr_dirty += <uint32_t>nr_pages
        stat.nr_unqueued_dirty += <uint32_t>nr_pages if not f.flags & PG_writeback else 0
    if f.flags & PG_writeback and f.flags & PG_reclaim and sc.memcg:
        swap_write_wait(a)  # it has gone round its list once: a group's writers go no faster than the disk
    if f.flags & PG_writeback:
        f.flags |= PG_reclaim
        stat.nr_writeback += <uint32_t>nr_pages
        return keep(a, head, FATE_ACTIVATE, KEEP_WRITEBACK)
    if not sc.ignore_references:
        ref = check_references(a, sc, head)
    if ref == REF_ACTIVATE:
        return keep(a, head, FATE_ACTIVATE, KEEP_USED)
    if ref == REF_KEEP:
        return keep(a, head, FATE_KEEP, KEEP_USED_ONCE)
    f = frame_mut(a, head)
    trace3(a, TR_RECLAIM_TAKE, head, nr_pages, folio_is_file_lru(f.flags))
    if (f.flags & (PG_anon | PG_swapbacked | PG_swapcache)) == PG_anon | PG_swapbacked:
        got = get_slots(a, head, stat)
        sc.nr_scanned -= nr_pages - <uint64_t>folio_nr_pages(a, head)  # of one that was split its pages count one by one
        if not got:
            return keep(a, head, FATE_ACTIVATE, KEEP_NO_SLOT)
    if folio_mapcount(a, head) and not try_to_unmap(a, head):
        return keep(a, head, FATE_ACTIVATE, KEEP_NOT_UNMAPPED)
    if not frame_at(a, head).flags & PG_dirty:
        return free_clean(a, head, stat)
    if folio_is_file_lru(frame_at(a, head).flags):
        if not is_lazyfree(frame_at(a, head).flags):
            # left to the flusher; it comes back at the end of write-back
            a.m.node_stat[NR_VMSCAN_IMMEDIATE] += <int64_t>nr_pages
            frame_mut(a, head).flags |= PG_reclaim
        return keep(a, head, FATE_ACTIVATE, KEEP_DIRTY)
    return pageout(a, sc, head, stat)


cdef inline void reclaim_stat_init(reclaim_stat_t *stat) noexcept nogil:
    memset(stat, 0, sizeof(reclaim_stat_t))


cdef inline pfn_t pop(arena_t *a, pfn_t *list) noexcept nogil:
    cdef pfn_t head = list[0]
    list[0] = frame_at(a, head).lru_next
    frame_mut(a, head).lru_next = 0
    return head


cdef void activate(arena_t *a, pfn_t head, reclaim_stat_t *stat) noexcept nogil:
    """activate_locked: not for reclaim now; no slot is kept for it when swap, or its group's, is half full."""
    if frame_at(a, head).flags & PG_swapcache and (frame_at(a, head).flags & PG_mlocked or mem_cgroup_swap_full(a, folio_memcg(a, head))):
        folio_free_swap(a, head)
    if not frame_at(a, head).flags & PG_mlocked:
        frame_mut(a, head).flags |= PG_active
        stat.nr_activate += <uint32_t><uint64_t>folio_nr_pages(a, head)  # it may have been split
        count_folio_events(a, head, PGACTIVATE, <int64_t><uint64_t>folio_nr_pages(a, head))


cdef inline uint32_t shrink_quick(arena_t *a, scan_control_t *sc, pfn_t head, frame_t *f, sole_t *sole, reclaim_stat_t *stat) noexcept nogil:
    """shrink_folio() of an anonymous page like most. FATE_UNKNOWN: another."""
    cdef uint32_t fate = FATE_UNKNOWN
    if anon_is_usual(f):
        fate = shrink_anon(a, head, f, sole)
        sc.nr_scanned += fate != FATE_UNKNOWN
        stat.nr_freed = 1
    return fate


cdef inline void fetch_ahead(arena_t *a, reclaim_stat_t *stat) noexcept nogil:
    """A list is gone through from record to record: one step with each folio, so that isolate() finds them in the processor's cache. Only a hint."""
    cdef const char *records
    if stat.ahead:
        stat.ahead = frame_at(a, stat.ahead).lru_prev
        records = a.pool[POOL_FRAME].chunk[stat.ahead // FRAMES_A_CHUNK] if stat.ahead < a.pool[POOL_FRAME].count else NULL
        if records == NULL:
            stat.ahead = 0
        else:
            prefetch(records + stat.ahead % FRAMES_A_CHUNK * sizeof(frame_t))


cdef inline bint is_quick(arena_t *a, const scan_control_t *sc) noexcept nogil:
    """Anonymous pages like most are judged in vmscan_anon."""
    return a.quick and not a.m.trace_on and sc.memcg == 0 and sc.may_unmap


cdef uint64_t shrink_folio_list(arena_t *a, scan_control_t *sc, pfn_t *folios, uint32_t nr, sole_t *sole, reclaim_stat_t *stat) noexcept nogil:
    """Returns the pages that were freed; the others are in stat.kept."""
    cdef uint64_t nr_reclaimed = 0
    cdef uint32_t fate
    cdef uint32_t i = 0
    cdef bint quick = is_quick(a, sc) and (not sc.ignore_references or a.m.nr_swap_pages > nr)  # else a slot is asked for before an entry is looked at
    cdef pfn_t head
    cdef frame_t *last = NULL  # of stat.kept, a queue because pieces can be more than any array holds
    cdef frame_t *f
    while (stat.pieces or i < nr) and not a.err:
        if stat.pieces:
            head = pop(a, &stat.pieces)
        else:
            head = folios[i]
            i += 1
        f = frame_mut(a, head)
        fetch_ahead(a, stat)
        fate = shrink_quick(a, sc, head, f, sole, stat) if quick else <uint32_t>FATE_UNKNOWN
        if fate == FATE_UNKNOWN:
            fate = shrink_folio(a, sc, head, stat)
            sole_forget(sole)
        if fate == FATE_FREED:
            nr_reclaimed += stat.nr_freed
            continue
        if fate == FATE_ACTIVATE:
            activate(a, head, stat)
        if stat.kept:
            last.lru_next = head
        else:
            stat.kept = head
        last = f
    tail_putback(a, &stat.tail)
    sole_end(a, sole)
    stat.nr_pageout += <uint32_t>sole.nr_pageout
    return nr_reclaimed


# --- lists -------------------------------------------------------------------------------------------------------------------


cdef inline bint tail_is_quick(arena_t *a, const scan_control_t *sc, const lruvec_t *lruvec, uint32_t lru) noexcept nogil:
    """The machine's own list, where there are slots for all of a batch."""
    return lru == LRU_INACTIVE_ANON and lruvec.memcg == 0 and is_quick(a, sc) and lruvec.lists[lru].tail and swap_stays_empty(a)


cdef uint64_t shrink_inactive_list(arena_t *a, lruvec_t *lruvec, scan_control_t *sc, uint32_t lru, uint64_t nr_to_scan) noexcept nogil:
    cdef pfn_t folios[BATCH]
    cdef reclaim_stat_t stat
    cdef sole_t sole
    cdef bint file = lru >= 2
    cdef uint64_t nr_scanned, nr_taken, nr_reclaimed
    cdef uint32_t nr
    cdef uint32_t under_way = swap_writes_issued(a)
    lru_add_drain(a)
    reclaim_stat_init(&stat)
    sole_begin(a, &sole, sc.ignore_references, sc.may_writepage)
    if tail_is_quick(a, sc, lruvec, lru):
        shrink_anon_tail(a, &sole, sc.reclaim_idx, nr_to_scan, &stat.tail)
    nr_scanned = nr_taken = stat.tail.nr
    sc.nr_scanned += stat.tail.nr
    nr = isolate(a, lruvec, sc, lru, nr_to_scan - stat.tail.nr, BATCH - stat.tail.nr, folios, &nr_scanned, &nr_taken)
    if nr:
        tail_isolate(a, &stat.tail)
    count_reclaim_events(a, lruvec, sc, PGSCAN_KSWAPD + <int>sc.by, <int64_t>nr_scanned)
    count_vm_events(a, PGSCAN_ANON + file, <int64_t>nr_scanned)
    if nr + stat.tail.nr == 0:
        return 0
    stat.ahead = lruvec.lists[lru].tail
    nr_reclaimed = stat.tail.nr_freed + shrink_folio_list(a, sc, folios, nr, &sole, &stat)
    move_folios_to_lru(a, stat.kept)
    count_reclaim_events(a, lruvec, sc, PGSTEAL_KSWAPD + <int>sc.by, <int64_t>nr_reclaimed)
    count_vm_events(a, PGSTEAL_ANON + file, <int64_t>nr_reclaimed)
    lru_note_cost(a, lruvec, file, stat.nr_pageout, nr_scanned - nr_reclaimed if nr_scanned > nr_reclaimed else 0)
    if stat.nr_unqueued_dirty == nr_taken:
        sync_all(a)  # wakeup_flusher_threads(): nothing but dirty cache here
    swap_write_poll(a, under_way)
    trace4(a, TR_SHRINK_INACTIVE, file, nr_scanned, nr_reclaimed, <uint64_t>sc.priority)
    return nr_reclaimed


cdef void shrink_active_list(arena_t *a, lruvec_t *lruvec, scan_control_t *sc, uint32_t lru, uint64_t nr_to_scan) noexcept nogil:
    """All become inactive, used or not, but executable file pages that were used."""
    cdef pfn_t folios[BATCH]
    cdef bint file = lru >= 2
    cdef uint64_t nr_scanned = 0, nr_taken = 0, nr_rotated = 0, nr_deactivated = 0, vm_flags = 0
    cdef uint32_t nr, i, pass_
    cdef frame_t *f
    lru_add_drain(a)
    nr = isolate(a, lruvec, sc, lru, nr_to_scan, BATCH, folios, &nr_scanned, &nr_taken)
    count_reclaim_events(a, lruvec, sc, PGREFILL, <int64_t>nr_scanned)
    for i in range(nr):
        f = frame_mut(a, folios[i])
        if f.flags & (PG_unevictable | PG_mlocked):
            continue
        if folio_referenced(a, folios[i], sc.memcg, &vm_flags) and vm_flags & VM_EXEC and file and not f.flags & PG_anon:
            nr_rotated += <uint64_t>folio_nr_pages(a, folios[i])
            continue
        f.flags = (f.flags | PG_workingset) & ~<uint32_t>PG_active
        nr_deactivated += <uint64_t>folio_nr_pages(a, folios[i])
    for pass_ in range(2):  # those that stay active first
        for i in range(nr):
            if folios[i] and (pass_ == 1 or frame_at(a, folios[i]).flags & PG_active):
                putback(a, folios[i])
                folios[i] = 0
    count_memcg_events(a, lruvec.memcg, PGDEACTIVATE, <int64_t>nr_deactivated)
    lru_note_cost(a, lruvec, file, 0, nr_rotated)
    trace4(a, TR_SHRINK_ACTIVE, file, nr_taken, nr_deactivated, <uint64_t>sc.priority)


cdef pfn_t reclaim_folio_list(arena_t *a, pfn_t *folios, uint32_t nr) noexcept nogil:
    """Whatever their use. The order is the caller's. Returns those that stay, linked by lru_next."""
    cdef scan_control_t sc
    cdef reclaim_stat_t stat
    cdef sole_t sole
    cdef uint32_t i
    sc.memcg = 0
    sc.nr_scanned = 0
    sc.may_writepage = sc.may_unmap = sc.may_swap = sc.ignore_references = True
    reclaim_stat_init(&stat)
    sole_begin(a, &sole, True, True)
    for i in range(nr):
        frame_mut(a, folios[i]).flags &= ~<uint32_t>PG_active
    shrink_folio_list(a, &sc, folios, nr, &sole, &stat)
    return stat.kept


cdef void reclaim_pages(arena_t *a, pfn_t *folios, uint32_t nr) noexcept nogil:
    """MADV_PAGEOUT. What stays waits in a batch (folio_putback_lru()), and is on no list yet, to be rotated, when its write has ended."""
    putback_lru_folios(a, reclaim_folio_list(a, folios, nr))


cdef void reclaim_clean_pages(arena_t *a, pfn_t *folios, uint32_t nr) noexcept nogil:
    move_folios_to_lru(a, reclaim_folio_list(a, folios, nr))
