"""Mlocked folios.

    p locks its page      frame 7: mlocked; in the batch
    the batch is emptied  frame 7: unevictable, mlock_count 1
    fork, c locks too     mlock_count 2
    p unlocks             mlock_count 1: still mlocked
    c unlocks or exits    when its batch is emptied: on the inactive list again
Modelled: the batch of each CPU, and mlock_count with its faults: nobody counts while a folio is on no list.
Counterpart: Linux v6.18 mm/mlock.c:mlock_folio(), munlock_folio(), mlock_folio_batch(), __mlock_folio(), __munlock_folio().
Invariants (fsck_phys): NR_MLOCK is the sum over folios with PG_mlocked.
"""

from vmtool.mm.arena cimport arena_fail, fbatches_mut, frame_at, frame_mut
from vmtool.mm.buddy cimport folio_put
from vmtool.mm.frame cimport folio_nr_pages, pfn_to_zone
from vmtool.mm.lruvec cimport lruvec_add_folio, lruvec_del_folio
from vmtool.mm.vmstat cimport (NR_MLOCK, UNEVICTABLE_PGCULLED, UNEVICTABLE_PGMLOCKED, UNEVICTABLE_PGMUNLOCKED, UNEVICTABLE_PGRESCUED,
                               UNEVICTABLE_PGSTRANDED, count_vm_events)

cdef enum:  # mlock_how
    MLOCK_UNLOCK
    MLOCK_LRU  # one that is on a list, or on its way there
    MLOCK_NEW


cdef void put_batched(arena_t *a, pfn_t head) noexcept nogil:
    """The batch's reference. A damaged file's folio may have none."""
    if frame_at(a, head).extra_refs == 0:
        arena_fail(a, 1, POOL_FRAME, head)
        return
    folio_put(a, head)


cdef void put_evictable(arena_t *a, pfn_t head) noexcept nogil:
    lruvec_del_folio(a, head)
    frame_mut(a, head).flags &= ~<uint32_t>PG_unevictable
    lruvec_add_folio(a, head)
    count_vm_events(a, UNEVICTABLE_PGRESCUED, <int64_t>folio_nr_pages(a, head))


cdef void do_mlock(arena_t *a, pfn_t head) noexcept nogil:
    """__mlock_folio(): unevictable, or one lock more."""
    cdef frame_t *f = frame_mut(a, head)
    if not f.flags & PG_lru:
        return
    if not f.flags & PG_mlocked:
        if f.flags & PG_unevictable:
            put_evictable(a, head)
    elif f.flags & PG_unevictable:
        f.lru_prev += 1
    else:
        lruvec_del_folio(a, head)
        f.flags = (f.flags | PG_unevictable) & ~<uint32_t>PG_active
        lruvec_add_folio(a, head)
        f.lru_prev = 1
        count_vm_events(a, UNEVICTABLE_PGCULLED, <int64_t>folio_nr_pages(a, head))


cdef void do_mlock_new(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    if f.flags & PG_mlocked:
        f.flags |= PG_unevictable
        count_vm_events(a, UNEVICTABLE_PGCULLED, <int64_t>folio_nr_pages(a, head))
    lruvec_add_folio(a, head)
    if f.flags & PG_unevictable:
        f.lru_prev = 1


cdef void do_munlock(arena_t *a, pfn_t head) noexcept nogil:
    """__munlock_folio(): one lock less; without locks it is evictable. Off the lists nobody counted them, so this was the last."""
    cdef frame_t *f = frame_mut(a, head)
    cdef bint isolated = (f.flags & PG_lru) != 0
    cdef int64_t nr_pages = <int64_t>folio_nr_pages(a, head)
    if isolated and f.flags & PG_unevictable:
        if f.lru_prev:
            f.lru_prev -= 1
        if f.lru_prev:
            return
    if f.flags & PG_mlocked:
        f.flags &= ~<uint32_t>PG_mlocked
        a.m.zone_stat[pfn_to_zone(a, head)][NR_MLOCK] -= nr_pages
        count_vm_events(a, UNEVICTABLE_PGMUNLOCKED if isolated or not f.flags & PG_unevictable else UNEVICTABLE_PGSTRANDED, nr_pages)
    if isolated and f.flags & PG_unevictable:
        put_evictable(a, head)


cdef void mlock_drain(arena_t *a, cpu_fbatches_t *b) noexcept nogil:
    """mlock_folio_batch()."""
    cdef uint32_t i
    cdef uint32_t nr = min(b.mlock.nr, <uint32_t>PAGEVEC_SIZE)
    cdef uint32_t how
    cdef pfn_t head
    b.mlock.nr = 0
    for i in range(nr):
        head = b.mlock.folio[i]
        how = b.mlock_how.folio[i]
        if how == MLOCK_LRU:
            do_mlock(a, head)
        elif how == MLOCK_NEW:
            do_mlock_new(a, head)
        else:
            do_munlock(a, head)
        put_batched(a, head)


cdef void mlock_batch_add(arena_t *a, pfn_t head, uint32_t how) noexcept nogil:
    cdef cpu_fbatches_t *b = fbatches_mut(a)
    frame_mut(a, head).extra_refs += 1
    if b.mlock.nr < PAGEVEC_SIZE:
        b.mlock.folio[b.mlock.nr] = head
        b.mlock_how.folio[b.mlock.nr] = how
        b.mlock.nr += 1
    if b.mlock.nr >= PAGEVEC_SIZE or frame_at(a, head).flags & PG_head:
        mlock_drain(a, b)


cdef void set_mlocked(arena_t *a, pfn_t head) noexcept nogil:
    cdef int64_t nr_pages = <int64_t>folio_nr_pages(a, head)
    frame_mut(a, head).flags |= PG_mlocked
    a.m.zone_stat[pfn_to_zone(a, head)][NR_MLOCK] += nr_pages
    count_vm_events(a, UNEVICTABLE_PGMLOCKED, nr_pages)


cdef void mlock_folio(arena_t *a, pfn_t head) noexcept nogil:
    if not frame_at(a, head).flags & PG_mlocked:
        set_mlocked(a, head)
    mlock_batch_add(a, head, MLOCK_LRU)


cdef void mlock_new_folio(arena_t *a, pfn_t head) noexcept nogil:
    set_mlocked(a, head)
    mlock_batch_add(a, head, MLOCK_NEW)


cdef void munlock_folio(arena_t *a, pfn_t head) noexcept nogil:
    mlock_batch_add(a, head, MLOCK_UNLOCK)
