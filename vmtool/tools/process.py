"""A process as procps' library reads it, from PID/stat, status, cmdline and a few more.

Counterpart: procps-ng 4.0.2 library/readproc.c, pids.c. Memory figures are status's, faults, times and addresses stat's.
"""

from __future__ import annotations

from vmtool.tools.source import command_line, escaped, number

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
PLACES = {name: place for place, name in enumerate(STAT)}


class Process:
    """What stat says as attributes, status as texts."""

    def __init__(self, source: Source, pid: int, stat: str, tid: int = 0) -> None:
        self.pid = pid
        self.tid = tid or pid
        self.directory = f"{pid}/task/{tid}" if tid else str(pid)
        self.source = source
        head, _, rest = stat.rpartition(")")
        self.comm = head.partition("(")[2]
        self.words = rest.split()
        self.state = self.words[0]
        self._status: str | None = None

    def __getattr__(self, name: str) -> int:
        """A number of stat: of thousands of processes few are asked for."""
        try:
            return int(self.words[PLACES[name]])
        except (KeyError, IndexError):
            raise AttributeError(name) from None

    def status(self, label: str) -> str | None:
        """What status says under a label."""
        if self._status is None:
            self._status = "\n" + (self.source.read(f"{self.directory}/status") or "")
        _, found, rest = self._status.partition(f"\n{label}:")
        return rest.partition("\n")[0].strip() if found else None

    def kb(self, label: str) -> int:
        """A figure of status."""
        return number(self.status(label))

    def ids(self, label: str) -> list[int]:
        """real, effective, saved, file system's."""
        return [int(word) for word in (self.status(label) or "0 0 0 0").split()]

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
