"""Read-ahead: which pages are cached after a read or a fault. Expected values: a 6.18 kernel with read_ahead_kb 128 (mincore)."""

import pytest
from vmtool.mm._probe_cache import Cache

MIB = 1 << 20
VM_EXEC, VM_SEQ_READ, VM_RAND_READ, VM_HUGEPAGE = 0x4, 0x8000, 0x10000, 0x20000000
EIO = 5


class File:
    def __init__(self, size, ra_pages=32):
        self.cache = Cache(ra_pages=ra_pages)
        self.inode = self.cache.create(b"/cold.dat", size)
        self.file = self.cache.open(self.inode)

    def read(self, pos, length):
        self.cache.read(self.file, pos, length)
        return self.cached()

    def fault(self, index, vm_flags=0, **bounds):
        return self.cache.fault(self.file, index, vm_flags, **bounds)

    def cached(self):
        """Ranges of cached pages, as "0-3 20"."""
        out, pages = [], self.cache.cached(self.inode)
        for page in pages:
            if out and out[-1][1] == page - 1:
                out[-1][1] = page
            else:
                out.append([page, page])
        return " ".join(f"{a}-{b}" if a != b else f"{a}" for a, b in out)


@pytest.fixture
def file():
    files = []

    def make(size, ra_pages=32):
        files.append(File(size, ra_pages))
        return files[-1]

    yield make
    for one in files:
        assert one.cache.err == 0
        assert one.cache.fsck() == []


@pytest.mark.parametrize(("length", "cached"), [(1, "0-3"), (512, "0-3"), (4096, "0-3"), (16384, "0-7"), (65536, "0-31"), (100000, "0-31")])
def test_the_first_window_grows_with_the_request(file, length, cached):
    assert file(MIB).read(0, length) == cached


def test_a_request_larger_than_the_window_is_read_whole_and_starts_the_next(file):
    assert file(MIB).read(0, 262144) == "0-127"


def test_sequential_reads_of_4k(file):
    f = file(MIB)
    sizes = [len(f.cache.cached(f.inode)) for index in range(25) if f.read(index * 4096, 4096)]
    assert sizes[:5] == [4, 12, 12, 12, 16]
    assert sorted(set(sizes)) == [4, 12, 16, 24, 32, 48]


def test_windows_end_on_the_boundary_of_their_folios(file):
    f = file(MIB)
    for index in range(16):
        f.read(index * 16384, 16384)
    words = f.cache.pages(f.inode)
    heads = [index for index, word in enumerate(words) if word.endswith("H")]
    tails = [index for index, word in enumerate(words) if word.endswith("t")]
    assert heads[:6] == [8, 12, 16, 20, 24, 32]
    assert set(tails) == set(range(9, 12)) | set(range(13, 16)) | set(range(17, 20)) | set(range(21, 24)) | set(range(25, 32)) | set(
        range(33, len(f.cache.cached(f.inode)))) - set(heads)


def test_a_lone_read_elsewhere_brings_its_pages_only(file):
    f = file(500000)
    assert f.read(180224, 4096) == "44"
    assert f.read(300000, 5000) == "44 73-74"


def test_nothing_is_read_past_the_end(file):
    assert file(100000).read(81920, 131072) == "20-24"
    assert file(5000).read(0, 10) == "0-1"
    assert file(0).read(0, 10) == ""


def test_a_read_after_the_pages_of_a_stream_continues_it(file):
    f = file(MIB)
    for index in range(4):
        f.read(65536 + index * 4096, 4096)
    g = f.cache.open(f.inode)  # another open file: only the cache tells
    last = f.cache.cached(f.inode)[-1]
    f.cache.read(g, (last + 1) * 4096, 4096)
    assert f.cache.ra(g)["size"] > 1


def test_read_around_a_fault(file):
    f = file(500000)
    assert f.fault(122) == "miss"
    assert f.cached() == "106-122"
    assert f.fault(15) == "miss"
    assert f.cached() == "0-31 106-122"
    assert f.cache.pages(f.inode).index("M") == 24


