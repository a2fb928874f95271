"""riscv64 with Sv39, Sv48 and Sv57, held to the manual's bits and to what Debian's 6.12.117 showed under QEMU; its fences to
arch/riscv/mm/tlbflush.c. Each expected entry is that kernel's, without the frame.
"""

import pytest

from vmtool.errors import KernelError, Signal

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
RW, RX, ANON, SHARED_ANON, ANON_FIXED, FIXED_NOREPLACE = 3, 5, 0x22, 0x21, 0x32, 0x100022
MADV_COLD, MADV_FREE, MADV_PAGEOUT, MADV_HUGEPAGE = 20, 8, 21, 14
FRAME = ((1 << 44) - 1) << 10
V, R, W, X, U, G, A, D, SPECIAL = (1 << n for n in range(9))
SPACES = {"riscv64": 1 << 47, "riscv64-sv39": 1 << 38, "riscv64-sv57": 1 << 56}
WINDOW = 1 << 47


@pytest.fixture(params=SPACES)
def machine(request):
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30, arch=request.param, swap_bytes=16 << 20, nr_cpus=2)
    machine.spawn("a", None, [b"a"], [])
    yield machine
    assert machine.fsck() == []


def raw(machine, addr):
    """The entry in memory without its frame."""
    return machine.walk(1, addr).steps[-1].entry & ~FRAME


@pytest.fixture
def page(machine):
    return machine.mmap(1, 0, PAGE, RW, ANON)


# --- the space -----------------------------------------------------------------------------------------------------------------------


def test_the_space_of_a_program(machine):
    """The stack ends where 47 bits do, or 38; vdso and vvar end 128M below; MAP_FIXED goes to the last page."""
    top = min(SPACES[machine.info().arch], WINDOW)
    areas = {area.name: area for area in machine.maps(1)}
    assert areas["[stack]"].end == top
    assert (areas["[vdso]"].end, areas["[vvar]"].end) == (top - (128 << 20), areas["[vdso]"].start)
    end = SPACES[machine.info().arch]
    if end > top:
        assert machine.mmap(1, end - PAGE, PAGE, RW, ANON_FIXED) == end - PAGE
    with pytest.raises(KernelError, match="ENOMEM"):
        machine.mmap(1, end, PAGE, RW, ANON_FIXED)


def test_beyond_the_window_of_sv57_is_what_is_asked_for(machine):
    """A hint there, and one astride, is taken; without one the search from the top stays below (arch_get_mmap_base())."""
    if machine.info().arch != "riscv64-sv57":
        pytest.skip("the window is the space")
    assert machine.mmap(1, WINDOW + (1 << 40), PAGE, RW, ANON) == WINDOW + (1 << 40)
    assert machine.mmap(1, WINDOW, 2 * PAGE, RW, ANON) == WINDOW
    assert machine.mmap(1, 0, PAGE, RW, ANON) < WINDOW - (128 << 20)


def test_an_address_that_no_table_holds_is_an_ordinary_fault(machine):
    for addr in (1 << 62, SPACES[machine.info().arch], (1 << 64) - PAGE):
        with pytest.raises(Signal, match=f"SIGSEGV at {addr:#x} .SEGV_MAPERR"):
            machine.touch(1, addr, 1, "r", probe=True)


# --- entries -------------------------------------------------------------------------------------------------------------------------


def test_a_table_has_no_bits_but_one(machine, page):
    machine.touch(1, page, 1, "w")
    walk = machine.walk(1, page)
    assert [step.entry & ~FRAME for step in walk.steps[:-1]] == [V] * (walk.nr_levels - 1)
    assert walk.steps[-1].base_high, walk.steps[-1].base_low == (53, 10)


def test_a_written_page(machine, page):
    machine.touch(1, page, 1, "w")
    assert raw(machine, page) == V | R | W | U | A | D == 0xD7


def test_a_read_page_is_the_zero_page(machine, page):
    machine.touch(1, page, 1, "r")
    assert raw(machine, page) == V | R | U | A | SPECIAL == 0x153


def test_made_read_only_a_page_stays_dirty(machine, page):
    machine.touch(1, page, 1, "w")
    machine.mprotect(1, page, PAGE, 1)
    assert raw(machine, page) == V | R | U | A | D == 0xD3


def test_protection_none_is_global_and_readable_and_not_valid(machine, page):
    machine.touch(1, page, 1, "w")
    machine.mprotect(1, page, PAGE, 0)
    assert raw(machine, page) == R | G | A | D == 0xE2
    assert machine.walk(1, page).steps[-1].flags == ("R", "PROT_NONE", "A", "D")
    machine.mprotect(1, page, PAGE, RW)
    machine.touch(1, page, 1, "w")
    assert raw(machine, page) == 0xD7


def test_old_and_clean(machine, page):
    machine.touch(1, page, 1, "w")
    machine.madvise(1, page, PAGE, MADV_COLD)
    assert raw(machine, page) == 0x97
    machine.madvise(1, page, PAGE, MADV_FREE)
    assert raw(machine, page) == V | R | W | U == 0x17
    faults = machine.task(1).min_flt
    machine.touch(1, page, 1, "w")  # the processor sets both
    assert (raw(machine, page), machine.task(1).min_flt) == (0xD7, faults)


def test_another_protection_makes_a_page_young(machine, page):
    """pte_modify(): the protections have A, but for that of PROT_NONE (recorded: Referenced after mprotect)."""
    machine.touch(1, page, 1, "w")
    machine.madvise(1, page, PAGE, MADV_COLD)
    machine.mprotect(1, page, PAGE, 0)
    assert raw(machine, page) == 0xA2
    machine.mprotect(1, page, PAGE, 1)
    assert raw(machine, page) == 0xD3


