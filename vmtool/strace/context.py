"""What a replay knows while it runs: the machine, the processes and files of the log, the sums; and what its handlers ask of all that.

What is modelled: see replay.py, whose loop fills it.
Invariant: it knows no handler, so that each of them may import it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from vmtool.errors import HostError, KernelError
from vmtool.strace.door import Door
from vmtool.strace.fds import File, Names, Open, descriptor_path
from vmtool.strace.geometry import geometry_of
from vmtool.strace.guess import begun_before
from vmtool.strace.lexer import Event, Tally
from vmtool.strace.origin import Origin
from vmtool.strace.parser import Fd, descriptor
from vmtool.strace.procs import Process, Processes, Space
from vmtool.strace.sidecar import Facts
from vmtool.strace.writes import Writes


class Difference(HostError):
    """--strict: the first answer that is not the log's."""


MOST_ROWS = 10_000
SHMLBA_PAGES = {"arm": 4}  # where shared memory is attached: at multiples of as many pages


class ProcessRow(NamedTuple):
    """One process of the summary; peaks in kB."""

    pid: int
    name: str
    calls: int
    minor: int
    major: int
    peak_vm: int
    peak_rss: int


class Summary:
    """What a replay did, for the table at its end."""

    def __init__(self) -> None:
        self.counts: defaultdict[str, int] = defaultdict(int)  # calls on the log's lines, by name
        self.tally = Tally()
        self.unreadable: list[tuple[int, str]] = []  # calls that were passed over: line, what it holds
        self.nr_unreadable = 0
        self.replayed = 0
        self.differences = 0
        self.processes: list[ProcessRow] = []
        self.nr_processes = 0
        self.undetermined: list[tuple[int, int, int, str]] = []  # (PID, start, end, why)
        self.notes: dict[str, int] = {}  # what was missing, and how often

    def ended(self, p: Process) -> None:
        """A row for a process; of very many the first are shown."""
        self.nr_processes += 1
        if self.nr_processes <= MOST_ROWS:
            self.processes.append(ProcessRow(p.pid, p.name, p.calls, p.minor, p.major, p.peak_vm, p.peak_rss))

    def note(self, text: str) -> None:
        if text in self.notes or len(self.notes) < 1000:
            self.notes[text] = self.notes.get(text, 0) + 1


class Hooks:
    """What the caller wants to see; each is called while the simulated process is still whole."""

    def __init__(self, at_exit: Callable[[Process], None] | None = None, at_exec: Callable[[Process], None] | None = None,
                 difference: Callable[[str], None] | None = None, say: Callable[[str], None] | None = None) -> None:
        self.at_exit = at_exit
        self.at_exec = at_exec
        self.difference = difference
        self.say = say or (lambda text: None)  # a line for whoever started the replay


class Ahead(Protocol):
    """What follows in a log: a Reader's, or that of several files."""

    def of(self, tid: int, near: int = ...) -> Iterator[Event]: ...
    def ahead(self) -> Iterator[Event]: ...
    def tells_end_of(self, pid: int) -> bool: ...


