"""Swap: slots, the swap cache, bytes that come back; what a 6.18 machine of 128 MB showed for the same calls."""

import random

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from vmtool.errors import KernelError, Signal  # noqa: E402

PAGE = 4096
MIB = 1 << 20
RW, PRIVATE, SHARED = 3, 0x4022, 0x21  # PROT_READ | PROT_WRITE; anonymous and MAP_NORESERVE
MADV_FREE, MADV_PAGEOUT = 8, 21
ENOMEM, EINVAL = 12, 22


def machine_of(ram=96 * MIB, swap=64 * MIB):
    machine = core.Machine()
    machine.boot(ram_bytes=ram, swap_bytes=swap)
    machine.set_sysctl("vm.watermark_boost_factor", "0")
    return machine, machine.spawn("a", None, [b"a"], [])


def kb(machine, name):
    return machine.meminfo()[name]


def test_the_first_page_of_an_area_is_its_header():
    machine, _ = machine_of(swap=64 * MIB)
    assert kb(machine, "SwapTotal") == kb(machine, "SwapFree") == 65532
    assert machine.swaps() == [("/dev/swap0", 65532, 0, -2, True)]


@pytest.mark.parametrize("nr_bytes", [0, 1, PAGE, 1 << 60])
def test_an_area_too_small_or_too_large_is_refused(nr_bytes):
    machine, _ = machine_of(swap=0)
    with pytest.raises(KernelError) as failure:
        machine.swapon(nr_bytes)
    assert failure.value.errno == EINVAL
    assert machine.swaps() == []


def used_by_kernel(machine):
    pages = machine.kernel_pages()
    return pages["vmalloc"], pages["swap_tables"], pages["kmalloc_large"]


def test_an_area_costs_the_kernel_memory_and_gives_it_back():
    """6.18 in a virtual machine: VmallocUsed + 192 kB with 256M (a byte a slot, two for its group); a table by cluster in use."""
    machine, pid = machine_of(ram=192 * MIB, swap=0)
    vmalloc, slab = kb(machine, "VmallocUsed"), kb(machine, "Slab")
    area = machine.swapon(256 * MIB)
    assert kb(machine, "VmallocUsed") - vmalloc == 192
    assert used_by_kernel(machine) == (48, 1, 0)
    assert machine.fsck() == []
    base = machine.mmap(pid, 0, 32 * MIB, RW, PRIVATE)
    machine.touch(pid, base, 32 * MIB, "w")
    machine.madvise(pid, base, 32 * MIB, MADV_PAGEOUT)
    assert used_by_kernel(machine)[1] == 17  # 8192 slots behind the header
    machine.munmap(pid, base, 32 * MIB)
    assert used_by_kernel(machine)[1] == 1  # the header's
    assert machine.fsck() == []
    machine.swapoff(area)
    assert used_by_kernel(machine) == (0, 0, 0)
    assert kb(machine, "VmallocUsed") == vmalloc
    assert kb(machine, "Slab") - slab <= 40
    assert machine.fsck() == []


def test_an_area_that_memory_cannot_manage_is_refused():
    machine, _ = machine_of(ram=96 * MIB, swap=0)
    before = used_by_kernel(machine), machine.meminfo()["MemTotal"]
    with pytest.raises(KernelError) as failure:
        machine.swapon(1 << 40)
    assert failure.value.errno == ENOMEM
    assert machine.swaps() == []
    assert (used_by_kernel(machine), machine.meminfo()["MemTotal"]) == before
    assert machine.fsck() == []
    machine.swapon(64 * MIB)
    assert machine.fsck() == []


def offsets(machine, pid, base, nr):
    raw = machine.pagemap_bytes(pid, base, nr * PAGE)
    entries = [int.from_bytes(raw[i * 8 : i * 8 + 8], "little") for i in range(nr)]
    return [(entry & (1 << 55) - 1) >> 5 if entry >> 62 == 1 else None for entry in entries]


