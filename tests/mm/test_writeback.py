"""Write-back: dirty pages, errors, and what the disk has afterwards."""

import pytest

EIO = 5


def reread(cache, inode, length):
    """What the disk has: the file's bytes after its clean pages were dropped."""
    cache.invalidate(inode)
    assert cache.cached(inode) == []
    return cache.read(cache.open(inode), 0, length)


def test_written_bytes_are_on_the_disk_after_fsync(cache):
    inode = cache.create(b"/x", data=b"a" * 20000)
    cache.write(cache.open(inode), 5000, b"w" * 9000)
    assert cache.fsync(inode) == 0
    assert cache.stats()["file_dirty"] == 0
    assert reread(cache, inode, 20000) == b"a" * 5000 + b"w" * 9000 + b"a" * 6000


def test_dirty_pages_are_not_dropped(cache):
    inode = cache.create(b"/x", data=b"a" * 20000)
    file = cache.open(inode)
    cache.read(file, 0, 20000)
    cache.write(file, 5000, b"w")
    assert cache.invalidate(inode) == 4
    assert cache.cached(inode) == [1]


def test_a_clean_page_takes_no_memory_of_its_own(cache):
    inode = cache.create(b"/x", data=b"a" * 40960)
    file = cache.open(inode)
    contents = cache.nr_contents()
    cache.write(file, 0, b"w" * 40960)
    assert cache.nr_contents() == contents + 10
    cache.sync()
    assert cache.nr_contents() == contents


def test_fsync_of_a_range_writes_the_folios_in_it(cache):
    inode = cache.create(b"/x", data=b"a" * 65536)
    file = cache.open(inode)
    for index in range(0, 16, 2):
        cache.write(file, index * 4096, b"w")
    cache.fsync(inode, 3, 6)
    assert [index for index, word in enumerate(cache.pages(inode)) if "D" in word] == [0, 2, 8, 10, 12, 14]
    stats = cache.stats()
    assert (stats["written"], stats["pgpgout"]) == (2, 8)


def test_a_large_folio_is_written_whole(cache):
    inode = cache.create(b"/x")
    cache.write(cache.open(inode), 0, b"w" * 65536)
    cache.fsync(inode, 3, 3)
    assert cache.stats()["file_dirty"] == 0
    assert cache.stats()["written"] == 16


def test_write_back_takes_the_read_ahead_mark(cache):
    inode = cache.create(b"/x", data=b"a" * 100000)
    file = cache.open(inode)
    cache.read(file, 0, 512)
    assert cache.pages(inode)[1] == "M"
    cache.write(file, 5000, b"w")
    assert cache.pages(inode)[1] == "DM"
    cache.fsync(inode)
    assert cache.pages(inode)[1] == "c"


def test_a_store_through_a_mapping_takes_it_too(cache):
    inode = cache.create(b"/x", data=b"a" * 100000)
    cache.read(cache.open(inode), 0, 512)
    cache.mark_dirty(inode, 1)
    assert cache.pages(inode)[1] == "D"


def test_an_error_is_reported_once(cache):
    inode = cache.create(b"/x", data=b"a" * 20000)
    file = cache.open(inode)
    cache.write(file, 0, b"w")
    cache.fail(inode, writes=1)
    assert cache.fsync(inode) == -EIO
    assert cache.fsync(inode) == 0
    assert cache.read(file, 0, 2) == b"wa"  # the page has the bytes, the disk has not
    assert reread(cache, inode, 2) == b"aa"


def test_an_error_of_sync_waits_for_fsync(cache):
    inode = cache.create(b"/x", data=b"a" * 20000)
    cache.write(cache.open(inode), 0, b"w")
    cache.fail(inode, writes=1)
    cache.sync()
    assert cache.fsync(inode) == -EIO
    assert cache.fsync(inode) == 0


def test_each_open_file_is_told_once_and_a_later_one_of_what_nobody_knows(cache):
    """As a 6.18 answered for a file on a loop device whose own disk was full: who had it open was told each failure once, and the
    first who asks after all were closed."""
    inode = cache.create(b"/x", data=b"a" * 20000)
    a, b = cache.open(inode), cache.open(inode)

    def told(*files):
        return [cache.fsync_of(file) for file in files]

    def fail(file):
        cache.fail(inode, writes=1)
        cache.write(file, 0, b"w")

    fail(a)
    assert told(a, a, b, b) == [-EIO, 0, -EIO, 0]
    c = cache.open(inode)
    assert told(c) == [0]
    fail(a)
    cache.sync()
    d = cache.open(inode)
    assert told(d, d, a, b, c, c) == [-EIO, 0, -EIO, -EIO, -EIO, 0]
    assert told(cache.open(inode)) == [0]
    fail(a)
    cache.sync()
    for file in (a, b, c, d):
        cache.put(file)
    last = cache.open(inode)
    assert told(last, last) == [-EIO, 0]


