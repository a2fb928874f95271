"""Which anonymous memory was written: what no log says, and the rule that stands in for it.

What is modelled: a private area gets an anon_vma at its first write fault, and neighbours with different ones do not merge; what a
forked child inherits with one does not grow (Linux v6.12 mm/rmap.c:__anon_vma_prepare(), mm/vma.c:is_mergeable_anon_vma()).
So maps depends on writes that no line shows, and the likeliest are assumed:
  1. A program writes what execve and its dynamic linker map writable: .data and the stack at once, a library's .bss when
     it runs, that is when the linker is through (its first munmap, or the first growth of the heap); what the linker maps for itself
     is written as rule 2 says, whatever the program shows.
  2. It writes the private memory that it makes writable, when it has it: after mprotect at once, after mmap by its next memory call,
     unless that is a madvise() of it, which still prepares it. A fork before that call finds it written, but untouched what was mapped
     with MAP_FIXED. What it maps with MAP_FIXED piece by piece over reserved memory (PROT_NONE), single pages or megabytes one beside
     the other with nothing in between, it only sets aside (a virtual machine's tables).
  3. The heap is written at once when it grows by malloc's step (128 KiB and more) or for the first time; a smaller growth in a
     forked child only when the next one shows that it was used up.
  4. MAP_STACK and MAP_NORESERVE change nothing of that: thread stacks and arenas are used.
  5. Programs that show what they write are believed, and 2 and 3 do not hold for them: the buffers of read() are on the log
     (-e raw=read), mincore() finds nothing resident, or the program's memory calls fail again and again, as those of a tester do.
     A mincore() that finds its pages resident speaks for 2 and 3.
  6. Kernel stores that the log shows (read() into a buffer, MADV_POPULATE_WRITE, MAP_POPULATE) are writes in any case.
With page faults (replay --faults) nothing is assumed.
Simplified: an area counts as written as a whole; its first page alone would do the same to maps.
Invariant: an assumption is made for private areas alone, and only where the machine has not seen a write.
"""

from typing import Any

from vmtool.strace import hot, parser
from vmtool.strace.geometry import Geometry
from vmtool.strace.habits import HIDES, SHOWS, TESTS
from vmtool.strace.lexer import Event
from vmtool.strace.lines import WHOLE
from vmtool.strace.parser import Mmap
from vmtool.strace.procs import Process, Space
from vmtool.uapi import MAP_ANONYMOUS, MAP_DENYWRITE, MAP_FIXED, MAP_SHARED, VM_MAYWRITE, VM_SHARED

MALLOC_STEP = 0x20000
MEGABYTE = 1 << 20
TESTER_FAILURES = 3
FAILURES = frozenset({"EFAULT", "EINVAL", "ENOMEM"})
TESTED = frozenset({"munmap", "mprotect", "mremap", "madvise", "mlock", "msync"})
RWX = 7
VM_PRIVATE_WRITABLE = VM_MAYWRITE | VM_SHARED  # the two of them tell a private area that may be written


