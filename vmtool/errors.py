"""Every failure vmtool reports: one class each, with its message and exit status.

The kernel's own answers are `KernelError` (a failed system call) and `Signal` (a process
killed, or about to be); the others concern the state file, the host or the command line.
`exit_status` is what the shell sees; `fsck` and the README print the table of them.
"""

import errno as _errno
from posix import strerror


class VmtoolError(Exception):
    """Base of all that the command line turns into one line on stderr."""

    exit_status = 1


class KernelError(VmtoolError):
    """A simulated system call failed: `errno` is positive (12 = ENOMEM), `detail` optional text."""

    def __init__(self, errno, detail=None):
        self.errno = errno
        self.detail = detail
        super().__init__(errno, detail)

    @property
    def name(self):
        """The symbol, as in `ENOMEM`."""
        return _errno.errorcode.get(self.errno, f"errno {self.errno}")

    def __str__(self):
        text = f"{self.name} ({strerror(self.errno)})"
        return f"{text}: {self.detail}" if self.detail else text


class Signal(VmtoolError):
    """The access took a signal. `code` is the siginfo name (`SEGV_MAPERR`), `addr` si_addr or None.

    `minor` and `major` count the faults that completed before it; `killed` is false for --probe; `nr_done`: accesses of a stream before it.
    """

    nr_done = 0

    def __init__(self, signo, code, addr=None, minor=0, major=0, killed=True):
        self.signo = signo
        self.code = code
        self.addr = addr
        self.minor = minor
        self.major = major
        self.killed = killed
        super().__init__(signo, code, addr)

    @property
    def exit_status(self):
        return 128 + self.signo

    @property
    def name(self):
        """The symbol, as in `SIGSEGV`."""
        import signal  # here: it brings enum and functools, half of a bare start-up

        return signal.Signals(self.signo).name

    def __str__(self):
        at = f" at {self.addr:#x}" if self.addr is not None else ""
        return f"{self.name}{at} ({self.code})"


class UsageError(VmtoolError):
    """The words of a command do not fit its declaration. `word`: what stands for the command in the message."""

    exit_status = 2
    word = ""


class StateError(VmtoolError):
    """The state file is missing, foreign, newer, damaged or busy."""


class HostError(VmtoolError):
    """A host file or process could not be used: not found, not an ELF file, not permitted."""


class InternalError(VmtoolError):
    """A promise inside the simulator was broken: a bug, or a damaged machine that no check caught."""

    exit_status = 70  # EX_SOFTWARE of sysexits.h
