"""A pytest plugin for programs that read /proc: a simulated machine in a test, in any state that a script makes.

    def test_my_parser(vmproc):
        vmproc.run("p = spawn leaky\\na = mmap $p 64M\\ntouch $p $a 40M")
        assert my_parser(vmproc.tree / "1" / "smaps").rss_kb == 40968
        assert vmproc.enter(["my-tool", "--pid", "1"]).returncode == 0

The plugin is loaded by its entry point, or with `-p vmtool.testing`. Each test has a machine of its own; the same script gives the
same files.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

USER_HZ = 100
TIMEOUT = 300


class VmProc:
    """A machine in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "machine.vmt"
        self._nr_trees = 0

    def init(self, *options: str) -> None:
        """Boot it: `init("--ram", "6G", "--kernel", "5.4")`. run() boots a default one where there is none."""
        self.command("init", "--force", *options)

    def command(self, *words: str) -> str:
        """One vmtool command; its stdout. Fails the test with its message."""
        ran = self._run(words)
        if ran.returncode:
            pytest.fail(f"vmtool {' '.join(words)}: exit {ran.returncode}\n{ran.stderr}", pytrace=False)
        return ran.stdout

    def run(self, script: str) -> str:
        """A script of commands, as `vmtool run` takes it; its stdout."""
        if not self.state.exists():
            self.init()
        ran = self._run(["run", "-"], input=script)
        if ran.returncode:
            pytest.fail(f"the script: exit {ran.returncode}\n{ran.stderr}", pytrace=False)
        return ran.stdout

    @property
    def tree(self) -> Path:
        """The /proc of this moment, as plain files; another directory each time."""
        self._nr_trees += 1
        place = self.directory / f"proc{self._nr_trees}"
        self.command("procfs", str(place))
        return place

    def enter(self, argv: Sequence[str], pid: int = 0, **more: object) -> subprocess.CompletedProcess[str]:
        """Run a real program that sees this /proc. Skips the test where namespaces are not allowed."""
        which = ["--pid", str(pid)] if pid else []
        ran = self._run(["enter", *which, "--", *argv], **more)
        if "user namespaces are not allowed here" in ran.stderr:
            pytest.skip("user namespaces are not allowed here")
        return ran

    def step(self, seconds: float, script: str = "") -> Path:
        """Let the machine's clock go on, then run a script: what a program that looks twice sees the second time."""
        from vmtool.store.session import open_machine

        with open_machine(str(self.state), True) as session:
            for _ in range(round(seconds * USER_HZ)):
                session.machine.tick()
            session.commit()
        if script:
            self.run(script)
        return self.tree

    def _run(self, words, **more):
        command = [sys.executable, "-m", "vmtool", "-s", str(self.state), *words]
        root = str(Path(__file__).resolve().parents[1])
        env = {**os.environ, **(more.pop("env", None) or {})}
        env["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [env.get("PYTHONPATH")])])
        return subprocess.run(command, capture_output=True, text=True, errors="surrogateescape", timeout=TIMEOUT, env=env, **more)


@pytest.fixture
def vmproc(tmp_path: Path) -> Iterator[VmProc]:
    """A simulated machine and its /proc."""
    yield VmProc(tmp_path)
