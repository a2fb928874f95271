"""What is said of a frame: kinds, kpageflags and counts; compared with what the running kernel says of pages of the same history."""

import mmap
import os
import struct
import sys
import time

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
HUGE = 2 << 20
PROT_RW, MAP_SHARED_ANON, MAP_PRIVATE_ANON = 3, 0x21, 0x22
KPF_LRU, KPF_ACTIVE, KPF_REFERENCED, KPF_RESERVED, KPF_ZERO_PAGE, KPF_BUDDY = 1 << 5, 1 << 6, 1 << 2, 1 << 32, 1 << 24, 1 << 10
# A page joins its LRU list with the next 30 of its CPU; being referenced depends on what ran since; and bits above 31 are for debugging.
COMPARED = 0xFFFF_FFFF & ~(KPF_LRU | KPF_ACTIVE | KPF_REFERENCED)


@pytest.fixture
def machine():
    m = core.Machine()
    m.boot(ram_bytes=1 << 30)
    return m


def test_all_frames_are_of_some_kind(machine):
    pid = machine.spawn("a", None, [b"a"], [])
    machine.touch(pid, machine.mmap(pid, 0, HUGE, PROT_RW, MAP_SHARED_ANON), HUGE, "w")
    summary = dict(machine.frames_summary())
    assert sum(summary.values()) == machine.max_pfn()
    kinds = [frame.kind for frame in machine.frames(range(machine.max_pfn()))]
    assert summary == {kind: kinds.count(kind) for kind in summary}
    assert summary["shmem"] == 512 and summary["zero"] == 1


def test_a_machine_of_a_terabyte_is_summed_up_at_once():
    m = core.Machine()
    m.boot(ram_bytes=1 << 40)
    start = time.perf_counter()
    summary = dict(m.frames_summary())
    assert time.perf_counter() - start < 0.05
    assert sum(summary.values()) == m.max_pfn()


def test_a_frame_beyond_memory_is_refused(machine):
    from vmtool.errors import KernelError
    with pytest.raises(KernelError) as refused:
        machine.frames([machine.max_pfn()])
    assert refused.value.name == "EINVAL"


def test_low_memory_of_a_pc(machine):
    """As /proc/kpageflags of a 6.18 guest: frame 0 and the area up to 1 MiB are reserved."""
    for frame in machine.frames([0, 1, 0x9F, 0xA0, 0xE0, 0xFF]):
        assert (frame.kind, frame.kpageflags, frame.mapcount) == ("reserved", KPF_RESERVED, 0)


def test_a_hole_of_whole_sections_has_no_struct_page():
    """As /proc/kpageflags of a 6.18 guest with 24 GiB: 0 from 3 GiB on, BUDDY or a use again from 4 GiB on."""
    m = core.Machine()
    m.boot(ram_bytes=6 << 30)
    for frame in m.frames([0xC0000, 0xD0000, 0xFEE00]):
        assert (frame.kind, frame.flags, frame.kpageflags, frame.refcount) == ("reserved", (), 0, 0)
    assert m.frames([0x120000])[0].kpageflags == KPF_BUDDY


