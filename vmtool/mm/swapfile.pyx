"""Slots of swap areas, handed out cluster by cluster.

    a folio of 16 pages: 16 slots side by side, at a multiple of 16, in a cluster of its size (swap_cluster)

Modelled: the lists of 6.18, for each size of folio its own. The present cluster (of a CPU; on a disk that turns, of the area) is gone through
upwards, then those of which something was freed, then a free one, last one that was gone through; a single page goes into one of larger folios
when nothing else is left. Areas by priority, those of one priority in turn. When swap is half full slots that only the cache has are taken from it:
on the way through a cluster, of one full cluster when no other has room, and of all of them when an area is full.
Counterpart: Linux v6.18 mm/swapfile.c:cluster_alloc_swap_entry(), alloc_swap_scan_cluster(), relocate_cluster(), swap_entries_free(),
swap_reclaim_full_clusters(), swap_alloc_fast(), swap_alloc_slow().
Invariants (fsck_swap): cluster.count = its slots that are in use; a slot is in use while an entry (count) or the swap cache (SLOT_CACHE) has it.
"""

from libc.stdlib cimport abs
from libc.string cimport memset

from vmtool.mm.arena cimport content_free, cpu_mut
from vmtool.mm.pte cimport pte_load, pte_move_swp_offset, pte_to_swp_entry

cdef enum:
    RANGE_TAKEN = 0  # slots side by side
    RANGE_FREE
    RANGE_CACHED  # by the cache alone, and swap is half full
    GFP_SWAP_TABLE = GFP_KERNEL | GFP_ATOMIC | GFP_HIGH | GFP_NOMEMALLOC | GFP_NORETRY  # while a folio is on its way out


cdef swp_entry_t record_entry(arena_t *a, uint32_t record) noexcept nogil:
    cdef uint32_t type
    cdef const swap_info_t *si
    for type in range(a.m.nr_swapfiles if a.m.nr_swapfiles < MAX_SWAP_AREAS else MAX_SWAP_AREAS):
        si = &a.m.swap[type]
        if si.flags & SWP_USED and si.base <= record < si.base + si.max:
            return swp_entry(type, record - si.base)
    return 0


cdef inline uint32_t *cpu_next_type(cpu_t *c, uint32_t order) noexcept nogil:
    return &c.swap_types[order - 1] if order else &c.swap_type


cdef inline uint32_t *cpu_next_offset(cpu_t *c, uint32_t order) noexcept nogil:
    return &c.swap_offsets[order - 1] if order else &c.swap_offset


cdef int swap_area_setup(arena_t *a, uint32_t type) noexcept nogil:
    """The first slot is the header: its cluster is not free, and comes first. What the last cluster lacks counts as in use."""
    cdef swap_info_t *si = &a.m.swap[type]
    cdef uint32_t first = si.base // cluster_slots(si)
    cdef uint32_t nr = (si.max + cluster_slots(si) - 1) // cluster_slots(si)
    cdef uint32_t i
    cdef swap_cluster_t *c
    if area_has_orders(a, type):
        memset(orders_mut(a, type), 0, sizeof(swap_orders_t))
    for i in range(nr):
        c = cluster_mut(a, first + i)
        c.state = CLUSTER_NONE
        c.order = 0
        c.next = c.prev = 0
        c.table = 0
        c.count = <uint16_t>(i == 0)
        if i == nr - 1:
            c.count += <uint16_t>(nr * cluster_slots(si) - si.max)
        if c.count and not table_alloc(a, si, first + i, GFP_KERNEL | GFP_DIRECT_RECLAIM | GFP_NORETRY):
            table_free(a, si, first)
            return -ENOMEM
        cluster_move(a, type, first + i, CLUSTER_NONFULL if c.count else CLUSTER_FREE)
    slot_mut(a, si.base).flags = SLOT_BAD
    return 0


