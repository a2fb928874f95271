"""The counters of /proc/vmstat and /proc/zoneinfo that each release printed, in its order.

Counterpart: vmstat_text[] in mm/vmstat.c of Linux 3.10, 4.4, 4.15, 5.4, 5.15, 6.1, 6.12 and 6.18, configured as a distribution does.

The simulated kernel counts as 6.18 does. A counter that has another name, or is kept by zone, in an older release is made of those
that took its place (DERIVED); one that has no successor counts what does not happen here and is 0. What a release kept by zone
and 6.18 keeps for the whole machine is shown in the highest zone that has memory.
"""

from __future__ import annotations

from vmtool.procfs.releases import CURRENT, EVER, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vmtool.records import ZoneInfo

BY_ZONE_ONLY = number("4.8")
"""Before it there were no counters of a node: all but events are kept by zone."""

TABLE = """
[old]
all       nr_free_pages
4.4-      nr_alloc_batch
all       nr_inactive_anon nr_active_anon nr_inactive_file nr_active_file nr_unevictable nr_mlock nr_anon_pages nr_mapped nr_file_pages
          nr_dirty nr_writeback nr_slab_reclaimable nr_slab_unreclaimable nr_page_table_pages nr_kernel_stack nr_unstable nr_bounce
          nr_vmscan_write nr_vmscan_immediate_reclaim nr_writeback_temp nr_isolated_anon nr_isolated_file nr_shmem nr_dirtied nr_written
4.4-      nr_pages_scanned
all       numa_hit numa_miss numa_foreign numa_interleave numa_local numa_other
4.4-      workingset_refault workingset_activate workingset_nodereclaim
all       nr_anon_transparent_hugepages nr_free_cma
[zone]
all       nr_free_pages
6.18-     nr_free_pages_blocks
all       nr_zone_inactive_anon nr_zone_active_anon nr_zone_inactive_file nr_zone_active_file nr_zone_unevictable nr_zone_write_pending
          nr_mlock
-5.4      nr_page_table_pages nr_kernel_stack
-6.12     nr_bounce
all       nr_zspages nr_free_cma
[numa]
all       numa_hit numa_miss numa_foreign numa_interleave numa_local numa_other
[node]
all       nr_inactive_anon nr_active_anon nr_inactive_file nr_active_file nr_unevictable nr_slab_reclaimable nr_slab_unreclaimable
          nr_isolated_anon nr_isolated_file
5.4-      workingset_nodes
5.15-     workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon
          workingset_restore_file
-5.4      workingset_refault workingset_activate
5.4-5.4   workingset_restore
all       workingset_nodereclaim nr_anon_pages nr_mapped nr_file_pages nr_dirty nr_writeback
-6.12     nr_writeback_temp
all       nr_shmem nr_shmem_hugepages nr_shmem_pmdmapped
5.4-      nr_file_hugepages nr_file_pmdmapped
all       nr_anon_transparent_hugepages
-5.4      nr_unstable
all       nr_vmscan_write nr_vmscan_immediate_reclaim nr_dirtied nr_written
6.1-      nr_throttled_written
5.4-      nr_kernel_misc_reclaimable
5.15-     nr_foll_pin_acquired nr_foll_pin_released nr_kernel_stack nr_page_table_pages
6.1-      nr_sec_page_table_pages
6.12-     nr_iommu_pages
5.15-     nr_swapcached
6.1-      pgpromote_success pgpromote_candidate
6.18-     pgpromote_candidate_nrl
6.12-     pgdemote_kswapd pgdemote_direct pgdemote_khugepaged
6.18-     pgdemote_proactive nr_hugetlb nr_balloon_pages nr_kernel_file_pages
[global]
all       nr_dirty_threshold nr_dirty_background_threshold
6.12-     nr_memmap_pages nr_memmap_boot_pages
[event]
all       pgpgin pgpgout pswpin pswpout pgalloc_dma pgalloc_dma32 pgalloc_normal pgalloc_movable
6.1-      pgalloc_device
4.15-     allocstall_dma allocstall_dma32 allocstall_normal allocstall_movable
6.1-      allocstall_device
4.15-     pgskip_dma pgskip_dma32 pgskip_normal pgskip_movable
6.1-      pgskip_device
all       pgfree pgactivate pgdeactivate
4.15-     pglazyfree
all       pgfault pgmajfault
4.15-     pglazyfreed pgrefill
5.15-     pgreuse
4.15-     pgsteal_kswapd pgsteal_direct
6.12-     pgsteal_khugepaged
6.18-     pgsteal_proactive
5.15-6.1  pgdemote_kswapd pgdemote_direct
4.15-     pgscan_kswapd pgscan_direct
6.12-     pgscan_khugepaged
6.18-     pgscan_proactive
-4.4      pgrefill_dma pgrefill_dma32 pgrefill_normal pgrefill_movable pgsteal_kswapd_dma pgsteal_kswapd_dma32 pgsteal_kswapd_normal
          pgsteal_kswapd_movable pgsteal_direct_dma pgsteal_direct_dma32 pgsteal_direct_normal pgsteal_direct_movable pgscan_kswapd_dma
          pgscan_kswapd_dma32 pgscan_kswapd_normal pgscan_kswapd_movable pgscan_direct_dma pgscan_direct_dma32 pgscan_direct_normal
          pgscan_direct_movable
all       pgscan_direct_throttle
5.15-     pgscan_anon pgscan_file pgsteal_anon pgsteal_file
6.12-     zone_reclaim_success
all       zone_reclaim_failed pginodesteal slabs_scanned kswapd_inodesteal kswapd_low_wmark_hit_quickly kswapd_high_wmark_hit_quickly
          pageoutrun
-4.4      allocstall
all       pgrotated
4.4-      drop_pagecache drop_slab
4.15-     oom_kill
all       numa_pte_updates numa_huge_pte_updates numa_hint_faults numa_hint_faults_local numa_pages_migrated pgmigrate_success
          pgmigrate_fail
5.15-     thp_migration_success thp_migration_fail thp_migration_split
all       compact_migrate_scanned compact_free_scanned compact_isolated compact_stall compact_fail compact_success
4.15-     compact_daemon_wake compact_daemon_migrate_scanned compact_daemon_free_scanned
all       htlb_buddy_alloc_success htlb_buddy_alloc_fail unevictable_pgs_culled unevictable_pgs_scanned unevictable_pgs_rescued
          unevictable_pgs_mlocked unevictable_pgs_munlocked unevictable_pgs_cleared unevictable_pgs_stranded thp_fault_alloc
          thp_fault_fallback
5.15-     thp_fault_fallback_charge
all       thp_collapse_alloc thp_collapse_alloc_failed
4.15-     thp_file_alloc
5.15-     thp_file_fallback thp_file_fallback_charge
4.15-     thp_file_mapped thp_split_page thp_split_page_failed thp_deferred_split_page
6.12-     thp_underused_split_page
4.15-     thp_split_pmd
6.1-      thp_scan_exceed_none_pte thp_scan_exceed_swap_pte thp_scan_exceed_share_pte
4.15-     thp_split_pud
-4.4      thp_split
all       thp_zero_page_alloc thp_zero_page_alloc_failed
4.15-     thp_swpout thp_swpout_fallback
4.4-      balloon_inflate balloon_deflate balloon_migrate
4.15-     swap_ra swap_ra_hit
6.12-     swpin_zero swpout_zero
6.1-      ksm_swpin_copy cow_ksm zswpin zswpout
6.12-     zswpwb
5.15-     direct_map_level2_splits direct_map_level3_splits
6.18-     direct_map_level2_collapses direct_map_level3_collapses
5.15-     nr_unstable
"""
"""By section: the releases from FIRST- to -LAST, both with it, then names."""

