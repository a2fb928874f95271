"""What each record is as a JSON object: the facts of the text, under keys that mean one thing in every command.

The convention (README, "JSON"): an address is a "0x…" string under `address` or a name that ends in `_address`; a pattern of bits is
such a string under `entry`, `kpageflags` or a name that ends in `_mask`; sizes end in `_bytes` or `_kb`, counts begin with `nr_`, truths
with `is_`; all other numbers are numbers (a PID, a pfn, an index). An object holds what the text holds, and nothing else.
What is made from the text of a /proc file is in `objects_proc`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from vmtool.procfs.pagetypeinfo import TYPES
from vmtool.records import FileInfo, Fragmentation, Frame, SlabCache, TlbEntry, TlbStats, TraceRecord, Vma, Walk, ZoneInfo
from vmtool.views import frames as frames_view
from vmtool.views import tlb as tlb_view
from vmtool.views.kernel_map import Run as KernelRun
from vmtool.views.walk_fault import fault

Object = dict[str, Any]


def address(value: int) -> str:
    """An address, or a pattern of bits."""
    return f"0x{value:x}"


def area(vma: Vma) -> Object:
    """A line of maps."""
    from vmtool.procfs.vmflags import permissions

    return {
        "address": address(vma.start),
        "end_address": address(vma.end),
        "perms": permissions(vma.flags),
        "offset_bytes": vma.offset,
        "dev": f"{vma.dev_major:02x}:{vma.dev_minor:02x}",
        "inode": vma.inode,
        "path": vma.name,
    }


def file(found: FileInfo, page_bytes: int) -> Object:
    """A line of fincore."""
    return {"path": found.path, "resident_bytes": found.nr_pages * page_bytes, "nr_pages": found.nr_pages, "size_bytes": found.size}


def walk(found: Walk) -> Object:
    """A page walk; `physical_address` is null where it did not end in a frame."""
    steps = [
        {
            "level": step.level,
            "table_address": address(step.table),
            "index": step.index,
            "entry_address": address(step.entry_addr),
            "entry": address(step.entry),
            "flags": list(step.flags),
            "high_bit": step.high,
            "low_bit": step.low,
            **({"linux_entry": address(step.soft)} if step.soft else {}),
        }
        for step in found.steps
    ]
    end: Object
    if found.phys is None:
        end = {"physical_address": None, "reason": found.reason or "not present"}
    else:
        end = {"physical_address": address(found.phys), "pfn": found.phys >> found.page_shift, "page_size_kb": found.page_bytes >> 10}
    told = fault(found)
    return {"address": address(found.addr), "register": found.register, "root_address": address(found.root), "steps": steps, **end,
            **({"fault": told} if told else {})}


def mapping(pid: int, addr: int, page_bytes: int, vma: Vma) -> Object:
    """A row of frames --mapped-by."""
    from vmtool.procfs.vmflags import permissions

    return {"pid": pid, "address": address(addr), "page_size_kb": page_bytes >> 10, "start_address": address(vma.start),
            "end_address": address(vma.end), "perms": permissions(vma.flags), "path": vma.name}


def frame(found: Frame, nr_pages: int, pmd_order: int) -> Object:
    """A row of frames; what belongs to a file or an anon_vma says where in it."""
    return {
        "pfn": found.pfn,
        "nr_pages": nr_pages,
        "zone": found.zone,
        "kind": found.kind,
        "order": found.order,
        "nr_references": found.refcount,
        "nr_mappings": found.mapcount,
        "index": found.index if found.mapping else None,
        "mapping": found.mapping or None,
        "flags": frames_view.words(found, pmd_order),
    }


def kinds(counted: Iterable[tuple[str, int]], page_shift: int) -> list[Object]:
    """The rows of frames --summary."""
    rows = list(counted)
    rows.append(("total", sum(row[1] for row in rows)))
    return [{"kind": kind, "nr_pages": nr_pages, "size_kb": nr_pages << (page_shift - 10)} for kind, nr_pages in rows]


def kernel_run(run: KernelRun) -> Object:
    """A run of like entries of the kernel's half."""
    return {
        "address": address(run.start),
        "end_address": address(run.end),
        "level": run.level,
        "flags": list(run.flags),
        "region": run.region,
    }


def tlb_entry(entry: TlbEntry) -> Object:
    return {
        "cpu": entry.cpu,
        "tlb_level": entry.level,
        "kind": tlb_view.KINDS.get(entry.kind, entry.kind),
        "set": entry.set,
        "way": entry.way,
        "address": address(entry.vpn << entry.page_shift),
        "pfn": entry.pfn,
        "page_size_kb": 1 << (entry.page_shift - 10),
        "pcid": entry.pcid,
        "age": entry.age,
        "flags": tlb_view.attributes(entry),
    }


def tlb_stats(stats: TlbStats) -> Object:
    return {"cpu": stats.cpu, **{f"nr_{name}": getattr(stats, name) for _, name in tlb_view.COUNTERS}}


