"""Large folios on a partition: out as a whole, found in the swap cache and mapped as a whole, read back page by page.

Slots and counts are those that a live 6.18 with a swap partition gave the same calls; tests/differential draws more of them.
"""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE, KB64, HUGE, MIB = 4096, 65536, 2 << 20, 1 << 20
RW, PRIVATE, FIXED, SHARED = 3, 0x22, 0x10, 0x21
WILLNEED, FREE, REMOVE, HUGEPAGE, COLD, PAGEOUT = 3, 8, 9, 14, 20, 21
AT, BESIDE = 0x40000000, 0x70000000
SIZE = "transparent_hugepage/hugepages-64kB/"


@pytest.fixture
def boot():
    booted = []

    def make(swap=64 * MIB, arch="x86-64", shared=False):
        machine = core.Machine()
        machine.boot(ram_bytes=1 << 30, swap_bytes=swap, arch=arch)
        machine.set_sysctl(SIZE + ("shmem_enabled" if shared else "enabled"), "advise" if shared else "madvise")
        machine.spawn("a", None, [b"a"], [])
        booted.append(machine)
        return machine

    yield make
    for machine in booted:
        assert machine.fsck() == []


def content(i):
    return (i + 1).to_bytes(8, "little")


def fill(machine, length, at=AT, flags=PRIVATE, advice=HUGEPAGE):
    machine.mmap(1, at, length, RW, flags | FIXED)
    machine.madvise(1, at, length, advice)
    for i in range(length // PAGE):
        machine.store(1, at + i * PAGE, content(i))


def out(machine, length, at=AT):
    machine.madvise(1, at, length, PAGEOUT)
    drain(machine)


def drain(machine):
    """The next call finds that the writes have ended; what is to be rotated waits in no batch."""
    machine.mmap(1, BESIDE, PAGE, RW, PRIVATE | FIXED)
    machine.madvise(1, BESIDE, PAGE, COLD)


def slots(machine, nr_pages, at=AT):
    """An offset, 0: present, None: nothing."""
    entries = [page.entry for page in machine.pagemap(1, at, nr_pages * PAGE)]
    return [(entry & (1 << 55) - 1) >> 5 if entry >> 62 & 1 else 0 if entry >> 63 else None for entry in entries]


def used(machine):
    return machine.swaps()[0][2]


def counted(machine, *names):
    stat = machine.vmstat()
    return [stat[name] for name in names]


def evict(machine):
    """All that can go, in a few rounds: written, met again, free."""
    for _ in range(4):
        drain(machine)
        try:
            machine.reclaim(100000)
        except core.KernelError:
            pass


def test_of_two_huge_pages_the_one_finds_a_free_cluster_and_the_other_is_split(boot):
    machine = boot(4 * MIB)
    machine.mmap(1, AT, 2 * HUGE, RW, PRIVATE | FIXED)
    machine.madvise(1, AT, 2 * HUGE, HUGEPAGE)
    for at in (AT, AT + HUGE):
        machine.store(1, at, b"abc")
    out(machine, 2 * HUGE)
    assert counted(machine, "pswpout", "thp_swpout", "thp_swpout_fallback", "thp_split_page", "thp_split_pmd") == [513, 1, 1, 1, 2]
    assert slots(machine, 1024) == [*range(512, 1024), 1, *[0] * 511]  # of zeros the zero page is left
    assert used(machine) == 2052
    assert machine.meminfo()["SwapCached"] == 2052
    assert machine.touch(1, AT + 3 * PAGE, 1, "r").minor == 1
    assert slots(machine, 512) == [0] * 512
    assert used(machine) == 4  # more than half of it was in use


def test_slots_of_each_size_come_from_clusters_of_its_own_until_single_pages_find_no_other(boot):
    machine = boot(4 * MIB)
    fill(machine, 8 * KB64)
    out(machine, 8 * KB64)
    assert slots(machine, 128) == list(range(512, 640))
    machine.mmap(1, 0x50000000, 576 * PAGE, RW, PRIVATE | FIXED)
    for i in range(576):
        machine.store(1, 0x50000000 + i * PAGE, b"y")
    out(machine, 576 * PAGE, 0x50000000)
    assert slots(machine, 576, 0x50000000) == [*range(1, 512), *range(640, 705)]
    assert used(machine) == 2816
    machine.munmap(1, AT, 8 * PAGE)
    assert used(machine) == 2816  # the folio keeps its slots, while one of them is named
    machine.munmap(1, AT + 8 * PAGE, 8 * PAGE)
    assert used(machine) == 2752
    fill(machine, 2 * KB64, 0x60000000)
    out(machine, 2 * KB64, 0x60000000)
    assert slots(machine, 32, 0x60000000) == list(range(720, 752))
    stats = machine.mthp_stats(64)
    assert (stats["swpout"], stats["swpout_fallback"], stats["split"]) == (10, 0, 0)
    machine.swapoff()
    assert slots(machine, 32, 0x60000000) == [0] * 32
    assert machine.mthp_stats(64)["nr_anon"] == 9  # each is still one folio
    assert machine.meminfo()["SwapCached"] == 0


def test_what_left_memory_comes_back_page_by_page_with_its_bytes(boot):
    machine = boot()
    machine.set_sysctl("vm.page-cluster", "0")
    fill(machine, 2 * KB64)
    out(machine, 2 * KB64)
    evict(machine)
    assert machine.meminfo()["SwapCached"] == 0
    before = machine.vmstat()["pswpin"]
    found = machine.touch(1, AT + 5 * PAGE, 1, "r")
    assert (found.minor, found.major) == (0, 1)
    assert machine.vmstat()["pswpin"] - before == 1
    assert slots(machine, 16) == [*range(512, 517), 0, *range(518, 528)]
    assert [machine.load(1, AT + i * PAGE, 8) for i in range(32)] == [content(i) for i in range(32)]


def test_a_folio_that_is_shared_by_fork_is_mapped_whole_by_each_and_copied_by_who_writes(boot):
    machine = boot()
    fill(machine, KB64)
    out(machine, KB64)
    child = machine.fork(1)
    assert machine.touch(1, AT, KB64, "r").minor == 1
    assert machine.touch(child, AT + 9 * PAGE, 1, "w").minor == 1
    assert machine.load(child, AT + 9 * PAGE, 8) == content(9)
    assert machine.mm(1).swapents == 0
    assert machine.mm(child).swapents == 0


def test_a_hole_in_the_entries_is_mapped_around_page_by_page(boot):
    machine = boot()
    fill(machine, KB64)
    out(machine, KB64)
    machine.munmap(1, AT + 4 * PAGE, PAGE)
    assert machine.touch(1, AT, 4 * PAGE, "r").minor == 4
    assert slots(machine, 16) == [0] * 4 + [None] + list(range(517, 528))
    assert used(machine) == 64


def test_pages_freed_lazily_give_up_their_slots(boot):
    machine = boot()
    fill(machine, KB64)
    out(machine, KB64)
    machine.touch(1, AT, KB64, "r")
    assert used(machine) == 64
    machine.madvise(1, AT, KB64, FREE)
    assert used(machine) == 0
    fill(machine, KB64)
    out(machine, KB64)
    machine.madvise(1, AT, KB64, FREE)
    assert (used(machine), slots(machine, 16)) == (0, [None] * 16)


def test_a_swapped_out_folio_that_is_advised_about_in_part_is_split_with_its_slots(boot):
    machine = boot()
    fill(machine, KB64)
    out(machine, KB64)
    machine.touch(1, AT, KB64, "r")
    machine.madvise(1, AT, 5 * PAGE, PAGEOUT)
    assert slots(machine, 16) == [*range(512, 517), *[0] * 11]
    assert machine.mthp_stats(64)["split"] == 1
    assert machine.meminfo()["SwapCached"] == 44  # the others were clean
    assert [machine.load(1, AT + i * PAGE, 8) for i in range(16)] == [content(i) for i in range(16)]


def test_what_is_asked_for_beforehand_is_read_into_the_cache(boot):
    machine = boot()
    fill(machine, KB64)
    out(machine, KB64)
    evict(machine)
    machine.madvise(1, AT, KB64, WILLNEED)
    assert machine.meminfo()["SwapCached"] == 64
    found = machine.touch(1, AT, KB64, "r")
    assert (found.minor, found.major) == (16, 0)


def test_a_disk_that_turns_has_a_next_slot_for_each_size(boot):
    machine = boot(0)
    machine.swapon(16 * MIB, rotational=True)
    fill(machine, 2 * KB64)
    out(machine, KB64)
    machine.mmap(1, 0x50000000, PAGE, RW, PRIVATE | FIXED)
    machine.store(1, 0x50000000, b"y")
    out(machine, PAGE, 0x50000000)
    out(machine, KB64, AT + KB64)
    assert slots(machine, 32) == list(range(512, 544))
    assert slots(machine, 1, 0x50000000) == [1]


def test_a_group_pays_for_every_slot(boot):
    machine = boot()
    machine.cgroup_create("g")
    machine.cgroup_move("g", 1)
    fill(machine, KB64)
    out(machine, KB64)
    assert machine.cgroup("g")["memory.swap.current"] == KB64
    machine.cgroup_set("g", "memory.swap.max", KB64)
    fill(machine, KB64, 0x50000000)
    out(machine, KB64, 0x50000000)
    assert slots(machine, 16, 0x50000000) == [0] * 16
    assert machine.cgroup("g")["memory.swap.events"]["fail"] == 17  # as a whole, and each page of it
    machine.munmap(1, AT, KB64)
    assert machine.cgroup("g")["memory.swap.current"] == 0


# --- shared memory ---------------------------------------------------------------------------------------------------


def test_shared_memory_goes_whole_but_for_the_folio_in_which_the_file_ends(boot):
    machine = boot(shared=True)
    fill(machine, 2 * KB64, flags=SHARED)
    out(machine, 2 * KB64)
    assert used(machine) == 128
    assert machine.mthp_stats(64)["swpout"] == 2
    machine.touch(1, AT + 3 * PAGE, 1, "r")
    assert used(machine) == 64
    assert machine.meminfo()["Shmem"] >= 64
    assert [machine.load(1, AT + i * PAGE, 8) for i in range(32)] == [content(i) for i in range(32)]


def test_an_entry_of_shared_memory_that_is_cut_is_split_and_the_rest_stays(boot):
    machine = boot(shared=True)
    fill(machine, 2 * KB64, flags=SHARED)
    out(machine, 2 * KB64)
    evict(machine)
    machine.madvise(1, AT + 4 * PAGE, 20 * PAGE, REMOVE)
    kept = [*range(4), *range(24, 32)]
    assert used(machine) <= 4 * (len(kept) + 2)
    assert [machine.load(1, AT + i * PAGE, 8) for i in kept] == [content(i) for i in kept]
    assert machine.load(1, AT + 5 * PAGE, 8) == bytes(8)


def test_smaps_shows_what_of_shared_memory_is_in_swap(boot):
    machine = boot(shared=True)
    fill(machine, KB64, flags=SHARED)
    out(machine, KB64)
    (area,) = [area for area in machine.smaps(1) if area.vma.start == AT]
    assert (area.stats.swap, area.stats.swap_pss) == (KB64, 0)


# --- where there are no slots for them -------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ["x86-64", "arm64"])
def test_a_swap_file_has_none(boot, arch):
    machine = boot(0, arch)
    assert machine.swapon(64 * MIB, file=True) == "/swapfile0"
    assert machine.swaps() == [("/swapfile0", 65532, 0, -2, False)]
    fill(machine, KB64)
    out(machine, KB64)
    assert slots(machine, 16) == [1, *range(16, 1, -1)]
    assert machine.mthp_stats(64)["swpout_fallback"] == 1
    machine.swapoff("/swapfile0")
    assert machine.swaps() == []


def test_arm64_with_pages_of_4k_has_and_takes_its_blocks_apart(boot):
    machine = boot(arch="arm64")
    fill(machine, 2 * KB64)
    out(machine, 2 * KB64)
    assert machine.mthp_stats(64)["swpout"] == 2
    assert machine.touch(1, AT, 2 * KB64, "w").minor == 2
    assert [machine.load(1, AT + i * PAGE, 8) for i in range(32)] == [content(i) for i in range(32)]
