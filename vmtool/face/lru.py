"""The LRU lists: which frames reclaim would look at, by list. Counterpart: Linux v6.18 include/linux/mmzone.h:enum lru_list.

The frames of a list are shown by their numbers, not in the order in which reclaim will take them.
"""

from __future__ import annotations

import array

from vmtool.errors import KernelError
from vmtool.face.figure import Cell, Figure, Group, row, tiles
from vmtool.face.read import MOST_FRAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine

REFERENCED, DIRTY, LRU, ACTIVE, WRITEBACK, ANON, SWAPBACKED, UNEVICTABLE = (1 << bit for bit in (2, 4, 5, 6, 8, 12, 14, 18))
LISTS = ("inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable")
USES = {"A": "anon", "S": "shmem", "F": "file"}
COLUMNS = 64
MOST = 4096  # frames of one list
EFBIG = 27


def list_of(flags: int) -> int:
    """The index in LISTS, by kpageflags."""
    if flags & UNEVICTABLE:
        return 4
    return (0 if flags & SWAPBACKED else 2) + bool(flags & ACTIVE)


def figure(machine: Machine) -> Figure:
    nr_frames = machine.max_pfn()
    if nr_frames > MOST_FRAMES:
        raise KernelError(EFBIG, f"{nr_frames} frames are more than a picture looks at ({MOST_FRAMES})")
    lists: list[list[tuple[int, int]]] = [[] for _ in LISTS]
    for pfn, flags in enumerate(array.array("Q", machine.kpage("kpageflags", 0, nr_frames))):
        if flags & LRU:
            lists[list_of(flags)].append((pfn, flags))
    groups = []
    for name, frames in zip(LISTS, lists, strict=True):
        cells = [_cell(pfn, flags) for pfn, flags in frames[:MOST]]
        rows = tiles(lambda at, frames=frames: f"from {frames[at][0]:05x}", cells, COLUMNS)
        if len(frames) > MOST:
            rows += (row(f"… and {len(frames) - MOST} frames more"),)
        groups.append(Group(f"{name}: {len(frames)} pages", rows))
    words = ", ".join([f"{len(frames)} pages on {name}" for name, frames in zip(LISTS, lists, strict=True)])
    legend = "A anonymous   F page cache   S shared memory; small letters: not referenced since they were looked at"
    return Figure("The LRU lists", words, tuple(groups), legend)


def _cell(pfn, flags):
    letter = "A" if flags & ANON else "S" if flags & SWAPBACKED else "F"
    words = [word for bit, word in ((REFERENCED, "referenced"), (DIRTY, "dirty"), (WRITEBACK, "being written")) if flags & bit]
    return Cell(letter if flags & REFERENCED else letter.lower(), USES[letter], f"frame 0x{pfn:x}: {', '.join(words) or 'not referenced'}")