ZONES = ("dma", "dma32", "normal", "movable")
BY_ZONE = ("pgrefill", "pgsteal_kswapd", "pgsteal_direct", "pgscan_kswapd", "pgscan_direct")
DERIVED = {
    "workingset_refault": ("workingset_refault_anon", "workingset_refault_file"),
    "workingset_activate": ("workingset_activate_anon", "workingset_activate_file"),
    "workingset_restore": ("workingset_restore_anon", "workingset_restore_file"),
    "allocstall": tuple(f"allocstall_{zone}" for zone in (*ZONES, "device")),
    "thp_split": ("thp_split_page",),
}
OF_THE_ZONE = {
    "nr_inactive_anon": "nr_zone_inactive_anon", "nr_active_anon": "nr_zone_active_anon", "nr_inactive_file": "nr_zone_inactive_file",
    "nr_active_file": "nr_zone_active_file", "nr_unevictable": "nr_zone_unevictable",
}  # fmt: skip
"""What 6.18 still keeps by zone, under other names."""


def names(sections: Iterable[str], release: int) -> list[str]:
    """The counters of some sections that a release had."""
    found: list[str] = []
    section, is_there = "", False
    for line in TABLE.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
            continue
        words = line.split()
        if not line.startswith(" ") and words:
            since, dash, until = words.pop(0).partition("-")
            is_there = not dash or (number(since) if since else 0) <= release <= (number(until) if until else EVER)
        if section in sections and is_there:
            found += words
    return found


def whole(release: int) -> list[str]:
    """All of vmstat."""
    if release < BY_ZONE_ONLY:
        return names(("old", "global", "event"), release)
    return names(("zone", "numa", "node", "global", "event"), release)


def value(name: str, counters: Mapping[str, int], zone: str = "normal") -> int:
    """A counter of an older release from those of 6.18; `zone`: in which zone the whole machine's are shown."""
    if name in counters:
        return counters[name]
    if name in DERIVED:
        return sum(counters.get(part, 0) for part in DERIVED[name])
    event, _, of_zone = name.rpartition("_")
    if event in BY_ZONE and of_zone == zone:
        return counters.get(event, 0)
    return 0


def of_zone(zone: ZoneInfo, is_highest: bool, node_stats: Mapping[str, int], release: int) -> dict[str, int]:
    """The counters of a zone in zoneinfo."""
    if release >= CURRENT:
        return zone.stats
    if release >= BY_ZONE_ONLY:
        listed = names(("zone", "numa"), release)
        kept = {**(node_stats if is_highest else {}), **zone.stats}
    else:
        listed = names(("old",), release)
        kept = {**(node_stats if is_highest else {}), **{old: zone.stats.get(new, 0) for old, new in OF_THE_ZONE.items()}, **zone.stats}
    return {name: value(name, kept) for name in listed}


def of_node(node_stats: Mapping[str, int], release: int) -> Mapping[str, int]:
    """The counters of the node in zoneinfo."""
    if release >= CURRENT:
        return node_stats
    return {name: value(name, node_stats) for name in names(("node",), release)}
