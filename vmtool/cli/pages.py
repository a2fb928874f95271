"""Handler of report: a script is run on a copy of the machine, and each of its lines becomes a step of a page.

The copy is the machine of the state file, changed in memory alone, or a new one where there is none: nothing is committed. Each step is
looked at after its line; the kernel's steps are recorded all the while.
"""

from __future__ import annotations

from contextlib import contextmanager

from vmtool.cli import execute, progress, report, table
from vmtool.cli.declare import ALONE, BOOTS, READS
from vmtool.cli.script import Script, Transaction, read_script, text_of
from vmtool.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from vmtool._core import Machine
    from vmtool.cli.execute import Settings
    from vmtool.cli.report import Output

MOST_STEPS = 2000
MOST_OUT = 2000  # characters of a line's output that a page keeps
EXPLANATION_LINES = 400
WITHOUT_A_FILE = ("fsck", "draw", "explain")  # of those that ask for a session, what can do without its file


def make(settings: Settings, script: str, output: str, title: str | None) -> Output:
    """The page is written also of a script that fails; the exit status is the script's."""
    from vmtool.face import page, panels
    from vmtool.outside.save import save

    lines = read_script(script)
    with _Copy(settings) as copy:
        runner = _Runner(script)
        runner.transaction = copy
        told = _Telling(copy, runner)
        shown = progress.current
        shown.total = len(lines)
        for number, line in enumerate(lines, 1):
            if not told.line(number, line):
                break
            shown.done = number
    if not told.steps:
        raise UsageError(f"{script}: holds no line to run")
    for text in runner.complaints():
        report.write_error(text)
    names = panels.NAMES
    text = page.render(title or told.title or script, told.steps, names)
    data = text.encode()
    if output == "-":
        return report.Result(text, runner.status)
    save(output, data)
    return report.Result("", runner.status)


@contextmanager
def run_lines(settings: Settings, lines: Iterable[str], name: str) -> Iterator[Machine]:
    """The machine that a script's lines leave, for who wants to look at it; it is gone afterwards. A line that fails ends the script."""
    with _Copy(settings) as copy:
        runner = _Runner(name)
        runner.transaction = copy
        for number, line in enumerate(lines, 1):
            if not runner.run_line(number, line):
                break
        yield copy.machine


def run_on(machine: Machine, lines: Iterable[str]) -> str:
    """Lines on a machine that somebody holds; what they print. The failure of a line is raised."""
    runner = _Runner("script")
    runner.transaction = _Copy(execute.Settings())
    runner.transaction.session = _Session(machine)
    runner.transaction.is_running = True
    for number, line in enumerate(lines, 1):
        if not runner.run_line(number, line):
            assert runner.last_failure is not None
            raise runner.last_failure
    return "".join([text_of(text) for text in runner.printed])


class _Telling:
    """Steps, one after the other. Comments are the prose of the line that follows; the first one is the page's title."""

    def __init__(self, copy: _Copy, runner: _Runner):
        from vmtool.face import panels

        self.copy = copy
        self.runner = runner
        self.title = ""
        self.prose: list[str] = []
        self.steps: list[Any] = []
        self.before = panels.NOTHING
        self.place: tuple[int, int] | None = None

    def line(self, number: int, line: str) -> bool:
        """Run one line; whether the script goes on."""
        words = line.strip()
        if words.startswith("#"):
            self._comment(words.lstrip("#").strip())
            return True
        if not words:
            if self.prose and self.prose[-1]:
                self.prose.append("")
            return True
        if len(self.steps) >= MOST_STEPS:
            raise UsageError(f"{self.runner.file}: more than {MOST_STEPS} lines are more than a page can show")
        if self.copy.machine is not None:
            self.copy.machine.set_trace(True)
        more = self.runner.run_line(number, line)
        self._step(words, self.runner.last_out)
        return more

    def _comment(self, text):
        if not self.title and not self.steps and text:
            self.title = text
        else:
            self.prose.append(text)

    def _step(self, line, out):
        from vmtool.face import page, panels
        from vmtool.views import explain

        machine = self.copy.machine
        look, told = panels.NOTHING, ""
        if machine is not None:
            trace = machine.trace()
            told = "\n".join(explain.render(trace, machine.nr_traced(), arch=machine.info().arch).splitlines()[:EXPLANATION_LINES])
            self.place = panels.place_of(trace, self.place)
            look = panels.look(machine, self.before, self.place)
            machine.trace_reset()
        status = self.runner.last_status
        if len(out) > MOST_OUT:
            out = out[:MOST_OUT] + "…"
        paragraphs = "\n".join(self.prose).strip().split("\n\n")
        prose = "\n\n".join([paragraph.replace("\n", " ") for paragraph in paragraphs])
        self.prose = []
        shown = {"picture": look.picture, "explanation": told, "output": out, **look.panels}
        self.steps.append(page.Step(prose, line, status, out.rstrip("\n"), shown))
        self.before = look


class _Runner(Script):
    """A script whose lines' results are kept."""

    def __init__(self, file: str):
        super().__init__(None, file, echo=False, keep_going=False, jsonl=False)
        self.is_told = True
        self.last_status = 0
        self.last_failure: Exception | None = None
        self.last_out = ""

    def call(self, word, words):
        command = table.find(word)
        if command is not None and (command.access is ALONE or command.on_session and command.name not in WITHOUT_A_FILE):
            raise UsageError("not in the script of a page")
        return super().call(word, words)

    def note(self, number, line, word, output, failure, status, name):
        super().note(number, line, word, output, failure, status, name)
        self.last_status = status
        self.last_failure = failure
        self.last_out = report.line_of(word, report.message_of(failure)) if failure is not None else text_of(output)


class _Session:
    """What a script asks of a session, of a machine that no file has."""

    history = None

    def __init__(self, machine):
        self.machine = machine

    def renew(self):
        pass

    def verify(self):
        return []

    def close(self):
        self.machine = None

    def __exit__(self, *exception):
        self.close()


class _Copy(Transaction):
    """The transaction of a script whose machine is kept nowhere."""

    @property
    def machine(self):
        return self.session.machine if self.session is not None else None

    def begin(self, access: str, force: bool = False):
        import os

        is_there = self.session is not None or os.path.exists(self.settings.state)
        if access is BOOTS or not is_there:
            from vmtool._core import Machine

            self.forget()
            self.session = _Session(Machine())
            if access is not BOOTS:
                self.session.machine.boot(ram_bytes=execute.DEFAULT_RAM)
        elif self.session is None:
            self.session = self.settings.session(READS)
        if access is not BOOTS:
            self.session.machine.set_trace(True)
        self.is_running = True
        return self.session

    def forget(self):
        self.is_running = False
        if self.session is not None:
            self.session.close()
        self.session = None
