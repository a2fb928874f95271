"""Reclaim's quick road and the general one leave the same machine, record by record; so do a fault on swapped memory and its retry.

A trace makes everything take the general road (test_access_quick).
"""

import struct
from random import Random

import pytest

from tests.mm.test_access_quick import PAGE, Pair, differences

MADV_RANDOM, MADV_SEQUENTIAL, MADV_FREE, MADV_COLD, MADV_PAGEOUT = 1, 2, 8, 20, 21
READ, WRITE = 0, 1


def short_pair(times=1.5, swap_times=1.6, nr_areas=1, **boot):
    """Two machines of 64 MiB, a process with an area of so many times the free memory, and swap in so many areas."""
    pair = Pair(ram_bytes=64 << 20, **boot)
    free = pair.vmstat()["nr_free_pages"]
    for _ in range(nr_areas):
        pair.swapon(int(free * swap_times / nr_areas) << 12)
    pid = pair.spawn("a", None, [b"a"], [])
    nr_pages = int(free * times)
    return pair, pid, pair.mmap(pid, 0, nr_pages * PAGE, 3, 0x4022), nr_pages


def stream(pair, pid, base, pages, kinds=(WRITE,)):
    pair.access_stream(pid, b"".join(struct.pack("<QII", base + page * PAGE, 1, kinds[i % len(kinds)]) for i, page in enumerate(pages)))


def assert_alike(pair, *counters):
    stat = pair.vmstat()
    for counter in counters:
        assert stat[counter] > 0, counter
    assert differences(*pair.machines) == []
    assert pair.fsck() == []


@pytest.mark.parametrize("boot", [{}, {"nr_cpus": 2}, {"pcid": True}, {"tlb": "l1d=16x2,l2=64x4"}, {"tlb": "none"}, {"tlb": "zen4"},
                                  {"arch": "arm64"}, {"arch": "i386-pae"}, {"soft_dirty": True}], ids=str)
def test_a_loop_over_more_than_memory(boot):
    pair, pid, base, nr_pages = short_pair(**boot)
    for kinds in ((WRITE,), (READ,), (READ, WRITE, WRITE)):
        stream(pair, pid, base, range(nr_pages), kinds)
    assert_alike(pair, "pswpin", "pswpout", "pgsteal_kswapd", "workingset_refault_anon", "swap_ra_hit")


@pytest.mark.parametrize("swap_times", [0.3, 1.2, 4])
def test_a_set_that_is_used_more_and_swap_that_is_half_full(swap_times):
    pair, pid, base, nr_pages = short_pair(swap_times=swap_times, times=1.15 if swap_times == 0.3 else 2)
    random = Random(7)
    stream(pair, pid, base, range(nr_pages))
    stream(pair, pid, base, [int(nr_pages * random.random() ** 3) for _ in range(3 * nr_pages)], (READ, WRITE, READ))
    assert_alike(pair, "pswpin", "pgactivate", "pgdeactivate")


def test_pages_that_several_map_and_advice():
    """Shared after fork, locked, lazily freed, read in order or at random, aged and paged out by hand, stored to."""
    pair, pid, base, nr_pages = short_pair()
    half = nr_pages // 2
    stream(pair, pid, base, range(half))
    pair.store(pid, base + 5 * PAGE, b"bytes" * 3000)
    pair.store(pid, base + 300 * PAGE, bytes(3 * PAGE))
    child = pair.fork(pid)
    stream(pair, child, base, range(0, half, 3))
    pair.mlock(pid, base + 100 * PAGE, 50 * PAGE)
    pair.madvise(pid, base + 200 * PAGE, 100 * PAGE, MADV_RANDOM)
    pair.madvise(pid, base + 400 * PAGE, 100 * PAGE, MADV_SEQUENTIAL)
    pair.madvise(pid, base + 600 * PAGE, 100 * PAGE, MADV_FREE)
    pair.madvise(pid, base + 700 * PAGE, 100 * PAGE, MADV_COLD)
    pair.madvise(child, base + 800 * PAGE, 900 * PAGE, MADV_PAGEOUT)
    stream(pair, pid, base, range(0, nr_pages, 2), (READ, WRITE))
    pair.exit(child)
    stream(pair, pid, base, range(nr_pages - 1, 0, -1))
    pair.madvise(pid, base + 2000 * PAGE, 300 * PAGE, MADV_PAGEOUT)
    assert pair.load(pid, base + 5 * PAGE, 10) == b"bytesbytes"
    assert pair.load(pid, base + 301 * PAGE, 10) == bytes(10)
    assert_alike(pair, "pswpin", "pswpout", "swpout_zero")


