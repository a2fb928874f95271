"""The page cache against the running kernel: random calls on a file, and after each the state of every page.

Compared are: cached, dirty, referenced, the folio's order and the read-ahead mark.
"""

import ctypes
import os
import platform
import random
import struct
import time
from pathlib import Path

import pytest
from vmtool.mm._probe_cache import Cache

pytestmark = pytest.mark.xdist_group("readahead")  # reads the disk's, which the comparison of scripts changes for the while
SCRIPTS = 40
PATTERN = bytes(1 + i % 251 for i in range(4099))  # no period of a page
STEPS_BUSY = 8  # read-ahead of the live kernel goes on in the background: look again so often
IO_KB = 4096  # the disk's largest request, as the simulated one has it
POSIX_FADV_DONTNEED, PUNCH_HOLE_KEEP_SIZE, MADV_RANDOM = 4, 3, 1
KPF = {2: "R", 4: "D", 9: "M", 15: "H", 16: "t"}
LETTERS = "RDMHt"

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]


def queue_of(path):
    """Settings of the disk under a path: sysfs' directory of its queue."""
    dev = os.stat(path).st_dev
    disk = Path(f"/sys/dev/block/{os.major(dev)}:{os.minor(dev)}")
    return next((d / "queue" for d in (disk, disk / "..") if (d / "queue").is_dir()), None)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory on ext4 and the disk's read-ahead in pages."""
    directory = tmp_path_factory.mktemp("live")
    if not platform.release().startswith("6.18."):
        pytest.skip(f"the rules compared are Linux 6.18's; this is {platform.release()}")
    if os.geteuid() != 0:
        pytest.skip("/proc/kpageflags can be read by root only")
    queue = queue_of(directory)
    if queue is None or b"ext4" not in filesystem_of(directory):
        pytest.skip(f"{directory} is not on an ext4 file system of a disk")
    if int((queue / "max_sectors_kb").read_text()) != IO_KB:
        pytest.skip(f"the disk's requests are not of {IO_KB} kB")
    return directory, int((queue / "read_ahead_kb").read_text()) // 4


def filesystem_of(path):
    dev = os.stat(path).st_dev
    wanted = f"{os.major(dev)}:{os.minor(dev)}".encode()
    return next((line for line in Path("/proc/self/mountinfo").read_bytes().splitlines() if line.split()[2] == wanted), b"")


def live_pages(path, past):
    """A word a page from mincore, pagemap and kpageflags. MADV_RANDOM: looking neither reads ahead nor marks accessed."""
    fd = os.open(path, os.O_RDONLY)
    inside = (os.fstat(fd).st_size + 4095) // 4096
    length = (inside + past) * 4096
    base = libc.mmap(None, length, 1, 1, fd, 0)
    libc.madvise(base, length, MADV_RANDOM)
    resident = (ctypes.c_ubyte * (length // 4096))()
    libc.mincore(base, length, resident)
    words = []
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap, open("/proc/kpageflags", "rb", buffering=0) as kpageflags:
        for index, bit in enumerate(resident):
            if not bit & 1:
                words.append(".")
            elif index >= inside:
                words.append("past")
            else:
                ctypes.string_at(base + index * 4096, 1)
                pagemap.seek((base // 4096 + index) * 8)
                pfn = struct.unpack("Q", pagemap.read(8))[0] & ((1 << 55) - 1)
                kpageflags.seek(pfn * 8)
                flags = struct.unpack("Q", kpageflags.read(8))[0]
                words.append("".join(letter for bit, letter in KPF.items() if flags >> bit & 1))
    libc.munmap(base, length)
    os.close(fd)
    return words


def simulated_pages(cache, inode, past):
    words = cache.pages(inode, past)
    inside = (cache.inode(inode)["size"] + 4095) // 4096
    return ["past" if word != "." and index >= inside else word for index, word in enumerate(words)]


def same(live, simulated):
    """PG_active, and PG_referenced while it changes into it, lag behind in the live kernel's per-CPU batches."""
    for a, b in zip(live, simulated, strict=True):
        if {a, b} & {".", "past"}:
            if a != b:
                return False
            continue
        compared = LETTERS.replace("R", "") if "A" in b else LETTERS
        if any((letter in a) != (letter in b) for letter in compared):
            return False
    return True


class Both:
    """One file on the live kernel and in the simulator."""

    def __init__(self, directory, ra_pages, size):
        self.path = directory / "file"
        self.path.unlink(missing_ok=True)
        data = (PATTERN * (size // len(PATTERN) + 1))[:size]
        self.path.write_bytes(data)
        self.fd = os.open(self.path, os.O_RDWR)
        os.fsync(self.fd)
        os.posix_fadvise(self.fd, 0, 0, POSIX_FADV_DONTNEED)
        self.cache = Cache(ra_pages=ra_pages)
        self.inode = self.cache.create(b"/file", data=data)
        self.file = self.cache.open(self.inode)

    def read(self, pos, length):
        assert self.cache.read(self.file, pos, length) == os.pread(self.fd, length, pos)

    def write(self, pos, length):
        assert self.cache.write(self.file, pos, b"w" * length) == os.pwrite(self.fd, b"w" * length, pos)

    def truncate(self, size):
        os.ftruncate(self.fd, size)
        assert self.cache.truncate(self.inode, size) == 0

    def punch(self, pos, length):
        assert libc.fallocate(self.fd, PUNCH_HOLE_KEEP_SIZE, pos, length) == 0
        assert self.cache.punch_hole(self.inode, pos, length) == 0

    def sync(self):
        os.fsync(self.fd)
        assert self.cache.fsync(self.inode) == 0

    def drop(self):
        self.sync()
        os.posix_fadvise(self.fd, 0, 0, POSIX_FADV_DONTNEED)
        self.cache.invalidate(self.inode)

    def compare(self, done):
        mine = simulated_pages(self.cache, self.inode, 3)
        for again in range(STEPS_BUSY):
            live = live_pages(self.path, 3)
            if same(live, mine):
                break
            time.sleep(0.004 * (again + 1))
        else:
            pytest.fail(f"after {done}:\n  live      {' '.join(live)}\n  simulated {' '.join(mine)}")
        assert self.cache.fsck() == []


def draw(rng, size):
    pos = rng.choice([0, rng.randrange(size + 5000), rng.randrange(size + 5000) // 4096 * 4096])
    length = rng.choice([1, 10, 512, 4096, 5000, 8192, 16384, 30000, 65536, 131072, 200000])
    calls = [("truncate", pos), ("punch", pos, length), ("sync",), ("drop",), ("drop",)]
    return rng.choice([("read", pos, length)] * 4 + [("write", pos, length)] * 2 + calls)


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_random_calls_leave_the_same_pages(place, seed):
    rng = random.Random(seed)
    size = rng.choice([0, 10, 4096, 5000, 16384, 40000, 100000, 262144, 1048576])
    both = Both(*place, size)
    done = [("size", size)]
    for _ in range(rng.randint(3, 14)):
        call = draw(rng, size)
        done.append(call)
        getattr(both, call[0])(*call[1:])
        both.compare(done)
    os.close(both.fd)


@pytest.mark.parametrize("offset", [0, 100, 40960])
@pytest.mark.parametrize("length", [512, 4096, 12288, 20000, 65536, 131072])
def test_sequential_reads_leave_the_same_windows(place, length, offset):
    both = Both(*place, 1 << 20)
    for n in range(min(40, 900000 // length)):
        both.read(offset + n * length, length)
        both.compare([(n, length, offset)])
    os.close(both.fd)
