"""Handlers: looking. Each copies what it shows and gives a function that formats it.

`execute` calls that function when the state file is closed again: a reader that formats keeps no
writer waiting.
"""

from __future__ import annotations

import errno

from vmtool.cli import proc_files
from vmtool.errors import HostError, KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmtool._core import Machine
    from vmtool.cli.report import Output


def cat_maps(machine: Machine, pid: int, json: bool) -> Output:
    vmas = machine.maps(pid)
    if json:
        return lambda: _json().text([_area(vma) for vma in vmas])
    return proc_files.pid_maps(machine, pid)


def smaps(machine: Machine, pid: int, rollup: bool, json: bool) -> Output:
    if rollup:
        if json:
            start, end, stats = machine.smaps_rollup(pid)
            return lambda: _json().text({"start": f"0x{start:x}", "end": f"0x{end:x}", **_json().record(stats)})
        return proc_files.pid_smaps_rollup(machine, pid)
    if json:
        entries = machine.smaps(pid)
        return lambda: _json().text([{**_area(e.vma), **_json().record(e, "vma", "stats"), **_json().record(e.stats)} for e in entries])
    return proc_files.pid_smaps(machine, pid)


def status(machine: Machine, pid: int, json: bool) -> Output:
    return _fields_or_text(proc_files.pid_status(machine, pid), json)


def statm(machine: Machine, pid: int, json: bool) -> Output:
    format_text = proc_files.pid_statm(machine, pid)
    if json:
        names = ("size", "resident", "shared", "text", "lib", "data", "dt")
        return lambda: _json().text(dict(zip(names, map(int, format_text().split()), strict=True)))
    return format_text


def stat(machine: Machine, pid: int, json: bool) -> Output:
    if json:
        task, mm = machine.task(pid), _mm(machine, pid)
        return lambda: _json().text({"task": _json().record(task), "mm": mm and _json().record(mm, "auxv")})
    return proc_files.pid_stat(machine, pid)


def cat(machine: Machine, path: str, json: bool) -> Output:
    format_text = proc_files.find(machine, path)
    if json:
        return lambda: _json().text({"path": path, "text": format_text()})
    return format_text


def free(machine: Machine, unit: str, si: bool, wide: bool, total: bool, lohi: bool, committed: bool, procfs: str | None,
         json: bool) -> Output:
    from vmtool.tools import free as tool
    text = _host_meminfo(procfs) if procfs is not None else str(proc_files.meminfo(machine)())
    if json:
        return lambda: _json().text({name: list(value) if isinstance(value, tuple) else value
                                     for name, value in tool.figures(text)._asdict().items()})
    options: dict[str, str | bool] = {"unit": unit, "si": si, "wide": wide, "total": total, "lohi": lohi, "committed": committed}
    return lambda: tool.run(text, options)


def pmap(machine: Machine, pid: int, detail: str, expand: int, quiet: bool, show_path: bool, json: bool) -> Output:
    if expand:
        detail = "X" if expand == 1 else "XX"
    needs_smaps = detail in ("x", "X", "XX")
    if json:
        return smaps(machine, pid, False, True) if needs_smaps else cat_maps(machine, pid, True)
    from vmtool.tools import pmap as tool
    names = ("stat", "cmdline", "smaps" if needs_smaps else "maps")
    files = {name: proc_files.PID_FILES[name](machine, pid) for name in names}

    def read(name):
        text = files[name]()
        return text if isinstance(text, str) else text.decode("utf-8", "surrogateescape")
    return lambda: tool.run(pid, read, tool.Options(detail, quiet, show_path))


def meminfo(machine: Machine, json: bool) -> Output:
    figures = machine.meminfo()
    return (lambda: _json().text(figures)) if json else proc_files.meminfo(machine)


def vmstat(machine: Machine, json: bool) -> Output:
    figures = machine.vmstat()
    return (lambda: _json().text(figures)) if json else proc_files.vmstat(machine)


def buddyinfo(machine: Machine, json: bool) -> Output:
    zones = machine.zones()
    if json:
        return lambda: _json().text([{"node": z.node, "zone": z.name, "free_area": list(z.free_area)} for z in zones])
    return proc_files.buddyinfo(machine)


def zoneinfo(machine: Machine, json: bool) -> Output:
    zones = machine.zones()
    return (lambda: _json().records(zones)) if json else proc_files.zoneinfo(machine)


