"""/proc/meminfo, /proc/vmstat and zoneinfo's counters: which counter each figure is, and those that are computed.

Counterpart: Linux v6.18 fs/proc/meminfo.c:meminfo_proc_show(), mm/show_mem.c:si_mem_available(), mm/vmstat.c:vmstat_text[].
What cannot happen here (NUMA, compaction, zswap, KSM, memory cgroups ...) is 0, as on a kernel that was built with it and never used it.
# Deviation: numa_hit and numa_local stay 0, as with vm.numa_stat=0; there is no buffer cache.
"""

from vmtool.mm.arch cimport (ARCH_ARM, ARCH_ARM64, ARCH_ARM64_16K, ARCH_ARM64_64K, ARCH_I386, ARCH_I386_PAE, ARCH_NO_THP, ARCH_X86_64_LA57, is_riscv,
                             level_size, pages_to_kb)
from vmtool.mm.boot_areas cimport VMALLOC_OFFSET
from vmtool.mm.buddy cimport nr_free_pages
from vmtool.mm.frame cimport RESERVED_MEMMAP, RESERVED_PERCPU, WMARK_LOW, ZONE_DMA, ZONE_HIGHMEM, ZONE_NORMAL, wmark_pages
from vmtool.mm.free_area cimport free_area_count
from vmtool.mm.hstate cimport hugetlb_in_use, nr_resv
from vmtool.mm.large_folio cimport hpage_pmd_nr
from vmtool.mm.zone cimport lowmem_end, ram_start
from vmtool.mm.direct_map cimport direct_map_kb
from vmtool.mm.mm_acct cimport commit_limit, hugetlb_total_pages
from vmtool.mm.vmstat cimport *
from vmtool.mm.writeback cimport dirty_limit

cdef enum:  # what a line of vmstat reads
    NEVER
    FREE_PAGES
    FREE_BLOCKS
    ZONE_STAT
    NODE_STAT
    NODE_BYTES
    NODE_THPS  # counted in pages, printed in huge pages
    HUGETLB_IN_USE
    EVENT
    DIRTY_LIMIT
    MEMMAP_BOOT

cdef enum:
    MOVABLE_WMARK = 32  # the marks of a Movable zone without memory
    NR_VMSTAT = 192
    NR_ZONE_LINES = 17  # the first lines of vmstat are sums over the zones
    NODE_LINES_END = 68  # behind them the node's counters

cdef enum:  # lines of meminfo that not every kernel has
    HIGH_TOTAL = 14
    LOW_FREE = 17
    ANON_HUGE_PAGES = 43
    FILE_PMD_MAPPED = 47
    HUGE_PAGES_TOTAL = 49
    HUGETLB = 54
    DIRECT_MAP_4K = 55
    DIRECT_MAP_2M = 56
    DIRECT_MAP_1G = 57

cdef uint64_t VMALLOC_END_ARM = 0xFF800000
cdef uint64_t VMALLOC_END_I386 = 0xFEBFE000
cdef uint64_t VMALLOC_END_PAE = 0xFEFFE000
cdef uint64_t VMALLOC_KB_ARM64 = 135288315904
cdef uint64_t VMALLOC_KB_ARM64_16K = 68447887360
cdef uint64_t VMALLOC_KB_ARM64_64K = 137301581824  # by the formula that gives the one above: half the space less 3G, 8M and vmemmap's 128G

cdef struct vmstat_line:
    const char *name
    int kind
    int item

