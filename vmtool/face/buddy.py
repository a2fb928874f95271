"""The buddy system: free blocks of each order, by zone and migrate type, and the lists of each CPU.

Counterpart: Linux v6.18 include/linux/mmzone.h:struct free_area; what /proc/buddyinfo and /proc/pagetypeinfo count.
"""

from __future__ import annotations

from vmtool.face.figure import Cell, Figure, Group, row
from vmtool.face.rows import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine

TYPES = ("unmovable", "movable", "reclaimable", "highatomic", "cma", "isolate")  # as pagetypeinfo orders them
LETTERS = "UMRHCI"
MOST_BOXES = 24


def figure(machine: Machine) -> Figure:
    shift = machine.info().page_shift
    groups = []
    for zone in machine.zones():
        if not zone.present:
            continue
        rows = []
        for order, nr in enumerate(zone.free_area):
            by_type = [(kind, counts[order]) for kind, counts in enumerate(zone.free_by_type) if counts[order]]
            cells = [_cell(kind, order, shift) for kind, count in by_type for _ in range(count)][:MOST_BOXES]
            words = ", ".join([f"{count} {TYPES[kind]}" for kind, count in by_type])
            note = f"… {nr} in all: {words}" if nr > MOST_BOXES else words
            rows.append(row(f"order {order:>2} {size_text(1 << order + shift):>4} ×{nr}", cells, note))
        for cpu, lists in enumerate(zone.pcp):
            rows.append(row(f"CPU {cpu} list ×{lists[0]}", (), f"batch {lists[2]}, high {lists[1]}"))
        marks = f"free {zone.free}, watermarks min {zone.min} low {zone.low} high {zone.high}"
        groups.append(Group(f"zone {zone.name}: {marks}", tuple(rows)))
    words = "Free blocks of each order, by zone: " + "; ".join([f"{zone.name} has {zone.free} free pages" for zone in machine.zones()])
    return Figure("The buddy system", words, tuple(groups), "U unmovable   M movable   R reclaimable   H highatomic   (of the pageblock)")


def _cell(kind, order, shift):
    letter = LETTERS[kind] if kind < len(LETTERS) else "?"
    return Cell(letter, "free", f"a free block of order {order}, {size_text(1 << order + shift)}, in a {TYPES[kind]} pageblock")
