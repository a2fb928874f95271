"""The files of the simulated /proc agree with each other, by rules that the live one keeps, too."""

import os
import re
import subprocess
import sys
import time

import pytest
from tools.procps_lines import machine_of

from procfs.coherence import LRU_BATCH_PAGES, check_frames, check_process, check_shares, check_system, check_threads, maps
from vmtool.procfs.tree import Tree

core = pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)


@pytest.fixture(scope="module")
def tree():
    machine = machine_of(core)
    shm = machine.mmap(1, 0, 256 << 10, 3, 0x21)
    machine.touch(1, shm, 64 << 10, "w")
    machine.fork(1)
    machine.mmap(1, 0, 8 << 20, 3, 0x22)
    pages = machine.mmap(1, 0, 64 << 10, 3, 0x22)
    machine.touch(1, pages, 32 << 10, "r")  # the zero page
    machine.madvise(1, shm, 8 << 10, 4)
    return Tree(machine)


def pids(tree):
    return [int(name) for name, kind in tree.list() if name.isdigit() and kind == "d"]


def test_each_process(tree):
    for pid in pids(tree):
        assert check_process(tree.read, pid) == []


def test_the_machine(tree):
    assert check_system(tree.read) == []


def test_shares_add_up(tree):
    assert check_shares(tree.read, pids(tree), outside_pages=2) == []  # [vdso] is mapped by two outside


def test_pages_and_their_frames(tree):
    def piece(path, offset, size):
        node = tree.look(path)
        return node.entry.pread(tree, offset, size, *node.pid)

    for pid in pids(tree):
        said = check_frames(tree.read, piece, pid)
        assert [line for line in said if "[vdso]" not in line] == []


def test_numa_maps_count_the_pages_of_maps(tree):
    for pid in pids(tree):
        lines = tree.read(f"{pid}/numa_maps").decode("utf-8", "surrogateescape").splitlines()
        assert [int(line.split()[0], 16) for line in lines] == [start for start, _, _, name in maps(tree.read(f"{pid}/maps").decode())
                                                              if name != "[vsyscall]"]  # fmt: skip
        anon = sum(int(n) for n in re.findall(r" anon=(\d+)", "\n".join(lines)))
        assert anon * 4 == tree.machine.mm(pid).rss_anon * 4


def test_clear_refs_forgets_what_was_used(tree):
    def referenced():
        return sum(int(n) for n in re.findall(r"Referenced: +(\d+)", tree.read("1/smaps").decode()))

    before = referenced()
    assert before > 100
    tree.write("1/clear_refs", b"3\n")
    files_gone = referenced()
    assert 0 < files_gone < before
    tree.write("1/clear_refs", b"1")
    assert referenced() == 0
    heap = next(vma.start for vma in tree.machine.maps(1) if vma.name == "[heap]")
    tree.machine.touch(1, heap, 4096, "r")
    tree.write("1/clear_refs", b"5")
    status = tree.read("1/status").decode()
    assert re.search(r"VmHWM:\t *(\d+)", status)[1] == re.search(r"VmRSS:\t *(\d+)", status)[1]
    assert check_process(tree.read, 1) == [] and tree.machine.fsck() == []
    from vmtool.errors import KernelError
    for data in (b"0", b"6", b"x", b"", b"-1"):
        with pytest.raises(KernelError, match="EINVAL"):
            tree.write("1/clear_refs", data)


def test_oom_score_by_the_kernels_formula(tree):
    total = sum(zone.managed for zone in tree.machine.zones())
    for pid in pids(tree):
        mm = tree.machine.mm(pid)
        points = mm.rss_anon + mm.rss_file + mm.rss_shmem + mm.swapents + mm.pgtables_bytes // 4096
        assert int(tree.read(f"{pid}/oom_score")) == (1000 + points * 1000 // total) * 2 // 3
    tree.machine.set_oom_score_adj(2, -1000)
    assert tree.read("2/oom_score") == b"0\n"


def live(path):
    with open(f"/proc/{path}", "rb", buffering=0) as file:
        return b"".join(iter(lambda: file.read(1 << 16), b""))


def live_piece(path, offset, size):
    fd = os.open(f"/proc/{path}", os.O_RDONLY)
    try:
        return os.pread(fd, size, offset)
    finally:
        os.close(fd)


@pytest.fixture
def sleeper():
    child = subprocess.Popen(["sleep", "100"])
    yield child.pid
    child.kill()
    child.wait()


def settled(check):
    """What a check complains of once the host's process rests, and no daemon of the host's (DAMON) has touched a page between two reads."""
    deadline = time.monotonic() + 20
    while True:
        try:
            complaints = check()
        except (FileNotFoundError, ProcessLookupError) as gone:  # a thread that ends
            complaints = [str(gone)]
        if not complaints or time.monotonic() > deadline:
            return complaints
        time.sleep(0.02)


def test_the_rules_hold_for_a_live_process(sleeper):
    if not os.path.exists("/proc/self/smaps_rollup"):
        pytest.skip("there is no Linux here to ask")
    assert settled(lambda: ["it is not executed yet"] if b"sleep" not in live(f"{sleeper}/comm") else check_process(live, sleeper)) == []
    if os.geteuid() == 0:
        assert settled(lambda: [line for line in check_frames(live, live_piece, sleeper)
                                if "exclusive" not in line and "present" not in line]) == []


def test_the_rules_hold_for_a_live_machine():
    try:
        live("slabinfo")
    except OSError:
        pytest.skip("slabinfo is root's")
    assert settled(lambda: check_system(live, LRU_BATCH_PAGES)) == []


def test_threads_are_the_processs():
    machine = machine_of(core)
    tree = Tree(machine)
    for pid in pids(tree):
        for _ in range(3):
            tid = machine.clone(pid)
            machine.touch(tid, machine.maps(pid)[0].start, 4096, "r")
        machine.exit(tid)
        tids = [int(name) for name, _ in tree.list(f"{pid}/task")]
        assert len(tids) >= 3 and check_threads(tree.read, pid, tids) == []
        assert check_process(tree.read, pid) == []
    assert not machine.fsck()


def test_the_rules_hold_for_a_live_processs_threads():
    if not os.path.exists("/proc/self/smaps"):
        pytest.skip("there is no Linux here to ask")
    program = ("import threading, time\n"
               "threading.Thread(target=int).start()\n"
               "[threading.Thread(target=time.sleep, args=(100,), daemon=True).start() for _ in range(3)]\n"
               "print('ready', flush=True)\n"
               "time.sleep(100)")
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout.readline() == b"ready\n"
            def check():
                tids = [int(name) for name in os.listdir(f"/proc/{child.pid}/task")]
                return check_threads(live, child.pid, tids) if len(tids) == 4 else [f"{len(tids)} threads"]
            assert settled(check) == []
        finally:
            child.kill()
