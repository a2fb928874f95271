"""Replay of an strace log: each line that matters becomes the Machine's call, and the answers are compared.

What is modelled: the processes of a real run, as far as their log tells: address spaces, files, and who shares what. A call that the log
says failed is made as well, for mprotect, madvise and mlock keep what they did before they failed.
When the machine's answer is not the log's, the difference is reported (line, expected, got) and the log is followed: the mapping is
moved to where the kernel had it, or taken back.
Order: a whole call acts on its line; a call in two parts acts at its end, or before, when an answer of another
thread proves that it had (threads.py). fork, close and exit act where they begin.
Simplified: calls without an answer (`?`) did nothing.
Invariant: after each line the machine holds exactly the effects of the lines before it.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

from vmtool.errors import HostError, KernelError
from vmtool.strace import calls
from vmtool.strace.broken import tidied
from vmtool.strace.door import Door
from vmtool.strace.fds import FdTable, File, Names, Open, descriptor_path
from vmtool.strace.guess import begun_before
from vmtool.strace.lexer import Event, LogError, Tally, lex, shown
from vmtool.strace.lines import FIRST_HALF, SECOND_HALF, WHOLE
from vmtool.strace.merge import LogFile, Merged
from vmtool.strace.origin import Origin
from vmtool.strace.parser import Fd, Hidden, descriptor
from vmtool.strace.procs import Directory, Process, Processes, Space
from vmtool.strace.reader import Reader
from vmtool.strace.sidecar import Facts
from vmtool.strace.threads import settle
from vmtool.strace.writes import Writes


class Difference(HostError):
    """--strict: the first answer that is not the log's."""


MOST_ROWS = 10_000
MOST_SAID = 100
UNREADABLE = (ValueError, IndexError, OverflowError)  # what a handler raises on a text that strace did not write


class ProcessRow(NamedTuple):
    """One process of the summary; peaks in pages."""

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


