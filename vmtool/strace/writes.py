"""Which anonymous memory was written: what no log says, and the rule that stands in for it.

What is modelled: a private area gets an anon_vma at its first write fault, and two neighbours with different ones do not merge (Linux
v6.12 mm/rmap.c:__anon_vma_prepare(), mm/vma.c:is_mergeable_anon_vma()). So maps depends on writes that no line shows.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmtool.records import Image
    from vmtool.strace.parser import Mmap
    from vmtool.strace.procs import Process, Space


class Writes:
    """Tells the machine of writes, by the rule or by what the log shows."""

    def __init__(self, machine: Any, is_told: bool) -> None:
        self.machine = machine
        self.is_told = is_told  # page faults are known: nothing is guessed

    def mapped(self, space: "Space", start: int, call: "Mmap") -> None:
        if self.is_told or call.flags & 1:
            return
        if call.flags & 0x30 == 0x30:
            return
        self.machine.prepare_anon(space.mid, start, call.length)

    def brk(self, space: "Space", end: int) -> None:
        if not self.is_told:
            self.machine.prepare_anon(space.mid, end - 1, 1)

    def protected(self, space: "Space", start: int, length: int) -> None:
        if not self.is_told:
            self.machine.prepare_anon(space.mid, start, length)

    def before_mremap(self, space: "Space", start: int, length: int) -> None:
        pass

    def before_fork(self, space: "Space") -> None:
        pass

    def after_exec(self, space: "Space", image: "Image | None") -> None:
        if not self.is_told:
            self.machine.prepare_anon(space.mid, 0, 1 << 47)

    def stored(self, space: "Space", mid: int, addr: int, length: int) -> None:
        """The log shows that the kernel wrote there."""
        if not self.is_told:
            self.machine.prepare_anon(mid, addr, length)

    def undetermined(self, process: "Process", found: list[tuple[int, int, int, str]]) -> None:
        pass