def test_program_text_and_data(machine):
    area = next(area for area in machine.maps(1) if area.flags & 4)
    machine.touch(1, area.start, 1, "x")
    assert raw(machine, area.start) == V | R | X | U | A == 0x5B


def test_swapped_out_the_entry_has_type_and_offset(machine, page):
    """Offsets as they are from bit 12 on, the type at 7 to 11, the mark of a page that is its alone at 6."""
    machine.touch(1, page, 1, "w")
    machine.madvise(1, page, PAGE, MADV_PAGEOUT)
    entry = machine.walk(1, page).steps[-1].entry
    pagemap = machine.pagemap(1, page, PAGE)[0]
    assert entry & 0xFFF == 0x40
    assert entry >> 12 == pagemap.entry >> 5 & (1 << 50) - 1 != 0
    machine.touch(1, page, 1, "w")
    assert raw(machine, page) == 0xD7


def test_a_huge_page_is_a_leaf_two_levels_up(machine):
    at = machine.mmap(1, 0, 4 << 20, RW, ANON) + (2 << 20) - 1 & -(2 << 20)
    machine.madvise(1, at, 2 << 20, MADV_HUGEPAGE)
    machine.touch(1, at, 1, "w")
    walk = machine.walk(1, at)
    assert (walk.page_bytes, walk.steps[-1].level, walk.steps[-1].base_low) == (2 << 20, "pmd", 19)
    assert walk.steps[-1].entry & 0xDF == 0xD7
    machine.mprotect(1, at, 2 << 20, 0)
    assert machine.walk(1, at).steps[-1].entry & 0xFF == R | G | A | D
    machine.mprotect(1, at, PAGE, RW)
    machine.touch(1, at, 1, "r")
    assert raw(machine, at) == 0xD7  # its alone and dirty: can_change_pte_writable()


# --- rights --------------------------------------------------------------------------------------------------------------------------


def test_what_may_be_executed_alone_cannot_be_read(machine):
    """X without R: handle_page_fault() asks for VM_READ or VM_WRITE."""
    page = machine.mmap(1, 0, PAGE, 4, ANON)
    machine.touch(1, page, 1, "x")
    assert raw(machine, page) == V | X | U | A | SPECIAL
    faults = machine.task(1).min_flt
    with pytest.raises(Signal, match="SEGV_ACCERR"):
        machine.touch(1, page, 1, "r", probe=True)
    assert machine.task(1).min_flt == faults
    assert machine.walk(1, page).error


def test_what_may_be_written_may_be_read(machine):
    """W without R is reserved: PROT_WRITE alone gives both."""
    page = machine.mmap(1, 0, PAGE, 2, ANON)
    machine.touch(1, page, 1, "w")
    machine.touch(1, page, 1, "r")
    assert raw(machine, page) == 0xD7


# --- fences --------------------------------------------------------------------------------------------------------------------------


def tlb(machine, cpu, *names):
    stats = machine.tlb_stats()[cpu]
    return tuple(getattr(stats, name) for name in names)


def test_a_flush_goes_to_the_cpus_that_ran_the_space(machine):
    """mm_cpumask() grows with each CPU, which keeps what it holds by the ASID; another's flush is an interrupt."""
    machine.switch(1, 0)
    at = machine.mmap(1, 0, 8 * PAGE, RW, ANON)
    machine.touch(1, at, 8 * PAGE, "w")
    there = tlb(machine, 1, "flushes_page", "shootdowns")
    machine.madvise(1, at, PAGE, 4)
    assert tlb(machine, 1, "flushes_page", "shootdowns") == there
    machine.switch(1, 1)
    machine.touch(1, at, 8 * PAGE, "w")
    here, there = (tlb(machine, cpu, "flushes_page", "shootdowns") for cpu in (0, 1))
    machine.madvise(1, at, 2 * PAGE, 4)
    flushed = [(now[0] - before[0], now[1] - before[1]) for cpu, before in ((0, here), (1, there))
               for now in [tlb(machine, cpu, "flushes_page", "shootdowns")]]
    assert sorted(flushed) == [(2, 0), (2, 1)]


@pytest.mark.parametrize("nr, by_page", [(64, True), (65, False)])
def test_more_than_64_pages_are_flushed_by_their_asid(machine, nr, by_page):
    at = machine.mmap(1, 0, 256 * PAGE, RW, ANON)
    machine.touch(1, at, 256 * PAGE, "w")
    before = tlb(machine, 0, "flushes_page", "flushes_all")
    machine.madvise(1, at, nr * PAGE, 4)
    pages, all_of_it = (now - then for now, then in zip(tlb(machine, 0, "flushes_page", "flushes_all"), before, strict=True))
    assert (pages, all_of_it) == ((nr, 0) if by_page else (0, 1))


def test_a_table_that_goes_is_a_fence_of_all(machine):
    """A fence of one address orders leaves alone, so what walks remember of tables would stay."""
    at = machine.mmap(1, 0x10000000, 4 << 20, RW, ANON_FIXED)
    machine.touch(1, at, PAGE, "w")
    before = tlb(machine, 0, "flushes_page", "flushes_all")
    machine.munmap(1, at, 4 << 20)
    pages, all_of_it = (now - then for now, then in zip(tlb(machine, 0, "flushes_page", "flushes_all"), before, strict=True))
    assert (pages, all_of_it) == (0, 1)
