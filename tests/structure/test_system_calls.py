"""Where a system call stands: eight places, and a sentence for each one that is missing.

A new one is a function of the kernel, a method of the door, its signature, a command, its handler, a handler of strace's line, a row of
what is covered, and its judge. That it is there any of them says, the kernel's function first: no list has the names.
What else shows a call is derived from these: the help, the manual pages, README's list and a transcript (`make transcripts-update`).
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {  # family of the commands: the door's room, its stub, and who replays a log's line
    "syscalls": ("_calls", "calls", "calls"),
    "process": ("_processes", "processes", "processes"),
    "files": ("_files", "files", "files"),
    "pressure": ("_reclaim", "pressure", None),
}


class Call(NamedTuple):
    """`name` is that of the door's method; '' for the others: the same. None: there is none.

    `judge`: a file and a word of it, where neither tests/differential nor a judge in C asks the live kernel.
    """

    name: str
    family: str = "syscalls"
    kernel: str = ""
    command: str | None = ""
    logged: str | None = ""
    covered: str = ""
    judge: str = ""


NO_LINE = None  # what a signal ends says so itself; a log's machine has its own disk and swap
CALLS = {call.name: call for call in (
    Call("pkey_mprotect", kernel="sys_mprotect"),  # do_mprotect_pkey() is both
    # an option of prctl() is no command, no line
    Call("set_vma_name", kernel="set_anon_vma_name", command=None, logged=NO_LINE, covered="PR_SET_VMA_ANON_NAME",
         judge="fixtures/proc/6.18-x86_64/many_areas.py PR_SET_VMA"),
    Call("fork", "process", "do_fork"),
    Call("clone", "process", "clone_thread", judge="tests/outside/test_threads_live.py pthread_create"),
    Call("exec", "process", "do_execve", logged="execve"),
    Call("exit", "process", "do_exit"),
    Call("kill", "process", logged=NO_LINE, judge="tests/mm/test_sys_kill.py kill"),
    Call("setrlimit", "process", "do_prlimit"),
    Call("read", "files", "filemap_read"),
    Call("write", "files", "filemap_write"),
    Call("truncate", "files", "do_truncate"),
    Call("punch_hole", "files", "punch_hole", "fallocate", "fallocate", "fallocate"),
    Call("rename", "files", "path_rename", judge="tests/mm/test_writeback.py rename"),
    Call("rmfile", "files", "path_unlink", logged="unlink", covered="unlink"),
    Call("sync", "files", "sync_all", logged=NO_LINE),
    Call("swapon", "pressure", logged=NO_LINE),
    Call("swapoff", "pressure", logged=NO_LINE),
)}
INSTRUCTIONS = {"pkru"}  # RDPKRU and WRPKRU
NAMED_BY = (
    ("vmtool/mm/sys_*.pxd", r"(?m)^cdef [\w ]+ sys_(\w+)\("),
    ("vmtool/_calls.pyx", r"(?m)^def (\w+)\(State self"),
    ("vmtool/_door/calls.pyi", r"(?m)^    def (\w+)\(self"),
    ("vmtool/cli/tables/syscalls.py", r'"syscalls:(\w+)"'),
    ("vmtool/cli/syscalls.py", r"(?m)^def ([a-z]\w*)\("),
)


KERNEL, JUDGE, DRAWN = "vmtool/mm/*.pxd", "tests/differential/kernel.py", "tests/differential/*.py"


@cache
def text_of(pattern):
    return "\n".join(path.read_text() for path in sorted(ROOT.glob(pattern)))


def has(pattern, regex):
    return re.search(regex, text_of(pattern), re.M) is not None


def names():
    """Of all calls: what any of the places above has."""
    return sorted({name for place, pattern in NAMED_BY for name in re.findall(pattern, text_of(place))} - INSTRUCTIONS | CALLS.keys())


def places(call):
    """(file, whether it has the call, what is to be told when it has not)"""
    door, stub, log = ROOMS[call.family]
    name, function = call.name, call.kernel or f"sys_{call.name}"
    command = call.name.replace("_", "-") if call.command == "" else call.command
    room = "sys_*.pxd" if function.startswith("sys_") else "*.pxd"
    yield f"vmtool/mm/{room}", has(KERNEL, rf"^[ \w]+\b{function}\b"), f"the kernel has no {function}(), a room of .pyx and .pxd"
    yield f"vmtool/{door}.pyx", has(f"vmtool/{door}.pyx", rf"^def {name}\(State self"), f"Machine has no method {name}"
    stub = f"vmtool/_door/{stub}.pyi"
    yield stub, has(stub, rf"^    def {name}\(self"), f"the signature of Machine.{name} is missing"
    if command is not None:
        table = f"vmtool/cli/tables/{call.family}.py"
        declared = re.search(rf'"{command}", "(\w+):(\w+)"', text_of(table))
        yield table, declared, f"the command {command} is not declared"
        room, handler = declared.groups() if declared else (call.family, name)
        room = f"vmtool/cli/{room}.py"
        yield room, has(room, rf"^def {handler}\("), f"the command {command} has no handler {handler}()"
    if call.logged is not None:
        logs, logged = f"vmtool/strace/{log or 'processes'}.py", call.logged or name
        yield logs, has(logs, rf'"{logged}": (do_|_io)'), f"HANDLERS has none for a log's lines with {logged}"
    covered = call.covered or name
    yield "vmtool/mm/COVERAGE.md", has("vmtool/mm/COVERAGE.md", rf"^\|[^|]*\b{covered}\b"), f"what of {covered} is supported has no row"
    if call.judge:
        judge, word = call.judge.split()
        yield judge, has(judge, rf"\b{word}\b"), f"the judge of {name} has no {word}"
        return
    line = command or name
    is_asked, in_c = has(JUDGE, rf"\bdo_{line.replace('-', '_')}\("), has("tests/mm/*_judge.c", rf"\b{name}\b")
    if is_asked:
        yield "tests/differential/calls.py", has(DRAWN, rf"\b{line}( [${{/]|\"\))"), f"no script is drawn that has {line}"
    else:
        yield JUDGE, in_c, f"nobody asks the live kernel about {line}: there is no do_{name}() here, and no judge in C has it"


@pytest.mark.parametrize("name", names())
def test_a_system_call_stands_in_its_eight_places(name):
    missing = [f"{place}: {told}" for place, is_there, told in places(CALLS.get(name, Call(name))) if not is_there]
    if missing:
        pytest.fail("\n".join(missing), pytrace=False)


def test_no_call_has_more_than_eight():
    assert all(len(list(places(CALLS.get(name, Call(name))))) <= 8 for name in names())
    assert len(names()) > 30


def test_nobody_else_knows_a_system_call_by_its_name():
    """Of a call that does what its name says and nothing else: a ninth place would be one to forget."""
    known = {path for place, _, _ in places(Call("munlockall")) for path in ROOT.glob(place)}
    known |= {ROOT / "vmtool/mm/sys_mlock.pyx", ROOT / "vmtool/strace/faults.py"}  # the kernel's room; the numbers of calls by architecture
    others = [path for kind in ("*.py", "*.pyx", "*.pyi", "*.md") for path in (ROOT / "vmtool").rglob(kind)
              if re.search(r"\bmunlockall\b", path.read_text())]  # fmt: skip
    assert [str(path.relative_to(ROOT)) for path in others if path not in known] == []
