"""arm64 with pages of 16K and of 64K: what is the same but for the size of a page, and what is not.

    16K  47 bits, held to what Debian's 6.18 kernel showed on a neoverse-n1 under QEMU
    64K  48 bits. No distribution's kernel was recorded: the values are those of the rules that the recorded kernels with pages of 4K and
         16K keep, worked out for P = 64K (mmap_base, guard gap, fault-around, exec's stack, sizes of tables), and of the Arm ARM, D8.2
The processor sets access flag and dirty by itself.
"""

from typing import NamedTuple

import pytest

from vmtool.errors import KernelError, Signal

from .damage import POOLS, Saved

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

RW, ANON, SHARED, SHARED_ANON, ANON_FIXED = 3, 0x22, 0x1, 0x21, 0x32
MADV_COLD, MADV_FREE = 20, 8
CONTENT = next(number for number, pool in enumerate(POOLS) if pool[0] == "content")


class Format(NamedTuple):
    arch: str
    shift: int
    top: int  # of a program's addresses
    stack_pages: int  # of a new program: 128K, and what the kernel wrote
    vvar_vdso: tuple[int, int, int]  # starts, and the end
    fields: list[tuple[str, int, int]]  # of an address: level, highest and lowest bit
    block: int  # what an entry above the PTEs spans
    stack_gap: int  # stack_guard_gap: 256 pages
    around: list[int]  # of 16 cached pages of a file, what a fault on the fifth (16K), or sixth, maps: 64K

    @property
    def page(self):
        return 1 << self.shift

    @property
    def frame(self):
        return 0x0000FFFFFFFFFFFF & -self.page


FORMATS = [
    Format("arm64-16k", 14, 1 << 47, 9, (0x7FFFF7FEC000, 0x7FFFF7FFC000, 0x7FFFF8000000),
           [("pgd", 46, 36), ("pmd", 35, 25), ("pte", 24, 14)], 32 << 20, 4 << 20, [4, 5, 6, 7]),
    Format("arm64-64k", 16, 1 << 48, 3, (0xFFFFF7FB0000, 0xFFFFF7FF0000, 0xFFFFF8000000),
           [("pgd", 47, 42), ("pmd", 41, 29), ("pte", 28, 16)], 512 << 20, 16 << 20, [5]),
]


@pytest.fixture(params=FORMATS, ids=lambda form: form.arch)
def form(request):
    return request.param


@pytest.fixture
def machine(form):
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30, arch=form.arch)
    machine.spawn("a", None, [b"a"], [])
    yield machine
    assert machine.fsck() == []


def raw(machine, form, addr):
    """The entry in memory without its frame."""
    return machine.walk(1, addr).steps[-1].entry & ~form.frame


def test_the_space_of_a_program(machine, form):
    areas = {area.name: area for area in machine.maps(1)}
    assert (areas["[stack]"].start, areas["[stack]"].end) == (form.top - form.stack_pages * form.page, form.top)
    assert (areas["[vvar]"].start, areas["[vdso]"].start, areas["[vdso]"].end) == form.vvar_vdso
    assert machine.info().page_shift == form.shift


