"""Handlers: looking. Each copies what it shows and gives a function that formats it.

`execute` calls that function when the state file is closed again: a reader that formats keeps no
writer waiting.
"""

from __future__ import annotations

import errno

from vmtool.cli import json_text
from vmtool.errors import HostError, KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from vmtool._core import Machine
    from vmtool.cli.report import Output


def cat_maps(machine: Machine, pid: int | None, kernel: bool, root: str | None, json: bool) -> Output:
    if kernel:
        return _kernel_map(machine, pid, root, json)
    if root is not None:
        raise UsageError("--root is of --kernel")
    if pid is None:
        raise UsageError("missing PID")
    if not json:
        return _tree(machine).process_file(pid, "maps")
    vmas = machine.maps(pid)
    return lambda: json_text.text([_objects().area(vma) for vma in vmas])


def _kernel_map(machine: Machine, pid: int | None, root: str | None, json: bool) -> Output:
    from vmtool.views import kernel_map as view
    if pid is not None:
        machine.task(pid)  # ESRCH where there is no such process; all have the same half
    arch = machine.info().arch
    vmalloc = machine.vmalloc_start()
    runs = view.runs(machine.kernel_map(view.borders(arch, vmalloc), root), arch, vmalloc)
    return (lambda: json_text.text([_objects().kernel_run(run) for run in runs])) if json else (lambda: view.render(runs, arch))


def smaps(machine: Machine, pid: int, rollup: bool, json: bool) -> Output:
    format_text = _tree(machine).process_file(pid, "smaps_rollup" if rollup else "smaps")
    if not json:
        return format_text

    def show():
        entries = list(_proc_objects().smaps(_decoded(format_text)))
        return json_text.text(entries[0] if rollup else entries)
    return show


def status(machine: Machine, pid: int, json: bool) -> Output:
    return _proc_file(_tree(machine).process_file(pid, "status"), "status", json)


def statm(machine: Machine, pid: int, json: bool) -> Output:
    return _proc_file(_tree(machine).process_file(pid, "statm"), "statm", json)


def stat(machine: Machine, pid: int, json: bool) -> Output:
    return _proc_file(_tree(machine).process_file(pid, "stat"), "stat", json)


def cat(machine: Machine, path: str, json: bool) -> Output:
    format_text = _tree(machine).open(path)
    if json:
        return lambda: json_text.text({"path": path, "text": _decoded(format_text)})
    return format_text


def free(machine: Any, unit: str, si: bool, wide: bool, total: bool, lohi: bool, committed: bool, meter: bool,
         procfs: str | None, json: bool) -> Output:
    from vmtool.tools import free as tool
    text = _host_meminfo(procfs) if procfs is not None else str(_tree(machine).open("meminfo")())
    options: dict[str, str | bool] = {"unit": unit, "si": si, "wide": wide, "total": total, "lohi": lohi, "committed": committed}

    def show():
        if meter:
            from vmtool.tools import meter as meters
            return meters.run(text, meters.WIDTH)
        return json_text.text(_proc_objects().free(tool.figures(text)._asdict())) if json else tool.run(text, options)
    return _checked(show, procfs)


def pmap(machine: Any, pid: int, detail: str, expand: int, quiet: bool, show_path: bool, range: str | None, procfs: str | None,
         json: bool) -> Output:
    if expand:
        detail = "X" if expand == 1 else "XX"
    from vmtool.tools import pmap as tool
    from vmtool.tools import pmap_area
    names = ("stat", "cmdline", "smaps" if detail in ("x", "X", "XX") else "maps")
    read = _host_process(procfs, pid) if procfs is not None else _copied_process(machine, pid, names)
    try:
        span = pmap_area.EVERYWHERE if range is None else pmap_area.span_of(range)
    except ValueError as wrong:
        raise UsageError(str(wrong)) from None
    options = pmap_area.Options(detail, quiet, show_path, span)
    if json:
        from vmtool.cli import objects_pmap
        return _checked(lambda: json_text.text(objects_pmap.process(pid, read, options)), procfs)
    return _checked(lambda: tool.run(pid, read, options), procfs)


def meminfo(machine: Machine, json: bool) -> Output:
    return _proc_file(_tree(machine).open("meminfo"), "meminfo", json)


