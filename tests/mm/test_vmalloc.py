"""Kernel stacks and other areas of vmalloc(), as a machine that runs processes has them."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
STACK = 16 << 10
VMALLOC_START = 0xFFFFC90000000000


@pytest.fixture
def m():
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    yield machine
    assert machine.fsck() == []


def stacks(m):
    return [area for area in m.vmalloc_areas() if area.kind == "stack"]


def test_a_stack_is_aligned_to_its_size_and_has_a_guard_page(m):
    for _ in range(3):
        m.spawn("render", None, [b"render"], [])
    areas = stacks(m)
    assert [area.end - area.start for area in areas] == [STACK + PAGE] * 3
    assert all(area.start % STACK == 0 and area.start >= VMALLOC_START for area in areas)
    assert [b.start - a.start for a, b in zip(areas, areas[1:], strict=False)] == [2 * STACK] * 2


def test_a_stack_counts_while_its_task_lives_and_two_are_kept(m):
    before = m.meminfo()
    pids = [m.spawn("render", None, [b"render"], []) for _ in range(4)]
    now = m.meminfo()
    assert now["KernelStack"] - before["KernelStack"] == 64
    assert now["VmallocUsed"] - before["VmallocUsed"] == 64
    for pid in pids:
        m.exit(pid)
    end = m.meminfo()
    assert end["KernelStack"] == before["KernelStack"]
    assert end["VmallocUsed"] - before["VmallocUsed"] == 32
    assert len([area for area in m.vmalloc_areas() if area.kind == "lazy"]) == 2


def test_the_stacks_that_were_kept_are_taken_first(m):
    pid = m.spawn("render", None, [b"render"], [])
    area = stacks(m)[0]
    m.exit(pid)
    m.spawn("render", None, [b"render"], [])
    assert stacks(m) == [area]


def test_freed_addresses_are_purged_when_32m_of_them_wait(m):
    for _ in range(3):
        pids = [m.spawn("render", None, [b"render"], []) for _ in range(600)]
        for pid in pids:
            m.exit(pid)
    assert len([area for area in m.vmalloc_areas() if area.kind == "lazy"]) < 200  # 1794 were freed, of 20K each


def test_vmalloc_gives_pages_one_behind_the_other(m):
    free = m.meminfo()["VmallocUsed"]
    address = m.vmalloc(100 * PAGE)
    area = next(area for area in m.vmalloc_areas() if area.start == address)
    assert (area.kind, area.nr_pages, area.end - area.start) == ("vmalloc", 100, 101 * PAGE)
    assert m.meminfo()["VmallocUsed"] == free + 400
    m.vfree(address)
    assert m.meminfo()["VmallocUsed"] == free


def test_kmalloc_takes_the_smallest_cache_that_fits(m):
    def in_use():
        return {cache.name: cache.num_objs for cache in m.slabs()}
    before = in_use()
    kinds = {"": "kmalloc-8k", "GFP_KERNEL_ACCOUNT": "kmalloc-cg-8k", "__GFP_RECLAIMABLE": "kmalloc-rcl-8k", "GFP_DMA": "dma-kmalloc-8k"}
    for flags, name in kinds.items():
        addresses = [m.kmalloc(5000, flags) for _ in range(5)]
        after = in_use()
        assert after[name] > before[name], name
        assert {key for key in after if after[key] != before[key]} == {name}
        for address in addresses:
            m.kfree(address)
        before = in_use()


def test_memory_for_devices_comes_from_the_dma_zone(m):
    assert (m.kmalloc(100, "GFP_DMA") - 0xFFFF888000000000) < 16 << 20
    assert m.alloc_pages(3, "GFP_DMA") < 0x1000


def test_more_than_8k_are_pages_that_count_as_slab(m):
    before = m.meminfo()["SUnreclaim"]
    address = m.kmalloc(20000)
    assert m.meminfo()["SUnreclaim"] - before == 32
    m.kfree(address)
    assert m.meminfo()["SUnreclaim"] == before


@pytest.mark.parametrize("wrong", [
    lambda m: m.kmalloc(5 << 20), lambda m: m.vmalloc(0), lambda m: m.vmalloc(2 << 30), lambda m: m.alloc_pages(11),
    lambda m: m.kfree(0xFFFF888000001000), lambda m: m.vfree(m.kmalloc(10)), lambda m: m.free_pages(77),
])
def test_what_cannot_be_is_refused_and_changes_nothing(m, wrong):
    from vmtool.errors import KernelError
    with pytest.raises(KernelError):
        wrong(m)


def test_nothing_is_freed_without_harm(m):
    m.kfree(0)
    m.vfree(0)
    m.kfree(m.kmalloc(0))
