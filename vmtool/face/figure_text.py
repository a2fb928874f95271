"""A figure in characters."""

from __future__ import annotations

from vmtool.face import palette
from vmtool.face.figure import Figure
from vmtool.face.rows import printable
from vmtool.face.styled import Line, Text

MOST_LABEL = 46


def render(figure: Figure, *, width: int, ascii: bool = False) -> Text:
    lines = [Line().add(printable(figure.title), palette.HEAD)]
    for group in figure.groups:
        if group.heading:
            lines.append(Line().add(printable(group.heading), palette.HEAD))
        label_width = min(max([len(row.label) for row in group.rows], default=0), MOST_LABEL)
        for row in group.rows:
            lines += _row(row, label_width, width)
    if figure.legend:
        lines.append(Line().add(figure.legend, palette.FAINT))
    text = Text(lines)
    return text.in_ascii() if ascii else text


def _row(row, label_width, width):
    """The label, then cells in as many lines as they need, then the note."""
    start = label_width + 4
    line = Line().add(f"  {printable(row.label)}")
    lines = [line]
    if row.cells:
        line.pad(start)
    for cell in row.cells:
        words = printable(cell.words) if row.tight else f"[{printable(cell.words)}]"
        if len(line) + len(words) > width and len(line) > start:
            line = Line().pad(start)
            lines.append(line)
        line.add(words, cell.use)
        if not row.tight:
            line.add(" ")
    if row.note:
        line.pad(start).add(" " if row.tight else "").add(printable(row.note), palette.FAINT)
    return lines
