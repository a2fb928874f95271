"""A program that runs under strace for a recording, and its end when the recorder is told to end.

What is modelled: nothing; processes of the host. `strace -o FILE PROGRAM` blocks the signals that would end it, and what it traces goes on
without it, so the recorder ends them all: SIGTERM to the processes below it, after a while SIGKILL. While it records, orphans come to it
(PR_SET_CHILD_SUBREAPER), else a grandchild would get away. SIGINT is the program's business: a terminal sends it to that, too.
Invariant: after `watched` no process that it started is left when a signal ended it, and the signal's own action follows.
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from vmtool.uapi import PR_SET_CHILD_SUBREAPER

GRACE = 2.0  # seconds between SIGTERM and SIGKILL
POLL = 0.02
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Ended(BaseException):
    """The recorder was told to end; not an Exception, so that nobody on the way takes it for an error."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


def ender(signals: Iterable[int]) -> Callable[[int, object], None]:
    """A handler of these: the others are let pass from then on, and the program that was told to end does so by Ended."""
    def end(number: int, frame: object) -> None:
        for other in signals:
            signal.signal(other, signal.SIG_IGN)
        raise Ended(number)
    return end


@contextmanager
def watched() -> Iterator[None]:
    """While a program runs: a signal that ends the recorder ends the program, cleans up on the way out, and then does what it does."""
    before = {number: signal.getsignal(number) for number in (*ENDING, signal.SIGINT)}
    ignored = [number for number in ENDING if before[number] is signal.SIG_IGN]  # nohup's: the program inherits that
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in ENDING:
        if number not in ignored:
            signal.signal(number, ender(ENDING))
    signal.signal(signal.SIGINT, lambda number, frame: None)  # a handler, not SIG_IGN: that would be inherited
    try:
        yield
    except Ended:
        end_children()
        raise
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def end_children() -> None:
    """SIGTERM, then SIGKILL, to all processes below this one, until none is left."""
    deadline = time.monotonic() + GRACE
    number = signal.SIGTERM
    sent: set[int] = set()
    while children := _below(os.getpid()):
        if number == signal.SIGTERM and time.monotonic() > deadline:
            number, sent = signal.SIGKILL, set()
        for pid in children - sent:
            try:
                os.kill(pid, number)
                if number == signal.SIGTERM:
                    os.kill(pid, signal.SIGCONT)  # a stopped one takes it only then
            except OSError:
                continue
        sent |= children if number == signal.SIGTERM else set()
        _reap()
        time.sleep(POLL)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except OSError:
        return


def _below(root: int) -> set[int]:
    """The processes below one that still run."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as f:
                    state, parent = f.read().rpartition(b")")[2].split()[:2]
            except (OSError, ValueError):
                continue
            if state not in (b"Z", b"X"):
                parents[int(name)] = int(parent)
    found: set[int] = set()
    front = {root}
    while front:
        front = {pid for pid, parent in parents.items() if parent in front} - found
        found |= front
    return found


def repeat(ended: Ended) -> None:
    """Let the signal do what it would have done."""
    signal.signal(ended.number, signal.SIG_DFL)
    os.kill(os.getpid(), ended.number)
