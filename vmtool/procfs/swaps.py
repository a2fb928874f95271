"""/proc/swaps: the areas to which anonymous pages can be written.

Counterpart: Linux v6.18 mm/swapfile.c:swap_show(). Sizes in kB. Before 5.10 one tab stood between the columns, however narrow.
"""

from collections.abc import Iterable

from vmtool.procfs.releases import CURRENT, v

HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
NAME_WIDTH = 40
ONE_TAB_BEFORE = v(5, 10)
WIDE_KB = 10_000_000  # a figure of eight digits fills its tab stops


def render(areas: Iterable[tuple[str, int, int, int, bool]] = (), release: int = CURRENT) -> str:
    """The file: the heading, then a line for each area: (path, size, used, priority, whether it is a partition)."""
    is_narrow = release < ONE_TAB_BEFORE
    header = HEADER.replace("Size\t\tUsed\t\t", "Size\tUsed\t") if is_narrow else HEADER
    return header + "".join([_line(*area, is_narrow) for area in areas])


def _line(path: str, size_kb: int, used_kb: int, priority: int, is_partition: bool, is_narrow: bool = False) -> str:
    path = escaped(path)
    blanks = " " * max(NAME_WIDTH - len(path.encode("utf-8", "surrogateescape")), 1)
    kind = "partition" if is_partition else "file\t"
    return f"{path}{blanks}{kind}\t{_figure(size_kb, is_narrow)}{_figure(used_kb, is_narrow)}{priority}\n"


def _figure(kb: int, is_narrow: bool) -> str:
    return f"{kb}\t" if is_narrow or kb >= WIDE_KB else f"{kb}\t\t"


def escaped(path: str) -> str:
    """Blanks, tabs, newlines and backslashes as octal numbers."""
    for letter in "\\ \t\n":
        path = path.replace(letter, f"\\{ord(letter):03o}")
    return path
