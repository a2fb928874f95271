"""A scene without arrows as SVG: a line a process or an area, and the grid of the machine's memory."""

from __future__ import annotations

from vmtool.face import facts, palette, rows
from vmtool.face import scene as s
from vmtool.face.svg import LEFT, ROW, document
from vmtool.face.terminal import block_letter, summary_words
from vmtool.face.xml import element, escape, title

CELL, COLUMNS = 15, 64
WIDTH = LEFT * 2 + 90 + CELL * COLUMNS


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
        y = _grid(lines, scene, y + ROW)
    put("frames: " + ", ".join(summary_words(scene)), class_="faint")
    put(f"not drawn: {scene.hidden}", class_="faint")
    return document(lines, WIDTH, y, facts.label(scene), facts.describe(scene))


def _grid(lines, scene, y):
    """A box a block, coloured and lettered by what most of its used frames are; its fill's height is how much is used."""
    blocks, shift = scene.blocks, scene.info.page_shift
    lines.append(element("text", f"memory in blocks of {rows.size_text(blocks.frames_each << shift)}", x=LEFT, y=y, class_="process"))
    y += 8
    for at in range(0, len(blocks.counts), COLUMNS):
        lines.append(element("text", f"{at * blocks.frames_each:06x}", x=LEFT, y=y + 12, class_="faint"))
        for i, counts in enumerate(blocks.counts[at : at + COLUMNS]):
            x, total = LEFT + 70 + i * CELL, sum(counts)
            letter = block_letter(blocks.uses, counts)
            used = -(-(total - counts[0]) * (CELL - 2) // total)
            what = ", ".join([f"{nr} {palette.USES[use]}" for use, nr in zip(blocks.uses, counts, strict=True) if nr])
            lines.append(
                element(
                    "rect",
                    title(f"frames 0x{(at + i) * blocks.frames_each:x}: {what}"),
                    x=x,
                    y=y,
                    width=CELL - 2,
                    height=CELL - 2,
                    class_="box",
                )
            )
            if used:
                lines.append(element("rect", x=x, y=y + CELL - 2 - used, width=CELL - 2, height=used, class_=palette.CLASS_OF[letter]))
        y += CELL
    return y + 2 * ROW
