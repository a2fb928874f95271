"""Huge pages of sizes between a page and a PMD's: hugepages-*kB/enabled set for the while, and what the kernel counts of each size.

Sizes are switched to `madvise`, so that of the host's processes the measured ones alone get such folios, and the counts of
hugepages-*kB/stats can be compared; where one is `always` for once, they are not.
"""

import os

from tests.differential import calls
from tests.differential.mappings import mmap
from tests.differential.writer import PAGE, Writer

SETTINGS = "transparent_hugepage"
KB = (16, 32, 64, 128, 256, 512, 1024)
STATS = ("anon_fault_alloc", "anon_fault_fallback", "nr_anon", "nr_anon_partially_mapped", "split", "split_failed", "split_deferred")
ADVICE = ("dontneed", "free", "cold", "pageout", "dontneed", "populate_write", "populate_read", "nohugepage", "hugepage",
          "guard_install", "dontneed_locked")


def size_of(kb: int) -> str:
    return f"{SETTINGS}/hugepages-{kb}kB"


def _switch_on(w: Writer) -> tuple[list[int], bool]:
    """(sizes that may appear, whether one is on for everybody)"""
    sizes = [kb for kb in KB if w.chance(35)] or [w.pick(KB)]
    for_all = w.chance(15)
    for kb in sizes:
        w.line(f"sysctl {size_of(kb)}/enabled={'always' if for_all else w.pick(('madvise', 'madvise', 'inherit'))}")
    if w.chance(40):
        w.line(f"sysctl {size_of(2048)}/enabled=never")
    return [*sizes, 2048], for_all


def _area(w: Writer) -> tuple[int, int]:
    nr = w.pick((16, 20, 33, 64, 100, 128, 300, 512, 700))
    start = f" --addr {hex(0x7E0000000000 + w.number(0, 600) * PAGE)} --fixed" if w.chance(40) else ""
    mmap(w, "p", nr, w.pick(("rw", "rw", "rw", "r")), start)
    addr = int(w.answers[-1].out, 16)
    if w.chance(85):
        w.line(f"madvise $p {hex(addr)} {hex(nr * PAGE)} hugepage")
    return addr, nr * PAGE


def _touch(w: Writer, pid: str, addr: int, length: int) -> None:
    page = w.number(0, length // PAGE - 1)
    size = f" {w.size(min(w.pages(40), length // PAGE - page) * PAGE)}" if w.chance(40) else ""
    w.line(f"touch ${pid} {hex(addr + page * PAGE)}{size} -{w.pick('wwwwr')} --probe")


def _part(w: Writer, addr: int, length: int) -> str:
    """Some pages, a whole block of a size, or all."""
    kind = w.number(0, 3)
    if kind == 0:
        return f"{hex(addr)} {hex(length)}"
    if kind == 1:
        block = w.pick(KB) << 10
        first = -(-addr // block) * block
        if first + block <= addr + length:
            return f"{hex(first)} {hex(block)}"
    page = w.number(0, length // PAGE - 1)
    return f"{hex(addr + page * PAGE)} {hex(min(w.pages(40), length // PAGE - page) * PAGE)}"


def _look(w: Writer, sizes: list[int], counted: bool, addr: int) -> None:
    kind = w.number(0, 5)
    if kind == 5 and counted or kind == 4:
        if counted:
            w.line(f"cat /sys/kernel/mm/{size_of(w.pick(sizes))}/stats/{w.pick(STATS)}")
    elif kind == 3:
        w.line(f"pagemap ${w.pick(w.pids)} {hex(addr)} 0x8000 --raw")
    else:
        w.line(f"{w.pick(('smaps', 'status', 'smaps'))} ${w.pick(w.pids)}")


def _change(w: Writer, addr: int, length: int) -> None:
    kind = w.number(0, 6)
    pid = w.pick(w.pids)
    where = _part(w, addr, length)
    if kind <= 2:
        w.line(f"madvise ${pid} {where} {w.pick(ADVICE)}")
    elif kind == 3:
        w.line(f"mprotect ${pid} {where} {w.pick(('r', 'rw', 'none', 'rw'))}")
    elif kind == 4:
        w.line(f"{w.pick(('mlock', 'mlock', 'munlock', 'mlock --onfault'))} ${pid} {where}")
    elif kind == 5:
        w.line(f"munmap ${pid} {where}")
    else:
        size = min(w.pick((PAGE, 16 * PAGE, 64 * PAGE, length)), length)
        to = 0x7D0000000000 + w.number(0, 64) * PAGE
        w.line(f"mremap $p {hex(addr)} {hex(size)} {hex(size)} --maymove --fixed {hex(to)}")


def mthp(w: Writer) -> None:
    """Areas of all sizes and places, used, shared by fork, cut, advised about, moved: smaps, pagemap and the counts of each size."""
    w.spawn()
    sizes, for_all = _switch_on(w)
    areas = [_area(w) for _ in range(w.number(1, 2))]
    if w.chance(15):
        w.line(f"thp-disable $p {w.pick(('yes', 'no', 'except-advised'))}")
    for _ in range(w.number(8, 26)):
        addr, length = w.pick(areas)
        kind = w.number(0, 9)
        if kind <= 3:
            _touch(w, w.pick(w.pids), addr, length)
        elif kind <= 6:
            _change(w, addr, length)
        elif kind == 7 and len(w.pids) < 4:
            child = w.fork(w.pick(w.pids))
            if child:
                _touch(w, child, addr, length)
        elif kind == 7:
            w.exit(w.pids[-1])
        else:
            _look(w, sizes, not for_all, addr)
    if not for_all:
        for kb in sizes:
            for name in STATS:
                w.line(f"cat /sys/kernel/mm/{size_of(kb)}/stats/{name}")
    for call in (calls.cat_maps, calls.smaps, calls.status):
        call(w, "p")


CAN = os.access(f"/sys/kernel/mm/{size_of(64)}/enabled", os.W_OK)
