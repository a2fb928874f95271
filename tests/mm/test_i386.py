"""32-bit machines with two and three levels of tables, held to what Debian's 6.1 kernels (686, 686-pae) showed under QEMU."""

import pytest

from vmtool.errors import KernelError, Signal

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
RW, ANON, ANON_FIXED = 3, 0x22, 0x32
STACK_TOP = 0xC0000000
PRESENT, WRITE, USER, ACCESSED, DIRTY, SPECIAL = 1, 2, 4, 0x20, 0x40, 0x200


@pytest.fixture(params=["i386", "i386-pae"])
def machine(request):
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30, arch=request.param)
    machine.spawn("a", None, [b"a"], [])
    yield machine
    assert machine.fsck() == []


def leaf(machine, addr):
    return machine.walk(1, addr).steps[-1].entry


def test_the_space_of_a_program(machine):
    areas = {area.name: area for area in machine.maps(1)}
    assert areas["[stack]"].end == STACK_TOP
    assert (areas["[vdso]"].start, areas["[vdso]"].end) == (0xB7FFE000, 0xB8000000)  # at the mmap base, 128 MB below the stack's end
    assert (areas["[vvar]"].start, areas["[vvar]"].end) == (0xB7FFA000, 0xB7FFE000)
    assert "[vsyscall]" not in areas


def is_pae(machine):
    return machine.info().arch == "i386-pae"


def test_pae_has_the_three_tables_of_user_space_from_the_start(machine):
    assert machine.mm(1).pgtables_bytes == (3 * PAGE if is_pae(machine) else 0) + 2 * PAGE  # program and stack: a table of PTEs each


def test_the_pointers_of_pae_have_present_alone(machine):
    top = machine.walk(1, 0x400000).steps[0]
    assert top.entry & 0xFFF == (PRESENT if is_pae(machine) else PRESENT | WRITE | USER | ACCESSED | DIRTY)
    assert len(machine.walk(1, 0x400000).steps) == (3 if is_pae(machine) else 2)


def test_program_entries_have_no_nx(machine):
    """PAE's could: vm_get_page_prot() keeps the protection in 32 bits: bit 63 is lost, and code runs from data."""
    addr = machine.mmap(1, 0, 2 * PAGE, RW, ANON)
    machine.touch(1, addr, PAGE, "w")
    assert leaf(machine, addr) & 0xFFF == PRESENT | WRITE | USER | ACCESSED | DIRTY == 0x067
    assert leaf(machine, addr) >> 63 == 0
    machine.touch(1, addr, PAGE, "x")
    machine.touch(1, addr + PAGE, PAGE, "r")
    assert leaf(machine, addr + PAGE) & 0xFFF == PRESENT | USER | ACCESSED | SPECIAL == 0x225  # the zero page


def test_the_space_runs_out_at_3_gb(machine):
    with pytest.raises(KernelError, match="ENOMEM"):
        machine.mmap(1, STACK_TOP, PAGE, RW, ANON_FIXED)
    with pytest.raises(KernelError, match="ENOMEM"):
        machine.mmap(1, 0, 0xB8000000, RW, ANON | 0x4000)
    with pytest.raises(Signal):
        machine.touch(1, STACK_TOP, PAGE, "r")


def test_a_search_that_finds_nothing_below_the_base_goes_on_upwards(machine):
    """From a third of the space, and above the base, too."""
    machine.mmap(1, 0, 0xB7FFA000 - 0x500000, 0, ANON | 0x4000)
    machine.mmap(1, 0, 0x400000 - 0x10000, 0, ANON | 0x4000)
    assert machine.mmap(1, 0, 0x1000000, 0, ANON | 0x4000) == 0xB8000000


def test_fork_and_exit_give_all_tables_back(machine):
    before = machine.vmstat()["nr_page_table_pages"]
    child = machine.fork(1)
    machine.touch(child, 0x402000, PAGE, "w")
    machine.exit(child)
    assert machine.vmstat()["nr_page_table_pages"] == before


def test_zones(machine):
    zones = {zone.name: zone for zone in machine.zones() if zone.managed}
    assert list(zones) == ["DMA", "Normal", "HighMem"]
    assert zones["HighMem"].start_pfn == (0x36FFE if is_pae(machine) else 0x36BFE)


def test_a_huge_page_is_2m_with_pae_4m_without_and_whole_tables_map_it(machine):
    size = 2 << 20 if is_pae(machine) else 4 << 20
    at = machine.mmap(1, 0x40000000, size, RW, ANON_FIXED)
    machine.madvise(1, at, size, 14)
    machine.touch(1, at + 5 * PAGE, 1, "w")
    found = machine.walk(1, at)
    assert (found.page_bytes, len(found.steps)) == (size, 1 + is_pae(machine))
    assert machine.meminfo()["AnonHugePages"] == size >> 10
    child = machine.fork(1)
    machine.touch(child, at, 1, "w")
    assert machine.walk(child, at).page_bytes == PAGE
    assert machine.walk(1, at).page_bytes == size
    machine.mprotect(1, at, PAGE, 1)
    assert machine.walk(1, at + PAGE).page_bytes == PAGE
    machine.exit(child, 0)
    machine.munmap(1, at, size)
    assert machine.meminfo()["AnonHugePages"] == 0


def test_sizes_between(machine):
    assert machine.thp_sizes() == [16 << n for n in range(8 if is_pae(machine) else 9)]  # up to a PMD's 2M, 4M
    machine.set_sysctl("transparent_hugepage/hugepages-64kB/enabled", "always")
    at = machine.mmap(1, 0x40000000, 1 << 20, RW, ANON_FIXED)
    machine.touch(1, at, 1, "w")
    assert machine.mthp_stats(64)["nr_anon"] == 1
    assert machine.walk(1, at + 15 * PAGE).phys == machine.walk(1, at).phys + 15 * PAGE


def test_hugetlb_has_pages_of_a_pmd_s_size(machine):
    size = 2 << 20 if is_pae(machine) else 4 << 20
    machine.set_sysctl("vm.nr_hugepages", "2")
    assert machine.meminfo()["Hugepagesize"] == size >> 10
    at = machine.mmap(1, 0, size, RW, ANON | 0x40000)
    machine.touch(1, at + PAGE, 1, "w")
    assert (at % size, machine.walk(1, at).page_bytes) == (0, size)
    assert machine.meminfo()["HugePages_Free"] == 1
    machine.munmap(1, at, size)
    assert machine.meminfo()["HugePages_Free"] == 2
