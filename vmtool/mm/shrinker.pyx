"""Shrinkers.

Modelled, in the order of their registration: deferred_split_scan() of large folios that are partly mapped or hold zeros; super_cache_scan() of the one file
system: dentries and inodes by vfs_cache_pressure. Each in batches, what is less put off for another time (nr_deferred); an inode with cached pages stays.
Counterpart: Linux v6.18 mm/shrinker.c:do_shrink_slab(), mm/huge_memory.c:deferred_split_scan(), fs/super.c:super_cache_count(), fs/inode.c:inode_lru_isolate().
Simplified: an inode and its dentry go together, in the order of their records instead of an LRU's. The shadows' nodes have no shrinker.
"""

from vmtool.mm.arena cimport frame_at, memcg_mut
from vmtool.mm.inode cimport nr_prunable, prune_icache
from vmtool.mm.large_folio cimport next_in_queue, partially_mapped, requeue, unqueue_deferred_split
from vmtool.mm.thp_split cimport split_anon_folio, thp_underused
from vmtool.mm.vmstat cimport NR_SLAB_RECLAIMABLE_B, NR_SLAB_UNRECLAIMABLE_B, SLABS_SCANNED, THP_UNDERUSED_SPLIT_PAGE, count_vm_events

cdef enum:
    SHRINK_BATCH = 128
    SUPER_BATCH = 1024
    DEFAULT_SEEKS = 2

ctypedef bint (*scan_fn)(arena_t *a, idx_t memcg, uint64_t nr_to_scan) noexcept nogil  # scan_objects(); false: SHRINK_STOP


cdef inline free_list_t *queue_of(arena_t *a, idx_t memcg) noexcept nogil:
    return &memcg_mut(a, memcg).split_queue if memcg else &a.m.split_queue


cdef bint deferred_split_scan(arena_t *a, idx_t memcg, uint64_t nr_to_scan) noexcept nogil:
    """The oldest of the queue, the newest of them first; those that cannot be split are queued again, if they are partly mapped."""
    cdef pfn_t taken[SHRINK_BATCH]
    cdef uint32_t nr = 0, split = 0
    cdef pfn_t at = queue_of(a, memcg).head
    cdef bint underused
    while at and nr < min(nr_to_scan, <uint64_t>SHRINK_BATCH):
        taken[nr] = at
        nr += 1
        at = next_in_queue(a, at)
    while nr and not a.err:
        nr -= 1
        at = taken[nr]
        underused = not partially_mapped(a, at) and not frame_at(a, at).flags & PG_mlocked and thp_underused(a, at)
        if (underused or partially_mapped(a, at)) and split_anon_folio(a, at):
            split += 1
            count_vm_events(a, THP_UNDERUSED_SPLIT_PAGE, underused)
        elif partially_mapped(a, at):
            requeue(a, at)
        else:
            unqueue_deferred_split(a, at)
    return split != 0 or queue_of(a, memcg).head != 0


cdef bint super_cache_scan(arena_t *a, idx_t memcg, uint64_t nr_to_scan) noexcept nogil:
    prune_icache(a, nr_to_scan // 2 + 1)
    return True


cdef uint64_t do_shrink_slab(arena_t *a, idx_t memcg, uint64_t freeable, uint64_t deferred, int priority, uint64_t batch, scan_fn scan) noexcept nogil:
    """Returns what is put off. Counts: SLABS_SCANNED."""
    cdef uint64_t delta = (freeable >> priority) * 4 // DEFAULT_SEEKS
    cdef uint64_t total = min((deferred >> priority) + delta, 2 * freeable)
    cdef uint64_t done = 0, nr
    while total and (total >= batch or total >= freeable):
        nr = min(total, batch)
        if not scan(a, memcg, nr):
            break
        count_vm_events(a, SLABS_SCANNED, <int64_t>nr)
        done += nr
        total -= nr
    return min(deferred + delta - min(done, deferred + delta), 2 * freeable)


cdef void drop_deferred(arena_t *a) noexcept nogil:
    cdef idx_t memcg
    for memcg in range(a.pool[POOL_MEMCG].count if a.m.nr_memcgs else 1):
        if queue_of(a, memcg).nr_free:
            do_shrink_slab(a, memcg, queue_of(a, memcg).nr_free, 0, 0, SHRINK_BATCH, deferred_split_scan)


cdef uint64_t shrink_slab(arena_t *a, idx_t memcg, int priority) noexcept nogil:
    cdef int64_t before = a.m.node_stat[NR_SLAB_RECLAIMABLE_B] + a.m.node_stat[NR_SLAB_UNRECLAIMABLE_B]
    cdef uint64_t freeable = queue_of(a, memcg).nr_free
    cdef uint64_t *deferred = &memcg_mut(a, memcg).nr_deferred_split if memcg else &a.m.nr_deferred_split
    if freeable:
        deferred[0] = do_shrink_slab(a, memcg, freeable, deferred[0], priority, SHRINK_BATCH, deferred_split_scan)
    if memcg:
        return 0
    freeable = 2 * nr_prunable(a) * a.m.vfs_cache_pressure // 100
    if freeable:
        a.m.nr_deferred[0] = do_shrink_slab(a, 0, freeable, a.m.nr_deferred[0], priority, SUPER_BATCH, super_cache_scan)
    before -= a.m.node_stat[NR_SLAB_RECLAIMABLE_B] + a.m.node_stat[NR_SLAB_UNRECLAIMABLE_B]
    return <uint64_t>before >> a.m.arch.page_shift if before > 0 else 0
