"""Batches of folios, and what moves when one is full or drained.

    a fault makes frame 7        lru_add: 7 (a reference for it), on no list
    ... 30 more, or a drain      frame 7: PG_lru, at the head of the inactive list
    MADV_FREE of it              lru_lazyfree: 7, still on its list
    the batch is full            frame 7: on the inactive file list, no longer PG_swapbacked

Modelled: every batch of mm/swap.c, one set a CPU; a folio in a batch has a reference, so what is unmapped before is
freed when the batch is emptied.
Counterpart: Linux v6.18 mm/swap.c:folio_batch_move_lru(), lru_add_drain_cpu().
Invariants (fsck_phys): each place of a batch names a folio that has a reference for it.
"""

from vmtool.mm.arena cimport frame_at, frame_mut, rec_at, rec_mut
from vmtool.mm.buddy cimport folio_mapcount
from vmtool.mm.frame cimport folio_nr_pages
from vmtool.mm.lruvec cimport (count_folio_events, folio_lruvec, lru_adds_begin, lru_adds_end, lru_adds_t, lruvec_add_folio, lruvec_add_folio_tail, lruvec_add_one_of_many,
                               lruvec_del_folio, lruvec_rotate_folio, lruvec_rotate_run, workingset_age_nonresident)
from vmtool.mm.mlock cimport mlock_drain, put_batched
from vmtool.mm.vmstat cimport PGACTIVATE, PGDEACTIVATE, PGLAZYFREE, PGROTATED, UNEVICTABLE_PGCULLED, UNEVICTABLE_PGRESCUED, count_vm_events

ctypedef void (*move_fn)(arena_t *a, pfn_t head) noexcept nogil


# --- what happens to a folio of a batch ------------------------------------------------------------------------------


