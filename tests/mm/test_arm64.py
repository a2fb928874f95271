"""arm64 with pages of 4K and 48 bits, held to what Debian's 6.18 kernel showed on a cortex-a72 under QEMU.

The entries were read out of the halted machine's memory; each expected value below is that kernel's, without the frame.
"""

import pytest

from vmtool.errors import KernelError, Signal

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
RW, ANON, SHARED_ANON, ANON_FIXED = 3, 0x22, 0x21, 0x32
TOP = 1 << 48
FRAME = 0x0000FFFFFFFFF000
MADV_COLD, MADV_FREE, MADV_GUARD_INSTALL = 20, 8, 102


@pytest.fixture
def machine():
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30, arch="arm64")
    machine.spawn("a", None, [b"a"], [])
    yield machine
    assert machine.fsck() == []


def raw(machine, addr):
    """The entry in memory without its frame."""
    return machine.walk(1, addr).steps[-1].entry & ~FRAME


@pytest.fixture
def page(machine):
    return machine.mmap(1, 0, PAGE, RW, ANON)


def test_the_space_of_a_program(machine):
    areas = {area.name: area for area in machine.maps(1)}
    assert areas["[stack]"].end == TOP
    assert (areas["[vdso]"].start, areas["[vdso]"].end) == (0xFFFFF7FFE000, 0xFFFFF8000000)
    assert areas["[vvar]"].start == 0xFFFFF7FFA000
    assert "[vsyscall]" not in areas
    with pytest.raises(KernelError, match="ENOMEM"):
        machine.mmap(1, TOP, PAGE, RW, ANON_FIXED)


def test_a_written_page(machine, page):
    machine.touch(1, page, PAGE, "w")
    assert raw(machine, page) == 0x00E8000000000F43


def test_the_zero_page_is_special(machine, page):
    machine.touch(1, page, PAGE, "r")
    assert raw(machine, page) == 0x0160000000000FC3


def test_a_written_page_made_read_only_stays_dirty(machine, page):
    machine.touch(1, page, PAGE, "w")
    machine.mprotect(1, page, PAGE, 1)
    assert raw(machine, page) == 0x00E0000000000FC3


def test_protection_none_is_not_valid_and_not_the_users(machine, page):
    machine.touch(1, page, PAGE, "w")
    machine.mprotect(1, page, PAGE, 0)
    assert raw(machine, page) == 0x00E0000000000F82


def test_program_text_and_data(machine):
    machine.touch(1, 0x400000, PAGE, "x")
    assert raw(machine, 0x400000) == 0x0020000000000FC3
    machine.touch(1, 0x401000, PAGE, "r")
    assert raw(machine, 0x401000) == 0x0060000000000FC3


def test_advice_takes_the_access_flag(machine, page):
    machine.touch(1, page, PAGE, "w")
    machine.madvise(1, page, PAGE, MADV_COLD)
    assert raw(machine, page) == 0x00E8000000000B43
    assert machine.touch(1, page, PAGE, "r").minor == 1  # an access flag fault
    machine.madvise(1, page, PAGE, MADV_FREE)
    assert raw(machine, page) == 0x0068000000000BC3


def test_a_guard_marker(machine, page):
    machine.madvise(1, page, PAGE, MADV_GUARD_INSTALL)
    assert machine.walk(1, page).steps[-1].entry == 0x47C0
    with pytest.raises(Signal):
        machine.touch(1, page, PAGE, "r")


def test_the_first_write_to_a_clean_shared_page_is_a_fault(machine):
    addr = machine.mmap(1, 0, PAGE, RW, SHARED_ANON)
    machine.touch(1, addr, PAGE, "r")
    assert raw(machine, addr) == 0x0068000000000FC3  # may be written, and is read-only
    assert machine.touch(1, addr, PAGE, "w").minor == 1
    assert raw(machine, addr) == 0x00E8000000000F43


def test_a_fetch_from_data_brings_no_page_in(machine, page):
    before = machine.mm(1).pgtables_bytes, machine.task(1).min_flt
    with pytest.raises(Signal) as caught:
        machine.touch(1, page, PAGE, "x", probe=True)
    assert caught.value.code == "SEGV_ACCERR"
    assert raw(machine, page) == 0
    assert (machine.mm(1).pgtables_bytes, machine.task(1).min_flt) == before


def test_kernel_addresses_have_a_root_of_their_own(machine):
    """And none in a program's: an access there is SEGV_MAPERR, as between the two halves."""
    for addr in (0xFFFF000000000000, 1 << 52):
        with pytest.raises(Signal) as caught:
            machine.touch(1, addr, PAGE, "r", probe=True)
        assert (caught.value.code, caught.value.addr) == ("SEGV_MAPERR", addr)
    assert machine.walk(1, 0xFFFF000000200000).phys == 0x40200000  # the direct map begins where RAM does


@pytest.mark.parametrize("addr, descriptors", [
    (0xFFFF800080010000, ["1000000000000003", "1000000000000003", "1000000000000003"]),  # the image: its tables were made with the MMU off
    (0xFFFF80007AABE000, ["1000000000000003", "1000000000000403", "1000000000000403"]),  # modules; the top one serves both
    (0xFFFF000002300000, ["1800000000000403", "1800000000000403", "1800000000000403"])])  # the direct map: nothing is executed there
def test_descriptors_of_the_kernels_tables(machine, addr, descriptors):
    """UXNTable, in the direct map PXNTable, AF: by the entries of Debian's 6.18.15, frames taken out."""
    steps = machine.walk(1, addr).steps
    assert [f"{step.entry & ~FRAME:016x}" for step in steps[:-1]] == descriptors
    assert steps[0].flags[-1] == "UXNTable" and "PXNTable" not in steps[-1].flags


def test_names_of_a_table_descriptors_bits(machine, page):
    """A program's tables have PXNTable, and none of the names of a page's bits."""
    machine.touch(1, page, PAGE, "w")
    steps = machine.walk(1, page).steps
    assert [step.entry & ~FRAME for step in steps[:-1]] == [0x0800000000000403] * 3
    assert [step.flags for step in steps[:-1]] == [("VALID", "AF", "PXNTable")] * 3


def test_memory_is_one_zone(machine):
    zones = {zone.name: zone for zone in machine.zones() if zone.managed}
    assert list(zones) == ["DMA"]
    assert zones["DMA"].start_pfn == 0x40000


def test_fork_copies_the_tables(machine, page):
    machine.touch(1, page, PAGE, "w")
    child = machine.fork(1)
    assert raw(machine, page) == 0x00E0000000000FC3  # write-protected, still dirty
    assert machine.touch(child, page, PAGE, "r").minor == 1  # old in the child
    assert machine.touch(child, page, PAGE, "w").minor == 1
    machine.exit(child)