def test_failures_that_nobody_was_told_of_are_one(cache):
    inode = cache.create(b"/x", data=b"a" * 20000)
    file = cache.open(inode)
    for _ in range(3):
        cache.fail(inode, writes=1)
        cache.write(file, 0, b"w")
        cache.sync()
    assert [cache.fsync_of(file), cache.fsync_of(file)] == [-EIO, 0]


def test_drop_caches_spares_mapped_pages(cache):
    inode = cache.create(b"/x", data=b"a" * 20000)
    cache.read(cache.open(inode), 0, 20000)
    cache.set_mapcount(inode, 2, 1)
    cache.drop_caches(1)
    assert cache.cached(inode) == [2]
    cache.set_mapcount(inode, 2, 0)
    assert cache.stats()["drop_pagecache"] == 1


def test_drop_caches_2_takes_dentries_of_closed_files_and_inodes_without_pages(cache):
    closed, opened, cached = (cache.create(b"/%d" % n, data=b"a" * 20000) for n in range(3))
    cache.open(opened)
    file = cache.open(cached)
    cache.read(file, 0, 1)
    cache.put(file)
    cache.drop_caches(2)
    assert [cache.inode(inode)["objects"] for inode in (closed, opened, cached)] == [0, 2, 1]
    assert cache.read(cache.open(closed), 0, 1) == b"a"
    assert cache.inode(closed)["objects"] == 2
    cache.drop_caches(3)
    assert cache.cached(cached) == []
    assert cache.inode(cached)["objects"] == 0


def test_a_file_that_was_truncated_to_nothing_is_written_when_it_is_closed(cache):
    """ext4's auto_da_alloc: the close that follows, whoever's it is, and only the first."""
    inode = cache.create(b"/x", data=b"a" * 20000)
    file, other = cache.open(inode), cache.open(inode)
    cache.truncate(inode, 0)
    cache.write(file, 0, b"w" * 9000)
    assert cache.stats()["file_dirty"] == 3
    cache.put(other)
    assert cache.stats()["file_dirty"] == 0
    cache.write(file, 0, b"v" * 9000)
    cache.put(file)
    assert cache.stats()["file_dirty"] == 3


def test_a_close_writes_nothing_when_nothing_new_was_allocated(cache):
    """Truncated to less, or overwritten in place: the next sync is soon enough."""
    inode = cache.create(b"/x", data=b"a" * 20000)
    file = cache.open(inode)
    cache.truncate(inode, 5000)
    cache.write(file, 0, b"w" * 9000)
    cache.put(file)
    assert cache.stats()["file_dirty"] == 3


def test_a_file_that_replaces_another_is_written(cache):
    """ext4_rename(): what editors do, write a new file and rename it, leaves no empty file after a crash."""
    inode, _ = cache.create(b"/new"), cache.create(b"/old", data=b"a" * 5000)
    file = cache.open(inode)
    cache.write(file, 0, b"w" * 9000)
    cache.rename(inode, b"/other")
    assert cache.stats()["file_dirty"] == 3
    cache.rename(inode, b"/old")
    assert cache.stats()["file_dirty"] == 0


# --- time ------------------------------------------------------------------------------------------------------------------

SECOND = 1000000


def idle_machine():
    core = pytest.importorskip("vmtool._core")
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    machine.spawn("a", None, [b"a"], [])
    for name in ("/f", "/g"):
        machine.mkfile(name, 65536)
    return machine


def test_the_flusher_comes_by_from_the_first_dirty_page_on():
    """wb_wakeup_delayed(), when nothing else is dirty: every five seconds from then, and what is dirty for thirty is written."""
    machine = idle_machine()
    machine.sleep(3 * SECOND)
    machine.write(1, "/f", 0, b"first")
    machine.sleep(2 * SECOND)
    machine.write(1, "/g", 0, b"second")
    machine.sleep(28 * SECOND - 1)
    assert machine.meminfo()["Dirty"] == 8
    machine.sleep(1)  # 30 s after the first
    assert machine.meminfo()["Dirty"] == 4
    machine.sleep(5 * SECOND - 1)
    assert machine.meminfo()["Dirty"] == 4
    machine.sleep(1)  # the next time, 33 s after the second
    assert machine.meminfo()["Dirty"] == 0


