"""/proc/vmstat: the counters of zones, nodes and events.

Counterpart: Linux v6.18 mm/vmstat.c:vmstat_show(), vmstat_text[]. The core gives the names in that kernel's order; `vmstat_names`
knows those of older ones.
"""

from vmtool.procfs.releases import CURRENT


def render(vmstat: dict[str, int], highest_zone: str = "normal", release: int = CURRENT) -> str:
    """The file: a name and a number a line. `highest_zone`: of those with memory, in lower case."""
    if release < CURRENT:
        from vmtool.procfs import vmstat_names

        vmstat = {name: vmstat_names.value(name, vmstat, highest_zone) for name in vmstat_names.whole(release)}
    return "".join([f"{name} {value}\n" for name, value in vmstat.items()])
