"""The order of memory calls of threads that overlap.

What is modelled: mmap_lock serializes the calls of one address space, in an order that the log shows only in part: a call between its
two halves has taken effect or not. It does by its second half; before, when the answers say so:
    munmap of A..B unfinished, mmap answers inside A..B                    the munmap came first
    mmap unfinished that was given the highest hole, mmap given the next   the unfinished one came first
    mprotect of what nobody mapped, mmap unfinished that was given it      the mmap came first
    mmap unfinished that was given the highest hole, munmap above it       the mmap came first: afterwards it would have gone there
So before a call acts, the shortest series of unfinished calls is searched that explains its answer and those still to come (order.py:
sooner()).
An answer is not known to the program before its second half is on the log: strace writes it before it lets the
thread go on. So no call acts on a range because of an answer that is still to come.
Simplified: calls that touch apart ranges commute, and are left in the order of their ends.
Invariant: each call is carried out once.
"""


from vmtool.strace.context import Context
from vmtool.strace.effects import memory_op
from vmtool.strace.lexer import Event
from vmtool.strace.lines import FIRST_HALF, SECOND_HALF
from vmtool.strace.order import GROW, MAP, USE, Op, Spans, sooner
from vmtool.strace.procs import Process


def settle(replay: Context, process: Process, call: Event) -> None:
    """A memory call of a space where calls overlap: keep it, or carry it out after those that must come before."""
    pending = process.space.pending
    tid, part = call[1], call[4]
    if part == FIRST_HALF:
        pending[tid] = call
        return
    if part == SECOND_HALF and pending.pop(tid, None) is None:
        return  # carried out before
    if pending:
        for first in before(replay, process, call, pending) or ():
            replay.act(process, pending.pop(first))
    replay.act(process, call)


def before(replay: Context, process: Process, call: Event, others: dict[int, Event]) -> list[int] | None:
    """The threads, in order, whose calls among `others` must have acted before one that acts now; None: its answer cannot be explained."""
    mine = memory_op(call, replay.geometry)
    mid = process.space.mid
    if mine is None or mine.kind == GROW or not mid:
        return []
    ops: dict[int, Op] = {}
    for tid, other in others.items():
        op = memory_op(other, replay.geometry)
        if op is not None and op.kind not in (GROW, USE):
            ops[tid] = op
    if not ops and mine.kind != MAP:
        return []
    spans = Spans([(vma.start, vma.end) for vma in replay.machine.maps(mid)], replay.machine.mm(mid).mmap_base, replay.geometry)
    return sooner(ops, mine, spans)
