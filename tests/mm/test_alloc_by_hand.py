"""Blocks of frames asked for by hand: a caller of alloc_pages() that holds nothing, so what its mask allows is done for it."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from vmtool.errors import KernelError  # noqa: E402

PAGE, MIB = 4096, 1 << 20
RW, PRIVATE = 3, 0x4022


@pytest.fixture
def machine():
    m = core.Machine()
    m.boot(ram_bytes=96 * MIB)
    m.set_sysctl("vm.watermark_boost_factor", "0")
    m.spawn("a", None, [b"a"], [])
    yield m
    assert m.fsck() == []


def dma32(machine):
    return next(z for z in machine.zones() if z.name == "DMA32")


def fill_with_cache(machine):
    machine.mkfile("big", 128 * MIB)
    machine.read(1, "big", 0, 128 * MIB)


def test_gfp_kernel_reclaims_and_leaves_the_reserve(machine):
    fill_with_cache(machine)
    cached = machine.meminfo()["Cached"]
    for _ in range(5000):
        machine.alloc_pages(0)
        assert dma32(machine).free >= dma32(machine).min // 2
    assert machine.meminfo()["Cached"] < cached - 4 * 4000
    assert machine.vmstat()["pgsteal_direct"] + machine.vmstat()["pgsteal_kswapd"] > 4000


def test_gfp_nowait_fails_at_min_and_only_wakes_kswapd(machine):
    fill_with_cache(machine)
    before = machine.vmstat()
    with pytest.raises(KernelError):
        for _ in range(20000):
            machine.alloc_pages(0, "GFP_NOWAIT")
    now = machine.vmstat()
    assert now["pgsteal_direct"] == before["pgsteal_direct"] and now["allocstall_normal"] == before["allocstall_normal"]
    assert dma32(machine).free >= dma32(machine).min // 2


def test_a_block_is_compacted_for(machine):
    """Every other page of anonymous memory is given back: no block of eight, until direct compaction makes one."""
    nr_pages = machine.vmstat()["nr_free_pages"] - 1500
    base = machine.mmap(1, 0, nr_pages * PAGE, RW, PRIVATE)
    machine.touch(1, base, nr_pages * PAGE, "w")
    for page in range(0, nr_pages, 2):
        machine.madvise(1, base + page * PAGE, PAGE, 4)
    before = machine.vmstat()
    for _ in range(400):
        machine.alloc_pages(3)
    now = machine.vmstat()
    assert now["compact_stall"] > before["compact_stall"] and now["pgmigrate_success"] > before["pgmigrate_success"]


def test_when_nothing_is_left_a_process_dies_for_it(machine):
    """On behalf of no process: the report names the swapper, whose PID is 0."""
    base = machine.mmap(1, 0, 16 * MIB, RW, PRIVATE)
    machine.touch(1, base, 16 * MIB, "w")
    with pytest.raises(KernelError):
        for _ in range(40000):
            machine.alloc_pages(0)
    assert machine.vmstat()["oom_kill"] == 1 and machine.tasks() == []
    assert any("Out of memory: Killed process 1 (a)" in text for _, text in machine.kmsg())
