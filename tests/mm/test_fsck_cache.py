"""Each invariant of the page cache: one record is damaged, and the check of that name must say so."""

import pytest
from vmtool.mm._probe_cache import Cache

NAMES = [name for name in Cache().fsck_names() if name != "file-refcount"]  # processes hold the references: that one is tested with them


def machine():
    cache = Cache()
    inode = cache.create(b"/x", data=b"a" * 40000)
    file = cache.open(inode)
    cache.read(file, 0, 40000)
    cache.write(file, 5000, b"w")
    cache.create(b"/y")
    shm = cache.create_shmem(b"/dev/zero", 8192)
    cache.open(shm)
    cache.shmem_get(shm, 1)
    cache.drain()
    return cache, inode, file


def test_a_sound_machine_has_nothing_to_report():
    cache, _, _ = machine()
    assert cache.fsck() == []


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_found_under_its_name(name):
    cache, inode, file = machine()
    cache.damage(name, inode=inode, index=3, file=file)
    assert name in [line[0] for line in cache.fsck()]


def test_names_are_unique():
    assert len(set(NAMES)) == len(NAMES)
