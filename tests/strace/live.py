"""The kernel's own maps of every process of a recording, read as it exits.

strace can hold a call at its entry (inject=…:delay_enter): each exit_group waits there long enough for its maps to be read from
outside, so the
log and the truth are of one run. Linux, strace 5.1 or later, and the right to read another process's /proc/PID/syscall are needed.
"""

import os
import shutil
import stat
import threading
import time
from pathlib import Path

EXIT_GROUP = {"231", "252"}  # x86-64, i386
DELAY_US = 150_000
POLL_S = 0.002


class Watcher(threading.Thread):
    """Reads the maps of whoever waits in exit_group below this process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.maps: dict[int, str] = {}
        self.is_done = False

    def run(self) -> None:
        while not self.is_done:
            for pid in self._others():
                self._look(pid)
            time.sleep(POLL_S)

    def _others(self) -> list[int]:
        own = os.getpid()
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) > own]

    def _look(self, pid: int) -> None:
        try:
            for tid in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{tid}/syscall", encoding="ascii") as f:
                    if f.read().split(" ", 1)[0] in EXIT_GROUP:
                        text = Path(f"/proc/{pid}/maps").read_text()
                        if "[stack]" in text or "[vsyscall]" in text:  # else it was cut: the process went on meanwhile
                            self.maps[pid] = text
                        return
        except (OSError, ValueError):
            return  # it is gone


def record_live(command: list[str], archive: Path, work: Path, *, with_faults: bool = False) -> dict[int, str]:
    """Record a command; the maps of each process at its exit_group, by PID."""
    from vmtool.outside.record import record

    real = shutil.which("strace")
    wrapper = work / "bin" / "strace"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    wrapper.write_text(f'#!/bin/sh\nexec {real} -e inject=exit_group:delay_enter={DELAY_US} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    path = os.environ["PATH"]
    watcher = Watcher()
    watcher.start()
    try:
        os.environ["PATH"] = f"{wrapper.parent}:{path}"
        record(command, str(archive), with_faults=with_faults)
    finally:
        os.environ["PATH"] = path
        watcher.is_done = True
        watcher.join()
    return watcher.maps
