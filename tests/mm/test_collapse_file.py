"""Collapse of shared memory, by advice and by khugepaged: mm/khugepaged.c:collapse_file().

The live kernel judges drawn scripts: `python -m tests.differential --category khugepaged/shared`.
"""

import errno

import pytest

from vmtool.errors import KernelError

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE, HUGE, SECOND = 4096, 2 << 20, 1000000
RW, SHARED_ANON, FIXED, PRIVATE = 3, 0x21, 0x10, 2
HUGEPAGE, COLLAPSE, PAGEOUT, REMOVE = 14, 25, 21, 9
BASE = 0x40000000


@pytest.fixture
def machine(one_process):
    return one_process


def shared(machine, nr_huge=1, pid=1, base=BASE):
    return machine.mmap(pid, base, nr_huge * HUGE, RW, SHARED_ANON | FIXED)


def counters(machine):
    vmstat = machine.vmstat()
    return tuple(vmstat[name] for name in ("nr_shmem", "nr_shmem_hugepages", "nr_shmem_pmdmapped", "thp_collapse_alloc", "thp_file_mapped"))


def leaf(machine, addr, pid=1):
    return machine.walk(pid, addr).page_bytes


def fails(machine, addr, length=HUGE, pid=1):
    with pytest.raises(KernelError) as failed:
        machine.madvise(pid, addr, length, COLLAPSE)
    return failed.value.errno


def test_small_pages_and_holes_become_one_folio_that_is_mapped_at_once(machine):
    at = shared(machine)
    machine.store(1, at + 5 * PAGE, b"five")
    machine.touch(1, at + 100 * PAGE, 50 * PAGE, "w")
    machine.madvise(1, at, HUGE, COLLAPSE)
    assert leaf(machine, at) == HUGE
    assert counters(machine) == (512, 1, 1, 1, 1)
    assert machine.load(1, at + 5 * PAGE, 4) == b"five" and machine.load(1, at, 4) == bytes(4)


def test_nothing_there_is_einval(machine):
    """SCAN_TRUNCATED, after the folio was allocated."""
    at = shared(machine)
    assert fails(machine, at) == errno.EINVAL
    assert counters(machine)[:4] == (0, 0, 0, 1)


def test_another_process_loses_its_entries_and_its_table_and_maps_it_at_the_next_fault(machine):
    at = shared(machine)
    machine.touch(1, at, 20 * PAGE, "w")
    child = machine.fork(1)
    machine.touch(child, at, 20 * PAGE, "r")
    machine.madvise(1, at, HUGE, COLLAPSE)
    assert (leaf(machine, at), leaf(machine, at, child)) == (HUGE, 0)
    machine.touch(child, at, 1, "r")
    assert leaf(machine, at, child) == HUGE


def test_it_is_there_already_and_only_the_entries_are_small(machine):
    """collapse_pte_mapped_thp() alone: nothing is allocated."""
    machine.set_sysctl("transparent_hugepage/shmem_enabled", "always")
    at = shared(machine)
    machine.touch(1, at, 1, "w")
    machine.mprotect(1, at + PAGE, PAGE, 1)
    machine.mprotect(1, at + PAGE, PAGE, RW)
    machine.touch(1, at, 4 * PAGE, "r")
    machine.madvise(1, at, HUGE, COLLAPSE)
    assert leaf(machine, at) == HUGE
    assert counters(machine)[3] == 0


def test_deny_is_einval_and_never_is_not(machine):
    at = shared(machine)
    machine.touch(1, at, PAGE, "w")
    machine.set_sysctl("transparent_hugepage/shmem_enabled", "deny")
    assert fails(machine, at) == errno.EINVAL
    machine.set_sysctl("transparent_hugepage/shmem_enabled", "never")
    machine.madvise(1, at, HUGE, COLLAPSE)
    assert leaf(machine, at) == HUGE


def test_a_file_on_a_disk_is_einval(machine):
    """CONFIG_READ_ONLY_THP_FOR_FS is off."""
    machine.mkfile("/f", 2 * HUGE, b"f" * HUGE)
    at = machine.mmap(1, BASE, 2 * HUGE, 1, PRIVATE | FIXED, "/f")
    machine.touch(1, at, PAGE, "r")
    assert fails(machine, at) == errno.EINVAL


def test_what_is_in_swap_is_read(machine):
    machine.swapon(64 << 20)
    at = shared(machine)
    machine.store(1, at + 5 * PAGE, b"five")
    machine.touch(1, at, 20 * PAGE, "w")
    machine.madvise(1, at, HUGE, PAGEOUT)
    machine.sync()
    machine.madvise(1, at, HUGE, COLLAPSE)
    assert leaf(machine, at) == HUGE
    assert machine.load(1, at + 5 * PAGE, 4) == b"five"
    assert machine.swaps()[0][2] == 0


