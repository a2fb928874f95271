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

from vmtool.errors import HostError, KernelError
from vmtool.strace import handlers
from vmtool.strace.broken import tidied
from vmtool.strace.context import Context, Difference, Hooks, Summary
from vmtool.strace.fds import FdTable
from vmtool.strace.lexer import Event, LogError, lex, shown
from vmtool.strace.lines import FIRST_HALF, SECOND_HALF, WHOLE
from vmtool.strace.merge import LogFile, Merged
from vmtool.strace.parser import Hidden
from vmtool.strace.procs import Directory, Process, Space
from vmtool.strace.reader import Reader
from vmtool.strace.threads import settle

MOST_SAID = 100
UNREADABLE = (ValueError, IndexError, OverflowError)  # what a handler raises on a text that strace did not write


class Replay(Context):
    """The loop over the log."""

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
            events = lex(files[0].lines, handlers.WANTED, self.summary.counts, self.summary.tally, self.origin.call)
            reader: Reader | Merged = Reader(events, handlers.SLEEPERS, handlers.AT_BEGIN)
        else:
            reader = Merged(files, handlers, self.summary.counts, self)
        self.reader = reader
        by_tid, kinds, faults, whole = self.procs.by_tid, handlers.KINDS, self.faults, WHOLE
        for call in reader:
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
                    space = process.space
                    if not space.mid:
                        space.first = call
                    if part != whole or space.pending:
                        settle(self, process, call)
                        continue
                    habits = space.habits
                    if habits.later or habits.row:
                        self.writes.settle(space, name, text)
                elif part != whole and (part == SECOND_HALF and is_at_begin or part == FIRST_HALF and not is_at_begin):
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
            handlers.HANDLERS[name](self, process, text, tid)
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
        if not self.summary.counts and not tally.cut:
            self.hooks.say(f"no call in {tally.nr_lines} line{'' if tally.nr_lines == 1 else 's'}")

    def act(self, process: Process, call: Event) -> None:
        """Carry out one memory call now."""
        _, tid, name, text, _ = call
        try:
            self.writes.settle(process.space, name, text)
            process.calls += 1
            if self.faults is not None:
                self.faults.until(self, process, tid, name)
            handlers.HANDLERS[name](self, process, text, tid)
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

__all__ = ["Difference", "Hooks", "Replay", "Summary"]
