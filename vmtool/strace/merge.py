"""The files of `strace -ff` in one order.

What is modelled: each file holds the calls of one thread in their order; between files the log tells an order by
    times      to the microsecond (-tt, -ttt): the calls are taken by the time at which they began
    causes     a thread's calls follow the clone that made it; vfork's parent waits for its child's execve or end; wait4, waitid and the
               join of a thread follow an end; exit_group and execve follow the last calls of the other threads, and what an execve
               leaves of a process goes on in the first thread's file
    answers    of threads that share an address space, an order is searched that explains what they were answered (plans.py, order.py)
Microseconds tell when a call began, not when it took effect: one that began a little later may have acted before (threads.py).
Seconds (-t) order what they can, causes and answers the rest; times that count from the line before (-r) order nothing.
Simplified: where no order explains the answers, the thread that was served last goes on, and that the order is a guess is said.
Invariant: each file's lines keep their order; every line is delivered once.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import islice
from types import ModuleType
from typing import NamedTuple

from vmtool.strace.context import Context
from vmtool.strace.lexer import CHILD_STARTS, Event, lex, seconds
from vmtool.strace.plans import ENDS, Plan, Thread, joined, takes_all
from vmtool.strace.procs import Process, child_number
from vmtool.strace.reader import NEAR, PID_CHANGED, Reader, whole_calls
from vmtool.strace.threads import before

WAITS = frozenset({"wait4", "waitid", "waitpid", "futex"})  # read for their order alone
SLACK = 0.005  # seconds that the last call of a file may take effect after its time
_SI_PID = re.compile(r"si_pid=(\d+)")


class LogFile(NamedTuple):
    """One file of a trace: its name for messages, the thread it belongs to (0: the log says it itself), its lines."""

    name: str
    tid: int
    lines: Iterable[str]


class Merged:
    """The calls of all files, as a Reader gives those of one. `calls` is the module (handlers) that says which are wanted, and when."""

    def __init__(self, files: list[LogFile], calls: ModuleType, counts: defaultdict[str, int], replay: Context) -> None:
        self._streams = {f.tid: _Stream(f, calls, counts, replay) for f in files}
        self._replay = replay
        self._memory: frozenset[str] = calls.MEMORY
        self._ready: list[_Stream] = []  # begun and not ended; the one that was served last comes first
        self._ended: set[int] = set()
        self._guesses: set[int] = set()
        self._plans: dict[int, Plan] = {}  # by process
        self._threads: dict[int, Thread] = {}  # what their clones said of them
        self._is_fine = all(s.is_fine for s in self._streams.values())
        self._has_times = all(s.has_times for s in self._streams.values())

    def __iter__(self) -> Iterator[Event]:
        for stream in self._by_time() if self._is_fine else self._by_cause():
            event = stream.take()
            self._follow(stream, event)
            if event[2] not in WAITS:
                yield event

    def of(self, tid: int, near: int = NEAR) -> Iterator[Event]:
        """The next calls of one thread."""
        stream = self._streams.get(tid)
        return iter(()) if stream is None else whole_calls(islice(stream.ahead(), near))

    def ahead(self) -> Iterator[Event]:
        """Nothing: which line of which file comes next is not known before its turn."""
        return iter(())

    def tells_end_of(self, pid: int) -> bool:
        """Never: what ends a process comes after all the calls of its threads."""
        return False

    # --- which file is next ----------------------------------------------------------------------------

    def _by_time(self) -> Iterator["_Stream"]:
        heap = [(s.time, s.tid, s) for s in self._streams.values() if s.head]
        heapify(heap)
        held: list[_Stream] = []  # calls that began and have not acted
        while heap or held:
            stream, series = self._ripe(held, heap[0][0] if heap else None)
            if stream is None:
                time, _, stream = heappop(heap)
                if stream.head is None or stream.time != time or stream in held:
                    continue  # served out of its turn
                found = self._sooner(stream)
                if found is None and heap:
                    held.append(stream)
                    continue
                series = found or []
            for served in [*series, stream]:
                if served in held:
                    held.remove(served)
                yield served
                if served.head is not None:
                    heappush(heap, (served.time, served.tid, served))

    def _ripe(self, held: list["_Stream"], now: float | None) -> tuple["_Stream | None", list["_Stream"]]:
        """A call that was held and fits now, or must have acted by now (None: nothing else is left)."""
        for stream in held:
            series = self._sooner(stream)
            if series is not None:
                return stream, series
            if now is None or now > stream.until and not self._ends_others(stream):
                self._say_guess(stream)
                return stream, []
        return None, []

    def _sooner(self, stream: "_Stream") -> list["_Stream"] | None:
        """The threads whose calls began a little later and must have acted before; None: the call does not fit, or ends others too soon."""
        event = stream.event()
        process = self._sharers(stream)
        if process is None:
            return []
        if takes_all(event):
            return None if self._ends_others(stream) else []
        if event[2] not in self._memory:
            return []
        others = {tid: other.event() for tid in process.tids if tid != stream.tid and (other := self._streams.get(tid)) is not None
                  and other.head is not None and other.head[2] in self._memory and other.time <= stream.until}
        found = before(self._replay, process, event, others)
        return None if found is None else [self._streams[tid] for tid in found]

    def _by_cause(self) -> Iterator["_Stream"]:
        left = sorted(self._streams)
        root = self._replay.facts.root
        if root in self._streams:
            left.insert(0, root)
        for tid in left:  # one that no clone announces begins when all others are through
            if tid not in self._ended and self._streams[tid] not in self._ready:
                self._ready.append(self._streams[tid])
            while self._ready:
                stream = self._ready[0]
                if stream.head is None:
                    self._ready.pop(0)
                    self._ended.add(stream.tid)
                    continue
                if self._has_times or not self._may_go(stream):
                    stream = self._choose()
                    self._ready.remove(stream)
                    self._ready.insert(0, stream)
                yield stream

    def _choose(self) -> "_Stream":
        """The thread to serve: one that may go, at the earliest time where there are times; else a guess."""
        living = [s for s in self._ready if s.head is not None]
        if self._has_times:
            living.sort(key=lambda s: s.time)
        for stream in living:
            if self._may_go(stream):
                return stream
        guess = next((s for s in living if not self._must_wait(s)), living[0])
        self._say_guess(guess)
        return guess

    def _say_guess(self, stream: "_Stream") -> None:
        process = self._replay.procs.by_tid.get(stream.tid)
        if process is not None and process.pid not in self._guesses and len(process.tids) > 1:
            self._guesses.add(process.pid)
            self._replay.summary.note(f"process {process.pid}: the order of its threads' calls is not in the log")

    # --- what must wait -------------------------------------------------------------------------------------

    def _may_go(self, stream: "_Stream") -> bool:
        if self._must_wait(stream):
            return False
        process = self._sharers(stream)
        if process is None:
            return True
        assert stream.head is not None
        plan = self._plan(stream.pid, process)
        return not plan.holds(stream.tid, stream.head) or plan.is_next(stream.tid, stream.head)

    def _plan(self, pid: int, process: Process) -> Plan:
        """The order of a process's threads; made anew when it is used up and calls are left that it does not hold."""
        plan = self._plans.get(pid)
        if plan is None or not plan.queue and not plan.is_stuck and self._has_calls_left(process):
            machine, mid = self._replay.machine, process.space.mid
            areas = machine.maps(mid) if mid else []
            top, brk = (machine.mm(mid).mmap_base, machine.brk(mid)) if mid else (0, 0)
            begun = [tid for tid in process.tids if tid not in self._ended]
            plan = self._plans[pid] = Plan(self._streams, begun, self._threads, areas, top, brk, self._replay.geometry)
        return plan

    def _has_calls_left(self, process: Process) -> bool:
        return any(not self._streams[tid].is_at_end for tid in process.tids if tid in self._streams)

    def _sharers(self, stream: "_Stream") -> Process | None:
        """The process of a thread that is not the only one."""
        process = self._replay.procs.by_tid.get(stream.tid)
        return process if process is not None and len(process.tids) > 1 else None

    def _must_wait(self, stream: "_Stream") -> bool:
        """Whether something that has not happened comes before a thread's next call."""
        event = stream.head
        assert event is not None
        if stream.vfork_child and stream.vfork_child not in self._ended:
            return True
        if event[2] in WAITS:
            tid = _waited_for(event[2], event[3], self._threads)
            return tid in self._streams and tid not in self._ended
        if event[2] == "+superseded":
            return int(event[3]) in self._streams and int(event[3]) not in self._ended
        return takes_all(event) and self._ends_others(stream)

    def _ends_others(self, stream: "_Stream") -> bool:
        """Whether other threads of the process have calls left."""
        process = self._sharers(stream)
        return process is not None and any(not self._streams[tid].is_at_end for tid in process.tids
                                           if tid != stream.tid and tid in self._streams)

    # --- what has happened -------------------------------------------------------------------------------------

    def _follow(self, stream: "_Stream", event: Event) -> None:
        """Threads that begin, and ends that others wait for."""
        name, text = event[2], event[3]
        plan = self._plans.get(stream.pid)
        if plan is not None:
            plan.done(stream.tid, event)
        if name in CHILD_STARTS:
            number = child_number(text)
            child = self._streams.get(number) if number is not None else None
            if number is None or child is None or number in self._ended or child in self._ready:
                return
            self._threads[number] = Thread(number, text)
            if "CLONE_THREAD" in text:
                child.pid = stream.pid
            if not self._is_fine:
                self._ready.append(child)
            if name == "vfork" or "CLONE_VFORK" in text:
                stream.vfork_child = number
                child.vfork_parent = stream
        elif name in ENDS or takes_all(event):
            if name in ENDS or stream.goes_on_as:
                self._ended.add(stream.tid)
                self._threads.pop(stream.tid, None)
            else:
                self._plans.pop(stream.pid, None)
            if stream.vfork_parent is not None:
                stream.vfork_parent.vfork_child = 0
                stream.vfork_parent = None


