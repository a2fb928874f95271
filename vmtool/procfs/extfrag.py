"""/sys/kernel/debug/extfrag: how much of free memory is of no use for each order, and whether that is fragmentation.

Counterpart: Linux v6.18 mm/vmstat.c:unusable_show_print(), extfrag_show_print(). Zones without memory are left out.
"""

from collections.abc import Iterable

from vmtool.records import Fragmentation

WIDTHS = {"unusable_index": 1, "extfrag_index": 2}
"""The files, and how wide the whole part of a figure is printed in each."""


def render(zones: Iterable[Fragmentation], name: str) -> str:
    """A file of WIDTHS: a line a zone, columns from order 0; each ends in a blank."""
    figures = [(zone, "".join([_figure(n, WIDTHS[name]) for n in getattr(zone, name)])) for zone in zones]
    return "".join([f"Node {zone.node}, zone {zone.zone:>8} {text}\n" for zone, text in figures])


def _figure(thousandths, width):
    """The sign is C's: of the whole part alone."""
    whole = -(-thousandths // 1000) if thousandths < 0 else thousandths // 1000
    return f"{whole:{width}d}.{abs(thousandths) % 1000:03d} "
