"""Memory that no line of a log shows being mapped, though its calls found it there.

What is modelled: a process whose log begins too late, or whose program nobody knows, had areas at its start. A call that succeeded in the
log on memory that is not mapped here tells of one: it counts as anonymous, private and writable.
Invariant: nothing is assumed of a process whose program and execve are known.
"""

from collections.abc import Callable
from typing import Any

from vmtool.errors import KernelError
from vmtool.strace.context import Context
from vmtool.strace.procs import Process
from vmtool.uapi import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE

PRIVATE = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS


def on_assumed(r: Context, p: Process, expected: str, errno: str, where: tuple[int, int], call: Callable[[], Any]) -> str:
    """A call that failed here and did not there: again, when its memory is what the log does not show; the errno then."""
    if errno and not expected and assume(r, p, *where):
        _, errno = r.attempt(call)
    return errno


def assume(r: Context, p: Process, addr: int, length: int) -> bool:
    """Fill what is not mapped of a range that a call found mapped, in a process that is known in part; whether anything was missing."""
    if not p.space.is_guessed or not length or length >> 40:
        return False
    mid, (at, end) = r.space(p), r.geometry.pages(addr, length)
    holes = []
    for vma in sorted(r.machine.maps(mid)):
        if vma.end <= at or vma.start >= end:
            continue
        if vma.start > at:
            holes.append((at, vma.start))
        at = vma.end
    if at < end:
        holes.append((at, end))
    filled = False
    for start, stop in holes:
        try:
            r.machine.mmap(mid, start, stop - start, PROT_READ | PROT_WRITE, PRIVATE)
        except KernelError:
            continue
        filled = True
        r.summary.note(f"process {p.pid}: memory that no line shows being mapped is assumed to be anonymous")
    return filled
