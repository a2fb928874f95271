"""Files that are not in the page cache: what a read or a fault brings, and what readahead adds."""

from tests.differential import calls
from tests.differential.mappings import mmap
from tests.differential.writer import PAGE, Writer

SIZES = (4096, 10000, 65536, 100000, 262144, 500000, 1048576)


def _begin(w: Writer, prot: str, extra: str, advice: str | None) -> tuple[str, int, int]:
    """(path, address, pages) of a file that is mapped whole, and cold."""
    w.spawn()
    nr_bytes = w.pick(SIZES)
    path = w.mkfile("cold.dat", nr_bytes)
    nr = (nr_bytes + PAGE - 1) // PAGE
    mmap(w, "p", nr, prot, f" --file {path}{extra}")
    addr = int(w.answers[-1].out, 16)
    if advice:
        w.line(f"madvise $p {hex(addr)} {hex(nr * PAGE)} {advice}")
    w.line("sync")
    w.line("drop-caches 1")
    _mincore(w, addr, nr)
    return path, addr, nr


def _mincore(w: Writer, addr: int, nr: int) -> None:
    w.line(f"mincore $p {hex(addr)} {hex(nr * PAGE)}")


def _end(w: Writer) -> None:
    for call in (calls.cat_maps, calls.smaps, calls.status):
        call(w, "p")


def coldmap(w: Writer) -> None:
    """Faults on a cold mapping, forwards, backwards and at random; reads between them."""
    advice = w.pick((None, None, "random", "sequential", "normal", "willneed"))
    path, addr, nr = _begin(w, w.pick(("r", "rw")), w.pick((" --shared", "")), advice)
    for _ in range(w.number(2, 7)):
        kind = w.number(0, 5)
        page = w.number(0, nr - 1)
        if kind <= 2:
            count = w.pick((1, 1, 1, 16, 40))
            length = f" {w.size(min(count, nr - page) * PAGE)}" if count > 1 else ""
            w.line(f"touch $p {hex(addr + page * PAGE)}{length} -r --probe")
        elif kind == 3:
            w.line(f"read $p {path} {page * PAGE} {w.pick((512, 4096, 16384))}")
        elif kind == 4:
            w.line(f"pagemap $p {hex(addr)} {hex(min(nr, 64) * PAGE)} --raw")
        else:
            w.line(f"madvise $p {hex(addr)} {hex(nr * PAGE)} {w.pick(('dontneed', 'random', 'normal', 'sequential'))}")
        if w.chance(60):
            _mincore(w, addr, nr)
    _end(w)


def coldread(w: Writer) -> None:
    """read() from the start, in steps, or anywhere."""
    path, addr, nr = _begin(w, "r", " --shared", None)
    step, at = w.pick((512, 4096, 4096, 8192, 16384, 65536)), 0
    is_sequential = w.chance(60)
    for _ in range(w.number(2, 6)):
        at = at if is_sequential else w.number(0, nr - 1) * PAGE
        w.line(f"read $p {path} {at} {step}")
        _mincore(w, addr, nr)
        at += step
    for _ in range(w.number(1, 3)):
        page = w.number(0, nr - 1)
        w.line(f"touch $p {hex(addr + page * PAGE)} {w.size(w.number(1, nr - page) * PAGE)} -r --probe")
    _end(w)


def coldmix(w: Writer) -> None:
    """A cold file mapped twice, shared and privately: whatever brings its pages, changes them and takes them away."""
    path, addr, nr = _begin(w, "rw", " --shared", None)
    first = w.number(0, nr - 1)
    mmap(w, "p", nr - first, "rw", f" --file {path} --offset {first * PAGE}" + w.pick(("", "", " --populate", " --locked")))
    if w.chance(50):  # the second window has larger folios
        w.line(f"read $p {path} 0 20000")
        w.line(f"read $p {path} 20000 {nr * PAGE}")
    maps = [(addr, nr)]
    if w.answers[-1].out:
        maps.append((int(w.answers[-1].out, 16), nr - first))
    for _ in range(w.number(6, 16)):
        at, count = w.pick(maps)
        _use(w, path, nr, at, count)
        look = w.number(0, 4)
        if look <= 1:
            _mincore(w, addr, nr)
        elif look <= 3:
            w.line(("smaps $p", f"pagemap $p {hex(at)} {hex(min(count, 64) * PAGE)} --raw")[look - 2])
    _end(w)


HUGE_SIZES = (2 << 20, 3 << 20, 4 << 20, 6_000_000)


