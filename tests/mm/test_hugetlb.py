"""Pools of huge pages: reservations, faults, fork, copy-on-write, surplus, SIGBUS."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from vmtool.errors import KernelError, Signal  # noqa: E402

HUGE = 2 << 20
RW, SHARED, PRIVATE, NORESERVE = 3, 0x40021, 0x40022, 0x4000
ENOMEM, EINVAL, SIGBUS = 12, 22, 7


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


def test_nothing_cuts_a_huge_page(machine, pid):
    base = machine.mmap(pid, 0, 2 * HUGE, RW, PRIVATE)
    for call in (lambda: machine.munmap(pid, base + 4096, 4096), lambda: machine.mprotect(pid, base, 4096, 1),
                 lambda: machine.mremap(pid, base, 2 * HUGE, 3 * HUGE, 1)):
        with pytest.raises(KernelError) as refused:
            call()
        assert refused.value.errno == EINVAL
    machine.munmap(pid, base, HUGE)
    assert pool(machine) == (8, 8, 1, 0)
    assert machine.fsck() == []


@pytest.mark.parametrize("arch, sizes", [  # "HugeTLB: registered ..." of Debian's kernels; of 64K: the table in arch/arm64/mm/hugetlbpage.c
    ("x86-64", {21, 30}), ("i386", {22}), ("i386-pae", {21}), ("arm", set()), ("arm64", {16, 21, 25, 30}), ("arm64-16k", {21, 25, 30}),
    ("arm64-64k", {21, 29, 34})])
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
