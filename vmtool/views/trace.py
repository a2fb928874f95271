"""The steps of the last command, one event a line, for eyes that know ftrace.

Counterpart: Linux Documentation/trace/events.rst: `task-pid  timestamp: event: name=value …`; here the number of the step
stands for the time. `explain` tells the same steps in sentences.
"""

from collections.abc import Mapping, Sequence

from vmtool.records import TraceRecord
from vmtool.views import fold

DECIMAL = frozenset(
    ("index hit nr nr_pages nr_entries order bytes writable major pcid parent child status cpu level code inode offset pid "
     "length priority file why zone highest_zone cache wanted_type block_type").split()  # fmt: skip
)
"""Arguments that count (so does every `nr_…`) or select; the others are addresses, frames or flags and are printed in hexadecimal."""


def value_text(name: str, value: int) -> str:
    """One argument's value, as both views print it."""
    return str(value) if name in DECIMAL or name.startswith("nr_") else f"0x{value:x}"


def arguments(args: Mapping[str, int]) -> str:
    """`name=value …`."""
    return " ".join([f"{name}={value_text(name, value)}" for name, value in args.items()])


def render(records: Sequence[TraceRecord], nr_steps: int = 0) -> str:
    """A line a step; repetitions are one line that begins with #. `nr_steps`: of the command, where the records are not all of them."""
    lines: list[str] = []
    for block in fold.fold(records):
        lines += [f"{r.seq:>6} pid={r.pid} {r.event}: {arguments(r.args)}".rstrip() for r in block.steps]
        if block.nr_more:
            lines.append(f"#      {fold.more(block)}")
    cut = fold.cut(len(records), nr_steps)
    return "".join([line + "\n" for line in lines]) + (f"# {cut}" if cut else "")
