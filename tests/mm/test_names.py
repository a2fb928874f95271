"""Strings and the path table."""

import pytest

EEXIST = 17


@pytest.mark.parametrize("length", [1, 247, 248, 249, 496, 497, 4095])
def test_a_string_of_any_length_comes_back(cache, length):
    text = bytes(1 + i % 255 for i in range(length))
    assert cache.name_round_trip(text) == text


def test_a_path_leads_to_its_inode(cache):
    inodes = {b"/f/%d" % n: cache.create(b"/f/%d" % n) for n in range(9000)}
    assert all(cache.lookup(path) == inode for path, inode in inodes.items())
    assert cache.lookup(b"/f/9000") == 0
    assert cache.path(inodes[b"/f/7"]) == b"/f/7"


def test_a_prefix_is_another_path(cache):
    long = b"/" + b"a" * 400
    inode = cache.create(long)
    assert cache.lookup(long[:-1]) == 0
    assert cache.lookup(long + b"a") == 0
    assert cache.lookup(long) == inode


def test_a_path_exists_once(cache):
    cache.create(b"/x")
    assert cache.create(b"/x") == -EEXIST


def test_an_unlinked_open_file_is_called_deleted_and_its_path_is_free(cache):
    inode = cache.create(b"/x", data=b"old")
    file = cache.open(inode)
    cache.unlink(inode)
    assert cache.path(inode) == b"/x (deleted)"
    assert cache.lookup(b"/x") == 0
    other = cache.create(b"/x", data=b"new")
    assert cache.read(file, 0, 10) == b"old"
    cache.put(file)
    assert cache.lookup(b"/x") == other


def test_rename_replaces_what_was_there(cache):
    a, b = cache.create(b"/a", data=b"A"), cache.create(b"/b", data=b"B")
    assert cache.rename(a, b"/b") == 0
    assert cache.lookup(b"/a") == 0
    assert cache.lookup(b"/b") == a != b
    assert cache.rename(a, b"/b") == 0
    assert cache.path(a) == b"/b"


def test_the_last_close_of_an_unlinked_file_gives_everything_back(cache):
    free, contents = cache.nr_free(), cache.nr_contents()
    for n in range(200):
        inode = cache.create(b"/f%d" % n, data=b"x" * 100000)
        file = cache.open(inode)
        cache.read(file, 0, 100000)
        cache.write(file, 100, b"y" * 50000)
        cache.unlink(inode)
        cache.put(file)
    assert cache.stats()["file_pages"] == cache.stats()["file_dirty"] == 0
    assert cache.nr_contents() == contents
    # per-CPU lists and cached slabs keep a few pages
    assert free - cache.nr_free() < 600
