"""Waiting for other commands, and SQLite's complaints in our words."""

from __future__ import annotations

import time

from vmtool.errors import StateError
from vmtool.store.sqlite import sqlite

WAIT_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05

FAILURES = (sqlite.Error, UnicodeDecodeError)  # the second when SQLite quotes a damaged schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Busy(StateError):
    """Another command held the lock for longer than this one was to wait."""


def patiently(path: str, wait: float, action: Callable[[], Any]) -> Any:
    """Do `action`, again and again for up to `wait` seconds while another command is in the way.

    Not by SQLite's busy handler: in it Ctrl-C would have to wait too. A commit keeps its place
    meanwhile: once it asked, no new reader is let in.
    """
    deadline = time.monotonic() + wait
    pause = _FIRST_PAUSE
    while True:
        try:
            return action()
        except (sqlite.OperationalError, BlockingIOError) as error:
            if not is_busy(error):
                raise
        left = deadline - time.monotonic()
        if left <= 0:
            raise Busy(f"{path}: is in use by another command (waited {wait:g} s)")
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def is_busy(error: Exception) -> bool:
    # By its text: Python 3.10 has no sqlite_errorcode.
    return isinstance(error, BlockingIOError) or "locked" in str(error)


def explain(path: str, error: Exception) -> StateError:
    """What a failure that SQLite reports (one of FAILURES) means for the state file."""
    text = str(error)
    if is_busy(error):
        return Busy(f"{path}: is in use by another command")
    if "full" in text:
        return StateError(f"{path}: no space left for it; nothing was changed")
    if "readonly" in text or "unable to open" in text or "disk I/O" in text:
        return StateError(f"{path}: {why_not_written(path, text)}")
    if "malformed" in text or "encrypted" in text or isinstance(error, UnicodeDecodeError):
        return StateError(f"{path}: is damaged")  # a longer text would quote what it found
    return StateError(f"{path}: is damaged ({text})")


def why_not_written(path: str, text: str) -> str:
    import os  # here: a command that goes well does without

    path = os.path.realpath(path)
    if os.path.exists(path + "-journal"):
        return "a command was killed while it wrote; to undo that, the file and its directory must be writable"
    if not os.access(path, os.W_OK):
        return "is read-only"
    if not os.access(os.path.dirname(path), os.W_OK):
        return "cannot be written: its directory is read-only"
    return "input/output error" if "disk I/O" in text else text
