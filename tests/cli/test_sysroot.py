"""spawn and exec --sysroot: a program's interpreter is taken from a directory, and has the name that the program knows it by."""

import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.parametrize("on", ["real_state"], indirect=True)
INTERPRETER = "/lib/ld-there.so.1"


@pytest.fixture
def program(tmp_path):
    """A copy of a program of the host, whose interpreter exists under a directory alone."""
    source = Path("/bin/cat").read_bytes()
    at = source.find(b"/lib64/ld-linux-x86-64.so.2\0")
    if at < 0:
        pytest.skip("/bin/cat is no dynamic program of x86-64")
    name = INTERPRETER.encode().ljust(27, b"\0") + b"\0"
    made = tmp_path / "prog"
    made.write_bytes(source[:at] + name + source[at + 28 :])
    made.chmod(0o755)
    return made


def test_the_interpreter_is_found_under_the_directory(vmtool, program, tmp_path):
    root = tmp_path / "root"
    (root / "lib").mkdir(parents=True)
    shutil.copy("/lib64/ld-linux-x86-64.so.2", root / INTERPRETER[1:])
    ran = vmtool(f"spawn --exe {program} --sysroot {root}/")
    assert (ran.status, ran.err) == (0, "")
    assert INTERPRETER in vmtool("cat-maps 1").out
    assert vmtool(f"exec 1 {program} --sysroot {root}").status == 0


def test_init_remembers_it(vmtool, program, tmp_path, monkeypatch):
    root = tmp_path / "root"
    (root / "lib").mkdir(parents=True)
    shutil.copy("/lib64/ld-linux-x86-64.so.2", root / INTERPRETER[1:])
    monkeypatch.chdir(tmp_path)
    assert vmtool("init --sysroot root --force").status == 0
    monkeypatch.chdir("/")
    state = str(tmp_path / "machine.vmt")
    assert vmtool("-s", state, "spawn", "--exe", str(program)).status == 0
    assert INTERPRETER in vmtool("-s", state, "cat-maps", "1").out
    assert vmtool("-s", state, "exec", "1", str(program)).status == 0
    assert vmtool("-s", state, "spawn", "--exe", str(program), "--sysroot", "/").status == 1  # the option is stronger
    assert vmtool("-s", state, "fsck").out == ""


def test_a_directory_that_is_not_there_is_refused(vmtool, tmp_path):
    ran = vmtool(f"init --sysroot {tmp_path}/nowhere --force")
    assert ran.status == 2 and "is not a directory" in ran.err


def test_without_it_the_program_cannot_run(vmtool, program):
    ran = vmtool(f"spawn --exe {program}")
    assert ran.status == 1 and ran.err.count("\n") == 1
