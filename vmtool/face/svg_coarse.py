"""A scene without arrows as SVG: a line a process or an area, and the grid of the machine's memory."""

from __future__ import annotations

from vmtool.face import facts, rows, svg_grid
from vmtool.face import scene as s
from vmtool.face.svg_document import LEFT, ROW, document
from vmtool.face.terminal import summary_words
from vmtool.face.xml import element, escape, title

WIDTH = 2 * LEFT + svg_grid.WIDTH + 20


def render(scene: s.Scene) -> str:
    lines: list[str] = []
    y = ROW

    def put(text, told="", **how):
        nonlocal y
        lines.append(element("text", escape(text) + (title(told) if told else ""), x=LEFT, y=y, **how))
        y += ROW

    for row in rows.rows(scene):
        if row.kind == rows.PROCESS:
            is_head = scene.detail == s.AREAS
            put(
                f"{rows.process_text(row.space):<24}{rows.rss_text(row.space)}",
                facts.space(row.space),
                class_="process" if is_head else None,
            )
        elif row.kind == rows.AREA:
            area = row.area
            nr_absent = area.nr_pages - area.nr_present - area.nr_swapped
            put(f"  {rows.area_text(area)}  ■ ×{area.nr_present} ◇ ×{area.nr_swapped} □ ×{nr_absent}", facts.area(area))
    if scene.blocks is not None:
        y = svg_grid.draw(lines, scene, LEFT, y + ROW) + 2 * ROW
    put("frames: " + ", ".join(summary_words(scene)), class_="faint")
    put(f"not drawn: {scene.hidden}", class_="faint")
    return document(lines, WIDTH, y, facts.label(scene), facts.describe(scene))
