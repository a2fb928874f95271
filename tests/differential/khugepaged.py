"""Scripts about khugepaged and MADV_COLLAPSE: what they find, where they stop, what they leave."""

import os

from tests.differential import calls
from tests.differential.mappings import mmap
from tests.differential.rounds import ROOM
from tests.differential.writer import PAGE, Writer

HUGE = 2 << 20


def _look(w: Writer, addr: int) -> None:
    if w.chance(30):
        w.line(f"pagemap $p {hex(addr)} 0x8000 --raw")
    else:
        w.line(f"{w.pick(('smaps', 'status'))} ${w.pick(w.pids)}")


def _settings(w: Writer) -> None:
    for name, values in (("max_ptes_none", (0, 100, 255, 510)), ("max_ptes_shared", (0, 1, 100))):
        if w.chance(30):
            w.line(f"sysctl transparent_hugepage/khugepaged/{name}={w.pick(values)}")


def _touch(w: Writer, addr: int, nr: int) -> None:
    """Some pages, many of them, or all."""
    page = w.number(0, nr - 1)
    length = min(w.pick((1, 8, 300, 412, 512, nr)), nr - page) * PAGE
    w.line(f"touch ${w.pick(w.pids)} {hex(addr + page * PAGE)} {w.size(length)} -{w.pick('wwr')} --probe")


def _area(w: Writer, shared: bool) -> tuple[int, int]:
    """(address, pages): with room for huge pages, not always on their borders."""
    nr = w.pick((512, 1024, 1100, 1536, 700))
    start = f" --addr {hex(0x7E0000000000 + w.pick((0, 0, 77, 200)) * PAGE + w.number(0, 3) * (64 << 20))} --fixed"
    mmap(w, "p", nr, "rw", (" --shared" if shared else "") + start)
    return int(w.answers[-1].out, 16), nr


def _change(w: Writer, addr: int, nr: int) -> None:
    start = w.number(0, nr - 1)
    where = f"{hex(addr + start * PAGE)} {hex(min(w.pick((1, 16, 512)), nr - start) * PAGE)}"
    call, *words = w.pick(("munmap", "madvise dontneed", "madvise nohugepage", "mprotect r", "mlock", "madvise free", "madvise cold",
                           "madvise guard_install", "madvise collapse")).split()
    w.line(" ".join([call, "$p", where, *words]))


def anonymous(w: Writer) -> None:
    """Small pages first, then the wish for huge ones, and time."""
    w.spawn()
    _settings(w)
    areas = [_area(w, False) for _ in range(w.number(1, 2))]
    for addr, nr in areas:
        for _ in range(w.number(1, 3)):
            _touch(w, addr, nr)
    for _ in range(w.number(2, 6)):
        addr, nr = w.pick(areas)
        kind = w.number(0, 7)
        if kind <= 1:
            _touch(w, addr, nr)
        elif kind == 2:
            _change(w, addr, nr)
        elif kind == 3 and len(w.pids) < 3:
            w.fork("p")
        elif kind <= 5:
            w.line(f"madvise ${w.pick(w.pids)} {hex(addr)} {hex(nr * PAGE)} hugepage")
        else:
            w.line("sleep 100")
            _look(w, addr)
    addr, nr = areas[0]
    w.line(f"madvise $p {hex(addr)} {hex(nr * PAGE)} hugepage")
    _touch(w, addr, nr)
    w.line("sleep 100")
    for call in (calls.cat_maps, calls.smaps, calls.status):
        call(w, "p")