def test_a_private_copy_keeps_its_table(machine):
    at = shared(machine)
    machine.touch(1, at, 20 * PAGE, "w")
    child = machine.fork(1)
    machine.touch(child, at, 20 * PAGE, "w")
    machine.madvise(child, at, HUGE, COLLAPSE)
    assert leaf(machine, at, child) == HUGE
    assert leaf(machine, at) == 0


def test_a_locked_area_locks_the_folio_in_place_of_the_pages(machine):
    """The live kernel's Mlocked is 2048 kB higher than at the start after each step."""
    at = shared(machine)
    machine.mlock(1, at, HUGE)
    assert machine.meminfo()["Mlocked"] == 2048
    machine.madvise(1, at, HUGE, COLLAPSE)
    assert leaf(machine, at) == HUGE
    assert machine.meminfo()["Mlocked"] == 2048


@pytest.mark.parametrize(("how", "advice", "collapsed"), [("always", None, 1), ("never", HUGEPAGE, 0), ("advise", HUGEPAGE, 1),
                                                         ("within_size", None, 1)])
def test_khugepaged_goes_by_shmem_enabled(machine, how, advice, collapsed):
    at = shared(machine)
    machine.touch(1, at, 20 * PAGE, "w")  # small pages, before anybody asked
    machine.set_sysctl("transparent_hugepage/shmem_enabled", how)
    for _ in range(2):  # the first wish is not looked at: khugepaged_enter_vma() asks shared memory's flags as they were
        machine.madvise(1, at, HUGE, advice if advice else 0)
    shared(machine, 1, base=BASE + (64 << 20))  # a mapping brings the space on the list
    machine.sleep(0)
    assert counters(machine)[1:3] == (collapsed, 0)  # the next fault maps it
    machine.touch(1, at, 1, "r")
    assert (leaf(machine, at) == HUGE) == (collapsed == 1)


def test_khugepaged_leaves_what_has_too_many_holes(machine):
    machine.set_sysctl("transparent_hugepage/khugepaged/max_ptes_none", "491")
    at = shared(machine)
    machine.touch(1, at, 20 * PAGE, "w")
    machine.set_sysctl("transparent_hugepage/shmem_enabled", "always")
    shared(machine, 1, base=BASE + (64 << 20))
    machine.sleep(0)
    assert (counters(machine)[1], machine.vmstat()["thp_scan_exceed_none_pte"]) == (0, 2)  # the other area has nothing at all
    machine.touch(1, at + 20 * PAGE, PAGE, "w")
    machine.sleep(10 * SECOND)
    assert counters(machine)[1] == 1


def test_page_by_page_charge_counts_the_holes(machine):
    at = machine.mmap(1, BASE, HUGE, RW, SHARED_ANON | FIXED | 0x4000)
    machine.touch(1, at, 20 * PAGE, "w")
    before = machine.meminfo()["Committed_AS"]
    machine.madvise(1, at, HUGE, COLLAPSE)
    assert machine.meminfo()["Committed_AS"] == before + (512 - 20) * 4
    machine.madvise(1, at, HUGE, REMOVE)
    assert machine.meminfo()["Committed_AS"] == before - 80


def test_dirty_entries_of_a_folio_that_is_split_make_it_dirty(machine):
    """Reclaim would drop a clean page of shared memory: its bytes would be lost."""
    machine.swapon(64 << 20)
    machine.set_sysctl("transparent_hugepage/shmem_enabled", "always")
    at = shared(machine)
    machine.touch(1, at, 1, "r")
    machine.store(1, at + 9 * PAGE, b"nine")
    machine.madvise(1, at + 8 * PAGE, 4 * PAGE, 20)  # cold over a part splits it
    machine.madvise(1, at, HUGE, PAGEOUT)
    machine.reclaim(300)
    assert machine.load(1, at + 9 * PAGE, 4) == b"nine"


def test_reclaim_of_a_huge_page_of_zeros_leaves_nothing_of_its_first_page():
    """Split for swap, its pages give way to the zero page; what is free must not go back to a list."""
    machine = core.Machine()
    machine.boot(ram_bytes=600 << 20)
    machine.swapon(64 << 20)
    machine.spawn("a", None, [b"a"], [])
    machine.set_sysctl("transparent_hugepage/enabled", "always")
    at = machine.mmap(1, BASE, 4 * HUGE, RW, 0x32)
    machine.touch(1, at, 4 * HUGE, "w")
    with pytest.raises(KernelError):
        machine.reclaim(3000)
    assert machine.fsck() == []
    assert machine.load(1, at, 4) == bytes(4)
