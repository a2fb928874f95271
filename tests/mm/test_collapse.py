"""madvise(MADV_COLLAPSE) of ranges without a whole 2 MB. Every expected answer is the live 6.18 kernel's."""

import errno

import pytest

from vmtool._core import Machine
from vmtool.errors import KernelError

BASE = 0x7E0000000000
COLLAPSE = 25
MAP_PRIVATE_ANONYMOUS_FIXED = 0x32
RANGES = [(0x200000, 0x1000), (0x200000, 0x1FF000), (0x1FF000, 0x1000), (0x1FF000, 0x2000), (0x3FF000, 0x1000), (0x201000, 0x1FF000)]


@pytest.fixture
def machine():
    m = Machine()
    m.boot(ram_bytes=1 << 30)
    m.spawn("render", None, [b"/usr/bin/render"], [])
    m.mmap(1, BASE, 8 << 20, 3, MAP_PRIVATE_ANONYMOUS_FIXED)
    yield m
    assert m.fsck() == []


@pytest.mark.parametrize(("start", "length"), RANGES)
def test_an_area_that_was_never_faulted_is_einval(machine, start, length):
    with pytest.raises(KernelError) as failed:
        machine.madvise(1, BASE + start, length, COLLAPSE)
    assert failed.value.errno == errno.EINVAL


@pytest.mark.parametrize(("start", "length"), RANGES)
def test_nothing_to_collapse_in_a_touched_area_is_no_error(machine, start, length):
    machine.touch(1, BASE, 1, "w")
    machine.madvise(1, BASE + start, length, COLLAPSE)


def test_a_range_within_one_huge_page_is_einval(machine):
    machine.touch(1, BASE, 1, "w")
    with pytest.raises(KernelError) as failed:
        machine.madvise(1, BASE + 0x201000, 0x1000, COLLAPSE)
    assert failed.value.errno == errno.EINVAL


def test_a_group_that_may_not_have_a_huge_page_is_busy(machine):
    """madvise_collapse_errno(): SCAN_CGROUP_CHARGE_FAIL, unlike SCAN_ALLOC_HUGE_PAGE_FAIL, which is ENOMEM. The block itself was there."""
    machine.cgroup_create("g")
    machine.cgroup_move("g", 1)
    machine.touch(1, BASE, 0x4000, "w")
    machine.cgroup_set("g", "memory.max", 1 << 20)
    before = machine.vmstat()
    with pytest.raises(KernelError) as failed:
        machine.madvise(1, BASE, 0x200000, COLLAPSE)
    assert failed.value.errno == errno.EBUSY
    now = machine.vmstat()
    assert {key: now[key] - before[key] for key in ("thp_collapse_alloc", "thp_collapse_alloc_failed", "oom_kill")} == {
        "thp_collapse_alloc": 1, "thp_collapse_alloc_failed": 0, "oom_kill": 0}
