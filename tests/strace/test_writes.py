"""Which memory is taken to be written, by the rules of writes.py; what each rule stands for was seen in recorded programs."""

from types import SimpleNamespace

import pytest

from vmtool.strace import parser
from vmtool.strace.geometry import Geometry
from vmtool.strace.lines import WHOLE
from vmtool.strace.procs import Space
from vmtool.strace.writes import HIDES, MALLOC_STEP, SHOWS, TESTS, Writes, _shows_writes

GEOMETRY = Geometry(4096, 2 << 20, 8 * 4096, (1 << 47) - 4096)
ANON = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"
FIXED = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0"
LIBRARY = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3</usr/lib/x.so>, 0x1000"


class Told:
    """A space, the rules, and the ranges that they say were written."""

    def __init__(self, **habits):
        self.ranges = []
        self.space = Space(1)
        for name, value in habits.items():
            setattr(self.space.habits, name, value)
        reserved = [SimpleNamespace(start=0x40000000, end=0x50000000, flags=0x70)]
        machine = SimpleNamespace(prepare_anon=lambda mid, start, length: self.ranges.append(start), maps=lambda mid: reserved)
        self.writes = Writes(machine, GEOMETRY, is_told=False)

    def mmap(self, start, what, length=8192):
        text = f"{start:#x}, {length}, {what}) = {start:#x}\n"
        if self.space.habits.later or self.space.habits.row:
            self.writes.settle(self.space, "mmap", text)
        self.writes.mapped(self.space, start, parser.mmap(text))


def test_a_mapping_is_written_by_the_next_memory_call():
    told = Told()
    told.mmap(0x10000, ANON)
    assert told.ranges == []
    told.writes.settle(told.space, "munmap", "0x50000, 4096) = 0\n")
    assert told.ranges == [0x10000]


def test_madvise_of_a_mapping_still_prepares_it():
    told = Told()
    told.mmap(0x10000, ANON)
    told.writes.settle(told.space, "madvise", "0x10000, 8192, MADV_NOHUGEPAGE) = 0\n")
    assert told.ranges == []
    told.writes.settle(told.space, "brk", "NULL) = 0x1000\n")
    assert told.ranges == [0x10000]


def test_a_fork_finds_a_mapping_written_unless_it_was_fixed():
    told = Told()
    told.mmap(0x10000, ANON)
    told.mmap(0x20000, FIXED)
    told.writes.forked(told.space)
    assert told.ranges == [0x10000]


def test_bss_of_a_library_is_written_when_the_linker_is_through():
    told = Told(is_linking=True)
    told.mmap(0x10000, LIBRARY)
    told.mmap(0x12000, FIXED)
    assert told.ranges == [0x10000]
    told.writes.unmapped(told.space)
    assert told.ranges == [0x10000, 0x12000]


def test_the_heap_is_written_as_it_grows():
    told = Told()
    told.writes.brk(told.space, 0x1000)
    told.writes.brk(told.space, 0x1000 + MALLOC_STEP)
    assert told.ranges[-1] == 0x1000 + MALLOC_STEP - 1


def test_a_small_step_of_a_forked_heap_is_written_when_another_follows():
    told = Told(is_forked=True, heap_end=0x1000)
    told.writes.brk(told.space, 0x3000)
    assert told.ranges == []
    told.writes.brk(told.space, 0x5000)
    assert told.ranges == [0x1000]


def following(*lines):
    return [(n, 7, *line.split("(", 1), WHOLE) for n, line in enumerate(lines, 1)]


def test_a_buffer_of_a_read_is_shown_only_by_programs_that_show_their_writes():
    assert _shows_writes(following("read(3, 0x7ffe1000, 0x340) = 0x340\n"), True)
    assert not _shows_writes(following('read(3, "x", 1) = 1\n'), True)
    assert not _shows_writes(following("read(3, 0x7ffe1000, 832) = 0x340\n"), False)  # all of the log is raw


def test_a_read_that_failed_shows_its_buffer_in_any_log():
    assert not _shows_writes(following("read(6, 0x7ffe1000, 8192) = -1 EAGAIN (Resource temporarily unavailable)\n"), True)
    assert not _shows_writes(following("read(6, 0x7ffe1000, 8192) = ?\n"), True)


def test_a_program_whose_memory_calls_fail_again_and_again_is_a_tester():
    failed = "mprotect(0x1000, 4096, PROT_READ) = -1 ENOMEM (Cannot allocate memory)\n"
    assert _shows_writes(following(failed, failed, failed), True)
    assert not _shows_writes(following(failed), True)


@pytest.mark.parametrize("habit, found", [(TESTS, [(7, 0x1000, 0x2000, "anonymous")]), (SHOWS, []), (HIDES, [(7, 1, 2, "a border")])])
def test_what_is_undetermined_of_a_program_that_ends(habit, found):
    def area(start, anon_vma, flags, name=""):
        return SimpleNamespace(start=start, end=start + 0x1000, anon_vma=anon_vma, flags=flags, name=name)

    maps = [area(0x1000, 0, 0x73), area(0x2000, 5, 0x73), area(0x3000, 0, 0xFB), area(0x4000, 0, 0x73, "/lib/x")]
    machine = SimpleNamespace(maps=lambda mid: maps, like_borders=lambda mid: [(1, 2, "a border")])
    process = SimpleNamespace(pid=7, space=SimpleNamespace(mid=1, habits=SimpleNamespace(shows_writes=habit)))
    listed = []
    Writes(machine, GEOMETRY, False).undetermined(process, listed)
    assert listed == found
    Writes(machine, GEOMETRY, True).undetermined(process, listed)
    assert listed == found


def test_what_the_linker_maps_for_itself_is_written_by_a_tester_too():
    told = Told(is_linking=True, shows_writes=TESTS)
    told.mmap(0x10000, ANON)
    told.writes.settle(told.space, "mmap", "")
    assert told.ranges == [0x10000]
    told.space.habits.is_linking = False
    told.mmap(0x20000, ANON)
    told.writes.settle(told.space, "mmap", "")
    assert told.ranges == [0x10000]


def test_pages_mapped_one_behind_the_other_over_reserved_memory_are_only_set_aside():
    told = Told()
    for start in (0x40000000, 0x40001000, 0x40002000):
        told.mmap(start, FIXED, 4096)
    told.writes.settle(told.space, "munmap", "0x50000, 4096) = 0\n")
    assert told.ranges == []


def test_pieces_of_another_size_or_apart_or_over_nothing_are_written():
    for starts, length in (((0x40000000, 0x40004000), 0x4000), ((0x40000000, 0x40002000), 4096), ((0x60000000, 0x60001000), 4096)):
        told = Told()
        for start in starts:
            told.mmap(start, FIXED, length)
        told.writes.settle(told.space, "munmap", "0x50000, 4096) = 0\n")
        assert told.ranges == list(starts)
