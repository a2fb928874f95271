"""Threads: tasks of one process in /proc/PID/task, in stat, status and maps, and what becomes of them."""

import re

import pytest

from vmtool.errors import KernelError
from vmtool.procfs.tree import Tree
from vmtool.testing import VmProc, vmproc  # noqa: F401 - the fixture

core = pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)


@pytest.fixture
def tree():
    return tree_of("6.18")


def tree_of(kernel, nr_threads=2):
    machine = core.Machine()
    machine.boot(ram_bytes=256 << 20, kernel=kernel)
    pid = machine.spawn("server", None, [b"server"], [])
    machine.fork(pid)
    for _ in range(nr_threads):
        machine.clone(pid)
    return Tree(machine)


def stat(tree, path):
    """By the numbers of proc_pid_stat(5), from the fourth on."""
    return dict(enumerate(tree.read(path).decode().rpartition(") ")[2].split()[1:], 4))


def status(tree, path):
    return dict(line.split(":\t", 1) for line in tree.read(path).decode().splitlines())


def test_the_directory_of_tasks(tree):
    assert tree.list("1/task") == [("1", "d"), ("3", "d"), ("4", "d")]
    assert tree.list("2/task") == [("2", "d")]
    assert [name for name, _ in tree.list("/") if name.isdigit()] == ["1", "2"]
    assert status(tree, "/3/status")["Tgid"] == "1"  # unlisted, but there, as in Linux
    assert {"children", "stat", "maps"} <= {name for name, _ in tree.list("1/task/3")}
    assert not {"task", "map_files"} & {name for name, _ in tree.list("1/task/3")}
    assert (tree.read("1/task/1/children"), tree.read("1/task/3/children")) == (b"2 ", b"")
    with pytest.raises(KernelError, match="ENOENT"):
        tree.read("2/task/3/stat")


def test_what_is_the_threads_own(tree):
    machine = tree.machine
    machine.set_comm(3, "worker")
    at = machine.mmap(3, 0, 64 << 10, 3, 0x22)
    machine.touch(3, at, 64 << 10, "w")
    own, thread, process = (stat(tree, path) for path in ("1/task/1/stat", "1/task/3/stat", "1/stat"))
    assert int(process[10]) == int(own[10]) + int(thread[10]) and thread[10] == "16"
    assert [fields[20] for fields in (own, thread, process)] == ["3"] * 3
    assert [fields[38] for fields in (own, thread)] == ["17", "-1"]  # exit_signal
    assert tree.read("1/task/3/comm") == b"worker\n" and tree.read("1/comm") == b"server\n"
    words = status(tree, "1/task/3/status")
    assert (words["Tgid"], words["Pid"], words["Threads"], words["NSpid"], words["PPid"]) == ("1", "3", "3", "3", "0")
    assert tree.read("1/task/3/statm") == tree.read("1/statm")


def test_the_process_keeps_the_faults_of_a_thread_that_ends(tree):
    machine = tree.machine
    machine.touch(3, machine.mmap(3, 0, 64 << 10, 3, 0x22), 64 << 10, "w")
    before = stat(tree, "1/stat")[10]
    machine.exit(3)
    assert stat(tree, "1/stat")[10] == before and status(tree, "1/status")["Threads"] == "2"
    assert machine.fsck() == []
    machine.exit(2)
    parent = stat(tree, "1/stat")
    assert int(parent[11]) == 0 and machine.fsck() == []


@pytest.mark.parametrize("end", [lambda m: m.exit(1), lambda m: m.kill(3, 9), lambda m: m.kill(4, 15)])
def test_all_end_with_the_process(tree, end):
    kernel_stacks = tree.machine.meminfo()["KernelStack"]
    end(tree.machine)
    assert [task.pid for task in tree.machine.tasks()] == [2]
    assert tree.machine.meminfo()["KernelStack"] == kernel_stacks - 3 * 16
    assert tree.machine.fsck() == []


def test_a_fatal_access_of_one_ends_all(tree):
    from vmtool.errors import Signal

    with pytest.raises(Signal):
        tree.machine.touch(4, 0, 1, "w")
    assert [task.pid for task in tree.machine.tasks()] == [2] and tree.machine.fsck() == []


