"""The order of memory calls of threads that overlap.

What is modelled: mmap_lock serializes the calls of one address space, in an order that the log shows only in part: a call between its
two halves has taken effect or not. It does by its second half; before, when the answer to another call of the
same space proves it:
    munmap of A..B unfinished, mmap answers inside A..B          the munmap came first
    mmap unfinished that will answer R, mmap answers below R     R was the highest hole, so it came first
An answer is not known to the program before its second half is on the log: strace writes it before it lets the
thread go on. So no call acts on a range because of an answer that is still to come.
Simplified: calls that touch apart ranges commute, and are left in the order of their ends.
Invariant: each call is carried out once.
"""

from typing import TYPE_CHECKING

from vmtool.strace import hot, parser
from vmtool.strace.lexer import Event
from vmtool.strace.lines import FIRST_HALF, SECOND_HALF
from vmtool.strace.procs import Process

if TYPE_CHECKING:
    from vmtool.strace.replay import Replay

MAP_FIXED = 0x10 | 0x100000


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
    if pending and depth < 50:
        mine = _effect(call)
        for tid, other in list(pending.items()):
            if pending.get(tid) is other and _comes_first(_effect(other), mine):
                del pending[tid]
                _act_in_order(replay, process, other, depth + 1)
    replay.act(process, call)


class _Effect:
    """What a call takes, gives and answers: ranges as (start, end), (0, 0) for none."""

    __slots__ = ("acts_on", "frees", "gives", "is_chosen")

    def __init__(self) -> None:
        self.acts_on = self.frees = self.gives = (0, 0)
        self.is_chosen = False  # the kernel chose the address


def _effect(call: Event) -> _Effect:
    effect = _Effect()
    _, _, name, text, _ = call
    if name in ("mmap", "mmap2"):
        m = parser.mmap(text)
        if m.result.value is not None and not m.result.errno:
            effect.gives = (m.result.value, m.result.value + m.length)
            effect.is_chosen = not m.flags & MAP_FIXED and m.addr != m.result.value
            if m.flags & 0x10:
                effect.acts_on = effect.gives
    elif name == "mremap":
        old, old_len, new_len, _, _, result = parser.mremap(text)
        effect.acts_on = (old, old + old_len)
        if result.value is not None and not result.errno and result.value != old:
            effect.frees = effect.acts_on
            effect.gives = (result.value, result.value + new_len)
            effect.is_chosen = True
    elif name in ("munmap", "mprotect", "madvise", "mlock", "munlock", "msync", "mlock2", "pkey_mprotect"):
        addr, length, _, _, _, errno = hot.ranges(text)
        effect.acts_on = (addr, addr + length)
        if name == "munmap" and not errno:
            effect.frees = effect.acts_on
    return effect


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _comes_first(other: _Effect, mine: _Effect) -> bool:
    """Whether an unfinished call must have acted before this one."""
    if mine.is_chosen and _overlap(other.frees, mine.gives):
        return True
    return other.is_chosen and mine.is_chosen and other.gives[0] > mine.gives[0] and other.frees == (0, 0)
