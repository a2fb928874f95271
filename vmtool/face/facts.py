"""What a box is, in full: the words of an SVG's titles and of its description, for those who hover and those who hear."""

from __future__ import annotations

from vmtool.face import rows
from vmtool.face import scene as s
from vmtool.face.palette import USES
from vmtool.procfs.vmflags import permissions

STATES = {
    s.PRESENT: "present",
    s.ABSENT: "not present",
    s.SWAPPED: "in swap",
    s.GUARD: "guard: an access is SIGSEGV",
    s.HUGE: "huge, present",
    s.CLOSED: "PROT_NONE: Present is clear, the kernel keeps the frame",
}


def label(scene: s.Scene) -> str:
    names = ", ".join([f"{space.comm} ({space.pid})" for space in scene.spaces[:4]])
    more = f" and {len(scene.spaces) - 4} more" if len(scene.spaces) > 4 else ""
    return f"Memory of {names}{more}" if names else "Memory of a machine without processes"


def describe(scene: s.Scene) -> str:
    """The picture in a few sentences."""
    told = []
    for space in scene.spaces:
        pages = [page for area in space.areas for page in area.pages if page.state in s.POINTS]
        written = sum([page.nr for page in pages if page.writable])
        nr = sum([page.nr for page in pages])
        told.append(
            f"{space.comm}, process {space.pid}, has {len(space.areas)} areas; {nr} of its pages are present, {written} of them writable."
        )
    shared = [run for run in scene.frames if run.mapcount > 1]
    if shared:
        told.append(f"{sum([run.nr for run in shared])} frames are mapped more than once.")
    told += [
        f"The page cache holds {sum([nr for _, nr, pfn in file.blocks if pfn is not None])} of {file.nr_blocks} blocks of {file.path}."
        for file in scene.files
    ]
    return " ".join(told)


def space(space: s.Space) -> str:
    return f"process {space.pid}, {space.comm}: top table at 0x{space.root:x}; {rows.rss_text(space)}"


def area(area: s.Area) -> str:
    vma = area.vma
    name = f", {vma.name}" if vma.name else ""
    behind = f", from offset 0x{vma.offset:x}" if vma.is_file else ""
    return (
        f"area 0x{vma.start:x}-0x{vma.end:x} {permissions(vma.flags)}{name}{behind}: {area.nr_pages} pages, {area.nr_present} present, "
        f"{area.nr_swapped} in swap"
    )


def page(space: s.Space, area: s.Area, page: s.Page, shift: int) -> str:
    last = f"-0x{page.addr + (page.nr << shift):x}, {page.nr} pages" if page.nr > 1 else ""
    where = f", frame 0x{page.pfn:x}" if page.pfn is not None else ""
    return f"page 0x{page.addr:x}{last} of {space.comm} ({space.pid}): {STATES[page.state]}{where}"


def entry(space: s.Space, page: s.Page) -> str:
    if page.state == s.SWAPPED:
        return f"entry {rows.entry_place(page)} of {space.comm} ({space.pid}): 0x{page.entry:016x}, not present, {rows.slot_text(page)}"
    return f"entry {rows.entry_place(page)} of {space.comm} ({space.pid}): 0x{page.entry:016x}, {' '.join(page.flags)}"


def table(table: s.Table) -> str:
    hangs = f", named by entry {table.index} of the table at 0x{table.parent:x}" if table.parent else ", the top table"
    return f"{table.level} table at 0x{table.address:x}{hangs}"


def frame(run: s.FrameRun) -> str:
    nr = f", {run.nr} frames" if run.nr > 1 else ""
    behind = f", {rows.frame_content(run)} of {run.path}" if run.path else ""
    flags = f", flags {' '.join(run.flags)}" if run.flags else ""
    return f"frame 0x{run.pfn:x}{nr}: {USES[run.use]}{behind}, mapped {run.mapcount} times{flags}"