class Writes:
    """Tells the machine of writes, by the rules or by what the log shows."""

    def __init__(self, machine: Any, geometry: Geometry, is_told: bool) -> None:
        self.machine = machine
        self.geometry = geometry
        self.is_told = is_told  # page faults are known: nothing is assumed

    def _written(self, space: Space, start: int, length: int) -> None:
        self.machine.prepare_anon(space.mid, start, length)

    def settle(self, space: Space, name: str, text: str) -> None:
        """A memory call follows: rule 2's delay is over, but for what the call prepares."""
        habits = space.habits
        kept: list[tuple[int, int, bool]] = []
        prepared = (0, 0)
        if name == "madvise":
            addr, length = hot.ranges(text)[:2]
            prepared = (addr, addr + length)
        row = self._row(space, name, text)
        for start, length, is_fixed in habits.later:
            if prepared[0] < start + length and start < prepared[1]:
                kept.append((start, length, is_fixed))
            elif row is None or (start, length) != row[0]:
                self._written(space, start, length)
        habits.later = kept
        habits.row = None if row is None else row[1]

    def _row(self, space: Space, name: str, text: str) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """The range before, and this call's, when it maps the next piece of a row in reserved memory; None: it does not."""
        habits = space.habits
        last = habits.later[-1][:2] if habits.later and habits.later[-1][2] else habits.row
        if last is None or name != "mmap" or self.geometry.page < last[1] < MEGABYTE:
            return None
        call = parser.mmap(text)
        if not call.flags & MAP_FIXED or call.length != last[1] or abs(call.addr - last[0]) != last[1] or call.result.value != call.addr:
            return None
        if not any(vma.start <= call.addr < vma.end and not vma.flags & RWX for vma in self.machine.maps(space.mid)):
            return None
        return last, (call.addr, call.length)

    def forked(self, space: Space) -> None:
        """A copy of the space is about to be made."""
        for start, length, is_fixed in space.habits.later:
            if not is_fixed:
                self._written(space, start, length)
        space.habits.later = [area for area in space.habits.later if area[2]]

    def unmapped(self, space: Space) -> None:
        """munmap: the dynamic linker's first one is its last call."""
        if space.habits.is_linking:
            self._linked(space)

    def _linked(self, space: Space) -> None:
        space.habits.is_linking = False
        for start, length in space.habits.bss:
            self._written(space, start, length)
        space.habits.bss.clear()

    def mapped(self, space: Space, start: int, call: Mmap) -> None:
        """A writable mapping was made."""
        if self.is_told or call.flags & MAP_SHARED:
            return
        habits = space.habits
        end = start + self.geometry.up(call.length)
        if call.flags & MAP_DENYWRITE:  # the dynamic linker's
            habits.file_end = end
            self._written(space, start, call.length)
        elif call.flags & MAP_FIXED and start == habits.file_end and call.flags & MAP_ANONYMOUS:
            if habits.is_linking:
                habits.bss.append((start, call.length))
            else:
                self._written(space, start, call.length)
        elif habits.row == (start, call.length):
            return
        elif habits.is_linking or not habits.shows_writes:
            habits.later.append((start, call.length, bool(call.flags & MAP_FIXED)))

    def brk(self, space: Space, end: int) -> None:
        """The heap ends there now."""
        habits = space.habits
        if habits.is_linking and habits.heap_end and end > habits.heap_end:
            self._linked(space)
        before, habits.heap_end = habits.heap_end, end
        if self.is_told or habits.shows_writes:
            return
        if habits.small_growth is not None:
            start, length = habits.small_growth
            habits.small_growth = None
            self._written(space, start, length)
        if end <= before:
            return
        if habits.is_forked and before and end - before < MALLOC_STEP:
            habits.small_growth = (before, end - before)
        else:
            self._written(space, end - 1, 1)

    def protected(self, space: Space, start: int, length: int) -> None:
        """An area became writable."""
        if not self.is_told and not space.habits.shows_writes:
            self._written(space, start, length)

    def after_exec(self, space: Space, following: list[Event], buffers_tell: bool) -> None:
        """A new program; `following`: its next lines; `buffers_tell`: whether read()'s buffers on the log mean something."""
        if not self.is_told:
            space.habits.shows_writes = _shows_writes(following, buffers_tell)
            space.habits.is_linking = True
            self._written(space, 0, self.geometry.task_size)

    def stored(self, space: Space, mid: int, addr: int, length: int) -> None:
        """The log shows that the kernel wrote there."""
        if not self.is_told:
            self.machine.touch(mid, addr, length, "w", True)

    def undetermined(self, process: Process, found: list[tuple[int, int, int, str]]) -> None:
        """Of a process that ends: borders between like areas, which with other writes were not there, or elsewhere; of a tester, which
        may have written anything that it does not show, all anonymous memory that counts as unwritten."""
        habits = process.space.habits
        if self.is_told or habits.shows_writes == SHOWS or len(found) > 10_000:
            return
        if habits.shows_writes == TESTS:
            found += [(process.pid, vma.start, vma.end, "anonymous") for vma in self.machine.maps(process.space.mid)
                      if not vma.anon_vma and not vma.name and vma.flags & VM_PRIVATE_WRITABLE == VM_MAYWRITE]
            return
        found += [(process.pid, *border) for border in self.machine.like_borders(process.space.mid)]


def _shows_writes(following: list[Event], buffers_tell: bool) -> int:
    """Rule 5, from the next lines of a program: HIDES, SHOWS or TESTS."""
    failures = 0
    for _, _, name, text, part in following:
        try:
            if name == "mincore" and part == WHOLE:
                resident = parser.mincore(text)[2]
                return HIDES if "1" in resident else SHOWS
            if buffers_tell and name == "read" and part == WHOLE and "0x" in text:
                _, _, _, buffer, _, _, nr, errno = hot.file_io(text, False)
                if buffer and nr and not errno:  # of a read that failed every log has the address
                    return SHOWS
            if name in TESTED and "= -1 E" in text:
                failures += text.rpartition("= -1 ")[2].split(" ")[0] in FAILURES
        except ValueError:
            continue
    return TESTS if failures >= TESTER_FAILURES else HIDES
