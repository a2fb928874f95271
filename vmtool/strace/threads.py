"""The order of memory calls of threads that overlap.

What is modelled: mmap_lock serializes the calls of one address space, in an order that the log shows only in part: a call between its
two halves has taken effect or not, and in the files of -ff without times nothing but the answers tells. The machine itself is the
judge: a call *fits* when it would be answered now as the log says it was.
    mmap, the kernel chose R      fits when R is what get_unmapped_area() would choose now
    munmap, mprotect, madvise …   that succeeded: fits when both ends of its range are mapped (munmap: one of them)
    brk                           fits when the break is (or, below, can become) what it answered
A call acts by its second half at the latest. When it does not fit by then, calls that have begun and not ended come first:
    munmap of A..B unfinished, mmap answers inside A..B           the munmap came first
    mmap unfinished that fits now, while the ended one does not   the unfinished one came first
    mprotect of what nobody mapped, mmap unfinished that gives it the mmap came first
An answer is not known to the program before its second half is on the log: strace writes it before it lets the
thread go on. So no call acts on a range because of an answer that is still to come.
Simplified: calls that touch apart ranges commute, and are left in the order of their ends.
Invariant: each call is carried out once.
"""

from typing import TYPE_CHECKING

from vmtool.errors import KernelError
from vmtool.strace import hot, parser
from vmtool.strace.door import Door
from vmtool.strace.lexer import Event
from vmtool.strace.lines import FIRST_HALF, SECOND_HALF
from vmtool.strace.procs import Process

if TYPE_CHECKING:
    from vmtool.strace.replay import Replay

MAP_FIXED, MAP_ANONYMOUS = 0x10 | 0x100000, 0x20
MREMAP_FIXED = 2
MOST_NESTED = 50
PAGE = 4096
RANGES = frozenset({"munmap", "mprotect", "madvise", "mlock", "munlock", "msync", "mlock2", "pkey_mprotect"})


def settle(replay: "Replay", process: Process, call: Event) -> None:
    """A memory call of a space where calls overlap: keep it, or carry it out after those that must come before."""
    pending = process.space.pending
    tid, part = call[1], call[4]
    if part == FIRST_HALF:
        pending[tid] = call
        return
    if part == SECOND_HALF and pending.pop(tid, None) is None:
        return  # carried out before
    _act_in_order(replay, process, call, 0)


def _act_in_order(replay: "Replay", process: Process, call: Event, depth: int) -> None:
    pending = process.space.pending
    if pending and depth < MOST_NESTED:
        mine = Effect(call)
        while pending and not fits(replay, process, mine):
            tid = _first_of(replay, process, mine)
            if tid is None:
                break
            _act_in_order(replay, process, pending.pop(tid), depth + 1)
    replay.act(process, call)


def _first_of(replay: "Replay", process: Process, mine: "Effect") -> int | None:
    """The thread whose unfinished call must have come before one that does not fit."""
    others = [(tid, Effect(other)) for tid, other in process.space.pending.items()]
    for tid, other in others:
        if mine.is_chosen and overlap(other.frees, mine.gives) or not mine.is_chosen and overlap(other.gives, mine.acts_on):
            return tid
    if mine.is_chosen:
        for tid, other in others:
            if other.is_chosen and fits(replay, process, other):
                return tid
    return None


class Effect:
    """What a call takes, gives and answers: ranges as (start, end), (0, 0) for none."""

    __slots__ = ("call", "name", "acts_on", "frees", "gives", "is_chosen", "mmap", "brk")

    def __init__(self, call: Event) -> None:
        self.call = call
        self.name = call[2]
        self.acts_on = self.frees = self.gives = (0, 0)
        self.is_chosen = False  # the kernel chose the address
        self.mmap: parser.Mmap | None = None
        self.brk: tuple[int, int] | None = None
        try:
            self._read(call[2], call[3])
        except ValueError:
            pass  # reported when it is carried out

    def _read(self, name: str, text: str) -> None:
        if name in ("mmap", "mmap2"):
            m = parser.mmap(text)
            if m.result.value is not None and not m.result.errno:
                self.mmap = m
                self.gives = (m.result.value, m.result.value + m.length)
                self.is_chosen = not m.flags & MAP_FIXED
                if not self.is_chosen and m.flags & 0x10:
                    self.acts_on = self.gives
        elif name == "mremap":
            old, old_len, new_len, flags, _, result = parser.mremap(text)
            self.acts_on = (old, old + old_len)
            if result.value is not None and not result.errno and result.value != old:
                self.frees = self.acts_on
                self.gives = (result.value, result.value + new_len)
                self.is_chosen = not flags & MREMAP_FIXED
        elif name in RANGES:
            addr, length, _, _, value, errno = hot.ranges(text)
            if value is not None and not errno:
                self.acts_on = (addr, addr + length)
                if name == "munmap":
                    self.frees = self.acts_on
        elif name == "brk":
            addr, value, _ = hot.brk(text)
            self.brk = None if value is None else (addr, value)


def fits(replay: "Replay", process: Process, effect: Effect) -> bool:
    """Whether a call, made now, would be answered as the log says; True also when that cannot be told."""
    space, machine = process.space, replay.machine
    if space.mid == 0:
        return True
    if effect.mmap is not None and effect.is_chosen:
        m = effect.mmap
        opened = None if m.flags & MAP_ANONYMOUS else replay.opened(process, m.fd)
        if not m.flags & MAP_ANONYMOUS and (opened is None or opened.file is None):
            return True
        answer = machine.place(space.mid, m.addr, m.length, m.flags, opened, m.offset)
        return bool(answer == effect.gives[0])
    if effect.brk is not None:
        addr, value = effect.brk
        return addr != 0 or bool(machine.brk(space.mid) == value)
    start, end = effect.acts_on
    if end <= start or effect.mmap is not None:
        return True
    mapped = [_is_mapped(machine, space.mid, page) for page in (start & -PAGE, (end - 1) & -PAGE)]
    return any(mapped) if effect.name == "munmap" else all(mapped)


def _is_mapped(machine: Door, mid: int, page: int) -> bool:
    try:
        machine.mincore(mid, page, PAGE)
    except KernelError:
        return False
    return True


def overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]
