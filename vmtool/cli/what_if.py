"""Handler of what-if: a command on a copy of the machine, and what it cost there.

The copy is the machine as a reader has it: chunks are read from the file when they are needed, changed in memory, and never
written. What is shown comes from the machine's own counters before and after (meminfo, vmstat, each process's), and from the tally
that it keeps meanwhile: frames allocated less freed give the true peak, whatever was given back before the end.
"""

from __future__ import annotations

from vmtool.cli import execute, parse, report, table
from vmtool.cli.declare import ALONE, BOOTS, READS
from vmtool.cli.likeness import did_you_mean
from vmtool.cli.script import Script, Transaction, read_script
from vmtool.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from vmtool._core import Machine
    from vmtool.cli.declare import Command
    from vmtool.cli.report import Output
    from vmtool.store.session import Session

NOT_A_COST = ("what-if", "completion", "record")


def what_if(session: Session, command: Sequence[str], json: bool) -> Output:
    words = list(command)
    json = _take_json(words) or json
    found = table.find(words[0]) if words else None
    if found is None:
        raise UsageError(f"no such command {words[0]!r}{did_you_mean(words[0], table.names())}" if words else "missing COMMAND")
    values = parse.read(found, words[1:])
    access = execute.access_of(found, values)
    if found.name in NOT_A_COST or access is BOOTS or access is ALONE and found.name != "run":
        raise UsageError(f"{found.name} does nothing to a machine that is there")
    before = _look(session.machine, with_peaks=True)
    session.machine.start_tally()
    status = _run(session, values) if found.name == "run" else _perform(session, found, values, access is not READS)
    session.machine.check()
    after, tally = _look(session.machine), session.machine.tally()
    from vmtool.views import what_if as view
    cost = view.cost(before, after, tally, 1 << (session.machine.info().page_shift - 10))

    def show():
        if json:
            from vmtool.cli import json_text
            return report.Result(json_text.text({"exit_status": status, **view.cost_object(cost)}), status)
        return report.Result(view.render(cost), status)
    return show


def _take_json(words: list[str]) -> bool:
    """Whether --json stands among the words, where it is an option; it goes."""
    end = words.index("--") if "--" in words else len(words)
    found = "--json" in words[:end]
    words[:end] = [word for word in words[:end] if word != "--json"]
    return found


def _perform(session: Session, command: Command, values: dict[str, Any], writes: bool) -> int:
    """The command as it would be performed; its exit status. Why it failed is said at once: that is part of the answer."""
    output, failure = execute.perform(session, command, values, writes)
    if failure is None:
        output = output() if callable(output) else output
        return output.status if isinstance(output, report.Result) else 0
    if isinstance(failure, UsageError):
        raise failure
    report.complain(f"what-if: {command.name}", report.message_of(failure))
    return report.status_of(failure)


def _run(session: Session, values: dict[str, Any]) -> int:
    """A script on the same copy; its exit status. What its lines print is not shown, their failures are."""
    if values["commit_each"]:
        raise UsageError("--commit-each: nothing is committed")
    script = Script(None, values["file"], echo=False, keep_going=values["keep_going"], jsonl=False)
    script.transaction = _Borrowed(session)
    for number, line in enumerate(read_script(values["file"]), 1):
        if not script.run_line(number, line):
            break
    for text in script.complaints():
        report.write_error(text)
    return script.status


class _Borrowed(Transaction):
    """The transaction of a script that runs on a session of another's, and keeps nothing."""

    def __init__(self, session: Session):
        self.session = session
        self.is_running = True
        self.lines = []


def _look(machine: Machine, with_peaks: bool = False) -> dict[str, Any]:
    """The figures of one moment. `with_peaks`: the peaks of RSS begin anew."""
    if with_peaks:
        for task in machine.tasks():
            machine.reset_peaks(task.pid)
    tasks = machine.tasks()
    return {"meminfo": machine.meminfo(), "vmstat": machine.vmstat(),
            "processes": {task.pid: (task.comm, machine.mm(task.pid)) for task in tasks if task.has_mm}}
