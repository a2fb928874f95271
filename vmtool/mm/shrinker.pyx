"""Shrinkers.

Modelled: super_cache_scan() of the one file system: dentries and inodes by vfs_cache_pressure, in batches of 1024, what is less put off for
another time (nr_deferred); an inode with cached pages stays.
Counterpart: Linux v6.18 mm/shrinker.c:do_shrink_slab(), fs/super.c:super_cache_count(), fs/inode.c:inode_lru_isolate().
Simplified: an inode and its dentry go together, in the order of their records instead of an LRU's. The shadows' nodes have no shrinker.
"""

from vmtool.mm.inode cimport nr_prunable, prune_icache
from vmtool.mm.vmstat cimport NR_SLAB_RECLAIMABLE_B, NR_SLAB_UNRECLAIMABLE_B, SLABS_SCANNED, count_vm_events

cdef enum:
    SUPER_BATCH = 1024
    DEFAULT_SEEKS = 2


cdef uint64_t shrink_slab(arena_t *a, int priority, bint kswapd) noexcept nogil:
    """Counts: SLABS_SCANNED."""
    cdef uint64_t freeable = 2 * nr_prunable(a) * a.m.vfs_cache_pressure // 100
    cdef uint64_t deferred = a.m.nr_deferred[0]
    cdef uint64_t total, done = 0
    cdef int64_t before = a.m.node_stat[NR_SLAB_RECLAIMABLE_B] + a.m.node_stat[NR_SLAB_UNRECLAIMABLE_B]
    if freeable == 0:
        return 0
    total = min((deferred >> priority) + (freeable >> priority) * 4 // DEFAULT_SEEKS, 2 * freeable)
    while total >= SUPER_BATCH or total >= freeable:
        prune_icache(a, min(total, <uint64_t>SUPER_BATCH) // 2 + 1)
        count_vm_events(a, SLABS_SCANNED, <int64_t>min(total, <uint64_t>SUPER_BATCH))
        done += min(total, <uint64_t>SUPER_BATCH)
        total -= min(total, <uint64_t>SUPER_BATCH)
        if total == 0:
            break
    a.m.nr_deferred[0] = min(deferred + (freeable >> priority) * 4 // DEFAULT_SEEKS - min(done, deferred + (freeable >> priority) * 4 // DEFAULT_SEEKS),
                             2 * freeable)
    before -= a.m.node_stat[NR_SLAB_RECLAIMABLE_B] + a.m.node_stat[NR_SLAB_UNRECLAIMABLE_B]
    return <uint64_t>before >> a.m.arch.page_shift if before > 0 else 0
