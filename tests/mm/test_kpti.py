"""Page-table isolation, held to what Debian's 6.18.15 had in its memory under QEMU with pti=on.

The two top tables of a running program were read out of the halted machine, and the entries of the kernel's half behind each; the
expected values below are that kernel's, without the frames. `PageTables` grew by nine pages a fork there, and by eight with pti=off.
"""

import pytest

from .story import PAGE, Cases, Story, core

FRAME = 0x000FFFFFFFFFF000
NX = 1 << 63
CEA, TEXT, DIRECT = 0xFFFFFE0000000000, 0xFFFFFFFF81000000, 0xFFFF888000000000
RW, ANON = 3, 0x22
CASES = Cases()

# offset in the CPU entry area, pages, bits of the entries: IDT, GDT | entry stack | TSS | stacks of #DF, NMI, #DB, #MC; a guard before each
AREA = ((0, 2, 0x121), (2, 1, 0x163), (3, 5, 0x121), (9, 2, 0x163), (12, 2, 0x163), (15, 2, 0x163), (18, 2, 0x163))


def isolated(arch="x86-64", **boot):
    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20, arch=arch, kpti=True, **boot)
    machine.spawn("a", None, [b"a"], [])
    return machine


@pytest.fixture(params=["x86-64", "x86-64-la57"])
def machine(request):
    machine = isolated(request.param)
    yield machine
    assert machine.fsck() == []


def leaf(machine, addr, root):
    """The bits of the entry that maps an address, None where nothing does."""
    walk = machine.walk(1, addr, root)
    return None if walk.phys is None else walk.steps[-1].entry & ~FRAME


def test_the_two_tables_are_the_halves_of_one_block(machine):
    user, kernel = (machine.walk(1, 0x400000, root).root for root in ("user", "kernel"))
    assert (user, kernel & 0x1000) == (kernel + 0x1000, 0)
    assert machine.roots() == [(1, user, kernel)]


def test_the_kernels_copy_of_a_programs_entry_may_not_be_executed(machine):
    at = machine.mmap(1, 0, PAGE, RW | 4, ANON)
    machine.touch(1, at, PAGE, "w")
    user, kernel = (machine.walk(1, at, root).steps for root in ("user", "kernel"))
    assert (user[0].entry & ~FRAME, kernel[0].entry & ~FRAME) == (0x67, 0x67 | NX)
    assert user[1:] == kernel[1:]
    machine.touch(1, at, PAGE, "x")


def test_a_top_entry_goes_from_both_tables_with_the_last_table_below_it():
    machine = isolated()
    far = 0x100000000000
    machine.mmap(1, far, PAGE, RW, ANON | 0x10)
    machine.touch(1, far, PAGE, "w")
    assert all(machine.walk(1, far, root).phys for root in ("user", "kernel"))
    machine.munmap(1, far, PAGE)
    assert {machine.walk(1, far, root).steps[0].entry for root in ("user", "kernel")} == {0}


def test_both_tables_have_the_cpu_entry_area(machine):
    for page in range(21):
        expected = next((bits | NX for first, nr, bits in AREA if first <= page < first + nr), None)
        assert leaf(machine, CEA + page * PAGE, "user") == leaf(machine, CEA + page * PAGE, "kernel") == expected, page


def test_user_mode_sees_the_entry_code_and_no_more_of_the_image(machine):
    assert leaf(machine, TEXT, "user") == leaf(machine, TEXT, "kernel") == 0x1A1
    for at in range(TEXT + (2 << 20), TEXT + (64 << 20), 2 << 20):
        assert leaf(machine, at, "user") is None
    assert leaf(machine, TEXT + (2 << 20), "kernel") == 0xA1  # not global


def test_user_mode_sees_of_the_direct_map_each_cpus_tss():
    machine = isolated(nr_cpus=3)
    tss = [machine.walk(1, CEA + (1 + 59 * cpu + 2) * PAGE).phys for cpu in range(3)]
    seen = [at for at in range(0, 256 << 20, PAGE) if leaf(machine, DIRECT + at, "user") is not None]
    assert seen == tss
    assert {leaf(machine, DIRECT + at, "user") for at in seen} == {0x63 | NX}
    assert leaf(machine, DIRECT + (128 << 20), "kernel") == 0xE3 | NX
    assert machine.fsck() == []


