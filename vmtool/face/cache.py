"""One file beside the page cache: which of its blocks are in memory, in which frames, and what is to be written back."""

from __future__ import annotations

from vmtool.face.figure import Cell, Figure, Group, Row, row, tiles
from vmtool.face.read import cached
from vmtool.face.rows import frame_marks, frame_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine

MOST_TILES = 1 << 14
COLUMNS = 64


def figure(machine: Machine, path: str) -> Figure:
    """KernelError(ENOENT)."""
    file = machine.file(path)
    shift = machine.info().page_shift
    nr_blocks = -(-file.size >> shift)
    runs = cached(machine, file.path)
    state: dict[int, Cell] = {}
    for run in runs:
        letter = "*" if run.dirty else "M" if run.mapcount else "F"
        for i in range(run.nr):
            index = (run.index or 0) + i
            facts = f"block {index} is in frame 0x{run.pfn + i:x}, mapped {run.mapcount} times{', dirty' if run.dirty else ''}"
            state[index] = Cell(letter, "file", facts)
    shown = min(nr_blocks, MOST_TILES)
    cells = [state.get(i, Cell(".", "none", f"block {i} is not in the page cache")) for i in range(shown)]
    more: tuple[Row, ...] = (row(f"… and {nr_blocks - shown} blocks more"),) if nr_blocks > shown else ()
    held = [row(_blocks(run), (), f"frames {frame_number(run)} {frame_marks(run)}") for run in runs]
    head = f"{file.size} bytes, {nr_blocks} blocks; {file.nr_pages} in the page cache, {file.nr_dirty} dirty, {file.nr_mapped} mapped"
    groups = (Group(head, tiles(lambda at: f"block {at}", cells, COLUMNS) + more), Group("where they are", tuple(held)))
    return Figure(
        file.path, f"{file.path}: {head}", groups, "F in the page cache   M mapped, too   * to be written back   . on the disk alone"
    )


def _blocks(run):
    return f"blocks {run.index}..{run.index + run.nr - 1}" if run.nr > 1 else f"block {run.index}"
