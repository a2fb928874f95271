# cython: language_level=3
"""The LRU lists that folios stand on, one set a control group (struct lruvec). Batches in front of them: swap_lru.

Counterpart: Linux v6.18 include/linux/mm_inline.h: lruvec_add_folio(), lruvec_del_folio(); include/linux/mmzone.h: struct lruvec.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from vmtool.mm.arena cimport arena_t, folio_x_at, frame_at, frame_mut, memcg_at, memcg_mut
from vmtool.mm.free_list cimport link_head, link_tail, unlink
from vmtool.mm.types cimport *
from vmtool.mm.vmstat cimport NR_INACTIVE_ANON, NR_ZONE_INACTIVE_ANON, count_vm_events
from vmtool.mm.zone cimport pfn_to_zone, zone_holds

cdef enum:  # lru_list
    LRU_INACTIVE_ANON
    LRU_ACTIVE_ANON
    LRU_INACTIVE_FILE
    LRU_ACTIVE_FILE
    LRU_UNEVICTABLE

cdef inline uint32_t lru_of(uint32_t flags) noexcept nogil:
    if flags & PG_unevictable:
        return LRU_UNEVICTABLE
    return (LRU_INACTIVE_ANON if flags & PG_swapbacked else LRU_INACTIVE_FILE) + (1 if flags & PG_active else 0)

cdef inline uint32_t folio_lru_list(arena_t *a, pfn_t head) noexcept nogil:
    """lru_list by the folio's flags."""
    return lru_of(frame_at(a, head).flags)

cdef inline bint folio_is_file_lru(uint32_t flags) noexcept nogil:
    return not flags & PG_swapbacked

cdef inline bint is_lazyfree(uint32_t flags) noexcept nogil:
    return (flags & (PG_anon | PG_swapbacked)) == PG_anon

cdef inline idx_t folio_memcg(arena_t *a, pfn_t head) noexcept nogil:
    """The group that pays for it, 0: the root."""
    return folio_x_at(a, head).memcg if frame_at(a, head).flags & PG_charged else 0

cdef inline lruvec_t *lruvec_of(arena_t *a, idx_t memcg) noexcept nogil:
    if memcg == 0 or memcg >= a.pool[POOL_MEMCG].count or memcg_at(a, memcg).state == 0:
        return &a.m.lruvec
    return &memcg_mut(a, memcg).lruvec

cdef inline lruvec_t *frame_lruvec(arena_t *a, pfn_t head, const frame_t *f) noexcept nogil:
    return lruvec_of(a, folio_x_at(a, head).memcg) if f.flags & PG_charged else &a.m.lruvec

cdef inline lruvec_t *folio_lruvec(arena_t *a, pfn_t head) noexcept nogil:
    return frame_lruvec(a, head, frame_at(a, head))

cdef inline lruvec_t *lruvec_parent(arena_t *a, const lruvec_t *lruvec) noexcept nogil:
    return lruvec_of(a, memcg_at(a, lruvec.memcg).parent) if lruvec.memcg else NULL

cdef inline uint64_t lruvec_page_state(arena_t *a, const lruvec_t *lruvec, uint32_t lru) noexcept nogil:
    """Pages on a list of the group and those below it."""
    return <uint64_t>(lruvec.total[lru] if lruvec.memcg else a.m.node_stat[NR_INACTIVE_ANON + lru])

cdef inline void mod_lruvec_state(arena_t *a, const lruvec_t *lruvec, int item, int64_t n) noexcept nogil:
    """A node counter that groups have, too."""
    a.m.node_stat[item] += n
    if lruvec.memcg:
        memcg_mut(a, lruvec.memcg).stat[item] += n

cdef inline void lruvec_stat_mod_frame(arena_t *a, pfn_t head, const frame_t *f, int item, int64_t n) noexcept nogil:
    """The same, of the group that pays for the folio."""
    a.m.node_stat[item] += n
    if f.flags & PG_charged:
        memcg_mut(a, folio_x_at(a, head).memcg).stat[item] += n

cdef inline void lruvec_stat_mod_folio(arena_t *a, pfn_t head, int item, int64_t n) noexcept nogil:
    lruvec_stat_mod_frame(a, head, frame_at(a, head), item, n)

cdef inline bint pmd_mappable(const arch_t *g, uint32_t order) noexcept nogil:
    """folio_test_pmd_mappable(): one entry above the PTEs can map it whole."""
    return order >= g.level_shift[1] - g.page_shift

cdef inline void count_memcg_events(arena_t *a, idx_t memcg, int item, int64_t n) noexcept nogil:
    """What vmstat counts, and memory.stat of a group."""
    count_vm_events(a, item, n)
    if memcg:
        memcg_mut(a, memcg).vm_event[item] += n

cdef inline void count_folio_events(arena_t *a, pfn_t head, int item, int64_t n) noexcept nogil:
    """Of the group that pays for the folio."""
    count_memcg_events(a, folio_memcg(a, head), item, n)

