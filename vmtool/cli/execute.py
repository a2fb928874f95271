"""One command of the command line: opens the machine, runs the handler, commits, then shows the result.

The order is the contract's: a result is printed after its commit, so that what a script has seen
is in the file. A failed system call or a signal leaves what it did, as on Linux, and is committed
too; wrong usage and trouble with the host leave the state as it was.
"""

from __future__ import annotations

import errno
import gc
from posix import isatty

from vmtool import environ
from vmtool.cli import report
from vmtool.cli.declare import ALONE, BOOTS, READS, SPAWNS
from vmtool.errors import HostError, KernelError, Signal, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmtool.cli.declare import Command
    from vmtool.cli.report import Output
    from vmtool.store.session import Session

FAILURES = (KernelError, Signal, UsageError, HostError)  # a command's own; all others concern the state file, or are bugs
COMMITTED = (KernelError, Signal)

WATCHED_ALONE = ("run", "report", "quiz")  # the others that open what they need give the terminal, and the memory, to another program
LARGE = 1 << 28

DEFAULT_STATE = "machine.vmt"
DEFAULT_WAIT = 60.0
DEFAULT_RAM = 1 << 30


class Settings:
    """What stands before the command's name. `open` makes the sessions; tests put their own in its place."""

    __slots__ = ("state", "wait", "words", "open")

    def __init__(self, state: str | None = None, wait: float = DEFAULT_WAIT, words: Sequence[str] = ()):
        self.state = state or environ.get("VMTOOL_STATE") or DEFAULT_STATE
        self.wait = wait
        self.words = words  # the command's line from its name on, for the log
        self.open = open_session

    def session(self, access: str, force: bool = False) -> Session:
        """A session on the state file: `with` it, use its `machine`, `commit()`. Raises StateError."""
        opened = self.open(self, access, force)
        if opened.is_new and access is SPAWNS:
            opened.machine.boot(ram_bytes=DEFAULT_RAM)
        return opened


def open_session(settings: Settings, access: str, force: bool = False) -> Session:
    """A session with the store; with BOOTS, and with SPAWNS where there is no file, its machine is yet to be booted."""
    from vmtool.store import session
    if access is BOOTS:
        return session.init_machine(settings.state, settings.wait, force)
    return session.open_machine(settings.state, access is not READS, settings.wait, create=access is SPAWNS)


def execute(command: Command, values: dict, settings: Settings) -> int:
    """Run one command on the state file; the exit status."""
    output = failure = None
    try:
        access = access_of(command, values)
        if access is ALONE or command.on_session:
            gc.enable()  # scripts and replays live long enough to leave cycles behind; main() turned it off
        if access is ALONE and command.name not in WATCHED_ALONE:
            output = command.function()(settings, **values)
            output = output() if callable(output) else output
        elif _is_a_terminal():
            from vmtool.cli import progress
            with progress.of(command.name):
                output, failure = _run(command, values, settings, access)
        else:
            output, failure = _run(command, values, settings, access)
    except (Exception, KeyboardInterrupt) as raised:
        failure = raised
    if failure is None:
        if type(output) is report.Result:
            return report.show(command.name, output.text) or output.status
        return report.show(command.name, output)
    if report.is_bug(failure) and environ.get("VMTOOL_TRACEBACK"):
        raise failure
    report.complain(command.name, report.message_of(failure))
    return report.status_of(failure)


def _is_a_terminal():
    """Whether someone looks at stderr: elsewhere nothing of progress is imported."""
    try:
        return isatty(2)
    except OSError:
        return False


def _run(command, values, settings, access):
    """The command's output, formatted, and how it failed."""
    failure = None
    if _may_be_large(command, values, access):
        from vmtool.cli.bounds import limit_memory
        limit_memory()
    if access is ALONE:
        output = command.function()(settings, **values)
    else:
        output, failure = _transact(command, values, settings, access)
    if callable(output):
        output = output()  # the text, formatted when no reader is open any more
    return output, failure


def _may_be_large(command, values, access):
    """Whether a command can take much of this computer's memory: a script, a log, or a large size."""
    return access is ALONE or command.on_session or any(
        type(value) is int and value >= LARGE and name not in command.addresses for name, value in values.items())


def _transact(command, values, settings, access):
    """One transaction with one command in it."""
    with settings.session(access, values.get("force", False)) as session:
        output, failure = perform(session, command, values, access is not READS)
        if access is READS:
            session.machine.check()
        elif failure is None or access is not BOOTS and isinstance(failure, COMMITTED):
            from vmtool.cli.journal import entry
            status = report.status_of(failure) if failure else status_of(output)
            session.commit(entry(settings.words or [command.name], status))  # but not a machine that did not boot
    return output, failure


def status_of(output: Output) -> int:
    """The exit status of a command that did not fail."""
    return output.status if type(output) is report.Result else 0


def access_of(command: Command, values: dict) -> str:
    """READS, WRITES, …: for a few commands it depends on their parameters."""
    access = command.access
    return access if isinstance(access, str) else access(values)


def perform(session: Session, command: Command, values: dict, writes: bool) -> tuple[Output, Exception | None]:
    """The handler on an open machine: what it gave, and which of FAILURES it ended with, if any."""
    machine = session.machine
    try:
        for name in command.addresses:
            if type(values[name]) is str:
                from vmtool.cli.address import resolve
                values[name] = resolve(machine, values["pid"], values[name])
        if writes:
            machine.tick()
            machine.trace_reset()
        function = command.known_function or command.function()
        return function(session if command.on_session else machine, **values), None
    except FAILURES as failure:
        return None, failure
    except OverflowError:
        # A number that fits the command line's 64 bits but not the call's type, such as an offset of 2**63.
        return None, KernelError(errno.EINVAL)
