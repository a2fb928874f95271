"""vm.compact_memory: what moves, that nothing is lost by it, and its counters, beside a real 6.18 (fixtures/cgroup/extfrag.txt)."""

import re
from pathlib import Path

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from vmtool.errors import KernelError  # noqa: E402

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "cgroup" / "extfrag.txt"
MIB, PAGE = 1 << 20, 4096
RW, PRIVATE, SHARED = 3, 0x22, 0x21
DONTNEED, COLD, PAGEOUT = 4, 20, 21
COUNTERS = ("pgmigrate_success", "pgmigrate_fail", "compact_migrate_scanned", "compact_free_scanned", "compact_isolated")


def machine_of(ram=96 * MIB, **more):
    machine = core.Machine()
    machine.boot(ram_bytes=ram, **more)
    return machine, machine.spawn("hog", None, [b"hog"], [])


def punched(machine, pid, nr_bytes, flags=PRIVATE):
    """An area with a stamp in every second page, the others given back."""
    addr = machine.mmap(pid, 0, nr_bytes, RW, flags)
    for page in range(0, nr_bytes, PAGE):
        machine.store(pid, addr + page, b"%012x" % page)
    for page in range(PAGE, nr_bytes, 2 * PAGE):
        machine.madvise(pid, addr + page, PAGE, DONTNEED)
    return addr


def compact(machine):
    """Counters, as they changed."""
    before = machine.vmstat()
    machine.set_sysctl("vm.compact_memory", "1")
    after = machine.vmstat()
    return {name: after[name] - before[name] for name in COUNTERS}


def largest(machine):
    """Pages in free blocks of a pageblock or more."""
    return sum(n << order for zone in machine.zones() for order, n in enumerate(zone.free_area) if order >= 9)


def frames_of(machine, pid, addr, nr_bytes):
    return [machine.walk(pid, addr + page).phys for page in range(0, nr_bytes, 2 * PAGE)]


def test_free_pages_come_together_and_no_byte_changes():
    machine, pid = machine_of()
    addr = punched(machine, pid, 60 * MIB)
    before, frames, free = largest(machine), frames_of(machine, pid, addr, 60 * MIB), machine.vmstat()["nr_free_pages"]
    bits = [machine.walk(pid, addr + page).steps[-1].entry & 0x8000000000000FFF for page in range(0, MIB, 2 * PAGE)]
    counted = compact(machine)
    assert machine.fsck() == []
    assert counted["pgmigrate_success"] > 2000
    moved = sum(a != b for a, b in zip(frames, frames_of(machine, pid, addr, 60 * MIB), strict=True))
    assert moved == counted["pgmigrate_success"]
    assert bits == [machine.walk(pid, addr + page).steps[-1].entry & 0x8000000000000FFF for page in range(0, MIB, 2 * PAGE)]
    for page in range(0, 60 * MIB, 2 * PAGE):
        assert machine.load(pid, addr + page, 12) == b"%012x" % page
    while compact(machine)["pgmigrate_success"]:  # holes that lay on the CPUs' lists are found the next time
        assert machine.fsck() == []
    assert largest(machine) >= before + 4096
    assert machine.vmstat()["nr_free_pages"] > free - 2048


def test_at_last_there_is_nothing_left_to_do():
    machine, pid = machine_of()
    punched(machine, pid, 60 * MIB)
    moved = [compact(machine)["pgmigrate_success"] for _ in range(6)]
    assert moved[0] > moved[1] > moved[-1] == 0


def recorded():
    """Counters of the real kernel's: differences over `echo 1 > compact_memory`."""
    text = RECORDED.read_text("ascii")
    lines = re.findall(r"^(?:compact_migrate|pgmigrate)[^\n]*$", text, re.MULTILINE)
    before, after = (dict(re.findall(r"(\w+) (\d+)", line)) for line in lines)
    return {name: int(after[name]) - int(before.get(name, 0)) for name in COUNTERS}


@pytest.mark.parametrize("measure", [recorded, lambda: compact(punched_machine())], ids=["6.18", "here"])
def test_the_counters_stand_to_each_other_as_the_kernels_do(measure):
    n = measure()
    assert n["pgmigrate_success"] > 1000 > 20 * n["pgmigrate_fail"]
    taken = n["compact_isolated"] - n["pgmigrate_success"] - n["pgmigrate_fail"]  # blocks for them: no fewer than were needed, few more
    assert n["pgmigrate_success"] <= taken <= n["pgmigrate_success"] * 1.1 + 512
    assert n["compact_migrate_scanned"] > n["pgmigrate_success"] and n["compact_free_scanned"] > taken


def punched_machine():
    machine, pid = machine_of()
    punched(machine, pid, 60 * MIB)
    return machine


