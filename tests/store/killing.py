"""Commands that are killed or denied a system call, from outside: the product has no hook for it.

strace finds the system calls by which a command changes its state file and kills the command in front of the
N-th; at random instants it is stopped, the locks that it holds are read from /proc/locks, and it is killed.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import NamedTuple
from zlib import crc32

import pytest

from tests.store.fake import FakeMachine
from vmtool.store.session import open_machine

CALLS = "write,pwrite64,writev,pwritev,fsync,fdatasync,unlink,unlinkat,ftruncate,rename,renameat,renameat2,link,linkat"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: no system call can be picked out")


class Victim(NamedTuple):
    """A command that changes a state file, and the bytes of the file that it starts from (None: there is none)."""

    argv: list[str]
    path: str
    before: bytes | None
    is_durable: bool = True

    def restore(self):
        """The file as before, nothing beside it."""
        for name in os.listdir(os.path.dirname(self.path)):
            os.unlink(os.path.join(os.path.dirname(self.path), name))
        if self.before is not None:
            with open(self.path, "wb") as file:
                file.write(self.before)

    def environ(self):
        return os.environ | {"VMTOOL_SYNC": "" if self.is_durable else "off", "VMTOOL_STATE": self.path, "PYTHONPATH": ROOT}

    def start(self, prefix=()):
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen([*prefix, *self.argv], env=self.environ(), cwd=ROOT, **pipes)

    def run(self, prefix=()):
        process = self.start(prefix)
        _, text = process.communicate(timeout=60)
        return process.returncode, text.decode()

    def outcomes(self):
        """The states before and after, as snapshot() shows them."""
        self.restore()
        before = snapshot(self.path)
        assert self.run() == (0, "")
        after = snapshot(self.path)
        assert before != after
        return before, after


def driver(path, before, command, **more):
    """The command of a fake machine."""
    return Victim([sys.executable, "-m", "tests.store.driver", path, command], path, before, **more)


def snapshot(path):
    """What a state file holds, every chunk by its checksum; the file must be whole. None when there is no file."""
    if not os.path.exists(path):
        return None
    with open_machine(path, False, wait=5.0, factory=FakeMachine) as session:
        assert session.verify() == []
        rows = session._db.execute("SELECT substr(head, 1, 8), data FROM slot WHERE substr(head, 8, 1) != x'80'").fetchall()
        return session.machine.header(), sorted((key, crc32(data)) for key, data in rows)


def strace(victim, *options):
    """An strace command line that looks at calls on the state file, its journal, the unfinished new file and their directory."""
    directory, name = os.path.split(victim.path)
    unfinished = os.path.join(directory, f".{name}.vmtool-new")
    paths = [word for path in (victim.path, victim.path + "-journal", unfinished, directory) for word in ("-P", path)]
    return ["strace", "-f", "-qq", *paths, "-e", f"trace={CALLS}", *options]


def calls(victim):
    """The system calls by which a command changes its state file, in order: the name, and how often it was called so far."""
    victim.restore()
    log = victim.path + ".strace"
    assert victim.run(strace(victim, "-o", log)) == (0, "")
    with open(log) as file:
        names = re.findall(r"^\d+ +(\w+)\(", file.read(), re.MULTILINE)
    return [(name, names[: at + 1].count(name)) for at, name in enumerate(names)]


def kill_before_call(victim, call):
    """Kill in front of one of these calls."""
    victim.restore()
    status, _ = victim.run(strace(victim, "-o", "/dev/null", "-e", f"inject={call[0]}:signal=SIGKILL:when={call[1]}"))
    assert status == -signal.SIGKILL


def fail_call(victim, call, errno):
    """Let one of these calls fail. Returns: exit status and stderr."""
    victim.restore()
    return victim.run(strace(victim, "-o", "/dev/null", "-e", f"inject={call[0]}:error={errno}:when={call[1]}"))


def kill_at_random(victim, delay, after_lock):
    """Kill `delay` seconds after the start or, with `after_lock`, after the command took its first lock.

    Returns: whether it held a write lock when it was killed, or None when it had ended before.
    """
    victim.restore()
    process = victim.start()
    try:
        while after_lock and process.poll() is None and not holds_write_lock(process.pid):
            pass
        time.sleep(delay)
        if process.poll() is not None:
            return None
        os.kill(process.pid, signal.SIGSTOP)  # Popen's own would reap one that has just ended
        if not os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1]):
            process.returncode = 0
            return None
        return holds_write_lock(process.pid)
    finally:
        process.kill()
        process.communicate(timeout=60)


def seconds_of(victim, nr_runs=3):
    """How long an undisturbed command runs at best, and for how long at most one was seen to hold its lock."""
    wholes, helds = zip(*(time_one(victim) for _ in range(nr_runs)), strict=True)
    return min(wholes), max(helds)


def time_one(victim):
    victim.restore()
    start = time.monotonic()
    process = victim.start()
    while process.poll() is None and not holds_write_lock(process.pid):
        pass
    locked = time.monotonic()
    while holds_write_lock(process.pid):
        pass
    held = time.monotonic() - locked
    process.communicate(timeout=60)
    return time.monotonic() - start, held


def holds_write_lock(pid):
    """Whether a process holds a lock for writing: SQLite's on the state file, or that on a new file."""
    with open("/proc/locks") as file:
        return any(f" WRITE {pid} " in line and "->" not in line for line in file)
