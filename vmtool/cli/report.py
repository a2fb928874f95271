"""What a command leaves behind: text on stdout, one line on stderr, an exit status. All of it is decided here.

    0    done
    1    a simulated call failed; the state file or a host file is missing or unusable; stdout cannot be written
    2    wrong usage
    70   an internal error, by sysexits.h: a promise inside the simulator was broken
    128+N  the command's process was killed by signal N (or would have been, with --probe); 130: interrupted

Output goes straight to the descriptors, as UTF-8 whatever the locale says, with the bytes of
file names as they came. Like a coreutils program, one whose reader went away dies of SIGPIPE.
"""

import os

from vmtool.errors import InternalError, VmtoolError

EXIT_SOFTWARE = InternalError.exit_status
EXIT_INTERRUPTED = 130


class Result:
    """What a handler returns that has a status besides its text."""

    __slots__ = ("text", "status")

    def __init__(self, text, status):
        self.text = text
        self.status = status


def is_bug(failure):
    """Whether it is vmtool's own fault: a broken promise, or an exception nobody meant."""
    return isinstance(failure, InternalError) or not isinstance(failure, (VmtoolError, KeyboardInterrupt))


def status_of(failure):
    """The exit status of an exception that left a command."""
    if is_bug(failure):
        return EXIT_SOFTWARE
    if isinstance(failure, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    return failure.exit_status


def message_of(failure):
    """Its line, without the leading `vmtool: COMMAND: ` and without a newline."""
    if isinstance(failure, KeyboardInterrupt):
        return "interrupted"
    return f"internal error: {text_of(failure)}" if is_bug(failure) else text_of(failure)


def text_of(failure):
    """What an exception says, in one line; one that is none of ours says what it is."""
    text = str(failure).replace("\n", " ")
    return text if isinstance(failure, VmtoolError) else f"{type(failure).__name__}: {text}"


def complain(where, message):
    """`vmtool: WHERE: MESSAGE` on stderr; where that cannot be written, the exit status must do."""
    write_error(f"vmtool: {where}: {message}\n" if where else f"vmtool: {message}\n")


def write_error(text):
    """Text on stderr, or nowhere."""
    try:
        write(2, text)
    except OSError:
        pass


def write(fd, text):
    """All of `text` (str or bytes) to a descriptor. Raises OSError."""
    left = memoryview(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    while left:
        left = left[os.write(fd, left):]


def show(where, text):
    """A result on stdout; the exit status: 0, or 1 when it could not be written."""
    if not text:
        return 0
    try:
        write(1, text)
    except BrokenPipeError:
        die_of_sigpipe()
    except OSError as failure:
        complain(where, f"write error: {failure.strerror}")
        return 1
    return 0


def die_of_sigpipe():
    """As a program that left SIGPIPE at its default would have died: a shell then shows nothing."""
    import signal
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    os._exit(128 + signal.SIGPIPE)
