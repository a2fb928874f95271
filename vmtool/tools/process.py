"""A process as procps' library reads it, from PID/stat, status, cmdline and a few more.

Counterpart: procps-ng 4.0.2 library/readproc.c, pids.c. Memory figures are status's, faults, times and addresses stat's.
"""

from __future__ import annotations

from vmtool.tools.source import command_line, escaped, fields, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.tools.source import Source

HERTZ = 100
STAT = ("state", "ppid", "pgrp", "session", "tty_nr", "tpgid", "flags", "min_flt", "cmin_flt", "maj_flt", "cmaj_flt", "utime", "stime",
    "cutime",
        "cstime", "priority", "nice", "nlwp", "alarm", "start_time", "vsize", "rss", "rss_rlim", "start_code", "end_code", "start_stack",
        "kstk_esp", "kstk_eip", "signal", "blocked", "sigignore", "sigcatch", "wchan", "nswap", "cnswap", "exit_signal", "processor",
        "rtprio",
        "sched")  # fmt: skip
"""Fields 3 and on of stat."""


class Process:
    """What stat says as attributes, status as texts."""

    def __init__(self, source: Source, pid: int, stat: str, tid: int = 0) -> None:
        self.pid = pid
        self.tid = tid or pid
        self.directory = f"{pid}/task/{tid}" if tid else str(pid)
        self.source = source
        head, _, rest = stat.rpartition(")")
        self.comm = head.partition("(")[2]
        words = rest.split()
        self.state = words[0]
        self.stat = {name: int(word) for name, word in zip(STAT[1:], words[1:], strict=False)}
        self._status: dict[str, str] | None = None

    def __getattr__(self, name: str) -> int:
        try:
            return self.stat[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def status(self) -> dict[str, str]:
        if self._status is None:
            self._status = fields(self.source.read(f"{self.directory}/status"))
        return self._status

    def kb(self, label: str) -> int:
        """A figure of status."""
        return number(self.status.get(label))

    def ids(self, label: str) -> list[int]:
        """real, effective, saved, file system's."""
        return [int(word) for word in self.status.get(label, "0 0 0 0").split()]

    @property
    def name(self) -> str:
        """comm, escaped."""
        return escaped(self.comm) + (" <defunct>" if self.state == "Z" else "")

    def command(self) -> str:
        """The command line; the name in brackets without one."""
        words = command_line(self.source.read(f"{self.pid}/cmdline") or "")
        return words or f"[{escaped(self.comm)}]" + (" <defunct>" if self.state == "Z" else "")


def ticks(p: Process) -> int:
    """CPU time used, in ticks."""
    return p.utime + p.stime


def processes(source: Source) -> list[Process]:
    """Every process whose stat can be read, in the order of the directory."""
    found = []
    for pid in source.pids():
        stat = source.read(f"{pid}/stat")
        if stat and ")" in stat:
            found.append(Process(source, pid, stat))
    return found


def threads(source: Source, p: Process) -> list[Process]:
    """Those of a process, each with its own stat and status; but for the leader, who is shown with the whole process's."""
    texts = [(tid, source.read(f"{p.pid}/task/{tid}/stat")) for tid in source.threads(p.pid)]
    return [p if tid == p.pid else Process(source, p.pid, stat, tid) for tid, stat in texts if stat and ")" in stat]
