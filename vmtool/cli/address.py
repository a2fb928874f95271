"""Addresses by name: `heap`, `stack`, `brk`, or a mapped file's base name, each with `+OFFSET`.

`heap` is where the heap starts (start_brk), also while it is empty; `brk` its present end; `stack`
the first address of the [stack] area, which moves down as the stack grows; a file's base name
its lowest mapping. The offset is a size: decimal, 0x, or with a suffix.
"""

from __future__ import annotations

from vmtool import units
from vmtool.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine


def resolve(machine: Machine, pid: int, text: str) -> int:
    """The address that an expression names in a process. KernelError(ESRCH), UsageError."""
    if not isinstance(pid, int):
        raise UsageError(f"{text!r}: of which process?")
    base = _named(machine, pid, text)
    offset = 0
    if base is None:
        name, plus, digits = text.rpartition("+")
        if plus:
            try:
                offset = units.parse_unsigned(digits)
            except ValueError:
                name = ""
            base = _named(machine, pid, name)
        if base is None:
            raise UsageError(f"process {pid} maps nothing named {(name if plus and name else text)!r}")
    return (base + offset) & units.U64_MAX


def _named(machine, pid, name):
    if name == "heap":
        return machine.mm(pid).start_brk
    if name == "brk":
        return machine.mm(pid).brk
    for vma in machine.maps(pid):  # in ascending order
        if vma.name == "[stack]" if name == "stack" else vma.is_file and vma.name.rpartition("/")[2] == name:
            return vma.start
    return None
