"""Who maps a frame: its reverse mapping, held to what every process's own page tables say."""

import pytest

from vmtool.errors import KernelError

PAGE = 4096
MADV_HUGEPAGE = 14


@pytest.fixture
def machine(one_process):
    return one_process


def who(machine, phys):
    return [found[:2] for found in machine.mapped_by(phys >> 12)]


def tables_say(machine, phys):
    """Every page of every process looked at."""
    found = []
    for task in machine.tasks():
        for area in machine.maps(task.pid):
            for at in range(area.start, min(area.end, 1 << 47), PAGE):
                walk = machine.walk(task.pid, at)
                if walk.phys is not None and walk.phys == phys:
                    found.append((task.pid, at))
    return found


def test_a_page_of_one_process(machine):
    page = machine.mmap(1, 0, PAGE, 3, 0x22)
    machine.touch(1, page, PAGE, "w")
    assert who(machine, machine.walk(1, page).phys) == [(1, page)]


def test_a_page_that_fork_shares_until_it_is_copied(machine):
    page = machine.mmap(1, 0, PAGE, 3, 0x22)
    machine.touch(1, page, PAGE, "w")
    phys = machine.walk(1, page).phys
    child = machine.fork(1)
    assert who(machine, phys) == [(1, page), (child, page)] == tables_say(machine, phys)
    machine.touch(child, page, PAGE, "w")
    assert who(machine, phys) == [(1, page)]


def test_a_page_of_a_file_wherever_it_is_mapped(machine):
    machine.mkfile("/f", 8 * PAGE, b"f" * 8 * PAGE)
    first = machine.mmap(1, 0, 8 * PAGE, 1, 0x1, "/f")
    second = machine.mmap(1, 0, 4 * PAGE, 1, 0x2, "/f", 2 * PAGE)
    machine.spawn("b", None, [b"b"], [])
    third = machine.mmap(2, 0, 8 * PAGE, 1, 0x1, "/f")
    for pid, at, nr in ((1, first, 8), (1, second, 4), (2, third, 8)):
        machine.touch(pid, at, nr * PAGE, "r")
    phys = machine.walk(1, first + 3 * PAGE).phys
    assert who(machine, phys) == sorted([(1, first + 3 * PAGE), (1, second + PAGE), (2, third + 3 * PAGE)]) == tables_say(machine, phys)


def test_pages_without_a_reverse_mapping_are_looked_for(machine):
    page = machine.mmap(1, 0, 2 * PAGE, 3, 0x22)
    machine.touch(1, page, 2 * PAGE, "r")
    zero = machine.walk(1, page).phys
    assert who(machine, zero) == [(1, page), (1, page + PAGE)] == tables_say(machine, zero)
    vdso = next(area.start for area in machine.maps(1) if area.name == "[vdso]")
    machine.touch(1, vdso, PAGE, "r")
    child = machine.fork(1)
    machine.touch(child, vdso, PAGE, "r")
    assert who(machine, machine.walk(1, vdso).phys) == [(1, vdso), (child, vdso)]


def test_each_page_of_a_huge_one(machine):
    base = machine.mmap(1, 0x20000000, 2 << 20, 3, 0x32)
    machine.madvise(1, base, 2 << 20, MADV_HUGEPAGE)
    machine.touch(1, base, PAGE, "w")
    phys = machine.walk(1, base).phys
    (found,) = machine.mapped_by((phys >> 12) + 5)
    assert found[:3] == (1, base + 5 * PAGE, 2 << 20)


def test_what_nobody_maps(machine):
    root = machine.walk(1, 0x400000).root
    assert machine.mapped_by(root >> 12) == []
    with pytest.raises(KernelError, match="EINVAL"):
        machine.mapped_by(1 << 40)