cdef inline void count_mm_event(arena_t *a, const mm_t *mm, int item) noexcept nogil:
    """Of the group that the process is in."""
    count_memcg_events(a, mm.memcg, item, 1)

cdef inline void count_objcg_events(arena_t *a, pfn_t head, int item, int64_t n) noexcept nogil:
    """The root group, which has no obj_cgroup, counts only what groups below it do."""
    cdef idx_t memcg = folio_memcg(a, head)
    count_memcg_events(a, memcg, item, n)
    if memcg:
        a.m.memcg_event[item] += n

cdef void workingset_age_nonresident(arena_t *a, lruvec_t *lruvec, uint64_t nr_pages) noexcept nogil  # the clock of refault distances
cdef int64_t lruvec_node_state(arena_t *a, const lruvec_t *lruvec, int item) noexcept nogil  # of the group and those below it
cdef idx_t memcg_next(arena_t *a, idx_t root, idx_t at) noexcept nogil  # the group after `at` in the tree below root, parents first; 0 ends it
# By the folio's flags to the head or tail of its list, and off it; PG_lru follows. They keep the lruvec's, zones' and node's counters.
cdef void lruvec_add_folio(arena_t *a, pfn_t head) noexcept nogil
cdef void lruvec_add_folio_tail(arena_t *a, pfn_t head) noexcept nogil
cdef void lruvec_del_folio(arena_t *a, pfn_t head) noexcept nogil
# A folio was split: the new part stands in front of the old one. The counters count pages and stay as they are.
cdef void lru_add_split(arena_t *a, pfn_t head, pfn_t part) noexcept nogil
# The single pages of one zone, `highest` or below, that stand last, off their list with a reference each. Returns how many.
cdef uint32_t lruvec_isolate_singles(arena_t *a, lruvec_t *lruvec, uint32_t lru, uint32_t highest, uint64_t most, pfn_t *out) noexcept nogil
# Single pages to the tail of the machine's inactive list, and a reference of each dropped that is not the last: as many of them, from the first on, as
# stand there side by side, each before the one named first. Returns how many; 0: the first is of another kind.
cdef uint32_t lruvec_rotate_run(arena_t *a, const pfn_t *folios, uint32_t most) noexcept nogil
# Pages more or less on a list, for those that move many at once.
cdef void update_group_sizes(arena_t *a, lruvec_t *lruvec, uint32_t lru, int64_t nr_pages) noexcept nogil

cdef inline void update_lru_size(arena_t *a, lruvec_t *lruvec, uint32_t lru, uint32_t zone, int64_t nr_pages) noexcept nogil:
    lruvec.zone_size[zone][lru] += nr_pages
    a.m.node_stat[NR_INACTIVE_ANON + lru] += nr_pages
    a.m.zone_stat[zone][NR_ZONE_INACTIVE_ANON + lru] += nr_pages
    if lruvec.memcg:
        update_group_sizes(a, lruvec, lru, nr_pages)

# --- many folios at once: what is counted of those that follow one another to one list of one zone is added up

cdef struct lru_adds_t:
    lruvec_t *lruvec
    uint32_t lru
    uint32_t zone
    int64_t nr_pages  # not counted yet

cdef inline void lru_adds_begin(arena_t *a, lru_adds_t *adds) noexcept nogil:
    adds.lruvec = &a.m.lruvec
    adds.lru = 0
    adds.zone = 0
    adds.nr_pages = 0

cdef inline void lru_adds_end(arena_t *a, lru_adds_t *adds) noexcept nogil:
    if adds.nr_pages:
        update_lru_size(a, adds.lruvec, adds.lru, adds.zone, adds.nr_pages)
    adds.nr_pages = 0

cdef inline void lruvec_rotate_folio(arena_t *a, pfn_t head, frame_t *f) noexcept nogil:
    """From where it stands to the tail of the same list."""
    cdef free_list_t *list = &frame_lruvec(a, head, f).lists[lru_of(f.flags)]
    if list.tail != head:
        unlink(a, f, list)
        link_tail(a, head, f, list)

cdef inline void lruvec_add_one_of_many(arena_t *a, pfn_t head, frame_t *f, lru_adds_t *adds) noexcept nogil:
    """lruvec_add_folio(), whose counting lru_adds_end() ends. Preconditions: a single page, and evictable."""
    cdef lruvec_t *lruvec = frame_lruvec(a, head, f)
    cdef uint32_t lru = lru_of(f.flags)
    cdef free_list_t *list = &lruvec.lists[lru]
    if adds.nr_pages == 0 or adds.lruvec != lruvec or adds.lru != lru or not zone_holds(&a.m.zone[adds.zone], head):
        lru_adds_end(a, adds)
        adds.lruvec = lruvec
        adds.lru = lru
        adds.zone = pfn_to_zone(a, head)
    adds.nr_pages += 1
    f.flags |= PG_lru
    list.nr_free += 1
    link_head(a, head, f, list)