def test_exec_leaves_one(tree):
    tree.machine.exec(4, "other", None, [b"other"], [])
    assert tree.list("1/task") == [("1", "d")] and tree.read("1/comm") == b"other\n"
    assert tree.machine.fsck() == []


def test_a_stop_stops_all_and_limits_are_the_processs(tree):
    tree.machine.kill(4, 19)
    assert {task.state for task in tree.machine.threads(1)} == {"T"}
    tree.machine.kill(1, 18)
    assert {task.state for task in tree.machine.threads(1)} == {"S"}
    tree.machine.setrlimit(4, 9, 1 << 30)
    assert tree.read("1/limits") == tree.read("1/task/3/limits") and b"1073741824" in tree.read("1/limits")
    tree.machine.set_oom_score_adj(3, -500)
    assert tree.read("1/oom_score_adj") == tree.read("1/task/4/oom_score_adj") == b"-500\n"


def test_fork_by_a_thread_is_the_processs_child(tree):
    child = tree.machine.fork(3)
    assert stat(tree, f"{child}/stat")[4] == "1"
    assert tree.machine.fsck() == []


def test_open_files_are_shared(tree):
    tree.machine.mkfile("/scene.dat", 8192)
    tree.machine.read(3, "/scene.dat", 0, 100)
    assert tree.readlink("1/fd/3") == tree.readlink("1/task/4/fd/3") == "/scene.dat"
    assert [name for name, _ in tree.list("1/fd")] == ["0", "1", "2", "3"]
    assert re.fullmatch(rb"pos:\t0\nflags:\t0100002\nmnt_id:\t\d+\nino:\t\d+\n", tree.read("1/fdinfo/3"))


def test_threads_max_counts_threads():
    tree = tree_of("6.18", 0)
    tree.machine.set_sysctl("kernel.threads-max", "3")
    tree.machine.clone(1)
    with pytest.raises(KernelError, match="EAGAIN"):
        tree.machine.clone(1)
    assert tree.machine.fsck() == []


def names_of_stacks(tree, path):
    return [line.rsplit(" ", 1)[1] for line in tree.read(path).decode().splitlines() if "[stack" in line]


def test_stacks_in_maps_by_release():
    """Source: is_stack(), vm_is_stack() in fs/proc/task_mmu.c of 3.10, 4.4.70 and 5.4."""
    for kernel, of_process, of_thread in (("3.10", ["[stack:3]", "[stack]"], 1), ("4.4", ["[stack]"], 1), ("5.4", ["[stack]"], None)):
        tree = tree_of(kernel, 0)
        stack = tree.machine.mmap(1, 0, 64 << 10, 3, 0x20022)
        tree.machine.mmap(1, 0, 64 << 10, 1, 0x22)  # keeps the next area from being one with it
        assert tree.machine.clone(1, stack + (64 << 10) - 128) == 3
        assert names_of_stacks(tree, "1/maps") == of_process
        assert names_of_stacks(tree, "1/task/1/maps") == ["[stack]"]
        thread = tree.read("1/task/3/maps").decode()
        named = re.findall(r"(?m)^([0-9a-f]+)-.*\[stack\]$", thread)
        assert (named == [f"{stack:x}"]) == bool(of_thread) and len(named) == 1
        heads = [line for line in tree.read("1/task/3/smaps").decode().splitlines() if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line)]
        assert heads == thread.splitlines()


def test_a_test_of_someone_elses_tool_has_threads(vmproc):  # noqa: F811
    vmproc.run("s = spawn server --threads 3\ntouch 2 stack")
    tree = vmproc.tree
    assert sorted(path.name for path in (tree / "1" / "task").iterdir()) == ["1", "2", "3"]
    assert "\nThreads:\t3\n" in (tree / "1" / "status").read_text()
    later = vmproc.step(1.0, "exit 3")
    assert sorted(path.name for path in (later / "1" / "task").iterdir()) == ["1", "2"]
    shown = vmproc.enter(["sh", "-c", "ls /proc/1/task"])
    assert (shown.returncode, shown.stdout) == (0, "1\n2\n")
