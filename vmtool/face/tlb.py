"""The TLBs as sets and ways: what each processor remembers, level by level.

Counterpart: Intel SDM volume 3 chapter 5.10; `tlb` prints the same entries as a table.
"""

from __future__ import annotations

from vmtool.face.figure import Cell, Figure, Group, row
from vmtool.views.tlb import words as tlb_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine
    from vmtool.records import TlbEntry

KINDS = {"d": "data", "i": "code", "s": "shared"}


def figure(machine: Machine) -> Figure:
    arrays: dict[tuple, dict[int, list[TlbEntry]]] = {}
    shift = machine.info().page_shift
    words = tlb_words(machine.info().arch)
    for e in machine.tlb():
        # Of the first level, pages of each size have an array of their own; the second has one for 4K and 2M.
        arrays.setdefault((e.cpu, e.level, e.kind, e.page_shift if e.level == 1 else 0), {}).setdefault(e.set, []).append(e)
    groups = []
    for (cpu, level, kind, size), sets in sorted(arrays.items()):
        rows = [
            row(f"set {number}", [_cell(e, shift, words.space) for e in sorted(entries, key=lambda e: e.way)], "")
            for number, entries in sorted(sets.items())
        ]
        sized = f", pages of {1 << size - 10}K" if size else ""
        groups.append(Group(f"CPU {cpu} L{level} {KINDS.get(kind, kind)}{sized}: {sum(map(len, sets.values()))} entries", tuple(rows)))
    for stats in machine.tlb_stats():
        hits = f"{stats.l1_hits} hits in L1, {stats.l2_hits} in L2, {stats.misses} misses, {stats.walks} walks"
        loads = f"{stats.cr3_loads} loads of {words.root}, {stats.flushes_all} flushes of all"
        groups.append(Group("", (row(f"CPU {stats.cpu}", (), f"{hits}, {loads}"),)))
    legend = "page→frame, then W writable, U user, X executable, D dirty, G global; sets without an entry are left out"
    return Figure("The TLB", "Translations that the processors remember, by set and way.", tuple(groups), legend)


def _cell(e, shift, space):
    letters = "".join(
        [letter for letter, is_set in (("W", e.writable), ("U", e.user), ("X", not e.nx), ("D", e.dirty), ("G", e.is_global)) if is_set]
    )
    pcid = f"{e.pcid}:" if e.pcid else ""
    named = f"{space.upper()} {e.pcid}, " if space else ""
    facts = f"way {e.way}: page 0x{e.vpn << e.page_shift:x} is in frame 0x{e.pfn:x}, {letters}, {named}last used at {e.age}"
    return Cell(f"{pcid}{e.vpn << e.page_shift - shift:x}→{e.pfn:x} {letters}", "anon" if e.writable else "file", facts)
