"""madvise(MADV_PAGEOUT) without swap, as a 6.18 kernel shows it."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
MADV_PAGEOUT = 21


def a_process():
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    return machine, machine.spawn("a", None, [b"a"], [])


def test_a_shared_page_that_was_only_read_leaves_the_cache_and_a_written_one_stays():
    """Clean, it is zeros that a fault makes again; dirty, it has nowhere to go without swap."""
    machine, pid = a_process()
    base = machine.mmap(pid, 0, 4 * PAGE, 3, 0x21)
    machine.touch(pid, base, 4 * PAGE, "r")
    machine.touch(pid, base, PAGE, "w")
    machine.madvise(pid, base, 4 * PAGE, MADV_PAGEOUT)
    assert machine.node_stats()["nr_shmem"] == 1
    assert machine.mm(pid).rss_shmem == 0
    assert machine.touch(pid, base, 4 * PAGE, "r").minor == 4
    assert machine.fsck() == []


@pytest.mark.parametrize("path, left", [("/scene.dat", 0), (None, 1)], ids=["a file that all may write", "the program itself"])
def test_a_file_that_the_process_may_not_write_is_left_alone(path, left):
    """can_do_file_pageout(): else one could time what others use of it."""
    machine, pid = a_process()
    machine.mkfile("/scene.dat", 4 * PAGE, b"x" * 4 * PAGE)
    base = machine.mmap(pid, 0, PAGE, 1, 2, path) if path else machine.maps(pid)[0].start
    machine.touch(pid, base, PAGE, "r")
    machine.madvise(pid, base, PAGE, MADV_PAGEOUT)
    assert machine.pagemap(pid, base, PAGE)[0].entry >> 63 == left
    assert machine.fsck() == []


def test_a_shared_page_that_reclaim_unmaps_counts_as_not_referenced():
    """The entry is made old before reclaim looks, and try_to_unmap() marks nothing as accessed, as an unmapping by the program would."""
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    pid = machine.spawn("a", None, [b"a"], [])
    base = machine.mmap(pid, 0, PAGE, 3, 0x21)
    machine.touch(pid, base, PAGE, "r")
    pfn = machine.translate(pid, base) // PAGE
    machine.madvise(pid, base, PAGE, MADV_PAGEOUT)
    (frame,) = machine.frames([pfn])
    assert frame.mapcount == 0
    assert "referenced" not in frame.flags
    machine.touch(pid, base, PAGE, "r")
    machine.munmap(pid, base, 0x1000)
    assert machine.fsck() == []
