"""An order of the calls of threads that share an address space, when no time tells it.

What is modelled: each thread's calls in their own order, and the address space as a set of ranges. Of all interleavings one is searched in
which every answer is what get_unmapped_area() would have given (Linux v6.12 mm/mmap.c, mm/huge_memory.c:__thp_get_unmapped_area()):
    MAP      the kernel chose the address: it was the highest hole, or the hint       FIX   at an address that was given
    FREE     munmap, and mremap that shrank                                           USE   mprotect and its kin: of what is mapped
    GROW     brk: steps of the heap, in ascending order                               WAIT  for a thread's end
    CLONE    lets a thread begin, on a stack that no living one has                   LAST  after all others' ends
The search goes depth first, the likeliest call first, never twice through the same state (how many calls of each thread are done), and
for MOST_STATES states; then the longest way that it found is taken, and what comes after it is searched anew.
Simplified: any order that explains the answers is as good as the real one: the maps at the end are the same.
Invariant: the order holds each call once, and each thread's calls in their order.
"""

from collections.abc import Iterator
from typing import NamedTuple

from vmtool.strace.geometry import Geometry

MAP, FIX, FREE, USE, GROW, CLONE, WAIT, LAST, END = range(9)
MOST_STATES = 20_000
MOST_SOONER = 4  # unfinished calls that one may wait for
MOST_SERIES = 300
SOON = 12
LOWEST = 0x10000


class Op(NamedTuple):
    """One call: `key` names it for the caller; gives and frees are ranges; `thread` is whom CLONE makes or WAIT waits for."""

    key: int
    kind: int
    gives: tuple[int, int] = (0, 0)
    frees: tuple[int, int] = (0, 0)
    hint: int = 0
    huge_offset: int = -1  # of a mapping that may be placed for huge pages; -1: it may not
    thread: int = 0
    time: float = 0.0
    brk: tuple[int, int] = (0, 0)
    uses: tuple[int, int] = (0, 0)
    needs: tuple[int, int] = (0, 0)  # a range that was free before
    is_open: bool = False  # what it gives or uses can be accessed afterwards


class Spans:
    """The mapped ranges of a space: sorted, apart, and the top below which holes are looked for."""

    __slots__ = ("starts", "ends", "top", "geometry")

    def __init__(self, spans: list[tuple[int, int]], top: int, geometry: Geometry) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.top = top
        self.geometry = geometry
        for start, end in spans:
            if self.ends and self.ends[-1] == start:
                self.ends[-1] = end
            else:
                self.starts.append(start)
                self.ends.append(end)

    def copy(self) -> "Spans":
        new = Spans([], self.top, self.geometry)
        new.starts, new.ends = self.starts[:], self.ends[:]
        return new

    def is_free(self, start: int, end: int) -> bool:
        from bisect import bisect_right

        i = bisect_right(self.ends, start)
        return i == len(self.starts) or self.starts[i] >= end

    def remove(self, start: int, end: int) -> None:
        from bisect import bisect_left, bisect_right

        i, j = bisect_right(self.ends, start), bisect_left(self.starts, end)
        if i >= j:
            return
        first, last = self.starts[i], self.ends[j - 1]
        starts = ([first] if first < start else []) + ([end] if last > end else [])
        ends = ([start] if first < start else []) + ([last] if last > end else [])
        self.starts[i:j], self.ends[i:j] = starts, ends

    def add(self, start: int, end: int) -> None:
        from bisect import bisect_left, bisect_right

        i, j = bisect_left(self.ends, start), bisect_right(self.starts, end)
        if i < j:
            start, end = min(start, self.starts[i]), max(end, self.ends[j - 1])
        self.starts[i:j], self.ends[i:j] = [start], [end]

    def highest(self, length: int) -> int:
        """The start of the highest hole's last `length` bytes, 0: none."""
        top = self.top
        for i in range(len(self.starts) - 1, -1, -1):
            if self.starts[i] >= self.top:
                continue
            if self.ends[i] < top and top - self.ends[i] >= length:
                return top - length
            top = min(top, self.starts[i])
        return top - length if top - length >= LOWEST else 0

    def place(self, op: Op) -> int:
        """The address that the kernel would choose for a MAP."""
        length, huge = op.gives[1] - op.gives[0], self.geometry.huge
        if op.hint and self.is_free(op.hint, op.hint + length):
            return op.hint
        if op.huge_offset >= 0 and length >= huge:
            offset = op.huge_offset
            if offset + length - (offset + huge - 1 & -huge) >= huge:
                found = self.highest(length + huge)
                if found:
                    return found + ((offset - found) % huge or huge)
        return self.highest(length)


