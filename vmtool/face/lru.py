"""The LRU lists, in the order in which reclaim looks at them: the next to go in front. Linux v6.18 include/linux/mmzone.h:enum lru_list.

Each control group has lists of its own. Unevictable folios stand in no order. What waits in a CPU's batch is on no list yet.
"""

from __future__ import annotations

from vmtool.face.figure import Cell, Figure, Group, row, tiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine

REFERENCED, DIRTY, WRITEBACK, ANON, SWAPBACKED = (1 << bit for bit in (2, 4, 8, 12, 14))
LISTS = ("inactive_anon", "active_anon", "inactive_file", "active_file")
USES = {"A": "anon", "S": "shmem", "F": "file"}
COLUMNS = 64
MOST = 4096  # folios of one list


def figure(machine: Machine) -> Figure:
    groups, told = [], []
    for path, lists in machine.lru_lists():
        for name, folios in zip(LISTS, lists, strict=True):
            nr_pages = sum([nr for _, nr in folios])
            whose = "" if path == "/" else f" of {path}"
            told.append(f"{nr_pages} pages on {name}{whose}")
            if not folios and whose:
                continue
            cells = [_cell(machine, *folio) for folio in folios[:MOST]]
            rows = tiles(lambda at, folios=folios: f"from {folios[at][0]:05x}", cells, COLUMNS)
            if len(folios) > MOST:
                rows += (row(f"… and {len(folios) - MOST} folios more"),)
            groups.append(Group(f"{name}{whose}: {nr_pages} pages", rows))
    counters = machine.vmstat()
    groups.append(Group(f"unevictable: {counters['nr_unevictable']} pages", ()))
    legend = (
        "A anonymous   F page cache   S shared memory; small letters: not referenced since they were looked at; the next to go in front"
    )
    return Figure("The LRU lists", ", ".join(told), tuple(groups), legend)


def _cell(machine, pfn, nr):
    flags = int.from_bytes(machine.kpage("kpageflags", pfn, 1), "little")
    letter = "A" if flags & ANON else "S" if flags & SWAPBACKED else "F"
    words = [word for bit, word in ((REFERENCED, "referenced"), (DIRTY, "dirty"), (WRITEBACK, "being written")) if flags & bit]
    size = f", {nr} pages" if nr > 1 else ""
    return Cell(
        letter if flags & REFERENCED else letter.lower(), USES[letter], f"frame 0x{pfn:x}{size}: {', '.join(words) or 'not referenced'}"
    )