def test_a_cluster_of_which_something_was_freed_is_next_when_the_present_one_is_through():
    """relocate_cluster(), swap_entries_free(): two slots of the first cluster are freed; the present one goes on to its end first."""
    machine, pid = machine_of(ram=128 * MIB)
    base = machine.mmap(pid, 0, 2048 * PAGE, RW, PRIVATE)
    machine.touch(pid, base, 2048 * PAGE, "w")
    machine.madvise(pid, base, 700 * PAGE, MADV_PAGEOUT)
    machine.munmap(pid, base + 100 * PAGE, 2 * PAGE)  # slots 101 and 102
    machine.madvise(pid, base + 700 * PAGE, 400 * PAGE, MADV_PAGEOUT)
    taken = offsets(machine, pid, base + 700 * PAGE, 400)
    assert taken == [*range(701, 1024), 101, 102, *range(1024, 1099)]
    assert machine.fsck() == []


def test_an_emptied_cluster_is_left_even_when_it_is_the_present_one():
    machine, pid = machine_of(ram=128 * MIB)
    base = machine.mmap(pid, 0, 2048 * PAGE, RW, PRIVATE)
    machine.touch(pid, base, 2048 * PAGE, "w")
    machine.madvise(pid, base, 600 * PAGE, MADV_PAGEOUT)  # to slot 600
    machine.munmap(pid, base + 511 * PAGE, 89 * PAGE)  # slots 512 to 600: all of the second cluster's
    machine.madvise(pid, base + 600 * PAGE, 8 * PAGE, MADV_PAGEOUT)
    assert offsets(machine, pid, base + 600 * PAGE, 8) == list(range(1024, 1032))  # behind those that were free before
    assert machine.fsck() == []


def test_each_area_that_does_not_turn_is_left_after_a_cluster_and_one_that_turns_after_each_slot():
    for rotational, expected in ((False, [0] * 511 + [1] * 9), (True, [0, 1] * 260)):
        machine, pid = machine_of(ram=128 * MIB, swap=0)
        for _ in range(2):
            machine.swapon(16 * MIB, priority=5, rotational=rotational)
        base = machine.mmap(pid, 0, 520 * PAGE, RW, PRIVATE)
        machine.touch(pid, base, 520 * PAGE, "w")
        machine.madvise(pid, base, 520 * PAGE, MADV_PAGEOUT)
        raw = machine.pagemap_bytes(pid, base, 520 * PAGE)
        assert [int.from_bytes(raw[i * 8 : i * 8 + 8], "little") & 31 for i in range(520)] == expected
        assert machine.fsck() == []


def test_slots_that_only_the_cache_has_are_taken_when_swap_is_half_full():
    """Pages that were read in and are mapped again keep their slots; a full area gives those away (swap_reclaim_full_clusters())."""
    machine, pid = machine_of(ram=128 * MIB, swap=8 * MIB)
    base = machine.mmap(pid, 0, 2500 * PAGE, RW, PRIVATE)
    machine.touch(pid, base, 1000 * PAGE, "w")
    machine.madvise(pid, base, 1000 * PAGE, MADV_PAGEOUT)
    machine.touch(pid, base, 1000 * PAGE, "r")
    assert kb(machine, "SwapTotal") - kb(machine, "SwapFree") == 4000
    machine.touch(pid, base + 1000 * PAGE, 1500 * PAGE, "w")
    machine.madvise(pid, base + 1000 * PAGE, 1500 * PAGE, MADV_PAGEOUT)  # 1047 are free
    assert None not in offsets(machine, pid, base + 1000 * PAGE, 1500)
    assert machine.fsck() == []


