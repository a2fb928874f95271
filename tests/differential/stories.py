"""Whole stories with drawn numbers: what programs do, from the first touch to the last."""

from tests.differential import calls
from tests.differential.mappings import mmap
from tests.differential.writer import PAGE, Writer


def _end(w: Writer, pid: str) -> None:
    for call in (calls.cat_maps, calls.smaps, calls.status):
        call(w, pid)


def _address(w: Writer) -> int:
    return int(w.answers[-1].out, 16)


def heap(w: Writer) -> None:
    """The heap grows, is used, gets holes, shrinks and grows again."""
    w.spawn()
    nr = w.number(8, 40)
    w.line(f"brk $p --by {w.size(nr * PAGE)}")
    w.line(f"touch $p 0x408000 {w.size(nr * PAGE)} -w")
    w.line("status $p")
    for advice in ("dontneed", "free"):
        first, count = w.number(0, nr - 4), w.number(1, 4)
        w.line(f"madvise $p {hex(0x408000 + first * PAGE)} {w.size(count * PAGE)} {advice}")
        w.line("smaps $p")
        w.line(f"touch $p {hex(0x408000 + first * PAGE)} {w.size(count * PAGE)} -{w.pick('rw')}")
        w.line(f"pagemap $p 0x408000 {w.size(nr * PAGE)} --raw")
    w.line(f"munmap $p {hex(0x408000 + w.number(1, nr - 3) * PAGE)} 8K")
    w.line("cat-maps $p")
    by = w.number(1, nr - 1) * PAGE
    w.line(f"brk $p --by {-by}")
    w.line("cat-maps $p")
    w.line(f"brk $p --by {by}")
    _end(w, "p")


def cache_outlives(w: Writer) -> None:
    """A file stays in the cache when its reader has gone."""
    w.spawn()
    w.spawn()
    path = w.mkfile("scene.dat", w.pick((16384, 65536, 131072)))
    nr = w.files[path] // PAGE
    mmap(w, "p", nr, "r", f" --file {path}")
    w.line(f"touch $p {hex(_address(w))} {nr * PAGE} -r")
    w.line("smaps $p")
    w.exit("p")
    mmap(w, "s1", nr, w.pick(("r", "rw")), f" --file {path}" + w.pick(("", " --shared")))
    at = _address(w)
    w.line(f"mincore $s1 {hex(at)} {nr * PAGE}")
    w.line(f"touch $s1 {hex(at + w.number(0, nr - 1) * PAGE)} -r")
    _end(w, "s1")


def shell(w: Writer) -> None:
    """fork, both write, the child execs, the parent gets its pages back."""
    w.spawn()
    heap_pages, nr = w.number(4, 33), w.number(4, 32)
    w.line(f"brk $p --by {hex(heap_pages * PAGE)}")
    w.line(f"touch $p 0x408000 {hex(w.number(1, heap_pages) * PAGE)} -w")
    mmap(w, "p", nr, "rw")
    at = _address(w)
    w.line(f"touch $p {hex(at)} {hex(nr * PAGE)} -w")
    child = w.fork("p")
    for pid in ("p", child):
        w.line(f"smaps ${pid}")
        w.line(f"status ${pid}")
    for pid in ("p", child):
        w.line(f"touch ${pid} {hex(0x408000 + w.number(0, heap_pages - 2) * PAGE)} 0x2000 -w")
        w.line(f"smaps ${pid}")
    w.line(f"exec ${child} {w.root}/{w.pick(('target-pie', 'target', 'target-static-pie'))}")
    _end(w, child)
    w.line(f"touch $p {hex(at)} {hex(nr * PAGE)} -w")
    w.line(f"touch $p 0x408000 {hex(heap_pages * PAGE)} -w")
    _end(w, "p")


def two_readers(w: Writer) -> None:
    """Two programs map one file, one of them writes: privately or shared."""
    w.spawn()
    w.spawn()
    path = w.mkfile("scene.dat", w.pick((10000, 16384, 65536)))
    nr = (w.files[path] + PAGE - 1) // PAGE
    kind = w.pick(("", " --shared"))
    at = {}
    for pid in w.pids:
        mmap(w, pid, nr, "rw", f" --file {path}{kind}")
        at[pid] = _address(w)
        w.line(f"touch ${pid} {hex(at[pid])} {w.size(nr * PAGE)} -r")
    for _ in range(w.number(1, 4)):
        page = w.number(0, nr - 1)
        writer, reader = w.pids if w.chance(50) else w.pids[::-1]
        w.line(f"store ${writer} {hex(at[writer] + page * PAGE + 100)} render")
        w.line(f"load ${reader} {hex(at[reader] + page * PAGE + 96)} 16 --hex")
        w.line(f"smaps ${writer}")
        w.line(f"pagemap ${reader} {hex(at[reader])} {w.size(nr * PAGE)} --raw")
    if w.chance(50):
        w.line("sync")
        w.line("smaps $p")
    _end(w, "p")
    _end(w, "s1")


def deep_recursion(w: Writer) -> None:
    """The stack grows page by page and then overflows."""
    w.spawn()
    w.line(f"setrlimit $p stack {w.pick(('256K', '512K', '1M'))}")
    at = 0x7FFFFFFDE000
    for _ in range(w.number(4, 12)):
        at -= w.number(1, 24) * PAGE
        w.line(f"touch $p {hex(at)} -w --probe")
        w.line(w.pick(("status $p", "cat-maps $p")))
    w.line("touch $p 0x7fffff000000 -w --probe")
    child = w.fork("p")
    w.line(f"touch ${child} {hex(at - PAGE)} -w --probe")
    _end(w, child)
    _end(w, "p")


SUBS = {
    "heap-hole": heap,
    "exit-keeps-cache": cache_outlives,
    "fork-shell": shell,
    "two-readers": two_readers,
    "deep-recursion": deep_recursion,
}
