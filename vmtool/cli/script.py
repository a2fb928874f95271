"""`vmtool run`: a script of commands, one a line, in one process and one transaction.

The machine is opened when the first line needs it, as a writer, and committed once when the script
ends, also when a line failed; a kill, a full disk or an internal error leaves the state as it was
before the script. What the lines print is kept until then, so that nothing is shown that is not in
the file. With --commit-each every line is committed, and shown, on its own.

A line costs a few microseconds here (bench/lines.py): plain ones are read by `plain_line`, others have words by
str.split() and the declaration's reader; a handler is found once, and JSON is by hand around the C encoder.
"""

from __future__ import annotations

import os

from vmtool.cli import execute, journal, parse, progress, report, table
from vmtool.cli.declare import ALONE, BOOTS, READS, WRITES
from vmtool.cli.likeness import did_you_mean
from vmtool.cli.words import is_name, split
from vmtool.errors import HostError, InternalError, KernelError, Signal, StateError, UsageError

try:
    from vmtool.cli.plain_line import read as read_plain
except ImportError:  # not built: every line is read as any
    def read_plain(line: str) -> None:
        return None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmtool.cli.declare import Command
    from vmtool.cli.execute import Settings
    from vmtool.cli.report import Output
    from vmtool.store.session import Session

LINE_FAILURES = (*execute.FAILURES, StateError)
MOST_BYTES = 128 << 20  # of a script: some four million lines; /dev/zero has no end


def run(settings: Settings, file: str, commit_each: bool, echo: bool, keep_going: bool, jsonl: bool) -> Output:
    """The handler: runs the script, prints what it printed, and gives its exit status."""
    script = Script(settings, file, echo=echo, keep_going=keep_going, jsonl=jsonl)
    lines = read_script(file)
    status = number = 0
    with Transaction(settings, commit_each) as script.transaction:
        try:
            shown = progress.current
            shown.total = len(lines)
            for number, line in enumerate(lines, 1):
                more = script.run_line(number, line)
                shown.done = number
                if commit_each:
                    script.transaction.commit()
                    status = script.show()
                if status or not more:
                    break
        except Exception as failure:
            if report.is_bug(failure):
                raise InternalError(f"{file}:{number}: {report.text_of(failure)}") from failure
            raise
        script.transaction.status = script.status
        script.transaction.commit()
    return report.Result("", status or script.show() or script.status)


def read_script(file: str) -> list[str]:
    """The script's lines. Bytes that are not UTF-8 go through as they came; HostError where there is no end of them."""
    try:
        with os.fdopen(os.dup(0), "rb") if file == "-" else open(file, "rb") as stream:
            text = stream.read(MOST_BYTES + 1)
    except OSError as failure:
        raise HostError(f"{file}: {failure.strerror}") from None
    if len(text) > MOST_BYTES:
        raise HostError(f"{file}: more than {MOST_BYTES >> 20} MB are no script")
    return text.decode("utf-8", "surrogateescape").split("\n")


class Complaint(str):
    """What goes to stderr."""

    __slots__ = ()


class Transaction:
    """A script's session on the state file: none until a line asks for it. `lines`: what since the last commit changed the machine."""

    def __init__(self, settings: Settings, is_each: bool = False):
        self.settings = settings
        self.is_each = is_each  # a line is a step of its own
        self.lines: list[str] = []  # each with its exit status before it
        self.status = 0  # the script's so far
        self.session: Session | None = None
        self.is_running = False

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.session is not None:
            self.session.__exit__(*exception)

    def begin(self, access: str, force: bool = False) -> Session:
        """The session, in a transaction from now on. StateError when there is no machine and none is to be made."""
        if self.session is not None and access is not BOOTS:
            self.session.renew()
        else:
            self.forget()
            # A writer from the start: a later line may want to write, and a reader could not become one.
            self.session = self.settings.session(WRITES if access is READS else access, force)
        self.is_running = True
        return self.session

    def forget(self) -> None:
        """End the session: what it did since the last commit is not kept."""
        self.is_running = False
        self.lines.clear()
        if self.session is not None:
            self.session.close()
            self.session = None

    def commit(self) -> None:
        """Make what was done so far last. The next line that needs the machine begins anew."""
        if self.is_running:
            self.is_running = False
            if self.session is not None:
                self.session.commit(self.entry())

    def entry(self) -> bytes:
        """The step's entry in the log: the script and its lines, or the one line."""
        lines, self.lines = self.lines, []
        if self.is_each:
            return journal.entry_of_line(lines[0]) if lines else b""
        return journal.entry(self.settings.words or ["run"], self.status, lines)