def test_unusable_memory_becomes_usable_as_there():
    """unusable_index of order 9 in the zone where most of it lies: recorded 1.000 before and 0.474 after."""
    def worst(machine):
        return next(zone for zone in machine.fragmentation() if zone.zone == "DMA32").unusable_index[9]
    machine = punched_machine()
    before = worst(machine)
    for _ in range(3):
        compact(machine)
    assert before > 600 > 474 > worst(machine)


def test_every_kind_of_page_moves():
    """Of files, dirty and in large folios; shared, forked, locked, in the swap cache, of a group; of two address spaces."""
    machine, pid = machine_of(swap_bytes=16 * MIB, nr_cpus=2)
    machine.cgroup_create("g")
    machine.mkfile("/f", 8 * MIB, bytes(range(256)) * 16 * 2048)
    machine.drop_caches(3)
    fill = punched(machine, pid, 48 * MIB)
    other = machine.spawn("other", None, [b"other"], [])
    machine.cgroup_move("g", other)
    own = punched(machine, other, 4 * MIB)
    shared = machine.mmap(other, 0, MIB, RW, SHARED)
    for page in range(0, MIB, PAGE):
        machine.store(other, shared + page, b"s%011x" % page)
    mapped = machine.mmap(other, 0, 8 * MIB, RW, 1, path="/f")
    machine.touch(other, mapped, 4 * MIB, "r")
    machine.read(other, "/f", 4 * MIB, 4 * MIB)
    machine.store(other, mapped + 5 * PAGE, b"dirty")
    machine.mlock(other, own, 64 * PAGE)
    child = machine.fork(other)
    machine.madvise(other, shared, 32 * PAGE, PAGEOUT)
    machine.madvise(pid, fill, 2 * MIB, PAGEOUT)
    machine.munmap(pid, fill + 8 * MIB, 24 * MIB)
    names = ("anon", "file", "shmem", "file_mapped", "unevictable", "file_dirty", "pgfault")
    kinds = {name: machine.cgroup("g")["memory.stat"][name] for name in names}
    usage, cached = machine.cgroup("g")["memory.current"], machine.vmstat()["nr_swapcached"]
    assert cached > 0 and machine.fsck() == []
    counted = compact(machine)
    assert machine.fsck() == []
    assert counted["pgmigrate_success"] > 500
    assert {name: machine.cgroup("g")["memory.stat"][name] for name in kinds} == kinds
    assert (machine.cgroup("g")["memory.current"], machine.vmstat()["nr_swapcached"]) == (usage, cached)
    for page in range(0, 4 * MIB, 2 * PAGE):
        assert machine.load(other, own + page, 12) == machine.load(child, own + page, 12) == b"%012x" % page
    for page in range(0, MIB, PAGE):
        assert machine.load(child, shared + page, 12) == b"s%011x" % page
    assert machine.load(other, mapped + 5 * PAGE, 5) == machine.read(child, "/f", 5 * PAGE, 5) == b"dirty"
    assert machine.load(other, mapped + 5 * MIB, 16) == bytes(range(16))
    for page in (*range(0, 8 * MIB, 2 * PAGE), *range(32 * MIB, 48 * MIB, 2 * PAGE)):
        assert machine.load(pid, fill + page, 12) == b"%012x" % page
    machine.store(child, own, b"mine")
    assert machine.load(other, own, 4) == b"0000"
    for one in (child, other, pid):
        machine.exit(one)
    machine.drop_caches(3)
    assert machine.fsck() == []


@pytest.mark.parametrize("arch", ["i386-pae", "arm64", "arm64-16k", "arm"])
def test_on_other_architectures(arch):
    machine = core.Machine()
    machine.boot(ram_bytes=256 * MIB, arch=arch)
    pid = machine.spawn("hog", None, [b"hog"], [])
    page = 16384 if arch == "arm64-16k" else PAGE
    nr_bytes = 64 * MIB
    addr = machine.mmap(pid, 0, nr_bytes, RW, PRIVATE)
    for at in range(0, nr_bytes, page):
        machine.store(pid, addr + at, b"%012x" % at)
    for at in range(page, nr_bytes, 2 * page):
        machine.madvise(pid, addr + at, page, DONTNEED)
    counted = compact(machine)
    assert machine.fsck() == []
    assert counted["pgmigrate_success"] > 100
    for at in range(0, nr_bytes, 2 * page):
        assert machine.load(pid, addr + at, 12) == b"%012x" % at


def test_it_is_written_only_and_takes_1_alone():
    machine, _ = machine_of()
    assert "vm.compact_memory" not in machine.sysctl_names()
    for value in ("0", "2", "x", ""):
        with pytest.raises(KernelError):
            machine.set_sysctl("vm.compact_memory", value)
