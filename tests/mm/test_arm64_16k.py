"""arm64 with pages of 16K and 47 bits, held to what Debian's 6.18 kernel showed on a neoverse-n1 under QEMU.

That processor sets access flag and dirty by itself.
"""

import pytest

from vmtool.errors import KernelError, Signal

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 16384
RW, ANON, SHARED, SHARED_ANON, ANON_FIXED = 3, 0x22, 0x1, 0x21, 0x32
TOP = 1 << 47
FRAME = 0x0000FFFFFFFFC000
MADV_COLD, MADV_FREE = 20, 8


@pytest.fixture
def machine():
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30, arch="arm64-16k")
    machine.spawn("a", None, [b"a"], [])
    yield machine
    assert machine.fsck() == []


def raw(machine, addr):
    """The entry in memory without its frame."""
    return machine.walk(1, addr).steps[-1].entry & ~FRAME


def test_the_space_of_a_program(machine):
    areas = {area.name: area for area in machine.maps(1)}
    assert (areas["[stack]"].start, areas["[stack]"].end) == (TOP - 9 * PAGE, TOP)
    assert (areas["[vvar]"].start, areas["[vdso]"].start, areas["[vdso]"].end) == (0x7FFFF7FEC000, 0x7FFFF7FFC000, 0x7FFFF8000000)
    assert machine.info().page_shift == 14


def test_lengths_and_addresses_go_by_16k(machine):
    assert machine.mmap(1, 0, 1, RW, ANON) % PAGE == 0
    for addr, error in ((0x1000000 + 4096, "EINVAL"), (0x1000000 + 8192, "EINVAL"), (TOP, "ENOMEM")):
        with pytest.raises(KernelError, match=error):
            machine.mmap(1, addr, PAGE, RW, ANON_FIXED)
    machine.mkfile("/f", 4 * PAGE)
    for offset in (4096, 8192, 12288):
        with pytest.raises(KernelError, match="EINVAL"):
            machine.mmap(1, 0, PAGE, 1, 2, "/f", offset)
    base = machine.mmap(1, 0, 4 * PAGE, RW, ANON)
    machine.munmap(1, base + PAGE, 4096)
    assert [area.start for area in machine.maps(1) if base <= area.start < base + 4 * PAGE] == [base, base + 2 * PAGE]


def test_a_page_is_16k_of_bytes(machine):
    page = machine.mmap(1, 0, 2 * PAGE, RW, ANON)
    text = bytes(range(1, 251)) * 100
    machine.store(1, page + 1000, text)  # over the border of the two
    assert machine.load(1, page + 1000, len(text)) == text
    child = machine.fork(1)
    machine.store(child, page + PAGE - 2, b"\xff\xff\xff\xff")
    assert machine.load(1, page + 1000, len(text)) == text
    assert machine.load(child, page + PAGE - 2, 4) == b"\xff\xff\xff\xff"
    assert machine.load(child, page + 1000, 9000) == text[:9000]
    machine.exit(child, 0)


def test_files_are_cached_by_16k(machine):
    data = bytes(i * 7 & 255 for i in range(5 * PAGE + 100))
    machine.mkfile("/f", len(data), data)
    assert machine.read(1, "/f", 4000, 30000) == data[4000:34000]
    base = machine.mmap(1, 0, 6 * PAGE, RW, SHARED, "/f")
    assert machine.load(1, base + 16000, 20000) == data[16000:36000]
    machine.store(1, base + 20000, b"changed")
    assert machine.read(1, "/f", 19999, 9) == data[19999:20000] + b"changed" + data[20007:20008]
    machine.msync(1, base, 6 * PAGE, 4)
    machine.truncate("/f", 20003)
    assert machine.read(1, "/f", 20000, 100) == b"cha"
    assert machine.load(1, base + 20000, 10) == b"cha" + bytes(7)
    with pytest.raises(Signal):
        machine.touch(1, base + 2 * PAGE, 1, "r", probe=True)


def test_contents_are_given_back(machine):
    before = machine.peek("machine", 0, "nr_contents")
    page = machine.mmap(1, 0, 40 * PAGE, RW, ANON)
    machine.store(1, page, b"x" * 40 * PAGE)
    assert machine.peek("machine", 0, "nr_contents") >= before + 40
    machine.munmap(1, page, 40 * PAGE)
    assert machine.peek("machine", 0, "nr_contents") <= before + 32  # what waits in a batch of the LRU, and a table


