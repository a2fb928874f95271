"""The space of a program with five levels of tables: what Linux 6.18 gave on such a processor (QEMU, `-cpu max,la57=on`)."""

import pytest

from vmtool.errors import KernelError

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
RW, ANON, ANON_FIXED = 3, 0x22, 0x32
WINDOW = 0x7FFFFFFFF000
TOP = 1 << 56


@pytest.fixture
def machine():
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30, arch="x86-64-la57")
    machine.spawn("a", None, [b"a"], [])
    yield machine
    assert machine.fsck() == []


def test_without_a_hint_everything_is_below_47_bits(machine):
    assert machine.mmap(1, 0, PAGE, RW, ANON) < WINDOW
    assert max(area.end for area in machine.maps(1) if area.name == "[stack]") == WINDOW


def test_a_hint_above_the_window_is_used_when_it_is_free(machine):
    assert machine.mmap(1, 0x800000000000, PAGE, RW, ANON) == 0x800000000000
    assert machine.mmap(1, TOP - 2 * PAGE, PAGE, RW, ANON) == TOP - 2 * PAGE


def test_a_hint_above_the_window_that_cannot_be_opens_the_whole_space(machine):
    """The same place as without one, further up by what lies above the window."""
    machine.mmap(1, 0, PAGE, RW, ANON)
    lowest_below = machine.mmap(1, 0, PAGE, RW, ANON)
    base = machine.mm(1).mmap_base
    assert lowest_below < base
    assert machine.mmap(1, TOP - PAGE, PAGE, RW, ANON) == base + TOP - (1 << 47) - PAGE == 0xFFFFFFF7FFE000


def test_a_hint_astride_the_window_counts_as_none(machine):
    assert machine.mmap(1, WINDOW - PAGE, 3 * PAGE, RW, ANON) < WINDOW - PAGE


def test_fixed_mappings_reach_the_last_page_but_one(machine):
    assert machine.mmap(1, TOP - 2 * PAGE, PAGE, RW, ANON_FIXED) == TOP - 2 * PAGE
    with pytest.raises(KernelError, match="ENOMEM"):
        machine.mmap(1, TOP - PAGE, PAGE, RW, ANON_FIXED)


def test_tables_of_the_fourth_level_are_not_counted(machine):
    before = machine.mm(1).pgtables_bytes
    machine.mmap(1, 0x10000000000000, PAGE, RW, ANON_FIXED)
    machine.touch(1, 0x10000000000000, PAGE, "w")
    assert machine.mm(1).pgtables_bytes - before == 3 * PAGE  # a PUD, a PMD and a PTE table; the P4D table is the fourth


def test_the_processor_of_five_levels_is_qemus_largest():
    """AT_HWCAP and AT_MINSIGSTKSZ of the recorded kernel with la57."""
    import struct

    from vmtool import _core

    machine = _core.Machine()
    machine.boot(ram_bytes=256 << 20, arch="x86-64-la57")
    machine.spawn("a", None, [b"a"], [])
    words = struct.unpack(f"<{len(machine.mm(1).auxv) // 8}Q", machine.mm(1).auxv)
    told = dict(zip(words[::2], words[1::2], strict=True))
    assert (told[16], told[51]) == (0xFCBFBFD, 2032)
