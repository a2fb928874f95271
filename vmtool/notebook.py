"""For notebooks: machines, lines of a script run on them, and pictures of them.

from vmtool import notebook as nb
m = nb.machine()
nb.run(m, '''
spawn render
brk 1 --by 16K
touch 1 heap
''')
nb.draw(m, 1)
"""

from __future__ import annotations

from vmtool._core import Machine
from vmtool.face.notebook import Words, areas, buddy, cache, draw, explain, heap, look, lru, maps, pagewalk, space, tlb

__all__ = [
    "Machine",
    "areas",
    "buddy",
    "cache",
    "draw",
    "explain",
    "heap",
    "look",
    "lru",
    "machine",
    "maps",
    "pagewalk",
    "run",
    "space",
    "tlb",
]


def machine(ram: str = "1G", **how: object) -> Machine:
    """A new machine; `how` as Machine.boot() takes it. It remembers the kernel's steps for `explain`."""
    from vmtool.units import parse_unsigned

    made = Machine()
    made.boot(ram_bytes=parse_unsigned(ram), **how)  # type: ignore[arg-type]
    made.set_trace(True)
    return made


def run(on: Machine, lines: str) -> Words:
    """Lines of a script, and what they print. KernelError, Signal, UsageError of the first that fails; a leading - lets one fail."""
    from vmtool.cli.pages import run_on

    return Words(run_on(on, lines.split("\n")))
