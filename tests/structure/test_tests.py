"""Where a room of the kernel is tested: tests/mm/test_ROOM.py (of sys_CALL test_CALL.py, too), or what TESTED_BY says."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted(path.stem for path in (ROOT / "vmtool" / "mm").glob("*.pyx") if not path.stem.startswith("_probe"))
TESTED_BY = {
    "tests/mm/test_overcommit.py": "mm_acct",
    "tests/mm/test_vma.py": "sys_mmap",
    "tests/mm/test_access_quick.py": "unmap_quick",
    "tests/mm/test_access_run.py": "tlb_run",
    "tests/mm/test_arm.py": "arch_arm",
    "tests/mm/test_arm64.py": "arch_arm64",
    "tests/mm/test_riscv.py": "arch_riscv",
    "tests/mm/test_zone.py": "memblock",
    "tests/mm/test_boot_refused.py": "boot",
    "tests/mm/test_buddy.py": "free_area pcp",
    "tests/mm/test_costs.py": "cred kmem_caches task task_objects",
    "tests/mm/test_asid.py": "fsck_tlb mmu_context",
    "tests/mm/test_damaged.py": "arena validate",
    "tests/mm/test_fileio.py": "filemap inode",
    "tests/mm/test_fsck_cache.py": "fsck_lru",
    "tests/mm/test_fsck_kmem.py": "fsck_slab",
    "tests/mm/test_fsck.py": "fsck_entries fsck_space show_fields",
    "tests/mm/test_direct_compaction.py": "compact_free compact_scan compact_state migrate",
    "tests/mm/test_hugetlb.py": "hstate hugetlb_pool sysctl_hugetlb",
    "tests/mm/test_khugepaged.py": "mm_slot",
    "tests/mm/test_kernel_areas.py": "direct_map fsck_kernel kernel_areas_arm64 kernel_areas_riscv module_areas set_memory",
    "tests/mm/test_kernel_areas_32.py": "boot_areas kernel_areas_arm",
    "tests/mm/test_kpti.py": "pti",
    "tests/mm/test_maple.py": "mtree vma_iter",
    "tests/mm/test_memcg_stat.py": "memcontrol oom_report printk",
    "tests/mm/test_mmu.py": "arch arch_x86",
    "tests/mm/test_pageout.py": "advise_pages folio_unmap",
    "tests/mm/test_pkeys.py": "sys_mseal sys_pkey",
    "tests/mm/test_random_use.py": "swap_cluster swap_fault swap_readahead swap_state swapfile",
    "tests/mm/test_reclaim.py": "kswapd lruvec oom_kill rmap_walk shrinker swap_lru vmscan workingset",
    "tests/mm/test_reclaim_told.py": "vmscan_list",
    "tests/mm/test_slab.py": "kmalloc kmem_boot slub",
    "tests/mm/test_sys_mremap.py": "move_tables",
    "tests/mm/test_swap.py": "shmem shmem_swap",
    "tests/mm/test_swap_back.py": "vmscan_putback",
    "tests/mm/test_thp_file.py": "folio_split thp_split",
    "tests/mm/test_mthp.py": "large_folio",
    "tests/mm/test_views.py": "show_proc show_smaps",
    "tests/mm/test_tlb_model.py": "tlb_spec",
    "tests/mm/test_vmscan_anon.py": "swapin_quick",
    "tests/outside/test_core_physical.py": "show_dump",
    "tests/outside/test_import_live.py": "adopt",
    "tests/outside/test_exec_live.py": "sys_exec",
    "tests/procfs/test_extfrag.py": "extfrag",
    "tests/procfs/test_written.py": "sys_clear_refs sys_mem",
    "tests/store/test_snapshots.py": "kmem_upgrade large_upgrade",
    "tests/views/test_kernel_map.py": "show_kernel",
}


def is_tested_by_name(room):
    return any((ROOT / "tests" / "mm" / f"test_{name}.py").exists() for name in (room, room.removeprefix("sys_")))


def test_every_room_says_where_it_is_tested():
    told = [room for rooms in TESTED_BY.values() for room in rooms.split()]
    for room in sorted({*ROOMS, *told}):
        if room not in ROOMS:
            pytest.fail(f"tests/structure/test_tests.py: TESTED_BY has {room}, which is no room of vmtool/mm", pytrace=False)
        if is_tested_by_name(room) + told.count(room) > 1:
            pytest.fail(f"tests/structure/test_tests.py: {room} has a test of its name and a line in TESTED_BY, or two", pytrace=False)
        if not is_tested_by_name(room) and room not in told:
            pytest.fail(f"tests/mm/test_{room.removeprefix('sys_')}.py: the room {room} has no test of its name, nor a line in TESTED_BY",
                        pytrace=False)
    assert [test for test in TESTED_BY if not (ROOT / test).exists()] == []
