"""Whole commands on the real machine: what is in the file afterwards, in whatever process they ran."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vmtool.cli import table

pytestmark = pytest.mark.parametrize("on", ["real_state"], indirect=True)

ROOT = Path(__file__).parents[2]
VMTOOL = [sys.executable, "-m", "vmtool"]


def ok(ran):
    assert (ran.status, ran.err) == (0, "")
    return ran.out


def test_a_process_lives_across_commands(vmtool):
    assert ok(vmtool("spawn render")) == "1\n"
    heap = int(ok(vmtool("brk 1")), 16)
    assert int(ok(vmtool("brk 1 --by 16K")), 16) == heap + 0x4000
    assert ok(vmtool("touch 1 heap 8K")) == "minor=2 major=0\n"
    ok(vmtool("store 1 heap hello"))
    assert ok(vmtool("load 1 heap 5 --raw")) == "hello"
    assert ok(vmtool("fsck")) == ""


def test_a_script_gives_what_its_lines_give_one_by_one(vmtool, script):
    lines = ["spawn render", "brk 1 --by 64K", "touch 1 heap 16K", "mmap 1 64K --prot rw", "mincore 1 heap 32K", "fork 1",
             "touch 2 heap 8K", "smaps 1", "smaps 2", "status 2", "pagemap 2 heap 16K --raw", "ps", "meminfo", "frames --summary"]
    singly = [ok(vmtool(line)) for line in lines]
    vmtool("init --force")
    assert ok(script("\n".join(lines))) == "".join(singly)


@pytest.mark.parametrize("line", ["init --ram 1", "init --ram 1 --force", "init --force --tlb nonsense"])
def test_a_machine_that_does_not_boot_replaces_nothing(vmtool, script, real_state, line):
    assert vmtool(line).status == 1
    assert not real_state.exists()
    vmtool("spawn render")
    before = real_state.read_bytes()
    assert vmtool(line).status == 1
    assert script(line).status == 1
    assert real_state.read_bytes() == before
    assert "render" in script(f"-{line}\nps").out  # a line that may fail: the next one finds the machine that was there


@pytest.mark.parametrize("line, status, err", [
    ("munmap 1 1000 0xffffffffffffffff", 1, "vmtool: munmap: EINVAL (Invalid argument)\n"),
    ("touch 1 10 --probe", 139, "vmtool: touch: SIGSEGV at 0x10 (SEGV_MAPERR)\n"),
    ("mmap 1 4K --file nowhere", 1, "vmtool: mmap: ENOENT (No such file or directory): /nowhere\n"),
    ("brk 1 --by -0x8000000000000000", 1, None),
    ("cat /proc/\N{SUPERSCRIPT TWO}/maps", 1, "vmtool: cat: ENOENT (No such file or directory): /proc/\N{SUPERSCRIPT TWO}/maps\n"),
    ("pagemap 1 0 1T", 1, "vmtool: pagemap: ENOMEM (Cannot allocate memory): 268435456 pages are more than an answer can hold\n"),
    ("mmap 1 0xffffffffffffffff", 1, "vmtool: mmap: ENOMEM (Cannot allocate memory)\n"),
])
def test_a_call_fails_as_the_kernels(vmtool, line, status, err):
    vmtool("spawn render")
    vmtool("mkfile f 4K")
    ran = vmtool(line)
    assert (ran.status, ran.out) == (status, "")
    assert err is None or ran.err == err


PREPARED = ("spawn render\nfork 1\nbrk 1 --by 64K\ntouch 1 heap 16K\nmkfile scene.dat 16K\n"
            "mmap 1 64K\nmmap 1 16K --shared --file scene.dat\nswapon 16M\ncgroup create batch --max 64M\n")
A_CHUNK = "spawn render\nmalloc 1 100\n"  # at heap+0x2a0: no brk came before it
NEED_MORE = ("run", "completion", "record", "replay", "import", "mount")  # a file or folder of the host, a program, a shell
EXAMPLES = [line.strip().removeprefix("vmtool ") for name in table.names() if name not in NEED_MORE
            for line in table.find(name).example.replace(";", "\n").split("\n")]
BEFORE = {"explain": ("explain on",), "undo": ("sync",), "redo": ("sync", "undo"), "pkey-free 1 1": ("pkey-alloc 1",)}


@pytest.mark.parametrize("line", EXAMPLES)
def test_the_example_of_help_works_as_printed(vmtool, script, real_state, line):
    if line.startswith("diff"):  # of steps: each command is one
        for step in PREPARED.splitlines():
            ok(vmtool(step))
    else:
        ok(script(("init --pku\n" if line.startswith(("pkey", "pkru")) else "") + (A_CHUNK if "heap+0x2a0" in line else PREPARED)))
    if line.startswith("report"):
        real_state.with_name("story.vmt").write_text("p = spawn\ntouch $p stack\n")
    if line.startswith("heaptrace"):
        real_state.with_name("trace.txt").write_text("m 1 100\nf 1\n")
    if line.startswith("init"):
        real_state.unlink()
    for needed in BEFORE.get(line, ()):
        ok(vmtool(needed))
    if line.startswith("mkfile"):
        ok(vmtool("rmfile scene.dat"))
    ran = vmtool(line)
    assert (ran.status, ran.err) == (line.startswith("diff"), "")  # a difference is exit status 1
    assert ok(vmtool("fsck")) == ""


def test_a_machine_that_cannot_be_is_refused_in_one_line(vmtool, real_state):
    """Its checksums are right: someone wrote it with care."""
    from vmtool.store.session import open_machine
    ok(vmtool("spawn render"))
    with open_machine(str(real_state), write=True) as session:
        session.machine.poke("machine", 0, "zone.unseen_end[1]", 1 << 40)
        session.commit()
    before = real_state.read_bytes()
    for line in ("ps", "touch 1 heap", "fsck", "spawn"):
        assert vmtool(line) == (1, "", f"vmtool: {line.split()[0]}: machine.vmt: is damaged (its zones of memory cannot be)\n")
    assert real_state.read_bytes() == before


def test_numbers_at_every_edge_end_in_an_answer(vmtool):
    """Each numeric parameter of each call with the numbers where types end: no crash, no status 70."""
    edges = ["0", "1", "0xfff", "0x1000", "0x7fffffff", "0x80000000", "0xffffffff", "0x100000000", "0x7fffffffefff", "0x7ffffffff000",
             "0x800000000000", "0xffff800000000000", "0x7fffffffffffffff", "0x8000000000000000", "0xfffffffffffff000", "0xffffffffffffffff"]
    shapes = ["brk 1 {a}", "brk 1 --by {b}", "mmap 1 {b}", "mmap 1 4K --addr {a}", "mmap 1 {b} --addr {a} --fixed", "munmap 1 {a} {b}",
              "mprotect 1 {a} {b} r", "mremap 1 {a} 4K {b}", "mremap 1 heap {b} 8K --maymove --fixed {a}", "madvise 1 {a} {b} dontneed",
              "madvise 1 {a} {b} populate_write", "mlock 1 {a} {b}", "munlock 1 {a} {b}", "msync 1 {a} {b}", "mincore 1 {a} {b}",
              "translate 1 {a}", "pagewalk 1 {a}", "setrlimit 1 as {b}", "setrlimit 1 as unlimited",
              "mmap 1 4K --file f --offset {b}", "fallocate f {b} {a} --punch-hole", "truncate g {b}", "rmfile g", "mkfile g {b}",
              "frames {b}", "frames {a}-{b}", "touch 1 {a} --probe", "store 1 {a} x --probe", "load 1 {a} 8 --probe", "read 1 f {b} 1"]
    lines = ["p = spawn demo", "brk 1 --by 64K", "mkfile f 64K", "mkfile g 4K"]
    lines += [shape.format(a=a.removeprefix("0x"), b=b) for shape in shapes for i, a in enumerate(edges) for b in (edges[i], edges[-1 - i])]
    with open("edges.vmt", "w") as script:
        script.write("\n".join(lines))
    ran = vmtool("run --jsonl --keep-going edges.vmt")
    assert ran.status in (1, 2), ran.err[-500:]
    done = [json.loads(line) for line in ran.out.splitlines()]
    assert len(done) == len(lines)
    assert {answer["exit"] for answer in done} <= {0, 1, 2, 135, 139}
    assert ok(vmtool("fsck")) == ""


def test_views_are_the_same_after_reopening(vmtool):
    views = ["ps", "cat-maps 1", "smaps 1", "status 1", "stat 1", "meminfo", "vmstat", "buddyinfo", "zoneinfo", "slabinfo",
             "pagewalk 1 heap", "pagemap 1", "frames", "tlb", "tlb --stats", "fincore f"]
    with open("scene.vmt", "w") as script:
        script.write("spawn\nbrk 1 --by 64K\ntouch 1 heap 32K\nmkfile f 64K\nread 1 f 0 8K\nfork 1\nstore 2 heap x\nswitch 1\n"
                     + "".join(f"{view} --json\n" for view in views))
    ran = vmtool("run --jsonl scene.vmt")
    inside = [json.loads(line)["out"] for line in ran.out.splitlines()][-len(views):]
    assert [ok(vmtool(view + " --json")).removesuffix("\n") for view in views] == inside


def test_a_hot_command_imports_nothing_heavy_with_store_and_kernel(vmtool, real_state):
    vmtool("spawn")
    vmtool("brk 1 --by 4K")
    code = ("import sys; sys.argv = ['vmtool', 'touch', '1', 'heap', '-w']\nfrom vmtool.__main__ import main\nassert main() == 0\n"
            "print(*sys.modules)\nprint(*{module.__file__ for module in sys.modules.values() if getattr(module, '__file__', None)})")
    path = os.pathsep.join([str(part) for part in sys.path if part])
    ran = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert ran.stderr == ""
    counts, modules, files = ran.stdout.splitlines()
    assert counts.startswith("minor=")
    assert not {"click", "re", "json", "argparse", "typing", "dataclasses", "enum", "tabulate", "sqlite3", "datetime", "inspect", "signal",
                "importlib.machinery", "collections", "functools", "operator", "struct", "threading"}.intersection(modules.split())
    assert len([file for file in files.split() if file.endswith(".so")]) <= 12


def test_commands_at_once_on_one_file(vmtool, real_state):
    vmtool("spawn")
    running = [subprocess.Popen([*VMTOOL, "-s", str(real_state), "mmap", "1", "4K"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
               for _ in range(6)]
    addresses = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 6
    assert len(set(addresses)) == 6
    assert ok(vmtool("fsck")) == ""
