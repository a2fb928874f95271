"""From the files of -ff to an order: the calls of one process's threads as order.py searches them.

What is modelled: which of a thread's next lines matter for the order of threads: mappings made and given back, steps of the heap, threads
that begin, joins (FUTEX_WAIT on a number that the kernel clears when that thread ends), and what ends them all. Lines between follow
their thread.
Invariant: a plan never looks further than WINDOW calls of a thread, so memory does not grow with the log.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from vmtool.records import Vma
from vmtool.strace.effects import MAPPINGS, RWX, memory_op
from vmtool.strace.geometry import Geometry
from vmtool.strace.lexer import CHILD_STARTS, Event
from vmtool.strace.order import CLONE, END, LAST, WAIT, Op, Search, Spans
from vmtool.strace.procs import child_number

WINDOW = 4000
ENDS = frozenset({"+exited", "+killed"})
TAKES_ALL = frozenset({"exit_group", "execve", "execveat"})  # no other thread is left afterwards
_FUTEX = re.compile(r"(0x[0-9a-f]+), FUTEX_WAIT\w*(?:\|\w+)*, (\d+), .*\) += (?:0|-1 EAGAIN)")
_CHILD_TID = re.compile(r"child_tid(?:ptr)?=(0x[0-9a-f]+)")
_STACK = re.compile(r"(?:child_)?stack=(0x[0-9a-f]+)(?:, stack_size=(0x[0-9a-f]+|\d+))?")
_SUCCEEDED = re.compile(r"\) += 0\b")


class Thread:
    """What the order needs of one thread beside its calls."""

    __slots__ = ("tid", "stack", "tid_address")

    def __init__(self, tid: int, clone: str = "") -> None:
        self.tid = tid
        self.stack = _stack_of(clone)
        found = _CHILD_TID.search(clone)
        self.tid_address = int(found[1], 16) if found else 0


class Plan:
    """The next calls of one process's threads, in an order that explains their answers. `is_whole`: it explains them all."""

    def __init__(self, streams: dict[int, Any], begun: Iterable[int], known: dict[int, Thread], areas: list[Vma], top: int,
                 brk: int, geometry: Geometry) -> None:
        threads: dict[int, list[Op]] = {}
        is_cut = False
        todo = [tid for tid in begun if tid in streams]
        known = {tid: thread for tid, thread in known.items() if tid in todo}
        for tid in todo:  # grows as threads that begin are found
            events = list(islice(streams[tid].ahead(), WINDOW))
            is_cut = is_cut or len(events) == WINDOW
            for event in events:
                number = new_thread(event)
                if number in streams and number not in known and number not in todo:
                    known[number] = Thread(number, event[3])
                    todo.append(number)
            threads[tid] = list(_ops(events, known, streams[tid].time_of, geometry))
        if is_cut:
            threads = {tid: [op for op in ops if op.kind != LAST] for tid, ops in threads.items()}
        stacks = {tid: thread.stack for tid, thread in known.items()}
        spans = Spans([(area.start, area.end) for area in areas], top, geometry)
        opened = Spans([(area.start, area.end) for area in areas if area.flags & RWX], top, geometry)
        path, self.is_whole = Search(threads, set(begun), stacks, spans, opened, brk).run()
        self.queue = deque(path)
        self.is_stuck = not path  # no call fits: to search again is of no use before one was made all the same
        self._keys = {(tid, op.key) for tid, ops in threads.items() for op in ops}

    def holds(self, tid: int, event: Event) -> bool:
        """Whether a call has its place in the order, or should have."""
        return (tid, event[0]) in self._keys

    def is_next(self, tid: int, event: Event) -> bool:
        return bool(self.queue) and self.queue[0] == (tid, event[0])

    def done(self, tid: int, event: Event) -> None:
        entry = (tid, event[0])
        if entry in self._keys:
            self.is_stuck = False
            self._keys.discard(entry)
            if self.queue and self.queue[0] == entry:
                self.queue.popleft()
            elif entry in self.queue:
                self.queue.remove(entry)


def new_thread(event: Event) -> int | None:
    """The number of the thread that a clone made, None for anything else."""
    if event[2] in CHILD_STARTS and "CLONE_THREAD" in event[3]:
        return child_number(event[3])
    return None


def takes_all(event: Event) -> bool:
    """Whether a call ends all other threads."""
    return event[2] == "exit_group" or event[2] in TAKES_ALL and _SUCCEEDED.search(event[3]) is not None


def joined(text: str, known: dict[int, Thread]) -> int:
    """The thread whose end a futex call has waited for, 0: none."""
    found = _FUTEX.match(text)
    if found is None:
        return 0
    thread = known.get(int(found[2]))
    return thread.tid if thread is not None and thread.tid_address == int(found[1], 16) else 0


def _ops(events: list[Event], known: dict[int, Thread], time_of: Any, geometry: Geometry) -> Iterator[Op]:
    for event in events:
        op = _op(event, known, geometry)
        if op is not None:
            yield op._replace(time=time_of(event))
            if op.kind in (LAST, END):
                return


def _op(event: Event, known: dict[int, Thread], geometry: Geometry) -> Op | None:
    key, _, name, text, _ = event
    if name in MAPPINGS:
        return memory_op(event, geometry)
    if name == "futex":
        tid = joined(text, known)
        return Op(key, WAIT, thread=tid) if tid else None
    number = new_thread(event)
    if number:
        return Op(key, CLONE, thread=number)
    if takes_all(event):
        return Op(key, LAST)
    return Op(key, END) if name in ENDS or name == "+superseded" else None


def _stack_of(text: str) -> tuple[int, int]:
    """The stack that a clone gives to its child, as far as the line tells."""
    found = _STACK.search(text)
    if found is None:
        return 0, 0
    start = int(found[1], 16)
    return (start, start + int(found[2], 0)) if found[2] else (start - 1, start)
