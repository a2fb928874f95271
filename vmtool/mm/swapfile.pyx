"""Slots of swap areas, handed out cluster by cluster.

    free cluster -> the present one, from its first slot on -> full -> nonfull (something of it was freed) -> free (all of it was)

Modelled: clusters of 512 slots with the lists of 6.18; the present cluster is gone through upwards, then one of which something was freed, then a
free one; areas by priority, those of one priority in turn. A slot whose folio is only cached is given away when swap is half full.
Counterpart: Linux v6.18 mm/swapfile.c:cluster_alloc_swap_entry(), alloc_swap_scan_cluster(), swap_range_free(), swap_alloc_slow().
# Deviation: one present cluster an area (Linux: one a CPU on solid-state disks); single slots only.
Invariants (fsck_swap): cluster.count = its slots that are in use; each cluster is on the list that its state says; a slot is in use while an
entry (count) or the swap cache (SLOT_CACHE) has it.
"""

from vmtool.mm.arena cimport content_free, rec_mut

cdef enum:  # cluster_state
    CLUSTER_NONE  # the present one, or past the area's end
    CLUSTER_FREE
    CLUSTER_NONFULL
    CLUSTER_FULL


cdef inline swap_cluster_t *cluster_mut(arena_t *a, uint32_t cluster) noexcept nogil:
    return <swap_cluster_t *>rec_mut(a, POOL_CLUSTER, cluster)


cdef swp_entry_t record_entry(arena_t *a, uint32_t record) noexcept nogil:
    cdef uint32_t type
    cdef const swap_info_t *si
    for type in range(a.m.nr_swapfiles if a.m.nr_swapfiles < MAX_SWAP_AREAS else MAX_SWAP_AREAS):
        si = &a.m.swap[type]
        if si.flags & SWP_USED and si.base <= record < si.base + si.max:
            return swp_entry(type, record - si.base)
    return 0


# --- clusters --------------------------------------------------------------------------------------------------------

cdef inline cluster_list_t *list_of(swap_info_t *si, uint32_t state) noexcept nogil:
    return &si.free_clusters if state == CLUSTER_FREE else &si.nonfull_clusters if state == CLUSTER_NONFULL else &si.full_clusters


cdef void cluster_unlink(arena_t *a, swap_info_t *si, uint32_t cluster) noexcept nogil:
    cdef swap_cluster_t *c = cluster_mut(a, cluster)
    cdef cluster_list_t *list
    if c.state == CLUSTER_NONE:
        return
    list = list_of(si, c.state)
    if c.prev:
        cluster_mut(a, c.prev - 1).next = c.next
    else:
        list.head = c.next
    if c.next:
        cluster_mut(a, c.next - 1).prev = c.prev
    else:
        list.tail = c.prev
    c.next = 0
    c.prev = 0
    c.state = CLUSTER_NONE


cdef void cluster_move(arena_t *a, swap_info_t *si, uint32_t cluster, uint32_t state) noexcept nogil:
    """To the tail of another list."""
    cdef swap_cluster_t *c = cluster_mut(a, cluster)
    cdef cluster_list_t *list = list_of(si, state)
    if c.state == state:
        return
    cluster_unlink(a, si, cluster)
    c.state = <uint16_t>state
    c.prev = list.tail
    if list.tail:
        cluster_mut(a, list.tail - 1).next = cluster + 1
    else:
        list.head = cluster + 1
    list.tail = cluster + 1


cdef void swap_area_setup(arena_t *a, uint32_t type) noexcept nogil:
    """The first slot is the header: its cluster is not free, and comes first. What the last cluster lacks counts as in use."""
    cdef swap_info_t *si = &a.m.swap[type]
    cdef uint32_t first = si.base // SWAPFILE_CLUSTER
    cdef uint32_t nr = (si.max + SWAPFILE_CLUSTER - 1) // SWAPFILE_CLUSTER
    cdef uint32_t i
    cdef swap_cluster_t *c
    for i in range(nr):
        c = cluster_mut(a, first + i)
        c.state = CLUSTER_NONE
        c.next = c.prev = 0
        c.count = <uint16_t>(i == 0)
        if i == nr - 1:
            c.count += <uint16_t>(nr * SWAPFILE_CLUSTER - si.max)
        cluster_move(a, si, first + i, CLUSTER_NONFULL if c.count else CLUSTER_FREE)
    slot_mut(a, si.base).flags = SLOT_BAD


# --- taking slots ----------------------------------------------------------------------------------------------------------

cdef inline bint slot_is_free(const swap_slot_t *s) noexcept nogil:
    return s.count == 0 and not s.flags & (SLOT_CACHE | SLOT_BAD)


