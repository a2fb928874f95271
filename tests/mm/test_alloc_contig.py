"""Runs longer than a block of the buddy system, for pages of 32M on arm64 (its largest has 4M): what is in the way moves, or stays."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE, MIB = 4096, 1 << 20
RANGE = 32 * MIB
RW, PRIVATE, SHARED = 3, 0x22, 0x21
POOL = "hugepages/hugepages-32768kB/nr_hugepages"


@pytest.fixture
def machine():
    machine = core.Machine()
    machine.boot(ram_bytes=512 * MIB, arch="arm64")
    yield machine
    assert machine.fsck() == []


def take(machine, nr=1):
    """How many pages of 32M the pool has after so many were asked for; what vmstat counted."""
    before = machine.vmstat()
    machine.set_sysctl(POOL, str(nr))
    after = machine.vmstat()
    return int(machine.sysctl(POOL)), {name: after[name] - before[name] for name in after if after[name] != before[name]}


def frame(machine, pid, addr):
    return machine.walk(pid, addr).phys // PAGE


def head_of_pool(machine, pid):
    base = machine.mmap(pid, 0, RANGE, RW, PRIVATE | 0x40000 | 25 << 26)
    machine.touch(pid, base, 1, "w")
    return frame(machine, pid, base)


def test_free_frames_are_taken_without_moving_anything(machine):
    take(machine, 1), take(machine, 0)  # the per-CPU lists are empty now
    free = machine.meminfo()["MemFree"]
    nr, counted = take(machine)
    assert nr == 1
    assert counted["compact_isolated"] == RANGE // PAGE and "pgmigrate_success" not in counted and "pgalloc_normal" not in counted
    assert free - machine.meminfo()["MemFree"] == RANGE >> 10
    nr, counted = take(machine, 0)
    assert (nr, counted["pgfree"]) == (0, RANGE // PAGE)  # as a 6.18 kernel counts both
    assert machine.meminfo()["MemFree"] == free


def test_anonymous_pages_move_and_keep_their_bytes(machine):
    pid = machine.spawn("a", None, [b"a"], [])
    base = machine.mmap(pid, 0, 400 * MIB, RW, PRIVATE)
    machine.touch(pid, base, 400 * MIB, "w")
    for start in range(base, base + 400 * MIB, 4 * MIB):
        machine.munmap(pid, start + MIB, 3 * MIB)
    kept = [start + page * PAGE for start in range(base, base + 400 * MIB, 4 * MIB) for page in (0, 77, 255)]
    for addr in kept:
        machine.store(pid, addr, addr.to_bytes(8, "little"))
    before = {addr: frame(machine, pid, addr) for addr in kept}
    nr, counted = take(machine, 3)
    assert nr == 3
    assert counted["pgmigrate_success"] >= RANGE // PAGE // 8 and "pgmigrate_fail" not in counted
    assert any(frame(machine, pid, addr) != before[addr] for addr in kept)
    assert [machine.load(pid, addr, 8) for addr in kept] == [addr.to_bytes(8, "little") for addr in kept]


def test_clean_pages_of_a_file_are_dropped_and_dirty_ones_move(machine):
    pid = machine.spawn("a", None, [b"a"], [])
    machine.mkfile("/clean", 256 * MIB)
    for offset in range(0, 256 * MIB, 4 * MIB):
        machine.read(pid, "/clean", offset, 4 * MIB)
    cached = machine.meminfo()["Cached"]
    nr, counted = take(machine, 6)
    assert nr == 6
    assert machine.meminfo()["Cached"] < cached - (RANGE >> 10)
    assert counted.get("pgmigrate_success", 0) < RANGE // PAGE


def test_a_page_that_is_not_on_the_lru_yet_is_in_the_way(machine):
    """has_unmovable_pages() asks for PageLRU, and the batches are emptied later."""
    pid = machine.spawn("a", None, [b"a"], [])
    base = machine.mmap(pid, 0, 16 * PAGE, RW, PRIVATE)
    machine.touch(pid, base, 1, "w")
    at = frame(machine, pid, base)
    first = at // (RANGE // PAGE) * (RANGE // PAGE)
    take(machine, 100)
    heads = machine.frames(range(0x40000000 // PAGE, 0x60000000 // PAGE, RANGE // PAGE))
    taken = [head.pfn for head in heads if head.order == 13]
    assert taken and first not in taken
    assert frame(machine, pid, base) == at


def test_where_each_range_has_a_page_of_the_kernels_own_there_is_none(machine):
    frames = [machine.alloc_pages(8) for _ in range((machine.meminfo()["MemFree"] >> 10) - 10)]  # a MiB each
    kept = {}
    for pfn in frames:
        if kept.setdefault(pfn // (RANGE // PAGE), pfn) != pfn:
            machine.free_pages(pfn)
    free = machine.meminfo()["MemFree"]
    nr, counted = take(machine)
    assert nr == 0 and "pgmigrate_success" not in counted
    assert machine.meminfo()["MemFree"] >= free


def test_what_was_moved_for_nothing_stays_where_it_went_and_the_range_is_free_again(machine):
    """Memory that is too full to move into: the range is given up, and every byte is there."""
    pid = machine.spawn("a", None, [b"a"], [])
    size = machine.meminfo()["MemFree"] * 1024 - 24 * MIB
    base = machine.mmap(pid, 0, size & -PAGE, RW, PRIVATE)
    machine.touch(pid, base, size & -PAGE, "w")
    for start in range(base, base + (size & -PAGE) - MIB, MIB):
        machine.store(pid, start, start.to_bytes(8, "little"))
    nr, _ = take(machine)
    assert nr == 0
    assert all(machine.load(pid, start, 8) == start.to_bytes(8, "little") for start in range(base, base + (size & -PAGE) - MIB, MIB))


def test_free_blocks_that_were_never_used_keep_their_order(machine):
    """The range lies in the middle of them: what lay before it is handed out first, as without it."""
    other = core.Machine()
    other.boot(ram_bytes=512 * MIB, arch="arm64")
    take(machine)
    taken = [machine.alloc_pages(10) for _ in range(40)]
    as_ever = [other.alloc_pages(10) for _ in range(60)]
    assert taken == [pfn for pfn in as_ever if pfn in set(taken)]
