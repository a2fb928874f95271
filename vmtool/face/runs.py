"""Entries of page tables as runs, cut so that each run of pages points to one run of frames, and short ones are drawn page by page.

The steps: entries alike and in a row make a run (`of_range`); it is cut where its frames differ in use or counts (`cut_by_looks`) and
wherever the frames of another run begin or end (`cut`). A run of fewer than `fewest` pages falls apart into single ones, and so do the
others that share its frames.
"""

from __future__ import annotations

import array
import struct
from bisect import bisect_right

from vmtool.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmtool._core import Machine

ENTRY = struct.Struct("<5Q")  # see Machine.entries()
IS_PRESENT, IS_WRITABLE = 1 << 16, 1 << 17
PIECE = 1 << 30  # bytes of address space that are asked for at once
LOOKS = 1 << 0 | 1 << 4 | 1 << 7 | 1 << 12 | 1 << 14 | 1 << 24 | 1 << 26 | 1 << 32 | 1 << 33
"""Bits of kpageflags that a picture shows: locked, dirty, slab, anon, swapbacked, zero page, table, reserved, mlocked."""


class Run(NamedTuple):
    """Entries in a row, alike but for frames; a huge page, and one that is not present, is alone."""

    addr: int
    nr: int  # entries
    nr_pages: int  # base pages
    pfn: int
    stride: int  # 1: the frames go up with the pages; 0: all have one, as the page of zeros
    entry: int
    entry_at: int
    marks: int


def of_range(machine: Machine, pid: int, start: int, end: int, page_shift: int) -> list[Run]:
    """All entries of a range that are not 0."""
    found: list[Run] = []
    at = start
    while at < end and (at := machine.next_table(pid, at, end)) < end:
        stop = min((at | PIECE - 1) + 1, end)
        _add(found, machine.entries(pid, at, stop), page_shift)
        at = stop
    return found


def _add(found, entries, shift):
    page, nr, stride, last_pfn = 1 << shift, 0, 1, 0
    first = expected = None
    for addr, entry, entry_at, pfn, marks in ENTRY.iter_unpack(entries):
        bits = entry ^ pfn << shift
        step = pfn - last_pfn
        last_pfn = pfn
        if (addr, entry_at, bits, marks) == expected and (step == stride or nr == 1 and step == 0):
            stride = step
            nr += 1
        else:
            if nr:
                found.append(Run(first[0], nr, nr, first[1], stride if nr > 1 else 1, *first[2:]))
            nr, stride, first = 1, 1, (addr, pfn, entry, entry_at, marks)
            size = (marks >> 8 & 0xFF) - shift if marks & IS_PRESENT else 0
            if size or not marks & IS_PRESENT:
                found.append(Run(addr, 1, 1 << size, pfn >> size << size, 1, entry, entry_at, marks))
                nr, expected = 0, None
                continue
        following = entry_at + (marks >> 24 & 0xFF)
        expected = (addr + page, following, bits, marks) if following & page - 1 else None  # else it is in another table
    if nr:
        found.append(Run(first[0], nr, nr, first[1], stride if nr > 1 else 1, *first[2:]))


def nr_frames(run: Run) -> int:
    return run.nr_pages if run.stride else 1


def is_present(run: Run) -> bool:
    return bool(run.marks & IS_PRESENT)


def is_huge(run: Run) -> bool:
    return run.nr_pages > run.nr


def part(run: Run, at: int, nr: int, page_shift: int) -> Run:
    """`nr` entries of a run from the `at`th on."""
    up = at * run.stride
    return Run(
        run.addr + (at << page_shift),
        nr,
        nr,
        run.pfn + up,
        run.stride if nr > 1 else 1,
        run.entry + (up << page_shift),
        run.entry_at + at * (run.marks >> 24 & 0xFF),
        run.marks,
    )


def looks(machine: Machine, pfn: int, nr: int) -> list[tuple[int, int]]:
    """What a picture shows of each frame: flags and mapcount."""
    flags = array.array("Q", machine.kpage("kpageflags", pfn, nr))
    counts = array.array("Q", machine.kpage("kpagecount", pfn, nr))
    return [(flag & LOOKS, count) for flag, count in zip(flags, counts, strict=True)]


def cut_by_looks(machine: Machine, runs: Iterable[Run]) -> set[int]:
    """Frames at which the looks change within the runs."""
    cuts: set[int] = set()
    seen: set[tuple[int, int]] = set()
    for run in runs:
        if run.nr > 1 and run.stride and (run.pfn, run.nr) not in seen:
            seen.add((run.pfn, run.nr))
            found = looks(machine, run.pfn, run.nr)
            cuts.update([run.pfn + i for i in range(1, run.nr) if found[i] != found[i - 1]])
    return cuts


def cut(runs: dict[object, list[Run]], cuts: set[int], fewest: int, page_shift: int) -> dict[object, list[Run]]:
    """Every list of runs, cut at `cuts`, at each other's ends, and into single pages where fewer than `fewest` remain."""
    while True:
        for listed in runs.values():
            for run in listed:
                if is_present(run):
                    cuts.update((run.pfn, run.pfn + nr_frames(run)))
        places = sorted(cuts)
        done = {key: [piece for run in listed for piece in _pieces(run, places, fewest, page_shift)] for key, listed in runs.items()}
        small = {run.pfn + i for listed in done.values() for run in listed if run.stride and 1 < run.nr < fewest for i in range(run.nr + 1)}
        if small <= cuts:
            return done
        cuts |= small


def _pieces(run, places, fewest, page_shift):
    if run.nr == 1 or not is_present(run):
        return [run]
    if not run.stride:
        return [run] if run.nr >= fewest else [part(run, i, 1, page_shift) for i in range(run.nr)]
    inner = places[bisect_right(places, run.pfn) : bisect_right(places, run.pfn + run.nr - 1)]
    edges = [0, *[pfn - run.pfn for pfn in inner], run.nr]
    return [part(run, a, b - a, page_shift) for a, b in zip(edges, edges[1:], strict=False)]
