"""Page-fault events of a real run, from tracefs, perf script or their short form, a line an event.

What is modelled: the tracepoints exceptions:page_fault_user and page_fault_kernel, with raw_syscalls, sched_process_fork, _exec
and _exit around them, as text:
    true-28409 [000] ...1. 4159.909: page_fault_user: address=0x7ffff7fe5c20 ip=0x7ffff7fe5c20 error_code=0x14      (tracefs)
    true 28409 [000] 4159.909: exceptions:page_fault_user: address=0x… ip=0x… error_code=0x14                       (perf script)
    28409 fault 7ffff7fe5c20 14 7ffff7fe5c20                                                                        (short)
Simplified: other events and their fields are passed over.
Invariant: a line is an event, passed over, or LogError with its number.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vmtool.strace.tally import LogError, shown

WRITE, INSTRUCTION = 2, 16  # bits of the error code
FAULT, ENTER, FORK, EXEC, END = range(5)

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
