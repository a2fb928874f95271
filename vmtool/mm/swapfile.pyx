"""Slots of swap areas, handed out cluster by cluster.

    free -> frag (a slot of it was taken) -> full;  nonfull: a slot of it was freed since;  all of it was: free

Modelled: clusters of 512 slots, or 256, with the lists of 6.18. The present cluster (of a CPU; on a disk that turns, of the area) is gone through upwards, then
those of which something was freed, then a free one, last one that was gone through. Areas by priority, those of one priority in turn. When swap is
half full a slot that only the cache has is taken from it: on the way through a cluster, of one full cluster when no other has room, and of all of
them when an area is full. A cluster that is not free has a table (swap_table): a page, or
where it is smaller an object.
Counterpart: Linux v6.18 mm/swapfile.c:cluster_alloc_swap_entry(), alloc_swap_scan_cluster(), relocate_cluster(), swap_entries_free(),
swap_reclaim_full_clusters(), swap_alloc_fast(), swap_alloc_slow(), swap_cluster_alloc_table().
# Deviation: single slots only; small tables are objects of kmalloc, in Linux of a cache of their own.
Invariants (fsck_swap): cluster.count = its slots that are in use; each cluster is on the list that its state says, and has a table unless it is free;
a slot is in use while an entry (count) or the swap cache (SLOT_CACHE) has it.
"""

from vmtool.mm.arena cimport content_free, cpu_mut, frame_mut, rec_mut
from vmtool.mm.arch cimport page_size
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.slab cimport CACHE_KMALLOC_1K, CACHE_KMALLOC_2K, kmem_cache_alloc, kmem_cache_free

cdef enum:
    GFP_SWAP_TABLE = GFP_KERNEL | GFP_ATOMIC | GFP_HIGH | GFP_NOMEMALLOC | GFP_NORETRY  # while a folio is on its way out


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
    if state == CLUSTER_FREE:
        return &si.free_clusters
    if state == CLUSTER_NONFULL:
        return &si.nonfull_clusters
    return &si.full_clusters if state == CLUSTER_FULL else &si.frag_clusters


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


cdef bint area_has_tables(arena_t *a, uint32_t type) noexcept nogil:
    """False: it was switched on by an older version."""
    return a.m.swap_kmem[type] != 0


cdef bint table_is_page(arena_t *a, const swap_info_t *si) noexcept nogil:
    return cluster_slots(si) * word_bytes(&a.m.arch) == page_size(&a.m.arch)


cdef inline uint32_t word_bytes(const arch_t *g) noexcept nogil:
    """sizeof(atomic_long_t): a slot's entry in the table."""
    return 8 if g.va_bits > 32 else 4


cdef int table_cache(arena_t *a) noexcept nogil:
    return CACHE_KMALLOC_2K if word_bytes(&a.m.arch) == 8 else CACHE_KMALLOC_1K


cdef inline uint32_t object_shift(arena_t *a) noexcept nogil:
    """Objects of their size lie at multiples of it."""
    return 11 if word_bytes(&a.m.arch) == 8 else 10


cdef uint64_t table_object(arena_t *a, uint32_t table) noexcept nogil:
    return <uint64_t>table << object_shift(a)


cdef bint table_alloc(arena_t *a, const swap_info_t *si, uint32_t cluster, uint32_t gfp) noexcept nogil:
    """swap_table_alloc(): a page, or where it is smaller an object."""
    cdef pfn_t pfn
    if not table_is_page(a, si):
        cluster_mut(a, cluster).table = <uint32_t>(kmem_cache_alloc(a, table_cache(a)) >> object_shift(a))
        return cluster_mut(a, cluster).table != 0
    pfn = alloc_pages(a, 0, gfp)
    if pfn == 0:
        return False
    frame_mut(a, pfn).flags |= PG_kernel
    cluster_mut(a, cluster).table = pfn
    return True


cdef void table_free(arena_t *a, const swap_info_t *si, uint32_t cluster) noexcept nogil:
    cdef swap_cluster_t *c = cluster_mut(a, cluster)
    if c.table and not table_is_page(a, si):
        kmem_cache_free(a, table_cache(a), table_object(a, c.table))
    elif c.table:
        frame_mut(a, c.table).flags &= ~<uint32_t>PG_kernel
        free_pages(a, c.table, 0)
    c.table = 0


cdef void cluster_free(arena_t *a, uint32_t type, uint32_t cluster) noexcept nogil:
    """Nothing of it is in use any more."""
    table_free(a, &a.m.swap[type], cluster)
    cluster_move(a, &a.m.swap[type], cluster, CLUSTER_FREE)


cdef inline bint cluster_is_usable(const swap_cluster_t *c) noexcept nogil:
    """It has a table and may have a free slot."""
    return c.state != CLUSTER_FREE and c.state != CLUSTER_FULL