class _Stream:
    """The calls of one file; it knows the time of its next one when the log has times."""

    def __init__(self, file: LogFile, calls: ModuleType, counts: defaultdict[str, int], replay: Context) -> None:
        self.tid = self.pid = file.tid
        self.goes_on_as = 0
        self.vfork_child = 0
        self.vfork_parent: _Stream | None = None
        lines = iter(file.lines)
        first = next(lines, "")
        stamp = seconds(first) if first else None
        self.has_times = stamp is not None and not stamp[1]  # relative times have no common zero
        self.is_fine = self.has_times and "." in first.split("(")[0]
        self._last = 0.0
        self._times: dict[int, float] = {}  # by line, of the events that were read
        wanted = calls.WANTED | WAITS
        events = lex(self._timed(first, lines) if first else iter(()), wanted, counts, replay.summary.tally, replay.origin.call)
        self._reader = Reader(self._stamped(events) if self.has_times else events, calls.SLEEPERS, calls.AT_BEGIN)
        self._calls = iter(self._reader)
        self.time = 0.0
        self.head: Event | None = None
        self._advance()

    def _timed(self, first: str, lines: Iterator[str]) -> Iterator[str]:
        yield self._stamp(first)
        for line in lines:
            yield self._stamp(line)

    def _stamp(self, line: str) -> str:
        if self.has_times:
            found = seconds(line)
            if found is not None:  # else it is none of strace's
                self._last = found[0]
        return line

    def _stamped(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            self._times[event[0]] = self._last
            yield event

    def _advance(self) -> None:
        self.head = next(self._calls, None)
        if self.head is None:
            return
        if self.has_times:
            self.time = self._times.pop(self.head[0], self._last)
        found = PID_CHANGED.search(self.head[3])
        if found is not None:  # execve of a thread that is not the first: its answer is in the first one's file
            line, tid, name, text, part = self.head
            self.head = (line, tid, name, text[: found.start()] + ") = 0\n", part)
            self.goes_on_as = int(found[1])

    @property
    def until(self) -> float:
        """When the next call has acted at the latest: by the next line."""
        following = next(self._reader.ahead(), None)
        return self.time + SLACK if following is None else self._times.get(following[0], self.time + SLACK)

    def event(self) -> Event:
        """The next call, under the thread's number."""
        assert self.head is not None
        return (self.head[0], self.tid, *self.head[2:])

    def take(self) -> Event:
        event = self.event()
        self._advance()
        return event

    def ahead(self) -> Iterator[Event]:
        if self.head is not None:
            yield self.head
        yield from self._reader.ahead()

    @property
    def is_at_end(self) -> bool:
        """Whether no call is left that could still do something."""
        return self.head is None or self.head[2] in ENDS or self.head[2] in ("exit_group", "exit", "+superseded")

    def time_of(self, event: Event) -> float:
        """The time of a call that was looked at ahead."""
        return self.time if event is self.head else self._times.get(event[0], self.time)


def _waited_for(name: str, text: str, known: dict[int, Thread]) -> int:
    """The thread or process whose end a call has seen, 0: none."""
    if name == "futex":
        return joined(text, known)
    if "WIFSTOPPED" in text or "WIFCONTINUED" in text or "CLD_STOPPED" in text or "CLD_CONTINUED" in text:
        return 0
    if name == "waitid":
        found = _SI_PID.search(text)
        return int(found[1]) if found else 0
    return child_number(text) or 0
