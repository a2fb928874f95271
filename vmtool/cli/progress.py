"""A line on the terminal that says how far a long command is: on stderr, when that is a terminal, and only after a second.

A timer's signal prints it, so that a command without loops of its own shows it too (the machine's long loops poll for signals);
one that knows how much there is to do says so in `total` and `done`. Nothing of it is left when the command ends.
"""

from __future__ import annotations

import os
from _signal import ITIMER_REAL, SIG_DFL, SIGALRM, setitimer, signal

FIRST, EVERY = 1.0, 0.5  # seconds


class Progress:
    """What is shown: `done` of `total` in the command's own unit, a total of 0 for a command that does not know."""

    def __init__(self, name: str):
        self.name = name
        self.seconds = 0.0
        self.done = 0
        self.total = 0
        self.is_shown = False

    def __enter__(self) -> Progress:
        self.seconds = FIRST - EVERY
        signal(SIGALRM, self.tick)
        setitimer(ITIMER_REAL, FIRST, EVERY)
        return self

    def __exit__(self, *exception: object) -> None:
        setitimer(ITIMER_REAL, 0)
        signal(SIGALRM, SIG_DFL)
        if self.is_shown:
            self.is_shown = False
            _write("\r\x1b[K")

    def tick(self, *_: object) -> None:
        """The timer's signal."""
        self.seconds += EVERY
        self.is_shown = True
        part = f"{self.done * 100 // self.total} %, " if self.total else ""
        _write(f"\r\x1b[Kvmtool: {self.name}: {part}{self.seconds:.0f} s")


class Silence:
    """In its place where stderr is no terminal."""

    done = total = 0

    def __enter__(self) -> Silence:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


current: Progress | Silence = Silence()
"""The command's own, for those that know how far they are."""


def of(name: str) -> Progress | Silence:
    """The progress of a command that begins."""
    global current
    current = Progress(name) if is_terminal() else Silence()
    return current


def is_terminal() -> bool:
    try:
        return os.isatty(2)
    except OSError:
        return False


def _write(text: str) -> None:
    try:
        os.write(2, text.encode())
    except OSError:
        pass