cdef void swap_area_release(arena_t *a, uint32_t type) noexcept nogil:
    """free_cluster_info(): the tables that are left, those of clusters that the header or the end has a part of."""
    cdef const swap_info_t *si = &a.m.swap[type]
    cdef uint32_t first = si.base // cluster_slots(si)
    cdef uint32_t cpu, order
    table_free(a, si, first)
    table_free(a, si, (si.base + si.max - 1) // cluster_slots(si))
    slot_mut(a, si.base).flags = 0
    for cpu in range(a.m.nr_cpus):
        for order in range(NR_SWAP_ORDERS):
            if cpu_next_type(cpu_mut(a, cpu), order)[0] == type + 1:
                cpu_next_type(cpu_mut(a, cpu), order)[0] = cpu_next_offset(cpu_mut(a, cpu), order)[0] = 0


# --- taking slots ----------------------------------------------------------------------------------------------------------


cdef inline bint slot_is_free(const swap_slot_t *s) noexcept nogil:
    return s.count == 0 and not s.flags & (SLOT_CACHE | SLOT_BAD)


cdef inline bint slot_is_only_cached(const swap_slot_t *s) noexcept nogil:
    return s.count == 0 and s.flags & (SLOT_CACHE | SLOT_BAD) == SLOT_CACHE


cdef int reclaim_slot(arena_t *a, uint32_t record) noexcept nogil:
    """__try_to_reclaim_swap(): its folio leaves the cache, where nothing else holds on to it. The folio's pages, negative when it stays, 0: none."""
    return a.try_to_reclaim_swap(a, record) if a.try_to_reclaim_swap != NULL else 0


cdef uint32_t scan_range(arena_t *a, uint32_t record, uint32_t nr) noexcept nogil:
    """cluster_scan_range()."""
    cdef uint32_t found = RANGE_FREE, i
    for i in range(record, record + nr):
        if slot_is_free(slot_at(a, i)):
            continue
        if not slot_is_only_cached(slot_at(a, i)) or not vm_swap_full(a):
            return RANGE_TAKEN
        found = RANGE_CACHED
    return found


cdef bint reclaim_range(arena_t *a, uint32_t record, uint32_t nr) noexcept nogil:
    """cluster_reclaim_range(): true when all of it is free now."""
    cdef uint32_t at = record
    cdef int pages
    while at < record + nr:
        pages = 1
        if not slot_is_free(slot_at(a, at)):
            pages = reclaim_slot(a, at) if slot_is_only_cached(slot_at(a, at)) else 0
            if pages <= 0:
                break
        at += <uint32_t>pages
    for at in range(record, record + nr):
        if not slot_is_free(slot_at(a, at)):
            return False
    return True


cdef void relocate_cluster(arena_t *a, uint32_t type, uint32_t cluster) noexcept nogil:
    """What was taken of it, or tried to: it waits behind the others that were."""
    cdef const swap_cluster_t *c = cluster_mut(a, cluster)
    cdef uint32_t state = CLUSTER_FRAG if c.count < cluster_slots(&a.m.swap[type]) else CLUSTER_FULL
    if c.count == 0:
        cluster_free(a, type, cluster)
    elif c.state != state:
        cluster_move(a, type, cluster, state)


cdef inline uint32_t *area_next_offset(arena_t *a, uint32_t type, uint32_t order) noexcept nogil:
    return &orders_mut(a, type).next_offset[order - 1] if order else &a.m.swap[type].next_offset


cdef void set_next(arena_t *a, uint32_t type, uint32_t offset, uint32_t order) noexcept nogil:
    """Where the next slots are looked for: of a disk that turns by the area, else by the CPU."""
    cdef cpu_t *c
    if a.m.swap[type].flags & SWP_SOLIDSTATE:
        c = cpu_mut(a, a.cpu)
        cpu_next_type(c, order)[0] = type + 1
        cpu_next_offset(c, order)[0] = offset
    else:
        area_next_offset(a, type, order)[0] = offset


cdef inline void alloc_range(arena_t *a, uint32_t type, swap_cluster_t *c, uint32_t record, uint32_t order) noexcept nogil:
    """cluster_alloc_range(): whoever comes first says for which folios the cluster is."""
    cdef swap_info_t *si = &a.m.swap[type]
    cdef uint32_t nr = <uint32_t>1 << order, i
    if c.count == 0:
        c.order = <uint8_t>order
    for i in range(record, record + nr):
        slot_mut(a, i).flags = SLOT_CACHE
    c.count += <uint16_t>nr
    si.inuse_pages += nr
    a.m.nr_swap_pages -= nr


cdef inline uint32_t pass_taken(arena_t *a, uint32_t record, uint32_t end) noexcept nogil:
    """The first slot of one cluster, whose records stand in one chunk, that is free or may be taken from the cache."""
    cdef const swap_slot_t *s = slot_at(a, record)
    cdef bint full = vm_swap_full(a)
    while record < end and (s.count or s.flags & SLOT_BAD or (s.flags & SLOT_CACHE and not full)):
        record += 1
        s += 1
    return record


cdef uint32_t scan_cluster(arena_t *a, uint32_t type, uint32_t offset, uint32_t order) noexcept nogil:
    """alloc_swap_scan_cluster(): the first slots from offset to its cluster's end that are free, or that only the cache has when swap is half full. 0: none."""
    cdef swap_info_t *si = &a.m.swap[type]
    cdef uint32_t cluster = cluster_of(si, si.base + offset)
    cdef uint32_t end = min((cluster_of(si, offset) + 1) * cluster_slots(si), si.max)
    cdef uint32_t nr = <uint32_t>1 << order, found = 0, next = 0, what
    cdef swap_cluster_t *c = cluster_mut(a, cluster)
    if c.count + nr > cluster_slots(si) or not si.flags & SWP_WRITEOK:
        offset = end
    elif order == 0 and c.count:
        offset = pass_taken(a, si.base + offset, si.base + end) - si.base
    while offset + nr <= end:
        what = RANGE_FREE if c.count == 0 else scan_range(a, si.base + offset, nr)
        if what == RANGE_CACHED:
            if reclaim_range(a, si.base + offset, nr):
                what = RANGE_FREE
            if not cluster_is_usable(c, order):
                break
        if what == RANGE_FREE:
            found = offset
            alloc_range(a, type, c, si.base + offset, order)
            if c.count < cluster_slots(si) and offset + 2 * nr <= end:
                next = offset + nr
            break
        offset += nr
    relocate_cluster(a, type, cluster)
    set_next(a, type, next, order)
    return found


cdef uint32_t isolate_cluster(arena_t *a, uint32_t type, const cluster_list_t *list) noexcept nogil:
    """The head of a list, with a table; + 1, 0: none, or no memory for its table."""
    cdef uint32_t cluster = list.head
    if cluster == 0:
        return 0
    cluster_unlink(a, type, cluster - 1)
    if area_has_tables(a, type) and cluster_mut(a, cluster - 1).table == 0 and not table_alloc(a, &a.m.swap[type], cluster - 1, GFP_SWAP_TABLE):
        cluster_move(a, type, cluster - 1, CLUSTER_FREE)
        return 0
    return cluster


cdef uint32_t scan_list(arena_t *a, uint32_t type, uint32_t state, uint32_t of_order, uint32_t order, uint32_t most) noexcept nogil:
    """At most so many clusters of a list, that of one order."""
    cdef const cluster_list_t *list = list_of(a, type, state, of_order)
    cdef const swap_info_t *si = &a.m.swap[type]
    cdef uint32_t found = 0
    cdef uint32_t cluster
    while most and found == 0 and not a.err:
        most -= 1
        cluster = isolate_cluster(a, type, list)
        if cluster == 0:
            break
        found = scan_cluster(a, type, (cluster - 1) * cluster_slots(si) - si.base, order)
    return found


cdef void reclaim_full_clusters(arena_t *a, uint32_t type, bint force) noexcept nogil:
    """swap_reclaim_full_clusters(): slots of one full cluster that only the cache has, or of all."""
    cdef swap_info_t *si = &a.m.swap[type]
    cdef int64_t to_scan = si.inuse_pages // cluster_slots(si) if force else 1
    cdef uint32_t cluster, record, end
    cdef int pages
    while not a.err:
        cluster = isolate_cluster(a, type, &si.full_clusters)
        if cluster == 0:
            return
        to_scan -= 1
        record = (cluster - 1) * cluster_slots(si)
        end = min(record + cluster_slots(si), si.base + si.max)
        while record < end:
            pages = reclaim_slot(a, record) if slot_is_only_cached(slot_at(a, record)) else 0
            record += <uint32_t>abs(pages) if pages else 1
        if cluster_mut(a, cluster - 1).state == CLUSTER_NONE:
            relocate_cluster(a, type, cluster - 1)
        if to_scan <= 0:
            return


cdef uint32_t alloc_of_higher_order(arena_t *a, uint32_t type, uint32_t most) noexcept nogil:
    """A single slot of the clusters that large folios have."""
    cdef uint32_t found = 0, order = 1
    while order < NR_SWAP_ORDERS and found == 0 and area_has_orders(a, type):
        found = scan_list(a, type, CLUSTER_FRAG, order, 0, most)
        if found == 0:
            found = scan_list(a, type, CLUSTER_NONFULL, order, 0, most)
        order += 1
    return found


cdef uint32_t alloc_entry(arena_t *a, uint32_t type, uint32_t order) noexcept nogil:
    """cluster_alloc_swap_entry(): an offset, 0: the area has none."""
    cdef swap_info_t *si = &a.m.swap[type]
    cdef uint32_t all_ = si.max // cluster_slots(si) + 2
    cdef uint32_t found = 0, offset
    if order and not area_has_orders(a, type):
        return 0
    offset = area_next_offset(a, type, order)[0]  # of a solid-state disk: an older version's
    if offset:
        if si.flags & SWP_SOLIDSTATE:
            si.next_offset = 0
        if cluster_is_usable(cluster_mut(a, cluster_of(si, si.base + offset)), order):
            found = scan_cluster(a, type, offset, order)
    if found == 0 and order < a.m.arch.pmd_order:
        found = scan_list(a, type, CLUSTER_NONFULL, order, order, all_)
    if found == 0:
        found = scan_list(a, type, CLUSTER_FREE, 0, order, 1)
    if found:
        return found
    if vm_swap_full(a):
        reclaim_full_clusters(a, type, False)
    if order < a.m.arch.pmd_order:
        found = scan_list(a, type, CLUSTER_FRAG, order, order, 1)
    return found if found or order else alloc_of_higher_order(a, type, all_)


cdef inline bint stands_before(const swap_info_t *si, const swap_info_t *other) noexcept nogil:
    return si.prio > other.prio or (si.prio == other.prio and si.order < other.order)


cdef int next_area(arena_t *a, const swap_info_t *last) noexcept nogil:
    """The area with room that stands next after `last` (NULL: first): by priority, those of one priority in turn. -1: none."""
    cdef uint32_t type
    cdef int best = -1
    cdef const swap_info_t *si
    for type in range(a.m.nr_swapfiles):
        si = &a.m.swap[type]
        if not si.flags & SWP_WRITEOK or si.inuse_pages >= si.pages or (last != NULL and not stands_before(last, si)):
            continue
        if best < 0 or stands_before(si, &a.m.swap[best]):
            best = <int>type
    return best


cdef uint32_t alloc_slow(arena_t *a, uint32_t *type, uint32_t order) noexcept nogil:
    """swap_alloc_slow(): area after area, each of which goes behind those of its priority; for a large folio the first alone."""
    cdef int at = next_area(a, NULL)
    cdef int next
    cdef uint32_t offset = 0
    while at >= 0 and offset == 0 and not a.err:
        next = next_area(a, &a.m.swap[at])
        a.m.swap_order += 1
        a.m.swap[at].order = a.m.swap_order
        type[0] = <uint32_t>at
        offset = alloc_entry(a, type[0], order)
        at = -1 if order else next
    return offset


cdef uint32_t alloc_fast(arena_t *a, uint32_t *type, uint32_t order) noexcept nogil:
    """swap_alloc_fast(): where the CPU has come to."""
    cdef cpu_t *c = cpu_mut(a, a.cpu)
    cdef uint32_t offset = cpu_next_offset(c, order)[0]
    cdef const swap_info_t *si
    type[0] = cpu_next_type(c, order)[0] - 1
    if type[0] >= MAX_SWAP_AREAS or offset == 0:
        return 0
    si = &a.m.swap[type[0]]
    if not si.flags & SWP_USED or offset >= si.max or not cluster_is_usable(cluster_mut(a, cluster_of(si, si.base + offset)), order):
        return 0
    return scan_cluster(a, type[0], offset, order)


cdef uint32_t get_swap_slots(arena_t *a, uint32_t order) noexcept nogil:
    cdef uint32_t type = 0
    cdef uint32_t offset = alloc_fast(a, &type, order)
    cdef const swap_info_t *si
    if offset == 0:
        offset = alloc_slow(a, &type, order)
    if offset == 0:
        return 0
    si = &a.m.swap[type]
    if si.inuse_pages >= si.pages and vm_swap_full(a):  # the worker that looks for slots which only the cache has
        reclaim_full_clusters(a, type, True)
    return si.base + offset


cdef void put_swap_slot(arena_t *a, uint32_t record) noexcept nogil:
    cdef uint32_t type = swp_type(record_entry(a, record))
    cdef swap_info_t *si = &a.m.swap[type]
    cdef swap_slot_t *s = slot_mut(a, record)
    cdef swap_cluster_t *c = cluster_mut(a, cluster_of(si, record))
    if s.content:
        content_free(a, s.content)
    s.content = 0
    s.folio = 0
    s.count = 0
    s.flags = 0
    c.count -= 1
    si.inuse_pages -= 1
    a.m.nr_swap_pages += 1
    if c.count == 0:
        cluster_free(a, type, cluster_of(si, record))
    else:
        cluster_move(a, type, cluster_of(si, record), CLUSTER_NONFULL)


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


cdef uint32_t swap_pte_batch(arena_t *a, pfn_t table, uint32_t index, pte_t e, uint64_t max_nr) noexcept nogil:
    cdef uint32_t record = entry_record(a, pte_to_swp_entry(a, e))
    cdef uint32_t n = 1, memcg
    if record == 0:
        return 1
    memcg = slot_at(a, record).flags >> SLOT_MEMCG_SHIFT
    while n < max_nr and pte_load(a, table, index + n) == pte_move_swp_offset(a, e, n):
        if slot_at(a, record + n).flags >> SLOT_MEMCG_SHIFT != memcg:
            break
        n += 1
    return n


cdef uint32_t scan_used(arena_t *a, uint32_t type, uint32_t offset) noexcept nogil:
    cdef const swap_info_t *si = &a.m.swap[type]
    cdef const swap_slot_t *s
    while offset < si.max:
        s = slot_at(a, si.base + offset)
        if s.count or s.flags & SLOT_CACHE:
            return offset
        offset += 1
    return 0
