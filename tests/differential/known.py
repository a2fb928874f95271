"""Where vmtool differs from the kernel, pinned: a script each, and the kernel's function. vmtool/mm/COVERAGE.md lists them."""

from typing import NamedTuple


class Known(NamedTuple):
    """`script` with @ for the workplace; at least one line's answer differs."""

    function: str
    script: str


KNOWN: dict[str, Known] = {}
