"""The grid of a machine's memory in SVG: a box a block of frames, lettered and filled by its use."""

from __future__ import annotations

from vmtool.face import palette, rows
from vmtool.face.terminal import block_letter
from vmtool.face.xml import element, title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.face.scene import Scene

CELL, COLUMNS = 15, 64
LABEL = 70
WIDTH = LABEL + CELL * COLUMNS


def draw(lines: list[str], scene: Scene, left: int, y: int) -> int:
    """The letter is what most of a block's used frames are; the fill's height is how much of it is used. Returns the bottom."""
    blocks, shift = scene.blocks, scene.info.page_shift
    assert blocks is not None
    lines.append(element("text", f"memory in blocks of {rows.size_text(blocks.frames_each << shift)}", x=left, y=y, class_="process"))
    y += 8
    for at in range(0, len(blocks.counts), COLUMNS):
        lines.append(element("text", f"{at * blocks.frames_each:06x}", x=left, y=y + 12, class_="faint"))
        for i, counts in enumerate(blocks.counts[at : at + COLUMNS]):
            lines += _cell(blocks, at + i, counts, left + LABEL + i * CELL, y)
        y += CELL
    return y


def _cell(blocks, number, counts, x, y):
    side, total = CELL - 1, sum(counts)
    letter = block_letter(blocks.uses, counts)
    tall = -(-(total - counts[0]) * side // total)
    words = ", ".join([f"{nr} {palette.USES[use]}" for use, nr in zip(blocks.uses, counts, strict=True) if nr])
    told = title(f"frames 0x{number * blocks.frames_each:x}: {words}")
    cell = [element("rect", told, x=x, y=y, width=side, height=side, class_="box none")]
    if tall:
        cell.append(element("rect", x=x, y=y + side - tall, width=side, height=tall, class_=f"still {palette.CLASS_OF[letter]}"))
        cell.append(element("text", letter, x=x + 4, y=y + 11, class_="small"))
    return cell
