"""Transparent huge pages of private anonymous memory in `madvise` mode; where the host lets us set them, `always`, and shared memory's."""

import os

from tests.differential import calls, hugetlb, mthp
from tests.differential.mappings import mmap
from tests.differential.writer import PAGE, Area, Writer

HUGE = 2 << 20
SETTING = "transparent_hugepage/enabled"
SHARED_SETTING = "transparent_hugepage/shmem_enabled"


def _huge_area(w: Writer) -> tuple[int, int]:
    """(address, length) of an area of some huge pages, advised."""
    w.spawn()
    nr = w.number(1, 4)
    mmap(w, "p", nr * 512, "rw")
    addr = int(w.answers[-1].out, 16)
    w.line(f"madvise $p {hex(addr)} {hex(nr * HUGE)} hugepage")
    return addr, nr * HUGE


def _touch(w: Writer, addr: int, length: int, kinds: str = "wwr") -> None:
    page = w.number(0, length // PAGE - 1)
    size = f" {w.size(min(w.pages(40), length // PAGE - page) * PAGE)}" if w.chance(40) else ""
    w.line(f"touch ${w.pick(w.pids)} {hex(addr + page * PAGE)}{size} -{w.pick(kinds)} --probe")


def _part(w: Writer, addr: int, length: int) -> str:
    """A range: some pages, a whole huge page, or one that begins inside another."""
    first = w.number(0, length // HUGE - 1) * HUGE
    kind = w.number(0, 2)
    if kind == 0:
        return f"{hex(addr + first)} {w.size(w.pick((PAGE, 16 * PAGE, HUGE)))}"
    page = w.number(0, 511) * PAGE
    return f"{hex(addr + first + page)} {w.size(min(w.pick((PAGE, 16 * PAGE, HUGE)), length - first - page))}"


def _end(w: Writer) -> None:
    for call in (calls.cat_maps, calls.smaps, calls.status):
        call(w, "p")


def _look(w: Writer, addr: int) -> None:
    kind = w.number(0, 3)
    if kind == 3:
        w.line(f"pagemap $p {hex(addr)} 0x8000 --raw")
    else:
        w.line(f"{w.pick(('smaps', 'status', 'smaps'))} ${w.pick(w.pids)}")


def basic(w: Writer) -> None:
    """Touch, advise, protect, drop."""
    addr, length = _huge_area(w)
    for _ in range(w.number(6, 22)):
        kind = w.number(0, 9)
        if kind <= 3:
            _touch(w, addr, length)
        elif kind <= 5:
            advice = w.pick(("dontneed", "free", "dontneed", "nohugepage", "hugepage", "populate_write", "collapse"))
            w.line(f"madvise $p {_part(w, addr, length)} {advice}")
        elif kind == 6:
            call = w.pick(("mprotect", "mprotect", "munmap", "mlock"))
            prot = " " + w.pick(("r", "rw", "none")) if call == "mprotect" else ""
            w.line(f"{call} $p {_part(w, addr, length)}{prot}")
        else:
            _look(w, addr)
    _end(w)


def split(w: Writer) -> None:
    """Every huge page in use, then something that splits one of them."""
    addr, length = _huge_area(w)
    for first in range(0, length, HUGE):
        w.line(f"touch $p {hex(addr + first + w.number(0, 511) * PAGE)} -w")
    _look(w, addr)
    for _ in range(w.number(1, 5)):
        kind = w.number(0, 6)
        if kind <= 1:
            w.line(f"mprotect $p {_part(w, addr, length)} {w.pick(('r', 'none'))}")
        elif kind == 2:
            w.line(f"munmap $p {_part(w, addr, length)}")
        elif kind == 3:
            w.line(f"madvise $p {_part(w, addr, length)} {w.pick(('dontneed', 'free', 'dontfork', 'pageout', 'cold'))}")
        elif kind == 4:
            w.line(f"mlock $p {_part(w, addr, length)}")
        elif kind == 5:
            to = 0x7E0000000000 + w.pick((0, PAGE, HUGE, 77 * PAGE))
            size = w.pick((PAGE, HUGE, length))
            w.line(f"mremap $p {hex(addr)} {hex(size)} {hex(size)} --maymove --fixed {hex(to)}")
        elif len(w.pids) < 3:
            child = w.fork("p")
            if child:
                _touch(w, addr, length)
                w.line(f"smaps ${child}")
                if w.chance(50):  # the last owner of what is left of a folio
                    w.exit(child)
                    _touch(w, addr, length)
        _look(w, addr)
        if w.chance(50):
            _touch(w, addr, length)
    _end(w)


def edges(w: Writer) -> None:
    """Areas that begin and end off the 2M borders: a heap, a fixed mapping, a moved one."""
    w.spawn()
    if w.chance(40):
        w.line("brk $p --by 6M")
        area = Area(0x408000, 0x408000 + (6 << 20), "rw-p", "[heap]")
    else:
        start = 0x7E0000000000 + w.number(0, 600) * PAGE
        nr = 512 * w.number(1, 3) + w.number(0, 200)
        mmap(w, "p", nr, "rw", f" --addr {hex(start)} --fixed")
        area = Area(start, start + nr * PAGE, "rw-p", "")
    w.line(f"madvise $p {hex(area.start)} {hex(w.pick((area.end - area.start, area.end - area.start - 16 * PAGE)))} hugepage")
    for _ in range(w.number(3, 6)):
        _touch(w, area.start, area.end - area.start)
        _look(w, area.start)
    if area.name and w.chance(60):
        w.line(f"brk $p --by {w.pick(('-3M', '-100K', '1M', '-5M'))}")
    elif w.chance(50):
        to = 0x7D0000000000 + w.number(0, 600) * PAGE
        w.line(f"mremap $p {hex(area.start)} {hex(area.end - area.start)} {hex(area.end - area.start)} --maymove --fixed {hex(to)}")
        area = Area(to, to + area.end - area.start, "rw-p", "")
    _touch(w, area.start, 16 * PAGE)
    _end(w)


def always(w: Writer) -> None:
    """Nobody asks for huge pages, every area that has room gets them."""
    w.spawn()
    w.line(f"sysctl {SETTING}=always")
    areas = []
    for _ in range(w.number(1, 3)):
        nr = w.pick((512, 1024, 600, 1100))
        mmap(w, "p", nr, "rw", w.pick(("", "", " --noreserve", " --stack")))
        areas.append((int(w.answers[-1].out, 16), nr * PAGE))
    for _ in range(w.number(5, 14)):
        addr, length = w.pick(areas)
        kind = w.number(0, 6)
        if kind <= 2:
            _touch(w, addr, length)
        elif kind == 3:
            start = w.number(0, length // PAGE - 1) * PAGE
            where = f"{hex(addr + start)} {hex(min(w.pick((PAGE, 16 * PAGE, HUGE)), length - start))}"
            call, *words = w.pick(("munmap", "madvise dontneed", "madvise nohugepage", "mprotect r", "mlock")).split()
            w.line(" ".join([call, "$p", where, *words]))
        else:
            _look(w, addr)
    _end(w)


def shared(w: Writer) -> None:
    """Shared memory, as transparent_hugepage/shmem_enabled says: whole, beside the borders, forked, protected, moved, let go."""
    w.spawn()
    w.line(f"sysctl {SHARED_SETTING}={w.pick(('always', 'always', 'within_size', 'advise', 'deny', 'force'))}")
    areas = []
    for _ in range(w.number(1, 3)):
        nr = w.pick((512, 1024, 600, 1100, 511, 1536))
        start = f" --addr {hex(0x7E0000000000 + w.number(0, 2000) * PAGE)} --fixed" if w.chance(25) else ""
        mmap(w, "p", nr, w.pick(("rw", "rw", "r")), " --shared" + start + w.pick(("", "", " --noreserve")))
        areas.append((int(w.answers[-1].out, 16), nr * PAGE))
        if w.chance(50):
            w.line(f"madvise $p {hex(areas[-1][0])} {hex(nr * PAGE)} {w.pick(('hugepage', 'hugepage', 'nohugepage'))}")
    for _ in range(w.number(5, 16)):
        addr, length = w.pick(areas)
        kind = w.number(0, 9)
        if kind <= 3:
            _touch(w, addr, length)
        elif kind <= 5:
            start = w.number(0, length // PAGE - 1) * PAGE
            where = f"{hex(addr + start)} {hex(min(w.pick((PAGE, 16 * PAGE, HUGE)), length - start))}"
            calls_ = ("munmap", "madvise dontneed", "madvise remove", "mprotect r", "mprotect rw", "mlock", "madvise cold",
                      "madvise collapse")
            call, *words = w.pick(calls_).split()
            w.line(" ".join([call, "$p", where, *words]))
        elif kind == 6 and len(w.pids) < 3:
            child = w.fork("p")
            if child:
                _touch(w, addr, length)
                w.line(f"smaps ${child}")
        else:
            _look(w, addr)
    _end(w)


SUBS = {"basic": basic, "split": split, "edges": edges}
if os.access(f"/sys/kernel/mm/{SETTING}", os.W_OK):
    SUBS["always"] = always
if os.access(f"/sys/kernel/mm/{SHARED_SETTING}", os.W_OK):
    SUBS["shared"] = shared
if hugetlb.CAN:
    SUBS["hugetlb"] = hugetlb.hugetlb
if mthp.CAN:
    SUBS["mthp"] = mthp.mthp
