"""The scene for graphviz: tables as records with a port an entry, frames as boxes, an edge for each present entry.

`vmtool draw --dot | dot -Tsvg` lays it out; a solid head is a writable entry, a hollow one a read-only one, a dotted edge leads to swap.
"""

from __future__ import annotations

from vmtool.face import facts, palette, rows
from vmtool.face import scene as s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.face.changes import Changes

EDGES = {"rw": "arrowhead=normal", "ro": "arrowhead=empty", "swap": "arrowhead=empty style=dotted"}


def render(scene: s.Scene, changes: Changes | None = None) -> str:
    """A digraph. Where pages are not drawn one by one it has the processes and their areas alone."""
    lines = ["digraph memory {", "  rankdir=LR;", f"  label={_quoted(facts.label(scene))};", "  node [shape=record fontname=monospace];"]
    colours = {run.pfn: palette.COLOURS[run.use][0] for run in scene.frames}
    for space in scene.spaces:
        lines.append(f"  subgraph cluster_{space.pid} {{ label={_quoted(rows.process_text(space))};")
        for area in space.areas:
            pages = [page for page in area.pages if rows.arrow_kind(page)]
            cells = "|".join([_cell(rows.area_text(area)), *[f"<{_port(page)}>{page.addr:x}{_times(page)}" for page in pages]])
            lines.append(f"    area_{space.pid}_{area.vma.start:x} [label={_quoted(cells)}];")
        lines.append("  }")
        lines += _edges(space, changes)
    for run in scene.frames:
        text = _cell(f"{rows.frame_number(run)} {rows.frame_marks(run)} {rows.frame_content(run)}".rstrip())
        lines.append(f'  frame_{run.pfn:x} [label={_quoted(text)} style=filled fillcolor="{colours[run.pfn]}"];')
    slots = {page.slot for space in scene.spaces for area in space.areas for page in area.pages if page.slot is not None}
    lines += [f"  swap_{area}_{slot:x} [label={_quoted(f'swap {area}:{slot:x}')}];" for area, slot in sorted(slots)]
    return "\n".join([*lines, "}"]) + "\n"


def _edges(space, changes):
    """Page to entry without a head, entry to frame with one; tables with all entries that are drawn."""
    tables: dict[tuple[str, int], list[s.Page]] = {}
    edges = []
    for area in space.areas:
        for page in area.pages:
            kind = rows.arrow_kind(page)
            if not kind:
                continue
            tables.setdefault((page.level, page.table), []).append(page)
            entry = f"table_{page.table:x}:e{page.index}"
            end = f"frame_{page.pfn:x}" if kind != "swap" else f"swap_{page.slot[0]}_{page.slot[1]:x}"
            bold = " penwidth=3" if changes is not None and changes.page(space, page) else ""
            edges.append(f"    area_{space.pid}_{area.vma.start:x}:{_port(page)} -> {entry} [arrowhead=none];")
            edges.append(f"    {entry} -> {end} [{EDGES[kind]}{bold}];")
    drawn = []
    for (level, table), pages in tables.items():
        cells = "|".join([f"{level} {table:x}", *[f"<e{page.index}>[{page.index}] {rows.entry_flags(page).strip()}" for page in pages]])
        drawn.append(f"    table_{table:x} [label={_quoted(cells)}];")
    return drawn + edges


def _port(page):
    return f"p{page.addr:x}"


def _times(page):
    return f" ×{page.nr}" if page.nr > 1 else ""


def _cell(text):
    """Text of a record's cell, in which braces, bars and angles would be structure."""
    return "".join([f"\\{char}" if char in "{}|<>\\ " else char for char in rows.printable(text)])


def _quoted(text):
    quoted = text.replace('"', '\\"')
    return f'"{quoted}"'
