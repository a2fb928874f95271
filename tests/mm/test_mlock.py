"""Locks on huge pages, as a 6.18 kernel shows them."""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
HUGE = 512 * PAGE
MADV_FREE, MADV_HUGEPAGE, MADV_PAGEOUT, MADV_POPULATE_READ = 8, 14, 21, 22


def test_munlock_of_a_part_takes_the_lock_of_the_whole_huge_page():
    """allow_mlock_munlock(): so when MADV_FREE splits it, pages of zeros become the zero page, in the locked area's part no less."""
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    pid = machine.spawn("a", None, [b"a"], [])
    base = machine.mmap(pid, 0, HUGE, 3, 0x22)
    machine.madvise(pid, base, HUGE, MADV_HUGEPAGE)
    machine.mlock(pid, base, HUGE)
    machine.munlock(pid, base + 16 * PAGE, HUGE - 16 * PAGE)
    before = {area.vma.start: area.stats.resident for area in machine.smaps(pid)}
    machine.madvise(pid, base + HUGE - PAGE, PAGE, MADV_FREE)
    after = {area.vma.start: area.stats.resident for area in machine.smaps(pid)}
    assert before[base + 16 * PAGE] == HUGE - 16 * PAGE
    assert after[base + 16 * PAGE] == 0
    assert machine.fsck() == []


@pytest.mark.parametrize("data", [b"", b"scene"], ids=["zeros", "data"])
def test_a_split_locks_the_pages_that_come_back_into_a_locked_area(data):
    """/proc/kpageflags of a live kernel: unevictable and mlocked after the pageout of another part; two populate_read leave it so."""
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    pid = machine.spawn("a", None, [b"a"], [])
    base = machine.mmap(pid, 0x40000000, HUGE, 3, 0x22 | 0x10)
    machine.madvise(pid, base, HUGE, MADV_HUGEPAGE)
    machine.touch(pid, base, 1, "w")
    machine.store(pid, base + PAGE, data)
    machine.mlock(pid, base, 3 * PAGE, onfault=True)
    machine.madvise(pid, base + HUGE // 2, HUGE // 2, MADV_PAGEOUT)
    for _ in range(2):
        machine.madvise(pid, base + PAGE, PAGE, MADV_POPULATE_READ)
    frame = machine.frames([machine.walk(pid, base + PAGE).phys // PAGE])[0]
    assert {"mlocked", "unevictable", "referenced"} <= set(frame.flags)
    assert machine.fsck() == []


def test_a_write_to_a_page_with_many_users_empties_no_batch():
    """wp_can_reuse_anon_folio() gives up above three references; below it drains, and a munlock that waits is done."""
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    pid = machine.spawn("a", None, [b"a"], [])
    locked = machine.mmap(pid, 0, PAGE, 3, 0x22)
    machine.mlock(pid, locked, PAGE)
    shared = machine.mmap(pid, 0, PAGE, 3, 0x22)
    machine.touch(pid, shared, 1, "w")  # waits in the batch of new pages: a reference
    child = machine.fork(pid)
    machine.fork(pid)
    frame = machine.walk(pid, locked).phys // PAGE
    machine.munmap(pid, locked, PAGE)
    machine.touch(child, shared, 1, "w")
    assert "mlocked" in machine.frames([frame])[0].flags
    assert machine.fsck() == []