def test_entries_of_pages(machine):
    page = machine.mmap(1, 0, 4 * PAGE, RW, ANON)
    machine.touch(1, page, PAGE, "w")
    assert raw(machine, page) == 0x00E8000000000F43
    machine.touch(1, page + PAGE, PAGE, "r")
    assert raw(machine, page + PAGE) == 0x0160000000000FC3
    machine.mprotect(1, page, PAGE, 0)
    assert raw(machine, page) == 0x00E0000000000F82
    walk = machine.walk(1, page)
    assert [(step.level, step.high, step.low) for step in walk.steps] == [("pgd", 46, 36), ("pmd", 35, 25), ("pte", 24, 14)]


def test_the_processor_marks_what_is_used(machine):
    """No fault for an old page, nor for the first write to a clean one; it knows nothing of Linux's own dirty bit."""
    page = machine.mmap(1, 0, PAGE, RW, ANON)
    machine.touch(1, page, PAGE, "w")
    machine.madvise(1, page, PAGE, MADV_COLD)
    assert raw(machine, page) == 0x00E8000000000B43
    assert machine.touch(1, page, PAGE, "r").minor == 0
    assert raw(machine, page) == 0x00E8000000000F43
    machine.madvise(1, page, PAGE, MADV_FREE)
    assert raw(machine, page) == 0x0068000000000BC3
    assert machine.touch(1, page, PAGE, "w").minor == 0
    assert raw(machine, page) == 0x0068000000000F43
    shared = machine.mmap(1, 0, PAGE, RW, SHARED_ANON)
    machine.touch(1, shared, PAGE, "r")
    assert machine.touch(1, shared, PAGE, "w").minor == 0


def test_what_a_fault_maps_around_is_old(machine):
    machine.mkfile("/f", 16 * PAGE, b"f" * 16 * PAGE)
    machine.read(1, "/f", 0, 16 * PAGE)
    base = machine.mmap(1, 0x10000000, 16 * PAGE, 1, 0x12, "/f")
    assert machine.touch(1, base + 5 * PAGE, 1, "r").minor == 1
    present = [at for at in range(16) if machine.walk(1, base + at * PAGE).phys is not None]
    assert present == [4, 5, 6, 7]  # 64K
    assert [raw(machine, base + at * PAGE) >> 10 & 1 for at in present] == [0, 1, 0, 0]
    assert machine.touch(1, base + 6 * PAGE, 1, "r").minor == 0


def test_tables_count_16k(machine):
    """Two of PTEs, for the program and for the stack, and two of PMDs above them."""
    assert machine.mm(1).pgtables_bytes == 4 * PAGE
    base = machine.mmap(1, 0x40000000, PAGE, RW, ANON_FIXED)
    machine.touch(1, base, PAGE, "w")
    assert machine.mm(1).pgtables_bytes == 5 * PAGE
    machine.munmap(1, base, PAGE)
    assert machine.mm(1).pgtables_bytes == 4 * PAGE


def test_a_stack_keeps_4m_below_it_free(machine):
    stack = next(area for area in machine.maps(1) if area.name == "[stack]")
    machine.mmap(1, stack.start - (4 << 20) - 2 * PAGE, PAGE, RW, ANON_FIXED)
    assert machine.touch(1, stack.start - PAGE, 1, "w").minor == 1
    with pytest.raises(Signal):
        machine.touch(1, stack.start - 3 * PAGE, 1, "w", probe=True)


def test_32m_are_aligned_for_a_block(machine):
    assert machine.mmap(1, 0, 32 << 20, RW, ANON) % (32 << 20) == 0
    assert machine.mmap(1, 0, 2 << 20, RW, ANON) % (2 << 20) != 0


def test_damage_of_a_number_of_contents_stays_inside_the_machine(machine):
    """A file may say that a page's bytes begin within a chunk: what is read is the chunk's, and fsck tells."""
    page = machine.mmap(1, 0, PAGE, RW, ANON)
    machine.store(1, page, b"bytes")
    pfn = machine.walk(1, page).phys >> 14
    good = machine.peek("frame", pfn, "content")
    machine.poke("frame", pfn, "content", good + 3)
    assert len(machine.load(1, page, PAGE)) == PAGE
    assert machine.fsck() != []
    machine.poke("frame", pfn, "content", good)
