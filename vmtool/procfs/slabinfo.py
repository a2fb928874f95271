"""/proc/slabinfo: the kernel's own objects, by cache.

Counterpart: Linux v6.18 mm/slab_common.c:cache_show(), slabinfo(5). SLUB has no tunables: those columns are 0, and no slab is shared.
"""

from collections.abc import Iterable

from vmtool.records import SlabCache

HEADER = (
    "slabinfo - version: 2.1\n"
    "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
    " : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n"
)


def render(caches: Iterable[SlabCache]) -> str:
    """The file: two lines of heading, then a line a cache."""
    return HEADER + "".join([_line(cache) for cache in caches])


def _line(c: SlabCache) -> str:
    objects = f"{c.name:<17} {c.active_objs:6} {c.num_objs:6} {c.objsize:6} {c.objperslab:4} {c.pagesperslab:4}"
    tunables = f" : tunables {0:4} {0:4} {0:4}"
    return f"{objects}{tunables} : slabdata {c.active_slabs:6} {c.num_slabs:6} {0:6}\n"