def buddyinfo(machine: Machine, json: bool) -> Output:
    if not json:
        return _tree(machine).open("buddyinfo")
    zones = machine.zones()
    return lambda: json_text.text([_objects().free_blocks(zone) for zone in zones if zone.present])


def extfrag(machine: Machine, file: str | None, json: bool) -> Output:
    zones, file = machine.fragmentation(), file or "unusable_index"
    if json:
        return lambda: json_text.text([_objects().fragmentation(zone, file) for zone in zones])
    from vmtool.procfs import extfrag as format_text
    return lambda: format_text.render(zones, file)


def zoneinfo(machine: Machine, json: bool) -> Output:
    if not json:
        return _tree(machine).open("zoneinfo")
    zones, node, page_shift = machine.zones(), machine.node_stats(), machine.info().page_shift
    return lambda: json_text.text(_objects().zones(zones, node, page_shift))


def pagetypeinfo(machine: Machine, json: bool) -> Output:
    if not json:
        return _tree(machine).open("pagetypeinfo")
    zones, order = machine.zones(), machine.info().pageblock_order
    return lambda: json_text.text(_objects().page_types(zones, order))


def slabinfo(machine: Machine, json: bool) -> Output:
    if not json:
        return _tree(machine).open("slabinfo")
    caches = machine.slabs()
    return lambda: json_text.text([_objects().slab(cache) for cache in caches])


def vmallocinfo(machine: Machine, json: bool) -> Output:
    if not json:
        return _tree(machine).open("vmallocinfo")
    areas = machine.vmalloc_areas()
    return lambda: json_text.text([{"size_bytes": area.end - area.start, "nr_pages": area.nr_pages, "kind": area.kind} for area in areas])


def pagewalk(machine: Machine, pid: int, addr: int, format: str, bits: bool, flat: bool, root: str | None, json: bool) -> Output:
    walk = machine.walk(pid, addr, root)
    if json:
        return lambda: json_text.text(_objects().walk(walk))
    from vmtool.views import walk as view
    if bits or flat:
        from vmtool.views import walk_bits
        return lambda: (walk_bits.render_bits if bits else walk_bits.render_flat)(walk, view.end(walk))
    return lambda: view.render_vtop(walk) if format == "vtop" else view.render(walk)


def pagemap(machine: Machine, pid: int, addr: int | None, length: int | None, raw: bool, json: bool) -> Output:
    entries = machine.pagemap(pid, addr, 1 if length is None else length) if addr is not None else _whole_pagemap(machine, pid)
    from vmtool.views import pagemap as view
    if raw:
        return (lambda: json_text.text([view.raw_object(entry) for entry in entries])) if json else (lambda: view.render_raw(entries))
    if length is not None and not json:
        return lambda: view.render_pages(entries)
    info = machine.info()
    runs = view.runs(entries, info.page_shift, info.pmd_order, lambda at: machine.walk(pid, at).page_bytes)
    return (lambda: json_text.text([view.run_object(run) for run in runs])) if json else (lambda: view.render(runs))


def frames(machine: Machine, pfns: Sequence[range], summary: bool, raw: bool, mapped_by: int | None, types: bool, ranges: bool, pages: bool,
           counts: bool, pid: int | None, all_flags: bool, json: bool) -> Output:
    from vmtool.views import frames as view
    if types or ranges or pages:
        return _page_types(machine, "ranges" if ranges else "pages" if pages else "", counts, pid, all_flags, json)
    if counts or pid is not None or all_flags:
        raise UsageError("-M, -p and -r go with -l, -L or --types")
    if mapped_by is not None:
        from vmtool.procfs.vmflags import permissions
        mappings = machine.mapped_by(mapped_by)
        if json:
            return lambda: json_text.text([_objects().mapping(*m) for m in mappings])
        return lambda: view.render_mappings(mappings, permissions)
    if raw and not pfns:
        raise UsageError("--raw is of frames: which? (PFN…)")
    if summary or not pfns:
        kinds, page_shift = machine.frames_summary(), machine.info().page_shift
        return (lambda: json_text.text(_objects().kinds(kinds, page_shift))) if json else (lambda: view.render_summary(kinds, page_shift))
    found = machine.frames([pfn for numbers in pfns for pfn in numbers])
    if raw:
        return (lambda: json_text.text([_objects().raw_frame(frame) for frame in found])) if json else (lambda: view.render_raw(found))
    order, runs = machine.info().pmd_order, view.runs(found)
    return (lambda: json_text.text([_objects().frame(*run, order) for run in runs])) if json else (lambda: view.render(runs, order))


