"""/proc/pagetypeinfo: free blocks by migrate type, and how many pageblocks each type has.

Counterpart: Linux v6.18 mm/vmstat.c:pagetypeinfo_show(). The kernel stops counting a list at 100,000 blocks and says `>100000`.
Nothing is ever isolated here: that column is 0. Before 4.4 the types stood in another order, with Reserve in the place of HighAtomic;
before 5.4 nothing stopped the counting.
"""

from collections.abc import Iterable, Sequence

from vmtool.procfs.releases import CURRENT, v
from vmtool.records import ZoneInfo

TYPES = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "Isolate")
OLD_TYPES = ("Unmovable", "Reclaimable", "Movable", "Reserve", "Isolate")
OLD_PLACES = (0, 2, 1, 3, 4)
OLD_UNTIL = v(4, 4)
COUNT_LIMIT = 100_000
LIMIT_SINCE = v(5, 4)


def render(zones: Iterable[ZoneInfo], pageblock_order: int, release: int = CURRENT) -> str:
    """The file; zones without memory are left out."""
    types, places = (OLD_TYPES, OLD_PLACES) if release < OLD_UNTIL else (TYPES, range(len(TYPES)))
    limit = COUNT_LIMIT if release >= LIMIT_SINCE else 1 << 64
    with_memory = [zone for zone in zones if zone.present]
    orders = range(len(with_memory[0].free_by_type[0]))
    text = [f"Page block order: {pageblock_order}\nPages per block:  {1 << pageblock_order}\n\n"]
    text.append(f"{'Free pages count per migrate type at order':<44}" + _row(orders, limit))
    for zone in with_memory:
        for kind, name in zip(places, types, strict=True):
            counts = zone.free_by_type[kind] if kind < len(zone.free_by_type) else (0,) * len(orders)
            text.append(f"Node {zone.node:4}, zone {zone.name:>8}, type {name:>12} " + _row(counts, limit))
    text.append(f"\n{'Number of blocks type':<23}" + "".join([f"{name:>12} " for name in types]) + "\n")
    for zone in with_memory:
        blocks = (*zone.pageblocks, *[0] * len(TYPES))[: len(TYPES)]
        text.append(f"Node {zone.node}, zone {zone.name:>8} " + "".join([f"{blocks[kind]:12} " for kind in places]) + "\n")
    return "".join(text)


def _row(counts: Sequence[int], limit: int) -> str:
    return "".join([f"{n:6} " if n < limit else f">{COUNT_LIMIT:6} " for n in counts]) + "\n"
