"""Processes."""

from vmtool import records as r
from vmtool.images import Image

class Processes:
    def spawn(self, name: str, image: Image | None, argv: list[bytes], env: list[bytes]) -> int:
        """A new process (child of nobody), as fork+execve from a shell; without an image the built-in demo program."""

    def fork(self, pid: int) -> int: ...
    def exec(self, pid: int, name: str, image: Image | None, argv: list[bytes], env: list[bytes]) -> None: ...
    def clone(self, pid: int, sp: int = 0, tid: int = 0) -> int:
        """A thread, as clone() with CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND and CLONE_THREAD makes it; its TID.

        `sp`: the top of a stack of its own, which push() goes down then. A TID goes wherever a PID does.
        """

    def exit(self, pid: int, status: int = 0) -> None:
        """exit_group(); of a thread's TID exit() of that thread alone."""

    def reset_peaks(self, pid: int) -> None:
        """As 5 written to /proc/PID/clear_refs: the peak of RSS is what it is now."""

    def kill(self, pid: int, signo: int) -> None:
        """Delivers it: a fatal one ends the process; 0 only tests for it."""

    def switch(self, pid: int, cpu: int = 0) -> None: ...
    def tasks(self) -> list[r.TaskInfo]:
        """Processes, in ascending order of PID."""

    def threads(self, pid: int) -> list[r.TaskInfo]:
        """Of the process, itself among them, each with its own faults, in ascending order of TID."""

    def task(self, pid: int, alone: bool = False) -> r.TaskInfo:
        """Faults are those of all threads, ended ones among them, or, `alone`, the task's own."""

    def mm(self, pid: int) -> r.MmInfo: ...
    def cmdline(self, pid: int) -> bytes:
        """argv with a NUL after each, read through the process's own tables."""

    def environ(self, pid: int) -> bytes: ...
    def setrlimit(self, pid: int, resource: int, value: int | None, hard: int | bool | None = True, is_capable: bool = True) -> None:
        """The soft limit, and the hard one when that is lower, as root's prlimit(1); None is RLIM_INFINITY.

        `hard`: as setrlimit() gives both. Not `is_capable`: of one without CAP_SYS_RESOURCE.
        """

    def getrlimits(self, pid: int) -> list[tuple[int | None, int | None]]: ...
    def set_personality(self, pid: int, value: int) -> None:
        """personality(2): READ_IMPLIES_EXEC holds at once, the rest from the next execve."""

    def set_oom_score_adj(self, pid: int, value: int, is_capable: bool = True) -> None:
        """A write to /proc/PID/oom_score_adj, as root: from then on nobody without CAP_SYS_RESOURCE goes below it.

        Not `is_capable`: as one without; EACCES below.
        """

    def clear_refs(self, pid: int, what: int) -> None:
        """A write to /proc/PID/clear_refs: 1 all areas, 2 anonymous, 3 files', 4 what was written (soft-dirty), 5 the highest Rss."""

    def set_comm(self, pid: int, comm: str) -> None: ...
    def read_mem(self, pid: int, addr: int, length: int) -> bytes:
        """As a read of /proc/PID/mem: up to the first page that cannot be reached. KernelError(EIO) if that is the first one.

        Pages that are missing are faulted in, as in Linux.
        """

    def write_mem(self, pid: int, addr: int, data: bytes) -> int:
        """The same the other way round: read-only pages of a private area become the process's own first."""

    def open_files(self, pid: int) -> list[tuple[str, int]]:
        """(path, inode) of what read() and write() have open, the first one first."""
