"""Completion in the shells themselves: the script is loaded, a line typed, Tab pressed, and the line is then what it should be."""

import contextlib
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmtool.cli import shells

ROOT = Path(__file__).parents[2]
HOSTILE = "/a b;$(touch owned)'.dat"
LINES = (
    ("vmtool expl", "vmtool explain"),
    ("vmtool touch 1 hea", "vmtool touch 1 heap"),
    ("vmtool sysctl vm.swappi", "vmtool sysctl vm.swappiness"),
    ("vmtool rmfile /sce", "vmtool rmfile /scene.dat"),
    ("vmtool cat /proc/1/numa_m", "vmtool cat /proc/1/numa_maps"),
)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A directory with a machine, and an environment in which `vmtool` is this tree's."""
    tmp_path = tmp_path_factory.mktemp("shells")
    pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
    program = tmp_path / "bin" / "vmtool"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={str(ROOT)!r} exec {sys.executable} -m vmtool "$@"\n')
    program.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    env = {"PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(home), "TERM": "dumb", "LC_ALL": "C.UTF-8", "PS1": "> ",
           "VMTOOL_SYNC": "off", "VMTOOL_STATE": str(home / "machine.vmt")}
    script = f'spawn render\nmkfile scene.dat 4K\nmkfile "{HOSTILE}" 4K\n'
    subprocess.run([str(program), "run", "-"], input=script, text=True, cwd=home, env=env, check=True, capture_output=True)
    return env


class Terminal:
    """A shell in a terminal of its own."""

    def __init__(self, words, env):
        self.pid, self.end = pty.fork()
        if self.pid == 0:
            os.chdir(env["HOME"])
            os.execvpe(words[0], words, env)
        self.seen = ""

    def type(self, text):
        os.write(self.end, text.encode())

    def wait_for(self, text, seconds=60):
        """Read until the text has come. What came."""
        until = time.monotonic() + seconds
        while text not in self.seen and time.monotonic() < until:
            if select.select([self.end], [], [], 0.2)[0]:
                self.seen += os.read(self.end, 65536).decode("utf-8", "replace")
        return self.seen

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.end)


STARTS = {"bash": (["bash", "--norc", "--noprofile", "-i"], ""), "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u; ")}


@pytest.fixture(params=STARTS)
def terminal(request, work):
    """A terminal in which the shell has taken the completion in."""
    words, before = STARTS[request.param]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    terminal = Terminal(words, work)
    terminal.type(before + f'eval "$(vmtool completion {request.param})"; echo rea""dy\n')
    assert "ready" in terminal.wait_for("ready\r")
    yield terminal
    terminal.close()


def test_tab_completes_the_line(terminal):
    for typed, line in LINES:
        terminal.type(f"{typed}\t")
        assert line in terminal.wait_for(line)
        terminal.type("\x15")  # Ctrl-U: the line is gone


def test_a_hostile_name_is_one_word(work, terminal):
    """The completed line is run: the file is found by it, and nothing of its name has been executed."""
    terminal.type("vmtool fincore /a\t")
    terminal.wait_for(".dat")
    terminal.type("; echo status=$? end\n")
    assert "status=0 end" in terminal.wait_for("0 end")
    assert not Path(work["HOME"], "owned").exists()


def test_fish_completes_the_line(work):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = "vmtool completion fish | source" + "".join([f"; complete -C {typed!r}" for typed, _ in LINES])
    ran = subprocess.run(["fish", "--no-config", "-c", script], env=work, cwd=work["HOME"], capture_output=True, text=True, timeout=120)
    assert [row.partition("\t")[0] for row in ran.stdout.splitlines()] == [line.split(" ")[-1] for _, line in LINES]


def test_a_word_is_quoted_for_bash():
    assert shells.quoted("/scene.dat") == "/scene.dat" and shells.quoted("vm.x=1") == "vm.x=1"
    ran = subprocess.run(["sh", "-c", f"printf '%s|' {shells.quoted(HOSTILE)}"], capture_output=True, text=True)
    assert ran.stdout == f"{HOSTILE}|"
