"""What comes back from swap, and where it stands then: places of shared memory in the cache's index, batches of the LRU, shadows."""

import contextlib

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.test_swap import PAGE, PRIVATE, RW, SHARED, kb, machine_of  # noqa: E402
from vmtool.errors import KernelError  # noqa: E402

MADV_COLD, MADV_PAGEOUT = 20, 21


def swap_out(machine, pid, base, nr_pages):
    """Shared memory to its slots, until it is in no cache any more."""
    machine.madvise(pid, base, nr_pages * PAGE, MADV_PAGEOUT)
    with contextlib.suppress(KernelError):  # more than there is
        machine.reclaim(2 * nr_pages)
    assert kb(machine, "SwapCached") == kb(machine, "Shmem") == 0


def nodes(machine):
    return next(cache.active_objs for cache in machine.slabs() if cache.name == "radix_tree_node")


def test_the_places_of_shared_memory_in_swap_keep_their_nodes():
    """shmem_delete_from_page_cache() leaves the entry where the folio stood; truncation alone gives the node back."""
    machine, pid = machine_of()
    before, nr = nodes(machine), 64 * 56  # 57 nodes; slabinfo takes all of a CPU's slab of 28 for used
    base = machine.mmap(pid, 0, nr * PAGE, RW, SHARED)
    machine.touch(pid, base, nr * PAGE, "w")
    cached = nodes(machine)
    assert cached >= before + 28
    swap_out(machine, pid, base, nr)
    assert nodes(machine) == cached
    machine.touch(pid, base, nr * PAGE, "r")
    assert nodes(machine) == cached
    swap_out(machine, pid, base, nr)
    machine.exit(pid)
    pid = machine.spawn("b", None, [b"b"], [])
    machine.touch(pid, machine.mmap(pid, 0, nr * PAGE, RW, SHARED), nr * PAGE, "w")
    assert nodes(machine) == cached
    assert machine.fsck() == []


def test_what_shared_memory_has_in_swap_comes_back_without_an_object():
    """shmem_add_to_page_cache() stores over the entry: frames are asked for, so many as come, and nothing beside them."""
    machine, pid = machine_of()
    base = machine.mmap(pid, 0, 200 * PAGE, RW, SHARED)
    for page in range(200):
        machine.store(pid, base + page * PAGE, b"page %d" % page)
    swap_out(machine, pid, base, 200)
    for page in range(0, 200, 9):
        machine.fail_nth(1000)
        frames = machine.vmstat()["pgalloc_normal"] + machine.vmstat()["pgalloc_dma32"]
        assert machine.load(pid, base + page * PAGE, 8).rstrip(b"\0") == b"page %d" % page
        frames = machine.vmstat()["pgalloc_normal"] + machine.vmstat()["pgalloc_dma32"] - frames
        assert frames and machine.fail_nth(0) == 1000 - frames
        assert machine.fsck() == []


def test_a_page_that_was_pushed_out_is_not_rotated_while_it_waits_in_a_batch():
    """reclaim_pages() puts back by folio_add_lru(): 31 pages are on their list when their writes end, the rest on none. As 6.18."""
    machine, pid = machine_of()
    base = machine.mmap(pid, 0, 40 * PAGE, RW, PRIVATE)
    for page in range(40):
        machine.store(pid, base + page * PAGE, b"x")
    before = machine.vmstat()["pgrotated"]
    machine.madvise(pid, base, 40 * PAGE, MADV_PAGEOUT)
    machine.sync()
    machine.madvise(pid, base, PAGE, MADV_COLD)  # drains
    assert machine.vmstat()["pgrotated"] - before == 31
    assert machine.fsck() == []


def empty(machine, group):
    """All that can go of it: written, then met again."""
    for _ in range(3):
        with contextlib.suppress(KernelError):
            machine.reclaim(64, group)
        machine.sync()


def slot(machine, pid, addr):
    return machine.pagemap(pid, addr, PAGE)[0].entry >> 5 & ((1 << 50) - 1)


def test_the_first_page_that_a_group_evicts_comes_back_inactive():
    """Its shadow says 0 of a clock that says 1 then: farther than nothing, which is what the group's lists hold. As 6.18 did."""
    machine, pid = machine_of()
    machine.cgroup_create("g")
    machine.cgroup_move("g", pid)
    base = machine.mmap(pid, 0, 2 * PAGE, RW, PRIVATE)
    machine.store(pid, base, b"x")
    empty(machine, "g")
    machine.store(pid, base, b"y")
    machine.store(pid, base + PAGE, b"z")
    assert machine.vmstat()["workingset_refault_anon"] == 1
    assert machine.vmstat()["workingset_activate_anon"] == 0
    empty(machine, "g")
    assert [slot(machine, pid, base + page * PAGE) for page in range(2)] == [2, 3]
    assert machine.fsck() == []
