"""Files of a tmpfs: which folios write() makes, by the mounts' huge=. Every row was asked of a live 6.18 kernel (/proc/kpageflags).

The live kernel judges drawn scripts, too: `python -m tests.differential --category khugepaged/tmpfs`.
"""

import pytest

from vmtool.errors import KernelError

PAGE, HUGE = 4096, 2 << 20
FILE = "/dev/shm/f"
RW, SHARED, PRIVATE, FIXED = 3, 1, 2, 0x10
BASE = 0x40000000


@pytest.fixture
def machine(one_process):
    return one_process


def folios(machine, size):
    """(first page, pages) of each that the cache has."""
    at = machine.mmap(1, BASE, size + PAGE, RW, SHARED | FIXED, FILE)
    found = []
    for index in (i for i in machine.fincore(FILE) if i * PAGE < size):  # a folio may reach beyond the file
        machine.touch(1, at + index * PAGE, 1, "r")
        frame = machine.frames([machine.walk(1, at + index * PAGE).phys // PAGE])[0]
        if not any(start < index < start + nr for start, nr in found):
            found.append((index, 1 << frame.order))
    machine.munmap(1, at, size + PAGE)
    return found


def singles(first, last):
    return [(i, 1) for i in range(first, last + 1)]


WRITES = [(0, 0, 100000), (0, 5 * PAGE + 7, 60000), (3 << 20, PAGE, 10), (3 << 20, HUGE + PAGE, 300000), (0, 0, HUGE + 5000),
          (0, HUGE - PAGE, 8192)]
LIVE = {
    "never": [singles(0, 24), singles(5, 19), singles(1, 1), singles(513, 586), singles(0, 513), singles(511, 512)],
    "within_size": [[(0, 16), (16, 8), (24, 1)], [(0, 16), (16, 4)], [(0, 512)], [(512, 256)], [(0, 512), (512, 2)], [(0, 512), (512, 1)]],
    "always": [[(0, 512)], [(0, 512)], [(0, 512)], [(512, 512)], [(0, 512), (512, 512)], [(0, 512), (512, 512)]],
}


@pytest.mark.parametrize("row", range(len(WRITES)))
@pytest.mark.parametrize("huge", LIVE)
def test_the_folios_of_a_write(machine, huge, row):
    size, offset, length = WRITES[row]
    machine.set_sysctl("tmpfs/huge", huge)
    machine.mkfile(FILE, size)
    assert machine.write(1, FILE, offset, b"x" * length) == length
    assert folios(machine, max(size, offset + length)) == LIVE[huge][row]
    assert machine.read(1, FILE, offset, length) == b"x" * length
    if offset:
        assert machine.read(1, FILE, 0, 1) == b"\0"


def test_a_file_made_before_the_mount_was_told_is_written_page_by_page(machine):
    """mapping_set_large_folios() is asked when the inode is made: a write() then knows its first page alone."""
    machine.mkfile(FILE, 0)
    machine.set_sysctl("tmpfs/huge", "within_size")
    machine.write(1, FILE, 0, b"x" * 100000)
    assert folios(machine, 100000) == singles(0, 24)


def test_it_is_there_until_it_has_no_name_and_is_not_open(machine):
    before = machine.meminfo()["Shmem"]
    machine.mkfile(FILE, 0, b"")
    machine.write(1, FILE, 0, b"x" * 10000)
    assert machine.meminfo()["Shmem"] == before + 12
    machine.drop_caches(3)
    assert machine.read(1, FILE, 0, 3) == b"xxx"
    machine.exit(1, 0)
    assert machine.fincore(FILE) == [0, 1, 2]
    machine.rmfile(FILE)
    assert machine.meminfo()["Shmem"] == before


def test_contents_are_pages_from_the_start(machine):
    machine.mkfile(FILE, 3 * PAGE, b"a" * (PAGE + 1))
    assert machine.fincore(FILE) == [0, 1]
    assert machine.read(1, FILE, PAGE - 1, 4) == b"aa\0\0"


def test_it_is_charged_page_by_page(machine):
    before = machine.meminfo()["Committed_AS"]
    machine.mkfile(FILE, 8 * PAGE)
    assert machine.meminfo()["Committed_AS"] == before
    machine.write(1, FILE, 0, b"x" * PAGE)
    assert machine.meminfo()["Committed_AS"] == before + 4
    machine.truncate(FILE, 0)
    assert machine.meminfo()["Committed_AS"] == before


def test_a_cut_page_is_zeros_behind_the_cut(machine):
    machine.mkfile(FILE, 0)
    machine.write(1, FILE, 0, b"x" * 10000)
    machine.truncate(FILE, 5000)
    machine.truncate(FILE, 10000)
    assert machine.read(1, FILE, 4998, 4) == b"xx\0\0"


def test_a_cut_page_that_is_in_swap_is_zeros_too(machine):
    machine.swapon(64 << 20)
    machine.mkfile(FILE, 0)
    machine.write(1, FILE, 0, b"x" * 3 * PAGE)
    machine.reclaim(3)
    machine.sync()
    machine.truncate(FILE, PAGE + 10)
    machine.truncate(FILE, 3 * PAGE)
    assert machine.read(1, FILE, PAGE + 8, 4) == b"xx\0\0"


def test_a_hole_within_pages_zeroes_them_and_makes_none(machine):
    machine.mkfile(FILE, 5 * PAGE)
    machine.write(1, FILE, 0, b"x" * PAGE)
    machine.punch_hole(FILE, 100, 3 * PAGE)
    assert machine.fincore(FILE) == [0]
    assert machine.read(1, FILE, 98, 4) == b"xx\0\0"


def test_the_path_is_taken(machine):
    machine.mkfile(FILE, PAGE)
    with pytest.raises(KernelError) as failed:
        machine.mkfile(FILE, PAGE, tmpfs=True)
    assert failed.value.name == "EEXIST"


def test_any_path_may_be_on_a_tmpfs(machine):
    machine.mkfile("/tmp/x", PAGE, tmpfs=True)
    machine.mkfile("/x", PAGE)
    at = machine.mmap(1, 0, PAGE, RW, SHARED, "/tmp/x")
    assert next(v for v in machine.maps(1) if v.start == at).dev_minor == 27
    machine.touch(1, at, 1, "w")
    assert machine.meminfo()["Shmem"] >= 4
