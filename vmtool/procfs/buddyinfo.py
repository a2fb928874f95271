"""/proc/buddyinfo: how many free blocks of each order every zone has.

Counterpart: Linux v6.18 mm/vmstat.c:frag_show_print(). Pages on per-CPU lists are in no column. Zones without memory are left out.
"""

from collections.abc import Iterable

from vmtool.records import ZoneInfo


def render(zones: Iterable[ZoneInfo]) -> str:
    """The file: a line a zone, columns from order 0; each ends in a blank."""
    return "".join(
        [f"Node {z.node}, zone {z.name:>8} " + "".join([f"{n:6} " for n in z.free_area]) + "\n" for z in zones if z.present]
    )
