"""Swap on a partition, which takes large folios whole: pushed out, shared by fork, found in the swap cache, read back, let go in parts.

Every page that is used is stored to: of one that was only touched the simulated machine does not know that it holds zeros.
"""

from tests.differential import calls, swap_areas
from tests.differential.mappings import mmap
from tests.differential.mthp import size_of
from tests.differential.writer import PAGE, Writer

KB = (16, 32, 64, 128, 512)
STATS = ("swpout", "swpout_fallback", "split", "split_failed", "split_deferred", "nr_anon", "nr_anon_partially_mapped", "swpin")
FILES = ("/proc/vmstat", "/proc/meminfo", "/proc/swaps")
ADVICE = ("pageout", "pageout", "pageout", "pageout", "dontneed", "free", "cold", "willneed", "guard_install", "nohugepage", "hugepage")
MOST_STORED = 700
HUGE = 512


def _sizes(w: Writer, shared: bool) -> list[int]:
    sizes = [kb for kb in KB if w.chance(30)] or [w.pick(KB)]
    for kb in sizes:
        w.line(f"sysctl {size_of(kb)}/{'shmem_enabled=advise' if shared else 'enabled=madvise'}")
    if not shared and w.chance(50):
        w.line(f"sysctl {size_of(2048)}/enabled=never")
    if shared and w.chance(40):
        w.line(f"sysctl {size_of(2048)}/shmem_enabled=advise")
    return [*sizes, 2048]


def _store(w: Writer, pid: str, addr: int, nr: int) -> None:
    for i in range(nr):
        w.line(f"store ${pid} {hex(addr + i * PAGE)} {'xyz'[i % 3]}")


def _area(w: Writer, shared: bool) -> tuple[int, int]:
    """Filled from its beginning; such that huge pages fit, too, or not."""
    nr = w.pick((4, 16, 20, 33, 64, 100, 128, 160, HUGE))
    start = 0x7E0000000000 + w.pick((0, w.number(0, 600), 512, 1024)) * PAGE
    mmap(w, "p", nr, "rw", f" --addr {hex(start)} --fixed{' --shared' if shared else ''}")
    if w.chance(90):
        w.line(f"madvise $p {hex(start)} {hex(nr * PAGE)} hugepage")
    _store(w, "p", start, nr)
    return start, nr * PAGE


