"""/proc/pagetypeinfo: free blocks by migrate type, and how many pageblocks each type has.

Counterpart: Linux v6.18 mm/vmstat.c:pagetypeinfo_show(). The kernel stops counting a list at 100,000 blocks and says `>100000`.
Nothing is ever isolated here: that column is 0.
"""

from collections.abc import Iterable, Sequence

from vmtool.records import ZoneInfo

TYPES = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "Isolate")
NR_ORDERS = 11
COUNT_LIMIT = 100_000


def render(zones: Iterable[ZoneInfo], pageblock_order: int = 9) -> str:
    """The file; zones without memory are left out."""
    with_memory = [zone for zone in zones if zone.present]
    text = [f"Page block order: {pageblock_order}\nPages per block:  {1 << pageblock_order}\n\n"]
    text.append(f"{'Free pages count per migrate type at order':<44}" + _row(range(NR_ORDERS)))
    for zone in with_memory:
        for kind, name in enumerate(TYPES):
            counts = zone.free_by_type[kind] if kind < len(zone.free_by_type) else (0,) * NR_ORDERS
            text.append(f"Node {zone.node:4}, zone {zone.name:>8}, type {name:>12} " + _row(counts))
    text.append(f"\n{'Number of blocks type':<23}" + "".join([f"{name:>12} " for name in TYPES]) + "\n")
    for zone in with_memory:
        blocks = (*zone.pageblocks, *[0] * len(TYPES))[: len(TYPES)]
        text.append(f"Node {zone.node}, zone {zone.name:>8} " + "".join([f"{n:12} " for n in blocks]) + "\n")
    return "".join(text)


def _row(counts: Sequence[int]) -> str:
    return "".join([f"{n:6} " if n < COUNT_LIMIT else f">{COUNT_LIMIT:6} " for n in counts]) + "\n"