cdef vmstat_line VMSTAT[NR_VMSTAT]
VMSTAT[:] = [  # in the order of the file
    vmstat_line(b"nr_free_pages", FREE_PAGES, 0),
    vmstat_line(b"nr_free_pages_blocks", FREE_BLOCKS, 0),
    vmstat_line(b"nr_zone_inactive_anon", ZONE_STAT, NR_ZONE_INACTIVE_ANON),
    vmstat_line(b"nr_zone_active_anon", ZONE_STAT, NR_ZONE_ACTIVE_ANON),
    vmstat_line(b"nr_zone_inactive_file", ZONE_STAT, NR_ZONE_INACTIVE_FILE),
    vmstat_line(b"nr_zone_active_file", ZONE_STAT, NR_ZONE_ACTIVE_FILE),
    vmstat_line(b"nr_zone_unevictable", ZONE_STAT, NR_ZONE_UNEVICTABLE),
    vmstat_line(b"nr_zone_write_pending", ZONE_STAT, NR_ZONE_WRITE_PENDING),
    vmstat_line(b"nr_mlock", ZONE_STAT, NR_MLOCK),
    vmstat_line(b"nr_zspages", NEVER, 0),
    vmstat_line(b"nr_free_cma", NEVER, 0),
    vmstat_line(b"numa_hit", NEVER, 0),
    vmstat_line(b"numa_miss", NEVER, 0),
    vmstat_line(b"numa_foreign", NEVER, 0),
    vmstat_line(b"numa_interleave", NEVER, 0),
    vmstat_line(b"numa_local", NEVER, 0),
    vmstat_line(b"numa_other", NEVER, 0),
    vmstat_line(b"nr_inactive_anon", NODE_STAT, NR_INACTIVE_ANON),
    vmstat_line(b"nr_active_anon", NODE_STAT, NR_ACTIVE_ANON),
    vmstat_line(b"nr_inactive_file", NODE_STAT, NR_INACTIVE_FILE),
    vmstat_line(b"nr_active_file", NODE_STAT, NR_ACTIVE_FILE),
    vmstat_line(b"nr_unevictable", NODE_STAT, NR_UNEVICTABLE),
    vmstat_line(b"nr_slab_reclaimable", NODE_BYTES, NR_SLAB_RECLAIMABLE_B),
    vmstat_line(b"nr_slab_unreclaimable", NODE_BYTES, NR_SLAB_UNRECLAIMABLE_B),
    vmstat_line(b"nr_isolated_anon", NEVER, 0),
    vmstat_line(b"nr_isolated_file", NEVER, 0),
    vmstat_line(b"workingset_nodes", NODE_STAT, WORKINGSET_NODES),
    vmstat_line(b"workingset_refault_anon", NODE_STAT, WORKINGSET_REFAULT_ANON),
    vmstat_line(b"workingset_refault_file", NODE_STAT, WORKINGSET_REFAULT_FILE),
    vmstat_line(b"workingset_activate_anon", NODE_STAT, WORKINGSET_ACTIVATE_ANON),
    vmstat_line(b"workingset_activate_file", NODE_STAT, WORKINGSET_ACTIVATE_FILE),
    vmstat_line(b"workingset_restore_anon", NODE_STAT, WORKINGSET_RESTORE_ANON),
    vmstat_line(b"workingset_restore_file", NODE_STAT, WORKINGSET_RESTORE_FILE),
    vmstat_line(b"workingset_nodereclaim", NODE_STAT, WORKINGSET_NODERECLAIM),
    vmstat_line(b"nr_anon_pages", NODE_STAT, NR_ANON_MAPPED),
    vmstat_line(b"nr_mapped", NODE_STAT, NR_FILE_MAPPED),
    vmstat_line(b"nr_file_pages", NODE_STAT, NR_FILE_PAGES),
    vmstat_line(b"nr_dirty", NODE_STAT, NR_FILE_DIRTY),
    vmstat_line(b"nr_writeback", NODE_STAT, NR_WRITEBACK),
    vmstat_line(b"nr_shmem", NODE_STAT, NR_SHMEM),
    vmstat_line(b"nr_shmem_hugepages", NODE_THPS, NR_SHMEM_THPS),
    vmstat_line(b"nr_shmem_pmdmapped", NODE_THPS, NR_SHMEM_PMDMAPPED),
    vmstat_line(b"nr_file_hugepages", NODE_THPS, NR_FILE_THPS),
    vmstat_line(b"nr_file_pmdmapped", NODE_THPS, NR_FILE_PMDMAPPED),
    vmstat_line(b"nr_anon_transparent_hugepages", NODE_THPS, NR_ANON_THPS),
    vmstat_line(b"nr_vmscan_write", NODE_STAT, NR_VMSCAN_WRITE),
    vmstat_line(b"nr_vmscan_immediate_reclaim", NODE_STAT, NR_VMSCAN_IMMEDIATE),
    vmstat_line(b"nr_dirtied", NODE_STAT, NR_DIRTIED),
    vmstat_line(b"nr_written", NODE_STAT, NR_WRITTEN),
    vmstat_line(b"nr_throttled_written", NODE_STAT, NR_THROTTLED_WRITTEN),
    vmstat_line(b"nr_kernel_misc_reclaimable", NEVER, 0),
    vmstat_line(b"nr_foll_pin_acquired", NEVER, 0),
    vmstat_line(b"nr_foll_pin_released", NEVER, 0),
    vmstat_line(b"nr_kernel_stack", NODE_STAT, NR_KERNEL_STACK_KB),
    vmstat_line(b"nr_page_table_pages", NODE_STAT, NR_PAGETABLE),
    vmstat_line(b"nr_sec_page_table_pages", NEVER, 0),
    vmstat_line(b"nr_iommu_pages", NEVER, 0),
    vmstat_line(b"nr_swapcached", NODE_STAT, NR_SWAPCACHE),
    vmstat_line(b"pgpromote_success", NEVER, 0),
    vmstat_line(b"pgpromote_candidate", NEVER, 0),
    vmstat_line(b"pgpromote_candidate_nrl", NEVER, 0),
    vmstat_line(b"pgdemote_kswapd", NEVER, 0),
    vmstat_line(b"pgdemote_direct", NEVER, 0),
    vmstat_line(b"pgdemote_khugepaged", NEVER, 0),
    vmstat_line(b"pgdemote_proactive", NEVER, 0),
    vmstat_line(b"nr_hugetlb", HUGETLB_IN_USE, 0),
    vmstat_line(b"nr_balloon_pages", NEVER, 0),
    vmstat_line(b"nr_kernel_file_pages", NEVER, 0),
    vmstat_line(b"nr_dirty_threshold", DIRTY_LIMIT, 0),
    vmstat_line(b"nr_dirty_background_threshold", DIRTY_LIMIT, 1),
    vmstat_line(b"nr_memmap_pages", NEVER, 0),
    vmstat_line(b"nr_memmap_boot_pages", MEMMAP_BOOT, 0),
    vmstat_line(b"pgpgin", EVENT, PGPGIN),
    vmstat_line(b"pgpgout", EVENT, PGPGOUT),
    vmstat_line(b"pswpin", EVENT, PSWPIN),
    vmstat_line(b"pswpout", EVENT, PSWPOUT),
    vmstat_line(b"pgalloc_dma", EVENT, PGALLOC_DMA),
    vmstat_line(b"pgalloc_dma32", EVENT, PGALLOC_DMA32),
    vmstat_line(b"pgalloc_normal", EVENT, PGALLOC_NORMAL),
    vmstat_line(b"pgalloc_movable", EVENT, PGALLOC_MOVABLE),
    vmstat_line(b"pgalloc_device", NEVER, 0),
    vmstat_line(b"allocstall_dma", EVENT, ALLOCSTALL_DMA),
    vmstat_line(b"allocstall_dma32", EVENT, ALLOCSTALL_DMA32),
    vmstat_line(b"allocstall_normal", EVENT, ALLOCSTALL_NORMAL),
    vmstat_line(b"allocstall_movable", EVENT, ALLOCSTALL_MOVABLE),
    vmstat_line(b"allocstall_device", NEVER, 0),
    vmstat_line(b"pgskip_dma", EVENT, PGSCAN_SKIP_DMA),
    vmstat_line(b"pgskip_dma32", EVENT, PGSCAN_SKIP_DMA32),
    vmstat_line(b"pgskip_normal", EVENT, PGSCAN_SKIP_NORMAL),
    vmstat_line(b"pgskip_movable", EVENT, PGSCAN_SKIP_MOVABLE),
    vmstat_line(b"pgskip_device", NEVER, 0),
    vmstat_line(b"pgfree", EVENT, PGFREE),
    vmstat_line(b"pgactivate", EVENT, PGACTIVATE),
    vmstat_line(b"pgdeactivate", EVENT, PGDEACTIVATE),
    vmstat_line(b"pglazyfree", EVENT, PGLAZYFREE),
    vmstat_line(b"pgfault", EVENT, PGFAULT),
    vmstat_line(b"pgmajfault", EVENT, PGMAJFAULT),
    vmstat_line(b"pglazyfreed", EVENT, PGLAZYFREED),
    vmstat_line(b"pgrefill", EVENT, PGREFILL),
    vmstat_line(b"pgreuse", EVENT, PGREUSE),
    vmstat_line(b"pgsteal_kswapd", EVENT, PGSTEAL_KSWAPD),
    vmstat_line(b"pgsteal_direct", EVENT, PGSTEAL_DIRECT),
    vmstat_line(b"pgsteal_khugepaged", NEVER, 0),
    vmstat_line(b"pgsteal_proactive", EVENT, PGSTEAL_PROACTIVE),
    vmstat_line(b"pgscan_kswapd", EVENT, PGSCAN_KSWAPD),
    vmstat_line(b"pgscan_direct", EVENT, PGSCAN_DIRECT),
    vmstat_line(b"pgscan_khugepaged", NEVER, 0),
    vmstat_line(b"pgscan_proactive", EVENT, PGSCAN_PROACTIVE),
    vmstat_line(b"pgscan_direct_throttle", NEVER, 0),
    vmstat_line(b"pgscan_anon", EVENT, PGSCAN_ANON),
    vmstat_line(b"pgscan_file", EVENT, PGSCAN_FILE),
    vmstat_line(b"pgsteal_anon", EVENT, PGSTEAL_ANON),
    vmstat_line(b"pgsteal_file", EVENT, PGSTEAL_FILE),
    vmstat_line(b"zone_reclaim_success", NEVER, 0),
    vmstat_line(b"zone_reclaim_failed", NEVER, 0),
    vmstat_line(b"pginodesteal", EVENT, PGINODESTEAL),
    vmstat_line(b"slabs_scanned", EVENT, SLABS_SCANNED),
    vmstat_line(b"kswapd_inodesteal", EVENT, KSWAPD_INODESTEAL),
    vmstat_line(b"kswapd_low_wmark_hit_quickly", EVENT, KSWAPD_LOW_WMARK_HIT_QUICKLY),
    vmstat_line(b"kswapd_high_wmark_hit_quickly", EVENT, KSWAPD_HIGH_WMARK_HIT_QUICKLY),
    vmstat_line(b"pageoutrun", EVENT, PAGEOUTRUN),
    vmstat_line(b"pgrotated", EVENT, PGROTATED),
    vmstat_line(b"drop_pagecache", EVENT, DROP_PAGECACHE),
    vmstat_line(b"drop_slab", EVENT, DROP_SLAB),
    vmstat_line(b"oom_kill", EVENT, OOM_KILL),
    vmstat_line(b"numa_pte_updates", NEVER, 0),
    vmstat_line(b"numa_huge_pte_updates", NEVER, 0),
    vmstat_line(b"numa_hint_faults", NEVER, 0),
    vmstat_line(b"numa_hint_faults_local", NEVER, 0),
    vmstat_line(b"numa_pages_migrated", NEVER, 0),
    vmstat_line(b"pgmigrate_success", EVENT, PGMIGRATE_SUCCESS),
    vmstat_line(b"pgmigrate_fail", EVENT, PGMIGRATE_FAIL),
    vmstat_line(b"thp_migration_success", NEVER, 0),
    vmstat_line(b"thp_migration_fail", NEVER, 0),
    vmstat_line(b"thp_migration_split", NEVER, 0),
    vmstat_line(b"compact_migrate_scanned", EVENT, COMPACTMIGRATE_SCANNED),
    vmstat_line(b"compact_free_scanned", EVENT, COMPACTFREE_SCANNED),
    vmstat_line(b"compact_isolated", EVENT, COMPACTISOLATED),
    vmstat_line(b"compact_stall", EVENT, COMPACTSTALL),
    vmstat_line(b"compact_fail", EVENT, COMPACTFAIL),
    vmstat_line(b"compact_success", EVENT, COMPACTSUCCESS),
    vmstat_line(b"compact_daemon_wake", EVENT, KCOMPACTD_WAKE),
    vmstat_line(b"compact_daemon_migrate_scanned", EVENT, KCOMPACTD_MIGRATE_SCANNED),
    vmstat_line(b"compact_daemon_free_scanned", EVENT, KCOMPACTD_FREE_SCANNED),
    vmstat_line(b"htlb_buddy_alloc_success", EVENT, HTLB_BUDDY_PGALLOC),
    vmstat_line(b"htlb_buddy_alloc_fail", EVENT, HTLB_BUDDY_PGALLOC_FAIL),
    vmstat_line(b"unevictable_pgs_culled", EVENT, UNEVICTABLE_PGCULLED),
    vmstat_line(b"unevictable_pgs_scanned", EVENT, UNEVICTABLE_PGSCANNED),
    vmstat_line(b"unevictable_pgs_rescued", EVENT, UNEVICTABLE_PGRESCUED),
    vmstat_line(b"unevictable_pgs_mlocked", EVENT, UNEVICTABLE_PGMLOCKED),
    vmstat_line(b"unevictable_pgs_munlocked", EVENT, UNEVICTABLE_PGMUNLOCKED),
    vmstat_line(b"unevictable_pgs_cleared", EVENT, UNEVICTABLE_PGCLEARED),
    vmstat_line(b"unevictable_pgs_stranded", EVENT, UNEVICTABLE_PGSTRANDED),
    vmstat_line(b"thp_fault_alloc", EVENT, THP_FAULT_ALLOC),
    vmstat_line(b"thp_fault_fallback", EVENT, THP_FAULT_FALLBACK),
    vmstat_line(b"thp_fault_fallback_charge", EVENT, THP_FAULT_FALLBACK_CHARGE),
    vmstat_line(b"thp_collapse_alloc", EVENT, THP_COLLAPSE_ALLOC),
    vmstat_line(b"thp_collapse_alloc_failed", EVENT, THP_COLLAPSE_ALLOC_FAILED),
    vmstat_line(b"thp_file_alloc", EVENT, THP_FILE_ALLOC),
    vmstat_line(b"thp_file_fallback", EVENT, THP_FILE_FALLBACK),
    vmstat_line(b"thp_file_fallback_charge", EVENT, THP_FILE_FALLBACK_CHARGE),
    vmstat_line(b"thp_file_mapped", EVENT, THP_FILE_MAPPED),
    vmstat_line(b"thp_split_page", EVENT, THP_SPLIT_PAGE),
    vmstat_line(b"thp_split_page_failed", EVENT, THP_SPLIT_PAGE_FAILED),
    vmstat_line(b"thp_deferred_split_page", EVENT, THP_DEFERRED_SPLIT_PAGE),
    vmstat_line(b"thp_underused_split_page", EVENT, THP_UNDERUSED_SPLIT_PAGE),
    vmstat_line(b"thp_split_pmd", EVENT, THP_SPLIT_PMD),
    vmstat_line(b"thp_scan_exceed_none_pte", EVENT, THP_SCAN_EXCEED_NONE_PTE),
    vmstat_line(b"thp_scan_exceed_swap_pte", EVENT, THP_SCAN_EXCEED_SWAP_PTE),
    vmstat_line(b"thp_scan_exceed_share_pte", EVENT, THP_SCAN_EXCEED_SHARED_PTE),
    vmstat_line(b"thp_split_pud", NEVER, 0),
    vmstat_line(b"thp_zero_page_alloc", EVENT, THP_ZERO_PAGE_ALLOC),
    vmstat_line(b"thp_zero_page_alloc_failed", NEVER, 0),
    vmstat_line(b"thp_swpout", EVENT, THP_SWPOUT),
    vmstat_line(b"thp_swpout_fallback", EVENT, THP_SWPOUT_FALLBACK),
    vmstat_line(b"balloon_inflate", NEVER, 0),
    vmstat_line(b"balloon_deflate", NEVER, 0),
    vmstat_line(b"balloon_migrate", NEVER, 0),
    vmstat_line(b"swap_ra", EVENT, SWAP_RA),
    vmstat_line(b"swap_ra_hit", EVENT, SWAP_RA_HIT),
    vmstat_line(b"swpin_zero", EVENT, SWPIN_ZERO),
    vmstat_line(b"swpout_zero", EVENT, SWPOUT_ZERO),
    vmstat_line(b"ksm_swpin_copy", NEVER, 0),
    vmstat_line(b"cow_ksm", NEVER, 0),
    vmstat_line(b"zswpin", NEVER, 0),
    vmstat_line(b"zswpout", NEVER, 0),
    vmstat_line(b"zswpwb", NEVER, 0),
    vmstat_line(b"direct_map_level2_splits", NEVER, 0),
    vmstat_line(b"direct_map_level3_splits", NEVER, 0),
    vmstat_line(b"direct_map_level2_collapses", NEVER, 0),
    vmstat_line(b"direct_map_level3_collapses", NEVER, 0),
    vmstat_line(b"nr_unstable", NEVER, 0),
]

