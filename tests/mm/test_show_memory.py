"""meminfo, vmstat, zoneinfo's counters: the kernel's lines in its order, and what is true between them on a resting kernel."""

from pathlib import Path

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

CAPTURED = Path(__file__).resolve().parents[2] / "fixtures/proc/6.18-x86_64"
PAGE_KB = 4
PROT_RW, MAP_SHARED_ANON, MAP_PRIVATE, MAP_PRIVATE_ANON = 3, 0x21, 2, 0x22
MADV_HUGEPAGE = 14
KPF_BUDDY, KPF_SLAB, KPF_PGTABLE = 1 << 10, 1 << 7, 1 << 26


def names(file):
    return [line.replace(":", " ").split()[0] for line in (CAPTURED / file).read_text().splitlines()]


@pytest.fixture(scope="module")
def busy():
    """A machine with something of each kind in its memory."""
    m = core.Machine()
    m.boot(ram_bytes=1 << 30, nr_cpus=2)
    m.mkfile("/data", 300_000, b"d" * 300_000)
    pid = m.spawn("render", None, [b"render"], [])
    heap = m.mmap(pid, 0, 1 << 20, PROT_RW, MAP_PRIVATE_ANON)
    m.touch(pid, heap, 1 << 20, "w")
    m.touch(pid, m.mmap(pid, 0, 65536, PROT_RW, MAP_SHARED_ANON), 65536, "w")
    m.touch(pid, m.mmap(pid, 0, 300_000, PROT_RW, MAP_PRIVATE, "/data"), 300_000, "r")
    huge = m.mmap(pid, 0, 4 << 20, PROT_RW, MAP_PRIVATE_ANON)
    m.madvise(pid, huge, 4 << 20, MADV_HUGEPAGE)
    m.touch(pid, huge, 4 << 20, "w")
    m.mlock(pid, heap, 65536)
    m.fork(pid)
    m.write(pid, "/data", 0, b"new")
    m.drop_caches(1)  # what waits in batches goes to the LRU lists
    assert m.fsck() == []
    return m


@pytest.fixture(scope="module")
def flags(busy):
    """kpageflags of every frame."""
    return [frame.kpageflags for frame in busy.frames(range(busy.max_pfn()))]


def test_meminfo_has_the_lines_of_a_6_18_kernel(busy):
    assert list(busy.meminfo()) == names("meminfo")


def test_vmstat_has_the_lines_of_a_6_18_kernel(busy):
    assert list(busy.vmstat()) == names("vmstat")


def test_zoneinfo_has_the_counters_of_a_6_18_kernel(busy):
    lines = [line.split() for line in (CAPTURED / "zoneinfo").read_text().splitlines()]
    captured = [words[0] for words in lines if words[0].startswith(("nr_", "numa_", "workingset_", "pgpromote_", "pgdemote_"))]
    assert captured[: len(busy.node_stats())] == list(busy.node_stats())
    zone = list(busy.zones()[0].stats)
    assert captured[len(busy.node_stats()) :][: len(zone)] == zone
    assert [z.name for z in busy.zones()] == ["DMA", "DMA32", "Normal", "Movable", "Device"]


def test_free_memory_is_the_same_everywhere(busy, flags):
    free = busy.vmstat()["nr_free_pages"]
    zones = busy.zones()
    assert busy.meminfo()["MemFree"] == free * PAGE_KB
    assert sum(z.free for z in zones) == free
    assert sum(n << order for z in zones for order, n in enumerate(z.free_area)) == free
    assert sum(n << order for z in zones for blocks in z.free_by_type for order, n in enumerate(blocks)) == free
    assert sum(bool(f & KPF_BUDDY) for f in flags) == free
    assert dict(busy.frames_summary())["free"] == free


def test_pages_on_per_cpu_lists_are_in_none_of_them(busy):
    assert dict(busy.frames_summary())["pcp"] == sum(pcp[0] for z in busy.zones() for pcp in z.pcp) > 0


def test_total_is_what_the_zones_manage(busy):
    assert busy.meminfo()["MemTotal"] == PAGE_KB * sum(z.managed for z in busy.zones())


