"""Reclaim, the LRU's batches, refaults, the OOM killer, control groups."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from vmtool.errors import KernelError, Signal  # noqa: E402

PAGE = 4096
MIB = 1 << 20
RW, PRIVATE = 3, 0x4022
MADV_FREE = 8
EBUSY, ENOENT, EEXIST, EAGAIN = 16, 2, 17, 11
BATCH = 31


def machine_of(ram=96 * MIB, swap=0):
    machine = core.Machine()
    machine.boot(ram_bytes=ram, swap_bytes=swap)
    machine.set_sysctl("vm.watermark_boost_factor", "0")
    return machine, machine.spawn("a", None, [b"a"], [])


def area(machine, pid, nr_bytes):
    base = machine.mmap(pid, 0, nr_bytes, RW, PRIVATE)
    machine.touch(pid, base, PAGE, "w")  # its anon_vma and tables
    return base


# --- batches -------------------------------------------------------------------------------------------------------------

def test_new_pages_join_their_list_thirty_one_at_a_time():
    machine, pid = machine_of()
    base = area(machine, pid, 200 * PAGE)
    machine.drop_caches(1)  # drains
    counts = set()
    for i in range(1, 100):
        machine.touch(pid, base + i * PAGE, PAGE, "w")
        counts.add(machine.vmstat()["nr_inactive_anon"])
    steps = sorted(counts)
    assert [b - a for a, b in zip(steps, steps[1:], strict=False)] == [BATCH] * 3


def test_an_unmapped_page_that_waits_in_a_batch_is_freed_with_it():
    """munmap() does not drain: mm_lru_insertion shows nothing at it on 6.18; MADV_FREE does, at once."""
    machine, pid = machine_of()
    base = area(machine, pid, 200 * PAGE)
    machine.touch(pid, base, 31 * PAGE, "w")
    free = machine.meminfo()["MemFree"]
    machine.munmap(pid, base, 64 * PAGE)
    held = machine.meminfo()["MemFree"] - free
    base = area(machine, pid, PAGE)
    machine.madvise(pid, base, PAGE, MADV_FREE)
    assert machine.vmstat()["nr_inactive_anon"] + machine.vmstat()["nr_active_anon"] == machine.vmstat()["nr_anon_pages"]
    assert held < 31 * 4
    assert machine.fsck() == []


def test_lazily_freed_pages_wait_for_their_batch():
    machine, pid = machine_of()
    base = area(machine, pid, 64 * PAGE)
    machine.touch(pid, base, 64 * PAGE, "w")
    machine.madvise(pid, base, 30 * PAGE, MADV_FREE)
    assert machine.vmstat()["pglazyfree"] == 0
    machine.madvise(pid, base + 30 * PAGE, PAGE, MADV_FREE)  # drains first
    assert machine.vmstat()["pglazyfree"] == 30


# --- reclaim ---------------------------------------------------------------------------------------------------------------

def test_the_page_cache_gives_way_and_no_process_is_killed():
    machine, pid = machine_of()
    machine.mkfile("/f", 128 * MIB)
    for at in range(0, 128, 16):
        assert len(machine.read(pid, "/f", at * MIB, 16 * MIB)) == 16 * MIB
    cached = machine.meminfo()["Cached"]
    base = area(machine, pid, 40 * MIB)
    machine.touch(pid, base, 40 * MIB, "w")
    assert machine.meminfo()["Cached"] < cached - 30 * 1024
    assert machine.vmstat()["pgsteal_kswapd"] > 0
    assert machine.vmstat()["oom_kill"] == 0
    assert machine.fsck() == []


def test_a_file_that_fits_beside_a_stream_is_protected_once_it_was_read_twice():
    machine, pid = machine_of(ram=128 * MIB)
    machine.mkfile("/hot", 16 * MIB)
    machine.mkfile("/stream", 256 * MIB)
    for _ in range(2):
        machine.read(pid, "/hot", 0, 16 * MIB)
    for at in range(0, 256, 16):
        machine.read(pid, "/stream", at * MIB, 16 * MIB)
    assert machine.file("/hot").nr_pages >= 16 * 256 - 64
    assert machine.fsck() == []


def test_what_comes_back_soon_after_its_eviction_comes_back_active():
    machine, pid = machine_of()
    machine.mkfile("/f", 128 * MIB)
    for _ in range(3):
        for at in range(0, 128, 8):
            machine.read(pid, "/f", at * MIB, 8 * MIB)
    counters = machine.vmstat()
    assert counters["workingset_refault_file"] > 0
    assert machine.fsck() == []


def test_dirty_cache_is_written_before_it_goes():
    machine, pid = machine_of()
    machine.mkfile("/f", 64 * MIB)
    base = machine.mmap(pid, 0, 64 * MIB, RW, 1, "/f")
    for at in range(0, 64 * 256, 61):
        machine.store(pid, base + at * PAGE, b"%d" % at)
    machine.touch(pid, base, 64 * MIB, "w")
    for at in range(0, 64 * 256, 61):
        assert machine.load(pid, base + at * PAGE, 8).rstrip(b"\0") == b"%d" % at
    assert machine.fsck() == []


# --- the OOM killer ------------------------------------------------------------------------------------------------------------

def test_the_largest_process_is_killed_and_the_log_says_so():
    machine, pid = machine_of()
    other = machine.spawn("b", None, [b"b"], [])
    machine.touch(other, area(machine, other, 4 * MIB), 4 * MIB, "w")
    base = area(machine, pid, 256 * MIB)
    with pytest.raises(Signal) as killed:
        machine.touch(pid, base, 256 * MIB, "w")
    assert killed.value.signo == 9
    assert [task.pid for task in machine.tasks()] == [other]
    log = [line for _, line in machine.kmsg()]
    gfp = "0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP)"
    assert log[0].startswith(f"a invoked oom-killer: gfp_mask={gfp}, order=0, oom_score_adj=0")
    assert log[-1].startswith(f"Out of memory: Killed process {pid} (a) total-vm:")
    assert machine.vmstat()["oom_kill"] == 1
    assert machine.fsck() == []


def test_a_victim_with_a_higher_adjustment_dies_first_and_the_allocation_goes_on():
    machine, pid = machine_of()
    other = machine.spawn("b", None, [b"b"], [])
    machine.touch(other, area(machine, other, 8 * MIB), 8 * MIB, "w")
    machine.set_oom_score_adj(other, 1000)
    base = area(machine, pid, 256 * MIB)
    with pytest.raises(Signal):
        machine.touch(pid, base, 256 * MIB, "w")
    assert machine.tasks() == []
    killed = [line for _, line in machine.kmsg() if "Killed process" in line]
    assert [int(line.split("Killed process ")[1].split()[0]) for line in killed] == [other, pid]
    assert machine.fsck() == []


def test_oom_score_is_badness_in_thousandths():
    """(1000 + 1000 * points / total) * 2 / 3 in whole numbers, where adj is points of total / 1000 each; adj -1000: 0."""
    machine, pid = machine_of()
    total = machine.meminfo()["MemTotal"] // 4
    assert machine.oom_score(pid) == 666
    machine.set_oom_score_adj(pid, 300)
    assert machine.oom_score(pid) == (1000 + 300 * (total // 1000) * 1000 // total) * 2 // 3
    machine.set_oom_score_adj(pid, -1000)
    assert machine.oom_score(pid) == 0


# --- control groups ---------------------------------------------------------------------------------------------------------

def test_a_group_stays_below_its_limit():
    machine, pid = machine_of(ram=256 * MIB, swap=64 * MIB)
    machine.cgroup_create("g")
    machine.cgroup_set("g", "memory.max", 16 * MIB)
    machine.cgroup_move("g", pid)
    base = area(machine, pid, 32 * MIB)
    machine.touch(pid, base, 32 * MIB, "w")
    files = machine.cgroup("g")
    assert files["memory.current"] <= 16 * MIB
    assert files["memory.peak"] == 16 * MIB
    assert files["memory.events"]["max"] > 0
    assert files["memory.swap.current"] >= 16 * MIB
    assert machine.fsck() == []
    machine.exit(pid)
    machine.cgroup_remove("g")
    assert machine.cgroups() == []
    assert machine.fsck() == []


def test_a_group_without_swap_kills_within_itself():
    machine, outside = machine_of(ram=256 * MIB)
    inside = machine.spawn("b", None, [b"b"], [])
    machine.cgroup_create("g")
    machine.cgroup_set("g", "memory.max", 8 * MIB)
    machine.cgroup_move("g", inside)
    machine.touch(outside, area(machine, outside, 32 * MIB), 32 * MIB, "w")
    with pytest.raises(Signal):
        machine.touch(inside, area(machine, inside, 16 * MIB), 16 * MIB, "w")
    assert [task.pid for task in machine.tasks()] == [outside]
    assert machine.cgroup("g")["memory.events"]["oom_kill"] == 1
    assert machine.kmsg()[-1][1].startswith(f"Memory cgroup out of memory: Killed process {inside} (b)")
    assert machine.fsck() == []


def test_groups_are_named_made_and_removed_as_directories_are():
    machine, pid = machine_of()
    machine.cgroup_create("a")
    machine.cgroup_create("a/b")
    for call, errno in ((lambda: machine.cgroup_create("a"), EEXIST), (lambda: machine.cgroup_create("x/y"), ENOENT),
                        (lambda: machine.cgroup_remove("a"), EBUSY), (lambda: machine.cgroup("c"), ENOENT),
                        (lambda: machine.cgroup_set("a", "memory.nothing", 1), ENOENT)):
        with pytest.raises(KernelError) as failure:
            call()
        assert failure.value.errno == errno
    machine.cgroup_move("a/b", pid)
    with pytest.raises(KernelError):
        machine.cgroup_remove("a/b")
    machine.cgroup_move("", pid)
    machine.cgroup_remove("a/b")
    machine.cgroup_remove("a")
    assert machine.cgroups() == []


def test_a_fault_keeps_the_page_that_it_found_while_it_reads_ahead():
    """6.18, 64 MB mapped and read in order within 32 MB, again and again: one major fault each time, for the first page."""
    machine, pid = machine_of(ram=128 * MIB)
    machine.mkfile("/f", 64 * MIB)
    machine.drop_caches(1)
    machine.cgroup_create("g")
    machine.cgroup_set("g", "memory.max", 32 * MIB)
    machine.cgroup_move("g", pid)
    base = machine.mmap(pid, 0, 64 * MIB, RW, 1, path="/f")
    for _ in range(2):
        assert machine.touch(pid, base, 64 * MIB, "r").major == 1
    assert machine.cgroup("g")["memory.stat"]["pgsteal_direct"] > 0
    assert machine.fsck() == []


def test_a_large_folio_that_was_used_once_is_kept_and_not_activated():
    """folio_referenced() counts areas: the pages of one folio that are young in the same area are one reference. Two passes over a file in
    folios of 32 pages, each mapped once by one area: 6.18 says pgactivate 0."""
    machine, pid = machine_of(ram=128 * MIB)
    machine.mkfile("/f", 48 * MIB)
    machine.drop_caches(1)
    machine.cgroup_create("g")
    machine.cgroup_set("g", "memory.max", 32 * MIB)
    machine.cgroup_move("g", pid)
    base = machine.mmap(pid, 0, 48 * MIB, RW, 1, path="/f")
    for _ in range(2):
        machine.touch(pid, base, 48 * MIB, "r")
    assert machine.cgroup("g")["memory.stat"]["pgsteal_direct"] > 0
    assert machine.vmstat()["pgactivate"] == 0


# --- boosts ------------------------------------------------------------------------------------------------------------------

def zones_of(machine):
    return {zone.name: zone for zone in machine.zones()}


def available_kb(machine, low):
    """si_mem_available() by its formula, from zoneinfo and meminfo."""
    low *= 4
    meminfo = machine.meminfo()
    cache, slab = meminfo["Active(file)"] + meminfo["Inactive(file)"], meminfo["SReclaimable"]
    reserve = 4 * sum(min(zone.managed, max(zone.protection) + zone.high - zone.boost) for zone in machine.zones())
    return meminfo["MemFree"] - reserve + cache - min(cache // 2, low) + slab - min(slab // 2, low)


def test_the_watermarks_that_zoneinfo_shows_are_with_the_boost():
    """min_wmark_pages() and the others add zone->watermark_boost."""
    machine = core.Machine()
    machine.boot(ram_bytes=128 * MIB, swap_bytes=0)
    pid = machine.spawn("a", None, [b"a"], [])
    before = zones_of(machine)["DMA32"]
    machine.mkfile("/f", 128 * MIB)
    machine.drop_caches(1)
    for at in range(0, 128 * MIB, 128 * 1024):
        machine.read(pid, "/f", at, 128 * 1024)
        machine.spawn("b", None, [b"b"], [])
        now = zones_of(machine)["DMA32"]
        if now.boost:
            break
    assert now.boost
    for mark in ("min", "low", "high", "promo"):
        assert getattr(now, mark) - now.boost == getattr(before, mark)
    meminfo = machine.meminfo()
    assert available_kb(machine, sum(zone.low for zone in machine.zones())) == meminfo["MemAvailable"]


def test_what_the_kernel_keeps_for_a_groups_processes_is_charged_to_it():
    """Page tables and the stack by the page, objects of accounted caches by the byte, with a pointer each to who pays (obj_full_size())."""
    machine, pid = machine_of()
    machine.fork(pid)  # the next stack lies behind another
    machine.cgroup_create("g")
    machine.cgroup_move("g", pid)
    areas = len(machine.maps(pid))
    child = machine.fork(pid)
    anon = sum(machine.peek("vma", v, "anon_vma") != 0 for v in range(1, areas))
    objects = {"task_struct": 6528, "mm_struct": 1536, "signal_cache": 1152, "sighand_cache": 2112, "files_cache": 704, "fs_cache": 64,
               "pid": 192, "cred": 192, "kmalloc-cg-32": 32}
    expected = sum(size + 8 for size in objects.values()) + (areas - 1) * (192 + 8) + anon * (104 + 8 + 2 * (64 + 8))
    expected += 4 * 4 + 4 * 8  # mm_struct.rss_stat, per CPU
    assert machine.peek("memcg", 1, "obj_bytes") == expected
    tables = machine.mm(child).pgtables_bytes
    pages = machine.cgroup("g")["memory.current"] - tables - 4 * PAGE
    assert 0 <= pages - expected < 64 * PAGE  # what the group's stocks hold
    assert machine.fsck() == []
    machine.exit(child)
    assert machine.peek("memcg", 1, "obj_bytes") == 0
    assert machine.cgroup("g")["memory.current"] <= 64 * PAGE
    machine.cgroup_move("", pid)
    machine.cgroup_remove("g")
    assert machine.peek("memcg", 1, "state") == 0
    assert machine.fsck() == []


def test_what_boot_leaves_of_a_block_is_for_the_kernel():
    """The first tables and objects come from the pageblock of which the kernel has a part, and change no block's type."""
    machine = core.Machine()
    machine.boot(ram_bytes=128 * MIB, swap_bytes=0)
    blocks = [zone.pageblocks[0] for zone in machine.zones()]  # Unmovable
    assert sum(n << order for order, n in enumerate(zones_of(machine)["DMA32"].free_by_type[0])) > 0
    machine.spawn("a", None, [b"a"], [])
    assert [zone.pageblocks[0] for zone in machine.zones()] == blocks


