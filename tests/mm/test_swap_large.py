"""Large folios on their way to swap where none of their order is to be had: split, and the pieces dealt with in the same batch.

The slots are those that a 6.18 with a swap file gave the same calls, for the pages of zeros, too: each of them takes a slot and gives it
back.
"""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE, KB64, HUGE, MIB = 4096, 65536, 2 << 20, 1 << 20
RW, PRIVATE, FIXED, SHARED = 3, 0x22, 0x10, 0x21
HUGEPAGE, DONTNEED, FREE, COLD, PAGEOUT = 14, 4, 8, 20, 21
AT = 0x40000000
COUNTERS = ("pswpout", "swpout_zero", "thp_swpout", "thp_swpout_fallback", "thp_split_page", "thp_split_pmd")


@pytest.fixture
def boot():
    booted = []

    def make(ram=1 << 30, swap=64 * MIB, arch="x86-64"):
        machine = core.Machine()
        machine.boot(ram_bytes=ram, arch=arch)
        if swap:
            machine.swapon(swap, file=True)
        machine.spawn("a", None, [b"a"], [])
        booted.append(machine)
        return machine

    yield make
    for machine in booted:
        assert machine.fsck() == []


def fill(machine, nr_huge=2, size=HUGE, zeros=()):
    machine.mmap(1, AT, nr_huge * size, RW, PRIVATE | FIXED)
    machine.madvise(1, AT, nr_huge * size, HUGEPAGE)
    for i in range(nr_huge * size // PAGE):
        machine.store(1, AT + i * PAGE, bytes(8) if i in zeros else (i + 1).to_bytes(8, "little"))


def slots(machine, nr_pages):
    """An offset, 0: present, None: nothing."""
    entries = [page.entry for page in machine.pagemap(1, AT, nr_pages * PAGE)]
    return [(entry & (1 << 55) - 1) >> 5 if entry >> 62 & 1 else 0 if entry >> 63 else None for entry in entries]


def counted(machine, what):
    before = machine.vmstat()
    what()
    after = machine.vmstat()
    return {name: after[name] - before[name] for name in COUNTERS}


def test_the_first_page_has_the_first_slot_and_the_last_page_the_second(boot):
    machine = boot()
    fill(machine)
    found = counted(machine, lambda: machine.madvise(1, AT, 2 * HUGE, PAGEOUT))
    assert found == dict.fromkeys(COUNTERS, 2) | {"pswpout": 1024, "swpout_zero": 0, "thp_swpout": 0}
    stats = machine.mthp_stats(2048)
    assert (stats["swpout"], stats["swpout_fallback"], stats["split"]) == (0, 2, 2)
    assert slots(machine, 1024) == [1, *range(512, 1, -1), 513, *range(1024, 513, -1)]
    assert all(machine.load(1, AT + i * PAGE, 8) == (i + 1).to_bytes(8, "little") for i in range(1024))


def test_a_page_of_zeros_takes_a_slot_and_gives_it_back(boot):
    """It is unmapped by the split and waits with the others; so the next huge page, too, begins behind where the batch had come to."""
    machine = boot()
    fill(machine, zeros=range(512))
    found = counted(machine, lambda: machine.madvise(1, AT, 2 * HUGE, PAGEOUT))
    assert found == dict.fromkeys(COUNTERS, 2) | {"pswpout": 512, "swpout_zero": 0, "thp_swpout": 0}
    assert slots(machine, 1024)[:512] == [0] * 512
    assert slots(machine, 516)[512:] == [2, 513, 512, 511]
    assert machine.meminfo()["SwapFree"] == machine.meminfo()["SwapTotal"] - 2048


def test_without_swap_it_is_split_all_the_same(boot):
    machine = boot(swap=0)
    fill(machine)
    found = counted(machine, lambda: machine.madvise(1, AT, 2 * HUGE, PAGEOUT))
    assert found == dict.fromkeys(COUNTERS, 2) | {"pswpout": 0, "swpout_zero": 0, "thp_swpout": 0}
    assert slots(machine, 1024) == [0] * 1024
    assert machine.node_stats()["nr_active_anon"] == 33 * 31  # the last one waits in a batch
    machine.madvise(1, machine.mmap(1, 0, PAGE, 3, 0x22), PAGE, COLD)  # drains
    assert machine.node_stats()["nr_active_anon"] == 1024


def test_with_too_little_swap_the_rest_stays(boot):
    machine = boot(swap=1 * MIB)
    fill(machine, 1)
    machine.madvise(1, AT, HUGE, PAGEOUT)
    assert slots(machine, 512) == [1] + [0] * 257 + list(range(255, 1, -1))
    assert machine.mthp_stats(2048)["swpout_fallback"] == 1
    assert all(machine.load(1, AT + i * PAGE, 8) == (i + 1).to_bytes(8, "little") for i in range(512))


def test_a_folio_mapped_by_small_entries(boot):
    machine = boot()
    machine.set_sysctl("transparent_hugepage/hugepages-64kB/enabled", "always")
    fill(machine, 2, KB64)
    found = counted(machine, lambda: machine.madvise(1, AT, 2 * KB64, PAGEOUT))
    assert found == dict.fromkeys(COUNTERS, 0) | {"pswpout": 32}
    stats = machine.mthp_stats(64)
    assert (stats["swpout"], stats["swpout_fallback"], stats["split"]) == (0, 2, 2)
    assert slots(machine, 32) == [1, *range(16, 1, -1), 17, *range(32, 17, -1)]


def test_a_huge_page_that_two_share_is_left_alone(boot):
    machine = boot()
    fill(machine, 1)
    machine.fork(1)
    assert counted(machine, lambda: machine.madvise(1, AT, HUGE, PAGEOUT)) == dict.fromkeys(COUNTERS, 0)
    assert slots(machine, 512) == [0] * 512


def test_the_huge_zero_page_is_left_alone(boot):
    machine = boot()
    machine.mmap(1, AT, HUGE, RW, PRIVATE | FIXED)
    machine.madvise(1, AT, HUGE, HUGEPAGE)
    machine.touch(1, AT, PAGE, "r")
    assert counted(machine, lambda: machine.madvise(1, AT, HUGE, PAGEOUT)) == dict.fromkeys(COUNTERS, 0)


@pytest.mark.parametrize("arch, size", [("i386-pae", HUGE), ("arm64", HUGE), ("arm64-16k", 32 * MIB)])
def test_other_sizes(boot, arch, size):
    machine = boot(arch=arch)
    page = 16384 if arch == "arm64-16k" else PAGE
    machine.mmap(1, AT, size, RW, PRIVATE | FIXED)
    machine.madvise(1, AT, size, HUGEPAGE)
    machine.store(1, AT, b"first")
    machine.store(1, AT + size - page, b"last")
    machine.touch(1, AT, size, "w")
    found = counted(machine, lambda: machine.madvise(1, AT, size, PAGEOUT))
    assert (found["thp_swpout_fallback"], found["thp_split_page"]) == (1, 1)
    assert machine.load(1, AT, 5) + machine.load(1, AT + size - page, 4) == b"firstlast"


def test_reclaim_deals_with_the_pieces_in_one_batch(boot):
    machine = boot()
    fill(machine, 8)
    found = counted(machine, lambda: machine.reclaim(512))
    nr = found["thp_split_page"]
    assert nr == found["thp_swpout_fallback"] > 0
    out = slots(machine, 8 * 512)
    gone = [i for i in range(0, 8 * 512, 512) if out[i]]
    assert len(gone) == nr and sum(slot != 0 for slot in out) == nr * 512
    for i in gone:
        assert out[i + 1 : i + 512] == list(range(out[i] + 511, out[i], -1))


def test_of_a_folio_mapped_in_part_the_rest_is_freed(boot):
    """It is split before slots are looked for, so nothing fell back; each page that nobody maps takes a slot for a moment."""
    machine = boot()
    fill(machine, 1)
    machine.madvise(1, AT + 7 * PAGE, 500 * PAGE, DONTNEED)
    free = machine.meminfo()["SwapFree"]
    found = counted(machine, lambda: machine.reclaim(8))
    assert (found["thp_swpout_fallback"], found["thp_split_page"]) == (0, 1)
    assert machine.mthp_stats(2048)["swpout_fallback"] == 0
    out = slots(machine, 512)
    assert out[7:507] == [None] * 500
    assert out[508:] == [out[511] + 3, out[511] + 2, out[511] + 1, out[511]]
    assert out[6] == out[507] + 501
    assert free - machine.meminfo()["SwapFree"] == 4 * machine.mm(1).swapents


def test_shared_memory_stays_whole_without_swap_and_leaves_from_its_end_with_it(boot):
    machine = boot(swap=0)
    machine.set_sysctl("transparent_hugepage/shmem_enabled", "always")
    at = machine.mmap(1, 0, HUGE, RW, SHARED)
    for i in range(512):
        machine.store(1, at + i * PAGE, (i + 1).to_bytes(8, "little"))
    machine.madvise(1, at, HUGE, PAGEOUT)
    assert machine.meminfo()["ShmemHugePages"] == 2048
    machine.swapon(64 * MIB, file=True)
    machine.load(1, at, 1)
    machine.madvise(1, at, HUGE, PAGEOUT)
    assert machine.meminfo()["ShmemHugePages"] == 0
    assert machine.vmstat()["pswpout"] == 512
    assert all(machine.load(1, at + i * PAGE, 8) == (i + 1).to_bytes(8, "little") for i in range(512))


# --- freed lazily ----------------------------------------------------------------------------------------------------


def lazily_freed(machine, how):
    """A huge page of other bytes than zeros, mapped by one entry or by small ones, freed lazily."""
    machine.mmap(1, AT, HUGE, RW, PRIVATE | FIXED)
    machine.madvise(1, AT, HUGE, HUGEPAGE)
    machine.store(1, AT, b"\1" * HUGE)
    if how == "small":
        machine.mprotect(1, AT + 7 * PAGE, PAGE, 1)
        machine.mprotect(1, AT + 7 * PAGE, PAGE, RW)
    machine.madvise(1, AT, HUGE, FREE)


def freed(machine, what):
    before = machine.vmstat()["pglazyfreed"]
    found = counted(machine, what)
    assert found == dict.fromkeys(COUNTERS, 0)
    return machine.vmstat()["pglazyfreed"] - before


@pytest.mark.parametrize("how", ["huge", "small"])
def test_one_that_was_freed_lazily_is_dropped_whole(boot, how):
    machine = boot()
    lazily_freed(machine, how)
    assert freed(machine, lambda: machine.madvise(1, AT, HUGE, PAGEOUT)) == 512
    assert slots(machine, 512) == [None] * 512
    assert (machine.mthp_stats(2048)["nr_anon"], machine.mthp_stats(2048)["nr_anon_partially_mapped"]) == (0, 0)
    assert machine.node_stats()["nr_anon_transparent_hugepages"] == 0
    assert machine.load(1, AT + 9 * PAGE, 1) == b"\0"


@pytest.mark.parametrize("how, written", [("huge", 0), ("small", 0), ("small", 100), ("small", 511)])
def test_one_that_was_written_since_stays_whole(boot, how, written):
    """All the entries in a row are looked at before one is taken away."""
    machine = boot()
    lazily_freed(machine, how)
    machine.store(1, AT + written * PAGE, b"here")
    assert freed(machine, lambda: machine.madvise(1, AT, HUGE, PAGEOUT)) == 0
    assert slots(machine, 512) == [0] * 512
    assert machine.load(1, AT + written * PAGE, 5) == b"here\1"
    assert machine.load(1, AT + 9 * PAGE, 1) == b"\1"
    assert machine.mthp_stats(2048)["nr_anon"] == 1


def test_reclaim_drops_it_before_anything_is_written(boot):
    machine = boot()
    lazily_freed(machine, "huge")
    free = machine.node_stats()["nr_inactive_file"]
    assert freed(machine, lambda: machine.reclaim(512)) == 512
    assert machine.node_stats()["nr_inactive_file"] <= free - 512


def test_a_row_ends_where_an_entry_may_not_be_written(boot):
    """By the whole folio: MADV_PAGEOUT goes area by area, and splits it for each; reclaim does not."""
    machine = boot()
    lazily_freed(machine, "small")
    machine.mprotect(1, AT + 9 * PAGE, PAGE, 1)
    assert freed(machine, lambda: machine.reclaim(512)) == 512
    assert slots(machine, 512) == [None] * 512
    machine.mprotect(1, AT, HUGE, RW)
    machine.store(1, AT, b"\1" * HUGE)
    lazily_freed(machine, "small")
    machine.mprotect(1, AT + 9 * PAGE, PAGE, 1)
    machine.store(1, AT + 300 * PAGE, b"here")
    machine.reclaim(64)
    assert machine.load(1, AT + 300 * PAGE, 5) == b"here\1"


def test_a_forked_one_goes_when_both_have_let_go(boot):
    machine = boot()
    lazily_freed(machine, "huge")
    machine.fork(1)
    assert freed(machine, lambda: machine.reclaim(512)) == 512
    assert slots(machine, 512) == [None] * 512
