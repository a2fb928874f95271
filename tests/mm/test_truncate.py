"""Truncation and holes. What the pages show after each call is 6.18's /proc/kpageflags on ext4."""


EFBIG, EINVAL = 27, 22
DATA = bytes(1 + i % 255 for i in range(100000))


def make(cache, size, warm=True):
    inode = cache.create(b"/x", data=DATA[:size])
    file = cache.open(inode)
    if warm:
        cache.read(file, 0, size)
    return inode, file


def large(cache, length):
    """A clean file in one folio."""
    inode = cache.create(b"/x")
    file = cache.open(inode)
    cache.write(file, 0, DATA[:length])
    cache.fsync(inode)
    return inode, file


def test_what_lies_behind_the_new_end_is_dropped_and_unmapped(cache):
    inode, file = make(cache, 100000)
    assert cache.truncate(inode, 49152) == 0
    assert len(cache.pages(inode, past=20)) == 32
    assert cache.cached(inode) == list(range(12))
    assert cache.unmapped[0] == (inode, 12, None, True)
    assert cache.read(file, 0, 100000) == DATA[:49152]


def test_the_rest_of_the_last_page_is_zeroed_and_dirty(cache):
    inode, file = make(cache, 100000)
    cache.truncate(inode, 50000)
    assert cache.pages(inode) == ["R"] * 12 + ["DA"]
    cache.truncate(inode, 60000)
    assert cache.read(file, 0, 100000) == DATA[:50000] + bytes(10000)
    assert cache.fsync(inode) == 0
    cache.invalidate(inode)
    assert cache.read(file, 0, 100000) == DATA[:50000] + bytes(10000)


def test_even_the_same_size_does_so(cache):
    inode, _ = make(cache, 10000)
    cache.truncate(inode, 10000)
    assert cache.pages(inode) == ["R", "R", "DA"]


def test_a_page_that_was_not_cached_is_read_as_a_block(cache):
    """It is dirty, but not up to date as a page: mincore says 0 until somebody reads it."""
    inode, file = make(cache, 10000, warm=False)
    cache.truncate(inode, 9000)
    assert cache.pages(inode) == [".", ".", "."]
    assert cache.inode(inode)["nr_dirty"] == 1
    assert cache.stats()["pgpgin"] == 4
    assert cache.read(file, 0, 20000) == DATA[:9000]
    assert cache.pages(inode)[2] == "DA"
    assert cache.stats()["pgpgin"] == 12


def test_a_hole_needs_no_io_and_leaves_nothing_dirty(cache):
    inode, file = make(cache, 4096)
    cache.truncate(inode, 40000)
    cache.truncate(inode, 30000)
    assert cache.inode(inode)["nr_dirty"] == 0
    assert cache.read(file, 0, 40000) == DATA[:4096] + bytes(30000 - 4096)
    assert cache.stats()["pgpgin"] == 4


def test_a_clean_large_folio_is_cut_at_the_edge(cache):
    inode, _ = large(cache, 65536)
    cache.truncate(inode, 20480)
    assert cache.pages(inode, past=2) == ["H", "t", "t", "t", "c", ".", "."]
    assert (inode, 0, 15, False) in cache.unmapped


def test_a_dirty_large_folio_stays_whole(cache):
    inode = cache.create(b"/x")
    file = cache.open(inode)
    cache.write(file, 0, DATA[:65536])
    cache.truncate(inode, 30000)
    assert (inode, 0, 15, False) in cache.unmapped
    words = cache.pages(inode, past=9)
    assert words[:8] == ["RDH"] + ["RDt"] * 7
    assert len(words) == 17 and words[15] == "RDt" and words[16] == "."
    assert cache.read(file, 0, 65536) == DATA[:30000]
    cache.truncate(inode, 65536)
    assert cache.read(file, 0, 65536) == DATA[:30000] + bytes(35536)


def test_a_hole_in_the_middle(cache):
    inode, file = make(cache, 40000)
    assert cache.punch_hole(inode, 4096, 8192) == 0
    assert cache.pages(inode) == ["R", ".", "."] + ["R"] * 7
    assert cache.unmapped[0] == (inode, 1, 2, False)
    assert cache.read(file, 0, 40000) == DATA[:4096] + bytes(8192) + DATA[12288:40000]


def test_a_hole_that_begins_and_ends_within_pages(cache):
    inode, file = make(cache, 40000)
    cache.punch_hole(inode, 5000, 8192)
    assert cache.pages(inode) == ["R", "DA", ".", "DA"] + ["R"] * 6
    assert cache.read(file, 0, 40000) == DATA[:5000] + bytes(8192) + DATA[13192:40000]


def test_a_hole_within_one_page(cache):
    inode, file = make(cache, 40000)
    cache.punch_hole(inode, 5000, 100)
    assert cache.pages(inode)[:3] == ["R", "DA", "R"]
    assert cache.read(file, 0, 40000) == DATA[:5000] + bytes(100) + DATA[5100:40000]


def test_a_hole_in_a_clean_large_folio(cache):
    inode, file = large(cache, 65536)
    cache.punch_hole(inode, 5000, 9000)
    assert cache.pages(inode) == ["c", "RD", ".", "RD", "H", "t", "t", "t", "H"] + ["t"] * 7
    assert cache.read(file, 0, 65536) == DATA[:5000] + bytes(9000) + DATA[14000:65536]


def test_a_hole_past_the_end_changes_no_size(cache):
    inode, file = make(cache, 40000)
    cache.punch_hole(inode, 36864, 1 << 20)
    assert cache.inode(inode)["size"] == 40000
    assert cache.read(file, 0, 50000) == DATA[:36864] + bytes(3136)
    assert cache.punch_hole(inode, 50000, 10) == 0
    assert cache.punch_hole(inode, 0, 0) == -EINVAL


def test_a_written_hole_is_a_block_again(cache):
    inode, file = make(cache, 40000)
    cache.punch_hole(inode, 4096, 8192)
    cache.write(file, 8192, bytes(4096))
    cache.fsync(inode)
    cache.invalidate(inode)
    before = cache.stats()["pgpgin"]
    cache.read(file, 0, 12288)
    assert cache.stats()["pgpgin"] - before == 28  # a window of 8 pages, less the one that is still a hole
    assert cache.read(file, 0, 12288) == DATA[:4096] + bytes(8192)


def test_a_file_has_an_end_at_16_tib(cache):
    inode, _ = make(cache, 10)
    assert cache.truncate(inode, 1 << 44) == -EFBIG
    assert cache.truncate(inode, (1 << 44) - 4096) == 0


def test_shared_memory_shrinks_without_a_disk(cache):
    inode = cache.create_shmem(b"/memfd:x", 20000)
    file = cache.open(inode)
    cache.write(file, 0, DATA[:20000])
    cache.truncate(inode, 5000)
    assert cache.stats()["shmem"] == 2
    cache.truncate(inode, 20000)
    assert cache.read(file, 0, 20000) == DATA[:5000] + bytes(15000)
    assert cache.stats()["pgpgin"] == cache.stats()["pgpgout"] == 0