def test_lengths_and_addresses_go_by_pages(machine, form):
    page = form.page
    assert machine.mmap(1, 0, 1, RW, ANON) % page == 0
    for addr, error in ((0x1000000 + 4096, "EINVAL"), (0x1000000 + page // 2, "EINVAL"), (form.top, "ENOMEM")):
        with pytest.raises(KernelError, match=error):
            machine.mmap(1, addr, page, RW, ANON_FIXED)
    machine.mkfile("/f", 4 * page)
    for offset in (4096, page // 2, page - 4096):
        with pytest.raises(KernelError, match="EINVAL"):
            machine.mmap(1, 0, page, 1, 2, "/f", offset)
    base = machine.mmap(1, 0, 4 * page, RW, ANON)
    machine.munmap(1, base + page, 4096)
    assert [area.start for area in machine.maps(1) if base <= area.start < base + 4 * page] == [base, base + 2 * page]


def test_a_page_is_so_many_bytes(machine, form):
    page = machine.mmap(1, 0, 2 * form.page, RW, ANON)
    text = (bytes(range(1, 251)) * 600)[: form.page + form.page // 2]
    machine.store(1, page + 1000, text)  # over the border of the two
    assert machine.load(1, page + 1000, len(text)) == text
    child = machine.fork(1)
    machine.store(child, page + form.page - 2, b"\xff\xff\xff\xff")
    assert machine.load(1, page + 1000, len(text)) == text
    assert machine.load(child, page + form.page - 2, 4) == b"\xff\xff\xff\xff"
    nr = form.page - 2000
    assert machine.load(child, page + 1000, nr) == text[:nr]
    machine.exit(child, 0)


def test_files_are_cached_by_pages(machine, form):
    data = bytes(i * 7 & 255 for i in range(5 * form.page + 100))
    machine.mkfile("/f", len(data), data)
    nr = 2 * form.page
    assert machine.read(1, "/f", 4000, nr) == data[4000 : 4000 + nr]
    base = machine.mmap(1, 0, 6 * form.page, RW, SHARED, "/f")
    assert machine.load(1, base + 16000, nr) == data[16000 : 16000 + nr]
    machine.store(1, base + 20000, b"changed")
    assert machine.read(1, "/f", 19999, 9) == data[19999:20000] + b"changed" + data[20007:20008]
    machine.msync(1, base, 6 * form.page, 4)
    machine.truncate("/f", 20003)
    assert machine.read(1, "/f", 20000, 100) == b"cha"
    assert machine.load(1, base + 20000, 10) == b"cha" + bytes(7)
    with pytest.raises(Signal):
        machine.touch(1, base + 2 * form.page, 1, "r", probe=True)


def test_contents_are_given_back(machine, form):
    before = machine.peek("machine", 0, "nr_contents")
    page = machine.mmap(1, 0, 40 * form.page, RW, ANON)
    machine.store(1, page, b"x" * 40 * form.page)
    assert machine.peek("machine", 0, "nr_contents") >= before + 40
    machine.munmap(1, page, 40 * form.page)
    assert machine.peek("machine", 0, "nr_contents") <= before + 32  # what waits in a batch of the LRU, and a table


def test_entries_of_pages(machine, form):
    page = machine.mmap(1, 0, 4 * form.page, RW, ANON)
    machine.touch(1, page, form.page, "w")
    assert raw(machine, form, page) == 0x00E8000000000F43
    machine.touch(1, page + form.page, form.page, "r")
    assert raw(machine, form, page + form.page) == 0x0160000000000FC3
    machine.mprotect(1, page, form.page, 0)
    assert raw(machine, form, page) == 0x00E0000000000F82
    assert [(step.level, step.high, step.low) for step in machine.walk(1, page).steps] == form.fields


def test_the_processor_marks_what_is_used(machine, form):
    """No fault for an old page, nor for the first write to a clean one; it knows nothing of Linux's own dirty bit."""
    page = machine.mmap(1, 0, form.page, RW, ANON)
    machine.touch(1, page, form.page, "w")
    machine.madvise(1, page, form.page, MADV_COLD)
    assert raw(machine, form, page) == 0x00E8000000000B43
    assert machine.touch(1, page, form.page, "r").minor == 0
    assert raw(machine, form, page) == 0x00E8000000000F43
    machine.madvise(1, page, form.page, MADV_FREE)
    assert raw(machine, form, page) == 0x0068000000000BC3
    assert machine.touch(1, page, form.page, "w").minor == 0
    assert raw(machine, form, page) == 0x0068000000000F43
    shared = machine.mmap(1, 0, form.page, RW, SHARED_ANON)
    machine.touch(1, shared, form.page, "r")
    assert machine.touch(1, shared, form.page, "w").minor == 0


def test_what_a_fault_maps_around_is_old(machine, form):
    """64K around it: of pages of 64K nothing."""
    machine.mkfile("/f", 16 * form.page, b"f" * 16 * form.page)
    machine.read(1, "/f", 0, 16 * form.page)
    base = machine.mmap(1, 0x10000000, 16 * form.page, 1, 0x12, "/f")
    assert machine.touch(1, base + 5 * form.page, 1, "r").minor == 1
    present = [at for at in range(16) if machine.walk(1, base + at * form.page).phys is not None]
    assert present == form.around
    assert [raw(machine, form, base + at * form.page) >> 10 & 1 for at in present] == [at == 5 for at in present]
    if 6 in present:
        assert machine.touch(1, base + 6 * form.page, 1, "r").minor == 0


def test_tables_count_a_page_each(machine, form):
    """Two of PTEs, for the program and for the stack, and two of PMDs above them."""
    assert machine.mm(1).pgtables_bytes == 4 * form.page
    base = machine.mmap(1, 0x40000000, form.page, RW, ANON_FIXED)
    machine.touch(1, base, form.page, "w")
    assert machine.mm(1).pgtables_bytes == 5 * form.page
    machine.munmap(1, base, form.page)
    assert machine.mm(1).pgtables_bytes == 4 * form.page


def test_a_stack_keeps_256_pages_below_it_free(machine, form):
    stack = next(area for area in machine.maps(1) if area.name == "[stack]")
    machine.mmap(1, stack.start - form.stack_gap - 2 * form.page, form.page, RW, ANON_FIXED)
    assert machine.touch(1, stack.start - form.page, 1, "w").minor == 1
    with pytest.raises(Signal):
        machine.touch(1, stack.start - 3 * form.page, 1, "w", probe=True)


def test_as_much_as_a_block_is_aligned_for_one(machine, form):
    assert machine.mmap(1, 0, form.block, RW, ANON) % form.block == 0
    assert machine.mmap(1, 0, form.block // 16, RW, ANON) % (form.block // 16) != 0


def test_damage_of_a_number_of_contents_stays_inside_the_machine(machine, form):
    """A file may say that a page's bytes begin within those of another: what is read is inside the machine, and fsck tells."""
    page = machine.mmap(1, 0, form.page, RW, ANON)
    machine.store(1, page, b"bytes")
    pfn = machine.walk(1, page).phys >> form.shift
    good = machine.peek("frame", pfn, "content")
    for within in (1, 3, *(() if form.shift == 14 else (4, 7, 15))):
        machine.poke("frame", pfn, "content", good + within)
        assert len(machine.load(1, page, form.page)) == form.page
        assert machine.fsck() != []
    machine.poke("frame", pfn, "content", good)


@pytest.mark.parametrize("form", FORMATS[1:], ids=lambda form: form.arch, indirect=True)
class TestOf64K:
    def test_a_hint_below_the_least_address_moves_up_to_a_page(self, machine, form):
        """The security module's limit is 32K, half a page."""
        assert machine.mmap(1, form.page // 2, form.page, RW, ANON) != 0x8000
        assert machine.mmap(1, form.page, form.page, RW, ANON) == form.page

    def test_the_top_table_has_64_entries(self, machine, form):
        assert machine.walk(1, form.top - form.page).steps[0].index == 63
        walk = machine.walk(1, 0xFFFF000020000000)  # rodata=full: no blocks
        assert (walk.register, walk.page_bytes, walk.phys) == ("TTBR1", 65536, 0x60000000)

    def test_the_four_chunks_of_a_page_are_saved_read_and_taken_back_together(self, machine, form):
        page = machine.mmap(1, 0, 3 * form.page, RW, ANON)
        text = bytes(range(1, 252)) * 700
        machine.store(1, page + 100, text)
        again = Saved(machine).open()
        assert again.load(1, page + 100, len(text)) == text
        again.store(1, page + form.page - 1, b"??")
        point = again.savepoint()
        again.store(1, page + 40000, b"not kept")
        again.rollback(point)
        assert again.load(1, page + 100, len(text)) == text[: form.page - 101] + b"??" + text[form.page - 99 :]
        assert again.fsck() == []

    def test_chunks_of_a_freed_page_leave_the_file(self, machine, form):
        page = machine.mmap(1, 0, 4 * form.page, RW, ANON)
        machine.store(1, page, b"x" * 4 * form.page)
        again = Saved(machine).open()
        assert again.load(1, page, 4 * form.page) == b"x" * 4 * form.page
        again.munmap(1, page, 4 * form.page)
        again.drop_caches(1)  # what waits in batches goes
        gone = [chunk for pool, chunk in again.dropped() if pool == CONTENT]
        assert len(gone) >= 4 and len(gone) % 4 == 0
        assert {chunk // 4 for chunk in gone} == {gone[at] // 4 for at in range(0, len(gone), 4)}
        assert again.fsck() == []


def test_another_ones_memory_is_written_and_read_page_by_page(machine, form):
    """access_remote_vm(): over the border of two pages, and beyond the first 4K of each."""
    page = machine.mmap(1, 0, 3 * form.page, RW, ANON)
    text = (bytes(range(1, 251)) * 600)[: form.page + form.page // 2]
    assert machine.write_mem(1, page + 5000, text) == len(text)
    assert machine.load(1, page + 5000, len(text)) == text
    assert machine.read_mem(1, page + 5000, len(text)) == text


def test_the_least_dirty_bytes_are_two_pages(machine, form):
    """kernel: dirty_bytes_min = 2 * PAGE_SIZE."""
    with pytest.raises(KernelError, match="EINVAL"):
        machine.set_sysctl("vm.dirty_bytes", str(2 * form.page - 1))
    machine.set_sysctl("vm.dirty_bytes", str(2 * form.page))