cdef uint32_t scan_cluster(arena_t *a, swap_info_t *si, uint32_t offset) noexcept nogil:
    """alloc_swap_scan_cluster(): the first free slot from offset to its cluster's end, 0: none. Sets next_offset, or that there is none."""
    cdef uint32_t cluster = (si.base + offset) // SWAPFILE_CLUSTER
    cdef uint32_t end = min((offset // SWAPFILE_CLUSTER + 1) * SWAPFILE_CLUSTER, si.max)
    cdef uint32_t found = 0
    cdef swap_cluster_t *c = cluster_mut(a, cluster)
    si.next_offset = 0
    while offset < end and c.count < SWAPFILE_CLUSTER:
        if slot_is_free(slot_at(a, si.base + offset)):
            found = offset
            slot_mut(a, si.base + offset).flags = SLOT_CACHE
            c.count += 1
            if c.count < SWAPFILE_CLUSTER and offset + 1 < end:
                si.next_offset = offset + 1
            break
        offset += 1
    if c.count >= SWAPFILE_CLUSTER:
        cluster_move(a, si, cluster, CLUSTER_FULL)
    elif si.next_offset == 0:  # not the present one any more
        cluster_move(a, si, cluster, CLUSTER_NONFULL)
    return found


cdef uint32_t alloc_entry(arena_t *a, swap_info_t *si) noexcept nogil:
    """An offset, 0: the area is full."""
    cdef uint32_t found = 0
    cdef uint32_t cluster
    cdef uint32_t left = si.max // SWAPFILE_CLUSTER + 2
    if si.inuse_pages >= si.pages:
        return 0
    if si.next_offset:
        found = scan_cluster(a, si, si.next_offset)
    while found == 0 and left:
        left -= 1
        cluster = si.nonfull_clusters.head if si.nonfull_clusters.head else si.free_clusters.head
        if cluster == 0:
            return 0
        cluster_unlink(a, si, cluster - 1)
        found = scan_cluster(a, si, (cluster - 1) * SWAPFILE_CLUSTER - si.base)
    return found


cdef int best_area(arena_t *a) noexcept nogil:
    """The area with room that stands first: by priority, those of one priority in turn. -1: none."""
    cdef uint32_t type
    cdef int best = -1
    cdef const swap_info_t *si
    for type in range(a.m.nr_swapfiles):
        si = &a.m.swap[type]
        if not si.flags & SWP_WRITEOK or si.inuse_pages >= si.pages:
            continue
        if best < 0 or si.prio > a.m.swap[best].prio or (si.prio == a.m.swap[best].prio and si.order < a.m.swap[best].order):
            best = <int>type
    return best


cdef uint32_t get_swap_slot(arena_t *a) noexcept nogil:
    cdef int type = best_area(a)
    cdef swap_info_t *si
    cdef uint32_t offset
    if type < 0:
        return 0
    si = &a.m.swap[type]
    offset = alloc_entry(a, si)
    if offset == 0:
        return 0
    if si.next_offset == 0:  # plist_requeue(): the next cluster is another's turn
        a.m.swap_order += 1
        si.order = a.m.swap_order
    si.inuse_pages += 1
    a.m.nr_swap_pages -= 1
    return si.base + offset


cdef void put_swap_slot(arena_t *a, uint32_t record) noexcept nogil:
    cdef swp_entry_t entry = record_entry(a, record)
    cdef swap_info_t *si = &a.m.swap[swp_type(entry)]
    cdef swap_slot_t *s = slot_mut(a, record)
    cdef swap_cluster_t *c = cluster_mut(a, record // SWAPFILE_CLUSTER)
    if s.content:
        content_free(a, s.content)
    s.content = 0
    s.folio = 0
    s.count = 0
    s.flags = 0
    c.count -= 1
    si.inuse_pages -= 1
    a.m.nr_swap_pages += 1
    if c.state != CLUSTER_NONE:  # else it is the present one, and stays so
        cluster_move(a, si, record // SWAPFILE_CLUSTER, CLUSTER_FREE if c.count == 0 else CLUSTER_NONFULL)


cdef int swap_duplicate(arena_t *a, swp_entry_t entry) noexcept nogil:
    cdef uint32_t record = entry_record(a, entry)
    if record == 0 or slot_is_free(slot_at(a, record)):
        return -EINVAL
    if slot_at(a, record).count == 0xFFFF:
        return -ENOMEM
    slot_mut(a, record).count += 1
    return 0


cdef int swp_swapcount(arena_t *a, swp_entry_t entry) noexcept nogil:
    cdef uint32_t record = entry_record(a, entry)
    return slot_at(a, record).count if record else 0


cdef uint32_t scan_used(arena_t *a, uint32_t type, uint32_t offset) noexcept nogil:
    cdef const swap_info_t *si = &a.m.swap[type]
    cdef const swap_slot_t *s
    while offset < si.max:
        s = slot_at(a, si.base + offset)
        if s.count or s.flags & SLOT_CACHE:
            return offset
        offset += 1
    return 0
