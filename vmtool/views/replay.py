"""What a replay came to: a line a process, then the sums.

Counterpart: none; `strace -c` is the nearest.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from vmtool.views.table import table

HEADINGS = ("PID", "NAME", "CALLS", "MINFLT", "MAJFLT", "PEAK-VM-kB", "PEAK-RSS-kB")
AREAS_SHOWN = 20
NOTES_SHOWN = 20


def rows(processes: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [(p.pid or "?", p.name or "?", p.calls, p.minor, p.major, p.peak_vm, p.peak_rss) for p in processes]


def render(summary: Any, handled: Mapping[str, Any]) -> str:
    """The table and the sums of a vmtool.strace.replay.Summary; `handled` holds the names of the calls that were carried out."""
    text = table(HEADINGS, rows(summary.processes), left="NAME")
    total = sum(summary.counts.values())
    skipped = {name: n for name, n in summary.counts.items() if name not in handled}
    text += f"calls={total} skipped={sum(skipped.values())} differences={summary.differences} undetermined={len(summary.undetermined)}\n"
    if skipped:
        most = sorted(skipped.items(), key=lambda item: (-item[1], item[0]))
        text += "skipped: " + " ".join(f"{name}={n}" for name, n in most) + "\n"
    if summary.tally.nr_strange:
        number, line = summary.tally.first
        text += f"passed over: {_count(summary.tally.nr_strange, 'line')} not of strace, the first is line {number}: {line}\n"
    if summary.nr_unreadable:
        number, line = summary.unreadable[0]
        text += f"passed over: {_count(summary.nr_unreadable, 'call')} that cannot be read, the first in line {number}: {line}\n"
    for pid, start, end, name in summary.undetermined[:AREAS_SHOWN]:
        text += f"undetermined: process {pid} {start:x}-{end:x} {name}: which of its pages were written is not in the log\n"
    text += _more(len(summary.undetermined) - AREAS_SHOWN, "areas")
    for note, count in list(summary.notes.items())[:NOTES_SHOWN]:
        text += f"note: {note}" + (f" ({count} times)\n" if count > 1 else "\n")
    return text + _more(len(summary.notes) - NOTES_SHOWN, "notes")


def render_totals(totals: Any) -> str:
    """The sums of a vmtool.strace.accesses.Totals."""
    text = f"accesses={totals.accesses} minor={totals.minor} major={totals.major}"
    text += f" signals={totals.signals}\n" if totals.signals else "\n"
    if totals.passed_over:
        number, line = totals.first_passed
        text += f"passed over: {_count(totals.passed_over, 'line')} without an access, the first is line {number}: {line}\n"
    return text + "".join(f"note: {note}\n" for note in totals.notes)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _more(count: int, what: str) -> str:
    return f"… and {count} more {what}\n" if count > 0 else ""
