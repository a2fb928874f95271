"""import: threads come with their numbers, names and faults as far as the files tell, and as many as status counts."""

import gzip
import io
import os
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.outside.test_importer import CAT, HEAP, booted, refused, sound, taken
from vmtool._core import Machine
from vmtool.outside.export import export
from vmtool.procfs.tree import Tree
from vmtool.store.session import open_machine

MAPS = CAT + HEAP
SNAPSHOTS = Path(__file__).parents[2] / "fixtures" / "snapshots"
NR_THREADS_AT = 352  # in a task's record: task_types.pxd
FIELDS = "S 1 77 77 0 -1 4194304 {minor} 0 {major} 0 0 0 0 0 20 0 {threads} 0 100 0 0\n"


def stat_line(tid, comm, minor=0, major=0, threads=1):
    return f"{tid} ({comm}) " + FIELDS.format(minor=minor, major=major, threads=threads)


def saved(directory, threads=(), status="Pid:\t77\nThreads:\t{n}\n", **files):
    """A copy of /proc/77. `threads`: (TID, comm, minor, major)."""
    directory.mkdir(exist_ok=True)
    files = {"maps": MAPS, "comm": "worker\n", "status": status.format(n=len(threads)), **files}
    for name, text in files.items():
        if text is not None:
            (directory / name).write_text(text)
    for tid, comm, minor, major in threads:
        place = directory / "task" / str(tid)
        place.mkdir(parents=True)
        (place / "comm").write_text(comm + "\n")
        (place / "stat").write_text(stat_line(tid, comm, minor, major))
    return directory


def told(machine, pid):
    return [(task.pid, task.comm, task.min_flt, task.maj_flt) for task in machine.threads(pid)]


def printed(machine, path):
    return Tree(machine).read(path).decode()


FOUR = [(77, "worker", 10, 1), (81, "gc", 20, 0), (79, "io (1)", 30, 2), (90, "", 0, 0)]


def test_threads_have_their_numbers_names_and_faults(tmp_path):
    directory = saved(tmp_path / "77", FOUR, stat=stat_line(77, "worker", 100, 9, 4))
    machine, (pid,) = taken(directory)
    assert told(machine, pid) == [(pid, "worker", 10, 1), (79, "io (1)", 30, 2), (81, "gc", 20, 0), (90, "", 0, 0)]
    assert (machine.task(pid).min_flt, machine.task(pid).maj_flt) == (100, 9)  # those of threads that have ended among them
    assert "\nThreads:\t4\n" in printed(machine, f"{pid}/status")
    assert printed(machine, f"{pid}/task/81/comm") == "gc\n"
    assert f"\nTgid:\t{pid}\n" in printed(machine, f"{pid}/task/81/status")


def test_an_archive_brings_them_too(tmp_path):
    saved(tmp_path / "77", FOUR, stat=stat_line(77, "worker", 100, 9, 4))
    packed = tmp_path / "saved.tar"
    with tarfile.open(packed, "w") as archive:
        archive.add(tmp_path / "77", "proc/77")
    machine, (pid,) = taken(packed)
    assert told(machine, pid) == [(pid, "worker", 10, 1), (79, "io (1)", 30, 2), (81, "gc", 20, 0), (90, "", 0, 0)]


def test_without_task_their_number_stands_and_the_machine_gives_tids(tmp_path):
    machine, (pid,) = taken(saved(tmp_path / "77", status="Threads:\t3\n"))
    assert told(machine, pid) == [(pid + n, "worker", 0, 0) for n in range(3)]


@pytest.mark.parametrize("status, stat, nr", [
    ("Threads:\t2\n", None, 2),  # more are listed than there were: status was read first
    ("Threads:\t6\n", None, 6),
    (None, stat_line(77, "worker", threads=3), 3),
    (None, None, 4),
    ("Threads:\t0\n", None, 4),
])
def test_what_status_counts_is_what_status_says(tmp_path, status, stat, nr):
    directory = saved(tmp_path / "77", FOUR, stat=stat, **({} if status is None else {"status": "Pid:\t77\n" + status}))
    if status is None:
        (directory / "status").unlink()
    machine, (pid,) = taken(directory)
    assert f"\nThreads:\t{nr}\n" in printed(machine, f"{pid}/status")
    assert len(told(machine, pid)) == nr
    machine.exit(pid)
    sound(machine)
    assert not machine.tasks()


def test_a_number_that_is_taken_is_replaced(tmp_path):
    machine = booted()
    for _ in range(80):
        machine.spawn("x", None, [], [])
    _, (pid,) = taken(saved(tmp_path / "77", FOUR), machine=machine)
    assert [task[:2] for task in told(machine, pid)] == [(81, "worker"), (82, "io (1)"), (83, "gc"), (90, "")]


