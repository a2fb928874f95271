"""vm.overcommit_memory by the manual (mm/overcommit-accounting.rst) and __vm_enough_memory(): what is charged, how much may be.

Modes 1 and 2 are not compared with a live kernel: they would be set for the whole host.
"""

import errno

import pytest

from vmtool import uapi
from vmtool._core import Machine
from vmtool.errors import KernelError, Signal

MIB, KB, PAGE = 1 << 20, 1024, 4096
RW = 3
PRIVATE, SHARED, NORESERVE = uapi.MAP_PRIVATE | uapi.MAP_ANONYMOUS, uapi.MAP_SHARED | uapi.MAP_ANONYMOUS, uapi.MAP_NORESERVE


@pytest.fixture
def m():
    machine = Machine()
    machine.boot(ram_bytes=256 * MIB)
    yield machine
    assert machine.fsck() == []


def free_kb(machine, pid):
    """What one more call may commit in mode 2: below the limit less the two reserves."""
    info = machine.meminfo()
    total_vm = machine.mm(pid).total_vm
    admin, user = (int(machine.sysctl(f"vm.{who}_reserve_kbytes")) for who in ("admin", "user"))
    return (info["CommitLimit"] // 4 - admin // 4 - min(total_vm // 32, user // 4) - info["Committed_AS"] // 4 - 1) * 4


def is_refused(call):
    with pytest.raises(KernelError) as refused:
        call()
    return refused.value.name == "ENOMEM"


def test_mode_2_ends_one_page_below_the_limit_less_the_reserves(m):
    m.set_sysctl("vm.overcommit_memory", "2")
    pid = m.spawn("p", None, [b"p"], [])
    left = free_kb(m, pid)
    assert is_refused(lambda: m.mmap(pid, 0, (left + 4) * KB, RW, PRIVATE))
    assert m.mmap(pid, 0, left * KB, RW, PRIVATE)


def test_mode_2_charges_what_is_promised_not_what_is_used(m):
    m.set_sysctl("vm.overcommit_memory", "2")
    pid = m.spawn("p", None, [b"p"], [])
    before = m.meminfo()["Committed_AS"]
    m.mmap(pid, 0, MIB, 1, PRIVATE)  # read-only: nothing
    assert m.meminfo()["Committed_AS"] == before
    m.mmap(pid, 0, MIB, RW, PRIVATE | NORESERVE)  # not honoured in this mode
    m.mmap(pid, 0, MIB, RW, SHARED)
    assert m.meminfo()["Committed_AS"] == before + 2 * 1024


def test_mode_2_refuses_a_child_that_could_write_everything(m):
    m.set_sysctl("vm.overcommit_memory", "2")
    pid = m.spawn("p", None, [b"p"], [])
    m.mmap(pid, 0, free_kb(m, pid) * 2 // 3 * KB & -4096, RW, PRIVATE)
    before = m.meminfo()["Committed_AS"]
    assert is_refused(lambda: m.fork(pid))
    assert m.meminfo()["Committed_AS"] == before


def test_mode_2_charges_a_mapping_that_becomes_writable(m):
    m.set_sysctl("vm.overcommit_memory", "2")
    pid = m.spawn("p", None, [b"p"], [])
    at = m.mmap(pid, 0, free_kb(m, pid) * KB * 2, 1, PRIVATE)
    assert is_refused(lambda: m.mprotect(pid, at, free_kb(m, pid) * KB + 8192, RW))
    m.mprotect(pid, at, MIB, RW)


def test_mode_1_refuses_nothing(m):
    m.set_sysctl("vm.overcommit_memory", "1")
    pid = m.spawn("p", None, [b"p"], [])
    before = m.meminfo()["Committed_AS"]
    assert m.mmap(pid, 0, 1 << 40, RW, PRIVATE)
    assert m.meminfo()["Committed_AS"] == before + (1 << 30)


def test_mode_0_refuses_one_call_for_more_than_there_is(m):
    pid = m.spawn("p", None, [b"p"], [])
    total = m.meminfo()["MemTotal"] * KB
    assert is_refused(lambda: m.mmap(pid, 0, total + 4096, RW, PRIVATE))
    assert m.mmap(pid, 0, total + 4096, RW, PRIVATE | NORESERVE)
    assert m.mmap(pid, 0, total, RW, PRIVATE)
    assert m.mmap(pid, 0, total, RW, PRIVATE)  # and again


def test_shared_memory_without_a_reservation_is_charged_page_by_page(m):
    """shmem_inode_acct_blocks(); what reclaim took is given back with the next page. Steps and figures: a live 6.18."""
    pid = m.spawn("render", None, [b"render"], [])
    start = m.meminfo()["Committed_AS"]

    def charged():
        return m.meminfo()["Committed_AS"] - start

    base = m.mmap(pid, 0, 64 * PAGE, 3, SHARED | NORESERVE)
    assert charged() == 0
    m.touch(pid, base, 32 * PAGE, "r")
    assert charged() == 32 * 4
    m.madvise(pid, base, 32 * PAGE, uapi.MADVISE["pageout"])
    assert charged() == 32 * 4
    m.touch(pid, base + 40 * PAGE, PAGE, "w")
    assert charged() == 4
    m.touch(pid, base + 41 * PAGE, 2 * PAGE, "w")
    assert charged() == 3 * 4
    m.madvise(pid, base, 64 * PAGE, uapi.MADVISE["remove"])
    assert charged() == 0
    m.touch(pid, base, 5 * PAGE, "w")
    m.munmap(pid, base, 64 * PAGE)
    assert charged() == 0


def test_memory_that_was_not_reserved_is_sigbus_when_the_limit_is_strict(m):
    """memfd_create() reserves nothing in any mode; a page too much is ENOSPC in shmem, and SIGBUS for the program."""
    pid = m.spawn("render", None, [b"render"], [])
    number = m.open_new("/memfd:x", 64 * PAGE, kind="shmem", unlinked=True)
    base = m.mmap(pid, 0, 64 * PAGE, 3, 1, number)
    m.close_file(number)
    m.touch(pid, base, PAGE, "w")
    m.set_sysctl("vm.overcommit_memory", "2")
    m.set_sysctl("vm.overcommit_kbytes", "4")
    with pytest.raises(Signal) as failed:
        m.touch(pid, base + PAGE, PAGE, "w", probe=True)
    assert failed.value.signo == 7


def test_swapoff_is_refused_where_what_is_promised_needs_the_area(m):
    """sys_swapoff(): security_vm_enough_memory_mm() of the area's pages, which the limit has still. Root's reserve is no matter to it."""
    m.swapon(64 * MIB)
    pid = m.spawn("p", None, [b"p"], [])
    m.set_sysctl("vm.overcommit_memory", "2")
    m.set_sysctl("vm.user_reserve_kbytes", "0")
    area = m.swaps()[0][0]
    swap = m.meminfo()["SwapTotal"]
    limit = m.meminfo()["CommitLimit"]
    held = m.mmap(pid, 0, (limit - swap - m.meminfo()["Committed_AS"]) // 4 * PAGE, RW, PRIVATE)
    assert is_refused(lambda: m.swapoff(area))  # one page is below the limit no more
    assert m.meminfo()["SwapTotal"] == swap and m.meminfo()["CommitLimit"] == limit
    m.munmap(pid, held, PAGE)
    before = m.meminfo()["Committed_AS"]
    m.swapoff(area)
    assert m.meminfo()["SwapTotal"] == 0 and m.meminfo()["Committed_AS"] == before


@pytest.mark.parametrize("kbytes", range(140, 460, 20))
def test_a_program_that_finds_no_room_leaves_nothing(kbytes):
    """Mode 2: what the start of a program was promised is given back where it failed, and no CPU runs what never was."""
    machine = Machine()
    machine.boot(ram_bytes=64 << 20)
    machine.spawn("a", None, [b"a"], [])
    for name, value in (("admin_reserve_kbytes", 0), ("user_reserve_kbytes", 0), ("overcommit_memory", 2), ("overcommit_kbytes", kbytes)):
        machine.set_sysctl(f"vm.{name}", str(value))
    before = machine.meminfo()["Committed_AS"]
    try:
        machine.spawn("b", None, [b"b"], [])
    except KernelError as refused:
        assert refused.errno == errno.ENOMEM
        assert machine.meminfo()["Committed_AS"] == before
        assert [task.pid for task in machine.tasks()] == [1]
    else:
        assert machine.meminfo()["Committed_AS"] > before
    assert machine.fsck() == []
