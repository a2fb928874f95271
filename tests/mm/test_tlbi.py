"""Which of TLBI's forms Linux uses for a call, and for how many addresses: what the hardware remembers of tables stays, or goes.

The rules are read in Linux 6.18: arch/arm64/include/asm/tlb.h (last_level = !freed_tables), tlbflush.h (__flush_tlb_range()),
include/asm-generic/tlb.h (the range and the stride of what was cleared), arch/arm/include/asm/tlb.h. The counts are worked out by hand.
"""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
FIXED = 0x32  # MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE
DONTNEED, FREE, HUGEPAGE, COLD = 4, 8, 14, 20
AT = 0x200000000  # no table of another area's in its 1G
WALKING = "l1d=64x4,l1d2m=32x4,pde=32x4,pdpte=4x4,pml4e=4x4"


def walker(arch="arm64", tlb=WALKING):
    machine = core.Machine()
    machine.boot(ram_bytes=512 << 20, arch=arch, tlb=tlb)
    return machine, machine.spawn("a", None, [b"a"], [])


def touched(machine, pid, addr, nr=8):
    machine.mmap(pid, addr, nr * PAGE, 3, FIXED)
    machine.touch(pid, addr, nr * PAGE, "w")
    return addr


def stats(machine, *names):
    return tuple(getattr(machine.tlb_stats()[0], name) for name in names)


def reads(machine, pid, addr):
    """Entries that the walk of one access reads."""
    before = stats(machine, "walk_reads")[0]
    machine.touch(pid, addr, 1, "r")
    return stats(machine, "walk_reads")[0] - before


def flushed(machine, call, *args):
    before = stats(machine, "flushes_page", "flushes_all")
    call(*args)
    return tuple(b - a for a, b in zip(before, stats(machine, "flushes_page", "flushes_all"), strict=True))


@pytest.mark.parametrize("change", [
    lambda m, pid: m.munmap(pid, AT, PAGE), lambda m, pid: m.madvise(pid, AT, PAGE, DONTNEED), lambda m, pid: m.mprotect(pid, AT, PAGE, 1),
    lambda m, pid: m.madvise(pid, AT, PAGE, COLD), lambda m, pid: m.madvise(pid, AT, PAGE, FREE)],
    ids=["munmap", "dontneed", "mprotect", "cold", "free"])
def test_where_only_leaves_go_walks_still_know_the_tables(change):
    """VALE1IS of one page: its own entry is gone, and the walk of it begins at the table that the hardware remembers: one read."""
    machine, pid = walker()
    touched(machine, pid, AT)
    assert flushed(machine, change, machine, pid) == (1, 0)
    assert AT not in {e.vpn << e.page_shift for e in machine.tlb() if e.level}
    machine.mmap(pid, AT, PAGE, 3, FIXED)
    before = stats(machine, "walk_reads", "walks")
    machine.touch(pid, AT, 1, "r")
    after = stats(machine, "walk_reads", "walks")
    assert after[0] - before[0] == after[1] - before[1]  # each walk read the last entry alone
    assert machine.fsck() == []


def test_where_a_table_goes_its_walks_are_forgotten():
    """VAE1IS: what led to the freed table must not be followed. The space's other tables are still known, at other addresses."""
    machine, pid = walker()
    touched(machine, pid, AT, 4)
    touched(machine, pid, AT + (64 << 20), 4)

    def places():
        return {e.vpn << e.page_shift for e in machine.tlb() if e.kind == "pde"}
    assert {AT, AT + (64 << 20)} <= places()
    assert flushed(machine, machine.munmap, pid, AT, 4 * PAGE) == (4, 0)
    assert AT not in places() and AT + (64 << 20) in places()
    touched(machine, pid, AT, 4)
    assert machine.fsck() == []


def test_what_was_never_there_is_not_flushed():
    """From the first entry that was present to the last; what is in between counts."""
    machine, pid = walker()
    at = machine.mmap(pid, AT, 1024 * PAGE, 3, FIXED)
    touched(machine, pid, AT - PAGE, 1)  # a neighbour, whose table stays
    assert flushed(machine, machine.munmap, pid, at + 512 * PAGE, 512 * PAGE) == (0, 0)
    machine.touch(pid, at + 3 * PAGE, 1, "w")
    machine.touch(pid, at + 12 * PAGE, 1, "w")
    assert flushed(machine, machine.madvise, pid, at, 512 * PAGE, DONTNEED) == (10, 0)
    assert flushed(machine, machine.madvise, pid, at, 512 * PAGE, DONTNEED) == (0, 0)


def test_several_areas_are_one_flush_and_a_freed_table_needs_a_page_of_its_span():
    machine, pid = walker()
    at = machine.mmap(pid, AT, 8 * PAGE, 3, FIXED)
    machine.touch(pid, at, 8 * PAGE, "w")
    machine.mprotect(pid, at + 2 * PAGE, PAGE, 1)
    machine.madvise(pid, at, 8 * PAGE, DONTNEED)  # the table is empty, and stays
    # one entry of the PMD goes: one instruction for its 2M (and 1G's, 512G's, which begin there)
    assert flushed(machine, machine.munmap, pid, at, 8 * PAGE) == (1, 0)


def test_a_huge_page_is_one_instruction():
    machine, pid = walker()
    at = machine.mmap(pid, AT, 4 << 20, 3, FIXED)
    machine.madvise(pid, at, 4 << 20, HUGEPAGE)
    machine.touch(pid, at, 1, "w")
    machine.touch(pid, at + (2 << 20), 1, "w")
    assert flushed(machine, machine.madvise, pid, at, 2 << 20, DONTNEED) == (1, 0)
    assert at not in {e.vpn << e.page_shift for e in machine.tlb() if e.level}
    assert machine.fsck() == []


def test_arm_forgets_walks_always_and_goes_by_pages():
    """TLBIMVAIS; arch/arm/include/asm/tlb.h: a table serves two entries of 1M, a page on each side of their border is flushed for it."""
    machine, pid = walker("arm", "l1d=64x4,pde=32x4")
    at = touched(machine, pid, 0x20000000, 4)
    assert flushed(machine, machine.madvise, pid, at, PAGE, DONTNEED) == (1, 0)
    assert reads(machine, pid, at + 2 * PAGE) == 0  # in the TLB
    assert at not in {e.vpn << e.page_shift for e in machine.tlb() if e.kind == "pde"}
    machine.madvise(pid, at, 4 * PAGE, DONTNEED)
    assert flushed(machine, machine.munmap, pid, at, 4 * PAGE) == (2, 0)
    touched(machine, pid, at, 4)
    assert flushed(machine, machine.munmap, pid, at, 4 * PAGE) == (257, 0)  # from the first page to the one behind the border