def slab(cache: SlabCache) -> Object:
    return {
        "name": cache.name,
        "nr_active_objects": cache.active_objs,
        "nr_objects": cache.num_objs,
        "object_bytes": cache.objsize,
        "nr_objects_per_slab": cache.objperslab,
        "nr_pages_per_slab": cache.pagesperslab,
        "nr_active_slabs": cache.active_slabs,
        "nr_slabs": cache.num_slabs,
    }


def free_blocks(zone: ZoneInfo) -> Object:
    """A line of buddyinfo: blocks of each order from 0 on."""
    return {"node": zone.node, "zone": zone.name, "nr_free_blocks": list(zone.free_area)}


def fragmentation(zone: Fragmentation, file: str) -> Object:
    """A line of a file of extfrag: the index of each order from 0 on."""
    return {"node": zone.node, "zone": zone.zone, file: [thousandths / 1000 for thousandths in getattr(zone, file)]}


def raw_frame(found: Frame) -> Object:
    """A line of frames --raw."""
    return {"pfn": found.pfn, "kpageflags": f"0x{found.kpageflags:016x}"}


def flag_types(pages: list[tuple[int, int, int, int]], listing: str, counts: bool, with_page: bool) -> Object:
    """frames --types, and its lists."""
    from vmtool.tools import page_types as tool

    def row(page, pfn, flags, count, length):
        found: Object = {"index": page} if with_page else {}
        found.update({"nr_mappings": count} if counts else {}, pfn=pfn)
        return {**found, **({"nr_pages": length} if listing == "ranges" else {}), "flags": names(flags)}

    def names(flags):
        return tool.long_names(flags).split(",") if flags else []

    rows = tool.ranges(pages, counts) if listing == "ranges" else [(*page, 1) for page in pages] if listing else []
    kinds = tool.counted([flags for _, _, flags, _ in pages])
    types = [{"kpageflags": f"0x{flags:016x}", "nr_pages": nr_pages, "flags": names(flags)} for flags, nr_pages in kinds]
    return {**({"frames": [row(*found) for found in rows]} if listing else {}), "types": types, "nr_pages": len(pages)}


def zone(found: ZoneInfo, page_shift: int) -> Object:
    """A zone of zoneinfo, in pages; one without memory has only what the text says of it."""
    from vmtool.procfs.zoneinfo import SIZES, stat_threshold

    shown: Object = {"node": found.node, "zone": found.name, "nr_free_pages": found.free}
    shown.update({f"nr_{name}_pages": getattr(found, name) for name in SIZES})
    shown["nr_protection_pages"] = list(found.protection)
    if found.present:
        shown["counters"] = dict(found.stats)
        names = ("nr_pages", "nr_high_pages", "nr_batch_pages", "nr_high_min_pages", "nr_high_max_pages")
        shown["pagesets"] = [{"cpu": cpu, **dict(zip(names, counts, strict=True))} for cpu, counts in enumerate(found.pcp)]
        shown["nr_stat_threshold"] = stat_threshold(found.managed, len(found.pcp), page_shift)
        shown["pfn"] = found.start_pfn
    return shown


def zones(found: Iterable[ZoneInfo], node_counters: Mapping[str, int], page_shift: int) -> Object:
    return {"node_counters": dict(node_counters), "zones": [zone(z, page_shift) for z in found]}


def page_types(found: Iterable[ZoneInfo], pageblock_order: int) -> Object:
    """pagetypeinfo: blocks of each order, and pageblocks, by migrate type."""
    shown = []
    for z in found:
        if z.present:
            empty = (0,) * len(z.free_by_type[0])
            by_type = dict(zip(TYPES, [*z.free_by_type, *[empty] * len(TYPES)], strict=False))
            blocks = dict(zip(TYPES, [*z.pageblocks, *[0] * len(TYPES)], strict=False))
            types = [{"migratetype": name, "nr_free_blocks": list(by_type[name]), "nr_pageblocks": blocks[name]} for name in TYPES]
            shown.append({"node": z.node, "zone": z.name, "types": types})
    return {"pageblock_order": pageblock_order, "nr_pages_per_block": 1 << pageblock_order, "zones": shown}


_ARGUMENTS = {
    "addr": "address", "start": "address", "end": "end_address", "old_start": "old_address", "new_start": "new_address",
    "old": "old_address", "new": "new_address", "root": "root_address", "old_root": "old_root_address", "entry": "entry_address",
    "hit": "is_hit", "writable": "is_writable", "major": "is_major", "bytes": "length_bytes", "offset": "offset_bytes",
    "flags": "vm_flags_mask", "error_code": "error_code_mask", "level": "level_number", "parent": "pid", "child": "child_pid",
}  # fmt: skip
"""Arguments of trace events whose key is not their name."""


def step(record: TraceRecord) -> Object:
    """A step of the trace with its numbers."""
    arguments: Object = {}
    for name, value in record.args.items():
        key = _ARGUMENTS.get(name, name)
        if key.endswith(("address", "_mask")):
            arguments[key] = address(value)
        else:
            arguments[key] = bool(value) if key.startswith("is_") else value
    return {"step": record.seq, "pid": record.pid, "event": record.event, "arguments": arguments}
