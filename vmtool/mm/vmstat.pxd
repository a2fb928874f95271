# cython: language_level=3
"""Level 2. Counters: per-zone, per-node and events, in /proc/vmstat's order and names.

Counterpart: Linux v6.18 include/linux/mmzone.h, include/linux/vm_event_item.h, mm/vmstat.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # zone_stat_item  # nr_free_pages is zone_t.free_pages
    NR_ZONE_INACTIVE_ANON
    NR_ZONE_ACTIVE_ANON
    NR_ZONE_INACTIVE_FILE
    NR_ZONE_ACTIVE_FILE
    NR_ZONE_UNEVICTABLE
    NR_ZONE_WRITE_PENDING
    NR_MLOCK

cdef enum:  # node_stat_item
    NR_INACTIVE_ANON
    NR_ACTIVE_ANON
    NR_INACTIVE_FILE
    NR_ACTIVE_FILE
    NR_UNEVICTABLE
    NR_SLAB_RECLAIMABLE_B
    NR_SLAB_UNRECLAIMABLE_B
    NR_ANON_MAPPED
    NR_FILE_MAPPED
    NR_FILE_PAGES
    NR_FILE_DIRTY
    NR_WRITEBACK
    NR_SHMEM
    NR_SHMEM_THPS
    NR_FILE_THPS
    NR_ANON_THPS
    NR_DIRTIED
    NR_WRITTEN
    NR_KERNEL_STACK_KB
    NR_PAGETABLE
    NR_SWAPCACHE
    NR_NODE_STATS

cdef enum:  # vm_event_item
    PGPGIN
    PGPGOUT
    PSWPIN
    PSWPOUT
    PGALLOC_DMA
    PGALLOC_DMA32
    PGALLOC_NORMAL
    PGALLOC_MOVABLE
    PGFREE
    PGACTIVATE
    PGDEACTIVATE
    PGLAZYFREE
    PGFAULT
    PGMAJFAULT
    PGLAZYFREED
    PGREUSE
    DROP_PAGECACHE
    DROP_SLAB
    UNEVICTABLE_PGCULLED
    UNEVICTABLE_PGMLOCKED
    UNEVICTABLE_PGMUNLOCKED
    UNEVICTABLE_PGCLEARED
    THP_FAULT_ALLOC
    THP_FAULT_FALLBACK
    THP_COLLAPSE_ALLOC
    THP_SPLIT_PAGE
    THP_DEFERRED_SPLIT_PAGE
    THP_SPLIT_PMD
    THP_ZERO_PAGE_ALLOC
    NR_TLB_LOCAL_FLUSH_ALL
    NR_TLB_LOCAL_FLUSH_ONE
    OOM_KILL
    NR_EVENTS

cdef inline void count_vm_event(arena_t *a, int item) noexcept nogil:
    a.m.event[item] += 1

cdef inline void count_vm_events(arena_t *a, int item, int64_t n) noexcept nogil:
    a.m.event[item] += n

cdef inline void mod_node_stat(arena_t *a, int item, int64_t n) noexcept nogil:
    a.m.node_stat[item] += n
