"""/proc/swaps: the areas to which anonymous pages can be written.

Counterpart: Linux v6.18 mm/swapfile.c:swap_show(). Sizes in kB.
"""

from collections.abc import Iterable

HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
NAME_WIDTH = 40
WIDE_KB = 10_000_000  # a figure of eight digits fills its tab stops


def render(areas: Iterable[tuple[str, int, int, int, bool]] = ()) -> str:
    """The file: the heading, then a line for each area: (path, size, used, priority, whether it is a partition)."""
    return HEADER + "".join([_line(*area) for area in areas])


def _line(path: str, size_kb: int, used_kb: int, priority: int, is_partition: bool) -> str:
    path = escaped(path)
    blanks = " " * max(NAME_WIDTH - len(path.encode("utf-8", "surrogateescape")), 1)
    kind = "partition" if is_partition else "file\t"
    return f"{path}{blanks}{kind}\t{_figure(size_kb)}{_figure(used_kb)}{priority}\n"


def _figure(kb: int) -> str:
    return f"{kb}\t" if kb >= WIDE_KB else f"{kb}\t\t"


def escaped(path: str) -> str:
    """Blanks, tabs, newlines and backslashes as octal numbers."""
    for letter in "\\ \t\n":
        path = path.replace(letter, f"\\{ord(letter):03o}")
    return path
