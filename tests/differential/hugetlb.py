"""Areas of huge pages from a pool that is the script's: promised, touched, forked, protected, moved, given back; the pool's counts.

A private area is moved whole: of one that is moved in part a 6.18 kernel forgets whose the promises of the rest are, and the pool never
gets them back (the simulated one does the same).
"""

import os

from tests.differential import calls
from tests.differential.writer import PAGE, Writer

POOL = "hugepages/hugepages-2048kB"
HUGE = 2 << 20
ADVICE = ("dontneed", "dontneed", "remove", "free", "cold", "willneed", "dontneed_locked", "hugepage", "dontfork", "populate_read",
          "populate_write")
CAN = os.access(f"/sys/kernel/mm/{POOL}/nr_hugepages", os.W_OK)


def _area(w: Writer) -> tuple[int, int] | None:
    nr = w.number(1, 4)
    start = f" --addr {hex(0x7E0000000000 + w.number(0, 12) * HUGE)} --fixed" if w.chance(30) else ""
    how = w.pick(("", "", " --shared", " --shared", " --noreserve", " --shared --noreserve", " --populate"))
    answer = w.line(f"mmap $p {hex(nr * HUGE)} --prot {w.pick(('rw', 'rw', 'rw', 'r', 'none'))} --hugetlb 2M{start}{how}")
    return (int(answer.out, 16), nr * HUGE) if answer.exit == 0 and answer.out else None


def _touch(w: Writer, pid: str, addr: int, length: int) -> None:
    at = addr + w.number(0, length // HUGE - 1) * HUGE + w.pick((0, 0, PAGE, 511 * PAGE))
    w.line(f"touch ${pid} {hex(at)} -{w.pick('wwwr')} --probe")


def _part(w: Writer, addr: int, length: int) -> str:
    """Whole pages mostly; now and then a part of one, which most calls refuse."""
    first = w.number(0, length // HUGE - 1)
    nr = w.number(1, length // HUGE - first)
    odd = w.pick((0, 0, 0, 0, 0, PAGE))
    return f"{hex(addr + first * HUGE + (odd if w.chance(50) else 0))} {hex(nr * HUGE - odd)}"


def _change(w: Writer, areas: list[tuple[int, int]]) -> None:
    kind = w.number(0, 7)
    n = w.number(0, len(areas) - 1)
    addr, length = areas[n]
    pid = w.pick(w.pids)
    if kind <= 2:
        w.line(f"madvise ${pid} {_part(w, addr, length)} {w.pick(ADVICE)}")
    elif kind == 3:
        w.line(f"mprotect ${pid} {_part(w, addr, length)} {w.pick(('r', 'rw', 'none', 'rw'))}")
    elif kind == 4:
        w.line(f"munmap ${pid} {_part(w, addr, length)}")
    elif kind == 5:
        w.line(f"{w.pick(('mlock', 'munlock'))} ${pid} {_part(w, addr, length)}")
    elif kind == 6:
        to = 0x7D0000000000 + w.number(0, 12) * HUGE + w.pick((0, 0, 0, PAGE))
        answer = w.line(f"mremap $p {hex(addr)} {hex(length)} {hex(length)} --maymove --fixed {hex(to)}")
        if answer.exit == 0:
            areas[n] = to, length
    else:
        w.line(f"mremap $p {hex(addr)} {hex(length)} {hex(w.pick((length, HUGE, length - PAGE, length + HUGE)))}")


def _look(w: Writer, addr: int) -> None:
    kind = w.number(0, 5)
    pid = w.pick(w.pids)
    if kind <= 1:
        w.line(f"cat /sys/kernel/mm/{POOL}/{w.pick(('nr', 'free', 'resv', 'surplus'))}_hugepages")
    elif kind == 2:
        w.line(f"pagemap ${pid} {hex(addr)} 0x8000 --raw")
    elif kind == 3 and len(w.pids) == 1:  # its answer is written into a page, which two would share
        w.line(f"mincore ${pid} {hex(addr)} 0x8000")
    else:
        w.line(f"{w.pick(('smaps', 'status', 'smaps'))} ${pid}")


def hugetlb(w: Writer) -> None:
    """What each call does to the areas, and to the pool."""
    w.spawn()
    w.line(f"sysctl {POOL}/nr_hugepages={w.number(1, 9)}")
    if w.chance(40):
        w.line(f"sysctl {POOL}/nr_overcommit_hugepages={w.number(1, 4)}")
    areas = [area for area in (_area(w) for _ in range(w.number(1, 3))) if area]
    for _ in range(w.number(8, 24) if areas else 0):
        addr, length = w.pick(areas)
        kind = w.number(0, 9)
        if kind <= 3:
            _touch(w, w.pick(w.pids), addr, length)
        elif kind <= 5:
            _change(w, areas)
        elif kind == 6 and len(w.pids) < 3:
            child = w.fork(w.pick(w.pids))
            if child:
                _touch(w, child, addr, length)
        elif kind == 6:
            w.exit(w.pids[-1])
        else:
            _look(w, addr)
    for name in ("nr", "free", "resv", "surplus"):
        w.line(f"cat /sys/kernel/mm/{POOL}/{name}_hugepages")
    for call in (calls.cat_maps, calls.smaps, calls.status):
        call(w, "p")