def fits(spans: Spans, op: Op) -> bool:
    """Whether a call, made now, would be answered as the log says."""
    if op.kind == MAP:
        return spans.place(op) == op.gives[0]
    if op.kind == USE:
        return not spans.is_free(op.uses[0], op.uses[0] + 1) and not spans.is_free(op.uses[1] - 1, op.uses[1])
    if op.needs[1]:
        return spans.is_free(*op.needs)
    return op.kind != FREE or not spans.is_free(*op.frees)


def apply(spans: Spans, op: Op) -> Spans:
    """The ranges after a call."""
    if not op.gives[1] and not op.frees[1]:
        return spans
    spans = spans.copy()
    if op.frees[1]:
        spans.remove(*op.frees)
    if op.gives[1]:
        spans.add(*op.gives)
    return spans


def sooner(pending: dict[int, Op], mine: Op, spans: Spans) -> list[int] | None:
    """The threads whose unfinished calls, in this order, must have acted before a call that acts now: the shortest series after which that
    call fits, and after which no unfinished one that fitted before is left that would not fit any more. None: no series makes it fit."""
    best: tuple[tuple[bool, int, int], list[int]] | None = None
    fitting = {tid for tid, op in pending.items() if op.kind == MAP and fits(spans, op)}
    level: list[tuple[Spans, list[int]]] = [(spans, [])]
    for depth in range(MOST_SOONER + 1):
        following: list[tuple[Spans, list[int]]] = []
        for now, used in level:
            after = apply(now, mine)
            rest = [tid for tid in pending if tid not in used]
            lost = sum(tid in fitting and not fits(after, pending[tid]) for tid in rest)
            score = (not fits(now, mine), lost, depth)
            if best is None or score < best[0]:
                best = (score, used)
            if depth < MOST_SOONER and len(following) < MOST_SERIES:
                following += [(apply(now, pending[tid]), [*used, tid]) for tid in rest if fits(now, pending[tid])]
        if best is not None and best[0][:2] == (False, 0):
            break
        level = following
    return best[1] if best is not None and not best[0][0] else None


class _State:
    """A point of the search: what is done, what is mapped, what can be accessed, who lives, who was served last."""

    __slots__ = ("done", "spans", "open", "begun", "ended", "brk", "at")

    def __init__(self, done: tuple[int, ...], spans: Spans, opened: Spans, begun: frozenset[int], ended: frozenset[int], brk: int,
                 at: int) -> None:
        self.done, self.spans, self.open, self.begun, self.ended, self.brk, self.at = done, spans, opened, begun, ended, brk, at


