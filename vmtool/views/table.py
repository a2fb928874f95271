"""Tables: the one function that draws them."""

from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], left: str = "") -> str:
    """Columns two blanks apart, without lines. Right-aligned, but for the headings named in `left` (words separated by blanks).

    Cells are printed as they are (`str`), but for what would not print: a newline is `\\012`, as in maps, and another control character
    or byte that is no character a `?`, as procps prints it. Nothing depends on the terminal.
    """
    cells = [[_printable(str(cell)) for cell in row] for row in rows]
    if not cells:
        return "  ".join(headings) + "\n"
    import tabulate  # 30 ms: only when there is something to draw

    tabulate.MIN_PADDING = 0  # its default would widen each heading by two blanks
    to_left = left.split()
    alignment = ["left" if heading in to_left else "right" for heading in headings]
    drawn = tabulate.tabulate(cells, headings, tablefmt="plain", colalign=alignment, disable_numparse=True)
    return "".join([line.rstrip() + "\n" for line in drawn.splitlines()])


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else "?" for char in text.replace("\n", "\\012")])
