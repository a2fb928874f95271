"""Page-fault events of a real run, from tracefs, perf script or their short form, and their place in its strace log.

What is modelled: where the faults of fault_lines.py belong.
A log of the same run says which calls were made, the events which faults came between them: both are walked together, memory call
by memory call, thread by thread. Faults inside execve before the new program are the old one's reads of the arguments.
When the numbers of the two runs differ (the events of one run, the log of another), processes are paired in the order of their forks.
Simplified: the events of one thread are in the order of the trace; how the faults of two threads interleave is kept
only as far as their calls do.
"""

from collections import defaultdict, deque
from collections.abc import Iterable

from vmtool.errors import KernelError, Signal
from vmtool.strace.context import Context
from vmtool.strace.fault_lines import END, ENTER, EXEC, FAULT, FORK, TraceEvent, access_of, parse
from vmtool.strace.procs import Process

PULL = 500_000  # events that one call may look ahead

NR_64 = {9: "mmap", 10: "mprotect", 11: "munmap", 12: "brk", 25: "mremap", 26: "msync", 28: "madvise", 30: "shmat", 56: "clone", 57: "fork",
         58: "vfork", 59: "execve", 60: "exit", 67: "shmdt", 149: "mlock", 150: "munlock", 151: "mlockall", 152: "munlockall",
         216: "remap_file_pages", 231: "exit_group", 325: "mlock2", 329: "pkey_mprotect", 435: "clone3"}
NR_32 = {1: "exit", 2: "fork", 11: "execve", 45: "brk", 90: "mmap", 91: "munmap", 120: "clone", 125: "mprotect", 144: "msync", 150: "mlock",
         151: "munlock", 152: "mlockall", 153: "munlockall", 163: "mremap", 190: "vfork", 192: "mmap2", 219: "madvise", 252: "exit_group",
         257: "remap_file_pages", 376: "mlock2", 380: "pkey_mprotect", 397: "shmat", 398: "shmdt", 435: "clone3"}
ALIGNED = frozenset(NR_64.values()) | frozenset(NR_32.values())


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

    def _number(self, replay: Context, process: Process, tid: int) -> int:
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

    def until(self, replay: Context, process: Process, tid: int, name: str) -> None:
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

    def rest(self, replay: Context, process: Process) -> None:
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

    def _touch(self, replay: Context, process: Process, faults: list[TraceEvent]) -> None:
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
