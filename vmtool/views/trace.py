"""The steps of the last command, one event a line, for eyes that know ftrace.

Counterpart: Linux Documentation/trace/events.rst: `task-pid  timestamp: event: name=value …`; here the number of the step
stands for the time. `explain` tells the same steps in sentences.
"""

from collections.abc import Iterable, Mapping

from vmtool.records import TraceRecord

DECIMAL = frozenset(
    "index hit nr nr_pages nr_entries order bytes writable major pcid parent child status cpu level code inode offset pid length".split()
)
"""Arguments that count or select; the others are addresses, frames or flags and are printed in hexadecimal."""


def value_text(name: str, value: int) -> str:
    """One argument's value, as both views print it."""
    return str(value) if name in DECIMAL else f"0x{value:x}"


def arguments(args: Mapping[str, int]) -> str:
    """`name=value …`."""
    return " ".join([f"{name}={value_text(name, value)}" for name, value in args.items()])


def render(records: Iterable[TraceRecord]) -> str:
    """A line a step."""
    return "".join([f"{r.seq:>6} pid={r.pid} {r.event}: {arguments(r.args)}".rstrip() + "\n" for r in records])
