"""Releases of the kernel as numbers that compare, and rows of tables with since and until.

`init --kernel` takes one of records.KERNELS. A field's row says in which release it came and with which it went; where only "between two
of the recorded ones" is known, the later one stands. What a kernel of that release did otherwise is not modelled:
behaviour is 6.18's, but for the layout of [vvar] and [vdso], which maps shows.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

EVER = 1 << 30


def v(major: int, minor: int) -> int:
    """A release as a number that compares."""
    return major * 1000 + minor


def number(text: str) -> int:
    """The same of `6.18`, or of `6.18.3-amd64`; the newest known one of what cannot be read."""
    words = text.replace("-", ".").split(".")
    try:
        return v(int(words[0]), int(words[1]))
    except (IndexError, ValueError):
        return CURRENT


CURRENT = v(6, 18)


def rows_of(rows: Iterable[tuple], release: int) -> list[tuple]:
    """Rows that end in (since, until) and hold in a release; `until` is the first release without it."""
    return [row for row in rows if row[-2] <= release < row[-1]]