def test_an_area_of_an_older_file_goes_on_without_tables():
    """It knows neither what was taken for it nor a table: the file's zeros."""
    machine, pid = machine_of(ram=128 * MIB)
    base = machine.mmap(pid, 0, 2048 * PAGE, RW, PRIVATE)
    machine.touch(pid, base, 2048 * PAGE, "w")
    machine.madvise(pid, base, 1200 * PAGE, MADV_PAGEOUT)
    for cluster in range(1, 33):
        machine.poke("cluster", cluster, "table", 0)
    machine.poke("machine", 0, "swap_kmem[0]", 0)
    assert machine.fsck() == []
    machine.munmap(pid, base, 1000 * PAGE)
    machine.madvise(pid, base + 1200 * PAGE, 800 * PAGE, MADV_PAGEOUT)
    assert machine.kernel_pages()["swap_tables"] == 0
    assert machine.fsck() == []
    machine.swapoff("/dev/swap0")
    assert machine.mm(pid).swapents == 0
    assert machine.fsck() == []
    machine.swapon(64 * MIB)
    machine.madvise(pid, base + 1200 * PAGE, 800 * PAGE, MADV_PAGEOUT)
    assert machine.kernel_pages()["swap_tables"] == 2
    assert machine.fsck() == []


def test_mincore_sees_shared_memory_in_the_swap_cache():
    """mincore_swap(): as of a private page that waits there."""
    machine, pid = machine_of()
    base = machine.mmap(pid, 0, 64 * PAGE, RW, SHARED)
    machine.touch(pid, base, 64 * PAGE, "w")
    machine.madvise(pid, base, 64 * PAGE, MADV_PAGEOUT)
    assert kb(machine, "SwapCached") == 256
    assert sum(machine.mincore(pid, base, 64 * PAGE)) == 64


def test_pageout_leaves_the_pages_in_the_swap_cache():
    """VmSwap and SwapFree move at once, MemFree does not; touching them again is a minor fault and no swap-in."""
    machine, pid = machine_of()
    base = machine.mmap(pid, 0, 8 * MIB, RW, PRIVATE)
    machine.touch(pid, base, 8 * MIB, "w")
    free = kb(machine, "MemFree")
    machine.madvise(pid, base, 4 * MIB, MADV_PAGEOUT)
    assert machine.mm(pid).swapents == 1024
    assert kb(machine, "SwapTotal") - kb(machine, "SwapFree") == kb(machine, "SwapCached") == 4096
    assert abs(kb(machine, "MemFree") - free) <= 124
    touched = machine.touch(pid, base, PAGE, "r")
    assert (touched.minor, touched.major) == (1, 0)
    assert machine.vmstat()["pswpin"] == 0
    assert machine.fsck() == []


def test_slots_are_handed_out_upwards_in_the_order_of_swapping_out():
    machine, pid = machine_of()
    base = machine.mmap(pid, 0, 64 * PAGE, RW, PRIVATE)
    machine.touch(pid, base, 64 * PAGE, "w")
    machine.madvise(pid, base, 64 * PAGE, MADV_PAGEOUT)
    raw = machine.pagemap_bytes(pid, base, 64 * PAGE)
    entries = [int.from_bytes(raw[i * 8 : i * 8 + 8], "little") for i in range(64)]
    assert all(entry >> 62 == 1 and entry & 31 == 0 for entry in entries)  # swapped, not present, type 0
    assert [(entry & (1 << 55) - 1) >> 5 for entry in entries] == list(range(1, 65))


def test_memory_beyond_ram_goes_to_swap_and_its_bytes_come_back():
    machine, pid = machine_of(ram=96 * MIB, swap=128 * MIB)
    base = machine.mmap(pid, 0, 128 * MIB, RW, PRIVATE)
    for i in range(0, 128 * 256, 97):
        machine.store(pid, base + i * PAGE, b"%d" % i)
    machine.touch(pid, base, 128 * MIB, "w")
    assert machine.mm(pid).swapents > 8000
    for i in range(0, 128 * 256, 97):
        assert machine.load(pid, base + i * PAGE, 6).rstrip(b"\0") == b"%d" % i
    assert machine.vmstat()["pswpin"] > 0
    assert machine.fsck() == []


def test_zeros_that_were_stored_are_never_written():
    machine, pid = machine_of()
    base = machine.mmap(pid, 0, 16 * PAGE, RW, PRIVATE)
    machine.store(pid, base, bytes(16 * PAGE))
    machine.madvise(pid, base, 16 * PAGE, MADV_PAGEOUT)
    counters = machine.vmstat()
    assert (counters["swpout_zero"], counters["pswpout"]) == (16, 0)
    assert machine.load(pid, base, 16 * PAGE) == bytes(16 * PAGE)
    assert machine.vmstat()["swpin_zero"] == 16
    assert machine.fsck() == []