def test_a_group_at_its_limit_and_pages_of_files():
    pair, pid, base, nr_pages = short_pair()
    pair.cgroup_create("g")
    pair.cgroup_set("g", "memory.max", 8 << 20)
    other = pair.spawn("b", None, [b"b"], [])
    pair.cgroup_move("g", other)
    area = pair.mmap(other, 0, 4000 * PAGE, 3, 0x4022)
    pair.mkfile("/data", 3000 * PAGE)
    mapped = pair.mmap(pid, 0, 3000 * PAGE, 3, 1, "/data")
    for turn in range(3):
        stream(pair, other, area, range(4000))
        stream(pair, pid, mapped, range(0, 3000, 2), (WRITE, READ))
        stream(pair, pid, base, range(turn * nr_pages // 3, (turn + 1) * nr_pages // 3))
    assert_alike(pair, "pswpin", "pgsteal_anon", "pgsteal_file")


@pytest.mark.parametrize("nr_areas", [1, 3])
def test_two_processes_and_their_child_one_after_the_other(nr_areas):
    """The spaces' pages are mixed on the list, some are mapped twice, and slots go back in any order."""
    pair, pid, base, nr_pages = short_pair(0.9, 2, nr_areas)
    other = pair.spawn("b", None, [b"b"], [])
    area = pair.mmap(other, 0, nr_pages * PAGE, 3, 0x4022)
    for kinds in ((WRITE,), (READ, WRITE), (READ,)):
        stream(pair, pid, base, range(nr_pages), kinds)
        stream(pair, other, area, range(0, nr_pages, 3), kinds)
    child = pair.fork(pid)
    stream(pair, child, base, range(0, nr_pages, 2), (READ, WRITE))
    stream(pair, pid, base, range(nr_pages), (WRITE, READ))
    pair.exit(child)
    stream(pair, pid, base, range(nr_pages - 1, 0, -1), (READ, READ, WRITE))
    pair.munmap(pid, base + 1000 * PAGE, 3000 * PAGE)
    stream(pair, other, area, range(nr_pages))
    assert_alike(pair, "pswpin", "pswpout", "pgrotated")


def test_bytes_go_out_and_come_back():
    """Of pages that were stored to, read, filled with zeros, and stored to again."""
    pair, pid, base, nr_pages = short_pair()
    for page in range(0, nr_pages, 2):
        pair.store(pid, base + page * PAGE + 8, bytes([page & 255]) * 16)
    for page in range(0, nr_pages, 6):
        assert pair.load(pid, base + page * PAGE + 8, 16) == bytes([page & 255]) * 16
    for page in range(0, nr_pages, 10):
        pair.store(pid, base + page * PAGE + 8, bytes(16))
    for kinds in ((READ,), (WRITE,)):
        stream(pair, pid, base, range(nr_pages), kinds)
    assert pair.load(pid, base + 4 * PAGE + 8, 16) == b"\4" * 16
    stream(pair, pid, base, range(800), (READ,))
    child = pair.fork(pid)
    stream(pair, child, base, range(2, 300, 6))  # copies of pages whose bytes are their slots'
    pair.touch(child, base + 300 * PAGE, 300 * PAGE, "w")
    for page in (2, 8, 302, 304, 404):
        assert pair.load(child, base + page * PAGE + 8, 16) == bytes([page & 255]) * 16
    assert_alike(pair, "pswpin", "swpout_zero", "swpin_zero")