def test_available_is_free_and_half_of_the_cache_at_least(busy):
    """si_mem_available(): totalreserve_pages is the sum over the zones of the high mark and the largest protection."""
    i, v, zones = busy.meminfo(), busy.vmstat(), busy.zones()
    low = sum(z.low for z in zones)
    reserve = sum(min(z.high + max(z.protection), z.managed) for z in zones)
    cache = v["nr_active_file"] + v["nr_inactive_file"]
    slab = v["nr_slab_reclaimable"]
    pages = v["nr_free_pages"] - reserve + cache - min(cache // 2, low) + slab - min(slab // 2, low)
    assert i["MemAvailable"] == pages * PAGE_KB


def test_the_cache_is_buffers_and_cached(busy):
    i, v = busy.meminfo(), busy.vmstat()
    assert v["nr_file_pages"] * PAGE_KB == i["Buffers"] + i["Cached"] + i["SwapCached"]
    assert i["Cached"] >= 300_000 // 1024 + i["Shmem"]


def test_lru_lists_hold_anonymous_pages_and_the_cache(busy):
    i, v = busy.meminfo(), busy.vmstat()
    assert i["Active"] + i["Inactive"] + i["Unevictable"] == i["AnonPages"] + v["nr_file_pages"] * PAGE_KB
    assert i["Active"] == i["Active(anon)"] + i["Active(file)"] and i["Inactive"] == i["Inactive(anon)"] + i["Inactive(file)"]


def test_mlocked_pages_are_unevictable(busy):
    i = busy.meminfo()
    assert i["Mlocked"] == i["Unevictable"] == 64


def test_page_tables_are_the_frames_that_say_so(busy, flags):
    tables = sum(bool(f & KPF_PGTABLE) for f in flags)
    assert busy.meminfo()["PageTables"] == tables * PAGE_KB


def test_slab_is_the_frames_of_the_slabs(busy, flags):
    frames = sum(bool(f & KPF_SLAB) for f in flags)
    i = busy.meminfo()
    large = sum(nr_pages for _, nr_pages, what in busy.reserved() if what == "kmalloc")  # beyond 8K: counted, but no slabs
    assert i["Slab"] == i["SReclaimable"] + i["SUnreclaim"] == (frames + large) * PAGE_KB
    assert sum(s.num_slabs * s.pagesperslab for s in busy.slabs()) == frames
    assert i["KReclaimable"] == i["SReclaimable"]


def test_a_thread_has_a_stack_of_16_kb(busy):
    of_kernel = sum(nr_pages for _, nr_pages, what in busy.reserved() if what == "kernel stacks")
    assert busy.meminfo()["KernelStack"] == 16 * len(busy.tasks()) + of_kernel * PAGE_KB


def test_shares_of_all_processes_are_the_anonymous_pages(busy):
    pss = sum(busy.smaps_rollup(task.pid)[2].pss_anon for task in busy.tasks())
    assert pss >> 22 == busy.meminfo()["AnonPages"]


def test_faults_of_all_processes_are_pgfault():
    m = core.Machine()
    m.boot(ram_bytes=64 << 20)
    pid = m.spawn("a", None, [b"a"], [])
    before = m.vmstat()["pgfault"] - m.task(pid).min_flt - m.task(pid).maj_flt
    m.touch(pid, m.mmap(pid, 0, 1 << 20, PROT_RW, MAP_PRIVATE_ANON), 1 << 20, "w")
    m.fork(pid)
    assert m.vmstat()["pgfault"] == before + sum(task.min_flt + task.maj_flt for task in m.tasks())


def test_huge_pages_are_printed_in_kb_and_in_huge_pages(busy):
    assert busy.meminfo()["AnonHugePages"] == 4096
    assert busy.vmstat()["nr_anon_transparent_hugepages"] == 2


def test_commit_limit_is_half_of_memory(busy):
    busy_limit = busy.meminfo()["CommitLimit"]
    assert busy_limit == sum(z.managed for z in busy.zones()) * 50 // 100 * PAGE_KB


def test_direct_map_covers_memory(busy):
    i = busy.meminfo()
    assert i["DirectMap4k"] + i["DirectMap2M"] + i["DirectMap1G"] == 1 << 20
    assert i["VmallocTotal"] == 34359738367


def test_dirty_thresholds_are_shares_of_what_may_become_dirty(busy):
    """global_dirty_limits(): ratios in 4096ths of free and file pages without the reserve."""
    v, zones = busy.vmstat(), busy.zones()
    reserve = sum(min(z.high + max(z.protection), z.managed) for z in zones)
    dirtyable = max(v["nr_free_pages"] - reserve, 0) + v["nr_inactive_file"] + v["nr_active_file"] + 1
    assert v["nr_dirty_threshold"] == (20 * 4096 // 100) * dirtyable // 4096
    assert v["nr_dirty_background_threshold"] == (10 * 4096 // 100) * dirtyable // 4096


def test_shared_memory_gives_its_charge_back():
    m = core.Machine()
    m.boot(ram_bytes=64 << 20)
    pid = m.spawn("a", None, [b"a"], [])
    before = m.meminfo()["Committed_AS"]
    addr = m.mmap(pid, 0, 1 << 20, PROT_RW, MAP_SHARED_ANON)
    assert m.meminfo()["Committed_AS"] == before + 1024
    m.munmap(pid, addr, 1 << 20)
    assert m.meminfo()["Committed_AS"] == before
