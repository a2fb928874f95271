"""What ps and slabtop print, as JSON objects."""

from typing import Any

from vmtool.tools.process import Process
from vmtool.tools.slabtop import Cache

Object = dict[str, Any]


def process(p: Process, is_thread: bool = False) -> Object:
    """One process of ps, or one thread, whichever columns were asked for."""
    return {"pid": p.pid, **({"tid": p.tid} if is_thread else {}),
            "ppid": p.ppid, "state": p.state, "size_kb": p.kb("VmSize"), "rss_kb": p.kb("VmRSS"),
        "nr_minor_faults": p.min_flt,
            "nr_major_faults": p.maj_flt, "comm": p.comm, "command": p.command()}  # fmt: skip


def slab(cache: Cache) -> Object:
    """One cache of slabtop."""
    return {"name": cache.name, "nr_objects": cache.nr_objs, "nr_active_objects": cache.active_objs, "use": f"{cache.use}%",
            "object_size": f"{cache.obj_bytes / 1024:.2f}K", "nr_slabs": cache.nr_slabs, "nr_objects_per_slab": cache.objs_per_slab,
            "cache_kb": cache.cache_bytes // 1024}  # fmt: skip
