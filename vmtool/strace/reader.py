"""Whole calls out of an strace log: unfinished and resumed halves joined, several files merged.

What is modelled: a call that another thread's line interrupts is written as `name(… <unfinished ...>` and later
`<... name resumed>…`; the kernel did it somewhere between the two. The reader looks ahead for the second half, so that
a call is known with its answer from the line where it begins:
    FIRST_HALF  ->  (lines of others)  ->  SECOND_HALF     a call in two parts
    WHOLE                                                  a call on one line
Calls that may sleep for long and change no memory are delivered at their end only.
The files of `strace -ff` are merged by their times; without times by cause: a process's lines follow the clone that made it,
a wait follows the end of the child that it returns.
Simplified: times of one file are believed to be in order.
Invariant: the look-ahead is bounded (LOOK_AHEAD lines that matter), so memory does not grow with the log.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from vmtool.strace.lexer import CHILD_STARTS, UNFINISHED, Event, LogError, lex, seconds, shown
from vmtool.strace.lines import FIRST_HALF, SECOND_HALF, WHOLE

LOOK_AHEAD = 50_000


class Reader:
    """An iterator of calls over an iterator of events, with a view of what comes next.

    A call is (line, thread, name, text, part): the text is that of both halves; part is WHOLE, FIRST_HALF where it begins, SECOND_HALF
    where it ends. The ends of processes (`name` begins with '+') are WHOLE.
    """

    def __init__(self, events: Iterator[Event], sleepers: frozenset[str], at_begin: frozenset[str]) -> None:
        self._events = events
        self._ahead: deque[Event] = deque()
        self._open: dict[int, tuple[str, str]] = {}  # by thread: name, text of the first half
        self._sleepers = sleepers  # delivered when they end
        self._at_begin = at_begin  # delivered when they begin, also without an answer
        self._failed: LogError | None = None  # met while looking ahead; reported when it is its turn

    def __iter__(self) -> Iterator[Event]:
        ahead, events = self._ahead, self._events
        while True:
            if ahead:
                event = ahead.popleft()
            elif self._failed:
                raise self._failed
            else:
                try:
                    event = next(events)
                except StopIteration:
                    return
            if event[4] == WHOLE:
                if event[2] == "+superseded" and int(event[3]) in self._open:
                    self._open[event[1]] = self._open.pop(int(event[3]))
                yield event
            else:
                call = self._begin(event) if event[4] == FIRST_HALF else self._resume(event)
                if call is not None:
                    yield call

    def _begin(self, event: Event) -> Event | None:
        line, tid, name, text, _ = event
        first = text[: text.rindex(UNFINISHED)] if UNFINISHED in text else text[: text.rindex("<unf")]
        self._open[tid] = (name, first)
        if name in self._sleepers:
            return None
        second = self._second_half(tid, name)
        if second is None:
            if name not in self._at_begin:
                return None
            second = ") = ?\n"
        return line, tid, name, first + second, FIRST_HALF

    def _second_half(self, tid: int, name: str) -> str | None:
        for _, its_tid, its_name, text, part in self.ahead():
            if its_tid == tid or part == SECOND_HALF and its_name == name and self._is_other_half(tid, its_tid):
                if part == SECOND_HALF and its_name == name:
                    return text
                if part != SECOND_HALF and its_name not in ("+attached", "+bits"):
                    return None
            elif its_name == "+superseded" and text == str(tid):
                tid = its_tid  # execve of a thread: it goes on under the number of the first thread
        return None

    def _is_other_half(self, tid: int, its_tid: int) -> bool:
        """Whether a second half with another number may belong to a first half: one of them has none."""
        return tid != its_tid and 0 in (tid, its_tid) and its_tid not in self._open

    def _resume(self, event: Event) -> Event | None:
        line, tid, name, text, _ = event
        if tid not in self._open:
            # without -o a process has a number only while there are others
            tid = next((t for t, (its_name, _) in self._open.items() if its_name == name and 0 in (t, tid)), tid)
        opened = self._open.pop(tid, None)
        if opened is None or opened[0] != name:
            return None  # its first half was before the log began
        return line, tid, name, opened[1] + text, WHOLE if name in self._sleepers else SECOND_HALF

    def ahead(self) -> Iterator[Event]:
        """The events that follow, without taking them; at most LOOK_AHEAD of them."""
        ahead = self._ahead
        i = 0
        while i < LOOK_AHEAD:
            if i == len(ahead):
                try:
                    event = None if self._failed else next(self._events, None)
                except LogError as e:
                    self._failed = e
                    return
                if event is None:
                    return
                ahead.append(event)
            yield ahead[i]
            i += 1


class LogFile(NamedTuple):
    """One file of a trace: its name for messages, the thread it belongs to (0: the log says it itself), its lines."""

    name: str
    tid: int
    lines: Iterable[str]


def events_of(files: list[LogFile], wanted: frozenset[str], counts: defaultdict[str, int],
              child_of: Callable[[str], int | None]) -> Iterator[Event]:
    """The events of one log, or of the files of -ff in one order.

    `child_of` gives the new thread's number from the text of a clone, fork or vfork that succeeded.
    """
    if len(files) == 1 and files[0].tid == 0:
        return lex(files[0].lines, wanted, counts)
    streams = [_Stream(f, wanted, counts) for f in files]
    if all(s.has_times for s in streams):
        return _by_time(streams)
    return _by_cause(streams, child_of)


class _Stream:
    """The events of one file of -ff; each knows the time of its line when the log has it."""

    def __init__(self, file: LogFile, wanted: frozenset[str], counts: defaultdict[str, int]) -> None:
        self.tid = file.tid
        self.time = 0.0
        lines = iter(file.lines)
        first = next(lines, "")
        stamp = seconds(first) if first else None
        self.has_times = stamp is not None and not stamp[1]  # relative times have no common zero
        self._last = 0.0
        self._events = lex(self._timed(first, lines) if first else iter(()), wanted, counts)
        self.head = next(self._events, None)
        self.head_time = self._last

    def _timed(self, first: str, lines: Iterator[str]) -> Iterator[str]:
        yield self._stamp(first)
        for line in lines:
            yield self._stamp(line)

    def _stamp(self, line: str) -> str:
        if self.has_times:
            found = seconds(line)
            if found is None:
                raise LogError(0, f"a line without its time: {shown(line)}")
            self._last = found[0]
        return line

    def take(self) -> Event:
        event = self.head
        assert event is not None
        self.head = next(self._events, None)
        self.head_time = self._last
        return (event[0], self.tid, *event[2:])


def _by_time(streams: list[_Stream]) -> Iterator[Event]:
    from heapq import heapify, heappop, heappush

    heap = [(s.head_time, s.tid, s) for s in streams if s.head]
    heapify(heap)
    while heap:
        _, tid, stream = heappop(heap)
        yield stream.take()
        if stream.head:
            heappush(heap, (stream.head_time, tid, stream))


def _by_cause(streams: list[_Stream], child_of: Callable[[str], int | None]) -> Iterator[Event]:
    """One process at a time: its lines up to a wait for a child that has not ended, then that child's."""
    by_tid = {s.tid: s for s in streams}
    children = _all_children(streams)
    roots = [s.tid for s in streams if s.tid not in children] or [streams[0].tid]
    ready = deque(roots)
    ended: set[int] = set()
    while ready:
        tid = ready[0]
        stream = by_tid.get(tid)
        if stream is None or stream.head is None:
            ready.popleft()
            ended.add(tid)
            continue
        event = stream.take()
        yield event
        if event[2] in CHILD_STARTS:
            child = child_of(event[3])
            if child in by_tid and child not in ended:
                # the child first: what it shares with its parent (a vfork's memory) it used before the parent went on
                if "CLONE_THREAD" in event[3] or not _shares(event):
                    ready.append(child)
                else:
                    ready.appendleft(child)
    for stream in streams:
        while stream.head is not None:
            yield stream.take()


def _shares(event: Event) -> bool:
    return event[2] == "vfork" or "CLONE_VM" in event[3]


def _all_children(streams: list[_Stream]) -> set[int]:
    """Without reading ahead only this is known: the lowest number is the first process."""
    numbers = sorted(s.tid for s in streams)
    return set(numbers[1:])