def test_faults_that_do_not_add_up_are_left_out_of_the_threads(tmp_path):
    directory = saved(tmp_path / "77", FOUR, stat=stat_line(77, "worker", 40, 1 << 63, 4))
    machine, (pid,) = taken(directory)
    assert (machine.task(pid).min_flt, machine.task(pid).maj_flt) == (40, 1 << 63)
    assert [task[2] for task in told(machine, pid)] == [10, 0, 0, 0]


@pytest.mark.parametrize("nr", [(1 << 20) + 1, 1 << 22])
def test_more_threads_than_any_machine_holds_are_refused(tmp_path, nr):
    assert "threads are more than" in refused(saved(tmp_path / "77", status=f"Threads:\t{nr}\n"))


def test_more_than_this_machine_lets_in_leave_it_as_it_was(tmp_path):
    says = refused(saved(tmp_path / "77", status="Threads:\t3000\n"), machine=booted(128 << 20))
    assert "kernel.threads-max" in says


def test_a_machine_made_for_very_many_holds_them(tmp_path):
    machine, (pid,) = taken(saved(tmp_path / "77", status="Threads:\t40000\n"))
    assert "\nThreads:\t40000\n" in printed(machine, f"{pid}/status")


def test_rubbish_below_task_is_no_thread(tmp_path):
    directory = saved(tmp_path / "77", FOUR[:2])
    for name in ("self", "-1", "0", "4194304", "99999999999", "\u00b2", "1e3"):
        (directory / "task" / name).mkdir()
    (directory / "task" / "95").write_text("a file")
    machine, (pid,) = taken(directory)
    assert [task[0] for task in told(machine, pid)] == [pid, 81]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_link_or_device_in_an_archives_task_is_refused(tmp_path, kind):
    packed = tmp_path / "saved.tar"
    with tarfile.open(packed, "w") as archive:
        plain = tarfile.TarInfo("77/maps")
        plain.size = len(MAPS)
        archive.addfile(plain, io.BytesIO(MAPS.encode()))
        other = tarfile.TarInfo("77/task/78/comm")
        other.type, other.linkname = kind, "/etc/passwd"
        archive.addfile(other)
    assert "is no regular file" in refused(packed)


def test_what_was_exported_comes_back(tmp_path):
    machine = booted()
    pid = machine.spawn("server", None, [], [])
    for name in ("reader", "writer"):
        machine.set_comm(machine.clone(pid), name)
    export(Tree(machine), str(tmp_path / "proc"))
    again, (ours,) = taken(tmp_path / "proc" / str(pid))
    assert [task.comm for task in again.threads(ours)] == ["server", "reader", "writer"]


@pytest.mark.skipif(sys.platform != "linux", reason="a live process has threads in /proc on Linux alone")
def test_live_threads_come_with_their_names(tmp_path):
    program = ("import threading, time\n"
               "def run(name):\n"
               "    open('/proc/thread-self/comm', 'w').write(name)\n"
               "    ready.release(); time.sleep(1000)\n"
               "ready = threading.Semaphore(0)\n"
               "for name in ('first', 'second'):\n"
               "    threading.Thread(target=run, args=(name,), daemon=True).start(); ready.acquire()\n"
               "print('ready', flush=True); time.sleep(1000)\n")
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            tids = sorted(int(name) for name in os.listdir(f"/proc/{process.pid}/task"))
            comms = [Path(f"/proc/{process.pid}/task/{tid}/comm").read_text().rstrip("\n") for tid in tids]
            machine, (pid,) = taken(str(process.pid))
        finally:
            process.kill()
    assert [(task.pid, task.comm) for task in machine.threads(pid)[1:]] == list(zip(tids, comms, strict=True))[1:]
    assert comms[1:] == ["first", "second"]


def test_a_machine_from_before_counts_what_is_there(tmp_path):
    """What import left there when threads had no records: their number alone."""
    state = tmp_path / "old.vmt"
    state.write_bytes(gzip.decompress((SNAPSHOTS / "v1-story.vmt.gz").read_bytes()))
    pool, size = next((number, size) for number, (name, size, _) in enumerate(Machine.pools()) if name == "task")

    def older(load, header):
        def loaded(which, chunk):
            data = load(which, chunk)
            if which != pool or data is None:
                return data
            data = bytearray(data)
            for at in range(0, len(data), size):
                pid, = struct.unpack_from("I", data, at)
                if pid:
                    struct.pack_into("I", data, at + NR_THREADS_AT, 7)
            return bytes(data)
        return Machine(loaded, header)

    with open_machine(str(state), False, factory=older) as session:
        assert {task.nr_threads for task in session.machine.tasks()} == {1}
        sound(session.machine)
