"""Runs of pages and one access after another leave the same machine, record by record (see test_access_quick.py), whatever the TLB."""

import random

import pytest

from tests.mm.test_access_quick import PAGE, Pair, differences, pair_with_area

TLBS = [
    "l1d=64x4,l2=1536x12",
    "l1d=16x4,l2=64x4",  # a run is longer than both levels
    "l1d=64x4,l2=32x4",  # the first level holds more than the second
    "l1d=64x64,l2=128x128",  # one set; more ways than a run keeps in mind
    "l1d=512x4,l2=2048x4",  # more sets
    "l1d=8x1,l1i=8x1,l2=16x1",
    "l1d=64x4,l1i=128x8,l2=1536x12:plru",  # not for runs
    "l1d=48x3,l2=96x3",
]


@pytest.mark.parametrize("tlb", TLBS)
def test_a_run_fills_the_tlb_as_its_pages_do(tlb):
    """New pages, entries that a flush left stale, entries that still count, and pages of the run that come much later."""
    pair, pid, base = pair_with_area(2200, tlb=tlb)
    pair.touch(pid, base + 2000 * PAGE, 200 * PAGE, "w")
    pair.touch(pid, base, 2200 * PAGE, "w")
    pair.touch(pid, base + 1900 * PAGE, 300 * PAGE, "r")
    assert differences(*pair.machines) == []
    child = pair.fork(pid)
    pair.touch(pid, base + 1000 * PAGE, 1200 * PAGE, "w")
    pair.touch(pid, base, 2200 * PAGE, "w")
    assert differences(*pair.machines) == []
    pair.exit(child)
    pair.touch(pid, base, 2200 * PAGE, "w")
    pair.madvise(pid, base + 300 * PAGE, 1500 * PAGE, 4)
    pair.touch(pid, base, 2200 * PAGE, "r")
    assert [cpu.evictions for cpu in pair.machines[0].tlb_stats()] == [cpu.evictions for cpu in pair.machines[1].tlb_stats()]
    assert differences(*pair.machines) == []
    assert pair.fsck() == []


@pytest.mark.parametrize("tlb", TLBS)
@pytest.mark.parametrize("seed", range(3))
def test_drawn_runs_leave_the_same_machine(tlb, seed):
    draw = random.Random(f"{seed} {tlb}")
    pair, pid, base = pair_with_area(1500, tlb=tlb)
    other = pair.spawn("b", None, [b"b"], [])
    elsewhere = pair.mmap(other, 0, 600 * PAGE, 3, 0x22)
    for _ in range(60):
        first = draw.randrange(1500)
        nr_pages = draw.randint(1, draw.choice((3, 70, 700))) * PAGE
        nr_pages = min(nr_pages, (1500 - first) * PAGE)
        what = draw.randrange(10)
        if what < 6:
            pair.touch(pid, base + first * PAGE, nr_pages, "rw"[what % 2])
        elif what == 6:
            pair.madvise(pid, base + first * PAGE, nr_pages, 4)
        elif what == 7:
            pair.mprotect(pid, base + first * PAGE, nr_pages, 1)
            pair.mprotect(pid, base + first * PAGE, nr_pages, 3)
        elif what == 8:
            pair.touch(other, elsewhere + (first % 500) * PAGE, 90 * PAGE, "w")
        else:
            pair.exit(pair.fork(pid))
    assert differences(*pair.machines) == []
    assert pair.fsck() == []


@pytest.mark.parametrize("flags", [1, 2], ids=["shared", "private"])
@pytest.mark.parametrize("dirty", [False, True], ids=["clean", "dirty"])
def test_faults_around_within_a_run_leave_the_same_machine(flags, dirty):
    """Holes in the cache, the file's end within a window, neighbours that are there; and a dirty page, for which the flusher might run."""
    pair = Pair()
    pid = pair.spawn("a", None, [b"a"], [])
    pair.mkfile("/file", 1300 * PAGE + 7)
    for first, nr_pages in ((0, 400), (407, 9), (500, 700), (1290, 11)):
        pair.read(pid, "/file", first * PAGE, nr_pages * PAGE)
    base = pair.mmap(pid, 0, 1280 * PAGE, 1, flags, "/file", 20 * PAGE)
    pair.touch(pid, base + 40 * PAGE, 3 * PAGE, "r")
    pair.touch(pid, base + 800 * PAGE, 90 * PAGE, "r")
    pair.madvise(pid, base + 820 * PAGE, 33 * PAGE, 4)
    if dirty:
        pair.write(pid, "/file", 20 * PAGE, b"y" * 3 * PAGE)
    pair.touch(pid, base, 1280 * PAGE, "r")
    assert differences(*pair.machines) == []
    assert pair.fsck() == []


def test_a_run_in_a_machine_that_is_short_of_memory_leaves_the_same_machine():
    """kswapd is woken within runs; what they count late must be there when it looks."""
    pair = Pair(ram_bytes=96 << 20)
    pair.swapon(256 << 20)
    pid = pair.spawn("a", None, [b"a"], [])
    nr_pages = pair.vmstat()["nr_free_pages"] + 1500
    base = pair.mmap(pid, 0, nr_pages * PAGE, 3, 0x4022)
    for kind in "wrw":
        pair.touch(pid, base, nr_pages * PAGE, kind)
        assert differences(*pair.machines) == []
    shared = pair.mmap(pid, 0, 3000 * PAGE, 3, 0x21)
    for kind in "wr":
        pair.touch(pid, shared, 3000 * PAGE, kind)
        pair.madvise(pid, shared, 3000 * PAGE, 4)
    pair.touch(pid, shared, 3000 * PAGE, "r")
    assert differences(*pair.machines) == []
    assert pair.fsck() == []
