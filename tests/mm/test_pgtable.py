"""Tables come and go with their entries; the kernel half; entries' bits as x86 Linux writes them."""

from vmtool.mm._probe import Probe

MIB, GIB = 1 << 20, 1 << 30
ADDR = 0x7F1234567000
NR_PAGETABLE = 19  # node_stat_item
NX = 1 << 63
VM_READ, VM_WRITE, VM_EXEC = 1, 2, 4


def test_the_first_page_needs_three_tables_and_its_neighbour_none(machine):
    tables = machine.node_stat(NR_PAGETABLE)
    machine.map(ADDR, 0x4000)
    assert machine.pgtables_bytes() == 3 * 4096
    assert machine.node_stat(NR_PAGETABLE) == tables + 3
    machine.map(ADDR + 4096, 0x4001)
    assert machine.pgtables_bytes() == 3 * 4096


def test_tables_point_to_tables_as_linux_writes_them(machine):
    """_PAGE_TABLE: present, writable, user, accessed, dirty."""
    machine.map(ADDR, 0x4000)
    for level in (1, 2, 3):
        assert machine.entry(ADDR, level) == machine.table(ADDR, level - 1) << 12 | 0x67


def test_a_page_of_data_is_user_accessed_and_not_executable(machine):
    machine.map(ADDR, 0x4000)
    assert machine.entry(ADDR) == 0x4000 << 12 | 0x27 | NX


def test_prot_none_is_there_for_the_kernel_only(machine):
    """_PAGE_PROTNONE is the global bit of an entry that is not present."""
    machine.map(ADDR, 0x4000, 0, write=False)
    assert machine.entry(ADDR) & 0x101 == 0x100
    assert machine.access(ADDR) == (0x10004, None)


def test_clearing_the_entries_then_free_pgd_range_gives_all_tables_back(machine):
    tables = machine.node_stat(NR_PAGETABLE)
    for i in range(3):
        machine.map(ADDR + i * 2 * MIB, 0x4000 + i)
    for i in range(3):
        machine.set_entry(ADDR + i * 2 * MIB, 0)
    machine.free_range(ADDR, ADDR + 6 * MIB)
    assert machine.pgtables_bytes() == 0
    assert machine.node_stat(NR_PAGETABLE) == tables


def test_floor_and_ceiling_keep_tables_that_neighbours_use(machine):
    machine.map(ADDR, 0x4000)
    machine.set_entry(ADDR, 0)
    start = ADDR & ~(2 * MIB - 1)
    machine.free_range(ADDR, ADDR + 4096, start + 4096, 0)  # a neighbour lies below: nothing may go
    assert machine.pgtables_bytes() == 3 * 4096
    machine.free_range(ADDR, ADDR + 4096, start, start + 2 * MIB)  # the PTE table alone
    assert machine.pgtables_bytes() == 2 * 4096
    machine.free_range(ADDR, ADDR + 4096, 0, 0)
    assert machine.pgtables_bytes() == 0


def test_a_huge_leaf_is_no_table(machine):
    machine.map(ADDR & ~(2 * MIB - 1), machine.alloc(9), level=1)
    assert machine.table(ADDR) == 0
    assert machine.entry(ADDR) == 0
    assert not machine.map(ADDR, 0x4000)


def test_a_freed_table_is_not_used_again(machine):
    machine.map(ADDR, 0x4000)
    machine.set_entry(ADDR, 0)
    machine.free_table(ADDR, 0)
    assert machine.table(ADDR) == 0
    assert machine.entry(ADDR, 1) == 0
    machine.map(ADDR, 0x4001)
    assert machine.entry(ADDR) >> 12 & 0xFFFFFFFF == 0x4001


def leaves(p, addr):
    return p.walk(addr, kernel=True)


def test_the_direct_map_uses_4k_below_2m_then_2m_then_1g():
    """init_memory_mapping(): 'Using GB pages for direct mapping'."""
    p = Probe()
    p.boot(8 * GIB)
    base = 0xFFFF888000000000
    for phys, shift in ((0, 12), (MIB, 12), (2 * MIB, 21), (GIB - 1, 21), (GIB, 30), (3 * GIB - 1, 30), (4 * GIB, 30), (9 * GIB - 1, 30)):
        walk = leaves(p, base + phys)
        assert (walk["ok"], walk["phys"], walk["page_shift"]) == (True, phys, shift), hex(phys)
        assert walk["leaf"] & NX
    for phys in (3 * GIB, 9 * GIB):
        assert not leaves(p, base + phys)["ok"]


def test_the_image_is_mapped_whole_by_large_pages():
    """What of it is read-only and executable, boot says last: test_kernel_areas."""
    p = Probe()
    p.boot(1 * GIB)
    for at in range(0xFFFFFFFF81000000, 0xFFFFFFFF83E00000, 2 * MIB):
        found = leaves(p, at)
        assert (found["phys"], found["page_shift"], found["leaf"] & 0xFFF) == (at - 0xFFFFFFFF80000000, 21, 0x1E3)
        assert found["leaf"] & NX


def test_a_new_space_has_the_kernels_upper_half(machine):
    assert machine.walk(0xFFFFFFFF81000000)["phys"] == machine.walk(0xFFFFFFFF81000000, kernel=True)["phys"]
    assert machine.walk(0xFFFFFFFF81000000)["error"] == 5


def test_a_tebibyte_takes_few_tables():
    p = Probe()
    p.boot(1 << 40)
    assert p.node_stat(NR_PAGETABLE) < 40