cdef int swap_area_setup(arena_t *a, uint32_t type) noexcept nogil:
    """The first slot is the header: its cluster is not free, and comes first. What the last cluster lacks counts as in use. 0 or -ENOMEM."""
    cdef swap_info_t *si = &a.m.swap[type]
    cdef uint32_t first = si.base // cluster_slots(si)
    cdef uint32_t nr = (si.max + cluster_slots(si) - 1) // cluster_slots(si)
    cdef uint32_t i
    cdef swap_cluster_t *c
    for i in range(nr):
        c = cluster_mut(a, first + i)
        c.state = CLUSTER_NONE
        c.next = c.prev = 0
        c.table = 0
        c.count = <uint16_t>(i == 0)
        if i == nr - 1:
            c.count += <uint16_t>(nr * cluster_slots(si) - si.max)
        if c.count and not table_alloc(a, si, first + i, GFP_KERNEL | GFP_DIRECT_RECLAIM | GFP_NORETRY):
            table_free(a, si, first)
            return -ENOMEM
        cluster_move(a, si, first + i, CLUSTER_NONFULL if c.count else CLUSTER_FREE)
    slot_mut(a, si.base).flags = SLOT_BAD
    return 0


cdef void swap_area_release(arena_t *a, uint32_t type) noexcept nogil:
    """free_cluster_info(): the tables that are left, those of clusters that the header or the end has a part of."""
    cdef const swap_info_t *si = &a.m.swap[type]
    cdef uint32_t first = si.base // cluster_slots(si)
    cdef uint32_t cpu
    table_free(a, si, first)
    table_free(a, si, (si.base + si.max - 1) // cluster_slots(si))
    slot_mut(a, si.base).flags = 0
    for cpu in range(a.m.nr_cpus):
        if cpu_mut(a, cpu).swap_type == type + 1:
            cpu_mut(a, cpu).swap_type = cpu_mut(a, cpu).swap_offset = 0


# --- taking slots ----------------------------------------------------------------------------------------------------------

cdef inline bint slot_is_free(const swap_slot_t *s) noexcept nogil:
    return s.count == 0 and not s.flags & (SLOT_CACHE | SLOT_BAD)


cdef inline bint slot_is_only_cached(const swap_slot_t *s) noexcept nogil:
    return s.count == 0 and s.flags & (SLOT_CACHE | SLOT_BAD) == SLOT_CACHE


cdef bint reclaim_slot(arena_t *a, uint32_t record) noexcept nogil:
    """__try_to_reclaim_swap(): its folio leaves the cache, where nothing else holds on to it."""
    return a.try_to_reclaim_swap != NULL and a.try_to_reclaim_swap(a, record)


cdef void relocate_cluster(arena_t *a, uint32_t type, uint32_t cluster) noexcept nogil:
    """What was taken of it, or tried to: it waits behind the others that were."""
    cdef const swap_cluster_t *c = cluster_mut(a, cluster)
    if c.count == 0:
        cluster_free(a, type, cluster)
    else:
        cluster_move(a, &a.m.swap[type], cluster, CLUSTER_FRAG if c.count < cluster_slots(&a.m.swap[type]) else CLUSTER_FULL)


cdef void set_next(arena_t *a, uint32_t type, uint32_t offset) noexcept nogil:
    """Where the next slot is looked for: of a disk that turns by the area, else by the CPU."""
    cdef swap_info_t *si = &a.m.swap[type]
    if si.flags & SWP_SOLIDSTATE:
        cpu_mut(a, a.cpu).swap_type = type + 1
        cpu_mut(a, a.cpu).swap_offset = offset
    else:
        si.next_offset = offset


cdef uint32_t scan_cluster(arena_t *a, uint32_t type, uint32_t offset) noexcept nogil:
    """alloc_swap_scan_cluster(): the first slot from offset to its cluster's end that is free, or that only the cache has when swap is half full. 0: none."""
    cdef swap_info_t *si = &a.m.swap[type]
    cdef uint32_t cluster = (si.base + offset) // cluster_slots(si)
    cdef uint32_t end = min((offset // cluster_slots(si) + 1) * cluster_slots(si), si.max)
    cdef uint32_t found = 0, next = 0
    cdef swap_cluster_t *c = cluster_mut(a, cluster)
    cdef bint is_free
    if c.count >= cluster_slots(si) or not si.flags & SWP_WRITEOK:
        offset = end
    while offset < end:
        is_free = slot_is_free(slot_at(a, si.base + offset))
        if not is_free and slot_is_only_cached(slot_at(a, si.base + offset)) and vm_swap_full(a):
            is_free = reclaim_slot(a, si.base + offset)
            if not cluster_is_usable(c):
                break
        if is_free:
            found = offset
            slot_mut(a, si.base + offset).flags = SLOT_CACHE
            c.count += 1
            si.inuse_pages += 1
            a.m.nr_swap_pages -= 1
            if c.count < cluster_slots(si) and offset + 1 < end:
                next = offset + 1
            break
        offset += 1
    relocate_cluster(a, type, cluster)
    set_next(a, type, next)
    return found


cdef uint32_t isolate_cluster(arena_t *a, uint32_t type, const cluster_list_t *list) noexcept nogil:
    """The head of a list, with a table; + 1, 0: none, or no memory for its table."""
    cdef uint32_t cluster = list.head
    if cluster == 0:
        return 0
    cluster_unlink(a, &a.m.swap[type], cluster - 1)
    if area_has_tables(a, type) and cluster_mut(a, cluster - 1).table == 0 and not table_alloc(a, &a.m.swap[type], cluster - 1, GFP_SWAP_TABLE):
        cluster_move(a, &a.m.swap[type], cluster - 1, CLUSTER_FREE)
        return 0
    return cluster


cdef uint32_t scan_list(arena_t *a, uint32_t type, const cluster_list_t *list, uint32_t most) noexcept nogil:
    cdef const swap_info_t *si = &a.m.swap[type]
    cdef uint32_t found = 0
    cdef uint32_t cluster
    while most and found == 0 and not a.err:
        most -= 1
        cluster = isolate_cluster(a, type, list)
        if cluster == 0:
            break
        found = scan_cluster(a, type, (cluster - 1) * cluster_slots(si) - si.base)
    return found


cdef void reclaim_full_clusters(arena_t *a, uint32_t type, bint force) noexcept nogil:
    """swap_reclaim_full_clusters(): slots of one full cluster that only the cache has, or of all."""
    cdef swap_info_t *si = &a.m.swap[type]
    cdef int64_t to_scan = si.inuse_pages // cluster_slots(si) if force else 1
    cdef uint32_t cluster, record, end
    while not a.err:
        cluster = isolate_cluster(a, type, &si.full_clusters)
        if cluster == 0:
            return
        to_scan -= 1
        record = (cluster - 1) * cluster_slots(si)
        end = min(record + cluster_slots(si), si.base + si.max)
        while record < end:
            if slot_is_only_cached(slot_at(a, record)):
                reclaim_slot(a, record)
            record += 1
        if cluster_mut(a, cluster - 1).state == CLUSTER_NONE:
            relocate_cluster(a, type, cluster - 1)
        if to_scan <= 0:
            return


cdef uint32_t alloc_entry(arena_t *a, uint32_t type) noexcept nogil:
    """cluster_alloc_swap_entry(): an offset, 0: the area has none."""
    cdef swap_info_t *si = &a.m.swap[type]
    cdef uint32_t all_ = si.max // cluster_slots(si) + 2
    cdef uint32_t found = 0
    cdef uint32_t offset = si.next_offset  # of a solid-state disk: an older version's
    if offset:
        if si.flags & SWP_SOLIDSTATE:
            si.next_offset = 0
        if cluster_is_usable(cluster_mut(a, (si.base + offset) // cluster_slots(si))):
            found = scan_cluster(a, type, offset)
    if found == 0:
        found = scan_list(a, type, &si.nonfull_clusters, all_)
    if found == 0:
        found = scan_list(a, type, &si.free_clusters, 1)
    if found:
        return found
    if vm_swap_full(a):
        reclaim_full_clusters(a, type, False)
    return scan_list(a, type, &si.frag_clusters, 1)


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


cdef uint32_t alloc_slow(arena_t *a, uint32_t *type) noexcept nogil:
    """swap_alloc_slow(): area after area, each of which goes behind those of its priority."""
    cdef int at = next_area(a, NULL)
    cdef int next
    cdef uint32_t offset = 0
    while at >= 0 and offset == 0 and not a.err:
        next = next_area(a, &a.m.swap[at])
        a.m.swap_order += 1
        a.m.swap[at].order = a.m.swap_order
        type[0] = <uint32_t>at
        offset = alloc_entry(a, type[0])
        at = next
    return offset


cdef uint32_t get_swap_slot(arena_t *a) noexcept nogil:
    cdef uint32_t type = cpu_mut(a, a.cpu).swap_type - 1  # of the area that the CPU's cluster is in
    cdef uint32_t offset = cpu_mut(a, a.cpu).swap_offset
    cdef const swap_info_t *si
    if type < MAX_SWAP_AREAS and offset and a.m.swap[type].flags & SWP_USED and offset < a.m.swap[type].max and cluster_is_usable(
            cluster_mut(a, (a.m.swap[type].base + offset) // cluster_slots(&a.m.swap[type]))):
        offset = scan_cluster(a, type, offset)
    else:
        offset = 0
    if offset == 0:
        offset = alloc_slow(a, &type)
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
    cdef swap_cluster_t *c = cluster_mut(a, record // cluster_slots(si))
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
        cluster_free(a, type, record // cluster_slots(si))
    else:
        cluster_move(a, si, record // cluster_slots(si), CLUSTER_NONFULL)


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
