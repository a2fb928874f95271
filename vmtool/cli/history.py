"""Handlers: log, undo, redo. A step is what one command committed; the store keeps it, and here it gets words."""

from __future__ import annotations

from vmtool.cli import journal, json_text, report
from vmtool.cli.declare import WRITES
from vmtool.errors import HostError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmtool.cli.execute import Settings
    from vmtool.cli.journal import Line
    from vmtool.cli.report import Output
    from vmtool.store.history import History
    from vmtool.store.session import Session

    Step = tuple[int, list[Line]]

NO_COMMAND = "(no command of vmtool)"
OF_THE_HOST = ("replay", "import")  # what they read may be gone: `-` and a living process are


def log(session: Session, script: bool, keep: int | None, json: bool) -> Output:
    if keep is not None:
        from vmtool.store.history import KEEP_SLOTS, MOST_STEPS
        if not 0 <= keep <= MOST_STEPS:
            raise UsageError(f"--keep: {keep} is not within 0 to {MOST_STEPS}")
        session.set_history(keep, KEEP_SLOTS)
        return None
    history = session.history
    steps = list(_steps(history))
    first, last, kept = history.log_first, history.step, range(history.first_step() + 1, history.last_step() + 1)
    if script:
        return lambda: _script(first, [step for step in steps if step[0] <= last])
    if json:
        return lambda: json_text.text([_object(step, lines, step in kept, step > last) for step, lines in steps])
    return lambda: "".join([_text(step, lines, " (undone)" if step > last else "") for step, lines in steps])


def undo(settings: Settings, steps: int, json: bool) -> Output:
    return _go(settings, steps, json, -1)


def redo(settings: Settings, steps: int, json: bool) -> Output:
    return _go(settings, steps, json, 1)


def _go(settings, nr_steps, json, direction):
    """Back or forth; what was taken back or made again is the answer."""
    if nr_steps < 1:
        raise UsageError(f"N: {nr_steps} is not a number of steps")
    with settings.session(WRITES) as session:
        history = session.history
        possible = history.nr_undo if direction < 0 else history.nr_redo
        if nr_steps > possible:
            raise HostError(_impossible(nr_steps, possible, "taken back" if direction < 0 else "made again"))
        at = history.step
        passed = range(at, at - nr_steps, -1) if direction < 0 else range(at + 1, at + nr_steps + 1)
        found = dict(_steps(history))
        session.go(nr_steps * direction)
    passed_steps = [(step, found.get(step, [])) for step in passed]
    if json:
        return json_text.text([_object(step, lines) for step, lines in passed_steps])
    return "".join([_text(step, lines) for step, lines in passed_steps])


def _impossible(nr_steps, possible, what):
    """Why not."""
    if possible:
        return f"{possible} {'step' if possible == 1 else 'steps'} can be {what}, not {nr_steps}"
    return f"there is no step that can be {what}"


def _steps(history: History) -> Iterator[Step]:
    """(number, lines) of every step in the log."""
    for step, data in history.entries():
        yield step, journal.lines_of(data)


def _text(step, lines, mark=""):
    """A step as the log shows it; of a script, its lines below it."""
    rows = [(str(step), *(lines[0] if lines else (0, NO_COMMAND)), mark)]
    rows += [(f"{step}.{number}", status, line, "") for number, (status, line) in enumerate(lines[1:], 1)]
    return "".join([f"{number:>6}  {line}{f'  [{status}]' if status else ''}{more}\n" for number, status, line, more in rows])


def _object(step, lines, is_kept=None, is_undone=None):
    found = {"step": step, "command": lines[0][1] if lines else None, "exit_status": lines[0][0] if lines else 0,
             "lines": [{"command": line, "exit_status": status} for status, line in lines[1:]]}
    if is_kept is not None:
        found.update(is_kept=is_kept, is_undone=is_undone)
    return found


def _script(first: int, steps: Iterable[Step]) -> Output:
    """The script that makes the machine again; exit status 1 where a step cannot be made again, which the script then says."""
    text, lacking = [], []
    if first > 1:
        lacking.append(f"steps before {first} are not in the log")
    for step, lines in steps:
        if not lines:
            lacking.append(f"step {step} was made by no command")
            text.append(f"# step {step}: {NO_COMMAND}\n")
        elif lines[0][1].split(" ", 1)[0] == "run":
            text.append(f"# {lines[0][1]}\n")
            text += [_line(step, *line, lacking) for line in lines[1:]]
        else:
            text.append(_line(step, *lines[0], lacking))
    for what in lacking:
        report.complain("log", what)
    return report.Result("".join(text), 1 if lacking else 0)


def _line(step, status, line, lacking):
    """A line of the script; one that failed may fail again."""
    words = line.split()
    if words[0] in OF_THE_HOST and "-" in words or words[0] == "import" and any([word.isdigit() for word in words]):
        lacking.append(f"step {step} cannot be made again: {line}")
        return f"# step {step}, which cannot be made again: {line}\n"
    return f"{'-' if status else ''}{line}\n"
