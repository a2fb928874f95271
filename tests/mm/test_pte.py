"""Entries that are not present: what each kind is in Linux's bits, and what those who read entries make of a swap entry.

No part of this kernel makes swap entries by itself here: they are planted, and the calls to the swap areas are counted.
"""

import errno
from itertools import pairwise

import pytest
from vmtool.mm._probe_space import Space

PAGE = 4096
PROT_NONE, PROT_READ, PROT_RW = 0, 1, 3
MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_GUARD_INSTALL = 4, 8, 20, 102
PM_PRESENT, PM_SWAP, PM_FILE, PM_GUARD = 1 << 63, 1 << 62, 1 << 61, 1 << 58
SWP_MIGRATION_READ, SWP_MIGRATION_READ_EXCLUSIVE, SWP_MIGRATION_WRITE, SWP_PTE_MARKER = 25, 26, 27, 31
SIGBUS, SIGSEGV = 7, 11
NO_FAULTS = {"swap": 0, "anon": 0, "file": 0, "shmem": 0}


@pytest.fixture
def space():
    s = Space()
    yield s
    assert s.fsck() == ([], 0)


@pytest.fixture
def area(space):
    """Four pages: one written, one swapped out, one untouched, one written."""
    addr = space.mmap(4 * PAGE)
    for page in (0, 3):
        space.touch(addr + page * PAGE)
    space.plant_swap(addr + PAGE, 2, 0x1234)
    return addr


def kinds(space, addr, nr_pages):
    return [space.what(addr + i * PAGE) for i in range(nr_pages)]


def asked(space, what):
    return [entry[1:] for entry in space.swap if entry[0] == what]


def test_a_swap_entry_is_linuxs_bits(space, area):
    """63-59 the type, 58-9 the offset inverted, 3 exclusive; present, PSE and PROT_NONE's bit are clear."""
    e = space.entry(area + PAGE)
    assert e >> 59 == 2
    assert (~e << 5 & 2**64 - 1) >> 14 == 0x1234
    assert e & 0x1FF == 0x8
    assert space.swap_entry(area + PAGE) == (2, 0x1234, True)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("arch", ["x86-64", "x86-64-la57", "i386-pae", "i386"])
def test_each_format_has_its_own_bits_for_a_swap_entry(arch, exclusive):
    """Linux v6.18 arch/x86/include/asm/pgtable-2level.h, pgtable-3level.h, pgtable_64.h."""
    s = Space(arch=arch)
    addr = s.mmap(PAGE)
    s.plant_swap(addr, 5, 0x1234, exclusive)
    wide = 5 << 59 | (~0x1234 << 14 & 2**64 - 1) >> 5
    bits = {"i386": 0x1234 << 9 | 5 << 1 | 0x80 * exclusive, "i386-pae": wide | 0x80 * exclusive}
    assert s.raw(addr) == bits.get(arch, wide | 0x8 * exclusive)
    assert s.swap_entry(addr) == (5, 0x1234, exclusive)
    assert s.what(addr) == "swap"
    s.fork()
    s.munmap(addr, PAGE)
    assert s.fsck() == ([], 0)


@pytest.mark.parametrize("type", range(24))
@pytest.mark.parametrize("offset", [1, 2**32, 2**50 - 2])
def test_every_type_and_offset_comes_back(space, type, offset):
    addr = space.mmap(PAGE)
    space.plant_swap(addr, type, offset, exclusive=False)
    assert space.swap_entry(addr) == (type, offset, False)
    assert space.what(addr) == "swap"


@pytest.mark.parametrize(("type", "kind"), [(23, "swap"), (24, "bad"), (25, "migration"), (27, "migration"), (28, "bad"), (31, "marker")])
def test_the_type_tells_what_an_entry_is(space, type, kind):
    addr = space.mmap(PAGE)
    space.touch(addr)
    old = space.plant_migration(addr, type)
    assert space.what(addr) == kind
    space.plant(addr, old)


def test_an_area_has_every_kind(space, area):
    assert kinds(space, area, 4) == ["page", "swap", "none", "page"]
    space.touch(area + 2 * PAGE, access="r")
    space.madvise(area + 3 * PAGE, PAGE, MADV_GUARD_INSTALL)
    assert kinds(space, area, 4) == ["page", "swap", "special", "marker"]
    assert space.what(area, 1) == "table"


def test_prot_none_is_present(space, area):
    space.mprotect(area, 4 * PAGE, PROT_NONE)
    assert kinds(space, area, 4) == ["page", "swap", "none", "page"]


@pytest.mark.parametrize("prot", [PROT_RW, PROT_NONE])
def test_a_huge_entry_is_one_whatever_it_permits(prot):
    space = Space(thp=2)
    addr = space.mmap(4 << 20)
    addr = (addr + (2 << 20) - 1) & -(2 << 20)
    space.touch(addr)
    space.mprotect(addr, 2 << 20, prot)
    assert space.what(addr, 1) == "huge"
    assert space.fsck() == ([], 0)


def test_munmap_frees_the_slot_and_counts_it_off(space, area):
    assert space.rss()["swap"] == 1
    space.munmap(area, 4 * PAGE)
    assert asked(space, "free") == [(2, 0x1234)]
    assert space.rss() == NO_FAULTS


