"""The vocabulary of the generator, all but mmap: each function draws one call and writes its line.

A function gets the writer and a process; it may write nothing when the draw does not fit. Functions are found by
name in a category's table of weights (categories.py).
"""

from tests.differential.mappings import PROTS, file_rw, mmap
from tests.differential.writer import PAGE, Writer

FLAG_ADVICE = ("normal", "random", "sequential", "dontfork", "dofork", "dontdump", "dodump", "wipeonfork", "keeponfork", "hugepage",
               "nohugepage", "mergeable", "unmergeable")
PAGE_ADVICE = ("dontneed", "free", "populate_read", "populate_write", "cold", "pageout", "dontneed_locked", "guard_install", "guard_remove")
FILE_ADVICE = ("dontneed", "willneed", "random", "normal", "sequential", "populate_read")
TABLE = 512 * PAGE
"""What one page table maps."""


# --- calls that change areas ---


def munmap(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=40, odd=2):
        w.line(f"munmap ${pid} {w.addr(span[0])} {w.size(span[1])}")


def munmap_large(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=1024):
        w.line(f"munmap ${pid} {w.addr(span[0])} {w.size(span[1])}")


def mprotect(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=60, odd=2):
        w.line(f"mprotect ${pid} {w.addr(span[0])} {w.size(span[1])} {w.pick(PROTS)}")


def mprotect_rw(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=40):
        w.line(f"mprotect ${pid} {w.addr(span[0])} {w.size(span[1])} {w.pick(('rw', 'r', 'rw', 'none'))}")


def unify(w: Writer, pid: str) -> None:
    """Two neighbours get the same protection, at once or one after the other's example: do they become one?"""
    own = w.own(pid)
    pairs = [(a, b) for a, b in zip(own, own[1:], strict=False) if a.end == b.start and a.name == b.name]
    if not pairs:
        return
    a, b = w.pick(pairs)
    start, end, prot = w.pick(((a.start, b.end, "rw"), (a.start, b.end, "r"), (a.start, a.end, b.prot), (b.start, b.end, a.prot)))
    if w.is_safe(pid, start, end - start):
        w.line(f"mprotect ${pid} {w.addr(start)} {w.size(end - start)} {prot}")


def toggle(w: Writer, pid: str) -> None:
    """Used, made read-only, made writable again, used again."""
    areas = [a for a in w.own(pid) if a.perms.startswith("rw")]
    if areas:
        start, length = w.span(pid, most=12, beyond=0, areas=areas)
        where = f"{w.addr(start)} {w.size(length)}"
        if w.is_safe(pid, start, length):
            for text in ("touch ${} {} -w --probe", "mprotect ${} {} r", "mprotect ${} {} rw", "touch ${} {} -w --probe"):
                w.line(text.format(pid, where))


def madvise_flags(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=40, odd=2):
        w.line(f"madvise ${pid} {w.addr(span[0])} {w.size(span[1])} {w.pick(FLAG_ADVICE)}")


def madvise_pages(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=40, odd=2):
        w.line(f"madvise ${pid} {w.addr(span[0])} {w.size(span[1])} {w.pick(PAGE_ADVICE)}")