cdef const char *LABELS[NR_MEMINFO]
LABELS[:] = [
    b"MemTotal", b"MemFree", b"MemAvailable", b"Buffers", b"Cached", b"SwapCached",
    b"Active", b"Inactive", b"Active(anon)", b"Inactive(anon)", b"Active(file)", b"Inactive(file)",
    b"Unevictable", b"Mlocked", b"HighTotal", b"HighFree", b"LowTotal", b"LowFree", b"SwapTotal", b"SwapFree", b"Zswap", b"Zswapped",
    b"Dirty", b"Writeback", b"AnonPages", b"Mapped", b"Shmem", b"KReclaimable",
    b"Slab", b"SReclaimable", b"SUnreclaim", b"KernelStack", b"PageTables", b"SecPageTables",
    b"NFS_Unstable", b"Bounce", b"WritebackTmp", b"CommitLimit", b"Committed_AS", b"VmallocTotal",
    b"VmallocUsed", b"VmallocChunk", b"Percpu", b"AnonHugePages", b"ShmemHugePages", b"ShmemPmdMapped",
    b"FileHugePages", b"FilePmdMapped", b"Balloon", b"HugePages_Total", b"HugePages_Free", b"HugePages_Rsvd",
    b"HugePages_Surp", b"Hugepagesize", b"Hugetlb", b"DirectMap4k", b"DirectMap2M", b"DirectMap1G",
]


