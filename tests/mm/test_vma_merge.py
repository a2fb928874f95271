"""When two areas become one. Every expected answer is the live 6.18 kernel's."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
MAYMOVE, FIXED = 1, 2
FIXED_ANONYMOUS = 0x32
LOW, HIGH = 0x7C0000000000, 0x7D0000000000


@pytest.fixture
def machine():
    m = core.Machine()
    m.boot(ram_bytes=256 << 20)
    m.spawn("render", None, [b"render"], [])
    yield m
    assert m.fsck() == []


def areas(machine, pid, low, high):
    return [(v.start, v.end) for v in machine.maps(pid) if v.start >= low and v.end <= high]


@pytest.mark.parametrize("inherited", [True, False], ids=["inherited from a parent", "the process's own"])
def test_a_moved_area_merges_with_one_without_pages_unless_it_was_inherited(machine, inherited):
    """is_mergeable_anon_vma(): the untouched area would have to take over the chain, which must be one anon_vma alone."""
    machine.mmap(1, LOW, 4 * PAGE, 3, FIXED_ANONYMOUS)
    machine.touch(1, LOW, 4 * PAGE, "w")
    pid = machine.fork(1) if inherited else 1
    machine.mremap(pid, LOW, 4 * PAGE, 4 * PAGE, MAYMOVE | FIXED, HIGH)
    machine.mmap(pid, LOW - 2 * PAGE, 2 * PAGE, 3, FIXED_ANONYMOUS)
    machine.mremap(pid, HIGH, 4 * PAGE, 4 * PAGE, MAYMOVE | FIXED, LOW)
    apart = [(LOW - 2 * PAGE, LOW), (LOW, LOW + 4 * PAGE)]
    assert areas(machine, pid, LOW - 2 * PAGE, LOW + 4 * PAGE) == (apart if inherited else [(LOW - 2 * PAGE, LOW + 4 * PAGE)])
