"""What a machine is at one moment, object by object, to be compared with another moment's or another machine's.

An object is named by a kind and what tells it from its like (a PID, an address, a path); its facts stand under the keys that `--json`
has for them in every command, so the words for people are made from the keys (`diff`). Pages and frames are compared where they are
told to differ, by the machines themselves: a machine has too many to list them.
"""

from __future__ import annotations

from vmtool.records import Frame, MmInfo, TaskInfo, TlbEntry, Vma, ZoneInfo
from vmtool.views.tlb import KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Facts = dict[str, Any]
    Name = tuple[str, tuple[Any, ...]]  # kind, what tells it from its like

_TASK = {"ppid": "ppid", "comm": "comm", "state": "state", "exit_code": "exit_code", "cpu": "cpu", "is_current": "current",
         "nr_minor_faults": "min_flt", "nr_major_faults": "maj_flt", "nr_children_minor_faults": "cmin_flt",
         "nr_children_major_faults": "cmaj_flt", "nr_threads": "nr_threads", "start_time": "start_time", "oom_score_adj": "oom_score_adj",
         "is_with_memory": "has_mm"}  # fmt: skip
_MM_PAGES = {"size_kb": "total_vm", "peak_size_kb": "hiwater_vm", "rss_anon_kb": "rss_anon", "rss_file_kb": "rss_file",
             "rss_shmem_kb": "rss_shmem", "peak_rss_kb": "hiwater_rss", "locked_kb": "locked_vm", "pinned_kb": "pinned_vm",
             "vm_data_kb": "data_vm", "exec_kb": "exec_vm", "vm_stk_kb": "stack_vm", "swap_kb": "swapents"}  # fmt: skip
_MM_ADDRESSES = ("pgd", "start_code", "end_code", "start_data", "end_data", "start_brk", "brk", "start_stack", "arg_start", "arg_end",
                 "env_start", "env_end", "mmap_base", "entry", "sp")  # fmt: skip
_TLB = ("set", "way", "pfn", "age", "dirty", "writable", "user", "nx", "is_global")
_ZONE = ("free", "boost", "min", "low", "high", "spanned", "present", "managed")


def objects(machine: Any) -> Iterator[tuple[Name, Facts]]:
    """Every object of a machine but pages and frames."""
    info = machine.info()
    page_kb = 1 << (info.page_shift - 10)
    yield ("machine", ()), {"arch": info.arch, "kernel": info.kernel, "ram_bytes": info.ram_bytes, "nr_cpus": info.nr_cpus,
                            "swap_bytes": info.swap_bytes, "tlb": info.tlb, "nr_operations": info.clock}  # fmt: skip
    for name in machine.sysctl_names():
        value = machine.sysctl(name)
        yield ("sysctl", (name,)), {"settings": int(value) if value.isdecimal() else value}
    for task in machine.tasks():
        yield ("process", (task.pid,)), process(task, machine.mm(task.pid) if task.has_mm else None, page_kb)
        if task.has_mm:
            for vma in machine.maps(task.pid):
                yield ("area", (task.pid, vma.start)), area(vma)
    for found in machine.files():
        yield ("file", (found.path,)), {
            "dev": f"{found.dev_major:02x}:{found.dev_minor:02x}", "inode": found.inode, "size_bytes": found.size,
            "nr_pages": found.nr_pages, "nr_dirty_pages": found.nr_dirty, "nr_mapped_pages": found.nr_mapped,
            "nr_disk_blocks": found.disk_blocks,
            "is_deleted": found.deleted}  # fmt: skip
    for zone in machine.zones():
        yield ("zone", (zone.name,)), zone_facts(zone)
    for cache in machine.slabs():
        yield ("slab", (cache.name,)), {"nr_active_objects": cache.active_objs, "nr_objects": cache.num_objs,
                                        "nr_active_slabs": cache.active_slabs, "nr_slabs": cache.num_slabs}  # fmt: skip
    for name, value in machine.vmstat().items():
        yield ("counter", (name,)), {"counters": value}
    for stats in machine.tlb_stats():
        yield ("tlb counters", (stats.cpu,)), {f"nr_{name}": value for name, value in stats._asdict().items() if name != "cpu"}
    for entry in machine.tlb():
        kind = KINDS.get(entry.kind, entry.kind)
        yield ("tlb entry", (entry.cpu, entry.level, kind, entry.vpn << entry.page_shift, entry.page_shift, entry.pcid)), tlb(entry)


def process(task: TaskInfo, mm: MmInfo | None, page_kb: int) -> Facts:
    facts = {key: getattr(task, name) for key, name in _TASK.items()}
    if mm is not None:
        facts.update({key: getattr(mm, name) * page_kb for key, name in _MM_PAGES.items()})
        facts.update({f"{name}_address": f"0x{getattr(mm, name):x}" for name in _MM_ADDRESSES})
        facts.update({"page_tables_kb": mm.pgtables_bytes >> 10, "nr_areas": mm.map_count, "exe": mm.exe})
    return facts


def area(vma: Vma) -> Facts:
    return {"end_address": f"0x{vma.end:x}", "vm_flags_mask": f"0x{vma.flags:x}", "offset_bytes": vma.offset,
            "dev": f"{vma.dev_major:02x}:{vma.dev_minor:02x}", "inode": vma.inode, "path": vma.name, "nr_pgoff_pages": vma.pgoff,
            "is_with_anon_vma": vma.anon_vma != 0}  # fmt: skip


def zone_facts(zone: ZoneInfo) -> Facts:
    return {f"nr_{name}_pages": getattr(zone, name) for name in _ZONE} | {
        "nr_free_blocks": list(zone.free_area), "nr_pcp_pages": [lists[0] for lists in zone.pcp]}  # fmt: skip


def tlb(entry: TlbEntry) -> Facts:
    return {name if name in ("set", "way", "pfn", "age", "is_global") else f"is_{name}": getattr(entry, name) for name in _TLB}


def frame(found: Frame) -> Facts:
    return {"kind": found.kind, "order": found.order, "nr_references": found.refcount, "nr_mappings": found.mapcount,
            "mapping": found.mapping or None, "index": found.index if found.mapping else None, "flags": list(found.flags)}  # fmt: skip
