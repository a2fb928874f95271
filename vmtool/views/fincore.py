"""How much of a file the page cache holds.

Counterpart: util-linux 2.38 misc-utils/fincore.c, lib/strutils.c:size_to_human_string(): the same columns and figures.
"""

from vmtool.records import FileInfo

UNITS = "BKMGTPE"
WIDTH_HINT = 5


def render(file: FileInfo, page_bytes: int, in_bytes: bool = False) -> str:
    """Heading and the file's row: bytes and pages in the cache, size, path."""
    sizes = [file.nr_pages * page_bytes, file.size]
    res, size = [str(n) if in_bytes else human(n) for n in sizes]
    rows = (("RES", "PAGES", "SIZE", "FILE"), (res, str(file.nr_pages), size, file.path.replace("\n", "\\x0a")))
    widths = [_width(len(rows[0][column]), len(rows[1][column])) for column in range(3)]
    return "".join(
        [" ".join([f"{cell:>{width}}" for cell, width in zip(row, widths, strict=False)]) + f" {row[3]}\n" for row in rows]
    )


def _width(heading: int, cell: int) -> int:
    """The library's hint counts only for a column whose cells fill the heading."""
    return heading if cell < heading else max(WIDTH_HINT, cell)


def human(nr_bytes: int) -> str:
    """At most one decimal, rounded, and the letter of the unit."""
    power = max((nr_bytes.bit_length() - 1) // 10, 0)
    whole, rest = divmod(nr_bytes, 1 << 10 * power)
    tenths = (rest * 1000 // (1 << 10 * power) + 50) // 100
    if tenths == 10:
        whole, tenths = whole + 1, 0
    return f"{whole}{f'.{tenths}' if tenths else ''}{UNITS[power]}"
