"""A huge page of a file behind one entry, and what takes it away. Every expected figure (kB of smaps) is a live 6.18 kernel's on ext4."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE, MIB = 4096, 1 << 20
HUGEPAGE, NOHUGEPAGE, COLD, PAGEOUT, DONTNEED = 14, 15, 20, 21, 4
SHARED, PRIVATE, FIXED = 1, 2, 16
READ, RW = 1, 3
BASE, ELSEWHERE = 0x7E0000000000, 0x7D0000000000


@pytest.fixture
def machine():
    m = core.Machine()
    m.boot(ram_bytes=1 << 30)
    m.mkfile("/f.dat", 4 * MIB, b"x" * 4 * MIB)
    m.spawn("render", None, [b"render"], [])
    mapped(m, READ, SHARED)
    m.madvise(1, BASE, 4 * MIB, HUGEPAGE)
    m.touch(1, BASE + 0xAD000, 1, "r")
    m.touch(1, BASE + 2 * MIB, 1, "r")
    yield m
    assert m.fsck() == []


def mapped(m, prot, flags, at=BASE, pid=1):
    assert m.mmap(pid, at, 4 * MIB, prot, flags | FIXED, "/f.dat") == at


def figures(m, pid=1, at=BASE):
    """(Rss, FilePmdMapped, Anonymous, dirty) of all areas within 4 MB, in kB."""
    found = [s.stats for s in m.smaps(pid) if at <= s.vma.start < at + 4 * MIB]
    return tuple(sum(values) // 1024 for values in zip(*((s.resident, s.file_thp, s.anonymous, s.private_dirty + s.shared_dirty)
                                                         for s in found), strict=True))


def test_a_fault_maps_it_whole_and_meminfo_counts_it(machine):
    assert figures(machine) == (4096, 4096, 0, 0)
    assert machine.node_stats()["nr_file_pmdmapped"] == 2  # vmstat counts huge pages there
    assert machine.mm(1).rss_file >= 1024


def test_a_child_has_none_until_it_touches(machine):
    child = machine.fork(1)
    assert figures(machine, child)[:2] == (0, 0)
    machine.touch(child, BASE, 1, "r")
    assert figures(machine, child)[:2] == (2048, 2048)
    assert machine.node_stats()["nr_file_pmdmapped"] == 2


@pytest.mark.parametrize("part", [lambda m: m.mprotect(1, BASE + MIB, PAGE, 0), lambda m: m.munmap(1, BASE + MIB, PAGE)],
                         ids=["mprotect", "munmap"])
def test_a_part_that_changes_unmaps_the_whole(machine, part):
    part(machine)
    assert figures(machine)[:2] == (2048, 2048)


def test_what_is_in_the_cache_needs_no_advice_but_no_contrary_one(machine):
    mapped(machine, READ, SHARED, ELSEWHERE)
    machine.touch(1, ELSEWHERE + 5, 1, "r")
    assert figures(machine, at=ELSEWHERE)[:2] == (2048, 2048)
    mapped(machine, READ, SHARED, ELSEWHERE)
    machine.madvise(1, ELSEWHERE, 4 * MIB, NOHUGEPAGE)
    machine.touch(1, ELSEWHERE + 5, 1, "r")
    assert figures(machine, at=ELSEWHERE)[:2] == (2048, 0)


def test_a_change_of_the_whole_keeps_it(machine):
    machine.mprotect(1, BASE, 4 * MIB, 5)
    assert figures(machine)[:2] == (4096, 4096)


def test_a_private_write_unmaps_it_and_copies_one_page(machine):
    mapped(machine, RW, PRIVATE)
    machine.touch(1, BASE + 5, 1, "r")
    machine.touch(1, BASE + 3 * PAGE, 1, "w")
    assert figures(machine) == (4, 0, 4, 4)
    machine.touch(1, BASE + MIB, 1, "r")
    assert figures(machine) == (2048, 0, 4, 4)


def test_fork_copies_the_private_page_and_leaves_the_huge_ones(machine):
    mapped(machine, RW, PRIVATE)
    machine.touch(1, BASE + 3 * PAGE, 1, "w")
    machine.touch(1, BASE + 2 * MIB, 1, "r")
    assert figures(machine)[:3] == (2052, 2048, 4)
    child = machine.fork(1)
    assert figures(machine, child)[:3] == (4, 0, 4)


def test_a_shared_write_dirties_all_of_it_and_write_back_notices_the_next(machine):
    mapped(machine, RW, SHARED)
    machine.touch(1, BASE + 5, 1, "r")
    machine.touch(1, BASE + 9 * PAGE, 1, "w")
    assert figures(machine) == (2048, 2048, 0, 2048)
    machine.sync()
    assert figures(machine) == (2048, 2048, 0, 0)
    machine.touch(1, BASE + 10 * PAGE, 1, "w")
    assert figures(machine) == (2048, 2048, 0, 2048)
    machine.mprotect(1, BASE, 4 * MIB, READ)
    machine.mprotect(1, BASE, 4 * MIB, RW)
    assert machine.touch(1, BASE + 11 * PAGE, 1, "w").minor == 0
    assert figures(machine) == (2048, 2048, 0, 2048)


def test_mlock_of_a_part_and_of_the_whole(machine):
    machine.mlock(1, BASE, 4 * MIB)
    assert figures(machine)[:2] == (4096, 4096)
    machine.munlock(1, BASE, 4 * MIB)
    machine.mlock(1, BASE + MIB, PAGE)
    assert figures(machine)[:2] == (2048 + 4, 2048)


def test_mremap_moves_it_where_it_fits_and_else_unmaps_it(machine):
    machine.mremap(1, BASE, 4 * MIB, 4 * MIB, 3, ELSEWHERE)
    assert figures(machine, at=ELSEWHERE)[:2] == (4096, 4096)
    machine.mremap(1, ELSEWHERE, 4 * MIB, 4 * MIB, 3, BASE + PAGE)
    assert figures(machine)[:2] == (0, 0)
    machine.touch(1, BASE + PAGE, 1, "r")
    assert figures(machine)[:2] == (64, 0)


def test_cold_pageout_and_dontneed(machine):
    machine.madvise(1, BASE, 2 * MIB, COLD)
    assert figures(machine)[:2] == (4096, 4096)
    machine.madvise(1, BASE + 3 * MIB, PAGE, COLD)
    assert figures(machine)[:2] == (2048, 2048)
    machine.madvise(1, BASE, 2 * MIB, PAGEOUT)
    assert figures(machine)[:2] == (0, 0)
    assert sum(machine.mincore(1, BASE, 4 * MIB)) == 512
    machine.madvise(1, BASE + 2 * MIB, 2 * MIB, DONTNEED)
    assert figures(machine)[:2] == (0, 0)


def test_truncation_within_one(machine):
    machine.truncate("/f.dat", 3 * MIB)
    assert figures(machine)[:2] == (2048, 2048)
    machine.touch(1, BASE + 2 * MIB, 1, "r")
    assert figures(machine)[:2] == (3072, 2048)


def test_a_hole_within_one(machine):
    machine.punch_hole("/f.dat", 64 * PAGE, PAGE)
    assert figures(machine)[:2] == (2048, 2048)
    machine.touch(1, BASE, 1, "r")
    assert figures(machine)[:2] == (2048 + 256, 2048)


def test_an_area_of_another_alignment_is_mapped_by_small_entries(machine):
    machine.mmap(1, ELSEWHERE, 3 * MIB, READ, SHARED | FIXED, "/f.dat", PAGE)
    machine.touch(1, ELSEWHERE + MIB, 1, "r")
    assert figures(machine, at=ELSEWHERE)[1] == 0
