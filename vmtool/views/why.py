"""Why a page is where it is, or why there is none, and how an access to it would be answered.

Counterpart: what a kernel engineer reads off /proc/PID/maps, pagemap, the page tables and struct page, in this order, and then follows
through arch/x86/mm/fault.c in the head. The accesses are tried on a copy, and told by `explain`.
"""

from __future__ import annotations

from vmtool.records import Frame, TracedFile, TraceRecord, Vma, Walk
from vmtool.uapi import PM_GUARD_REGION, PM_PRESENT, PM_SWAP
from vmtool.views import explain, walk_fault
from vmtool.views.pagemap import behind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Files = Callable[[int], TracedFile | None]

ACCESSES = (("r", "A read"), ("w", "A write"), ("x", "A fetch of an instruction"))
KINDS = {
    "anon": "it is the process's own: the first write to the page brought it, or a copy on write",
    "file": "it belongs to the page cache: what is there is the file's, for all who map or read it",
    "shmem": "it is shared memory: whoever maps the object has this frame",
    "zero": "it is the one page of zeros, which stands for all that was read and never written",
}


class Trial:
    """An access that was tried: `steps` it took; `signal` is why it was refused, or None."""

    def __init__(self, access: str, steps: Sequence[TraceRecord], signal: str | None) -> None:
        self.access = access
        self.steps = steps
        self.signal = signal

    def needs_fault(self) -> bool:
        return any(step.event == "page_fault" for step in self.steps) or self.signal is not None


def sentences(addr: int, area: Vma | None, line: str, walk: Walk, entry: int, frame: Frame | None,
              users: Sequence[tuple[int, int]]) -> list[str]:  # fmt: skip
    """What is at an address. `line`: the area's of maps. `users`: (pid, address) of the pages that have the same frame."""
    told = [_area(addr, area, line)]
    last = walk.steps[-1] if walk.steps else None
    if walk.reason == "non-canonical":
        return [*told, "It is no address at all: its upper bits are not copies of the highest that is translated (not canonical)."]
    if last is None or not last.present:
        told.append(_absent(last, area, entry))
        return told
    flags = " ".join(last.flags)
    told.append(f"The walk ends at the {last.level} entry {last.index} of the table at 0x{last.table:x}: {flags}.")
    if frame is not None:
        told.append(f"It names frame 0x{frame.pfn:x}; {KINDS.get(frame.kind, f'its kind is {frame.kind}')}.")
        told += _frame(area, frame, walk, users)
    return told


def _area(addr, area, line):
    if area is None:
        return f"The address 0x{addr:x} belongs to no area: whatever is done there is refused."
    if addr < area.start:
        return f"The address 0x{addr:x} lies below the stack {line}, which grows to it when it is used."
    return f"The address 0x{addr:x} belongs to the area {line}."


def _absent(last, area, entry):
    where = f"The {last.level} entry {last.index} of the table at 0x{last.table:x}" if last is not None else "The top table"
    if entry & PM_GUARD_REGION and not entry & PM_PRESENT:
        return f"{where} is a guard marker: an access is refused."
    if entry & PM_SWAP and not entry & PM_PRESENT:
        return f"{where} is not present, but says where the page is: {behind(entry)}."
    if area is None:
        return f"{where} is empty."
    source = f"page {(area.pgoff)} on of {area.name}" if area.is_file else "zeros"
    what = "the first access brings a page" if area.is_file else "the area is a promise, no frame is behind it yet"
    return f"{where} is empty: {what} ({source})."


def _frame(area, frame, walk, users):
    flags = walk.steps[-1].flags
    told = []
    if frame.kind in ("file", "shmem") and frame.mapping:
        told.append(f"The frame is page {frame.index} of {frame.mapping}.")
    others = [f"process {pid} at 0x{at:x}" for pid, at in users]
    if others:
        told.append(f"{len(users) + 1} pages are mapped onto it: this one, {', '.join(others[:8])}{' …' if len(others) > 8 else ''}.")
    if area is not None and area.flags & 2 and not walk_fault.may_write(flags, walk.arch):
        told.append("The area may be written, the entry forbids it: a write faults, and is answered by a copy, or by leave to write.")
    if not walk_fault.was_used(flags, walk.arch):
        told.append("Nobody has used the entry yet (its mark is clear): it was mapped before it was asked for.")
    return told


def render(told: Sequence[str], trials: Sequence[Trial], files: Files, arch: str = "x86-64") -> str:
    """The sentences, then each access."""
    lines = [f"{sentence}\n" for sentence in told]
    for trial in trials:
        what = dict(ACCESSES)[trial.access]
        if not trial.needs_fault():
            lines.append(f"{what} needs no fault.\n")
            continue
        lines.append(f"{what} {'would be refused' if trial.signal else 'would fault'}:\n")
        lines.append(explain.render(trial.steps, files=files, arch=arch))
        if trial.signal:
            lines.append(f"      {trial.signal}\n")
    return "".join(lines)


def to_object(addr: int, told: Sequence[str], trials: Sequence[Trial], files: Files, arch: str = "x86-64") -> dict[str, Any]:
    """The same as a JSON object."""
    return {"address": f"0x{addr:x}", "text": list(told), "accesses": [
        {"access": trial.access, "is_fault": trial.needs_fault(), "signal": trial.signal,
         "steps": [{"step": step.seq, "text": explain.sentence(step, files, arch)} for step in trial.steps] if trial.needs_fault() else []}
        for trial in trials]}  # fmt: skip
