"""The walk: addresses, error codes as Intel's manual gives them (volume 3, 4.7), Accessed and Dirty bits."""

import pytest
from vmtool.mm._probe_tlb import TlbProbe as Probe

P, RW, US, A, D, PS, G = 1, 2, 4, 0x20, 0x40, 0x80, 0x100
NX = 1 << 63
FAULT = 0x10000
PROT, WRITE, USER, RSVD, INSTR = 1, 2, 4, 8, 16
ADDR = 0x7F1234567000
VM_READ, VM_WRITE, VM_EXEC = 1, 2, 4
PUD, PMD, PTE = 2, 1, 0


@pytest.fixture
def page(machine):
    """ADDR mapped readable, writable, not executable; the frame."""
    pfn = machine.alloc()
    assert machine.map(ADDR, pfn)
    return pfn


def change(machine, level, clear=0, add=0):
    machine.set_entry(ADDR, machine.entry(ADDR, level) & ~clear | add, level)


def test_nothing_mapped_is_not_present(machine):
    for kind, code in (("r", USER), ("w", USER | WRITE), ("x", USER | INSTR)):
        assert machine.access(ADDR, kind) == (FAULT | code, None)


def test_an_access_gives_the_frame_and_the_offset(machine, page):
    assert machine.access(ADDR + 0x123) == (0, (page << 12) + 0x123)


def test_a_noncanonical_address_is_no_page_fault(machine):
    assert machine.access(1 << 47) == (0x20000, None)
    assert machine.access((1 << 63) + 5) == (0x20000, None)
    assert machine.walk(1 << 47)["noncanonical"]


def test_writing_needs_the_bit_at_every_level(machine, page):
    for level in (PTE, PMD, PUD):
        change(machine, level, clear=RW)
        assert machine.access(ADDR, "w") == (FAULT | PROT | WRITE | USER, None)
        assert machine.access(ADDR, "r")[0] == 0
        change(machine, level, add=RW)
        machine.flush_page(ADDR)
        assert machine.access(ADDR, "w")[0] == 0
        machine.flush_page(ADDR)


def test_the_user_bit_is_needed_at_every_level(machine, page):
    for level in (PTE, PMD, PUD):
        change(machine, level, clear=US)
        assert machine.access(ADDR) == (FAULT | PROT | USER, None)
        change(machine, level, add=US)


def test_nx_at_any_level_forbids_execution(machine):
    pfn = machine.alloc()
    machine.map(ADDR, pfn, VM_READ | VM_EXEC)
    assert machine.access(ADDR, "x") == (0, pfn << 12)
    machine.flush_page(ADDR)
    change(machine, PMD, add=NX)
    assert machine.access(ADDR, "x") == (FAULT | PROT | USER | INSTR, None)


def test_the_kernel_half_is_present_and_forbidden(machine):
    """What makes the difference between SEGV_MAPERR's and a kernel address' error codes: 5, not 4."""
    assert machine.access(0xFFFFFFFF81000000) == (FAULT | PROT | USER, None)
    assert machine.access(0xFFFF888000100000, "w") == (FAULT | PROT | USER | WRITE, None)


@pytest.mark.parametrize("level, bit", [(PTE, 1 << 46), (PTE, 1 << 51), (PMD, 1 << 50), (3, PS)])
def test_reserved_bits_fault(machine, page, level, bit):
    change(machine, level, add=bit)
    assert machine.access(ADDR) == (FAULT | PROT | USER | RSVD, None)
    change(machine, level, clear=bit)


@pytest.mark.parametrize("bit", [1 << 13, 1 << 20])
def test_address_bits_below_a_large_page_are_reserved(machine, bit):
    pfn = machine.alloc(9)
    machine.map(ADDR & ~0x1FFFFF, pfn, level=PMD)
    assert machine.access(ADDR)[0] == 0
    machine.flush_page(ADDR)
    change(machine, PMD, add=bit)
    assert machine.access(ADDR) == (FAULT | PROT | USER | RSVD, None)
    machine.set_entry(ADDR, 0, PMD)


def test_accessed_is_set_on_the_way_and_dirty_by_a_write(machine, page):
    for level in (3, PUD, PMD, PTE):
        change(machine, level, clear=A | D)
    machine.access(ADDR, "r")
    assert all(machine.entry(ADDR, level) & A for level in (3, PUD, PMD, PTE))
    assert not machine.entry(ADDR) & D
    machine.access(ADDR, "w")  # the TLB has the page, but not as dirty
    assert machine.entry(ADDR) & D
    assert not machine.entry(ADDR, PMD) & D


def test_a_fault_leaves_the_leaf_untouched(machine, page):
    change(machine, PTE, clear=A | D | RW)
    machine.access(ADDR, "w")
    assert not machine.entry(ADDR) & (A | D)


@pytest.mark.parametrize("level, shift", [(PMD, 21), (PUD, 30)])
def test_large_pages_end_the_walk_early(machine, level, shift):
    base = ADDR >> shift << shift
    machine.map(base, 1 << 18, level=level)
    assert machine.access(base + 0x12345) == (0, (1 << 30) + 0x12345)
    walk = machine.walk(base + 0x12345)
    assert (walk["page_shift"], len(walk["steps"])) == (shift, 4 - level)
    machine.set_entry(base, 0, level)
    machine.load_cr3()


def test_looking_changes_nothing(machine, page):
    for level in (3, PUD, PMD, PTE):
        change(machine, level, clear=A)
    stats = machine.tlb_stats()
    walk = machine.walk(ADDR + 8)
    assert (walk["ok"], walk["phys"], walk["error"]) == (True, (page << 12) + 8, 0)
    assert [name for name, _, _ in walk["steps"]] == ["pgd", "pud", "pmd", "pte"]
    assert walk["steps"][3][1] == (machine.table(ADDR) << 12) + (ADDR >> 12 & 511) * 8
    assert not machine.entry(ADDR) & A
    assert machine.tlb_stats() == stats


def test_five_levels_walk_five_tables():
    p = Probe()
    assert p.boot(256 << 20, arch="x86-64-la57") == 0
    addr = 0xAB_CDEF_1234_5000
    pfn = p.alloc()
    p.map(addr, pfn)
    assert [name for name, _, _ in p.walk(addr)["steps"]] == ["pgd", "p4d", "pud", "pmd", "pte"]
    assert p.access(addr + 1) == (0, (pfn << 12) + 1)
    assert p.pgtables_bytes() == 3 * 4096  # the fourth level is not counted (mm_inc_nr_puds() and below are all there is)
    assert p.fsck() == []


def test_an_unknown_format_is_refused():
    assert Probe().boot(256 << 20, arch="vax") == -22
