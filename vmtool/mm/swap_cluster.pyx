"""Clusters of slots: lists and tables.

    free -> frag (a slot of it was taken) -> full;  nonfull: a slot of it was freed since;  all of it was: free

A cluster belongs to the size of the folio that came first, until it is free again: of frag and nonfull there is a list for each. One that is not
free has a table (swap_table): a page, or where it is smaller an object.
# Deviation: small tables are objects of kmalloc, in Linux of a cache of their own.
Invariants (fsck_swap): each cluster is on the list that its state and its order say, and has a table unless it is free.
"""

from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport frame_mut
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.slab cimport CACHE_KMALLOC_1K, CACHE_KMALLOC_2K, kmem_cache_alloc, kmem_cache_free


cdef cluster_list_t *list_of(arena_t *a, uint32_t type, uint32_t state, uint32_t order) noexcept nogil:
    cdef swap_info_t *si = &a.m.swap[type]
    if state == CLUSTER_FREE:
        return &si.free_clusters
    if state == CLUSTER_FULL:
        return &si.full_clusters
    if 0 < order < NR_SWAP_ORDERS and area_has_orders(a, type):
        return &orders_mut(a, type).nonfull_clusters[order - 1] if state == CLUSTER_NONFULL else &orders_mut(a, type).frag_clusters[order - 1]
    return &si.nonfull_clusters if state == CLUSTER_NONFULL else &si.frag_clusters


cdef void cluster_unlink(arena_t *a, uint32_t type, uint32_t cluster) noexcept nogil:
    cdef swap_cluster_t *c = cluster_mut(a, cluster)
    cdef cluster_list_t *list
    if c.state == CLUSTER_NONE:
        return
    list = list_of(a, type, c.state, c.order)
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


cdef void cluster_move(arena_t *a, uint32_t type, uint32_t cluster, uint32_t state) noexcept nogil:
    cdef swap_cluster_t *c = cluster_mut(a, cluster)
    cdef cluster_list_t *list
    if c.state == state:
        return
    list = list_of(a, type, state, c.order)
    cluster_unlink(a, type, cluster)
    c.state = <uint8_t>state
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
    table_free(a, &a.m.swap[type], cluster)
    cluster_move(a, type, cluster, CLUSTER_FREE)
    cluster_mut(a, cluster).order = 0
