"""Pools of huge pages: reservations, faults, fork, copy-on-write, surplus, SIGBUS."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from vmtool.errors import KernelError, Signal  # noqa: E402

HUGE = 2 << 20
RW, SHARED, PRIVATE, NORESERVE = 3, 0x40021, 0x40022, 0x4000
ENOMEM, EINVAL, SIGBUS = 12, 22, 7
POPULATE, HUGE_SHIFT = 0x8000, 26
DONTNEED, FREE, REMOVE, COLD = 4, 8, 9, 20
MAYMOVE_FIXED = 3
SIZES = [  # architecture, size in kB, RAM: every pool that there is
    ("x86-64", 2048, 1 << 30), ("x86-64", 1048576, 8 << 30), ("x86-64-la57", 1048576, 8 << 30), ("i386", 4096, 1 << 30),
    ("i386-pae", 2048, 1 << 30),
    ("arm64", 64, 1 << 30), ("arm64", 2048, 1 << 30), ("arm64", 32768, 1 << 30), ("arm64", 1048576, 8 << 30),
    ("arm64-16k", 2048, 1 << 30), ("arm64-16k", 32768, 1 << 30), ("arm64-16k", 1048576, 8 << 30),
    ("arm64-64k", 2048, 1 << 30), ("arm64-64k", 524288, 4 << 30), ("arm64-64k", 16777216, 80 << 30),
    ("riscv64", 2048, 1 << 30), ("riscv64", 1048576, 8 << 30), ("riscv64-sv39", 1048576, 8 << 30), ("riscv64-sv57", 1048576, 8 << 30)]


@pytest.fixture
def machine():
    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20)
    machine.set_sysctl("vm.nr_hugepages", "8")
    return machine


@pytest.fixture
def pid(machine):
    return machine.spawn("a", None, [b"a"], [])


def pool(machine):
    """Total, free, promised, surplus."""
    info = machine.meminfo()
    return tuple(info["HugePages_" + name] for name in ("Total", "Free", "Rsvd", "Surp"))


def test_the_pool_takes_memory_and_gives_it_back(machine):
    taken = machine.meminfo()
    machine.set_sysctl("vm.nr_hugepages", "0")
    free = machine.meminfo()
    assert (taken["HugePages_Total"], taken["Hugetlb"], free["HugePages_Total"]) == (8, 8 * 2048, 0)
    assert free["MemFree"] >= taken["MemFree"] + 7 * 2048
    assert taken["MemTotal"] == free["MemTotal"]
    assert machine.fsck() == []


def test_a_mapping_reserves_and_a_fault_uses_what_is_reserved(machine, pid):
    base = machine.mmap(pid, 0, 4 * HUGE, RW, PRIVATE)
    assert base % HUGE == 0
    assert pool(machine) == (8, 8, 4, 0)
    assert tuple(machine.touch(pid, base, 2 * HUGE, "w"))[:2] == (2, 0)
    assert pool(machine) == (8, 6, 2, 0)
    assert machine.mm(pid).hugetlb == 1024
    assert machine.fsck() == []
    machine.munmap(pid, base, 4 * HUGE)
    assert pool(machine) == (8, 8, 0, 0)
    assert machine.fsck() == []


def test_what_cannot_be_promised_is_refused_and_without_a_promise_it_is_sigbus(machine, pid):
    machine.touch(pid, machine.mmap(pid, 0, 5 * HUGE, RW, PRIVATE), 5 * HUGE, "w")
    with pytest.raises(KernelError) as refused:
        machine.mmap(pid, 0, 4 * HUGE, RW, PRIVATE)
    assert refused.value.errno == ENOMEM
    base = machine.mmap(pid, 0, 4 * HUGE, RW, PRIVATE | NORESERVE)
    with pytest.raises(Signal) as bus:
        machine.touch(pid, base, 4 * HUGE, "w")
    assert (bus.value.signo, bus.value.addr) == (SIGBUS, base + 3 * HUGE)
    assert pool(machine) == (8, 8, 0, 0)  # it died of it
    assert machine.fsck() == []


def test_a_child_copies_into_a_page_that_nobody_was_promised(machine, pid):
    base = machine.mmap(pid, 0, 4 * HUGE, RW, PRIVATE)
    machine.store(pid, base, b"parent")
    child = machine.fork(pid)
    assert machine.load(child, base, 6) == b"parent"
    machine.store(child, base, b"child!")
    assert pool(machine) == (8, 6, 3, 0)
    assert (machine.load(pid, base, 6), machine.load(child, base, 6)) == (b"parent", b"child!")
    machine.exit(child)
    assert pool(machine) == (8, 7, 3, 0)
    assert machine.fsck() == []


def test_the_owner_takes_the_page_from_its_child_when_the_pool_is_empty(machine, pid):
    base = machine.mmap(pid, 0, 8 * HUGE, RW, PRIVATE)
    machine.touch(pid, base, 8 * HUGE, "w")
    child = machine.fork(pid)
    machine.store(pid, base, b"mine")
    assert machine.load(pid, base, 4) == b"mine"
    with pytest.raises(Signal) as bus:
        machine.load(child, base, 4)
    assert bus.value.signo == SIGBUS
    assert machine.kmsg()[-1][1] == f"PID {child} killed due to inadequate hugepage pool"
    assert machine.fsck() == []


def test_pages_above_the_pool_go_when_nobody_needs_them(machine, pid):
    machine.set_sysctl("vm.nr_hugepages", "2")
    machine.set_sysctl("vm.nr_overcommit_hugepages", "2")
    base = machine.mmap(pid, 0, 4 * HUGE, RW, PRIVATE)
    assert pool(machine) == (4, 4, 4, 2)
    machine.touch(pid, base, 4 * HUGE, "w")
    assert pool(machine) == (4, 0, 0, 2)
    machine.munmap(pid, base, 4 * HUGE)
    assert pool(machine) == (2, 2, 0, 0)
    assert machine.fsck() == []


def test_a_pool_that_shrinks_below_what_is_in_use_has_surplus(machine, pid):
    base = machine.mmap(pid, 0, 2 * HUGE, RW, PRIVATE)
    machine.touch(pid, base, 2 * HUGE, "w")
    machine.set_sysctl("vm.nr_hugepages", "0")
    assert pool(machine) == (2, 0, 0, 2)
    machine.munmap(pid, base, 2 * HUGE)
    assert pool(machine) == (0, 0, 0, 0)
    assert machine.fsck() == []


def test_shared_pages_are_shared_and_end_with_their_last_mapping(machine, pid):
    base = machine.mmap(pid, 0, 2 * HUGE, RW, SHARED)
    machine.store(pid, base, b"both")
    child = machine.fork(pid)
    machine.store(child, base + 4, b"see")
    assert machine.load(pid, base, 7) == b"bothsee"
    assert pool(machine) == (8, 7, 1, 0)
    machine.exit(pid)
    assert machine.load(child, base, 7) == b"bothsee"
    machine.exit(child)
    assert pool(machine) == (8, 8, 0, 0)
    assert machine.fsck() == []


def test_kpageflags_say_what_a_kernel_said_of_such_pages(machine, pid):
    """Each as a 6.18 kernel gave it: head and tail of a written private page, of a shared one, and the head when it is free again."""
    head, tail, shared, shared_tail, free = 0x400029808, 0x400031808, 0x28818, 0x30818, 0x28018
    for flags, wanted in ((PRIVATE, (head, tail)), (SHARED, (shared, shared_tail))):
        machine.set_sysctl("vm.nr_hugepages", "0")
        machine.set_sysctl("vm.nr_hugepages", "8")  # never used, and so clean
        base = machine.mmap(pid, 0, 2 * HUGE, RW, flags)
        machine.touch(pid, base, 2 * HUGE, "w")
        pfn = machine.walk(pid, base).phys >> 12
        assert tuple(f.kpageflags for f in machine.frames([pfn, pfn + 1])) == wanted
        machine.munmap(pid, base, 2 * HUGE)
        assert machine.frames([pfn])[0].kpageflags == free
    assert machine.fsck() == []


def test_more_may_be_promised_than_is_free(machine, pid):
    """As a 6.18 kernel did it: an owner's end takes the promise off, its child's brings it back, and the pool shrank in between."""
    machine.set_sysctl("vm.nr_hugepages", "4")
    machine.mmap(pid, 0, 2 * HUGE, RW, SHARED)
    owner = machine.spawn("owner", None, [b"o"], [])
    base = machine.mmap(owner, 0, HUGE, RW, PRIVATE)
    machine.touch(owner, base, 1, "w")
    child = machine.fork(owner)
    assert pool(machine) == (4, 3, 2, 0)
    machine.exit(owner)
    assert pool(machine) == (4, 3, 1, 0)
    machine.set_sysctl("vm.nr_hugepages", "0")
    assert pool(machine) == (2, 1, 1, 2)
    machine.munmap(child, base, HUGE)
    assert pool(machine) == (1, 1, 2, 1)
    assert machine.fsck() == []


def test_nothing_cuts_a_huge_page(machine, pid):
    base = machine.mmap(pid, 0, 2 * HUGE, RW, PRIVATE)
    for call in (lambda: machine.munmap(pid, base + 4096, 4096), lambda: machine.mprotect(pid, base, 4096, 1),
                 lambda: machine.mremap(pid, base, 2 * HUGE, 3 * HUGE, 1), lambda: machine.madvise(pid, base + 4096, HUGE, DONTNEED)):
        with pytest.raises(KernelError) as refused:
            call()
        assert refused.value.errno == EINVAL
    machine.munmap(pid, base, HUGE)
    assert pool(machine) == (8, 8, 1, 0)
    assert machine.fsck() == []


@pytest.mark.parametrize("arch, sizes", [  # "HugeTLB: registered ..." of Debian's kernels; of 64K: the table in arch/arm64/mm/hugetlbpage.c
    ("x86-64", {21, 30}), ("i386", {22}), ("i386-pae", {21}), ("arm", set()), ("arm64", {16, 21, 25, 30}), ("arm64-16k", {21, 25, 30}),
    ("arm64-64k", {21, 29, 34}), ("riscv64", {21, 30}), ("riscv64-sv39", {21, 30}), ("riscv64-sv57", {21, 30})])
def test_a_size_that_the_kernel_has_is_enomem_while_its_pool_is_empty_and_any_other_einval(arch, sizes):
    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20, arch=arch)
    pid = machine.spawn("a", None, [b"a"], [])
    told = {}
    for bits in (14, 16, 20, 21, 22, 25, 29, 30, 34):
        with pytest.raises(KernelError) as refused:
            machine.mmap(pid, 0, 4096, RW, PRIVATE | bits << 26)
        told[bits] = refused.value.errno
    assert told == {bits: ENOMEM if bits in sizes else EINVAL for bits in told}


# --- pools of every size -------------------------------------------------------------------------------------------------------
# What is expected is what a 6.18 kernel did with 2M and 1G pages, call by call; the sizes of arm64 differ by their entries alone.

def of_size(machine, kb):
    """Total, free, promised, surplus."""
    return tuple(int(machine.sysctl(f"hugepages/hugepages-{kb}kB/{name}_hugepages")) for name in ("nr", "free", "resv", "surplus"))


@pytest.fixture(params=SIZES, ids=lambda p: f"{p[0]}-{p[1]}kB")
def sized(request):
    """A machine with three pages of a size, a process, the size in bytes, its mmap flag, a look at the pool."""
    arch, kb, ram = request.param
    machine = core.Machine()
    machine.boot(ram_bytes=ram, arch=arch)
    machine.set_sysctl(f"hugepages/hugepages-{kb}kB/nr_hugepages", "3")
    if of_size(machine, kb) != (3, 3, 0, 0):
        pytest.fail(f"the pool has {of_size(machine, kb)}")
    pid = machine.spawn("a", None, [b"a"], [])
    yield machine, pid, kb << 10, (kb << 10).bit_length() - 1 << HUGE_SHIFT, lambda: of_size(machine, kb)
    assert machine.fsck() == []


def test_a_page_is_promised_mapped_by_one_fault_and_given_back(sized):
    machine, pid, size, flag, pool = sized
    base = machine.mmap(pid, 0, 2 * size, RW, PRIVATE | flag)
    assert base % size == 0 and pool() == (3, 3, 2, 0)
    assert tuple(machine.touch(pid, base + size // 2, 1, "w"))[:2] == (1, 0)
    assert tuple(machine.touch(pid, base, size, "w", probe=True))[:2] == (0, 0)
    assert pool() == (3, 2, 1, 0)
    assert machine.mm(pid).hugetlb << machine.info().page_shift == size if hasattr(machine.info(), "page_shift") else True
    area = next(s for s in machine.smaps(pid) if s.vma.start == base)
    assert (area.kernel_page_bytes, area.mmu_page_bytes, area.stats.private_hugetlb, area.stats.resident) == (size, size, size, 0)
    machine.munmap(pid, base, 2 * size)
    assert pool() == (3, 3, 0, 0)
    assert machine.mm(pid).hugetlb == 0


def test_bytes_are_kept_to_the_last_one_and_each_side_of_a_fork_has_its_own(sized):
    machine, pid, size, flag, pool = sized
    base = machine.mmap(pid, 0, size, RW, PRIVATE | flag)
    machine.store(pid, base, b"first")
    machine.store(pid, base + size - 4, b"last")
    child = machine.fork(pid)
    machine.store(child, base + size - 4, b"tail")
    assert (machine.load(pid, base, 5), machine.load(pid, base + size - 4, 4)) == (b"first", b"last")
    assert (machine.load(child, base, 5), machine.load(child, base + size - 4, 4)) == (b"first", b"tail")
    assert pool() == (3, 1, 0, 0)
    machine.exit(child)
    assert pool() == (3, 2, 0, 0)
    assert tuple(machine.touch(pid, base, 1, "w"))[:2] == (1, 0)  # it is its own again, and read-only since the fork


def test_protection_and_advice_go_by_whole_pages(sized):
    machine, pid, size, flag, pool = sized
    base = machine.mmap(pid, 0, 2 * size, RW, PRIVATE | flag)
    machine.touch(pid, base, 2 * size, "w")
    machine.mprotect(pid, base, size, 1)
    machine.mprotect(pid, base, size, RW)
    assert tuple(machine.touch(pid, base, 1, "w"))[:2] == (1, 0)
    small = min(size // 2, 65536)
    machine.madvise(pid, base, small, DONTNEED)  # rounded down to nothing
    assert pool() == (3, 1, 0, 0)
    machine.madvise(pid, base, size + small, DONTNEED)
    assert pool() == (3, 2, 1, 0)  # the reservation is its owner's again
    assert machine.load(pid, base, 1) == bytes(1)
    for advice in (FREE, COLD):
        with pytest.raises(KernelError) as refused:
            machine.madvise(pid, base, size, advice)
        assert refused.value.errno == EINVAL


def test_a_move_takes_entries_and_reservations_along(sized):
    machine, pid, size, flag, pool = sized
    base = machine.mmap(pid, 0, 2 * size, RW, PRIVATE | flag)
    machine.store(pid, base, b"moves")
    there = base - 8 * size if base > 16 * size else base - 4 * size
    assert machine.mremap(pid, base, 2 * size, 2 * size, MAYMOVE_FIXED, there) == there
    assert pool() == (3, 2, 1, 0)
    assert machine.load(pid, there, 5) == b"moves"
    assert machine.mremap(pid, there, 2 * size, size, 1) == there
    assert pool() == (3, 2, 0, 0)
    machine.munmap(pid, there, size)
    assert pool() == (3, 3, 0, 0)


def test_shared_pages_and_a_hole_in_them(sized):
    machine, pid, size, flag, pool = sized
    base = machine.mmap(pid, 0, 2 * size, RW, SHARED | flag)
    machine.store(pid, base, b"both")
    machine.touch(pid, base + size, 1, "w")
    child = machine.fork(pid)
    machine.store(child, base + 4, b"see")
    assert machine.load(pid, base, 7) == b"bothsee"
    assert next(s for s in machine.smaps(pid) if s.vma.start == base).stats.shared_hugetlb == size  # the child has touched one of them
    machine.madvise(pid, base, size, DONTNEED)
    assert (machine.load(pid, base, 4), pool()) == (b"both", (3, 1, 0, 0))
    machine.madvise(pid, base, size, REMOVE)
    assert pool() == (3, 2, 0, 0)
    assert machine.load(child, base, 4) == bytes(4)
    machine.exit(child)
    machine.exit(pid)
    assert pool() == (3, 3, 0, 0)


def test_populate_faults_all_of_it(sized):
    machine, pid, size, flag, pool = sized
    machine.mmap(pid, 0, 2 * size, RW, PRIVATE | flag | POPULATE)
    assert pool() == (3, 1, 0, 0)


def test_the_pools_are_apart_and_hugetlb_is_their_sum(sized):
    machine, pid, size, flag, pool = sized
    default = machine.meminfo()["Hugepagesize"]
    total = machine.meminfo()["HugePages_Total"]
    assert machine.meminfo()["Hugetlb"] == 3 * size >> 10
    assert total == (3 if default << 10 == size else 0)
    machine.touch(pid, machine.mmap(pid, 0, size, RW, PRIVATE | flag), 1, "w")
    page_kb = machine.meminfo()["Hugetlb"] * 1024 // (3 * size)
    assert page_kb == 1 and machine.vmstat()["nr_hugetlb"] > 0


