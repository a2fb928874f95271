"""/proc/zoneinfo: each zone's watermarks, sizes, counters and per-CPU lists.

Counterpart: Linux v6.18 mm/vmstat.c:zoneinfo_show_print(). Pages of memory that a zone has but that are not its own
(`spanned` - `present`) are holes. A zone without memory shows only its first block.

Simplified: NUMA balancing is absent and kswapd never gives up, so `node_unreclaimable` is 0.
"""

from collections.abc import Iterable, Mapping

from vmtool.records import ZoneInfo

SIZES = ("boost", "min", "low", "high", "promo", "spanned", "present", "managed", "cma")
THRESHOLD_SHIFT = 27  # a unit of 128 MiB
MAX_THRESHOLD = 125


def render(zones: Iterable[ZoneInfo], node_stats: Mapping[str, int], page_shift: int = 12) -> str:
    """The file; the node's counters stand in its first zone that has memory."""
    text = []
    seen_nodes = set()
    for zone in zones:
        text.append(f"Node {zone.node}, zone {zone.name:>8}\n")
        if zone.present and zone.node not in seen_nodes:
            seen_nodes.add(zone.node)
            text.append("  per-node stats\n" + _counters(node_stats))
        text.append(f"  pages free     {zone.free}\n")
        text += [f"        {name:<8} {getattr(zone, name)}\n" for name in SIZES]
        text.append(f"        protection: ({', '.join([str(n) for n in zone.protection])})\n")
        if zone.present:
            text.append(_counters(zone.stats) + _pagesets(zone, page_shift))
            text.append(f"  node_unreclaimable:  0\n  start_pfn:           {zone.start_pfn}\n")
    return "".join(text)


def _counters(stats: Mapping[str, int]) -> str:
    return "".join([f"      {name:<12} {value}\n" for name, value in stats.items()])


def _pagesets(zone: ZoneInfo, page_shift: int) -> str:
    threshold = stat_threshold(zone.managed, len(zone.pcp), page_shift)
    text = "  pagesets\n"
    for cpu, (count, high, batch, high_min, high_max) in enumerate(zone.pcp):
        text += (
            f"    cpu: {cpu}\n              count:    {count}\n              high:     {high}\n              batch:    {batch}\n"
            f"              high_min: {high_min}\n              high_max: {high_max}\n  vm stats threshold: {threshold}\n"
        )
    return text


def stat_threshold(managed: int, nr_cpus: int, page_shift: int = 12) -> int:
    """By how much a CPU's share of a counter may differ before it is added to the zone's: it follows from the zone's
    size and the number of CPUs alone. Source: mm/vmstat.c:calculate_normal_threshold()."""
    units = managed >> (THRESHOLD_SHIFT - page_shift)
    return min(MAX_THRESHOLD, 2 * nr_cpus.bit_length() * (1 + units.bit_length()))