def _part(w: Writer, addr: int, length: int) -> tuple[int, int]:
    """Some pages, a whole block of a size, or all."""
    kind = w.number(0, 4)
    if kind <= 1:
        return addr, length
    if kind == 2:
        block = w.pick(KB) << 10
        first = -(-addr // block) * block
        if first + block <= addr + length:
            return first, block
    page = w.number(0, length // PAGE - 1)
    return addr + page * PAGE, min(w.pages(40), length // PAGE - page) * PAGE


def _change(w: Writer, pid: str, addr: int, length: int, shared: bool) -> None:
    kind = w.number(0, 11)
    at, size = _part(w, addr, length)
    if kind <= 5:
        advice = w.pick((*ADVICE, "remove", "remove") if shared else ADVICE)
        w.line(f"madvise ${pid} {hex(at)} {hex(size)} {advice}")
        if advice == "remove":
            _use_written(w, pid, at, size)
    elif kind == 6:
        w.line(f"mprotect ${pid} {hex(at)} {hex(size)} {w.pick(('r', 'rw', 'none', 'rw'))}")
    elif kind == 7:
        w.line(f"{w.pick(('mlock', 'munlock', 'mlock --onfault'))} ${pid} {hex(at)} {hex(size)}")
    elif kind <= 9:
        w.line(f"munmap ${pid} {hex(at)} {hex(size)}")
    else:
        to = 0x7D0000000000 + w.number(0, 64) * PAGE
        w.line(f"mremap ${pid} {hex(at)} {hex(size)} {hex(size)} --maymove --fixed {hex(to)}")
    w.line("sync")


def _use(w: Writer, pid: str, addr: int, length: int) -> None:
    at, size = _part(w, addr, length)
    if w.chance(35):
        _use_written(w, pid, at, min(size, 20 * PAGE))
    else:
        w.line(f"touch ${pid} {hex(at)} {w.pick((1, 1, size))} -r --probe")
    w.line("sync")


def _use_written(w: Writer, pid: str, at: int, size: int) -> None:
    """As store, but where there may be no page that can be written."""
    for i in range(size // PAGE):
        if w.line(f"store ${pid} {hex(at + i * PAGE)} w --probe").signal:
            return


def _look(w: Writer, sizes: list[int], addr: int, length: int) -> None:
    kind = w.number(0, 6)
    if kind <= 1:
        w.line(f"cat {w.pick(FILES)}")
    elif kind == 2:
        w.line(f"cat /sys/kernel/mm/{size_of(w.pick(sizes))}/stats/{w.pick(STATS)}")
    elif kind == 3 and not w.has_forked:  # its vector lies in a page of the process's own
        w.line(f"mincore ${w.pick(w.pids)} {hex(addr)} {hex(length)}")
    elif kind == 4:
        w.line(f"{w.pick(('smaps', 'status'))} ${w.pick(w.pids)}")
    else:
        w.line(f"pagemap ${w.pick(w.pids)} {hex(addr)} {hex(length)} --raw")


def _swapon(w: Writer, group: bool) -> None:
    """A group's never fills up: how often it is asked in vain goes by who reclaims, force_empty by pages, memory.reclaim by quarters."""
    w.line(f"swapon {w.pick(('64M', '16M') if group else ('64M', '64M', '16M', '4M', '3M', '1M'))}")


def swap(w: Writer) -> None:
    """Areas of all sizes and places: slots, the swap cache, and what is counted."""
    _story(w, shared=False)


def swap_shared(w: Writer) -> None:
    """The same with shared memory."""
    _story(w, shared=True)


def swap_reclaimed(w: Writer) -> None:
    """All that can go of a group's memory goes, folios that are mapped in part among it, and what is used comes back from the area."""
    _story(w, shared=False, group=True)  # read-ahead of shared memory goes by what the whole machine did before


def _story(w: Writer, shared: bool, group: bool = False) -> None:
    w.spawn()
    _swapon(w, group)
    if group:
        w.line("cgroup create g")
        w.line("cgroup move g $p")
    if w.chance(10):
        w.line("swapon 4M --priority 5")
    sizes = _sizes(w, shared)
    areas = [_area(w, shared) for _ in range(w.number(1, 2))]
    for _ in range(w.number(8, 26)):
        addr, length = w.pick(areas)
        kind = w.number(0, 14 if group else 11)
        if kind >= 12:
            for _ in range(3):  # written; met again and free; what was used before its first turn
                w.line("reclaim 100000 --cgroup g")
                w.line("sync")
        elif kind <= 3 and group and w.chance(50):
            at, size = _part(w, addr, length)
            w.line(f"madvise $p {hex(at)} {hex(size)} {w.pick(('pageout', 'pageout', 'cold', 'willneed'))}")
            w.line("sync")
        elif kind <= 3:
            _change(w, w.pick(w.pids), addr, length, shared)
        elif kind <= 7:
            _use(w, w.pick(w.pids), addr, length)
        elif kind == 8 and len(w.pids) < (1 if group else 4):
            w.fork(w.pick(w.pids))
        elif kind == 8 and len(w.pids) > 1:
            w.exit(w.pids[-1])
            w.line("sync")
        else:
            _look(w, sizes, addr, length)
    _end(w, sizes, areas)


def _end(w: Writer, sizes: list[int], areas: list[tuple[int, int]]) -> None:
    if w.chance(25):
        w.line("swapoff")
    for file in FILES:
        w.line(f"cat {file}")
    for kb in sizes:
        for name in STATS:
            w.line(f"cat /sys/kernel/mm/{size_of(kb)}/stats/{name}")
    for addr, length in areas:
        for pid in w.pids:
            w.line(f"pagemap ${pid} {hex(addr)} {hex(length)} --raw")
    for call in (calls.smaps, calls.status):
        call(w, "p")


SUBS = {} if swap_areas.obstacle() else {"anon": swap, "shared": swap_shared, "reclaimed": swap_reclaimed}
