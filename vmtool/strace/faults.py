"""Page-fault events of a real run, from tracefs, perf script or their short form, and their place in its strace log.

What is modelled: the tracepoints exceptions:page_fault_user and page_fault_kernel, with raw_syscalls, sched_process_fork, _exec
and _exit around them, as text:
    true-28409 [000] ...1. 4159.909: page_fault_user: address=0x7ffff7fe5c20 ip=0x7ffff7fe5c20 error_code=0x14      (tracefs)
    true 28409 [000] 4159.909: exceptions:page_fault_user: address=0x… ip=0x… error_code=0x14                       (perf script)
    28409 fault 7ffff7fe5c20 14 7ffff7fe5c20                                                                        (short)
A log of the same run says which calls were made, the events which faults came between them: both are walked together, memory call
by memory call, thread by thread. Faults inside execve before the new program are the old one's reads of the arguments.
When the numbers of the two runs differ (the events of one run, the log of another), processes are paired in the order of their forks.
Simplified: the events of one thread are in the order of the trace; how the faults of two threads interleave is kept
only as far as their calls do.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from vmtool.errors import KernelError, Signal
from vmtool.strace.lexer import LogError, shown

if TYPE_CHECKING:
    from vmtool.strace.procs import Process
    from vmtool.strace.replay import Replay

WRITE, INSTRUCTION = 2, 16  # bits of the error code
FAULT, ENTER, FORK, EXEC, END = range(5)
PULL = 500_000  # events that one call may look ahead

NR_64 = {9: "mmap", 10: "mprotect", 11: "munmap", 12: "brk", 25: "mremap", 26: "msync", 28: "madvise", 30: "shmat", 56: "clone", 57: "fork",
         58: "vfork", 59: "execve", 60: "exit", 67: "shmdt", 149: "mlock", 150: "munlock", 151: "mlockall", 152: "munlockall",
         216: "remap_file_pages", 231: "exit_group", 325: "mlock2", 329: "pkey_mprotect", 435: "clone3"}
NR_32 = {1: "exit", 2: "fork", 11: "execve", 45: "brk", 90: "mmap", 91: "munmap", 120: "clone", 125: "mprotect", 144: "msync", 150: "mlock",
         151: "munlock", 152: "mlockall", 153: "munlockall", 163: "mremap", 190: "vfork", 192: "mmap2", 219: "madvise", 252: "exit_group",
         257: "remap_file_pages", 376: "mlock2", 380: "pkey_mprotect", 397: "shmat", 398: "shmdt", 435: "clone3"}
ALIGNED = frozenset(NR_64.values()) | frozenset(NR_32.values())

_TRACE = re.compile(r"\s*(?P<comm>.*?)[- ](?P<pid>\d+)(?:/(?P<tid>\d+))?\s+(?:\(\s*[-\d]+\)\s+)?(?:\[\d+\]\s.*?)?[\d.]+:\s+(?:\w+:)?"
                    r"(?P<event>page_fault_user|page_fault_kernel|sys_enter|sched_process_fork|sched_process_exec|sched_process_exit):\s*(?P<rest>.*)")
PASSED = re.compile(r"\s*(?:#|$|CPU:?\s*\d+ \[LOST|[^\x00-\x08]*[\d.]+: +[\w:]+|\d+ \w|[0-9a-f]+ \S)")
_FAULT = re.compile(r"address=(?:0x)?([0-9a-f]+).*error_code=(?:0x)?([0-9a-f]+)")
_NR = re.compile(r"NR (\d+)")
_CHILD = re.compile(r"child_pid=(\d+)")
_SHORT = re.compile(r"(\d+) (fault|kfault|enter|fork|exec|end|alloc|exit)(?: (\S+))?(?: (\S+))?")


class TraceEvent(NamedTuple):
    """One event of one thread. FAULT: address and error code; ENTER: the call's number; FORK: the child's."""

    tid: int
    kind: int
    value: int
    code: int


def parse(lines: Iterable[str]) -> Iterator[TraceEvent]:
    """The events of a trace in any of its forms; other events, comments, call chains are passed over. LogError: no line of a trace."""
    for number, line in enumerate(lines, 1):
        event = event_of(line)
        if event is not None:
            yield event
        elif PASSED.match(line) is None:
            raise LogError(number, f"not an event of a trace: {shown(line)}")


def event_of(line: str) -> TraceEvent | None:
    """The event of a line; None: it is none of those that matter here."""
    found = _SHORT.match(line)
    return _short(found) if found else _long(line)


def _short(found: re.Match[str]) -> TraceEvent | None:
    pid, kind, a, b = found.groups()
    tid = int(pid)
    if kind in ("fault", "kfault"):
        return TraceEvent(tid, FAULT, int(a, 16), int(b, 16))
    if kind == "enter":
        return TraceEvent(tid, ENTER, int(a), 0)
    if kind == "fork":
        return TraceEvent(tid, FORK, int(a), 0)
    return TraceEvent(tid, EXEC if kind == "exec" else END, 0, 0) if kind in ("exec", "end") else None


def _long(line: str) -> TraceEvent | None:
    found = _TRACE.match(line)
    if found is None:
        return None
    tid = int(found["tid"] or found["pid"])
    event, rest = found["event"], found["rest"]
    if event.startswith("page_fault"):
        fault = _FAULT.search(rest)
        return TraceEvent(tid, FAULT, int(fault[1], 16), int(fault[2], 16)) if fault else None
    if event == "sys_enter":
        number = _NR.search(rest)
        return TraceEvent(tid, ENTER, int(number[1]), 0) if number else None
    if event == "sched_process_fork":
        child = _CHILD.search(rest)
        return TraceEvent(tid, FORK, int(child[1]), 0) if child else None
    return TraceEvent(tid, EXEC if event == "sched_process_exec" else END, 0, 0)


def access_of(code: int) -> str:
    """What an x86 error code says of the access."""
    return "w" if code & WRITE else "x" if code & INSTRUCTION else "r"


class Faults:
    """The events of a run, handed out as its log is replayed."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._events = parse(lines)
        self._queues: defaultdict[int, deque[TraceEvent]] = defaultdict(deque)
        self._alias: dict[int, int] = {}  # the log's number -> the trace's
        self._children: defaultdict[int, deque[int]] = defaultdict(deque)  # of the trace, in the order of their forks
        self._seen: dict[int, None] = {}
        self._is_one_run = False  # log and trace have the same numbers
        self.replayed = 0

    def _pull(self) -> TraceEvent | None:
        event = next(self._events, None)
        if event is not None:
            self._queues[event.tid].append(event)
            self._seen[event.tid] = None
            if event.kind == FORK:
                self._children[event.tid].append(event.value)
        return event

    def _number(self, replay: "Replay", process: "Process", tid: int) -> int:
        """The trace's number of a thread of the log."""
        alias = self._alias.get(tid)
        if alias is None:
            if not self._seen:
                self._pull()
            first = next(iter(self._seen), 0)
            if tid == process.pid and process is replay.root:
                self._is_one_run = tid in self._seen or self._is_coming(tid)
                alias = tid if self._is_one_run else first
            elif self._is_one_run:
                alias = tid  # though its fork's event may still lie ahead
            else:
                parent = self._alias.get(process.parent if tid == process.pid else process.pid, 0)
                children = self._children[parent]
                alias = tid if tid in children or not children else children[0]
                if alias in children:
                    children.remove(alias)
            self._alias[tid] = alias
        return alias

    def _is_coming(self, tid: int) -> bool:
        """Whether the log's own number is in the trace; only its beginning is looked at."""
        for _ in range(2000):
            event = self._pull()
            if event is None or event.tid == tid:
                return event is not None
        return False

    def until(self, replay: "Replay", process: "Process", tid: int, name: str) -> None:
        """The faults of a thread before one of its memory calls."""
        if name not in ALIGNED:
            return
        tid = tid or process.pid
        queue = self._queues[self._number(replay, process, tid)]
        names = NR_32 if process.space.is_32 else NR_64
        at = self._find(queue, names, name)
        if at is None:
            return
        faults: list[TraceEvent] = []
        for _ in range(at + 1):
            event = queue.popleft()
            if event.kind == FAULT:
                faults.append(event)
            elif event.kind == EXEC:
                faults.clear()
        self._touch(replay, process, faults)

    def _find(self, queue: deque[TraceEvent], names: dict[int, str], wanted: str) -> int | None:
        """Where the call begins in its thread's queue; the trace is read as far as needed."""
        i = pulled = 0
        while True:
            while i < len(queue):
                event = queue[i]
                if event.kind == ENTER and names.get(event.value) == wanted:
                    return i
                if event.kind == END:
                    return None
                i += 1
            if pulled >= PULL or self._pull() is None:
                return None
            pulled += 1

    def rest(self, replay: "Replay", process: "Process") -> None:
        """What is left of a process that ends: the faults after its last memory call."""
        for tid in sorted(process.tids | {process.pid}):
            alias = self._alias.get(tid)
            if alias is None:
                continue
            queue = self._queues[alias]
            end = next((i for i, e in enumerate(queue) if e.kind == END), len(queue))
            last_exec = max((i for i in range(end) if queue[i].kind == EXEC), default=-1)
            taken = [queue.popleft() for _ in range(end)]
            self._touch(replay, process, [e for e in taken[last_exec + 1 :] if e.kind == FAULT])
            del self._queues[alias], self._alias[tid]

    def _touch(self, replay: "Replay", process: "Process", faults: list[TraceEvent]) -> None:
        mid = process.space.mid
        if not mid:
            return  # before its first execve: the faults of whoever started it
        touch = replay.machine.touch
        for fault in faults:
            self.replayed += 1
            try:
                touch(mid, fault.value, 1, access_of(fault.code), True)
            except (Signal, KernelError):
                continue  # a fault that the real kernel answered with a signal, too