def shared(w: Writer) -> None:
    """Shared memory: collapsed by advice and by khugepaged, mapped by several areas, with private copies beside, with holes."""
    w.spawn()
    areas = [_area(w, True) for _ in range(w.number(1, 2))]
    for addr, nr in areas:
        for _ in range(w.number(1, 3)):
            _touch(w, addr, nr)
    if w.chance(60):
        _settings(w)
        w.line(f"sysctl transparent_hugepage/shmem_enabled={w.pick(('always', 'within_size', 'advise', 'deny', 'never'))}")
        areas.append(_area(w, True))
        w.line(f"madvise $p {hex(areas[-1][0])} {hex(areas[-1][1] * PAGE)} {w.pick(('hugepage', 'nohugepage', 'normal'))}")
    for _ in range(w.number(4, 12)):
        addr, nr = w.pick(areas)
        kind = w.number(0, 9)
        if kind <= 2:
            _touch(w, addr, nr)
        elif kind <= 4:
            first = w.number(0, nr // 512 - 1 if nr >= 1024 else 0) * HUGE
            w.line(f"madvise ${w.pick(w.pids)} {hex(addr + first)} {hex(w.pick((HUGE, nr * PAGE - first)))} collapse")
        elif kind == 5 and len(w.pids) < 3:
            w.fork("p")
        elif kind == 6:
            w.line("sleep 100")
        elif kind == 7:
            start = w.number(0, nr - 1)
            where = f"{hex(addr + start * PAGE)} {hex(min(w.pick((1, 16, 512)), nr - start) * PAGE)}"
            call, *words = w.pick(("munmap", "madvise dontneed", "madvise remove", "mprotect r", "mlock", "madvise cold")).split()
            w.line(" ".join([call, "$p", where, *words]))
        else:
            _look(w, addr)
    for call in (calls.cat_maps, calls.smaps, calls.status):
        call(w, "p")


def _io(w: Writer, path: str, nr: int) -> None:
    """A write() of some size at some place, or another way to change the file."""
    kind = w.number(0, 8)
    offset = w.pick((0, PAGE, 16 * PAGE, 512 * PAGE, 100, 77 * PAGE + 5, nr * PAGE - 100))
    if kind <= 4:
        length = w.pick((1, 100, PAGE, 10000, 65536, 100000, 200000))
        w.line(f"write $p {path} {offset} {'x' * length}")
    elif kind == 5:
        w.line(f"read $p {path} {offset // PAGE * PAGE} {w.pick((PAGE, 65536))}")
    elif kind == 6:
        w.line(f"truncate {path} {w.pick((nr * PAGE, nr * PAGE - 3000, 600 * PAGE, 20 * PAGE + 5, 2 * nr * PAGE))}")
    else:
        w.line(f"fallocate {path} {offset} {w.pick((PAGE, 40000, HUGE))} --punch-hole")


def tmpfs(w: Writer) -> None:
    """Files of a tmpfs: what write() and faults make of huge=, and what becomes of it."""
    w.spawn()
    if w.chance(90):
        w.line(f"sysctl tmpfs/huge={w.pick(('always', 'within_size', 'within_size', 'advise', 'never'))}")
    nr = w.pick((16, 100, 512, 700, 1024, 1100))
    path = f"{w.root}/shm/f"
    w.line(f"mkfile {path} {w.pick((nr * PAGE, 0))} --tmpfs --dev 0:27 --inode 1001")
    areas = []
    for _ in range(w.number(5, 14)):
        kind = w.number(0, 9)
        if kind <= 3:
            _io(w, path, nr)
        elif kind <= 5 and len(areas) < 3:
            start = f" --addr {hex(0x7E0000000000 + w.pick((0, 0, 0, 5)) * PAGE + len(areas) * (64 << 20))} --fixed"
            mmap(w, "p", nr, "rw", f" --file {path}{w.pick((' --shared', ' --shared', ' --private'))}{start}")
            areas.append(int(w.answers[-1].out, 16))
        elif areas:
            addr = w.pick(areas)
            if kind <= 7:
                _touch(w, addr, nr)
            elif w.chance(50):
                advice = w.pick(("hugepage", "collapse", "collapse", "dontneed", "remove", "nohugepage", "cold", "cold"))
                w.line(f"madvise $p {hex(addr)} {hex(min(nr, w.pick((16, 512, nr))) * PAGE)} {advice}")
            else:
                _look(w, addr)
    for addr in areas:
        w.line(f"touch $p {hex(addr)} 1 -r --probe")
    for call in (calls.cat_maps, calls.smaps, calls.status):
        call(w, "p")


SUBS = {"anonymous": anonymous, "shared": shared, "tmpfs": tmpfs} if os.access(f"{ROOM}/defrag", os.W_OK) else {}
