# cython: language_level=3
"""The records of reclaim, swap, the kernel's log and control groups (types.pxd passes them on).

Counterpart: include/linux/mmzone.h (lruvec), folio_batch.h, swap.h, mm/swap.h, page_counter.h, memcontrol.h, hugetlb.h.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from vmtool.mm.scalars cimport *

# lruvec: the LRU lists of one control group. Changed by lruvec.pyx; costs and ages by swap_lru.pyx, workingset.pyx and vmscan.pyx.
cdef struct lruvec_t:  # 312 bytes
    free_list_t lists[NR_LRU_LISTS]  # the unevictable ones are counted, not linked
    idx_t memcg  # whose; 0: the root's
    int64_t zone_size[NR_ZONES][NR_LRU_LISTS]  # pages
    uint64_t anon_cost  # what it cost lately to reclaim from each kind
    uint64_t file_cost
    uint64_t nonresident_age  # evictions and activations: the clock of refault distances
    int64_t refaults[2]  # workingset_activate at the last reclaim: anon, file
    uint64_t flags
    int64_t total[NR_LRU_LISTS]  # pages, those of the groups below too; the root's are the node's

cdef struct fbatch_t:  # 128 bytes: folio_batch; each folio in it has a reference for it
    uint32_t nr
    uint32_t folio[PAGEVEC_SIZE]

# What waits on one CPU to be moved between lists; swap_lru.pyx and mlock.pyx.
cdef struct cpu_fbatches_t:  # 1024 bytes
    fbatch_t lru_add
    fbatch_t lru_move_tail
    fbatch_t lru_deactivate_file
    fbatch_t lru_deactivate
    fbatch_t lru_lazyfree
    fbatch_t lru_activate
    fbatch_t mlock
    fbatch_t mlock_how  # by place in mlock: what is asked for

# What a swap area has of one page: swap_map, swap table, zeromap and the bytes on the device. swapfile.pyx; folio is swap_state.pyx's.
cdef struct swap_slot_t:  # 16 bytes
    uint32_t folio  # the swap cache's folio (SLOT_CACHE), or the shadow of the evicted one (SLOT_SHADOW)
    idx_t content  # bytes; 0: zeros
    uint16_t count  # entries of tables and page caches that name it
    uint16_t flags  # slot_flag
    uint32_t io_next  # under write-back: the next one, by record

cdef enum:  # slot_flag
    SLOT_BAD = 1  # the header
    SLOT_CACHE = 2
    SLOT_SHADOW = 4
    SLOT_ZERO = 8  # known to be zeros: never written to the device
    SLOT_WRITEBACK = 16  # of a large folio the first
    SLOT_CONT = 32  # shared memory has one entry for it and the slot before
    SLOT_MEMCG_SHIFT = 6  # the upper 10 bits: the group that pays for it

cdef struct swap_cluster_t:  # 16 bytes: swap_cluster_info; swapfile.pyx
    uint32_t next  # list by cluster + 1, 0 ends it
    uint32_t prev
    uint16_t count  # slots in use
    uint8_t state  # cluster_state
    uint8_t order  # of the folios that have slots in it
    uint32_t table  # frame of its swap table, while a slot of it may be in use; 0: none, or the area is of an older file

cdef struct cluster_list_t:
    uint32_t head
    uint32_t tail

cdef struct swap_info_t:  # swap_info_struct: one area; swapfile.pyx
    uint32_t flags  # SWP_
    int32_t prio
    uint32_t base  # its first record in POOL_SWAP, a multiple of 512
    uint32_t max  # slots, the header's included
    uint32_t pages  # usable ones
    uint32_t inuse_pages
    uint32_t next_offset  # where the present cluster goes on, 0: no cluster. Of a disk that does not turn each CPU has its own (cpu_t.swap_offset)
    uint32_t order  # when it was switched on, among areas of one priority
    cluster_list_t free_clusters
    cluster_list_t nonfull_clusters
    cluster_list_t full_clusters
    cluster_list_t frag_clusters

# What an area keeps for folios of 2, 4, .. 512 pages, by order - 1; for single pages it is in swap_info_t. swapfile.pyx
cdef struct swap_orders_t:  # 256 bytes
    cluster_list_t nonfull_clusters[NR_SWAP_ORDERS - 1]
    cluster_list_t frag_clusters[NR_SWAP_ORDERS - 1]
    uint32_t next_offset[NR_SWAP_ORDERS - 1]  # of a disk that turns
    uint32_t pad[19]

cdef struct kmsg_t:  # 256 bytes
    uint64_t time_us
    uint32_t len
    uint32_t level
    char text[240]

# page_counter: what a group has charged, and its limits, in pages. memcontrol.pyx
cdef struct page_counter_t:  # 112 bytes
    uint64_t usage
    uint64_t min
    uint64_t low
    uint64_t high
    uint64_t max
    uint64_t watermark
    uint64_t failcnt
    uint64_t emin
    uint64_t elow
    uint64_t min_usage  # of usage, what min and low protect
    uint64_t low_usage
    uint64_t children_min_usage
    uint64_t children_low_usage
    uint64_t pad

cdef enum:  # memory.events
    MEMCG_LOW
    MEMCG_HIGH
    MEMCG_MAX
    MEMCG_OOM
    MEMCG_OOM_KILL
    MEMCG_OOM_GROUP_KILL
    MEMCG_SWAP_HIGH
    MEMCG_SWAP_MAX
    MEMCG_SWAP_FAIL
    NR_MEMCG_EVENTS = 10
    NR_MEMCG_STATS = 48
    NR_MEMCG_VM_EVENTS = 80

cdef enum:  # memcg_stat_item: in memcg_t.stat behind those of node_stat_item
    MEMCG_KMEM = 40  # pages
    MEMCG_PERCPU_B

cdef struct memcg_t:  # 4096 bytes; 0 is the root, which keeps no record. memcontrol.pyx
    uint32_t state  # 1: there, 2: removed, but something is still charged to it
    idx_t parent
    idx_t first_child
    idx_t next_sibling
    idx_t name
    uint32_t nr_tasks
    uint32_t oom_group
    uint32_t nr_charged  # folios, slots, objects and groups below that name it
    page_counter_t memory
    page_counter_t swap
    lruvec_t lruvec
    int64_t stat[NR_MEMCG_STATS]  # node_stat_item, memcg_stat_item: of this group alone, and of those below it that are gone
    int64_t vm_event[NR_MEMCG_VM_EVENTS]  # likewise
    int64_t event[NR_MEMCG_EVENTS]  # hierarchical
    int64_t event_local[NR_MEMCG_EVENTS]
    uint64_t swappiness
    uint64_t obj_bytes  # charged objects of slabs
    uint64_t obj_stock  # paid for by the page, and not used
    free_list_t split_queue  # deferred_split: its large folios that may be split; large_folio.pyx
    uint32_t pad_split
    uint64_t nr_deferred_split
    uint64_t pad[287]

cdef enum:
    NR_HSTATES = 4  # HUGE_MAX_HSTATE

cdef struct hstate_t:  # 64 bytes: a pool of huge pages
    uint32_t order
    uint32_t nr_huge_pages
    uint32_t free_huge_pages
    uint32_t resv_huge_pages
    uint32_t surplus_huge_pages
    uint32_t nr_overcommit_huge_pages
    uint32_t free_head  # list by lru_next
    uint32_t max_huge_pages
    uint64_t pad[4]

cdef struct folio_x_t:  # 8 bytes, by the head's pfn
    idx_t memcg  # PG_charged: who pays
    uint32_t swap  # PG_swapcache: its record in POOL_SWAP

cdef enum:  # khugepaged_t.state
    KHUGEPAGED_IDLE = 0  # waits for a space to look at
    KHUGEPAGED_SLEEPS = 1  # until due_us
    KHUGEPAGED_ALLOC_SLEEPS = 2  # the same, in the middle of a scan: there was no huge page

# khugepaged: its settings, and where it is. Changed by mm_slot.pyx and khugepaged.pyx.
cdef struct khugepaged_t:
    uint32_t known  # 0 in older files: the settings below are not
    uint32_t defrag
    uint32_t pages_to_scan
    uint32_t scan_sleep_millisecs
    uint32_t alloc_sleep_millisecs
    uint32_t max_ptes_none, max_ptes_swap, max_ptes_shared
    uint32_t full_scans, pages_collapsed
    idx_t mm_head, mm_tail  # mm_t, by mm_slot_next: the spaces to look at, in the order of their coming
    idx_t mm_slot  # where it is; 0: at the head, or (is_dead) at a space that has ended
    uint32_t is_dead
    idx_t dead_next  # the space after the ended one
    uint32_t state
    uint64_t address  # in mm_slot: what is looked at next
    uint64_t due_us  # when it wakes
    uint32_t progress, pass_through_head  # of the scan that waits for a huge page
    uint32_t pages, pad0  # its pages_to_scan
    uint64_t pad[3]

# What compaction remembers of a zone (struct zone's compact_*), and kcompactd (pg_data_t's). compact_state.pyx, compaction.pyx.
cdef struct compact_zone_t:  # 56 bytes
    uint64_t cached_free_pfn  # where the scanners begin next time; 0, or outside the zone: at its ends
    uint64_t cached_migrate_pfn[2]  # async, sync
    uint64_t init_migrate_pfn  # where they began when the skip bits were reset last
    uint64_t init_free_pfn
    uint32_t considered  # compactions since the last that failed
    uint32_t defer_shift  # 1 << it of them are left out
    uint32_t order_failed  # the smallest order that failed
    uint32_t blockskip_flush  # the scanners met: kswapd resets the skip bits

cdef struct compaction_t:  # 256 bytes
    compact_zone_t zone[NR_ZONES]
    uint32_t kcompactd_max_order  # what it is wanted for; 0: nothing
    uint32_t kcompactd_highest  # zone + 1; 0: every zone
    uint32_t kcompactd_woken  # it runs when the processor is given away
    uint32_t unevictable_allowed  # vm.compact_unevictable_allowed
    uint64_t kcompactd_us  # when its sleep ends of itself
    uint64_t pad