def _page_types(machine, listing, counts, pid, all_flags, json):
    """Copied: two files of the machine, and of one process where its pages are."""
    import array

    from vmtool.tools import page_types as tool
    shift, nr_frames = machine.info().page_shift, machine.max_pfn()
    flags, numbers = (array.array("Q", machine.kpage(file, 0, nr_frames)) for file in ("kpageflags", "kpagecount"))
    entries = []
    for vma in machine.maps(pid) if pid is not None else ():
        if vma.start >> 63 == 0:
            of_area = array.array("Q", machine.pagemap_bytes(pid, vma.start, vma.end - vma.start))
            entries += [((vma.start >> shift) + at, entry) for at, entry in enumerate(of_area) if entry]

    def show():
        found = tool.of_frames(flags, numbers, all_flags) if pid is None else tool.of_space(entries, flags, numbers, all_flags)
        if json:
            return json_text.text(_objects().flag_types(list(found), listing, counts, pid is not None))
        return tool.render(found, listing, pid is not None, counts and bool(listing), True, shift)
    return show


def tlb(machine: Machine, stats: bool, cpu: int | None, json: bool) -> Output:
    if cpu is not None and not 0 <= cpu < machine.info().nr_cpus:
        raise KernelError(errno.EINVAL, f"there is no processor {cpu}")
    from vmtool.views import tlb as view
    words = view.words(machine.info().arch)
    if stats:
        counted = [s for s in machine.tlb_stats() if cpu is None or s.cpu == cpu]
        if json:
            return lambda: json_text.text([_objects().tlb_stats(s) for s in counted])
        return lambda: view.render_stats(counted, words.root)
    entries = machine.tlb(cpu)
    if json:
        return lambda: json_text.text([_objects().tlb_entry(entry) for entry in entries])
    return lambda: view.render(entries, words.space)


def _tree(machine):
    from vmtool.procfs.tree import Tree
    return Tree(machine)


def _objects():
    from vmtool.cli import objects
    return objects


def _proc_objects():
    from vmtool.cli import objects_proc
    return objects_proc


def _decoded(format_text):
    """The text of a file of /proc, which may have been formatted as bytes."""
    text = format_text()
    return text if isinstance(text, str) else text.decode("utf-8", "surrogateescape")


def _proc_file(format_text, reader, json):
    """A file of /proc, or the object that its reader makes of the text."""
    return (lambda: json_text.text(getattr(_proc_objects(), reader)(_decoded(format_text)))) if json else format_text


def _copied_process(machine, pid, names):
    """Reads files of a process that are copied now and formatted later."""
    tree = _tree(machine)
    files = {name: tree.process_file(pid, name) for name in names}
    return lambda name: _decoded(files[name])


def _checked(show, procfs):
    """What reads the machine's own files needs no check."""
    if procfs is None:
        return show
    from vmtool.cli.procps import checked
    return checked(show, procfs)


def _host_process(directory, pid):
    """Reads files of a process in a directory of the host."""
    from vmtool.outside.host import read_file
    return lambda name: read_file(f"{directory}/{pid}/{name}").data.decode("utf-8", "surrogateescape")


def _host_meminfo(directory):
    """The text of meminfo in a directory of the host."""
    from vmtool.outside.host import read_file
    path = f"{directory}/meminfo"
    text = read_file(path).data.decode("utf-8", "surrogateescape")
    if not text:
        raise HostError(f"{path}: holds no meminfo")
    return text


def _whole_pagemap(machine, pid):
    """The entries of every area below the kernel's half; pagemap has none for [vsyscall]."""
    return [entry for vma in machine.maps(pid) if vma.start < 1 << 63 for entry in machine.pagemap(pid, vma.start, vma.end - vma.start)]