def pagetypeinfo(machine: Machine, json: bool) -> Output:
    zones = machine.zones()
    if json:
        return lambda: _json().text([{"node": z.node, "zone": z.name, "free_by_type": [list(t) for t in z.free_by_type],
                                      "pageblocks": list(z.pageblocks)} for z in zones])
    return proc_files.pagetypeinfo(machine)


def slabinfo(machine: Machine, json: bool) -> Output:
    caches = machine.slabs()
    return (lambda: _json().records(caches)) if json else proc_files.slabinfo(machine)


def pagewalk(machine: Machine, pid: int, addr: int, format: str, json: bool) -> Output:
    walk = machine.walk(pid, addr)
    if json:
        return lambda: _json().text(_json().record(walk))
    from vmtool.views import walk as view
    return lambda: view.render_vtop(walk) if format == "vtop" else view.render(walk)


def pagemap(machine: Machine, pid: int, addr: int | None, length: int, raw: bool, json: bool) -> Output:
    entries = machine.pagemap(pid, addr, length) if addr is not None else _whole_pagemap(machine, pid)
    if json:
        return lambda: _json().records(entries)
    from vmtool.views import pagemap as view
    return lambda: view.render_raw(entries) if raw else view.render(entries)


def frames(machine: Machine, pfns: Sequence[range], summary: bool, json: bool) -> Output:
    from vmtool.views import frames as view
    if summary or not pfns:
        kinds, page_shift = machine.frames_summary(), machine.info().page_shift
        return (lambda: _json().text(dict(kinds))) if json else (lambda: view.render_summary(kinds, page_shift))
    found = machine.frames([pfn for numbers in pfns for pfn in numbers])
    return (lambda: _json().records(found)) if json else (lambda: view.render(found))


def tlb(machine: Machine, stats: bool, cpu: int | None, json: bool) -> Output:
    if cpu is not None and not 0 <= cpu < machine.info().nr_cpus:
        raise KernelError(errno.EINVAL, f"there is no processor {cpu}")
    from vmtool.views import tlb as view
    if stats:
        counted = [s for s in machine.tlb_stats() if cpu is None or s.cpu == cpu]
        return (lambda: _json().records(counted)) if json else (lambda: view.render_stats(counted))
    entries = machine.tlb(cpu)
    return (lambda: _json().records(entries)) if json else (lambda: view.render(entries))


def explain(machine: Machine, state: str | None, json: bool) -> Output:
    if state is not None:
        machine.set_trace(state == "on")
        return _json().text({"tracing": state == "on"}) if json else None
    from vmtool.views import explain as view
    records, tracing = machine.trace(), machine.tracing()
    if json:
        return lambda: _json().text({
            "tracing": tracing, "steps": [{"pid": record.pid, "text": view.sentence(record)} for record in records]})
    return lambda: view.render(records)


def trace(machine: Machine, json: bool) -> Output:
    from vmtool.views import trace as view
    records = machine.trace()
    return (lambda: _json().records(records)) if json else (lambda: view.render(records))


def _json():
    from vmtool.cli import json_text
    return json_text


def _host_meminfo(directory):
    """The text of meminfo in a directory of the host."""
    from vmtool.outside.host import read_file
    path = f"{directory}/meminfo"
    text = read_file(path).data.decode("utf-8", "surrogateescape")
    if not text:
        raise HostError(f"{path}: holds no meminfo")
    return text


def _mm(machine, pid):
    return machine.mm(pid) if machine.task(pid).has_mm else None


def _area(vma):
    """An area as maps shows it, field by field."""
    from vmtool.procfs.vmflags import permissions
    return {"start": f"0x{vma.start:x}", "end": f"0x{vma.end:x}", "perms": permissions(vma.flags), "offset": f"0x{vma.offset:x}",
            "dev": f"{vma.dev_major:02x}:{vma.dev_minor:02x}", "inode": vma.inode, "path": vma.name}


def _fields_or_text(format_text, json):
    """A file of `Key:\tvalue` lines, or its keys with their values: kB as numbers, the rest as text."""
    if not json:
        return format_text

    def fields():
        found = {}
        for line in format_text().splitlines():
            key, _, value = line.partition(":")
            value = value.strip()
            number = value.removesuffix(" kB")
            found[key] = int(number) if number.isdigit() and key != "Name" else value
        return _json().text(found)
    return fields


def _whole_pagemap(machine, pid):
    """The entries of every area below the kernel's half; pagemap has none for [vsyscall]."""
    return [entry for vma in machine.maps(pid) if vma.start < 1 << 63 for entry in machine.pagemap(pid, vma.start, vma.end - vma.start)]