def test_a_long_sleep_is_many_short_ones():
    def dirty(steps):
        machine = idle_machine()
        machine.set_sysctl("vm.dirty_writeback_centisecs", "700")
        machine.write(1, "/f", 0, b"first")
        machine.sleep(SECOND)
        machine.write(1, "/g", 0, b"second")
        for microseconds in steps:
            machine.sleep(microseconds)
        return machine.meminfo()["Dirty"]
    assert [dirty([33 * SECOND]), dirty([SECOND] * 33)] == [8, 8]
    assert [dirty([34 * SECOND]), dirty([SECOND] * 34)] == [0, 0]


def test_another_interval_wakes_the_flusher_and_none_stops_it():
    """The live kernel's Dirty after the same value again, and after another one."""
    machine = idle_machine()
    machine.write(1, "/f", 0, b"first")
    machine.set_sysctl("vm.dirty_writeback_centisecs", "500")
    assert machine.meminfo()["Dirty"] == 4
    machine.set_sysctl("vm.dirty_writeback_centisecs", "501")
    assert machine.meminfo()["Dirty"] == 0
    machine.set_sysctl("vm.dirty_writeback_centisecs", "0")
    machine.write(1, "/f", 0, b"again")
    machine.sleep(1000 * SECOND)
    assert machine.meminfo()["Dirty"] == 4


def test_years_without_anything_old_take_no_time():
    machine = idle_machine()
    machine.set_sysctl("vm.dirty_writeback_centisecs", "1")
    machine.set_sysctl("vm.dirty_expire_centisecs", str(0x7FFFFFFF))
    machine.write(1, "/f", 0, b"first")
    machine.sleep(200 * 86400 * SECOND)
    assert machine.meminfo()["Dirty"] == 4
    machine.sleep(100 * 86400 * SECOND)
    assert machine.meminfo()["Dirty"] == 0


# --- limits -------------------------------------------------------------------------------------------------------------

PAGE, RANDOM = 4096, 1


def touched(machine, nr_pages, background, limit, step):
    """A file of single pages, written page by page: (dirty, written) after each step."""
    machine.set_sysctl("vm.dirty_background_bytes", str(background * PAGE))
    machine.set_sysctl("vm.dirty_bytes", str(limit * PAGE))
    machine.mkfile("/f", nr_pages * PAGE)
    at = machine.mmap(1, 0, nr_pages * PAGE, 3, 1, path="/f")
    machine.madvise(1, at, nr_pages * PAGE, RANDOM)
    machine.touch(1, at, nr_pages * PAGE, "r")
    found, before = [], machine.vmstat()
    for page in range(0, nr_pages, step):
        machine.touch(1, at + page * PAGE, step * PAGE, "w")
        v = machine.vmstat()
        found.append((v["nr_dirty"], v["nr_written"] - before["nr_written"]))
        assert v["nr_dirtied"] - before["nr_dirtied"] == page + step == sum(found[-1])
    return found


def test_the_flusher_writes_a_mebibyte_fourfold_and_looks_again(one_process):
    """A 6.18 with these limits wrote 1536 pages, all there was, before the disk had a share of what is written, then 1024 at a time.

    There the flusher is a thread that comes a little later, here it comes when the writer looks, which is after each 32 pages.
    """
    found = touched(one_process, 6144, 1372, 2747, 32)
    assert [(dirty, written) for (dirty, written), (_, before) in zip(found[1:], found, strict=False) if written != before] == [
        (0, 1376), (1376 - 1024, 2400), (1376 - 1024, 3424), (1376 - 1024, 4448), (1376 - 1024, 5472)]
    assert found[-1] == (672, 5472)


def test_a_writer_near_the_limit_looks_more_often(one_process):
    """nr_dirtied_pause would be 32 pages at first, but a CPU's tasks look after a 32nd of the limit, and never before 16 (ratelimit_pages);
    then it is the square root of what is left, in powers of two: 4 of 16."""
    found = touched(one_process, 64, 8, 16, 1)
    assert found[14:16] == [(15, 0), (0, 16)]
    assert max(dirty for dirty, _ in found[16:]) == 9


def test_tasks_of_one_cpu_look_for_each_other(one_process):
    """bdp_ratelimits: each dirties less than it would look at, together it is 85 pages, a 32nd of the limit: of the third one's folios
    of 16, 8, 4 and 2 pages the third."""
    m = one_process
    m.set_sysctl("vm.dirty_background_bytes", str(40 * PAGE))
    m.set_sysctl("vm.dirty_bytes", str(2747 * PAGE))
    m.mkfile("/f", 128 * PAGE)
    seen = []
    for i in range(4):
        pid = m.spawn("w", None, [b"w"], [])
        m.write(pid, "/f", i * 30 * PAGE, b"x" * 30 * PAGE)
        seen.append(m.vmstat()["nr_dirty"])
    assert seen == [30, 60, 2, 32]


