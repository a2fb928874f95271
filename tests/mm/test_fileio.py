"""read() and write() through the page cache. What a page shows after each call is 6.18's /proc/kpageflags on ext4."""

import pytest

EIO, EFBIG = 5, 27
PATTERN = bytes((i * 7 + i // 4096) & 255 for i in range(100000))


@pytest.fixture
def pattern(cache):
    inode = cache.create(b"/pattern", data=PATTERN)
    return inode, cache.open(inode)


@pytest.mark.parametrize(("pos", "length"), [(0, 512), (4095, 2), (0, 100000), (99999, 1), (99999, 2), (50000, 1 << 20), (3, 70000)])
def test_a_read_gives_the_files_bytes(cache, pattern, pos, length):
    assert cache.read(pattern[1], pos, length) == PATTERN[pos : pos + length]


@pytest.mark.parametrize("pos", [100000, 100001, 1 << 40, 1 << 63])
def test_a_read_at_or_past_the_end_gives_nothing(cache, pattern, pos):
    assert cache.read(pattern[1], pos, 10) == b""
    assert cache.cached(pattern[0]) == []


def test_the_second_read_of_a_page_makes_it_active(cache, pattern):
    inode, file = pattern
    cache.read(file, 0, 100000)
    assert cache.pages(inode) == ["R"] * 25
    cache.drain()
    cache.read(file, 0, 100000)
    assert cache.pages(inode) == ["c"] * 25  # they wait for thirty-one
    cache.drain()
    assert cache.pages(inode) == ["A"] * 25
    assert cache.stats()["active_file"] == 25
    assert cache.stats()["pgactivate"] == 25


def test_reads_that_continue_in_a_page_mark_it_once(cache, pattern):
    inode, file = pattern
    for pos in range(0, 4096, 512):
        cache.read(file, pos, 512)
    assert cache.pages(inode)[0] == "R"


# position, bytes, pages of a cold file of 40000 bytes after the write; . is not cached
WRITES = [
    (5000, 10, ". D"),
    (0, 4096, "D"),
    (0, 16384, "DH Dt Dt Dt"),
    (4096, 16384, ". D DH Dt D"),
    (100, 40000, "DH Dt Dt Dt Dt Dt Dt Dt D D"),
    (0, 20000, "DH Dt Dt Dt D"),
    (0, 65536, "DH" + " Dt" * 15),
]


@pytest.mark.parametrize(("pos", "length", "pages"), WRITES)
def test_a_write_makes_folios_as_large_as_itself(cache, pos, length, pages):
    inode = cache.create(b"/x", data=PATTERN[:40000])
    assert cache.write(cache.open(inode), pos, b"w" * length) == length
    words = cache.pages(inode)
    assert " ".join(words).rstrip(". ") == pages


def test_only_partly_overwritten_blocks_are_read(cache):
    inode = cache.create(b"/x", data=PATTERN[:40000])
    file = cache.open(inode)
    cache.write(file, 4096, b"w" * 8192)
    assert cache.stats()["pgpgin"] == 0
    cache.write(file, 20000, b"w" * 10)
    assert cache.stats()["pgpgin"] == 4
    cache.write(file, 30000, b"w" * 8000)
    assert cache.stats()["pgpgin"] == 12
    expected = bytearray(PATTERN[:40000])
    expected[4096:12288] = b"w" * 8192
    expected[20000:20010] = b"w" * 10
    expected[30000:38000] = b"w" * 8000
    assert cache.read(file, 0, 40000) == bytes(expected)


def test_a_write_past_the_end_leaves_zeros_between(cache):
    inode = cache.create(b"/x", data=b"a" * 5000)
    file = cache.open(inode)
    cache.write(file, 12000, b"end")
    assert cache.inode(inode)["size"] == 12003
    assert cache.read(file, 0, 20000) == b"a" * 5000 + bytes(7000) + b"end"


def test_a_write_far_past_the_end_zeroes_the_partial_blocks(cache):
    """ext4 does it through the cache: the old last page is dirty and not yet up to date, the new one marked accessed."""
    inode = cache.create(b"/x", data=b"a" * 5000)
    cache.write(cache.open(inode), 8200, b"w" * 10)
    assert cache.pages(inode) == [".", ".", "RD"]
    assert cache.inode(inode)["nr_dirty"] == 2


def test_a_write_that_continues_at_the_end_does_not(cache):
    inode = cache.create(b"/x", data=b"a" * 5000)
    cache.write(cache.open(inode), 5000, b"w" * 10)
    assert cache.pages(inode) == [".", "D"]


def test_dirty_pages_are_counted(cache):
    inode = cache.create(b"/x", data=PATTERN)
    file = cache.open(inode)
    cache.write(file, 0, b"w" * 65536)
    cache.write(file, 70000, b"w")
    stats = cache.stats()
    assert (stats["file_dirty"], stats["dirtied"], stats["file_pages"]) == (17, 17, 17)
    cache.write(file, 0, b"v" * 65536)
    assert cache.stats()["dirtied"] == 17


def test_a_write_whose_block_cannot_be_read(cache, pattern):
    inode, file = pattern
    cache.fail(inode, reads=1)
    assert cache.write(file, 5000, b"w") == -EIO
    cache.fail(inode)
    assert cache.write(file, 5000, b"w") == 1
    assert cache.read(file, 4999, 3) == PATTERN[4999:5000] + b"w" + PATTERN[5001:5002]


def test_a_file_has_an_end_at_16_tib(cache):
    file = cache.open(cache.create(b"/x"))
    assert cache.write(file, 1 << 45, b"w") == -EFBIG


def test_the_readers_position_survives_in_the_open_file(cache, pattern):
    cache.read(pattern[1], 100, 50)
    assert cache.ra(pattern[1])["prev_pos"] == 150


def test_shared_memory_reads_zeros_without_a_page(cache):
    inode = cache.create_shmem(b"/dev/zero", 20000)
    file = cache.open(inode)
    assert cache.read(file, 0, 30000) == bytes(20000)
    assert cache.stats()["shmem"] == 0
    cache.write(file, 5000, b"hello")
    assert cache.read(file, 4998, 9) == b"\0\0hello\0\0"
    cache.drain()
    stats = cache.stats()
    assert (stats["shmem"], stats["file_pages"], stats["file_dirty"], stats["inactive_anon"]) == (1, 1, 0, 1)
    assert cache.path(inode) == b"/dev/zero (deleted)"
    assert cache.shmem_get(inode, 1) == cache.shmem_get(inode, 1) != cache.shmem_get(inode, 2)
    cache.put(file)
    assert cache.stats()["shmem"] == 0