def test_a_fork_shares_the_slots_and_each_writer_gets_its_own_page():
    machine, pid = machine_of()
    base = machine.mmap(pid, 0, 4 * PAGE, RW, PRIVATE)
    machine.store(pid, base, b"parent")
    machine.madvise(pid, base, 4 * PAGE, MADV_PAGEOUT)
    child = machine.fork(pid)
    machine.store(pid, base, b"PARENT")
    assert machine.load(child, base, 6) == b"parent"
    machine.store(child, base, b"child!")
    assert machine.load(pid, base, 6) == b"PARENT"
    assert machine.fsck() == []
    machine.exit(pid)
    assert machine.load(child, base, 6) == b"child!"
    machine.exit(child)
    assert kb(machine, "SwapFree") == kb(machine, "SwapTotal")
    assert machine.fsck() == []


def test_a_copy_of_a_page_that_two_have_leaves_its_slot():
    """wp_can_reuse_anon_folio(): who sees another reference than its own and the cache's does not try to free the slot."""
    machine, pid = machine_of()
    base = machine.mmap(pid, 0, 8 * PAGE, RW, PRIVATE)
    machine.store(pid, base, b"x" * (8 * PAGE))
    machine.madvise(pid, base, 8 * PAGE, MADV_PAGEOUT)
    machine.touch(pid, base, 8 * PAGE, "r")
    machine.fork(pid)
    cached = kb(machine, "SwapCached")
    machine.touch(pid, base, 8 * PAGE, "w")
    assert kb(machine, "SwapCached") == cached == 32
    assert machine.fsck() == []


def test_shared_memory_is_swapped_and_does_not_count_in_vmswap():
    machine, pid = machine_of()
    base = machine.mmap(pid, 0, 64 * PAGE, RW, SHARED)
    machine.store(pid, base + 7 * PAGE, b"shared")
    machine.touch(pid, base, 64 * PAGE, "w")
    machine.madvise(pid, base, 64 * PAGE, MADV_PAGEOUT)
    assert machine.mm(pid).swapents == 0
    assert kb(machine, "SwapTotal") - kb(machine, "SwapFree") == 256
    assert machine.load(pid, base + 7 * PAGE, 6) == b"shared"
    assert machine.fsck() == []
    machine.exit(pid)
    assert kb(machine, "SwapFree") == kb(machine, "SwapTotal")
    assert machine.fsck() == []


def test_swapoff_brings_everything_back():
    machine, pid = machine_of()
    base = machine.mmap(pid, 0, 256 * PAGE, RW, PRIVATE)
    shared = machine.mmap(pid, 0, 16 * PAGE, RW, SHARED)
    machine.store(pid, base + 100 * PAGE, b"back")
    machine.store(pid, shared, b"too")
    machine.touch(pid, base, 256 * PAGE, "w")
    machine.madvise(pid, base, 256 * PAGE, MADV_PAGEOUT)
    machine.madvise(pid, shared, 16 * PAGE, MADV_PAGEOUT)
    machine.swapoff()
    assert machine.mm(pid).swapents == 0
    assert kb(machine, "SwapTotal") == kb(machine, "SwapCached") == 0
    assert (machine.load(pid, base + 100 * PAGE, 4), machine.load(pid, shared, 3)) == (b"back", b"too")
    assert machine.fsck() == []


def test_swapoff_without_room_fails_and_the_area_stays_on():
    machine, pid = machine_of(ram=96 * MIB, swap=128 * MIB)
    base = machine.mmap(pid, 0, 128 * MIB, RW, PRIVATE)
    machine.touch(pid, base, 128 * MIB, "w")
    machine.store(pid, base, b"kept")
    with pytest.raises(KernelError) as failure:
        machine.swapoff()
    assert failure.value.errno == ENOMEM
    assert machine.swaps()
    assert machine.load(pid, base, 4) == b"kept"
    assert machine.fsck() == []