class Context:
    """One log on one machine, as its handlers see it."""

    def __init__(self, machine: Any, facts: Facts, hooks: Hooks | None = None, *, is_strict: bool = False,
                 faults: Any = None) -> None:
        self.machine = Door(machine)
        info = self.machine.info()
        self.geometry = geometry_of(info)
        self.page_bytes = self.geometry.page
        self.facts = facts
        self.hooks = hooks or Hooks()
        self.is_strict = is_strict
        self.faults = faults
        self.names = Names(facts)
        self.procs = Processes()
        self.summary = Summary()
        self.writes = Writes(self.machine, self.geometry, is_told=faults is not None)
        self.shm: dict[int, File] = {}  # SysV segments by id
        self._mapped: list[File] = []  # their names may still change
        self.nr_tmpfiles = 0  # files of O_TMPFILE so far
        self.line = 0
        self.keeps_cache = True
        self.root: Process | None = None
        self.reader: Ahead | None = None
        self.shmlba = self.page_bytes * SHMLBA_PAGES.get(info.arch, 1)
        self.origin = Origin(info.arch)
        self.offset_unit = 0  # of mmap2, 0: no line has shown it yet

    def act(self, process: Process, call: Event) -> None:
        """Carry out one memory call now."""
        raise NotImplementedError

    # --- processes -----------------------------------------------------------------------------------

    def number_is(self, process: Process, pid: int) -> None:
        """An answer of the log tells the PID of a process that had none."""
        if process.pid == 0:
            process.pid = pid
            self.procs.add_thread(process, pid)

    def space(self, process: Process) -> int:
        """The simulated process that holds its memory; one is made when the log began too late to show an execve."""
        if process.space.mid == 0:
            first = process.space.first
            following = [] if first is None or self.reader is None else [first, *self.reader.of(first[1])]
            process.space.mid = self.machine.spawn(f"pid{process.pid}", None, [b"?"], [], begun_before(following, self.geometry),
                                                   process.pid)
            process.space.is_guessed = True
            self.summary.note(f"process {process.pid}: no execve in the log, its program is not known")
        return process.space.mid

    def wants_to_exit(self, process: Process, status: int) -> None:
        """exit_group: at once, unless other threads of it still have calls under way and the log will tell their end."""
        process.status = status
        process.is_exiting = True
        if len(process.tids) > 1 and self.reader is not None and self.reader.tells_end_of(process.pid):
            return
        self.exit(process)

    def exit(self, process: Process) -> None:
        """The process is gone: its maps are shown, its memory goes with the last user of it."""
        space = process.space
        if space.mid:
            if self.faults is not None:
                self.faults.rest(self, process)
            self._look(process)
            if self.hooks.at_exit:
                self.hooks.at_exit(process)
            self.writes.undetermined(process, self.summary.undetermined)
        self.summary.ended(process)
        self.procs.remove(process)
        self.leave(space, process.status)

    def leave(self, space: Space, status: int = 0) -> None:
        """One user fewer."""
        space.users -= 1
        if space.users == 0 and space.mid:
            self.machine.exit(space.mid, status)
            reap = getattr(self.machine, "reap", None)
            if reap is not None:
                reap(space.mid)

    def _look(self, process: Process) -> None:
        """Keep the peaks of a process that is about to lose its memory."""
        if not process.space.mid:
            return
        mm = self.machine.mm(process.space.mid)
        process.peak_vm = max(process.peak_vm, mm.hiwater_vm * self.page_bytes >> 10)
        process.peak_rss = max(process.peak_rss, mm.hiwater_rss * self.page_bytes >> 10)
        task = self.machine.task(process.space.mid)
        process.minor, process.major = task.min_flt, task.maj_flt

    def look_before_exec(self, process: Process) -> None:
        self._look(process)

    # --- answers -----------------------------------------------------------------------------------

    def attempt(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, str]:
        """(what the machine answered, '') or (None, the errno's symbol)."""
        try:
            return function(*args, **kwargs), ""
        except KernelError as e:
            return None, e.name

    def differs(self, what: str, expected: str, got: str) -> None:
        """Count and report an answer that is not the log's."""
        self.summary.differences += 1
        text = f"line {self.line}: {what}: expected {expected}, got {got}"
        if self.hooks.difference:
            self.hooks.difference(text)
        if self.is_strict:
            raise Difference(text)

    def agree(self, what: str, expected: str, errno: str) -> None:
        """Compare success or the errno's symbol with the log's; the value is the caller's to compare."""
        if expected != errno:
            self.differs(what, expected or "success", errno or "success")

    # --- files --------------------------------------------------------------------------------------

    def opened(self, process: Process, fd: Fd) -> Open | None:
        """What a descriptor refers to: by the log's -y text first, else by what was followed."""
        known = process.fds.fds.get(fd.number)
        path = descriptor_path(fd.path) if fd.path else None
        if path is None:
            return known
        if known is not None and known.file is not None and (known.file.path == path or known.file.is_deleted or fd.is_deleted):
            return known
        opened = Open(self.names.file(path), 2)
        if known is not None:
            opened.mode = known.mode
        process.fds.fds[fd.number] = opened
        return opened

    def opened_at(self, process: Process, number: int, shown_path: str, is_deleted: bool) -> Open | None:
        """The same from the parts of a descriptor as a log shows it."""
        known = process.fds.fds.get(number)
        if not shown_path or known is not None and known.file is not None and known.file.path == shown_path:
            return known
        return self.opened(process, descriptor(str(number), shown_path, "(deleted)" if is_deleted else None))

    def note_file(self, file: File) -> None:
        """A file is about to be mapped: say when nobody knows which it is, and keep it, for its name may still change."""
        if file.handle is None:
            if not file.is_known and file.kind in ("disk", "plain"):
                self.summary.note(f"{file.path}: device and inode are not known")
            self._mapped.append(file)
