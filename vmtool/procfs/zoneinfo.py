"""/proc/zoneinfo: each zone's watermarks, sizes, counters and per-CPU lists.

Counterpart: Linux v6.18 mm/vmstat.c:zoneinfo_show_print(). Pages of memory that a zone has but that are not its own
(`spanned` - `present`) are holes. A zone without memory shows only its first block.

Before 4.8 a zone without memory is not listed, counters stand four blanks in with `protection` behind them, and there are none of the
node. `scanned` counted what reclaim looked at since the last free page: 0 here. `inactive_ratio` is the kernel's: int_sqrt(10 * gigabytes).

Simplified: NUMA balancing is absent and kswapd never gives up, so `node_unreclaimable` is 0.
"""

from collections.abc import Iterable, Mapping
from math import isqrt

from vmtool.procfs import vmstat_names
from vmtool.procfs.releases import CURRENT, EVER, rows_of, v
from vmtool.records import ZoneInfo

_SIZES = (
    ("boost", v(6, 1), EVER),
    ("min", 0, EVER),
    ("low", 0, EVER),
    ("high", 0, EVER),
    ("promo", v(6, 12), EVER),
    ("scanned", 0, vmstat_names.BY_ZONE_ONLY),
    ("spanned", 0, EVER),
    ("present", 0, EVER),
    ("managed", 0, EVER),
    ("cma", v(5, 15), EVER),
)
SIZES = tuple(row[0] for row in rows_of(_SIZES, CURRENT))
PAGESET = (  # label, index in ZoneInfo.pcp
    ("count:    ", 0, v(6, 18), EVER),
    ("high:     ", 1, v(6, 18), EVER),
    ("batch:    ", 2, v(6, 18), EVER),
    ("high_min: ", 3, v(6, 18), EVER),
    ("high_max: ", 4, v(6, 18), EVER),
    ("count: ", 0, 0, v(6, 18)),
    ("high:  ", 1, 0, v(6, 18)),
    ("batch: ", 2, 0, v(6, 18)),
)
THRESHOLD_SHIFT = 27  # a unit of 128 MiB
MAX_THRESHOLD = 125


def render(zones: Iterable[ZoneInfo], node_stats: Mapping[str, int], page_shift: int, release: int = CURRENT) -> str:
    """The file; the node's counters stand in its first zone that has memory."""
    text = []
    seen_nodes = set()
    zones = list(zones)
    highest = {zone.node: zone.name for zone in zones if zone.present}
    is_old = release < vmstat_names.BY_ZONE_ONLY
    for zone in zones:
        if is_old and not zone.present:
            continue
        text.append(f"Node {zone.node}, zone {zone.name:>8}\n")
        if zone.present and zone.node not in seen_nodes and not is_old:
            seen_nodes.add(zone.node)
            text.append("  per-node stats\n" + _counters(vmstat_names.of_node(node_stats, release)))
        text.append(f"  pages free     {zone.free}\n")
        text += [f"        {name:<8} {getattr(zone, name, 0)}\n" for name, _, _ in rows_of(_SIZES, release)]
        protection = f"        protection: ({', '.join([str(n) for n in zone.protection])})\n"
        if not zone.present:
            text.append(protection)
            continue
        counters = vmstat_names.of_zone(zone, highest[zone.node] == zone.name, node_stats, release)
        text.append(_counters(counters, 4) + protection if is_old else protection + _counters(counters))
        text.append(_pagesets(zone, page_shift, release) + _end(zone, page_shift, is_old))
    return "".join(text)


def _counters(stats: Mapping[str, int], indent: int = 6) -> str:
    return "".join([f"{' ' * indent}{name:<12} {value}\n" for name, value in stats.items()])


def _pagesets(zone: ZoneInfo, page_shift: int, release: int) -> str:
    threshold = stat_threshold(zone.managed, len(zone.pcp), page_shift)
    text = "  pagesets\n"
    rows = rows_of(PAGESET, release)
    for cpu, pcp in enumerate(zone.pcp):
        text += f"    cpu: {cpu}\n" + "".join([f"              {label}{pcp[index]}\n" for label, index, _, _ in rows])
        text += f"  vm stats threshold: {threshold}\n"
    return text


def _end(zone: ZoneInfo, page_shift: int, is_old: bool) -> str:
    if not is_old:
        return f"  node_unreclaimable:  0\n  start_pfn:           {zone.start_pfn}\n"
    ratio = isqrt(10 * (zone.managed >> (30 - page_shift))) or 1
    return f"  all_unreclaimable: 0\n  start_pfn:         {zone.start_pfn}\n  inactive_ratio:    {ratio}\n"


def stat_threshold(managed: int, nr_cpus: int, page_shift: int) -> int:
    """By how much a CPU's share of a counter may differ before it is added to the zone's: it follows from the zone's
    size and the number of CPUs alone. Source: mm/vmstat.c:calculate_normal_threshold()."""
    units = managed >> (THRESHOLD_SHIFT - page_shift)
    return min(MAX_THRESHOLD, 2 * nr_cpus.bit_length() * (1 + units.bit_length()))
