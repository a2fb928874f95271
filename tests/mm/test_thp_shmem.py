"""Huge pages of shared memory, by transparent_hugepage/shmem_enabled: the kernel's rules (mm/shmem.c), one situation each.

The live kernel judges drawn scripts of the same calls: `python -m tests.differential --category thp/shared`.
"""

import pytest

PAGE, HUGE = 4096, 2 << 20
RW, SHARED_ANON, FIXED, NORESERVE = 3, 0x21, 0x10, 0x4000
HUGEPAGE, NOHUGEPAGE, DONTNEED, REMOVE, COLD = 14, 15, 4, 9, 20


@pytest.fixture
def machine(one_process):
    return one_process


def enabled(machine, how):
    machine.set_sysctl("transparent_hugepage/shmem_enabled", how)


def leaf_bytes(machine, addr, pid=1):
    """Of the page that maps an address; 0: nothing does."""
    return machine.walk(pid, addr).page_bytes


def counters(machine):
    vmstat = machine.vmstat()
    names = ("nr_shmem_hugepages", "nr_shmem_pmdmapped", "thp_file_alloc", "thp_file_fallback", "thp_file_mapped")
    return tuple(vmstat[name] for name in names)


def test_never_is_the_default_and_single_pages_come(machine):
    at = machine.mmap(1, 0, HUGE, RW, SHARED_ANON)
    machine.touch(1, at, 1, "w")
    assert leaf_bytes(machine, at) == PAGE
    assert counters(machine) == (0, 0, 0, 0, 0)


def test_always_gives_the_first_touch_a_huge_page_at_an_aligned_place(machine):
    enabled(machine, "always")
    at = machine.mmap(1, 0, 2 * HUGE, RW, SHARED_ANON)
    assert at % HUGE == 0
    machine.touch(1, at + 5 * PAGE, 1, "w")
    assert (leaf_bytes(machine, at), leaf_bytes(machine, at + HUGE)) == (HUGE, 0)
    assert counters(machine) == (1, 1, 1, 0, 1)
    meminfo = machine.meminfo()
    assert (meminfo["ShmemHugePages"], meminfo["ShmemPmdMapped"], meminfo["Shmem"]) == (2048, 2048, 2048)


@pytest.mark.parametrize("how, size, advice, expected", [
    ("within_size", 2 * HUGE, None, HUGE), ("within_size", HUGE + 8 * PAGE, None, PAGE), ("within_size", HUGE + 8 * PAGE, HUGEPAGE, PAGE),
    ("advise", 2 * HUGE, None, PAGE), ("advise", 2 * HUGE, HUGEPAGE, HUGE), ("always", 2 * HUGE, NOHUGEPAGE, PAGE),
    ("deny", 2 * HUGE, HUGEPAGE, PAGE), ("force", 2 * HUGE, None, HUGE)])
def test_what_the_mode_the_size_and_the_advice_say(machine, how, size, advice, expected):
    """The last 2M are looked at; an area that ends within them has no room for one."""
    enabled(machine, how)
    at = machine.mmap(1, 0x40000000, size, RW, SHARED_ANON | FIXED)
    if advice is not None:
        machine.madvise(1, at, size, advice)
    machine.touch(1, at + HUGE, 1, "w")
    assert leaf_bytes(machine, at + HUGE) == expected


def test_where_a_page_is_already_no_huge_one_comes(machine):
    at = machine.mmap(1, 0x40000000, HUGE, RW, SHARED_ANON | FIXED)
    machine.touch(1, at + 3 * PAGE, 1, "w")
    enabled(machine, "always")
    machine.touch(1, at, 1, "w")
    assert leaf_bytes(machine, at) == PAGE
    assert counters(machine)[2:4] == (0, 0)


def test_the_parent_sees_what_the_child_writes(machine):
    enabled(machine, "always")
    at = machine.mmap(1, 0, HUGE, RW, SHARED_ANON)
    machine.store(1, at, b"parent")
    child = machine.fork(1)
    assert leaf_bytes(machine, at, child) == 0  # a file's huge entry is not copied: the child's fault finds the folio
    machine.store(child, at + HUGE - 5, b"child")
    assert leaf_bytes(machine, at, child) == HUGE
    assert machine.load(1, at + HUGE - 5, 5) == b"child"


def test_a_hole_splits_the_folio_and_the_rest_stays(machine):
    enabled(machine, "always")
    at = machine.mmap(1, 0, HUGE, RW, SHARED_ANON)
    machine.store(1, at + 100 * PAGE, b"kept")
    machine.madvise(1, at + 8 * PAGE, 4 * PAGE, REMOVE)
    assert counters(machine)[:2] == (0, 0)
    assert machine.meminfo()["Shmem"] == 2048 - 16
    assert machine.load(1, at + 100 * PAGE, 4) == b"kept"
    assert machine.load(1, at + 8 * PAGE, 4) == bytes(4)


def test_dontneed_of_a_part_drops_the_entry_and_a_fault_finds_the_folio_again(machine):
    enabled(machine, "always")
    at = machine.mmap(1, 0, HUGE, RW, SHARED_ANON)
    machine.store(1, at, b"here")
    machine.madvise(1, at, PAGE, DONTNEED)
    assert counters(machine)[:2] == (1, 0)
    assert machine.load(1, at, 4) == b"here"


def test_cold_over_a_part_splits_the_folio_though_it_is_dirty(machine):
    """Of a file's folio the buffers could not be released; shared memory has none."""
    enabled(machine, "always")
    at = machine.mmap(1, 0, HUGE, RW, SHARED_ANON)
    machine.touch(1, at, HUGE, "w")
    assert counters(machine)[:2] == (1, 1)
    machine.madvise(1, at + 7 * PAGE, 3 * PAGE, COLD)
    assert counters(machine)[:2] == (0, 0)
    assert machine.meminfo()["Shmem"] == 2048
    assert machine.fsck() == []


def test_page_by_page_charge_counts_512(machine):
    enabled(machine, "always")
    before = machine.meminfo()["Committed_AS"]
    at = machine.mmap(1, 0, 2 * HUGE, RW, SHARED_ANON | NORESERVE)
    assert machine.meminfo()["Committed_AS"] == before
    machine.touch(1, at, 1, "w")
    assert machine.meminfo()["Committed_AS"] == before + 2048
    machine.munmap(1, at, 2 * HUGE)
    assert machine.meminfo()["Committed_AS"] == before


def test_reclaim_splits_it_for_swap(machine):
    machine.swapon(64 << 20)
    enabled(machine, "always")
    at = machine.mmap(1, 0, HUGE, RW, SHARED_ANON)
    machine.store(1, at + 7 * PAGE, b"swapped")
    machine.madvise(1, at, HUGE, 21)  # MADV_PAGEOUT
    machine.reclaim(500)
    assert machine.fsck() == []
    assert machine.load(1, at + 7 * PAGE, 7) == b"swapped"


def test_an_address_that_is_asked_for_is_kept(machine):
    enabled(machine, "always")
    assert machine.mmap(1, 0x40001000, 2 * HUGE, RW, SHARED_ANON) == 0x40001000
    assert machine.mmap(1, 0, HUGE - PAGE, RW, SHARED_ANON) % HUGE != 0  # too short for one
