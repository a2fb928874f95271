"""madvise(MADV_PAGEOUT) without swap, as a 6.18 kernel shows it."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
MADV_PAGEOUT = 21


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