def test_a_space_takes_a_page_of_tables_more():
    def grown(kpti):
        machine = core.Machine()
        machine.boot(ram_bytes=256 << 20, kpti=kpti)
        machine.spawn("a", None, [b"a"], [])
        before = machine.meminfo()["PageTables"]
        child = machine.fork(1)
        more = machine.meminfo()["PageTables"] - before
        machine.exit(child)
        assert machine.meminfo()["PageTables"] == before
        assert machine.fsck() == []
        return more
    assert grown(True) == grown(False) + 4


def stats(machine):
    return machine.tlb_stats()[0]


def pages(machine, nr):
    at = machine.mmap(1, 0, nr * PAGE, RW, ANON)
    machine.touch(1, at, PAGE, "w")
    return at


@pytest.mark.parametrize("pcid, misses", [(False, 1), (True, 0)])
def test_a_fault_makes_the_tlb_forget_without_pcids(pcid, misses):
    """The way into the kernel and back loads CR3 twice; the second page's fault costs the first its entry, unless PCIDs keep it."""
    machine = isolated(pcid=pcid)
    at = pages(machine, 2)
    machine.touch(1, at, 1, "w")
    machine.touch(1, at + PAGE, 1, "w")
    before = stats(machine)
    machine.touch(1, at, 1, "w")
    assert stats(machine).misses - before.misses == misses


@pytest.mark.parametrize("call, loads", [
    (lambda m, at: m.touch(1, at, 1, "r"), 0), (lambda m, at: m.touch(1, at + PAGE, 1, "w"), 2),
    (lambda m, at: m.mprotect(1, at, PAGE, 1), 2), (lambda m, at: m.brk(1, 0), 2), (lambda m, at: m.read(1, "/file", 0, 10), 2)])
def test_each_way_into_the_kernel_loads_cr3_twice(call, loads):
    machine = isolated()
    machine.mkfile("/file", 100)
    at = pages(machine, 2)
    before = stats(machine).cr3_loads
    call(machine, at)
    assert stats(machine).cr3_loads - before == loads


def test_without_isolation_no_call_loads_cr3():
    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20)
    machine.spawn("a", None, [b"a"], [])
    before = stats(machine).cr3_loads
    at = pages(machine, 2)
    machine.mprotect(1, at, PAGE, 1)
    assert stats(machine).cr3_loads == before


def test_user_mode_has_pcids_of_its_own_and_a_flush_reaches_them():
    machine = isolated(pcid=True)
    at = pages(machine, 2)
    machine.touch(1, at, 1, "w")
    assert {entry.pcid for entry in machine.tlb() if not entry.is_global} == {0x801}
    machine.mprotect(1, at, PAGE, 1)
    assert all(entry.vpn != at // PAGE for entry in machine.tlb())
    machine.fork(1)  # what the parent may no longer write is flushed
    assert not [entry for entry in machine.tlb() if not entry.is_global]
    machine.touch(1, at + PAGE, 1, "w")
    machine.touch(2, at + PAGE, 1, "w")
    assert {entry.pcid for entry in machine.tlb() if not entry.is_global} == {0x801, 0x802}
    assert machine.fsck() == []


def test_the_supervisor_walks_the_kernels_table():
    machine = isolated()
    assert machine.translate_supervisor(1, DIRECT + (32 << 20)) == (32 << 20, 0)
    assert machine.walk(1, DIRECT + (32 << 20)).phys is None


@CASES.case("user-pgd")
def _(s):
    pgd = s.m.peek("mm", s.mm, "pgd")
    content = s.m.peek("frame", pgd + 1, "content")
    s.m.poke("content", content, "entry[255]", s.m.peek("content", content, "entry[255]") ^ 2)
    return f"entry 255 of the top table in frame {pgd} is not that of its pair"


@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_in_a_line_of_its_own(name):
    story = Story(kpti=True)
    assert story.m.fsck() == []
    line = f"{name}: {CASES[name](story)}"
    assert line in story.m.fsck()