class Script:
    """A running script: its variables, its exit status so far, and what it is going to print."""

    def __init__(self, settings: Settings | None, file: str, *, echo: bool, keep_going: bool, jsonl: bool):
        self.settings = settings
        self.file = file
        self.echo = echo
        self.keep_going = keep_going
        self.jsonl = jsonl
        self.variables: dict[str, str] = {}
        self.status = 0
        self.is_told = echo or jsonl  # of a plain line that worked, more than what it prints
        self.printed: list[str | bytes] = []  # in order; a Complaint is for stderr
        if settings is not None:
            self.transaction = Transaction(settings)
        if jsonl:
            from json.encoder import encode_basestring_ascii
            self.quote = encode_basestring_ascii

    def run_line(self, number: int, line: str) -> bool:
        """One line; whether the script goes on."""
        plain = read_plain(line)
        if plain is None:
            return self.run_any(number, line)
        output: Output
        failure: Exception | None
        command, values = plain
        try:
            output, failure = self.act(command, values, line)
        except LINE_FAILURES as raised:
            output, failure = None, raised
        if failure is None and type(output) is str and not self.is_told:
            if output:
                self.printed.append(output)
            return True
        return self.goes_on(number, line, command.name, output, failure, None, False)

    def run_any(self, number: int, line: str) -> bool:
        """The same of a line that plain_line leaves to others."""
        text = line.lstrip()
        allowed = text[:1] == "-"
        if allowed:
            text = text[1:]
        name = None
        word = ""
        output: Output
        failure: Exception | None
        try:
            words = split(text, self.variables)
            if not words:
                return True
            if len(words) > 1 and words[1] == "=":
                name = words[0]
                if not is_name(name):
                    raise UsageError(f"{name!r} is not a name")
                self.variables.pop(name, None)
                del words[:2]
                if not words:
                    raise UsageError(f"{name} = what?")
            word = words[0]
            output, failure = self.call(word, words)
        except LINE_FAILURES as raised:
            word = word or _command_word(text)
            output, failure = None, raised
        return self.goes_on(number, line, word, output, failure, name, allowed)

    def goes_on(self, number: int, line: str, word: str, output: Output, failure: Exception | None, name: str | None,
                allowed: bool) -> bool:
        """Keep what a line gave; whether the script goes on."""
        status = 0
        if failure is not None:
            status = report.status_of(failure)
        elif isinstance(output, report.Result):
            status = output.status
            output = output.text
        self.note(number, line, word, output, failure, status, name)
        if status and not allowed:
            self.status = self.status or status
            return self.keep_going
        return True

    def call(self, word: str, words: list[str]) -> tuple[Output, Exception | None]:
        """Read and perform one command: what it printed and how it failed. Raises LINE_FAILURES."""
        command = table.find(word)
        if command is None:
            raise UsageError(f"no such command{did_you_mean(word, table.names())}")
        values = parse.read(command, words[1:])
        if command.name in table.NOT_IN_SCRIPTS:
            raise UsageError("not in a script")
        return self.act(command, values, words)

    def act(self, command: Command, values: dict[str, Any], words: list[str] | str) -> tuple[Output, Exception | None]:
        """Perform a command that has been read; `words`: its own, or the line that they are for the log. Raises LINE_FAILURES."""
        access, transaction = command.access, self.transaction
        if type(access) is not str:
            access = access(values)
        if access is ALONE:
            return command.function()(self.settings, **values), None
        session = transaction.session
        if session is None or not transaction.is_running:
            session = transaction.begin(access, values.get("force", False))
        elif access is BOOTS:
            raise UsageError("a script boots before its first line that uses a machine")
        output, failure = execute.perform(session, command, values, access is not READS)
        if access is not READS:
            text = words if type(words) is str else journal.line_of(words)
            status = 0 if failure is None and type(output) is not report.Result else status_of(output, failure)
            transaction.lines.append("0 " + text if status == 0 else f"{status} {text}")
        if failure is not None and access is BOOTS:
            transaction.forget()
        return output if type(output) is str or not callable(output) else output(), failure

    def note(self, number, line, word, output, failure, status, name):
        """Keep what the line prints, and its output under its name."""
        if self.echo and not self.jsonl:
            self.printed.append(f"+ {line.strip()}\n")
        if failure is not None:
            self.printed.append(Complaint(f"{self.file}:{number}: {report.line_of(word, report.message_of(failure))}"))
        if name is not None and failure is None:
            self.variables[name] = text_of(output).rstrip("\n")
        if self.jsonl:
            self.printed.append(self.object(number, word, output, failure, status))
        elif output and name is None:
            self.printed.append(output)

    def object(self, number, word, output, failure, status):
        """The line's JSON object."""
        out = text_of(output)
        if out[-1:] == "\n":
            out = out[:-1]
        start = f'{{"line": {number}, "cmd": {self.quote(word)}, "exit": {status}, "errno": '
        if type(failure) is KernelError:
            return f'{start}"{failure.name}", "signal": null, "out": {self.quote(out)}}}\n'
        if type(failure) is Signal:
            sigaddr = "null" if failure.addr is None else f'"0x{failure.addr:x}"'
            return (f'{start}null, "signal": "{failure.name}", "sigcode": "{failure.code}", "sigaddr": {sigaddr}, '
                    f'"out": {self.quote(out)}}}\n')
        return f'{start}null, "signal": null, "out": {self.quote(out)}}}\n'

    def complaints(self) -> list[Complaint]:
        """What is kept for stderr."""
        return [text for text in self.printed if type(text) is Complaint]

    def show(self) -> int:
        """Print what was kept, stdout and stderr in their order; 0 or the status of a failed write."""
        printed, self.printed = self.printed, []
        pending: list[str | bytes] = []
        for text in printed:
            if type(text) is not Complaint:
                pending.append(text)
                continue
            status = report.show("run", joined(pending))
            if status:
                return status
            pending = []
            report.write_error(text.encode("utf-8", "surrogateescape"))
        return report.show("run", joined(pending))


def _command_word(text):
    """The command's name in a line that could not be split."""
    words = text.split()
    words = words[2:] if words[1:2] == ["="] else words
    return words[0] if words else ""


def joined(texts: list[str | bytes]) -> bytes:
    """One after the other, as stdout has them."""
    try:
        return "".join(texts).encode("utf-8", "surrogateescape")  # type: ignore[arg-type]
    except TypeError:  # not text alone
        return b"".join([text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape") for text in texts])


def status_of(output: Output, failure: Exception | None) -> int:
    """A command's exit status."""
    return report.status_of(failure) if failure is not None else execute.status_of(output)


def text_of(output: Output) -> str:
    """What a command would have printed, as a string."""
    if not output:
        return ""
    return output if isinstance(output, str) else output.decode("utf-8", "surrogateescape")
