"""The HighAtomic reserve: pageblocks that only atomic allocations of several pages take of.

Expected: 6.18's reserve_highatomic_pageblock(), unreserve_highatomic_pageblock() and __zone_watermark_ok(), by their arithmetic.
"""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from vmtool.errors import KernelError  # noqa: E402

PAGE, MIB = 4096, 1 << 20
RW, PRIVATE = 3, 0x4022
HIGHATOMIC = 3


def zone(machine, name="DMA32"):
    """DMA32, where nearly all of the memory of a small machine is."""
    return next(z for z in machine.zones() if z.name == name)


def full_machine(ram=512 * MIB):
    """What is free of each zone lies below the low watermark, and above min."""
    machine = core.Machine()
    machine.boot(ram_bytes=ram)
    machine.set_sysctl("vm.watermark_boost_factor", "0")
    pid = machine.spawn("a", None, [b"a"], [])
    at = machine.mmap(pid, 0, ram, RW, PRIVATE)
    while any(z.free > z.low + z.protection[2] for z in (zone(machine), zone(machine, "DMA"))):
        machine.touch(pid, at, 32 * PAGE, "w")
        at += 32 * PAGE
    return machine, pid, at


def reserved(machine):
    return zone(machine).pageblocks[HIGHATOMIC]


def test_an_atomic_allocation_above_the_low_watermark_reserves_nothing():
    machine = core.Machine()
    machine.boot(ram_bytes=512 * MIB)
    machine.alloc_pages(2, "GFP_ATOMIC")
    assert reserved(machine) == 0


@pytest.mark.parametrize(("order", "gfp", "pageblocks"), [
    (0, "GFP_ATOMIC", 0), (2, "GFP_KERNEL", 0), (2, "GFP_ATOMIC", 1), (5, "GFP_ATOMIC", 1)])  # fmt: skip
def test_below_it_one_of_several_pages_reserves_its_pageblock(order, gfp, pageblocks):
    machine, _, _ = full_machine()
    machine.alloc_pages(order, gfp)
    assert reserved(machine) == pageblocks
    assert machine.fsck() == []


def test_at_most_one_percent_of_a_zone_in_whole_pageblocks():
    machine, _, _ = full_machine()
    most = -(-(zone(machine).managed // 100) // 512)
    for _ in range(2000):
        try:
            machine.alloc_pages(3, "GFP_ATOMIC")
        except KernelError:
            break
    assert 0 < reserved(machine) <= most
    assert machine.fsck() == []


def test_a_zone_of_less_than_two_hundred_megabytes_has_no_reserve():
    """One percent of it is less than a pageblock."""
    machine, _, _ = full_machine(ram=128 * MIB)
    machine.alloc_pages(2, "GFP_ATOMIC")
    assert reserved(machine) == 0


def test_an_atomic_allocation_goes_down_to_three_eighths_of_min_and_no_further():
    """Blocks that do not lie on the per-CPU lists."""
    machine, _, _ = full_machine()
    z = zone(machine)
    floor = z.min - z.min // 2
    floor -= floor // 4
    with pytest.raises(KernelError):
        for _ in range(1000):
            machine.alloc_pages(4, "GFP_ATOMIC")
    assert floor < zone(machine).free <= floor + 15
    assert machine.fsck() == []


def test_the_reserve_is_given_up_before_anybody_is_killed():
    machine, pid, at = full_machine()
    machine.alloc_pages(2, "GFP_ATOMIC")
    assert reserved(machine) == 1
    while reserved(machine):
        machine.touch(pid, at, 32 * PAGE, "w")
        at += 32 * PAGE
    assert reserved(machine) == 0 and machine.vmstat()["oom_kill"] == 0
    assert machine.fsck() == []
