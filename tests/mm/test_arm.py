"""arm with short descriptors, held to what Debian's 6.12 kernel showed on a cortex-a15 under QEMU.

The entries were read out of the halted machine's memory; each expected value below is that kernel's, without the frame: the processor's
word, and Linux's own beside it.
"""

import pytest

from vmtool.errors import KernelError, Signal

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
MIB = 1 << 20
RW, ANON, SHARED_ANON, ANON_FIXED = 3, 0x22, 0x21, 0x32
TOP = 0xBF000000
MADV_COLD, MADV_FREE, MADV_HUGEPAGE, MADV_GUARD_INSTALL = 20, 8, 14, 102


def boot(ram_bytes):
    machine = core.Machine()
    machine.boot(ram_bytes=ram_bytes, arch="arm")
    machine.spawn("a", None, [b"a"], [])
    return machine


@pytest.fixture
def machine():
    machine = boot(1 << 30)
    yield machine
    assert machine.fsck() == []


@pytest.fixture
def page(machine):
    return machine.mmap(1, 0, PAGE, RW, ANON)


def words(machine, addr):
    """The last entry's two words without the frame."""
    step = machine.walk(1, addr).steps[-1]
    return step.entry & 0xFFF, step.soft & 0xFFF


def test_the_space_of_a_program(machine):
    areas = {area.name: area for area in machine.maps(1)}
    assert areas["[stack]"].end == TOP
    assert [(areas[name].start, areas[name].end) for name in ("[sigpage]", "[vvar]", "[vdso]", "[vectors]")] == [
        (0xB6FFD000, 0xB6FFE000), (0xB6FFE000, 0xB6FFF000), (0xB6FFF000, 0xB7000000), (0xFFFF0000, 0xFFFF1000)]
    with pytest.raises(KernelError, match="ENOMEM"):
        machine.mmap(1, TOP, PAGE, RW, ANON_FIXED)
    with pytest.raises(KernelError, match="EINVAL"):  # below FIRST_USER_ADDRESS
        machine.mmap(1, PAGE, PAGE, RW, ANON_FIXED)


def test_a_written_page(machine, page):
    machine.touch(1, page, PAGE, "w")
    assert words(machine, page) == (0xC7F, 0x75F)


def test_the_zero_page_looks_like_any_other(machine, page):
    before = machine.mm(1).rss_anon
    machine.touch(1, page, PAGE, "r")
    assert words(machine, page) == (0xE7F, 0x79F)
    assert machine.mm(1).rss_anon == before  # and still it is nobody's
    assert machine.pagemap(1, page, PAGE)[0].entry >> 61 == 4


def test_a_written_page_made_read_only_stays_dirty(machine, page):
    machine.touch(1, page, PAGE, "w")
    machine.mprotect(1, page, PAGE, 1)
    assert words(machine, page) == (0xE7F, 0x7DF)
    machine.mprotect(1, page, PAGE, RW)
    assert words(machine, page) == (0xC7F, 0x75F)


def test_protection_none_is_hidden_from_the_processor(machine, page):
    machine.touch(1, page, PAGE, "w")
    machine.mprotect(1, page, PAGE, 0)
    assert words(machine, page) == (0, 0xEDF)
    assert machine.walk(1, page).phys is None


@pytest.mark.parametrize("advice, soft", [(MADV_COLD, 0x75D), (MADV_FREE, 0x71D)])
def test_a_page_that_is_not_young_is_hidden_from_the_processor(machine, page, advice, soft):
    machine.touch(1, page, PAGE, "w")
    machine.madvise(1, page, PAGE, advice)
    assert words(machine, page) == (0, soft)
    assert machine.touch(1, page, PAGE, "r").minor == 1  # the fault makes it young
    assert words(machine, page)[1] == soft | 2


def test_shared_memory_that_was_read_is_written_by_a_fault(machine):
    shared = machine.mmap(1, 0, PAGE, RW, SHARED_ANON)
    machine.touch(1, shared, PAGE, "r")
    assert words(machine, shared) == (0xE7F, 0x71F)
    assert machine.touch(1, shared, PAGE, "w").minor == 1
    assert words(machine, shared) == (0xC7F, 0x75F)


def test_text_executes_and_rodata_does_not(machine):
    areas = [area for area in machine.maps(1) if area.name.startswith("/")]
    text = next(area.start for area in areas if area.flags & 4)
    machine.touch(1, text, PAGE, "x")
    assert words(machine, text) == (0xE7E, 0x59F)
    data = next(area.start for area in areas if not area.flags & 6)
    machine.touch(1, data, PAGE, "r")
    assert words(machine, data) == (0xE7F, 0x79F)
    with pytest.raises(Signal):
        machine.touch(1, data, PAGE, "x")


def test_the_kernels_own_areas(machine):
    for addr, expected in ((0xB6FFD000, (0xE7E, 0x59F)), (0xB6FFE000, (0xE7F, 0x79F)), (0xB6FFF000, (0xE7E, 0x59F))):
        machine.touch(1, addr, PAGE, "r")
        assert words(machine, addr) == expected
    machine.touch(1, 0xFFFF0000, PAGE, "r")
    assert words(machine, 0xFFFF0000) == (0x67E, 0x5DF)
    assert machine.walk(1, 0xFFFF0000).steps[0].entry & 0x3FF == 0x61