def test_areas_of_higher_priority_are_filled_first():
    machine, pid = machine_of(swap=0)
    machine.swapon(4 * MIB, 5)
    machine.swapon(4 * MIB, 9)
    base = machine.mmap(pid, 0, 2 * MIB, RW, PRIVATE)
    machine.touch(pid, base, 2 * MIB, "w")
    machine.madvise(pid, base, 2 * MIB, MADV_PAGEOUT)
    assert [area[2] for area in machine.swaps()] == [0, 2048]


def test_lazily_freed_pages_go_before_anything_is_swapped():
    machine, pid = machine_of(ram=96 * MIB, swap=128 * MIB)
    base = machine.mmap(pid, 0, 96 * MIB, RW, PRIVATE)
    machine.touch(pid, base, 16 * MIB, "w")
    machine.madvise(pid, base, 16 * MIB, MADV_FREE)
    machine.touch(pid, base + 16 * MIB, 72 * MIB, "w")
    counters = machine.vmstat()
    assert counters["pglazyfreed"] > 0
    assert counters["pswpout"] == 0
    assert machine.fsck() == []


@pytest.mark.parametrize("seed", range(4))
def test_no_byte_is_lost_whatever_is_drawn(seed):
    """Stores, loads, advice, forks, exits, files and swap areas at random on a machine that is too small for them."""
    draw = random.Random(seed)
    machine, pid = machine_of(ram=64 * MIB, swap=24 * MIB)
    machine.mkfile("/f", 24 * MIB)
    nr = 10 * MIB // PAGE
    spaces = {pid: (machine.mmap(pid, 0, 10 * MIB, RW, PRIVATE), {})}
    shared = machine.mmap(pid, 0, 4 * MIB, RW, SHARED)
    common = {}
    for step in range(500):
        pid = draw.choice(list(spaces))
        base, stored = spaces[pid]
        page = draw.randrange(nr)
        what = draw.random()
        try:
            if what < 0.45:
                text = b"%d.%d" % (seed, step)
                machine.store(pid, base + page * PAGE, text.ljust(16, b"\0"))
                stored[page] = text
            elif what < 0.7:
                assert machine.load(pid, base + page * PAGE, 16).rstrip(b"\0") == stored.get(page, b"")
            elif what < 0.75:
                machine.madvise(pid, base, 10 * MIB, MADV_PAGEOUT)
            elif what < 0.8:
                text = b"shared %d" % step
                machine.store(pid, shared + page % 1024 * PAGE, text.ljust(16, b"\0"))
                common[page % 1024] = text
            elif what < 0.85:
                assert machine.load(pid, shared + page % 1024 * PAGE, 16).rstrip(b"\0") == common.get(page % 1024, b"")
            elif what < 0.9:
                machine.touch(pid, base + page * PAGE, min(nr - page, 900) * PAGE, "w")
            elif what < 0.94:
                machine.read(pid, "/f", draw.randrange(4) * 4 * MIB, 4 * MIB)
            elif what < 0.97 and len(spaces) < 3:
                spaces[machine.fork(pid)] = (base, dict(stored))
            elif len(spaces) > 1:
                machine.exit(pid)
                del spaces[pid]
        except Signal as killed:
            assert killed.signo == 9  # by the OOM killer
        except KernelError as failure:
            assert failure.errno in (ENOMEM, 11)
        living = {task.pid for task in machine.tasks()}
        spaces = {pid: space for pid, space in spaces.items() if pid in living}
        if not spaces:
            break
        if step % 100 == 0:
            assert machine.fsck() == []
    assert machine.fsck() == []


