"""record: how it ends, whatever ends it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

VMTOOL = [sys.executable, "-m", "vmtool"]
ROOT = Path(__file__).parents[2]
STUBBORN = "trap '' TERM HUP; (trap '' TERM HUP; exec sleep 987) & exec sleep 987"

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def start(tmp_path, *words):
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*VMTOOL, "record", "-o", str(tmp_path / "x.tar.gz"), "--", *words], cwd=tmp_path, env=environment,
                            stderr=subprocess.PIPE, text=True)


def run(tmp_path, *words):
    done = start(tmp_path, *words)
    _, err = done.communicate(timeout=60)
    return done.returncode, err


def below(pid):
    """The command lines of the processes below one."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    found, front = [], {pid}
    while front:
        front = {child for child, parent in parents.items() if parent in front}
        found += front
    return found


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("words", [("sleep", "987"), ("sh", "-c", STUBBORN)], ids=["sleep", "stubborn"])
def test_a_signal_ends_strace_and_the_program_and_leaves_nothing(tmp_path, words, number):
    recorder = start(tmp_path, *words)
    deadline = time.monotonic() + 30
    wanted = 2 if words[0] == "sleep" else 3
    while len(below(recorder.pid)) < wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    running = below(recorder.pid)
    assert len(running) >= wanted
    recorder.send_signal(number)
    recorder.communicate(timeout=30)
    assert recorder.returncode == -number
    assert not [pid for pid in running if alive(pid)]
    assert os.listdir(tmp_path) == []


def test_a_command_that_is_not_there_is_127(tmp_path):
    for name in ("no-such-command-here", "./nothing", "/nowhere/x"):
        status, err = run(tmp_path, name)
        assert (status, err) == (127, f"vmtool: record: ENOENT (No such file or directory): {name}\n")


def test_a_command_that_cannot_be_run_is_126(tmp_path):
    (tmp_path / "plain").write_text("x\n")
    (tmp_path / "text").write_text("no program\n")
    (tmp_path / "text").chmod(0o755)
    (tmp_path / "elf").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "elf").chmod(0o755)
    denied, format_error = "EACCES (Permission denied)", "ENOEXEC (Exec format error)"
    for name, text in (("./plain", denied), ("/", denied), ("./text", format_error), ("./elf", format_error)):
        status, err = run(tmp_path, name)
        assert status == 126 and err.endswith(f"vmtool: record: {text}: {name}\n")  # strace has its own line before it
    assert not (tmp_path / "x.tar.gz").exists()


def test_a_script_whose_interpreter_is_not_there_is_127(tmp_path):
    (tmp_path / "script").write_text("#!/nowhere/sh\n")
    (tmp_path / "script").chmod(0o755)
    status, err = run(tmp_path, "./script")
    assert status == 127 and err.endswith("vmtool: record: ENOENT (No such file or directory): ./script\n")


def test_the_programs_own_status_is_the_recorders(tmp_path):
    assert run(tmp_path, "sh", "-c", "exit 7")[0] == 7
    assert run(tmp_path, "sh", "-c", "kill -9 $$")[0] == 137
    assert (tmp_path / "x.tar.gz").exists()
