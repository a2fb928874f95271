"""arm64's contiguous hint: where Linux 6.18 sets it and takes it away (arch/arm64/mm/contpte.c). Attributes are those of
tests/mm/test_arm64.py's entries, which Debian's kernel had; QEMU walks such tables in tests/outside/test_core_physical.py.
"""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE, BLOCK = 4096, 65536
RW, PRIVATE_ANON, FIXED = 3, 0x22, 0x10
AT = 0x40000000
CONT, AF, DIRTY = 1 << 52, 1 << 10, 1 << 55
FRAME = 0x0000FFFFFFFFF000
WRITTEN = 0x00E8000000000F43
HUGEPAGE, DONTNEED, COLD, FREE = 14, 4, 20, 8


def booted(arch, kb, pages=16):
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30, arch=arch)
    machine.spawn("a", None, [b"a"], [])
    machine.set_sysctl(f"transparent_hugepage/hugepages-{kb}kB/enabled", "always")
    machine.mmap(1, AT, 8 << 20, RW, PRIVATE_ANON | FIXED)
    return machine


@pytest.fixture
def machine():
    machine = booted("arm64", 64)
    machine.touch(1, AT, 1, "w")
    yield machine
    assert machine.fsck() == []


def raw(machine, addr, pid=1):
    """The entry in memory without its frame."""
    return machine.walk(pid, addr).steps[-1].entry & ~FRAME


def hints(machine, at=AT, nr=16, page=PAGE, pid=1):
    return "".join(str(raw(machine, at + n * page, pid) >> 52 & 1) for n in range(nr))


def test_a_folio_of_a_block_has_the_hint_in_each_entry(machine):
    assert {raw(machine, AT + n * PAGE) for n in range(16)} == {WRITTEN | CONT}
    assert [machine.walk(1, AT + n * PAGE).phys for n in range(16)] == [machine.walk(1, AT).phys + n * PAGE for n in range(16)]


def test_single_pages_that_lie_side_by_side_have_none(machine):
    machine.set_sysctl("transparent_hugepage/hugepages-64kB/enabled", "never")
    machine.touch(1, AT + BLOCK, BLOCK, "w")
    assert hints(machine, AT + BLOCK) == "0" * 16


def test_smaller_folios_have_none(machine):
    machine.set_sysctl("transparent_hugepage/hugepages-64kB/enabled", "never")
    machine.set_sysctl("transparent_hugepage/hugepages-32kB/enabled", "always")
    machine.touch(1, AT + BLOCK, BLOCK, "w")
    assert hints(machine, AT + BLOCK) == "0" * 16


def test_a_larger_folio_has_it_block_by_block(machine):
    machine.set_sysctl("transparent_hugepage/hugepages-256kB/enabled", "always")
    machine.touch(1, AT + 4 * BLOCK, 1, "w")
    assert hints(machine, AT + 4 * BLOCK, 64) == "1" * 64
    machine.munmap(1, AT + 5 * BLOCK + PAGE, PAGE)
    assert hints(machine, AT + 4 * BLOCK, 17) == "1" * 16 + "0"
    assert hints(machine, AT + 6 * BLOCK, 32) == "1" * 32


def test_fork_keeps_it_in_both(machine):
    child = machine.fork(1)
    for pid in (1, child):
        assert hints(machine, pid=pid) == "1" * 16


def test_a_copy_takes_the_block_apart(machine):
    child = machine.fork(1)
    machine.touch(child, AT + 3 * PAGE, 1, "w")
    assert hints(machine, pid=child) == "0" * 16
    assert hints(machine) == "1" * 16


def test_a_part_made_read_only_takes_it_apart_and_all_of_it_does_not(machine):
    machine.mprotect(1, AT, BLOCK, 1)
    assert hints(machine) == "1" * 16
    machine.mprotect(1, AT + PAGE, PAGE, RW)
    assert hints(machine) == "0" * 16
    machine.mprotect(1, AT, BLOCK, RW)
    machine.touch(1, AT, BLOCK, "w")
    assert hints(machine)[:15] == "0" * 15 or hints(machine) == "1" * 16


def test_marks_of_use_are_the_block_s(machine):
    machine.madvise(1, AT, BLOCK, COLD)
    assert [raw(machine, AT + n * PAGE) & (AF | CONT) for n in range(16)] == [CONT] * 16
    machine.touch(1, AT + 5 * PAGE, 1, "r")
    assert [raw(machine, AT + n * PAGE) & (AF | CONT) for n in range(16)] == [AF | CONT] * 16
    machine.madvise(1, AT, BLOCK, FREE)
    assert [raw(machine, AT + n * PAGE) & (AF | DIRTY | CONT) for n in range(16)] == [CONT] * 16
    machine.touch(1, AT + 7 * PAGE, 1, "w")
    assert [raw(machine, AT + n * PAGE) & (AF | DIRTY | CONT) for n in range(16)] == [AF | DIRTY | CONT] * 16


def test_a_folio_that_is_split_has_none(machine):
    machine.madvise(1, AT, 4 * PAGE, COLD)
    assert hints(machine) == "0" * 16


def test_a_huge_page_that_falls_apart_has_it(machine):
    machine.mmap(1, 4 << 30, 2 << 20, RW, PRIVATE_ANON | FIXED)
    machine.madvise(1, 4 << 30, 2 << 20, HUGEPAGE)
    machine.touch(1, 4 << 30, 1, "w")
    machine.mprotect(1, 4 << 30, PAGE, 1)
    assert hints(machine, 4 << 30, 512) == "0" * 16 + "1" * 496


def test_the_place_it_moves_to_says(machine):
    machine.mremap(1, AT, BLOCK, BLOCK, 3, 0x50000000)
    assert hints(machine, 0x50000000) == "1" * 16
    machine.mremap(1, 0x50000000, BLOCK, BLOCK, 3, 0x60001000)
    assert hints(machine, 0x60001000) == "0" * 16


@pytest.mark.parametrize("arch, page, nr", [("arm64-16k", 16384, 128), ("arm64-64k", 65536, 32)])
def test_blocks_of_2m_with_larger_pages(arch, page, nr):
    machine = booted(arch, 2048)
    machine.touch(1, AT, 1, "w")
    assert hints(machine, AT, nr, page) == "1" * nr
    machine.munmap(1, AT + page, page)
    assert hints(machine, AT, 1, page) + hints(machine, AT + 2 * page, nr - 2, page) == "0" * (nr - 1)
    assert machine.fsck() == []


@pytest.mark.parametrize("arch, page", [("arm64-16k", 16384), ("arm64-64k", 65536)])
def test_a_processor_that_marks_marks_the_entry_that_it_used(arch, page):
    """Arm ARM, D8.5: by the descriptor itself; that one of the block is dirty, which is what Linux reads of each, spares no other."""
    machine = booted(arch, 2048)
    machine.touch(1, AT, 1, "w")
    machine.madvise(1, AT, 2 << 20, FREE)  # clean: read-only until it is written
    readonly = 1 << 7
    assert all(raw(machine, AT + n * page) & readonly for n in range(4))
    for n in (0, 2):
        machine.touch(1, AT + n * page, 1, "w")
    assert [raw(machine, AT + n * page) & readonly == 0 for n in range(4)] == [True, False, True, False]
    assert all(raw(machine, AT + n * page) & CONT for n in range(4))
    assert machine.fsck() == []