def test_a_fault_with_advice_random_brings_one_page(file):
    f = file(65536)
    assert f.fault(15, VM_RAND_READ) == "miss"
    assert f.cached() == "15"
    assert f.cache.ra(f.file)["mmap_miss"] == 0


def test_a_fault_with_advice_sequential(file):
    f = file(500000)
    assert f.fault(122, VM_SEQ_READ) == "miss"
    assert f.cached() == "122"
    assert f.fault(0, VM_SEQ_READ) == "miss"
    assert f.cached() == "0-31 122"


def test_code_is_read_without_read_ahead_and_within_its_area(file):
    f = file(500000)
    assert f.fault(40, VM_EXEC, first=30, end=50) == "miss"
    assert f.cached() == "40-49"
    assert "M" not in f.cache.pages(f.inode)
    assert f.fault(60, VM_EXEC, first=30, end=120) == "miss"
    assert f.cached() == "40-49 60-91"


def test_huge_page_advice_reads_two_of_them(file):
    f = file(8 * MIB)
    assert f.fault(600, VM_HUGEPAGE) == "miss"
    assert f.cached() == "512-1535"
    assert f.cache.pages(f.inode)[512].endswith("H")


def test_a_mark_within_a_large_folio_counts_on_from_its_tail(file):
    """The kernel's cursor lags by as many pages as it began within the folio: the next window leaves out one page."""
    f = file(262144)
    f.fault(0)
    other = f.cache.open(f.inode)
    f.cache.read(other, 33294, 65536)
    assert f.cached() == "0-47"
    assert f.cache.pages(f.inode)[32] == "MH"
    f.fault(32)
    assert f.cached() == "0-47 49-63"


def test_too_many_misses_end_read_around(file):
    f = file(64 * MIB)
    for n in range(101):
        f.fault(100 + n * 100)
    before = len(f.cache.cached(f.inode))
    assert f.fault(16000) == "miss"
    assert len(f.cache.cached(f.inode)) == before + 1


def test_the_mark_starts_the_next_window(file):
    f = file(500000)
    f.fault(15)
    assert f.fault(24) == "hit"
    assert f.cached() == "0-63"
    assert f.fault(24) == "hit"
    assert f.cached() == "0-63"


def test_read_around_beside_cached_pages_fills_the_gap(file):
    f = file(100000)
    f.read(81920, 4096)
    f.fault(10)
    assert f.cached() == "0-24"


def test_a_failed_read_ahead_is_tried_page_by_page(file):
    f = file(100000)
    f.cache.fail(f.inode, reads=1)
    assert f.cache.read(f.file, 0, 512) == bytes(512)
    f.cache.fail(f.inode, reads=2)
    assert f.cache.read(f.file, 50000, 512) == -EIO
    assert f.cache.read(f.file, 50000, 512) == bytes(512)


def test_a_fault_on_a_page_that_cannot_be_read(file):
    f = file(100000)
    f.cache.fail(f.inode, reads=3)  # the window, and the page twice
    assert f.fault(5) == -EIO
    assert f.cached() == ""  # none of them is up to date
    assert f.fault(5) == "hit"  # the folio stayed


def test_willneed_reads_the_range(file):
    f = file(500000)
    assert f.cache.willneed(f.file, 10, 50) == 50
    assert f.cached() == "10-59"
    assert f.cache.willneed(f.file, 0, 200) == 123 - 50


def test_what_is_read_counts_in_kilobytes(file):
    f = file(100000)
    f.read(0, 100000)
    assert f.cache.stats()["pgpgin"] == 100
    f.read(0, 100000)
    assert f.cache.stats()["pgpgin"] == 100


def test_populate_brings_everything(file):
    f = file(100000)
    f.read(50000, 1)
    assert f.cache.populate(f.inode) == 0
    assert f.cached() == "0-24"


def test_a_disk_that_turns_reads_8m_around_a_fault(file):
    """Recorded of Debian's 6.18.15: the first touch of a mapped file of 32M on such a disk brought 8M of it."""
    f = file(32 * MIB, ra_pages=2048)
    assert (f.fault(0), f.cached()) == ("miss", "0-2047")
