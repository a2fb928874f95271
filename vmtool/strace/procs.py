"""The processes and threads of a log, and what they share.

What is modelled: task_struct as far as it decides which address space, descriptors and directory a line
acts on (Linux v6.12 kernel/fork.c:copy_process(), kernel/exit.c:do_group_exit(), fs/exec.c:de_thread()).
A Space is an mm of the machine: `mid` is the simulated process that holds it; vfork and CLONE_VM
children are further users of it, and it ends with the last of them.
Invariant: every living thread's number is in `by_tid`; what ended is forgotten but for its number, kept a while because lines about it
may follow.
"""

from vmtool.strace.fds import FdTable
from vmtool.strace.habits import Habits
from vmtool.strace.lexer import Event
from vmtool.strace.parser import split

RECENTLY_DEAD = 4096


class Space:
    """An address space: one simulated process, used by one or more of the log's."""

    __slots__ = ("mid", "users", "pending", "is_32", "is_guessed", "first", "shm", "habits")

    def __init__(self, mid: int) -> None:
        self.mid = mid
        self.users = 1
        self.pending: dict[int, Event] = {}  # by thread: calls that have begun: they take effect by their end at the latest
        self.is_32 = False
        self.is_guessed = False  # what it had mapped at its start is not known
        self.first: Event | None = None  # its first call that needs memory, when that comes before an execve
        self.shm: dict[int, int] = {}  # shmat's address -> length
        self.habits = Habits()


class Directory:
    """fs_struct: the current directory, '' when unknown."""

    __slots__ = ("path",)

    def __init__(self, path: str = "") -> None:
        self.path = path


class Process:
    """A thread group. `pid` is the log's number."""

    __slots__ = ("pid", "space", "fds", "cwd", "tids", "nr_execs", "name", "exe", "calls", "is_exiting", "status", "rlimit_stack",
                 "personality",
                 "peak_vm", "peak_rss", "minor", "major", "parent", "is_killed", "arg_bytes", "env_bytes")

    def __init__(self, pid: int, space: Space, fds: FdTable, cwd: Directory) -> None:
        self.pid, self.space, self.fds, self.cwd = pid, space, fds, cwd
        self.tids = {pid}
        self.nr_execs = 0
        self.name = ""
        self.exe = ""  # its program's real path
        self.calls = 0
        self.is_exiting = self.is_killed = False
        self.status = 0
        self.rlimit_stack: int | None = None
        self.personality: int | None = None
        self.peak_vm = self.peak_rss = self.minor = self.major = 0
        self.parent = 0
        self.arg_bytes = self.env_bytes = 0  # of the last execve, by its line


class Processes:
    """All of them, by the numbers that the log uses."""

    def __init__(self) -> None:
        self.by_tid: dict[int, Process] = {}
        self._dead: dict[int, None] = {}

    def add(self, process: Process) -> None:
        for tid in process.tids:
            self.by_tid[tid] = process
            self._dead.pop(tid, None)

    def add_thread(self, process: Process, tid: int) -> None:
        process.tids.add(tid)
        self.by_tid[tid] = process
        self._dead.pop(tid, None)

    def end_thread(self, process: Process, tid: int) -> None:
        process.tids.discard(tid)
        self.by_tid.pop(tid, None)
        self._remember(tid)

    def remove(self, process: Process) -> None:
        for tid in process.tids:
            self.by_tid.pop(tid, None)
            self._remember(tid)
        self._remember(process.pid)

    def _remember(self, tid: int) -> None:
        self._dead[tid] = None
        if len(self._dead) > RECENTLY_DEAD:
            del self._dead[next(iter(self._dead))]

    def is_dead(self, tid: int) -> bool:
        return tid in self._dead

    def all(self) -> list[Process]:
        """Each living process once, in the order of their numbers."""
        return sorted({id(p): p for p in self.by_tid.values()}.values(), key=lambda p: p.pid)


def child_number(text: str) -> int | None:
    """The new thread's number in the answer of clone, clone3, fork or vfork; None when it failed."""
    try:
        value = split(text)[1].value
    except ValueError:
        return None
    return value if value is not None and value > 0 else None