# --- sums ----------------------------------------------------------------------------------------------------------


cdef uint64_t reserved_pages(arena_t *a, uint32_t what) noexcept nogil:
    """Of one reserved_kind."""
    cdef uint64_t n = 0
    cdef uint32_t i
    for i in range(a.m.nr_reserved):
        if a.m.reserved[i].what == what:
            n += a.m.reserved[i].nr_pages
    return n


cdef int64_t available_pages(arena_t *a) noexcept nogil:
    """si_mem_available(): free memory, and half of what is cached at least, as long as the low watermarks stay."""
    cdef int64_t pagecache = a.m.node_stat[NR_ACTIVE_FILE] + a.m.node_stat[NR_INACTIVE_FILE]
    cdef int64_t reclaimable = a.m.node_stat[NR_SLAB_RECLAIMABLE_B] >> a.m.arch.page_shift
    cdef int64_t low = MOVABLE_WMARK  # for_each_zone() takes the empty ones too
    cdef int64_t n
    cdef uint32_t z
    for z in range(NR_ZONES):
        low += <int64_t>wmark_pages(&a.m.zone[z], WMARK_LOW)
    n = <int64_t>nr_free_pages(a) - <int64_t>a.m.totalreserve_pages
    n += pagecache - (pagecache // 2 if pagecache // 2 < low else low)
    n += reclaimable - (reclaimable // 2 if reclaimable // 2 < low else low)
    return n if n > 0 else 0


# --- vmstat and zoneinfo ----------------------------------------------------------------------------------------------


cdef uint32_t vmstat_count() noexcept nogil:
    return NR_VMSTAT


cdef const char *vmstat_name(uint32_t line) noexcept nogil:
    return VMSTAT[line].name


cdef bint vmstat_is_node_stat(uint32_t line) noexcept nogil:
    return NR_ZONE_LINES <= line < NODE_LINES_END


cdef uint32_t zone_stat_count() noexcept nogil:
    return NR_ZONE_LINES


cdef const char *zone_stat_name(uint32_t line) noexcept nogil:
    return VMSTAT[line].name


cdef int64_t zone_stat_value(arena_t *a, uint32_t zone, uint32_t line) noexcept nogil:
    cdef int64_t n = 0
    cdef uint32_t order
    cdef uint32_t mt
    if VMSTAT[line].kind == FREE_PAGES:
        return <int64_t>a.m.zone[zone].free_pages
    if VMSTAT[line].kind == FREE_BLOCKS:
        for order in range(a.m.arch.pageblock_order, a.m.arch.max_order + 1):
            for mt in range(NR_MIGRATETYPES):
                n += <int64_t>free_area_count(a, zone, order, mt) << order
        return n
    if VMSTAT[line].kind == ZONE_STAT:
        return a.m.zone_stat[zone][VMSTAT[line].item]
    return 0


cdef int64_t vmstat_value(arena_t *a, uint32_t line) noexcept nogil:
    cdef int kind = VMSTAT[line].kind
    cdef int item = VMSTAT[line].item
    cdef int64_t n = 0
    cdef uint32_t z
    if line < NR_ZONE_LINES:
        for z in range(NR_ZONES):
            n += zone_stat_value(a, z, line)
    elif kind == NODE_STAT:
        n = a.m.node_stat[item]
    elif kind == NODE_BYTES:
        n = a.m.node_stat[item] >> a.m.arch.page_shift
    elif kind == NODE_THPS:
        n = a.m.node_stat[item] // hpage_pmd_nr(a)
    elif kind == HUGETLB_IN_USE:
        n = <int64_t>hugetlb_in_use(a)
    elif kind == EVENT:
        n = a.m.event[item]
    elif kind == DIRTY_LIMIT:
        n = dirty_limit(a, item == 1)
    elif kind == MEMMAP_BOOT:
        n = <int64_t>reserved_pages(a, RESERVED_MEMMAP)
    return n


# --- meminfo -----------------------------------------------------------------------------------------------------------------


cdef bint is_about_huge_pages(uint32_t line) noexcept nogil:
    return ANON_HUGE_PAGES <= line <= FILE_PMD_MAPPED or HUGE_PAGES_TOTAL <= line <= HUGETLB


cdef const char *meminfo_label(const arch_t *g, uint32_t line) noexcept nogil:
    """HighTotal and its kin are of kernels with CONFIG_HIGHMEM; arm's has no huge pages; a direct map is told on x86, by the sizes that it has there."""
    if HIGH_TOTAL <= line <= LOW_FREE and not lowmem_end(g):
        return NULL
    if is_about_huge_pages(line) and g.flags & ARCH_NO_THP:
        return NULL
    if line >= DIRECT_MAP_4K and (g.id >= ARCH_ARM or (line == DIRECT_MAP_1G and lowmem_end(g))):
        return NULL
    if line == DIRECT_MAP_2M and g.id == ARCH_I386:
        return b"DirectMap4M"
    return LABELS[line]


# --- zones that there are ----------------------------------------------------------------------------------------------------


cdef bint zone_is_built(const arch_t *g, uint32_t zone) noexcept nogil:
    """CONFIG_ZONE_DMA (not on riscv64), _DMA32 (not with 32 bits), CONFIG_HIGHMEM (with 32 bits alone)."""
    if zone == ZONE_DMA:
        return not is_riscv(g)
    return zone == ZONE_NORMAL or (zone == ZONE_HIGHMEM) == (lowmem_end(g) != 0)


cdef const char *empty_zone_name(const arch_t *g, uint32_t i) noexcept nogil:
    if i == 0:
        return b"Movable"
    if i == 1 and not lowmem_end(g):
        return b"Device"
    return NULL


cdef uint64_t empty_zone_wmark(uint32_t i) noexcept nogil:
    return MOVABLE_WMARK if i == 0 else 0


cdef void fill_lru(arena_t *a, uint64_t *out) noexcept nogil:
    """Active .. Mlocked, lines 6 to 13."""
    cdef int64_t *n = a.m.node_stat
    out[0] = pages_to_kb(&a.m.arch, n[NR_ACTIVE_ANON] + n[NR_ACTIVE_FILE])
    out[1] = pages_to_kb(&a.m.arch, n[NR_INACTIVE_ANON] + n[NR_INACTIVE_FILE])
    out[2] = pages_to_kb(&a.m.arch, n[NR_ACTIVE_ANON])
    out[3] = pages_to_kb(&a.m.arch, n[NR_INACTIVE_ANON])
    out[4] = pages_to_kb(&a.m.arch, n[NR_ACTIVE_FILE])
    out[5] = pages_to_kb(&a.m.arch, n[NR_INACTIVE_FILE])
    out[6] = pages_to_kb(&a.m.arch, n[NR_UNEVICTABLE])
    out[7] = pages_to_kb(&a.m.arch, vmstat_value(a, 8))  # nr_mlock


cdef uint64_t vmalloc_kb(arena_t *a) noexcept nogil:
    """VMALLOC_TOTAL. With 32 bits what lowmem leaves, 8M behind its end (on arm from a multiple of 8M on); x86-64: to VMEMORY_END, inclusive."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t start
    cdef uint64_t limit = lowmem_end(g)
    if limit:
        start = g.page_offset + ((min(a.m.max_pfn, limit) - ram_start(g)) << g.page_shift) + VMALLOC_OFFSET
        if g.id == ARCH_ARM:
            return (VMALLOC_END_ARM - (start & ~<uint64_t>(VMALLOC_OFFSET - 1))) >> 10
        return ((VMALLOC_END_PAE if g.id == ARCH_I386_PAE else VMALLOC_END_I386) - start) >> 10
    if is_riscv(g):  # half of KERN_VIRT_SIZE, which is half of the upper half
        return (0 - g.kernel_start) // 4 >> 10
    if g.id >= ARCH_ARM64:
        return VMALLOC_KB_ARM64_16K if g.id == ARCH_ARM64_16K else VMALLOC_KB_ARM64_64K if g.id == ARCH_ARM64_64K else VMALLOC_KB_ARM64
    return (<uint64_t>(12800 if g.id == ARCH_X86_64_LA57 else 32) << 30) - 1


cdef void meminfo_fill(arena_t *a, uint64_t *out) noexcept nogil:
    cdef int64_t *n = a.m.node_stat
    cdef uint64_t direct[3]
    cdef uint32_t i
    for i in range(NR_MEMINFO):
        out[i] = 0
    out[0] = pages_to_kb(&a.m.arch, <int64_t>a.m.totalram_pages)
    out[1] = pages_to_kb(&a.m.arch, <int64_t>nr_free_pages(a))
    out[2] = pages_to_kb(&a.m.arch, available_pages(a))
    out[4] = pages_to_kb(&a.m.arch, n[NR_FILE_PAGES] - n[NR_SWAPCACHE])  # Buffers, line 3, are 0
    out[5] = pages_to_kb(&a.m.arch, n[NR_SWAPCACHE])
    fill_lru(a, &out[6])
    out[14] = pages_to_kb(&a.m.arch, <int64_t>a.m.zone[ZONE_HIGHMEM].managed_pages)
    out[15] = pages_to_kb(&a.m.arch, <int64_t>a.m.zone[ZONE_HIGHMEM].free_pages)
    out[16] = out[0] - out[14]
    out[17] = out[1] - out[15]
    out[18] = pages_to_kb(&a.m.arch, a.m.total_swap_pages)
    out[19] = pages_to_kb(&a.m.arch, a.m.nr_swap_pages)
    out[22] = pages_to_kb(&a.m.arch, n[NR_FILE_DIRTY])
    out[23] = pages_to_kb(&a.m.arch, n[NR_WRITEBACK])
    out[24] = pages_to_kb(&a.m.arch, n[NR_ANON_MAPPED])
    out[25] = pages_to_kb(&a.m.arch, n[NR_FILE_MAPPED])
    out[26] = pages_to_kb(&a.m.arch, n[NR_SHMEM])
    out[27] = out[29] = <uint64_t>n[NR_SLAB_RECLAIMABLE_B] >> 10
    out[30] = <uint64_t>n[NR_SLAB_UNRECLAIMABLE_B] >> 10
    out[28] = out[29] + out[30]
    out[31] = <uint64_t>n[NR_KERNEL_STACK_KB]
    out[32] = pages_to_kb(&a.m.arch, n[NR_PAGETABLE])
    out[37] = pages_to_kb(&a.m.arch, <int64_t>commit_limit(a))
    out[38] = pages_to_kb(&a.m.arch, a.m.vm_committed_as if a.m.vm_committed_as > 0 else 0)
    out[39] = vmalloc_kb(a)
    out[40] = pages_to_kb(&a.m.arch, <int64_t>a.m.nr_vmalloc_pages)
    out[42] = pages_to_kb(&a.m.arch, <int64_t>reserved_pages(a, RESERVED_PERCPU))
    out[43] = pages_to_kb(&a.m.arch, n[NR_ANON_THPS])
    out[44] = pages_to_kb(&a.m.arch, n[NR_SHMEM_THPS])
    out[45] = pages_to_kb(&a.m.arch, n[NR_SHMEM_PMDMAPPED])
    out[46] = pages_to_kb(&a.m.arch, n[NR_FILE_THPS])
    out[47] = pages_to_kb(&a.m.arch, n[NR_FILE_PMDMAPPED])
    out[49] = a.m.hstate[0].nr_huge_pages
    out[50] = a.m.hstate[0].free_huge_pages
    out[51] = <uint64_t>nr_resv(&a.m.hstate[0])
    out[52] = a.m.hstate[0].surplus_huge_pages
    out[53] = level_size(&a.m.arch, 1) >> 10
    out[54] = pages_to_kb(&a.m.arch, <int64_t>hugetlb_total_pages(a))
    direct_map_kb(a, direct)
    for i in range(3):
        out[DIRECT_MAP_4K + i] = direct[i]
