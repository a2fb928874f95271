"""A file whose disk fails to read, against a 6.18 kernel.

Recorded on 6.18.44 with ext4 on a loop device (direct I/O) whose image was cut short below the file, and made whole again: each line is
a call, what it returned, the pages that the task had read (read_bytes of /proc/PID/io), its major and minor faults, and what the cache then
held (cachestat(2); the second figure: up to date, as mincore(2) sees it). 64 pages, a read-ahead of 32.
"""

import pytest

from vmtool.errors import KernelError, Signal

PAGE, RW, MAP_SHARED, PATH = 4096, 3, 1, "/f"
EIO, SIGBUS, WILLNEED = 5, 7, 3
FOREVER = 1 << 30

READS = """
fail
read 0 1       EIO    5 0 0   4 0
read 0 1       EIO    1 0 0   4 0
read 1 1       EIO    5 0 0   8 0
read 10 4      EIO    2 0 0   9 0
heal
read 0 1       1      1 0 0   9 1
read 1 1       1      1 0 0   9 2
read 2 2       2      2 0 0   9 4
read 10 16     16     16 0 0  24 20
"""
FAULTS = """
fail
touch 10       SIGBUS 34 0 0  32 0
touch 10       SIGBUS 3 0 0   32 0
heal
touch 10       ok     1 0 1   32 1
touch 11       ok     1 0 1   32 2
touch 40       ok     1 1 0   33 3
"""
WILLNEED_ = """
fail
willneed 0 32  ok     32 0 0  32 0
heal
read 0 32      32     32 0 0  32 32
"""
WRITES = """
fail
store 5        SIGBUS 34 0 0  32 0
store 5        SIGBUS 3 0 0   32 0
heal
store 5        ok     1 0 1   32 1
fail
part 8         EIO    1 0 0   32 1
write 9        4096   0 0 0   32 2
heal
part 8         100    1 0 0   32 3
"""


class Judged:
    def __init__(self, machine):
        self.m = machine
        machine.mkfile(PATH, 64 * PAGE, bytes(range(1, 65)) * PAGE)
        machine.sync()
        machine.drop_caches(1)
        self.pid = 1
        self.at = machine.mmap(1, 0, 64 * PAGE, RW, MAP_SHARED, path=PATH)

    def call(self, verb, page, nr):
        m = self.m
        if verb == "read":
            return str(len(m.read(self.pid, PATH, page * PAGE, nr * PAGE)) // PAGE)
        if verb in ("write", "part"):
            return str(m.write(self.pid, PATH, page * PAGE + 10 * (verb == "part"), b"w" * (PAGE if verb == "write" else 100)))
        if verb == "willneed":
            m.madvise(self.pid, self.at, nr * PAGE, WILLNEED)
        else:
            m.touch(self.pid, self.at + page * PAGE, 1, "w" if verb == "store" else "r", probe=True)
        return "ok"

    def line(self, verb, page, nr):
        read, task = self.m.vmstat()["pgpgin"], self.m.task(self.pid)
        try:
            result = self.call(verb, page, nr)
        except KernelError as e:
            result = "EIO" if e.errno == EIO else str(e)
        except Signal as e:
            result = "SIGBUS" if e.signo == SIGBUS else str(e)
        after = self.m.task(self.pid)
        resident = sum(self.m.mincore(self.pid, self.at, 64 * PAGE))
        return [result, *map(str, [(self.m.vmstat()["pgpgin"] - read) // 4, after.maj_flt - task.maj_flt, after.min_flt - task.min_flt,
                                   len(self.m.fincore(PATH)), resident])]

    def play(self, text):
        for line in text.split("\n"):
            words = line.split()
            if words in (["fail"], ["heal"]):
                self.m.fail_io(PATH, times=FOREVER if words == ["fail"] else 0)
            elif words:
                at = 3 if words[0] in ("read", "willneed") else 2
                assert self.line(words[0], int(words[1]), int(words[2]) if at == 3 else 1) == words[at:], line
            assert self.m.fsck() == []


@pytest.mark.parametrize("text", [READS, FAULTS, WILLNEED_, WRITES], ids=["reads", "faults", "willneed", "writes"])
def test_a_failed_read_leaves_its_folios_and_shrinks_the_read_ahead(one_process, text):
    Judged(one_process).play(text)


def test_a_fault_that_fails_less_often_than_it_tries_succeeds(one_process):
    """Missing: the window fails, then the page once. There, but not up to date: a fault that was tried is a major one of the task,
    but no PGMAJFAULT."""
    j = Judged(one_process)
    one_process.fail_io(PATH, times=2)
    assert j.line("touch", 10, 1)[:4] == ["ok", "34", "1", "0"]
    events = one_process.vmstat()["pgmajfault"]
    for page, times, want in ((23, 0, "ok 1 0 1"), (22, 1, "ok 2 1 0"), (21, 2, "ok 3 1 0"), (20, 3, "SIGBUS 3 0 0")):
        one_process.fail_io(PATH, times=times)
        assert j.line("touch", page, 1)[:4] == want.split()
    assert one_process.vmstat()["pgmajfault"] == events


def test_bytes_of_a_page_that_was_written_into_after_a_failed_read(one_process):
    """A part of it: the block is read first. All of it, or a part of a large folio that failed: the rest is the disk's."""
    Judged(one_process)
    want = bytearray(one_process.read(1, PATH, 0, 64 * PAGE))
    one_process.drop_caches(1)
    one_process.read(1, PATH, 0, 16 * PAGE)
    one_process.fail_io(PATH, times=FOREVER)
    with pytest.raises(KernelError):
        one_process.read(1, PATH, 60 * PAGE, 4 * PAGE)
    one_process.read(1, PATH, 16 * PAGE, 16 * PAGE)  # its mark starts the next window, whose large folios fail
    for page in (33, 41, 60):
        assert one_process.write(1, PATH, page * PAGE, b"n" * PAGE) == PAGE
        want[page * PAGE:(page + 1) * PAGE] = b"n" * PAGE
    with pytest.raises(KernelError):
        one_process.write(1, PATH, 50 * PAGE + 7, b"n")
    one_process.fail_io(PATH, times=0)
    assert one_process.write(1, PATH, 50 * PAGE + 7, b"m") == 1
    want[50 * PAGE + 7] = ord("m")
    one_process.truncate(PATH, 45 * PAGE + 9)
    assert one_process.read(1, PATH, 0, 64 * PAGE) == bytes(want[:45 * PAGE + 9])
    one_process.sync()
    one_process.drop_caches(1)
    assert one_process.read(1, PATH, 0, 64 * PAGE) == bytes(want[:45 * PAGE + 9])


def test_a_hole_is_up_to_date_though_the_request_around_it_failed(one_process):
    m = one_process
    m.mkfile("/g", 16 * PAGE, b"g" * 16 * PAGE)
    m.sync()
    m.punch_hole("/g", 5 * PAGE, PAGE)
    m.drop_caches(1)
    at = m.mmap(1, 0, 16 * PAGE, RW, MAP_SHARED, path="/g")
    m.fail_io("/g", times=FOREVER)
    m.madvise(1, at, 16 * PAGE, WILLNEED)
    assert len(m.fincore("/g")) == 16
    assert m.mincore(1, at, 16 * PAGE) == bytes(5) + b"\1" + bytes(10)
