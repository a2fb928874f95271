"""Which borders a replay calls undetermined."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the extension modules are not built")
MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_NORESERVE = 2, 0x10, 0x20, 0x4000
RW, READ = 3, 1


@pytest.fixture
def machine():
    made = core.Machine()
    made.boot(ram_bytes=1 << 28)
    return made


def mapped(machine, pid, addr, nr_pages, prot=RW, flags=0):
    return machine.mmap(pid, addr, nr_pages * 4096, prot, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | flags)


def test_areas_that_were_written_apart(machine):
    pid = machine.spawn("x", None, [b"x"], [])
    mapped(machine, pid, 0x10000000, 1)
    mapped(machine, pid, 0x10002000, 1)
    machine.prepare_anon(pid, 0x10000000, 0x3000)
    mapped(machine, pid, 0x10001000, 1)
    assert machine.like_borders(pid) == [(0x10000000, 0x10003000, "anonymous")]


def test_areas_that_nobody_can_write_or_that_differ_have_no_such_border(machine):
    pid = machine.spawn("x", None, [b"x"], [])
    mapped(machine, pid, 0x10000000, 1)
    mapped(machine, pid, 0x10001000, 1, READ)
    assert machine.like_borders(pid) == []


def test_the_heap_never_joins_what_is_below_it(machine):
    pid = machine.spawn("x", None, [b"x"], [])
    machine.brk(pid, machine.brk(pid) + 0x21000)
    assert machine.like_borders(pid) == []
