"""What a command leaves behind: text on stdout, one line on stderr, an exit status. All of it is decided here.

    0    done
    1    a simulated call failed; the state file or a host file is missing or unusable; stdout cannot be written
    2    wrong usage
    70   an internal error, by sysexits.h: a promise inside the simulator was broken
    128+N  the command's process was killed by signal N (or would have been, with --probe); 130: interrupted

Output goes straight to the descriptors, as UTF-8 whatever the locale says, with the bytes of
file names as they came. Like a coreutils program, one whose reader went away dies of SIGPIPE.
"""

from __future__ import annotations

import posix

from vmtool import environ
from vmtool.errors import InternalError, VmtoolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Output: TypeAlias = "str | bytes | Result | Callable[[], str | bytes] | None"  # a handler's; a function formats what it copied

EXIT_SOFTWARE = InternalError.exit_status
EXIT_INTERRUPTED = 130
OF_THE_HOST = (ModuleNotFoundError, MemoryError)  # Python's own exceptions that are nobody's mistake here


class Result:
    """What a handler returns that has a status besides its text."""

    __slots__ = ("text", "status")

    def __init__(self, text: str, status: int):
        self.text = text
        self.status = status


class Coloured(str):
    """Text that has colours on a terminal, and there alone."""

    __slots__ = ("coloured",)

    def __new__(cls, plain: str, coloured: str):
        made = super().__new__(cls, plain)
        made.coloured = coloured
        return made


def is_bug(failure: BaseException) -> bool:
    """Whether it is vmtool's own fault: a broken promise, or an exception nobody meant."""
    return isinstance(failure, InternalError) or not isinstance(failure, (VmtoolError, KeyboardInterrupt, *OF_THE_HOST))


def status_of(failure: BaseException) -> int:
    """The exit status of an exception that left a command."""
    if isinstance(failure, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    if isinstance(failure, OF_THE_HOST):
        return VmtoolError.exit_status
    return failure.exit_status if isinstance(failure, VmtoolError) else EXIT_SOFTWARE


def message_of(failure: BaseException) -> str:
    """Its line, without the leading `vmtool: COMMAND: ` and without a newline."""
    if isinstance(failure, KeyboardInterrupt):
        return "interrupted"
    if isinstance(failure, ModuleNotFoundError):
        return _lacking(failure.name or "")
    if isinstance(failure, MemoryError):
        return "this computer has not the memory for it"
    return f"internal error: {text_of(failure)}" if is_bug(failure) else text_of(failure)


EXTRAS = {"matplotlib": "plot", "mfusepy": "mount"}
"""Packages that few need, by the extra of pyproject.toml that brings them."""


def _lacking(module):
    """What to do about a module that is not there: one of the packages that pip brings, or of those that a build makes."""
    package = module.partition(".")[0]
    if package == "vmtool":
        return f"{module} is not built: make, or pip install ."
    what = f"vmtool[{EXTRAS[package]}]" if package in EXTRAS else "."
    return f"needs the Python package {package} (pip install {what})"


def text_of(failure: BaseException) -> str:
    """What an exception says; one that is none of ours says what it is."""
    return str(failure) if isinstance(failure, VmtoolError) else f"{type(failure).__name__}: {failure}"


def complain(where: str, message: object) -> None:
    """`vmtool: WHERE: MESSAGE` on stderr; where that cannot be written, the exit status must do."""
    write_error(line_of(where, message))


def line_of(where: str, message: object) -> str:
    """The one line of a message, whatever the words in it hold: none of them moves the terminal's cursor."""
    line = f"vmtool: {where}: {message}" if where else f"vmtool: {message}"
    if not line.isprintable():
        line = "".join(_escaped(char) if char < " " or "\x7f" <= char < "\xa0" or char in "\u2028\u2029" else char for char in line)
    return line + "\n"


def _escaped(char):
    return char.encode("unicode_escape").decode()


def write_error(text: str | bytes) -> None:
    """Text on stderr, or nowhere."""
    try:
        write(2, text)
    except OSError:
        pass


def write(fd: int, text: str | bytes) -> None:
    """All of `text` (str or bytes) to a descriptor. Raises OSError."""
    left = memoryview(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    while left:
        left = left[posix.write(fd, left):]


def show(where: str, text: str | bytes | None) -> int:
    """A result on stdout; the exit status: 0, or 1 when it could not be written."""
    if not text:
        return 0
    try:
        write(1, text.coloured if type(text) is Coloured and _has_colours() else text)
    except BrokenPipeError:
        die_of_sigpipe()
    except OSError as failure:
        complain(where, f"write error: {failure.strerror}")
        return 1
    return 0


def _has_colours():
    """Whether stdout is a terminal that shows them (no-color.org)."""
    return posix.isatty(1) and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"


def die_of_sigpipe() -> None:
    """As a program that left SIGPIPE at its default would have died: a shell then shows nothing."""
    import signal
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    posix.kill(posix.getpid(), signal.SIGPIPE)
    posix._exit(128 + signal.SIGPIPE)