def test_what_is_read_ahead_holds_back_the_writes_of_the_reclaim_that_it_needs():
    """A loop of stores over twice the limit: on 6.18 a group of 128 MB has 5.0k to 6.5k of its 32.6k pages written, clean and unmapped at
    the end (its pgactivate: 0 to 2). In a plug whose first request is a small read up to 31 requests of 254 pages wait; alone, they go out
    254 at a time."""
    machine, pid = machine_of(ram=256 * MIB, swap=128 * MIB)
    machine.cgroup_create("g")
    machine.cgroup_set("g", "memory.max", 32 * MIB)
    machine.cgroup_move("g", pid)
    base = machine.mmap(pid, 0, 64 * MIB, RW, PRIVATE)
    machine.touch(pid, base, 64 * MIB, "w")
    assert kb(machine, "SwapCached") < 4 * 512
    held = []
    for at in range(0, 64 * MIB, MIB):
        machine.touch(pid, base + at, MIB, "w")
        held.append(kb(machine, "SwapCached"))
    assert max(held) > 4 * 4096  # most of the group's list: 8192 pages are less than 31 x 254 and what is read ahead
    assert machine.vmstat()["pgactivate"] <= 2
    assert machine.fsck() == []


@pytest.mark.parametrize("arch, slots", [("x86-64", 512), ("arm64", 512), ("i386", 256), ("i386-pae", 256), ("arm", 256),
                                         ("arm64-16k", 256), ("arm64-64k", 256), ("riscv64", 512)])
def test_a_cluster_has_as_many_slots_as_the_kernel_is_built_with(arch, slots):
    """mm/swap.h: HPAGE_PMD_NR with CONFIG_THP_SWAP, which ARCH_WANTS_THP_SWAP selects on x86-64 and on arm64 with pages of 4K; else 256.

    Of two areas of one priority the other is next when a cluster is through, and a table smaller than a page is no page of its own.
    """
    machine = core.Machine()
    machine.boot(ram_bytes=(2 if arch == "arm64-64k" else 1) << 30, arch=arch)
    page = 1 << machine.info().page_shift
    pid = machine.spawn("a", None, [b"a"], [])
    for _ in range(2):
        machine.swapon(2048 * page, priority=5)
    before = machine.kernel_pages()["swap_tables"], kb(machine, "Slab")
    base = machine.mmap(pid, 0, 1100 * page, RW, PRIVATE)
    machine.touch(pid, base, 1100 * page, "w")
    machine.madvise(pid, base, 1100 * page, MADV_PAGEOUT)
    raw = machine.pagemap_bytes(pid, base, 1100 * page)
    areas = [int.from_bytes(raw[i * 8 : i * 8 + 8], "little") & 31 for i in range(1100)]
    first = [0] * (slots - 1) + [1] * (slots - 1)  # each begins with the header
    while len(first) < 1100:
        first += [0] * slots + [1] * slots
    assert areas == first[:1100]
    after = machine.kernel_pages()["swap_tables"], kb(machine, "Slab")
    assert (after[0] > before[0], after[1] > before[1]) == (slots == 512, slots == 256)
    assert machine.fsck() == []
    machine.exit(pid)
    for path in ("/dev/swap1", "/dev/swap0"):
        machine.swapoff(path)
    assert machine.fsck() == []
    assert machine.kernel_pages()["swap_tables"] == 0


@pytest.mark.parametrize("arch, page", [("x86-64", 4096), ("arm64-16k", 16384), ("arm64-64k", 65536), ("riscv64-sv39", 4096)])
def test_what_is_swapped_counts_as_read_and_written_in_kilobytes(arch, page):
    """submit_bio() counts sectors, whatever a page is: pgpgin and pgpgout are kB."""
    machine = core.Machine()
    machine.boot(ram_bytes=96 * MIB, swap_bytes=512 * MIB, arch=arch)
    machine.set_sysctl("vm.page-cluster", "0")
    pid = machine.spawn("a", None, [b"a"], [])
    base = machine.mmap(pid, 0, 128 * MIB, RW, PRIVATE)
    before = machine.vmstat()
    for at in range(base, base + 128 * MIB, page):
        machine.store(pid, at, b"x")
    for at in range(base, base + 128 * MIB, page):
        machine.load(pid, at, 1)
    events = {name: count - before[name] for name, count in machine.vmstat().items()}
    assert events["pswpin"] > 50 and events["pswpout"] > 50
    assert events["pgpgout"] == events["pswpout"] * page // 1024
    assert events["pgpgin"] == events["pswpin"] * page // 1024
    assert machine.fsck() == []
