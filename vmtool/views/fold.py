"""Folding of a trace: steps that repeat, page after page, are shown once, with the number of times that they come again.

A block of up to MAX_BLOCK steps repeats when its events are the same and the arguments that do not name a place (STEADY) are equal;
addresses, frames and indices may move. Nothing is hidden silently: each fold says how much it stands for, and a trace that was
cut when its buffer was full says so at its end.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vmtool.records import TraceRecord

MAX_BLOCK = 24
OPENS = "page_fault"  # the event that begins a page's story
FEWEST = 4  # occurrences: fewer are read faster than a sentence about them

STEADY = frozenset(
    ("error_code flags order level major writable hit nr_pages nr_entries code status cpu pcid inode bytes parent nr length "
     "file zone why").split()  # fmt: skip
)


class Block(NamedTuple):
    """Steps as they are shown, and how often they come again; `last` are those of the last time."""

    steps: Sequence[TraceRecord]
    nr_more: int
    last: Sequence[TraceRecord]


def fold(records: Sequence[TraceRecord]) -> Iterator[Block]:
    """The trace in order, repeated blocks folded."""
    kinds: dict[object, int] = {}
    alike = [kinds.setdefault(_signature(record), len(kinds)) for record in records]
    at = 0
    while at < len(records):
        length, times = _repeated(alike, at)
        before = next((i for i in range(at, at + length) if records[i].event == OPENS), at) - at
        if before and times > FEWEST:  # a story begins with its fault, though its last steps came first here
            yield from [Block([record], 0, [record]) for record in records[at : at + before]]
            at += before
            continue
        end = at + length * times
        yield Block(records[at : at + length], times - 1, records[end - length : end])
        at = end


def _signature(record: TraceRecord) -> object:
    return record.pid, record.event, tuple([(name, value) for name, value in record.args.items() if name in STEADY])


def _repeated(alike: list[int], at: int) -> tuple[int, int]:
    """The length of the shortest block that repeats from here on, and its occurrences; (1, 1) when none does."""
    for length in range(1, MAX_BLOCK + 1):
        block = alike[at : at + length]
        times, end = 1, at + length
        while alike[end : end + length] == block and len(block) == length:
            times, end = times + 1, end + length
        if times >= FEWEST:
            return length, times
    return 1, 1


def more(block: Block) -> str:
    """The sentence that stands for the repetitions."""
    faults = [step for step in block.last if step.event == OPENS]
    if len(faults) == 1 and "addr" in faults[0].args:
        return f"… and {block.nr_more:,} more pages the same way, up to 0x{faults[0].args['addr']:x} (step {block.last[-1].seq})"
    return f"… and the same {block.nr_more:,} more times (up to step {block.last[-1].seq})"


def cut(nr_kept: int, nr_steps: int) -> str:
    """What is said when the buffer was full, '' when it was not."""
    return f"… cut here: these are the first {nr_kept:,} of {nr_steps:,} steps\n" if nr_steps > nr_kept else ""