def test_a_page_of_a_file(machine):
    machine.mkfile("/f", 3 * PAGE, b"f" * 3 * PAGE)
    pid = machine.spawn("a", None, [b"a"], [])
    addr = machine.mmap(pid, 0, 3 * PAGE, 1, 2, "/f")
    machine.touch(pid, addr, 3 * PAGE, "r")
    frame = machine.frames([machine.translate(pid, addr + PAGE) // PAGE])[0]
    assert (frame.kind, frame.mapping, frame.index, frame.mapcount) == ("file", "/f", 1, 1)


def test_mapped_twice_after_a_fork(machine):
    pid = machine.spawn("a", None, [b"a"], [])
    addr = machine.mmap(pid, 0, PAGE, PROT_RW, MAP_PRIVATE_ANON)
    machine.touch(pid, addr, PAGE, "w")
    pfn = machine.translate(pid, addr) // PAGE
    assert "anon_exclusive" in machine.frames([pfn])[0].flags
    machine.fork(pid)
    machine.drop_caches(1)  # its batch of new pages has a reference, too
    frame = machine.frames([pfn])[0]
    assert (frame.kind, frame.mapcount, frame.refcount) == ("anon", 2, 2)
    assert "anon_exclusive" not in frame.flags and frame.mapping.startswith("anon_vma ")


# --- who pays -------------------------------------------------------------------------------------------------------------

def payer(machine, pfn):
    return struct.unpack("=Q", machine.kpage("kpagecgroup", pfn, 1))[0]


def test_pages_of_the_root_group_name_it_and_its_tables_do_not(machine):
    """On a 6.18 guest: 6,678 pages on lists named group 1, none of the tables of the same processes did."""
    pid = machine.spawn("a", None, [b"a"], [])
    base = machine.mmap(pid, 0, PAGE, PROT_RW, MAP_PRIVATE_ANON)
    machine.touch(pid, base, 1, "w")
    walk = machine.walk(pid, base)
    assert payer(machine, walk.phys // PAGE) == 1
    assert [payer(machine, step.table // PAGE) for step in walk.steps] == [0] * len(walk.steps)


def test_pages_of_a_group_name_it_and_so_do_its_tables_then_the_one_above(machine):
    pid = machine.spawn("a", None, [b"a"], [])
    inodes = []
    for name in ("g", "g/h", "other"):
        machine.cgroup_create(name)
        machine.cgroup_move(name, pid)
        base = machine.mmap(pid, 0, HUGE, PROT_RW, MAP_SHARED_ANON)
        machine.touch(pid, base, 1, "w")
        walk = machine.walk(pid, base)
        inodes.append(payer(machine, walk.phys // PAGE))
        if name == "g/h":
            page = walk.phys // PAGE
            assert payer(machine, walk.steps[-1].table // PAGE) == inodes[-1]
    assert len({0, 1, *inodes}) == 5
    machine.cgroup_remove("g/h")
    assert payer(machine, page) == inodes[0]
    machine.cgroup_remove("g")
    assert payer(machine, page) == 1


def test_frames_that_were_never_used_are_not_read():
    """Of 1 TiB nearly all: their entries come without a record of theirs."""
    asked = []

    first = core.Machine()
    first.boot(ram_bytes=1 << 40)
    chunks = {key: bytes(first.chunk(*key)) for key in first.dirty()}
    machine = core.Machine(lambda pool, chunk: asked.append((pool, chunk)) or chunks.get((pool, chunk)), first.header())
    machine.max_pfn()
    asked.clear()
    middle = machine.max_pfn() // 2
    assert set(memoryview(machine.kpage("kpageflags", middle, 1 << 20)).cast("Q")) == {KPF_BUDDY}
    assert not any(machine.kpage("kpagecount", middle, 1 << 20))
    assert not asked


# --- beside the running kernel ------------------------------------------------------------------------------------------

def kernel_flags(addr):
    """kpageflags of the page at an address of this process."""
    try:
        with open("/proc/self/pagemap", "rb") as pagemap, open("/proc/kpageflags", "rb") as kpageflags:
            pagemap.seek(addr // PAGE * 8)
            pfn = struct.unpack("=Q", pagemap.read(8))[0] & ((1 << 55) - 1)
            if pfn == 0:
                pytest.skip("pagemap shows frame numbers to root only")
            kpageflags.seek(pfn * 8)
            return struct.unpack("=Q", kpageflags.read(8))[0]
    except OSError:
        pytest.skip("the kernel's pagemap and kpageflags cannot be read here")


def address_of(area):
    import ctypes
    return ctypes.addressof(ctypes.c_char.from_buffer(area))


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.uname().machine != "x86_64", reason="Linux on x86-64 only")
@pytest.mark.parametrize("kind", ["anonymous", "shared", "huge"])
def test_flags_are_the_kernels(machine, kind):
    how, size = {"anonymous": (MAP_PRIVATE_ANON, PAGE), "shared": (MAP_SHARED_ANON, PAGE), "huge": (MAP_PRIVATE_ANON, 2 * HUGE)}[kind]
    pid = machine.spawn("a", None, [b"a"], [])
    mine = machine.mmap(pid, 0, size, PROT_RW, how)
    area = mmap.mmap(-1, size, flags=how, prot=PROT_RW)
    theirs = address_of(area)
    if kind == "huge":
        machine.madvise(pid, mine, size, 14)
        area.madvise(mmap.MADV_HUGEPAGE)
        mine, theirs = -(-mine // HUGE) * HUGE, -(-theirs // HUGE) * HUGE
    machine.touch(pid, mine, 1, "w")
    area[theirs - address_of(area)] = 1
    for page in (0, 7) if kind == "huge" else (0,):
        machine.drop_caches(1)  # what waits in batches goes to the LRU lists
        flags = machine.frames([machine.walk(pid, mine + page * PAGE).phys // PAGE])[0].kpageflags
        assert flags & COMPARED == kernel_flags(theirs + page * PAGE) & COMPARED
        assert flags & KPF_LRU


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.uname().machine != "x86_64", reason="Linux on x86-64 only")
def test_flags_of_the_zero_page(machine):
    pid = machine.spawn("a", None, [b"a"], [])
    mine = machine.mmap(pid, 0, PAGE, PROT_RW, MAP_PRIVATE_ANON)
    machine.touch(pid, mine, PAGE, "r")
    area = mmap.mmap(-1, PAGE, flags=MAP_PRIVATE_ANON, prot=PROT_RW)
    assert area[0] == 0
    flags = machine.frames([machine.walk(pid, mine).phys // PAGE])[0].kpageflags
    assert flags & KPF_ZERO_PAGE
    assert flags & COMPARED == kernel_flags(address_of(area)) & COMPARED


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
def test_who_pays_is_the_directory_of_the_group():
    """The rule of page_cgroup_ino(), asked of the running kernel: a page names the inode of its group's directory."""
    area = mmap.mmap(-1, PAGE, flags=MAP_PRIVATE_ANON, prot=PROT_RW)
    area[0] = 1
    kernel_flags(address_of(area))  # skips where it cannot be asked
    lines = [line.split(":", 2) for line in open("/proc/self/cgroup").read().splitlines()]
    places = [f"/sys/fs/cgroup/memory{path}" for _, names, path in lines if "memory" in names.split(",")]
    places += [f"/sys/fs/cgroup{path}" for number, _, path in lines if number == "0"]
    place = next((place for place in places if os.path.isdir(place) and "tmpfs" not in place), None)
    if place is None or not os.path.exists(f"{place}/memory.stat"):
        pytest.skip("the memory group of this process cannot be found here")
    with open("/proc/self/pagemap", "rb") as pagemap, open("/proc/kpagecgroup", "rb") as kpagecgroup:
        pagemap.seek(address_of(area) // PAGE * 8)
        kpagecgroup.seek((struct.unpack("=Q", pagemap.read(8))[0] & ((1 << 55) - 1)) * 8)
        assert struct.unpack("=Q", kpagecgroup.read(8))[0] == os.stat(place).st_ino
