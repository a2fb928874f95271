"""A figure as SVG: the same groups, rows and cells, each cell with its facts in a title."""

from __future__ import annotations

from vmtool.face.figure import Figure
from vmtool.face.svg_document import LEFT, ROW, document
from vmtool.face.xml import element, escape, title

LETTER = 7.3  # of the 12 px monospaced font
TIGHT = 13
MOST_X = 1180


def render(figure: Figure) -> str:
    lines: list[str] = []
    y = _text(lines, LEFT, 26, figure.title, "process")
    for group in figure.groups:
        y += ROW // 2
        if group.heading:
            y = _text(lines, LEFT, y, group.heading, "col")
        label_width = max([len(row.label) for row in group.rows], default=0) * LETTER
        for row in group.rows:
            y = _row(lines, row, LEFT + 12, LEFT + 24 + round(label_width), y)
    if figure.legend:
        y = _text(lines, LEFT, y + ROW // 2, figure.legend, "faint")
    return document(lines, MOST_X + 2 * LEFT, y, figure.title, figure.description)


def _text(lines, x, y, words, class_=None):
    lines.append(element("text", escape(words), x=x, y=y, class_=class_))
    return y + ROW


def _row(lines, row, x, start, y):
    lines.append(element("text", escape(row.label), x=x, y=y))
    at = start
    for cell in row.cells:
        width = TIGHT if row.tight else round(len(cell.words) * LETTER) + 12
        if at + width > MOST_X and at > start:
            at, y = start, y + ROW
        box = element("rect", title(cell.facts), x=at, y=y - 12, width=width - 1, height=15, class_=f"box {cell.use or 'none'}")
        lines.append(box + element("text", escape(cell.words), x=at + (2 if row.tight else 6), y=y))
        at += width + (0 if row.tight else 4)
    if row.note:
        lines.append(element("text", escape(row.note), x=at + 6, y=y, class_="faint"))
    return y + ROW