def test_two_tables_of_the_processor_share_a_page(machine):
    base = machine.mmap(1, 0xB4000000, 2 * MIB, RW, ANON_FIXED)
    machine.touch(1, base, PAGE, "w")
    machine.touch(1, base + MIB, PAGE, "w")
    lower, upper = machine.walk(1, base), machine.walk(1, base + MIB)
    assert [walk.steps[0].entry & 0x3FF for walk in (lower, upper)] == [0x35, 0x35]
    assert upper.steps[0].index == lower.steps[0].index + 1 == (base >> 20) + 1
    assert upper.steps[1].table - lower.steps[1].table == 1024
    assert lower.steps[1].table % PAGE == 2048
    assert lower.steps[0].table % 16384 == 0


def test_a_table_counts_as_half_a_page(machine):
    before = machine.mm(1).pgtables_bytes
    base = machine.mmap(1, 0xB4000000, 2 * MIB, RW, ANON_FIXED)
    machine.touch(1, base, 2 * MIB, "w")
    assert machine.mm(1).pgtables_bytes - before == 2048


def test_the_table_of_the_lowest_addresses_stays(machine):
    """free_pgtables() begins at FIRST_USER_ADDRESS: what also covers the two pages below it goes with the space."""
    before = machine.mm(1).pgtables_bytes
    tables = machine.vmstat()["nr_page_table_pages"]
    machine.mmap(1, 0x10000, PAGE, RW, ANON_FIXED)
    machine.touch(1, 0x10000, PAGE, "w")
    machine.munmap(1, 0x10000, PAGE)
    assert machine.mm(1).pgtables_bytes - before == 2048
    machine.spawn("b", None, [b"b"], [])
    machine.exit(1, 0)
    machine.exit(2, 0)
    assert machine.vmstat()["nr_page_table_pages"] <= tables


def test_sections_of_the_kernel(machine):
    """Lowmem by sections of a MiB; the image's text executes, rodata is read-only; the pair need not be alike."""
    sections = {0xC5000000: 0x1141E, 0xC0200000: 0x1141E, 0xC0300000: 0x1940E, 0xC0E00000: 0x1940E, 0xC0F00000: 0x1941E,
                0xC1300000: 0x1941E, 0xC1700000: 0x1141E}
    for addr, expected in sections.items():
        walk = machine.walk(1, addr)
        assert walk.steps[-1].entry & 0xFFFFF == expected, hex(addr)
        assert (walk.phys, walk.page_bytes) == (addr - 0x80000000, MIB)
    assert machine.walk(1, 0xC5012345).phys == 0x45012345
    assert machine.walk(1, 0xF0000000).phys is None  # HighMem has no address of the kernel's


def test_kernel_addresses_are_out_of_reach(machine):
    for addr in (0xC0300000, 0xC5000000, 0xBF000000):
        with pytest.raises(Signal) as raised:
            machine.touch(1, addr, 1, "r", probe=True)
        assert (raised.value.code, raised.value.addr) == ("SEGV_MAPERR", addr)


def test_there_are_no_huge_pages(machine):
    base = machine.mmap(1, 0, 8 * MIB, RW, ANON)
    with pytest.raises(KernelError, match="EINVAL"):
        machine.madvise(1, base, 8 * MIB, MADV_HUGEPAGE)
    with pytest.raises(KernelError, match="EINVAL"):
        machine.madvise(1, base, PAGE, MADV_GUARD_INSTALL)


@pytest.mark.parametrize("ram, highmem", [(2 << 30, 0x50000), (1 << 30, 0x10000), (512 << 20, 0)])
def test_zones(ram, highmem):
    machine = boot(ram)
    zones = {zone.name: zone for zone in machine.zones()}
    assert (zones["DMA"].start_pfn, zones["DMA"].spanned) == (0x40000, min(ram >> 12, 0x30000))
    assert zones["Normal"].spanned == 0
    assert zones["HighMem"].spanned == highmem
    assert machine.fsck() == []


def test_a_child_shares_and_copies(machine, page):
    machine.store(1, page, b"parent")
    child = machine.fork(1)
    assert words(machine, page) == (0xE7F, 0x7DF)
    machine.store(child, page, b"child.")
    assert machine.load(1, page, 6) == b"parent"
    assert machine.load(child, page, 6) == b"child."


def test_a_page_that_grows_old_may_stay_in_the_tlb(machine):
    """clear_refs takes the processor's entry away and flushes nothing, as Linux does: what the TLB holds is no mistake."""
    page = machine.mmap(1, 0, 4 * PAGE, RW, ANON)
    machine.touch(1, page, 4 * PAGE, "w")
    held = {entry.vpn for entry in machine.tlb()}
    machine.clear_refs(1, 1)
    assert machine.fsck() == []
    assert {entry.vpn for entry in machine.tlb()} == held
    assert all(stats.stats.referenced == 0 for stats in machine.smaps(1) if stats.vma.start == page)