class Replay:
    """One log on one machine."""

    def __init__(self, machine: Any, facts: Facts, hooks: Hooks | None = None, *, is_strict: bool = False,
                 faults: Any = None) -> None:
        self.machine = Door(machine)
        self.facts = facts
        self.hooks = hooks or Hooks()
        self.is_strict = is_strict
        self.faults = faults
        self.names = Names(facts)
        self.procs = Processes()
        self.summary = Summary()
        self.writes = Writes(self.machine, is_told=faults is not None)
        self.shm: dict[int, File] = {}  # SysV segments by id
        self._mapped: list[File] = []  # their names may still change
        self.nr_tmpfiles = 0  # files of O_TMPFILE so far
        self.line = 0
        self.keeps_cache = True
        self.root: Process | None = None
        self.reader: Reader | Merged | None = None
        self.origin = Origin(self.machine.info().arch)
        self.offset_unit = 0  # of mmap2, 0: no line has shown it yet

    # --- the loop ------------------------------------------------------------------------------

    def run(self, files: list[LogFile]) -> Summary:
        """The whole log. LogError: a line that cannot be read; Difference: with is_strict, the first."""
        try:
            self._run(files)
            self._judge()
            self._finish()
        except (LogError, Difference):
            self._finish()  # what the lines before it did may be kept
            raise
        except KernelError as failure:
            raise HostError(f"line {self.line}: {failure}") from None
        except HostError as failure:  # the log cannot be read any further
            self._finish()
            raise HostError(f"{failure} (after line {self.line})") from None
        finally:
            self.machine.close_all()
        return self.summary

    def _run(self, files: list[LogFile]) -> None:
        if len(files) == 1 and files[0].tid == 0:
            events = lex(files[0].lines, calls.WANTED, self.summary.counts, self.summary.tally, self.origin.call)
            self.reader = Reader(events, calls.SLEEPERS, calls.AT_BEGIN)
        else:
            self.reader = Merged(files, calls, self.summary.counts, self)
        by_tid, kinds, faults = self.procs.by_tid, calls.KINDS, self.faults
        for call in self.reader:
            self.line, tid, name, text, part = call
            process = by_tid.get(tid) or self._unknown(call)
            if process is None:
                continue
            kind = kinds.get(name)
            if kind is None:
                self._end(process, tid, name, text)
                continue
            handler, is_memory, is_at_begin = kind
            try:
                if is_memory:
                    if part != WHOLE or process.space.pending:
                        settle(self, process, call)
                        continue
                    if process.space.habits.later or process.space.habits.row:
                        self.writes.settle(process.space, name, text)
                elif part == SECOND_HALF and is_at_begin or part == FIRST_HALF and not is_at_begin:
                    continue
                process.calls += 1
                if faults is not None:
                    faults.until(self, process, tid, name)
                handler(self, process, text, tid)
            except Hidden:
                self.summary.note(f"{name}: the log does not show the name")
            except UNREADABLE:
                self._unreadable(process, call)

    def _unreadable(self, process: Process, call: Event) -> None:
        """A call with something in it that strace did not write: without that, or not at all."""
        line, tid, name, text, _ = call
        text = tidied(text) or ""
        try:
            if text in ("", call[3]):
                raise ValueError(call[3])
            calls.HANDLERS[name](self, process, text, tid)
        except UNREADABLE:
            self.summary.nr_unreadable += 1
            if len(self.summary.unreadable) < MOST_SAID:
                self.summary.unreadable.append((line, f"{name}({shown(call[3])}"))
                self.hooks.say(f"line {line}: {name}: cannot be read: {shown(call[3])}")

    def _judge(self) -> None:
        """The log is over. LogError: it was none, or with is_strict it was cut."""
        tally = self.summary.tally
        tally.judge()
        for line, text in tally.cut:
            told = f"the log ends in this line: {text}"
            if self.is_strict:
                raise LogError(line, told)
            self.hooks.say(f"line {line}: {told}")

    def act(self, process: Process, call: Event) -> None:
        """Carry out one memory call now."""
        _, tid, name, text, _ = call
        try:
            self.writes.settle(process.space, name, text)
            process.calls += 1
            if self.faults is not None:
                self.faults.until(self, process, tid, name)
            calls.HANDLERS[name](self, process, text, tid)
        except UNREADABLE:
            self._unreadable(process, call)

    def _finish(self) -> None:
        """The log is over: processes that still run stay as they are, but for those that said exit_group."""
        for process in self.procs.all():
            if process.is_exiting:
                self.exit(process)
            else:
                self._look(process)
                self.summary.ended(process)

    # --- processes -------------------------------------------------------------------------------

    def _unknown(self, call: Event) -> Process | None:
        """The process of a number that no clone has announced."""
        _, tid, name, _, _ = call
        if name == "+bits" and self.root is not None and self.root.pid == 0:
            return self.root  # the message has a number where the lines have none
        if name[0] == "+" and name != "+thread" or self.procs.is_dead(tid):
            return None
        if self.root is None:
            return self._first(tid, call)
        if tid == 0 or self.root.pid == 0 and not self._is_process(tid):
            return self._unnumbered(tid)
        if self.procs.by_tid and not self._is_process(tid):
            parent = self.root if self.root.tids else next(iter(self.procs.by_tid.values()))
            self.procs.add_thread(parent, tid)
            return parent
        self.summary.note(f"process {tid} appears without the call that made it")
        return self._first(tid, call)

    def _is_process(self, tid: int) -> bool:
        return self.facts.is_process(tid) is not False

    def _first(self, tid: int, call: Event) -> Process:
        """The first process, or one of unknown origin: empty until its execve, or its first call that needs memory."""
        pid = tid or (self.facts.root if self.root is None else 0)
        process = Process(pid, Space(0), FdTable(), Directory(self.facts.cwd if self.root is None else ""))
        process.tids.add(tid)
        process.space.first = call
        self.procs.add(process)
        if self.root is None:
            self.root = process
        return process

    def _unnumbered(self, tid: int) -> Process | None:
        """A line without a number in a log that has some: the only process left; or the first number of one that had none."""
        living = self.procs.all()
        if tid == 0:
            return living[0] if len(living) == 1 else self.root
        root = self.root
        if root is not None and root.pid == 0 and root.tids:
            self.procs.add_thread(root, tid)
            root.pid = tid
            return root
        return None

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
            process.space.mid = self.machine.spawn(f"pid{process.pid}", None, [b"?"], [], begun_before(following), process.pid)
            process.space.is_guessed = True
            self.summary.note(f"process {process.pid}: no execve in the log, its program is not known")
        return process.space.mid

    def _end(self, process: Process, tid: int, name: str, text: str) -> None:
        if name == "+bits":
            process.space.is_32 = text == "32"
        elif name == "+thread":
            self.procs.add_thread(process, int(text))
        elif name == "+superseded":
            self.procs.end_thread(process, int(text))
            process.tids.add(tid)
            self.procs.add(process)
        elif name in ("+exited", "+killed"):
            if name == "+killed":
                process.is_killed = True
            if tid == process.pid or tid == 0 or len(process.tids) <= 1:
                self.exit(process)
            else:
                self.procs.end_thread(process, tid)

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
        process.peak_vm = max(process.peak_vm, mm.hiwater_vm)
        process.peak_rss = max(process.peak_rss, mm.hiwater_rss)
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
