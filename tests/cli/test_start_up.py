"""What a hot command imports: the difference between a command and a program that starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"click", "re", "json", "argparse", "typing", "dataclasses", "enum", "collections", "functools", "inspect", "tempfile",
         "subprocess", "datetime", "sqlite3", "shlex", "signal", "tabulate", "elftools"}

HOT = ["touch 1 heap -w", "mmap 1 64K", "brk 1 --by 4K", "store 1 heap x", "fork 1", "cat-maps 1", "-s other.vmt --wait 1 munmap 1 heap 4K"]

# The modules of a bare start-up (site, a .pth file) are no business of ours.
CODE = """
import sys
before = set(sys.modules)
from vmtool import records
from vmtool.__main__ import main
from vmtool.cli import front, execute
command, values, settings = front.read_plain(sys.argv[1:])
command.function()
after = set(sys.modules) - before
import json
print(json.dumps(sorted(after)))
"""


@pytest.mark.parametrize("line", HOT)
def test_the_plain_road_imports_nothing_heavy(line):
    ran = subprocess.run([sys.executable, "-I", "-c", "import sys; sys.path.insert(0, '.')\n" + CODE, *line.split()],
                         capture_output=True, text=True, check=True, cwd=ROOT)
    modules = json.loads(ran.stdout)
    assert not HEAVY.intersection(modules)
    ours = [name for name in modules if name.startswith("vmtool")]
    assert len(ours) <= 20, ours


@pytest.mark.parametrize("line, out", [("-s {state} spawn", "1\n"), ("--version", "vmtool 0.1.0\n")])
def test_what_was_written_is_there_when_the_process_ends_at_once(tmp_path, line, out):
    ran = subprocess.run([sys.executable, "-m", "vmtool", *line.format(state=tmp_path / "machine.vmt").split()], capture_output=True,
                         text=True, cwd=ROOT)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, out, "")


def test_threads_and_what_is_to_be_done_at_exit_are_waited_for():
    code = "import atexit; atexit.register(print, 'done'); from vmtool.__main__ import leave; leave(3)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (ran.returncode, ran.stdout) == (3, "done\n")