def test_dontneed_frees_the_slot(space, area):
    space.madvise(area, 4 * PAGE, MADV_DONTNEED)
    assert asked(space, "free") == [(2, 0x1234)]
    assert kinds(space, area, 4) == ["none"] * 4


def test_exit_frees_the_slot(space, area):
    child = space.fork()
    parent = space.pid
    space.run(child)
    space.exit()
    space.run(parent)
    assert asked(space, "free") == [(2, 0x1234)]
    assert space.slots == {2 << 58 | 0x1234: 1}


def test_fork_names_the_slot_twice_and_exclusively_no_more(space, area):
    child = space.fork()
    assert asked(space, "duplicate") == [(2, 0x1234)]
    assert space.swap_entry(area + PAGE) == (2, 0x1234, False)
    space.run(child)
    assert space.swap_entry(area + PAGE) == (2, 0x1234, False)
    assert space.rss() == {"swap": 1, "anon": 2, "file": 0, "shmem": 0}


def test_fork_without_room_for_a_count_leaves_no_child(space, area):
    before = space.rss()
    space.swap_fails = True
    assert space.fork() == -errno.ENOMEM
    assert space.rss() == before
    assert space.swap_entry(area + PAGE) == (2, 0x1234, True)


def test_a_guard_marker_frees_no_slot_in_fork(space, area):
    space.madvise(area, PAGE, MADV_GUARD_INSTALL)
    child = space.fork()
    space.run(child)
    assert kinds(space, area, 4) == ["marker", "swap", "none", "page"]
    assert space.touch(area) == (SIGSEGV, area)


def test_mprotect_leaves_a_swap_entry_as_it_is(space, area):
    before = space.entry(area + PAGE)
    space.mprotect(area, 4 * PAGE, PROT_READ)
    assert space.entry(area + PAGE) == before


def test_mremap_moves_a_swap_entry_without_asking(space, area):
    before = space.entry(area + PAGE)
    to = space.mmap(4 * PAGE, addr=area - (1 << 30))
    space.mremap(area, 4 * PAGE, 4 * PAGE, 3, to)
    assert space.entry(to + PAGE) == before
    assert space.swap == []
    assert space.rss()["swap"] == 1


def test_mlock_and_cold_pass_by(space, area):
    before = space.entry(area + PAGE)
    space.madvise(area, 4 * PAGE, MADV_COLD)
    assert space.entry(area + PAGE) == before


def test_free_gives_the_slot_back(space, area):
    """madvise_free_pte_range(): the page need not come back from the disk."""
    space.madvise(area, 4 * PAGE, MADV_FREE)
    assert asked(space, "free") == [(2, 0x1234)]
    assert kinds(space, area, 4) == ["page", "none", "none", "page"]


def test_a_fault_goes_to_the_swap_areas(space, area):
    assert space.touch(area + PAGE) == (SIGBUS, area + PAGE)  # what the areas of this test answer
    assert asked(space, "fault") == [(2, 0x1234)]


def test_smaps_counts_swap_and_its_share(space, area):
    assert space.smaps(area)["swap"] == PAGE
    assert space.smaps(area)["swap_pss"] == PAGE << 12
    assert space.smaps(area)["resident"] == 2 * PAGE
    space.fork()
    assert space.smaps(area)["swap"] == PAGE
    assert space.smaps(area)["swap_pss"] == (PAGE << 12) // 2


def test_pagemap_tells_type_and_offset(space, area):
    """pte_to_pagemap_entry(): type in bits 4-0, offset from bit 5 on."""
    assert space.pagemap(area + PAGE) == PM_SWAP | 0x1234 << 5 | 2


def test_pagemap_of_a_guard_tells_its_marker(space, area):
    space.madvise(area, PAGE, MADV_GUARD_INSTALL)
    assert space.pagemap(area) == PM_SWAP | PM_GUARD | 4 << 5 | SWP_PTE_MARKER


def test_mincore_says_what_the_swap_cache_has(space, area):
    assert space.mincore(area, 4) == [1, 0, 0, 1]


@pytest.mark.parametrize("call", ["smaps", "pagemap", "mprotect", "mincore"])
def test_a_page_on_its_way_is_still_counted(space, area, call):
    old = space.plant_migration(area, SWP_MIGRATION_WRITE)
    if call == "smaps":
        assert space.smaps(area)["resident"] == 2 * PAGE
    elif call == "pagemap":
        assert space.pagemap(area) == PM_SWAP | (old >> 12 & 0xFFFFFFFF) << 5 | SWP_MIGRATION_WRITE
    elif call == "mincore":
        assert space.mincore(area, 1) == [1]
    else:
        space.mprotect(area, PAGE, PROT_READ)
        assert space.entry(area) >> 59 == SWP_MIGRATION_READ_EXCLUSIVE
        space.mprotect(area, PAGE, PROT_RW)
    space.plant(area, old)


def test_pagemap_distinguishes_all(space, area):
    got = [space.pagemap(area + i * PAGE) & (PM_PRESENT | PM_SWAP) for i in range(4)]
    assert got == [PM_PRESENT, PM_SWAP, 0, PM_PRESENT]
    assert all(a != b for a, b in pairwise(got))