def coldhuge(w: Writer) -> None:
    """A cold file in an area that wants huge pages: what maps them by one entry, and what takes it away again, in relatives too."""
    w.spawn()
    path = w.mkfile("huge.dat", nr_bytes := w.pick(HUGE_SIZES))
    first = w.pick((0, 0, 256, 512))
    nr = max((nr_bytes + PAGE - 1) // PAGE - first, 256)
    how = w.pick((" --shared", " --shared", ""))
    mmap(w, "p", nr, w.pick(("r", "rw", "rw")), f" --file {path} --offset {first * PAGE}{how}")
    addr = int(w.answers[-1].out, 16)
    w.line("sync")
    w.line("drop-caches 1")
    if w.chance(85):
        w.line(f"madvise $p {hex(addr)} {hex(nr * PAGE)} hugepage")
    pids = ["p"]
    for _ in range(w.number(5, 14)):
        pid = w.pick(pids)
        if len(pids) < 3 and w.chance(12):
            child = w.fork(pid)
            pids += [child] if child else []
            continue
        _use_huge(w, pid, path, nr_bytes, addr, nr)
        if w.chance(35):
            w.line(w.pick((f"smaps ${pid}", f"status ${pid}", f"pagemap ${pid} {hex(addr + w.number(0, nr - 16) * PAGE)} 64K --raw")))
    for pid in pids:
        for call in (calls.cat_maps, calls.smaps, calls.status):
            call(w, pid)


def _use_huge(w: Writer, pid: str, path: str, nr_bytes: int, addr: int, nr: int) -> None:
    page = w.number(0, nr - 1)
    where = f"{hex(addr + page * PAGE)} {hex(min(w.pick((1, 1, 3, 16, 40)), nr - page) * PAGE)}"
    whole = w.pick((f"{hex(addr)} {hex(nr * PAGE)}", f"{hex(-(-addr // (2 << 20)) * (2 << 20))} {hex(2 << 20)}"))
    kind = w.number(0, 12)
    if kind <= 5:
        w.line(f"touch ${pid} {where} -{w.pick('rrw')} --probe")
    elif kind <= 7:
        w.line(f"madvise ${pid} {w.pick((where, whole))} {w.pick(('dontneed', 'cold', 'pageout', 'nohugepage', 'populate_read'))}")
    elif kind == 8:
        w.line(f"{w.pick(('mlock', 'munlock', 'mlock --onfault'))} ${pid} {w.pick((where, whole))}")
    elif kind == 9:
        w.line(f"mprotect ${pid} {w.pick((where, whole))} {w.pick(('r', 'rw', 'none'))}")
    elif kind == 10:
        w.line(w.pick((f"munmap ${pid} {where}",
                       f"mremap ${pid} {hex(addr)} {hex(nr * PAGE)} {hex(nr * PAGE)} --maymove --fixed 0x790000200000")))
    elif kind == 11:
        w.line(w.pick(("sync", f"msync ${pid} {where}")))
    else:
        w.line(f"truncate {path} {w.pick((nr_bytes, nr_bytes // 2, nr_bytes - 3 * PAGE))}")


def _use(w: Writer, path: str, nr: int, at: int, count: int) -> None:
    """One call or access: the file has `nr` pages, `count` of them are mapped at `at`."""
    page = w.number(0, count - 1)
    where = f"{hex(at + page * PAGE)} {w.size(min(w.pick((1, 1, 2, 16, 33, 64, count)), count - page) * PAGE)}"
    kind = w.number(0, 13)
    if kind <= 3:
        w.line(f"touch $p {where} -{w.pick('rrw')} --probe")
    elif kind == 4:
        w.line(f"read $p {path} {w.number(0, nr * PAGE)} {w.pick((1, 512, 4096, 20000, 65536))}")
    elif kind == 5:
        w.line(f"write $p {path} {w.pick((page * PAGE, page * PAGE + 100, page * PAGE + 4090, nr * PAGE))} {w.pick(('hello', 'DATADATA'))}")
    elif kind <= 8:
        advice = ("dontneed", "random", "normal", "sequential", "willneed", "cold", "pageout", "cold", "pageout", "populate_read")
        w.line(f"madvise $p {where} {w.pick(advice)}")
    elif kind == 9:
        w.line(f"mlock $p {where}")
    elif kind == 10:
        w.line(w.pick(("sync", f"msync $p {where}")))
    elif kind == 11:
        w.line("sync")  # the recorder's way to drop clean pages writes dirty ones back
        w.line("drop-caches 1")
    elif kind == 12:
        w.line(f"truncate {path} {w.number(0, nr * PAGE + 9000)}")
    else:
        w.line(f"mprotect $p {where} {w.pick(('r', 'rw', 'rwx'))}")
