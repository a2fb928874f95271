"""/proc/vmstat: the counters of zones, nodes and events.

Counterpart: Linux v6.18 mm/vmstat.c:vmstat_show(), vmstat_text[]. The core gives the names in the kernel's order.
"""


def render(vmstat: dict[str, int]) -> str:
    """The file: a name and a number a line."""
    return "".join([f"{name} {value}\n" for name, value in vmstat.items()])
