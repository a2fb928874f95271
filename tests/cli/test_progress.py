"""Progress is shown on a terminal, on stderr, after a second; nowhere else, and nothing of it stays."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

from vmtool.cli import progress

ROOT = Path(__file__).parents[2]
SLOW = ("import sys, time; from vmtool.cli import declare, execute, progress, table\n"
        "def slow(settings):\n"
        "    progress.current.total = 4\n"
        "    for i in range(4):\n"
        "        time.sleep(0.4); progress.current.done = i + 1\n"
        "    return 'done\\n'\n"
        "command = declare.Command('run', 'x:slow', (), access=declare.ALONE, help='', json=False); command.known_function = slow\n"
        "sys.exit(execute.execute(command, {}, execute.Settings()))")


def run(**streams):
    return subprocess.Popen([sys.executable, "-c", SLOW], cwd=ROOT, stdout=subprocess.PIPE, **streams)


def test_on_a_terminal_after_a_second_and_then_gone():
    ours, theirs = pty.openpty()
    running = run(stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert running.wait() == 0
    assert running.stdout.read() == b"done\n"
    lines = shown.split(b"\r\x1b[K")
    assert lines[0] == b"" and lines[-1] == b""
    assert len(lines) > 2
    assert all(line.startswith(b"vmtool: run: ") and b" %, " in line and line.endswith(b" s") for line in lines[1:-1])


def test_elsewhere_nothing():
    running = run(stderr=subprocess.PIPE)
    assert running.communicate() == (b"done\n", b"")


def test_a_short_command_shows_nothing(monkeypatch):
    written = []
    monkeypatch.setattr(progress, "_write", written.append)
    with progress.Progress("ps"):
        time.sleep(0.01)
    assert written == []
