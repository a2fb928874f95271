"""The C library's heap of a process as a map: what lies where between the heap's start and its break."""

from __future__ import annotations

from vmtool.face.figure import Cell, Figure, Group, tiles
from vmtool.views import heap as view

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine

USES = {"#": "anon", ".": "free", "t": "kernel", "c": "zero", "@": "table", "!": "table", "+": "shmem", " ": "none"}
WORDS = {
    "#": "live",
    ".": "free",
    "t": "top",
    "c": "kept by a tcache or fastbin",
    "@": "table of a tcache",
    "!": "fence",
    "+": "several",
    " ": "",
}


def figure(machine: Machine, pid: int) -> Figure:
    comm = machine.task(pid).comm
    groups = []
    for start, end, unit, states in machine.heap_map(pid, view.WIDTH * view.ROWS):
        letters = [view.cell(state) for state in states]
        cells = [Cell(letter, USES[letter], f"0x{start + i * unit:x}, {unit} bytes: {WORDS[letter]}") for i, letter in enumerate(letters)]
        rows = tiles(lambda at, start=start, unit=unit: f"0x{start + at * unit:x}", cells, view.WIDTH)
        groups.append(Group(f"0x{start:x}-0x{end:x}, {unit} bytes a box", rows))
    figures = machine.heap_figures(pid)
    words = (
        f"{figures.nr_live} live chunks of {figures.live_bytes} bytes, {figures.nr_holes} holes of {figures.hole_bytes}, "
        f"{figures.system_bytes} bytes from the kernel"
    )
    if not groups:
        groups.append(Group("no heap", ()))
    return Figure(f"The heap of {comm} ({pid}): {words}", words, tuple(groups), view.LEGEND.strip())
