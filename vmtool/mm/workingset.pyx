"""Refaults.

    evict    nonresident_age 100: the shadow says 100; the clock goes on by the folio's pages
    refault  nonresident_age 160: 60 pages were evicted or activated since. Had the lists been 60 pages longer, it would still be here:
             when the active ones are at least as many, it comes back active

Modelled: the clock of each lruvec and its parents', shadows with the workingset bit, activation, restore, costs with their decay.
Counterpart: Linux v6.18 mm/workingset.c:workingset_test_recent(), workingset_refault(); mm/swap.c:lru_note_cost().
# Deviation: a shadow has 21 bits for the age, as on a 32-bit kernel: from 8 GiB of RAM on it counts in steps (bucket_order).
Shadow:  31      21 20           11... |  age (21) | group (10) | workingset (1)
"""

from vmtool.mm.arena cimport frame_at, frame_mut, memcg_at
from vmtool.mm.frame cimport folio_order
from vmtool.mm.lruvec cimport (LRU_ACTIVE_ANON, LRU_ACTIVE_FILE, LRU_INACTIVE_ANON, LRU_INACTIVE_FILE, folio_is_file_lru, folio_lruvec, folio_memcg, frame_lruvec,
                               lruvec_of, lruvec_page_state, lruvec_parent, mod_lruvec_state, workingset_age_nonresident)
from vmtool.mm.vmstat cimport WORKINGSET_ACTIVATE_ANON, WORKINGSET_REFAULT_ANON, WORKINGSET_RESTORE_ANON
from vmtool.mm.zone cimport SWAP_CLUSTER_MAX

cdef enum:
    MEMCG_MASK = 1023


cdef uint32_t workingset_eviction(arena_t *a, pfn_t head) noexcept nogil:
    cdef lruvec_t *lruvec = folio_lruvec(a, head)
    cdef uint32_t shadow = shadow_of(lruvec.nonresident_age >> bucket_order(a), folio_memcg(a, head), frame_at(a, head).flags & PG_workingset != 0)
    workingset_age_nonresident(a, lruvec, <uint64_t>1 << folio_order(a, head))
    return shadow


cdef bint swap_is_there(arena_t *a, idx_t memcg) noexcept nogil:
    cdef int64_t left = a.m.nr_swap_pages
    cdef uint32_t steps = 0
    while memcg and steps <= MEMCG_MASK:
        left = min(left, <int64_t>(memcg_at(a, memcg).swap.max - memcg_at(a, memcg).swap.usage))
        memcg = memcg_at(a, memcg).parent
        steps += 1
    return left > 0


cdef inline bint is_recent(arena_t *a, const lruvec_t *lruvec, idx_t memcg, uint32_t shadow, bint file) noexcept nogil:
    """workingset_test_recent()."""
    cdef uint32_t order = bucket_order(a)
    cdef uint64_t evicted = <uint64_t>(shadow >> EVICTION_SHIFT) << order
    cdef uint64_t distance = (lruvec.nonresident_age - evicted) & ((<uint64_t>EVICTION_MASK << order) | ((<uint64_t>1 << order) - 1))
    cdef uint64_t size = lruvec_page_state(a, lruvec, LRU_ACTIVE_FILE)
    if not file:
        size += lruvec_page_state(a, lruvec, LRU_INACTIVE_FILE)
    if a.m.nr_swap_pages > 0 if memcg == 0 else swap_is_there(a, memcg):
        size += lruvec_page_state(a, lruvec, LRU_ACTIVE_ANON)
        if file:
            size += lruvec_page_state(a, lruvec, LRU_INACTIVE_ANON)
    return distance <= size


cdef void workingset_refault(arena_t *a, pfn_t head, uint32_t shadow) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    cdef bint file = folio_is_file_lru(f.flags)
    cdef int64_t nr_pages = <int64_t>1 << folio_order(a, head) if f.flags & PG_head else 1
    cdef idx_t memcg = shadow >> 1 & MEMCG_MASK
    cdef lruvec_t *lruvec = frame_lruvec(a, head, f)
    mod_lruvec_state(a, lruvec, WORKINGSET_REFAULT_ANON + file, nr_pages)
    if not is_recent(a, lruvec_of(a, memcg), memcg, shadow, file):
        return
    f.flags |= PG_active
    workingset_age_nonresident(a, lruvec, <uint64_t>nr_pages)
    mod_lruvec_state(a, lruvec, WORKINGSET_ACTIVATE_ANON + file, nr_pages)
    if shadow & 1:
        f.flags |= PG_workingset
        lru_note_cost(a, lruvec, file, <uint64_t>nr_pages, 0)
        mod_lruvec_state(a, lruvec, WORKINGSET_RESTORE_ANON + file, nr_pages)


cdef void lru_note_cost(arena_t *a, lruvec_t *lruvec, bint file, uint64_t nr_io, uint64_t nr_rotated) noexcept nogil:
    """A page of I/O weighs as 32 rotations; old costs fade as new ones come."""
    cdef uint64_t cost = nr_io * SWAP_CLUSTER_MAX + nr_rotated
    cdef uint64_t size
    if cost == 0:
        return
    while lruvec != NULL:
        if file:
            lruvec.file_cost += cost
        else:
            lruvec.anon_cost += cost
        size = lruvec_page_state(a, lruvec, LRU_INACTIVE_ANON) + lruvec_page_state(a, lruvec, LRU_ACTIVE_ANON) + lruvec_page_state(
            a, lruvec, LRU_INACTIVE_FILE) + lruvec_page_state(a, lruvec, LRU_ACTIVE_FILE)
        if lruvec.file_cost + lruvec.anon_cost > size // 4:
            lruvec.file_cost //= 2
            lruvec.anon_cost //= 2
        lruvec = lruvec_parent(a, lruvec)
