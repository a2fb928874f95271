"""LRU lists: linking, unlinking, counting.

Modelled: five lists of folios, newest first; unevictable folios are counted on theirs without being linked, and keep their mlock_count in
the place of the link, as in Linux.
Counterpart: Linux v6.18 include/linux/mm_inline.h, mm/huge_memory.c:lru_add_split_folio().
Invariants (fsck_phys): lists are linked both ways and hold what their folios' flags say; zone_size, zone and node counters are the sums.
"""

from vmtool.mm.arena cimport runs_in_circle
from vmtool.mm.frame cimport folio_order


cdef void update_group_sizes(arena_t *a, lruvec_t *lruvec, uint32_t lru, int64_t nr_pages) noexcept nogil:
    while lruvec != NULL and lruvec.memcg:
        lruvec.total[lru] += nr_pages
        lruvec = lruvec_parent(a, lruvec)


cdef idx_t memcg_next(arena_t *a, idx_t root, idx_t at) noexcept nogil:
    cdef uint32_t steps = 0
    if at == 0:
        return a.m.memcg_first if root == 0 else memcg_at(a, root).first_child
    if memcg_at(a, at).first_child:
        return memcg_at(a, at).first_child
    while at and at != root and not runs_in_circle(a, POOL_MEMCG, at, &steps):
        if memcg_at(a, at).next_sibling:
            return memcg_at(a, at).next_sibling
        at = memcg_at(a, at).parent
    return 0


cdef int64_t lruvec_node_state(arena_t *a, const lruvec_t *lruvec, int item) noexcept nogil:
    cdef int64_t n
    cdef idx_t at = 0
    cdef uint32_t steps = 0
    if lruvec.memcg == 0:
        return a.m.node_stat[item]
    n = memcg_at(a, lruvec.memcg).stat[item]
    while not runs_in_circle(a, POOL_MEMCG, at, &steps):
        at = memcg_next(a, lruvec.memcg, at)
        if at == 0:
            break
        n += memcg_at(a, at).stat[item]
    return n


cdef inline int64_t folio_pages(arena_t *a, pfn_t head, const frame_t *f) noexcept nogil:
    return <int64_t>1 << folio_order(a, head) if f.flags & PG_head else 1


cdef void lruvec_add_folio(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    cdef lruvec_t *lruvec = frame_lruvec(a, head, f)
    cdef uint32_t lru = lru_of(f.flags)
    cdef free_list_t *list = &lruvec.lists[lru]
    f.flags |= PG_lru
    list.nr_free += 1
    update_lru_size(a, lruvec, lru, pfn_to_zone(a, head), folio_pages(a, head, f))
    if lru != LRU_UNEVICTABLE:
        link_head(a, head, f, list)


cdef void lruvec_add_folio_tail(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    cdef lruvec_t *lruvec = frame_lruvec(a, head, f)
    cdef uint32_t lru = lru_of(f.flags)
    cdef free_list_t *list = &lruvec.lists[lru]
    f.flags |= PG_lru
    list.nr_free += 1
    update_lru_size(a, lruvec, lru, pfn_to_zone(a, head), folio_pages(a, head, f))
    if lru == LRU_UNEVICTABLE:
        return
    link_tail(a, head, f, list)


cdef void lruvec_del_folio(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    cdef lruvec_t *lruvec = frame_lruvec(a, head, f)
    cdef uint32_t lru = lru_of(f.flags)
    cdef free_list_t *list = &lruvec.lists[lru]
    f.flags &= ~<uint32_t>PG_lru
    list.nr_free -= 1
    update_lru_size(a, lruvec, lru, pfn_to_zone(a, head), -folio_pages(a, head, f))
    if lru == LRU_UNEVICTABLE:
        f.lru_prev = 0
        return
    unlink(a, f, list)


cdef uint32_t lruvec_isolate_singles(arena_t *a, lruvec_t *lruvec, uint32_t lru, uint32_t highest, uint64_t most, pfn_t *out) noexcept nogil:
    cdef free_list_t *list = &lruvec.lists[lru]
    cdef pfn_t head = list.tail
    cdef uint32_t z = pfn_to_zone(a, head), nr = 0
    cdef frame_t *f
    if z > highest:
        return 0
    while nr < most and head and zone_holds(&a.m.zone[z], head):
        f = frame_mut(a, head)
        if f.flags & PG_head:
            break
        f.flags &= ~<uint32_t>PG_lru
        f.extra_refs += 1
        out[nr] = head
        nr += 1
        head = f.lru_prev
        f.lru_next = 0
        f.lru_prev = 0
    if nr == 0:
        return 0
    list.tail = head
    if head:
        frame_mut(a, head).lru_next = 0
    else:
        list.head = 0
    list.nr_free -= nr
    update_lru_size(a, lruvec, lru, z, -<int64_t>nr)
    return nr


cdef inline bint rotates_plainly(const frame_t *f) noexcept nogil:
    return f.flags & (PG_lru | PG_head | PG_active | PG_unevictable | PG_charged | PG_swapbacked) == PG_lru | PG_swapbacked and f.extra_refs > 1


cdef uint32_t lruvec_rotate_run(arena_t *a, const pfn_t *folios, uint32_t most) noexcept nogil:
    cdef free_list_t *list = &a.m.lruvec.lists[LRU_INACTIVE_ANON]
    cdef frame_t *first = frame_mut(a, folios[0])
    cdef frame_t *f = first
    cdef frame_t *last = NULL
    cdef pfn_t before = folios[0], behind = first.lru_next
    cdef uint32_t nr = 0
    while nr < most and folios[nr] == before:
        if nr:
            f = frame_mut(a, before)
        if not rotates_plainly(f):
            break
        f.extra_refs -= 1
        before = f.lru_prev
        if nr:
            f.lru_prev = folios[nr - 1]
            last.lru_next = folios[nr]
        last = f
        nr += 1
    if nr == 0:
        return 0
    if before:
        frame_mut(a, before).lru_next = behind
    else:
        list.head = behind
    if behind:
        frame_mut(a, behind).lru_prev = before
    else:
        list.tail = before
    first.lru_prev = list.tail
    if list.tail:
        frame_mut(a, list.tail).lru_next = folios[0]
    else:
        list.head = folios[0]
    last.lru_next = 0
    list.tail = folios[nr - 1]
    return nr


cdef void lru_add_split(arena_t *a, pfn_t head, pfn_t part) noexcept nogil:
    cdef lruvec_t *lruvec = folio_lruvec(a, head)
    cdef uint32_t lru = folio_lru_list(a, head)
    cdef free_list_t *list = &lruvec.lists[lru]
    cdef frame_t *h = frame_mut(a, head)
    cdef frame_t *p = frame_mut(a, part)
    list.nr_free += 1
    p.lru_next = 0
    p.lru_prev = 0
    if lru == LRU_UNEVICTABLE:
        return
    p.lru_next = head
    p.lru_prev = h.lru_prev
    if h.lru_prev:
        frame_mut(a, h.lru_prev).lru_next = part
    else:
        list.head = part
    h.lru_prev = part


cdef void workingset_age_nonresident(arena_t *a, lruvec_t *lruvec, uint64_t nr_pages) noexcept nogil:
    while lruvec != NULL:
        lruvec.nonresident_age += nr_pages
        lruvec = lruvec_parent(a, lruvec)