def test_what_ended_tasks_dirtied_counts_for_those_that_live(one_process):
    """dirty_throttle_leaks: 20 pages of one that has ended, and 12 of the next are 32; the write after them looks."""
    m = one_process
    m.set_sysctl("vm.dirty_background_bytes", str(24 * PAGE))
    m.set_sysctl("vm.dirty_bytes", str(2747 * PAGE))
    m.mkfile("/f", 128 * PAGE)
    pid = m.spawn("w", None, [b"w"], [])
    m.write(pid, "/f", 0, b"x" * 20 * PAGE)
    m.exit(pid)
    pid = m.spawn("w", None, [b"w"], [])
    seen = []
    for i in range(14):
        m.write(pid, "/f", (40 + i) * PAGE, b"x")
        seen.append(m.vmstat()["nr_dirty"])
    assert seen[10:14] == [31, 32, 1, 2]


LOOKS = [  # of a 6.18 that wakes its flusher at each look: limit, pages a call, how, and the page before (write) or behind which that was
    (1050876, 1, "write", [33, 1057, 2081, 3105, 4129, 5153]),
    (1043632, 1, "write", [33, 545, 1057, 1569, 2081, 2593, 3105, 3617, 4129, 4641, 5153, 5665]),
    (1062000, 64, "write", [65, 1089, 2113]),
    (1062000, 1, "store", [32]),
]


@pytest.mark.parametrize(("limit", "step", "how", "looks"), LOOKS)
def test_a_writer_looks_as_often_as_recorded(one_process, limit, step, how, looks):
    """write() looks before each folio (generic_perform_write()), a fault behind its page (fault_dirty_shared_page())."""
    m = one_process
    m.set_sysctl("vm.dirty_bytes", str(limit * PAGE))
    m.set_sysctl("vm.dirty_background_bytes", str(PAGE))
    m.mkfile("/f", 0 if how == "write" else 6000 * PAGE)
    at = m.mmap(1, 0, 6000 * PAGE, 3, 1, path="/f") if how == "store" else 0
    if at:
        m.madvise(1, at, 6000 * PAGE, RANDOM)
    seen, written = [], m.vmstat()["nr_written"]
    for page in range(0, looks[-1] + step, step):
        if how == "write":
            m.write(1, "/f", page * PAGE, b"x" * step * PAGE)
        else:
            m.store(1, at + page * PAGE, b"x")
        now = m.vmstat()["nr_written"]
        if now != written:
            seen.append(page + 1)
        written = now
    assert seen == looks


@pytest.mark.parametrize("how", ["store", "write", "populate"])
def test_the_flusher_finds_an_access_done(one_process, how):
    """A limit below a page: what the flusher takes at once was stored, and the access is not made again for ever."""
    m = one_process
    touched(m, 64, 1, 2, 1)
    at = next(v.start for v in m.maps(1) if v.name == "/f")
    before = m.task(1).min_flt
    if how == "store":
        m.store(1, at, b"x")
    elif how == "write":
        m.write(1, "/f", 0, b"x")
    else:
        m.madvise(1, at, PAGE, 23)
    assert m.vmstat()["nr_dirty"] <= 2
    assert m.task(1).min_flt - before == (how != "write")
    want = b"\0" if how == "populate" else b"x"
    assert m.read(1, "/f", 0, 1) == want
    m.sync()
    m.drop_caches(1)
    m.munmap(1, at, 64 * PAGE)
    m.drop_caches(1)
    assert m.fincore("/f") == []
    assert m.read(1, "/f", 0, 1) == want  # of the disk


def test_the_flusher_goes_on_where_it_ended(one_process):
    """range_cyclic: what is dirtied again behind it waits for the next round."""
    m = one_process
    touched(m, 2048, 1372, 2747, 32)
    assert m.vmstat()["nr_dirty"] == 672
    at = next(v.start for v in m.maps(1) if v.name == "/f")
    m.touch(1, at, 704 * PAGE, "w")
    assert m.vmstat()["nr_dirty"] == 1376 - 1024
    dirty = [frame.index for frame in m.frames(m.translate(1, at + page * PAGE) // PAGE for page in range(2048)) if "dirty" in frame.flags]
    assert sorted(dirty) == list(range(352, 704))
