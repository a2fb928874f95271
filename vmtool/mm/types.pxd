# cython: language_level=3
"""The machine's own record; and, passed on to everybody, the records by subject (*_types.pxd), scalars, and flags' values (flags.pxd).

A record is a C struct with fixed-width fields, little-endian, of a size that divides a chunk; it names others by index (0 is null), so
a pool can be saved, compared and printed. The room that a struct names changes it, and those above it through that room. Whether a record is in use, and not on its
pool's free list, arena.pxd:rec_is_live says, and no field of it. Flags' values are Linux 6.18's for x86-64.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from vmtool.mm.arch_types cimport *
from vmtool.mm.cpu_types cimport *
from vmtool.mm.flags cimport *
from vmtool.mm.fs_types cimport *
from vmtool.mm.kmem_types cimport *
from vmtool.mm.mm_types cimport *
from vmtool.mm.mmzone_types cimport *
from vmtool.mm.reclaim_types cimport *
from vmtool.mm.scalars cimport *
from vmtool.mm.task_types cimport *

cdef struct trace_t:  # 64 bytes; trace.pyx
    uint32_t seq
    uint32_t event  # trace_event
    uint32_t pid
    uint32_t nr_args
    uint64_t arg[6]

# The machine itself: POOL_MACHINE, record 0 of one.
cdef struct machine_t:
    uint64_t magic
    uint64_t clock  # operations done
    uint64_t ram_bytes
    uint64_t max_pfn  # first frame number above RAM
    uint64_t swap_bytes
    uint64_t rng  # splitmix64 state: ASLR, random replacement
    uint64_t seed
    uint32_t nr_cpus
    uint32_t aslr
    uint32_t pcid
    uint32_t kpti
    uint32_t trace_on  # TRACE_ bits: 1 records for `trace` and `explain`, 2 the arena's tally (set on a copy, never saved)
    uint32_t trace_seq
    uint32_t trace_head  # records in POOL_TRACE of the last command
    uint32_t next_pid, nr_tasks, nr_zones
    char kernel[16]
    char tlb_spec[64]
    tlb_geom_t tlb_geom[8]  # by structure (tlb.pxd); tlb_more has the rest
    arch_t arch
    zone_t zone[NR_ZONES]
    reserved_t reserved[NR_RESERVED]
    uint32_t nr_reserved, nr_caches
    int32_t overcommit_memory  # from here on sysctls
    uint32_t overcommit_ratio
    uint64_t overcommit_kbytes, admin_reserve_kbytes, user_reserve_kbytes
    uint32_t swappiness, page_cluster
    uint64_t min_free_kbytes
    uint32_t max_map_count
    uint32_t dirty_ratio, dirty_background_ratio, vfs_cache_pressure
    uint32_t thp_enabled  # 0 never, 1 madvise, 2 always
    uint32_t thp_defrag  # 0 never 1 madvise 2 defer 3 defer+madvise 4 always
    uint32_t watermark_scale_factor
    uint32_t lowmem_reserve_ratio[NR_ZONES]
    uint32_t mmap_min_addr
    uint32_t ra_pages  # of the disk: 32
    uint64_t totalram_pages
    int64_t vm_committed_as
    uint64_t totalreserve_pages
    free_list_t lru_v1[NR_LRU_LISTS]  # where the first files had the lists that are in lruvec now
    pfn_t zero_pfn  # frames of note
    pfn_t huge_zero_pfn  # 0 until used
    uint32_t huge_zero_users
    pfn_t vdso_pfn[2]
    pfn_t vvar_pfn[6]
    pfn_t kernel_pgd
    uint64_t next_ino
    uint64_t next_shmem_ino
    uint32_t nr_inodes
    idx_t content_partial  # slot_t list: chunks of contents with room
    uint64_t nr_contents
    int64_t node_stat[64]  # node_stat_item
    int64_t event[160]  # vm_event_item
    int64_t zone_stat[NR_ZONES][8]
    uint32_t pid_max, max_threads  # kernel.pid_max, threads-max
    uint64_t dirty_bytes, dirty_background_bytes  # instead of the ratios, which are 0 then
    uint64_t nr_vmalloc_pages  # those of boot among them
    uint64_t nr_large_pages  # of kmalloc() beyond 8K, those of boot among them
    uint32_t nr_boot_stacks, nr_boot_tables  # stacks of the kernel's own threads, page tables of its own mappings: without records
    idx_t vmap_first  # vmap_area_t by address; vmalloc.pyx
    idx_t vmap_hint  # no hole of vmap_hint_pages lies before it; 0: from the start
    uint32_t vmap_hint_pages
    uint32_t nr_vmap_areas, nr_vmap_lazy, vmap_lazy_pages  # in use; freed and not yet purged
    idx_t kmem_first  # kmem_obj_t: what was allocated by hand; kmalloc.pyx
    uint32_t nr_boot_vmap  # free and busy areas of boot, without records
    idx_t pid_idr  # xnode_t root: the PIDs in use
    uint32_t cpu_features  # CPU_
    tlb_geom_t tlb_more[8]
    uint64_t committed_for_good  # pages of vm_committed_as that no area accounts for: nobody gives them back
    uint32_t knows_committed  # 0 in older files: committed_for_good is not
    idx_t sysroot  # name_t: the host's directory with programs of this architecture; 0: /
    uint32_t knows_memcg_stat  # 0 in older files: the counters of groups are not
    uint32_t shmem_huge  # transparent_hugepage/shmem_enabled: SHMEM_HUGE_
    uint32_t soft_dirty, user_min_free_kbytes  # CONFIG_MEM_SOFT_DIRTY; vm.min_free_kbytes as somebody wrote it, and one; 0: nobody did
    compaction_t compaction
    uint64_t asid_generation  # ARCH_ASID: above the bits of an ASID; mmu_context.pyx
    idx_t asid_map  # xnode_t root: 32 ASIDs a slot, those that this generation has given out
    uint32_t asid_next  # where the search for a free one begins
    uint16_t tlb_sizes[16]  # by structure: bit n, it holds pages of TLB_SIZES[n]; 0: those of its class
    uint64_t pad[3]
    # from here on later than the first format: zeros in old files
    lruvec_t lruvec  # of the root control group
    uint32_t layout  # of this record: 0 in the first files, MACHINE_LAYOUT now
    uint32_t kswapd_failures
    swap_info_t swap[MAX_SWAP_AREAS]
    int64_t nr_swap_pages  # free slots of all areas
    int64_t total_swap_pages
    uint32_t nr_swapfiles, nr_rotate_swap
    uint32_t swapin_readahead_hits, last_readahead_pages
    uint64_t prev_swap_offset
    uint32_t swap_io_head, swap_io_tail, swap_io_nr  # slots under write-back, by record, oldest first
    uint32_t swap_order  # counts areas as they are switched on
    uint64_t now_us  # the time since boot
    uint64_t flusher_us  # when the flusher runs next
    uint32_t watermark_boost_factor
    uint32_t dirty_writeback_centisecs, dirty_expire_centisecs
    uint32_t panic_on_oom, oom_kill_allocating_task, oom_dump_tasks
    uint32_t extfrag_threshold, compaction_proactiveness
    uint64_t nr_deferred[2]  # what the shrinkers of dentries and inodes put off
    uint64_t kmsg_first, kmsg_next  # lines of the log, by record: the oldest that is kept, the next
    uint32_t stock_memcg[2]  # pages charged ahead, of one group
    uint32_t stock_nr[2]
    uint32_t nr_memcgs, memcg_iter
    idx_t memcg_first  # children of the root
    uint32_t panicked
    hstate_t hstate[2]  # the first is that of the entry above the PTEs; hstate_more has the rest (hugetlb.pxd)
    page_counter_t root_memory
    page_counter_t root_swap
    int64_t memcg_event[NR_MEMCG_VM_EVENTS]  # what groups count and /proc/vmstat does not, or counts apart
    idx_t swap_kmem[MAX_SWAP_AREAS]  # kmem_obj_t list: what an area takes of the kernel's memory; 0: none, or of an older file
    khugepaged_t khugepaged
    uint32_t tmpfs_huge, pad_tmpfs  # huge= of the tmpfs mounts, SHMEM_HUGE_
    uint32_t huge_shmem_orders[4]  # hugepages-*kB/shmem_enabled, bit n: order n; SHMEM_ORDERS_. Of older files 0: khugepaged.known
    uint32_t thp_orders_always, thp_orders_madvise, thp_orders_inherit  # large_folio.pyx; hugepages-*kB/enabled: bit n, order n
    uint32_t knows_large_folios  # 0 in older files: what tails have of mappings is not
    free_list_t split_queue  # deferred_split: folios that no group pays for
    uint32_t ratelimit_pages  # at how many of cpu_t.bdp_ratelimits one looks; 0: of an older file
    uint64_t nr_deferred_split
    int64_t mthp_stat[NR_MTHP_ORDERS][NR_MTHP_STATS]  # hugepages-*kB/stats
    hstate_t hstate_more[NR_HSTATES - 2]
    free_list_t high_area[NR_ZONES][NR_ORDERS - NR_LOW_ORDERS][NR_MIGRATETYPES]  # free blocks of the orders that larger pages and arm have beside
