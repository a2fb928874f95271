"""Huge pages of a PMD in each format that has them, and the orders of the buddy system that they need.

Page block order and the number of orders are what /proc/pagetypeinfo and buddyinfo of Debian's kernels said (i386, i386-pae, arm, arm64
with pages of 4K and 16K, la57, riscv64); those of arm64 with pages of 64K are its Kconfig's: ARCH_FORCE_MAX_ORDER 13.
"""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

RW, ANON_FIXED, SHARED_ANON = 3, 0x32, 0x21
HUGEPAGE, COLLAPSE, MADV_FREE, MADV_COLD = 14, 25, 8, 20
ORDERS = {"x86-64": (10, 9), "x86-64-la57": (10, 9), "i386": (10, 10), "i386-pae": (10, 9), "arm": (11, 11), "arm64": (10, 9),
          "arm64-16k": (11, 11), "arm64-64k": (13, 13), "riscv64": (10, 9), "riscv64-sv39": (10, 9), "riscv64-sv57": (10, 9)}
HUGE = {"i386": 4 << 20, "i386-pae": 2 << 20, "arm64": 2 << 20, "arm64-16k": 32 << 20, "arm64-64k": 512 << 20,
        "riscv64": 2 << 20, "riscv64-sv39": 2 << 20, "riscv64-sv57": 2 << 20}
AT = 0x40000000


@pytest.fixture
def boot():
    booted = []

    def make(arch, ram=4 << 30):
        machine = core.Machine()
        machine.boot(ram_bytes=min(ram, 2 << 30) if arch == "i386" else ram, arch=arch)
        machine.spawn("a", None, [b"a"], [])
        machine.set_sysctl("vm.overcommit_memory", "1")
        booted.append(machine)
        return machine

    yield make
    for machine in booted:
        assert machine.fsck() == []


def area(machine, arch, nr=2, advice=HUGEPAGE):
    machine.mmap(1, AT, nr * HUGE[arch], RW, ANON_FIXED)
    if advice:
        machine.madvise(1, AT, nr * HUGE[arch], advice)
    return AT


def huge_kb(machine, pid=1):
    return sum(area.stats.anonymous_thp for area in machine.smaps(pid)) >> 10


def depth(machine, addr, pid=1):
    """Levels from the top table to the entry that ends the walk."""
    return len(machine.walk(pid, addr).steps)


@pytest.mark.parametrize("arch", ORDERS)
def test_orders_of_free_blocks(boot, arch):
    machine = boot(arch, 1 << 30)
    assert (len(machine.zones()[0].free_by_type[0]) - 1, machine.info().pageblock_order) == ORDERS[arch]
    for zone in machine.zones():
        assert sum(n << order for order, n in enumerate(zone.free_area)) == zone.free


