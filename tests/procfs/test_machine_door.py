"""vmtool.Machine, the door for Python programs."""

import ast
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import vmtool
from vmtool.errors import KernelError, StateError

pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
NOT_FOR_PROGRAMS = set("header dirty dropped chunk clean check verify_clean savepoint rollback fail_nth pools peek poke fields".split())
UNDECLARED = {"mark_machine", "saved_chunk"}  # for the rooms below the door
PROGRAM = """
import vmtool
from vmtool.records import MmInfo, TaskInfo

def rss(machine: vmtool.Machine, pid: int) -> int:
    mm: MmInfo = machine.mm(pid)
    task: TaskInfo = machine.task(pid)
    return mm.rss_anon + mm.rss_file + len(machine.procfs["meminfo"]) + task.pid

with vmtool.Machine.open("m.vmt") as machine:
    print(rss(machine, 1), machine.malloc(1, 100), machine.swapon(1 << 20))
"""


@pytest.fixture
def state(tmp_path):
    path = str(tmp_path / "m.vmt")
    subprocess.run([sys.executable, "-m", "vmtool", "-s", path, "spawn", "render"], check=True, capture_output=True)
    return path


def test_in_memory():
    machine = vmtool.Machine()
    machine.boot(ram_bytes=256 << 20)
    pid = machine.spawn("render", None, [b"render"], [])
    heap = machine.brk(pid)
    machine.brk(pid, heap + 65536)
    assert machine.touch(pid, heap, 65536, "w").minor == 16
    assert machine.procfs["meminfo"].startswith("MemTotal:") and f"{heap:08x}-" in machine.procfs[f"{pid}/maps"]
    with pytest.raises(KeyError, match="ENOENT"):
        machine.procfs["nothing"]
    with pytest.raises(ValueError, match="no state file"):
        machine.commit()


def test_a_state_file(state):
    with vmtool.Machine.open(state) as machine:
        assert machine.procfs["1/comm"] == "render\n"
        machine.fork(1)  # of a copy that nobody keeps
    with vmtool.Machine.open(state, write=True) as machine:
        assert machine.fork(1) == 2
        machine.procfs.write("2/comm", b"child")
        machine.commit()
    with vmtool.Machine.open(state) as machine:
        assert machine.procfs["2/comm"] == "child\n"
        assert [name for name in machine.procfs if name.isdigit()] == ["1", "2"] and "meminfo" in machine.procfs.list()
        assert len(machine.procfs) == len(list(machine.procfs)) and machine.procfs.read("1/comm") == b"render\n"
        with pytest.raises(KernelError, match="EISDIR"):
            machine.procfs.read("1")


def test_without_a_commit_nothing_is_kept(state):
    with vmtool.Machine.open(state, write=True) as machine:
        machine.exit(1)
    with vmtool.Machine.open(state) as machine:
        assert [task.pid for task in machine.tasks()] == [1]
    with pytest.raises(StateError, match="no such state file"):
        vmtool.Machine.open(state + ".no")


def test_help_tells_how_to_begin():
    text = pydoc.plain(pydoc.render_doc(vmtool.Machine))
    for words in ("The machine of a state file", "class Machine", "procfs", "Save what was changed", "-- System calls --",
                  "A thread, as clone() with CLONE_VM"):
        assert words in text
    declared = [name for name in dir(vmtool._core.Machine) if not name.startswith("_")]
    missing = [name for name in declared if f"| {name}(" not in text.replace("|  ", "| ")]
    assert set(missing) <= NOT_FOR_PROGRAMS, missing
    assert "vmtool.Machine.open" in pydoc.plain(pydoc.render_doc("vmtool.machine"))


def test_every_method_is_declared_in_the_class():
    """One behind a function of the module would be that function's own: no type checker sees it."""
    classes = {}
    for path in (Path(vmtool.__file__).parent / "_core.pyi", *(Path(vmtool.__file__).parent / "_door").glob("*.pyi")):
        classes.update({node.name: node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ClassDef)})
    machine = classes["Machine"]
    assert {base.id for base in machine.bases} == classes.keys() - {"Machine"}
    names = [node.name for one in classes.values() for node in one.body if isinstance(node, ast.FunctionDef)]
    declared = set(names)
    assert len(names) == len(declared)
    there = {name for name in dir(vmtool._core.Machine()) if not name.startswith("_")}
    assert there - declared == UNDECLARED and not {name for name in declared if not name.startswith("_")} - there


def test_types(tmp_path):
    if subprocess.run([sys.executable, "-m", "mypy", "--version"], capture_output=True).returncode:
        pytest.skip("mypy is not installed here")
    (tmp_path / "program.py").write_text(PROGRAM)
    ran = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(tmp_path / "program.py")],
                         capture_output=True, text=True)  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    # of another length: mypy's cache goes by size and second
    (tmp_path / "program.py").write_text(PROGRAM.replace("machine.mm(pid)", "machine.mm('one')"))
    assert subprocess.run([sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(tmp_path / "program.py")],
                          capture_output=True).returncode == 1  # fmt: skip