class Search:
    """Finds the order. `threads`: each one's calls; `begun`: who runs already; `stacks`: the range that each was given."""

    def __init__(self, threads: dict[int, list[Op]], begun: set[int], stacks: dict[int, tuple[int, int]], spans: Spans, opened: Spans,
                 brk: int) -> None:
        self.numbers = list(threads)
        self.index = {tid: i for i, tid in enumerate(self.numbers)}
        self.ops = [threads[tid] for tid in self.numbers]
        self.stacks = stacks
        self._opens_up_to: dict[int, list[tuple[int, int]]] = {}  # by the end of a range: (thread, which of its calls)
        for i, ops in enumerate(self.ops):
            for at, op in enumerate(ops):
                if op.kind == USE and op.is_open:
                    self._opens_up_to.setdefault(op.uses[1], []).append((i, at))
        self.first = _State((0,) * len(self.ops), spans, opened, frozenset(begun), frozenset(), brk, 0)

    def run(self) -> tuple[list[tuple[int, int]], bool]:
        """((thread, key of its call) in order, whether all calls have their place)."""
        seen = {self.first.done}
        total = sum(len(ops) for ops in self.ops)
        path: list[tuple[int, int]] = []
        best: list[tuple[int, int]] = []
        stack = [(self.first, self._steps(self.first))]
        while stack:
            state, steps = stack[-1]
            step = next(steps, None)
            if step is None:
                stack.pop()
                if path:
                    path.pop()
                continue
            done = (*state.done[:step], state.done[step] + 1, *state.done[step + 1 :])
            if done in seen:
                continue
            seen.add(done)
            op = self.ops[step][state.done[step]]
            path.append((self.numbers[step], op.key))
            if len(path) > len(best):
                best = path[:]
            if len(path) == total:
                return best, True
            if len(seen) > MOST_STATES:
                break
            after = self._after(state, step, op, done)
            stack.append((after, self._steps(after)))
        return best, False

    def _after(self, state: _State, step: int, op: Op, done: tuple[int, ...]) -> _State:
        spans, opened, begun, ended, brk = state.spans, state.open, state.begun, state.ended, state.brk
        if op.gives[1] or op.frees[1]:
            spans, opened = spans.copy(), opened.copy()
            if op.frees[1]:
                spans.remove(*op.frees)
                opened.remove(*op.frees)
            if op.gives[1]:
                spans.add(*op.gives)
                (opened.add if op.is_open else opened.remove)(*op.gives)
        elif op.is_open:
            opened = opened.copy()
            opened.add(*op.uses)
        if op.kind == CLONE:
            begun = begun | {op.thread}
        elif op.kind == END:
            ended = ended | {self.numbers[step]}
        elif op.kind == GROW and op.brk[1] != brk:
            spans, before, brk = spans.copy(), brk, op.brk[1]
            (spans.add if brk > before else spans.remove)(*[spans.geometry.up(end) for end in sorted((before, brk))])
        return _State(done, spans, opened, begun, ended, brk, step)

    def _steps(self, state: _State) -> Iterator[int]:
        """The threads whose next call may be the next of all, the likeliest first."""
        heads = [(i, self.ops[i][state.done[i]]) for i, tid in enumerate(self.numbers)
                 if tid in state.begun and state.done[i] < len(self.ops[i])]
        found = []
        for i, op in heads:
            if self._may_be_next(state, i, op):
                found.append((op.time, self._weakness(state, i, op, heads), i != state.at, i))
        found.sort()
        if found and found[0][1] == 0:
            del found[1:]  # what neither gives nor frees a range may go at once: no other choice is lost
        return (i for *_, i in found)

    def _may_be_next(self, state: _State, i: int, op: Op) -> bool:
        kind = op.kind
        if kind in (MAP, FIX):
            return fits(state.spans, op)
        if kind == WAIT:
            return op.thread not in self.index or op.thread in state.ended
        if kind == LAST:
            return all(other == i or state.done[other] >= len(ops) or ops[state.done[other]].kind in (LAST, END)
                       for other, ops in enumerate(self.ops) if self.numbers[other] in state.begun)
        if kind == GROW:
            asked, answer = op.brk
            if asked == 0:
                return state.brk == answer
            return not any(state.brk < later.brk[1] < answer for other, ops in enumerate(self.ops) if other != i
                           for later in ops[state.done[other] : state.done[other] + SOON] if later.kind == GROW)
        if kind == USE:
            return fits(state.spans, op) and not (op.is_open and self._leaves_gap(state, i, op.uses[0]))
        if kind == CLONE:
            return not self._is_stack(state, i, self.stacks.get(op.thread, (0, 0)))
        if kind == FREE:
            return not self._is_stack(state, i, op.frees)
        return True

    def _leaves_gap(self, state: _State, i: int, start: int) -> bool:
        """An arena grows without gaps: what another thread will open right below comes first."""
        return state.open.is_free(start - 1, start) and any(other != i and state.done[other] <= at
                                                            for other, at in self._opens_up_to.get(start, ()))

    def _is_stack(self, state: _State, i: int, taken: tuple[int, int]) -> bool:
        """Whether a living thread other than i has its stack there."""
        for tid, stack in self.stacks.items():
            if stack[0] < taken[1] and taken[0] < stack[1] and tid in state.begun and tid not in state.ended and tid != self.numbers[i]:
                other = self.index.get(tid)
                if other is not None and state.done[other] < len(self.ops[other]):
                    return True
        return False

    def _weakness(self, state: _State, i: int, op: Op, heads: list[tuple[int, Op]]) -> int:
        """How little speaks for a call that may be the next."""
        if op.kind == MAP and op.hint != op.gives[0]:
            for other, its in heads:  # both fit: who gives the range back soon was first
                if other != i and its.kind == MAP and _overlap(its.gives, op.gives) and not self._frees_soon(state, i, its.gives):
                    return 2
            return 1
        if op.kind == MAP:
            return 4
        if op.kind == FREE:
            return 3 if any(its.kind == MAP and _overlap(its.gives, op.frees) for other, its in heads if other != i) else 5
        return 0

    def _frees_soon(self, state: _State, i: int, wanted: tuple[int, int]) -> bool:
        now = state.done[i]
        return any(op.frees[1] and _overlap(op.frees, wanted) for op in self.ops[i][now + 1 : now + SOON])


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]