@pytest.mark.parametrize("arch", HUGE)
def test_a_write_fault_maps_a_huge_page(boot, arch):
    machine = boot(arch)
    at = area(machine, arch)
    before = machine.mm(1).pgtables_bytes
    assert machine.touch(1, at + HUGE[arch] // 2, 1, "w").minor == 1
    assert huge_kb(machine) == HUGE[arch] >> 10
    first, last = machine.walk(1, at), machine.walk(1, at + HUGE[arch] - 1)
    assert len(first.steps) == len(last.steps) == depth(machine, machine.mmap(1, 0, 4096, RW, 0x8022)) - 1
    assert first.phys % HUGE[arch] == 0
    assert last.phys == first.phys + HUGE[arch] - 1
    assert machine.mm(1).pgtables_bytes > before  # a table is kept beside, for the day when it splits


@pytest.mark.parametrize("arch", HUGE)
def test_a_part_that_goes_splits_the_mapping(boot, arch):
    machine = boot(arch)
    at, page = area(machine, arch), 1 << machine.info().page_shift
    machine.touch(1, at, 1, "w")
    machine.store(1, at + 5 * page, b"here")
    machine.munmap(1, at + page, page)
    assert huge_kb(machine) == 0
    assert machine.load(1, at + 5 * page, 4) == b"here"
    assert machine.vmstat()["thp_split_pmd"] == 1
    machine.munmap(1, at, HUGE[arch])


@pytest.mark.parametrize("arch", HUGE)
def test_fork_shares_and_a_write_copies_a_page(boot, arch):
    machine = boot(arch)
    at = area(machine, arch)
    machine.store(1, at + 100, b"parent")
    child = machine.fork(1)
    assert huge_kb(machine, child) == HUGE[arch] >> 10
    machine.store(child, at + 100, b"child!")
    assert (machine.load(1, at + 100, 6), machine.load(child, at + 100, 6)) == (b"parent", b"child!")
    assert huge_kb(machine, child) == 0
    machine.kill(child, 9)


@pytest.mark.parametrize("arch", HUGE)
def test_a_read_maps_the_huge_zero_page(boot, arch):
    machine = boot(arch)
    at = area(machine, arch)
    machine.touch(1, at, 1, "r")
    assert machine.vmstat()["thp_zero_page_alloc"] == 1
    assert machine.load(1, at + HUGE[arch] - 8, 8) == bytes(8)
    machine.touch(1, at, 1, "w")
    assert huge_kb(machine) == HUGE[arch] >> 10


@pytest.mark.parametrize("arch", ["i386", "i386-pae", "arm64", "arm64-16k"])
def test_small_pages_collapse(boot, arch):
    machine = boot(arch)
    at, page = area(machine, arch, 1, None), 1 << machine.info().page_shift
    for n in range(3):
        machine.store(1, at + n * 7 * page, b"%d" % n)
    machine.madvise(1, at, HUGE[arch], COLLAPSE)
    assert huge_kb(machine) == HUGE[arch] >> 10
    assert [machine.load(1, at + n * 7 * page, 1) for n in range(3)] == [b"0", b"1", b"2"]
    assert machine.mm(1).rss_anon >= HUGE[arch] // page


@pytest.mark.parametrize("arch", ["i386", "i386-pae", "arm64", "arm64-16k"])
def test_shared_memory_by_one_entry(boot, arch):
    machine = boot(arch)
    machine.set_sysctl("transparent_hugepage/shmem_enabled", "always")
    addr = machine.mmap(1, 0, 3 * HUGE[arch], RW, SHARED_ANON)
    at = -(-addr // HUGE[arch]) * HUGE[arch] if addr % HUGE[arch] else addr
    machine.touch(1, at, 1, "w")
    if addr == at:
        assert machine.meminfo()["ShmemPmdMapped"] == HUGE[arch] >> 10


@pytest.mark.parametrize("arch", HUGE)
def test_sysfs_names_the_sizes(boot, arch):
    machine = boot(arch)
    page = 1 << machine.info().page_shift
    assert machine.sysctl("transparent_hugepage/hpage_pmd_size") == str(HUGE[arch])
    assert machine.sysctl("transparent_hugepage/khugepaged/max_ptes_none") == str(HUGE[arch] // page - 1)
    sizes = [int(name.split("hugepages-")[1].split("kB")[0]) << 10 for name in machine.sysctl_names() if name.endswith("kB/enabled")]
    assert sorted(sizes) == [page << order for order in range(2, (HUGE[arch] // page).bit_length())]
    shmem = [int(name.split("hugepages-")[1].split("kB")[0]) << 10 for name in machine.sysctl_names() if name.endswith("kB/shmem_enabled")]
    assert sorted(shmem) == [page << order for order in range(1, min(11, (HUGE[arch] // page).bit_length() - 1) + 1)]


def test_arm_has_none(boot):
    machine = boot("arm", 1 << 30)
    assert not [name for name in machine.sysctl_names() if name.startswith("transparent_hugepage")]


def test_without_a_block_there_are_small_pages(boot):
    machine = boot("arm64-64k", 1 << 30)
    at = area(machine, "arm64-64k", 1)
    machine.touch(1, at, 1, "w")
    assert huge_kb(machine) == 0
    assert machine.vmstat()["thp_fault_fallback"] == 1


@pytest.mark.parametrize("arch", HUGE)
def test_what_is_old_or_clean_is_marked_by_the_next_access(boot, arch):
    """Where the processor sets no access flag, and none that says dirty, the fault does: huge_pmd_set_accessed()."""
    machine = boot(arch)
    at = area(machine, arch, 1)
    machine.store(1, at, b"x")
    child = machine.fork(1)
    machine.touch(child, at, 1, "r")
    machine.kill(child, 9)
    machine.madvise(1, at, HUGE[arch], MADV_COLD)
    machine.touch(1, at, 1, "r")
    machine.madvise(1, at, HUGE[arch], MADV_FREE)
    machine.touch(1, at, 1, "w")
    assert huge_kb(machine) == HUGE[arch] >> 10
    (found,) = [area.stats for area in machine.smaps(1) if area.vma.start == at]
    assert (found.private_dirty, found.referenced, found.lazyfree) == (HUGE[arch], HUGE[arch], 0)