cdef void lru_add(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    cdef bint was_unevictable = (f.flags & PG_unevictable) != 0
    f.flags &= ~<uint32_t>PG_unevictable
    if f.flags & PG_mlocked:
        f.flags = (f.flags | PG_unevictable) & ~<uint32_t>PG_active
        if not was_unevictable:
            count_vm_events(a, UNEVICTABLE_PGCULLED, <int64_t>folio_nr_pages(a, head))
    elif was_unevictable:
        count_vm_events(a, UNEVICTABLE_PGRESCUED, <int64_t>folio_nr_pages(a, head))
    lruvec_add_folio(a, head)
    if f.flags & PG_unevictable:
        f.lru_prev = 0  # who locked it counts it: rather too few, which reclaim mends, than a page that stays for ever


cdef void lru_move_tail(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    if f.flags & PG_unevictable:
        return
    if f.flags & PG_active:
        lruvec_del_folio(a, head)
        f.flags &= ~<uint32_t>PG_active
        lruvec_add_folio_tail(a, head)
    else:
        lruvec_rotate_folio(a, head, f)
    count_vm_events(a, PGROTATED, <int64_t>folio_nr_pages(a, head) if f.flags & PG_head else 1)


cdef void lru_activate(arena_t *a, pfn_t head) noexcept nogil:
    if frame_at(a, head).flags & (PG_active | PG_unevictable):
        return
    lruvec_del_folio(a, head)
    frame_mut(a, head).flags |= PG_active
    lruvec_add_folio(a, head)
    count_folio_events(a, head, PGACTIVATE, <int64_t>folio_nr_pages(a, head))


cdef void lru_deactivate_file(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t flags = frame_at(a, head).flags
    if flags & PG_unevictable or folio_mapcount(a, head):
        return
    lruvec_del_folio(a, head)
    frame_mut(a, head).flags &= ~<uint32_t>(PG_active | PG_referenced)
    if flags & (PG_writeback | PG_dirty):
        lruvec_add_folio(a, head)
        frame_mut(a, head).flags |= PG_reclaim
    else:
        lruvec_add_folio_tail(a, head)
        count_vm_events(a, PGROTATED, <int64_t>folio_nr_pages(a, head))
    if flags & PG_active:
        count_folio_events(a, head, PGDEACTIVATE, <int64_t>folio_nr_pages(a, head))


cdef void lru_deactivate(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t flags = frame_at(a, head).flags
    if flags & PG_unevictable or not flags & PG_active:
        return
    lruvec_del_folio(a, head)
    frame_mut(a, head).flags &= ~<uint32_t>(PG_active | PG_referenced)
    lruvec_add_folio(a, head)
    count_folio_events(a, head, PGDEACTIVATE, <int64_t>folio_nr_pages(a, head))


cdef inline bint may_lazyfree(uint32_t flags) noexcept nogil:
    return (flags & (PG_anon | PG_swapbacked)) == PG_anon | PG_swapbacked and not flags & (PG_swapcache | PG_unevictable)


cdef void lru_lazyfree(arena_t *a, pfn_t head) noexcept nogil:
    """Clean anonymous folios go to the file's list: reclaim takes them as it takes clean cache."""
    if not may_lazyfree(frame_at(a, head).flags):
        return
    lruvec_del_folio(a, head)
    frame_mut(a, head).flags &= ~<uint32_t>(PG_active | PG_referenced | PG_swapbacked)
    lruvec_add_folio(a, head)
    count_folio_events(a, head, PGLAZYFREE, <int64_t>folio_nr_pages(a, head))


# --- batches -------------------------------------------------------------------------------------------------------------


cdef void move_lru(arena_t *a, fbatch_t *batch, move_fn move) noexcept nogil:
    """folio_batch_move_lru(). One that is on no list is passed over, but by lru_add, which puts it on one."""
    cdef uint32_t i = 0, run
    cdef uint32_t nr = min(batch.nr, <uint32_t>PAGEVEC_SIZE)
    cdef lru_adds_t adds
    cdef pfn_t head
    cdef frame_t *f
    batch.nr = 0
    lru_adds_begin(a, &adds)
    while i < nr:
        run = lruvec_rotate_run(a, &batch.folio[i], nr - i) if move == lru_move_tail and a.quick and not a.m.trace_on else 0
        if run:
            count_vm_events(a, PGROTATED, run)
            i += run
            continue
        head = batch.folio[i]
        i += 1
        f = frame_mut(a, head)
        if move == lru_add:
            if not (f.extra_refs > 1 or (f.mapcount and not f.flags & PG_head) or folio_mapcount(a, head)):
                pass  # it goes as it is
            elif f.flags & (PG_head | PG_mlocked | PG_unevictable):
                lru_add(a, head)
            else:
                lruvec_add_one_of_many(a, head, f, &adds)
        elif f.flags & PG_lru:
            move(a, head)
        if f.extra_refs > 1:
            f.extra_refs -= 1
        else:
            put_batched(a, head)
    lru_adds_end(a, &adds)


cdef inline void add_and_move(arena_t *a, fbatch_t *batch, pfn_t head, move_fn move) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    f.extra_refs += 1
    if batch.nr < PAGEVEC_SIZE:
        batch.folio[batch.nr] = head
        batch.nr += 1
    if batch.nr >= PAGEVEC_SIZE or f.flags & PG_head:
        move_lru(a, batch, move)


cdef void folio_add_lru(arena_t *a, pfn_t head) noexcept nogil:
    add_and_move(a, &fbatches_mut(a).lru_add, head, lru_add)


cdef void lru_add_full(arena_t *a) noexcept nogil:
    move_lru(a, &fbatches_mut(a).lru_add, lru_add)


cdef void drain_cpu(arena_t *a, uint32_t cpu) noexcept nogil:
    cdef cpu_fbatches_t *b = <cpu_fbatches_t *>rec_mut(a, POOL_FBATCH, cpu + 1)
    if b.lru_add.nr:
        move_lru(a, &b.lru_add, lru_add)
    if b.lru_move_tail.nr:
        move_lru(a, &b.lru_move_tail, lru_move_tail)
    if b.lru_deactivate_file.nr:
        move_lru(a, &b.lru_deactivate_file, lru_deactivate_file)
    if b.lru_deactivate.nr:
        move_lru(a, &b.lru_deactivate, lru_deactivate)
    if b.lru_lazyfree.nr:
        move_lru(a, &b.lru_lazyfree, lru_lazyfree)
    if b.lru_activate.nr:
        move_lru(a, &b.lru_activate, lru_activate)
    if b.mlock.nr:
        mlock_drain(a, b)


cdef void lru_add_drain(arena_t *a) noexcept nogil:
    drain_cpu(a, a.cpu)


cdef void lru_add_drain_all(arena_t *a) noexcept nogil:
    cdef uint32_t cpu
    for cpu in range(a.m.nr_cpus):
        drain_cpu(a, cpu)


# --- marks of use --------------------------------------------------------------------------------------------------------


cdef void activate_waiting(arena_t *a, pfn_t head) noexcept nogil:
    """__lru_cache_activate_folio(): it waits among the new ones of this CPU, and will come to the active list."""
    cdef fbatch_t *batch = &fbatches_mut(a).lru_add
    cdef uint32_t i = min(batch.nr, <uint32_t>PAGEVEC_SIZE)
    while i:
        i -= 1
        if batch.folio[i] == head:
            frame_mut(a, head).flags |= PG_active
            return


cdef void folio_mark_accessed(arena_t *a, pfn_t head) noexcept nogil:
    """inactive, unreferenced -> inactive, referenced -> active, unreferenced."""
    cdef uint32_t flags = frame_at(a, head).flags
    if not flags & PG_referenced:
        frame_mut(a, head).flags |= PG_referenced
    elif not flags & (PG_unevictable | PG_active):
        if flags & PG_lru:
            folio_activate(a, head)
        else:
            activate_waiting(a, head)
        frame_mut(a, head).flags &= ~<uint32_t>PG_referenced
        workingset_age_nonresident(a, folio_lruvec(a, head), <uint64_t><int64_t>folio_nr_pages(a, head))  # workingset_activation()
    if frame_at(a, head).flags & PG_idle:
        frame_mut(a, head).flags &= ~<uint32_t>PG_idle


cdef void folio_activate(arena_t *a, pfn_t head) noexcept nogil:
    if not frame_at(a, head).flags & (PG_active | PG_unevictable):
        add_and_move(a, &fbatches_mut(a).lru_activate, head, lru_activate)


cdef void folio_deactivate(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t flags = frame_at(a, head).flags
    if flags & PG_active and flags & PG_lru and not flags & PG_unevictable:
        add_and_move(a, &fbatches_mut(a).lru_deactivate, head, lru_deactivate)


cdef void deactivate_file_folio(arena_t *a, pfn_t head) noexcept nogil:
    if frame_at(a, head).flags & PG_lru and not frame_at(a, head).flags & PG_unevictable:
        add_and_move(a, &fbatches_mut(a).lru_deactivate_file, head, lru_deactivate_file)


cdef void folio_mark_lazyfree(arena_t *a, pfn_t head) noexcept nogil:
    if may_lazyfree(frame_at(a, head).flags) and frame_at(a, head).flags & PG_lru:
        add_and_move(a, &fbatches_mut(a).lru_lazyfree, head, lru_lazyfree)


cdef void rotate_full(arena_t *a) noexcept nogil:
    move_lru(a, &fbatches_mut(a).lru_move_tail, lru_move_tail)


# --- looking ---------------------------------------------------------------------------------------------------------------


cdef inline cpu_fbatches_t *batches_of(arena_t *a, uint32_t cpu) noexcept nogil:
    return <cpu_fbatches_t *>rec_at(a, POOL_FBATCH, cpu + 1)


cdef bint advice_is_pending(arena_t *a) noexcept nogil:
    cdef uint32_t cpu
    for cpu in range(a.m.nr_cpus):
        if batches_of(a, cpu).lru_lazyfree.nr or batches_of(a, cpu).lru_deactivate.nr:
            return True
    return False


cdef bint batch_has(const fbatch_t *batch, pfn_t head) noexcept nogil:
    cdef uint32_t i
    for i in range(min(batch.nr, <uint32_t>PAGEVEC_SIZE)):
        if batch.folio[i] == head:
            return True
    return False


cdef uint32_t drained_flags(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t flags = frame_at(a, head).flags
    cdef uint32_t cpu
    for cpu in range(a.m.nr_cpus):
        if flags & PG_lru and may_lazyfree(flags) and batch_has(&batches_of(a, cpu).lru_lazyfree, head):
            flags &= ~<uint32_t>(PG_active | PG_referenced | PG_swapbacked)
        elif flags & PG_active and batch_has(&batches_of(a, cpu).lru_deactivate, head):
            flags &= ~<uint32_t>(PG_active | PG_referenced)
    return flags
