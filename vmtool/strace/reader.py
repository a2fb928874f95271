"""Whole calls out of an strace log: unfinished and resumed halves joined.

What is modelled: a call that another thread's line interrupts is written as `name(… <unfinished ...>` and later
`<... name resumed>…`; the kernel did it somewhere between the two. The reader looks ahead for the second half, so that
a call is known with its answer from the line where it begins:
    FIRST_HALF  ->  (lines of others)  ->  SECOND_HALF     a call in two parts
    WHOLE                                                  a call on one line
    FIRST_HALF <pid changed to N ...>                      execve of a thread, whose second half has the number of the process
Calls that may sleep for long and change no memory are delivered at their end only. The files of `strace -ff` are for `merge`.
Invariant: the look-ahead is bounded (LOOK_AHEAD lines that matter), so memory does not grow with the log.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from vmtool.strace.lexer import UNFINISHED, Event, LogError
from vmtool.strace.lines import FIRST_HALF, SECOND_HALF, WHOLE

LOOK_AHEAD = 50_000
NEAR = 800  # lines that may hold the next ones of one thread
BEGUN = -1  # a first half that is joined already, and waits for its turn
PID_CHANGED = re.compile(r" <pid changed to (\d+) \.\.\.>\n?$")


class Reader:
    """An iterator of calls over an iterator of events, with a view of what comes next.

    A call is (line, thread, name, text, part): the text is that of both halves; part is WHOLE, FIRST_HALF where it begins, SECOND_HALF
    where it ends. The ends of processes (`name` begins with '+') are WHOLE, and so is `+thread`: whose thread it is that calls execve.
    """

    def __init__(self, events: Iterator[Event], sleepers: frozenset[str], at_begin: frozenset[str]) -> None:
        self._events = events
        self._ahead: deque[Event] = deque()
        self._open: dict[int, tuple[str, str]] = {}  # by thread: name, text of the first half
        self._sleepers = sleepers  # delivered when they end
        self._at_begin = at_begin  # delivered when they begin, also without an answer
        self._failed: LogError | None = None  # met while looking ahead; reported when it is its turn

    def __iter__(self) -> Iterator[Event]:
        ahead, next_event, whole = self._ahead, self._events.__next__, WHOLE
        while True:
            if ahead:
                event = ahead.popleft()
            elif self._failed:
                raise self._failed
            else:
                try:
                    event = next_event()
                except StopIteration:
                    return
            if event[4] == whole:
                if event[2] == "+superseded" and int(event[3]) in self._open:
                    self._open[event[1]] = self._open.pop(int(event[3]))
                yield event
            else:
                if event[4] == BEGUN:
                    yield (*event[:4], FIRST_HALF)
                    continue
                call = self._begin(event) if event[4] == FIRST_HALF else self._resume(event)
                if call is not None:
                    yield call

    def _begin(self, event: Event) -> Event | None:
        line, tid, name, text, _ = event
        first = before_unfinished(text)
        changed = PID_CHANGED.search(text) if "<pid changed" in text else None
        if changed is not None:
            second = self._half_of_process(int(changed[1]), name)
            if second is None:
                return line, tid, name, text, WHOLE  # another file has it
            pid = int(changed[1])
            self._open[pid] = (name, first)
            self._ahead.appendleft((line, tid, name, first + second, BEGUN))
            return line, pid, "+thread", str(tid), WHOLE
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

    def _half_of_process(self, pid: int, name: str) -> str | None:
        """The end of a thread's execve: its process's other lines before it are those of the first thread, which ends."""
        for _, its_tid, its_name, text, part in self.ahead():
            if its_tid == pid and part == SECOND_HALF and its_name == name:
                return text
            if its_tid == pid and its_name in ("+exited", "+killed"):
                break
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

    def of(self, tid: int, near: int = NEAR) -> Iterator[Event]:
        """The calls of one thread among the next lines, their halves joined."""
        ahead = self._ahead
        if len(ahead) < near and self._failed is None:
            try:
                ahead.extend(islice(self._events, near - len(ahead)))
            except LogError as e:
                self._failed = e
        return whole_calls([event for event in islice(ahead, near) if event[1] == tid])

    def tells_end_of(self, pid: int) -> bool:
        """Whether the end of a process is still to come."""
        return any(name in ("+exited", "+killed") and tid in (pid, 0) for _, tid, name, _, _ in self.ahead())


def whole_calls(events: Iterable[Event]) -> Iterator[Event]:
    """The events of one thread with the two parts of a call in one, where it ends."""
    begun: tuple[str, str] | None = None
    for event in events:
        if event[4] == FIRST_HALF:
            begun = (event[2], before_unfinished(event[3]))
        elif event[4] == WHOLE:
            yield event
        elif begun is not None and begun[0] == event[2]:
            yield (event[0], event[1], event[2], begun[1] + event[3], WHOLE)
            begun = None


def before_unfinished(text: str) -> str:
    """The first half of a call without its `<unfinished ...>`."""
    return text[: text.rindex(UNFINISHED)] if UNFINISHED in text else text[: text.rindex("<")].rstrip(" ")