def across(w: Writer, pid: str) -> None:
    """One call from inside an area to inside another; where there is no hole between two, one is made now and then."""
    areas = [a for a in w.own(pid) if a.end - a.start >= 3 * PAGE]
    if areas and w.chance(50):
        area = w.pick(areas)
        at = area.start + w.number(1, min((area.end - area.start) // PAGE, 32) - 2) * PAGE
        if not w.is_safe(pid, at, PAGE):
            return
        w.line(f"munmap ${pid} {hex(at)} 4K")
    own = w.own(pid)
    near = [(a, b) for i, a in enumerate(own) for b in own[i + 1 : i + 4] if b.start - a.end <= 64 * PAGE]
    if not near:
        return
    a, b = w.pick([(a, b) for a, b in near if a.end < b.start] or near)
    start = a.end - w.number(1, min((a.end - a.start) // PAGE, 16)) * PAGE
    length = b.start + w.number(1, min((b.end - b.start) // PAGE, 16)) * PAGE - start
    call, *words = w.pick((f"madvise {w.pick(FLAG_ADVICE)}", f"madvise {w.pick(PAGE_ADVICE)}", f"mprotect {w.pick(('rw', 'r', 'none'))}",
                           "mlock", "mlock --onfault", "munlock", "msync", "munmap")).split()
    if w.is_safe(pid, start, length):
        where = [f"${pid}", w.addr(start), w.size(length)]
        w.line(" ".join([call, *words, *where] if words == ["--onfault"] else [call, *where, *words]))


def dontneed(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=60):
        w.line(f"madvise ${pid} {w.addr(span[0])} {w.size(span[1])} {w.pick(('dontneed', 'dontneed', 'free', 'dontneed_locked'))}")


def dontneed_large(w: Writer, pid: str) -> None:
    """All that one page table maps, or a page less: is the table freed?"""
    tables = [(at, a) for a in w.own(pid) for at in range(-(-a.start // TABLE) * TABLE, a.end - TABLE + 1, TABLE)]
    if not tables:
        return
    at, area = w.pick(tables)
    length = min(w.number(1, 3) * TABLE, (area.end - at) // TABLE * TABLE) - w.pick((0, 0, 0, PAGE))
    if w.is_safe(pid, at, length):
        if "w" in area.perms:
            w.line(f"touch ${pid} {hex(at + w.number(0, 511) * PAGE)} -w --probe")
        w.line(f"madvise ${pid} {w.addr(at)} {w.size(length)} dontneed")
        status(w, pid)


def remove(w: Writer, pid: str) -> None:
    """Punch a hole into shared memory."""
    if span := w.safe_span(pid, most=40, beyond=5):
        w.line(f"madvise ${pid} {w.addr(span[0])} {w.size(span[1])} {w.pick(('remove', 'dontneed'))}")


def fork_advice(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=40):
        w.line(f"madvise ${pid} {w.addr(span[0])} {w.size(span[1])} {w.pick(('dontfork', 'dofork', 'wipeonfork', 'keeponfork'))}")


def file_advice(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=100):
        w.line(f"madvise ${pid} {w.addr(span[0])} {w.size(span[1])} {w.pick(FILE_ADVICE)}")


def mremap(w: Writer, pid: str) -> None:
    """Grow, shrink or keep; in place or with --maymove."""
    if not (span := w.safe_span(pid, most=64, beyond=6, odd=2)):
        return
    start, old = span
    new = old if w.chance(35) else max(1, old // PAGE + w.number(-8, 12)) * PAGE
    w.line(f"mremap ${pid} {w.addr(start)} {w.size(old)} {w.size(new)}" + (" --maymove" if w.chance(75) else ""))


def mremap_fixed(w: Writer, pid: str) -> None:
    if not (span := w.safe_span(pid, most=64, beyond=6)):
        return
    start, old = span
    new = old if w.chance(70) else max(1, old // PAGE + w.number(-4, 6)) * PAGE
    to = w.pick((w.hole(pid, new // PAGE), 0x7E0000000000 + w.number(0, 800) * PAGE, start + PAGE))
    if w.is_safe(pid, to, new):
        w.line(f"mremap ${pid} {w.addr(start)} {w.size(old)} {w.size(new)} --maymove" + (" --dontunmap" if w.chance(20) else "") +
               f" --fixed {hex(to)}")


def mremap_dontunmap(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=64, beyond=3):
        w.line(f"mremap ${pid} {w.addr(span[0])} {w.size(span[1])} {w.size(span[1])} --maymove --dontunmap")


def mlock(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=60, odd=8):
        w.line(f"mlock ${pid} {w.addr(span[0])} {w.size(span[1])}" + (" --onfault" if w.chance(25) else ""))


def munlock(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=60, odd=4):
        w.line(f"munlock ${pid} {w.addr(span[0])} {w.size(span[1])}")


def mlockall(w: Writer, pid: str) -> None:
    w.line(f"mlockall ${pid} " + w.pick(("--current", "--future", "--current --future", "--future --onfault", "--current --onfault")))


def munlockall(w: Writer, pid: str) -> None:
    w.line(f"munlockall ${pid}")


def brk(w: Writer, pid: str) -> None:
    """By small and large steps, up and down."""
    by = w.pick((4096, 4096, 0x8000, 100, 1, 4095, 5000, 0x21000, -4096, -8192, -0x5064, -0x14064, 0x64000, 8192, -1, 0))
    w.line(f"brk ${pid}" + (f" --by {by if by < 0 else w.size(by)}" if by else ""))


def brk_to(w: Writer, pid: str) -> None:
    """To an address of its own, at times below the start."""
    w.line(f"brk ${pid} {0x408000 + w.number(-2 * PAGE, 60 * PAGE):#x}")


def heap_area(w: Writer, pid: str) -> None:
    """A mapping just above the break, or a hole in the heap."""
    heap = [a for a in w.areas(pid) if a.name == "[heap]"]
    end = heap[-1].end if heap else 0x408000
    nr = w.pages(12)
    if w.chance(50) and heap:
        area = w.pick(heap)
        nr = min(nr, (area.end - area.start) // PAGE)
        w.line(f"munmap ${pid} {hex(area.end - nr * PAGE)} {w.size(nr * PAGE)}")
    else:
        mmap(w, pid, nr, w.pick(("rw", "r")), f" --addr {hex(end + w.number(0, 12) * PAGE)} --fixed-noreplace")


def setrlimit(w: Writer, pid: str) -> None:
    """Around what is in use."""
    with open(f"/proc/{w.task(pid).pid}/statm") as f:
        total, _, _, _, _, data, _ = (int(n) * PAGE for n in f.read().split())
    name = w.pick(("as", "data", "memlock", "stack"))
    value = {"as": total, "data": data, "memlock": 0, "stack": 0x21000}[name] + w.number(0, 60) * PAGE + w.pick((0, 0, 100))
    w.line(f"setrlimit ${pid} {name} {w.size(value)}")


def stack_limit(w: Writer, pid: str) -> None:
    w.line(f"setrlimit ${pid} stack {w.pick(('64K', '256K', '512K', '1M', '8M', '16M', '100K'))}")


# --- accesses ---


def touch(w: Writer, pid: str) -> None:
    start, length = w.span(pid, most=120, beyond=10)
    access(w, pid, start, length)


def access(w: Writer, pid: str, start: int, length: int, kinds: str = "rrwwwrwwx") -> None:
    kind = w.pick(kinds)
    many = f" {w.size(length)}" if length > PAGE or w.chance(40) else ""
    w.line(f"touch ${pid} {w.addr(start)}{many} -{kind} --probe")


def touch_write(w: Writer, pid: str) -> None:
    start, length = w.span(pid, most=120, beyond=3)
    access(w, pid, start, length, "w")


def touch_program(w: Writer, pid: str) -> None:
    """The program's own pages, data and bss."""
    access(w, pid, 0x400000 + w.number(0, 8) * PAGE, PAGE, "rrwx")


def touch_wild(w: Writer, pid: str) -> None:
    """Where nothing is, in the kernel's half, non-canonical, or in the kernel's own areas."""
    where = w.pick((0x1000, 0, 0x7FFFFFFFF000, 0x800000000000, 0xFFFF888000000000, 0xFFFFFFFFFFFFF000, 0xFFFFFFFFFF600000))
    if w.chance(40):
        area = w.pick([a for a in w.areas(pid) if a.name.startswith("[v")])
        where = area.start + w.number(0, (area.end - area.start) // PAGE - 1) * PAGE
    w.line(f"touch ${pid} {hex(where)} -{w.pick('rw')} --probe")


def touch_stack(w: Writer, pid: str) -> None:
    """Below the stack: near, far, past the limit."""
    stack = [a for a in w.areas(pid) if a.name == "[stack]"]
    low = stack[0].start if stack else 0x7FFFFFFDE000
    if w.chance(20):
        start = low + w.number(0, 32) * PAGE
    else:
        start = low - w.number(1, w.pick((8, 60, 60, 2100))) * PAGE
    length = w.pick((1, PAGE, w.pages(20) * PAGE))
    access(w, pid, start, length, "wwr")


def touch_growsdown(w: Writer, pid: str) -> None:
    own = w.own(pid)
    if own:
        area = w.pick(own)
        access(w, pid, max(area.start - w.number(1, w.pick((2, 255, 300))) * PAGE, 0), PAGE, "wr")


def store(w: Writer, pid: str) -> None:
    areas = [a for a in w.own(pid) if "w" in a.perms]
    if areas:
        start, length = w.span(pid, most=20, beyond=0, areas=areas)
        at = start + w.number(16, max(length - 40, 17))
        w.line(f"store ${pid} {hex(at)} {w.pick(('hello', 'scene', 'x', 'render'))}")
        if pid in w.pids:
            load_at(w, pid, at)


def load_at(w: Writer, pid: str, at: int) -> None:
    w.line(f"load ${pid} {hex(at)} {w.pick((8, 16, 24))} --hex")


def load(w: Writer, pid: str) -> None:
    areas = [a for a in w.own(pid) if "r" in a.perms]
    if areas:
        start, length = w.span(pid, most=20, beyond=0, areas=areas)
        load_at(w, pid, start + w.number(0, length - 40))


# --- looking ---


def cat_maps(w: Writer, pid: str) -> None:
    w.line(f"cat-maps ${pid}")


def smaps(w: Writer, pid: str) -> None:
    w.line(f"smaps ${pid}")


def rollup(w: Writer, pid: str) -> None:
    w.line(f"smaps ${pid} --rollup")


def status(w: Writer, pid: str) -> None:
    w.line(f"status ${pid}")


def statm(w: Writer, pid: str) -> None:
    w.line(f"statm ${pid}")


def pagemap(w: Writer, pid: str) -> None:
    start, length = w.span(pid, most=64, beyond=5)
    w.line(f"pagemap ${pid} {w.addr(start)} {w.size(length)} --raw")


def mincore(w: Writer, pid: str) -> None:
    # the vector lies in a page that a forked child shares: writing it would copy the page
    if not w.has_forked:
        start, length = w.span(pid, most=60, beyond=10)
        w.line(f"mincore ${pid} {w.addr(start)} {w.size(length)}")


# --- processes and files ---


def fork(w: Writer, pid: str) -> None:
    if len(w.pids) < 4:
        w.fork(pid)


def exit(w: Writer, pid: str) -> None:
    if pid != "p" and w.chance(50):
        w.exit(pid)


def other_program(w: Writer, pid: str) -> None:
    """A second instance of the program, with a file mapped."""
    if len(w.pids) < 3:
        new = w.spawn()
        if w.files:
            file_rw(w, new)


def msync(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=40, beyond=5, odd=3):
        w.line(f"msync ${pid} {w.addr(span[0])} {w.size(span[1])}")


def sync(w: Writer, pid: str) -> None:
    w.line("sync")


def write(w: Writer, pid: str) -> None:
    path = w.pick(list(w.files))
    w.line(f"write ${pid} {path} {w.number(0, max(w.files[path] - 30, 1))} {w.pick(('hello', 'SCENE', 'DATADATADATADATADATA'))}")


def truncate(w: Writer, pid: str) -> None:
    path = w.pick(list(w.files))
    w.line(f"truncate {path} {w.number(1, w.pick((4096, 6000, 30000, 80000)))}")


def rmfile(w: Writer, pid: str) -> None:
    """A file that nobody opens again; what maps it keeps it."""
    if len(w.files) < 2:
        w.mkfile(f"more{w.nr_made}.dat", w.pick((4096, 20000, 65536)))
        file_rw(w, pid)
    path = w.pick(list(w.files))
    del w.files[path]
    w.line(f"rmfile {path}")


def reread(w: Writer, pid: str) -> None:
    """Everything clean, dropped, and read again."""
    path = w.pick(list(w.files))
    w.line("sync")
    w.line("drop-caches 1")
    mincore(w, pid)
    w.line(f"read ${pid} {path} 0 {w.files[path] + 5000}")