# --- per-CPU lists under pressure ------------------------------------------------------------------------------------------

def pcp_of(machine, name):
    return dict(zip(("count", "high", "batch", "high_min", "high_max"), zones_of(machine)[name].pcp[0], strict=True))


def test_while_kswapd_runs_what_it_frees_hardly_stays_on_the_lists():
    """ZONE_RECLAIM_ACTIVE: four batches at most, and the limit falls with each page."""
    machine, pid = machine_of(128 * MIB)
    machine.mkfile("/f", 128 * MIB)
    machine.drop_caches(1)
    at = 0
    while machine.vmstat()["pgsteal_kswapd"] == 0:
        assert pcp_of(machine, "DMA32")["high"] > 400 or at < 16 * MIB
        machine.read(pid, "/f", at, MIB // 8)
        at += MIB // 8
    lists = pcp_of(machine, "DMA32")
    assert lists["high"] < 400
    assert lists["count"] <= 4 * lists["batch"] + 32  # the last window's pages


def test_idle_lists_become_shorter_by_an_eighth_a_second():
    """decay_pcp_high(), by vmstat's worker."""
    machine, pid = machine_of(128 * MIB)
    base = area(machine, pid, 24 * MIB)
    machine.touch(pid, base, 24 * MIB, "w")
    high = pcp_of(machine, "DMA32")["high"]
    for _ in range(3):
        machine.sleep(1000000)
        expected = max(high - (high >> 3), pcp_of(machine, "DMA32")["high_min"])
        assert pcp_of(machine, "DMA32")["high"] == expected < high
        high = expected
    machine.sleep(60 * 1000000)
    lists = pcp_of(machine, "DMA32")
    assert lists["high"] == lists["high_min"] >= lists["count"]


# --- what boot takes ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("mib", "pages"), [(256, 588), (1024, 707)])
def test_blocks_of_boot_that_no_line_of_meminfo_has(mib, pages):
    """MemTotal less free pages and all that meminfo, vmallocinfo and zoneinfo name: 2352 kB of 256M, 2828 kB of 1G (6.18.15)."""
    machine = core.Machine()
    machine.boot(ram_bytes=mib * MIB, swap_bytes=0)
    assert sum(n for _, n, what in machine.reserved() if what == "blocks") == pytest.approx(pages, rel=0.05)


# --- when kswapd runs --------------------------------------------------------------------------------------------------------

def test_kswapd_runs_once_for_the_highest_zone_that_it_was_woken_for():
    """While a window is read ahead, a boost of DMA and DMA32's low watermark wake it: DMA32's pages are not skipped. 6.18: 0 to 24."""
    machine = core.Machine()
    machine.boot(ram_bytes=121904 * 1024, swap_bytes=64 * MIB)
    machine.set_sysctl("vm.swappiness", "100")
    machine.mkfile("/f", 128 * MIB)
    machine.sync()
    machine.drop_caches(1)
    pid = machine.spawn("a", None, [b"a"], [])
    reader = machine.spawn("b", None, [b"b"], [])
    base = area(machine, pid, 32 * MIB)
    machine.touch(pid, base, 32 * MIB, "w")
    for at in range(0, 128 * MIB, 32 * MIB):
        machine.read(reader, "/f", at, 32 * MIB)
    found = machine.vmstat()
    assert found["pageoutrun"] > 0
    assert found["pgskip_dma32"] <= 24  # 14479 when each wake is a run
    assert found["workingset_refault_file"] <= 512
    assert found["pswpout"] == 0
    assert machine.fsck() == []
