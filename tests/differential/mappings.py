"""The vocabulary of the generator: every way to make an area (calls.py has the other calls)."""

from tests.differential.writer import PAGE, Writer

PROTS = ("rw", "rw", "r", "none", "rx", "rwx")


def mmap(w: Writer, pid: str, nr: int, prot: str, extra: str = "") -> None:
    w.name_result(f"mmap ${pid} {w.size(nr * PAGE)} --prot {prot}{extra}")


def anon(w: Writer, pid: str) -> None:
    mmap(w, pid, w.pages(64), w.pick(PROTS))


def anon_rw(w: Writer, pid: str) -> None:
    mmap(w, pid, w.pages(48), "rw")


def anon_small(w: Writer, pid: str) -> None:
    mmap(w, pid, w.pages(4), w.pick(("rw", "r", "rw", "none")))


def anon_large(w: Writer, pid: str) -> None:
    mmap(w, pid, w.number(16, 180), "rw", " --populate" if w.chance(40) else "")


def shared(w: Writer, pid: str) -> None:
    mmap(w, pid, w.pages(16), w.pick(("rw", "rw", "r", "rwx")), " --shared")


def flagged(w: Writer, pid: str) -> None:
    """The flags that change the area or how it is filled."""
    flag = w.pick(("--noreserve", "--stack", "--populate", "--locked", "--noreserve --populate", "--private"))
    mmap(w, pid, w.pages(24), w.pick(PROTS), f" {flag}")


def populated(w: Writer, pid: str) -> None:
    mmap(w, pid, w.pages(24), w.pick(("rw", "r")), " --populate")


def locked(w: Writer, pid: str) -> None:
    mmap(w, pid, w.pages(32), w.pick(("rw", "r", "none")), " --locked")


def file_part(w: Writer, nr_most: int = 48) -> tuple[str, int, str]:
    """(path, pages, option): somewhere in a file, at times past its end."""
    path = w.pick(list(w.files))
    total = (w.files[path] + PAGE - 1) // PAGE
    if w.chance(50):
        return path, min(total, 2000), ""
    first = w.number(0, total - 1)
    nr = min(w.pages(nr_most), total - first + w.pick((0, 0, 0, 3)))
    return path, nr, f" --offset {w.size(first * PAGE)}" if first else ""


def file(w: Writer, pid: str) -> None:
    path, nr, offset = file_part(w)
    mmap(w, pid, nr, w.pick(("rw", "r", "rx", "none", "rwx")), f" --file {path}{offset}" + (" --shared" if w.chance(35) else ""))


def file_rw(w: Writer, pid: str) -> None:
    path, nr, offset = file_part(w)
    mmap(w, pid, nr, "rw", f" --file {path}{offset}" + (" --shared" if w.chance(40) else ""))


def file_fixed(w: Writer, pid: str) -> None:
    path, nr, offset = file_part(w, 24)
    at = w.hole(pid, nr)
    if nr <= 40 and w.is_safe(pid, at, nr * PAGE):
        how = w.pick(("--fixed", "--fixed-noreplace"))
        kind = " --shared" if w.chance(30) else ""
        mmap(w, pid, nr, w.pick(("rw", "r", "rx", "none")), f" --file {path}{offset} --addr {w.addr(at)} {how}{kind}")


def beside(w: Writer, pid: str) -> None:
    """At a place: next to an area, over it, or near it."""
    nr = w.pages(8)
    at = w.hole(pid, nr)
    if w.is_safe(pid, at, nr * PAGE):
        how = w.pick(("--fixed", "--fixed-noreplace"))
        mmap(w, pid, nr, w.pick(("rw", "rw", "r", "none")), f" --addr {w.addr(at)} {how}" + (" --shared" if w.chance(8) else ""))


def apart(w: Writer, pid: str) -> None:
    """A used area a few pages above another: it has an anon_vma of its own."""
    areas = [a for a in w.own(pid) if not a.name and a.start > 1 << 20]
    if not areas:
        return
    area, nr = w.pick(areas), w.pages(4)
    at = area.end + w.number(1, 3) * PAGE
    if all(at + (nr + 3) * PAGE <= a.start or a.end <= at for a in w.areas(pid)):
        mmap(w, pid, nr, "rw", f" --addr {hex(at)} --fixed-noreplace")
        w.line(f"touch ${pid} {hex(at)} -w --probe")


def bridge(w: Writer, pid: str) -> None:
    """Fill the hole between two areas that are alike, or close it by moving the upper one down."""
    own = w.own(pid)
    near = [(a, b) for a, b in zip(own, own[1:], strict=False) if 0 < b.start - a.end <= 16 * PAGE]
    holes = [(a, b) for a, b in near if a.perms == b.perms and a.name == b.name == ""]
    if not holes:
        return
    a, b = w.pick(holes)
    if w.chance(30):
        length = min(b.end - b.start, b.start - a.end)
        w.line(f"mremap ${pid} {hex(b.start)} {w.size(length)} {w.size(length)} --maymove --fixed {hex(a.end)}")
    else:
        kind = " --shared" if a.perms[3] == "s" else ""
        mmap(w, pid, (b.start - a.end) // PAGE, a.prot, f" --addr {hex(a.end)} --fixed-noreplace{kind}")
    if w.chance(60):
        w.line(f"mprotect ${pid} {hex(a.start)} {w.size(b.end - a.start)} {w.pick(('r', 'rw', 'rwx'))}")


def seam(w: Writer, pid: str) -> None:
    """Two used areas with a hole between them, and the hole is filled: each used area has an anon_vma of its own."""
    at, nr = 0x7B0000000000 + w.number(0, 64) * 16 * PAGE, w.number(1, 3)
    if all(at + 8 * PAGE <= a.start or a.end <= at for a in w.areas(pid)):
        for start in (at, at + (nr + 1) * PAGE):
            mmap(w, pid, nr, "rw", f" --addr {hex(start)} --fixed")
            w.line(f"touch ${pid} {hex(start)} -w --probe")
        mmap(w, pid, 1, "rw", f" --addr {hex(at + nr * PAGE)} --fixed")
        w.line(f"cat-maps ${pid}")


def heir(w: Writer, pid: str) -> None:
    """A used area is inherited, and both sides map beside it: only the one that has its anon_vma alone may go on with it."""
    areas = [a for a in w.own(pid) if a.perms == "rw-p" and not a.name and a.start > 1 << 30]
    if not areas or len(w.pids) > 2:
        return
    area = w.pick(areas)
    w.line(f"touch ${pid} {hex(area.start)} -w --probe")
    child = w.fork(pid) if pid in w.pids else None
    for side in (child, pid) if child else ():
        if all(area.end + PAGE <= a.start or a.end <= area.end for a in w.areas(side)):
            mmap(w, side, 1, "rw", f" --addr {hex(area.end)} --fixed-noreplace")
            w.line(f"cat-maps ${side}")


def file_beside(w: Writer, pid: str) -> None:
    """The same file with the same flags right after or before one of its areas: at the offset that goes on, or at another."""
    areas = [a for a in w.own(pid) if a.name in w.files]
    if not areas:
        return
    area, nr = w.pick(areas), w.pages(8)
    at, offset = area.end, area.offset + area.end - area.start
    if w.chance(50):
        at, offset = area.start - nr * PAGE, area.offset - nr * PAGE
    offset = max(offset + w.pick((0, 0, 0, PAGE, -PAGE, 4 * PAGE)), 0)
    if w.is_safe(pid, at, nr * PAGE):
        options = f" --file {area.name} --offset {hex(offset)} --addr {hex(at)} {w.pick(('--fixed-noreplace', '--fixed'))}"
        mmap(w, pid, nr, area.prot, options + (" --shared" if area.perms[3] == "s" else ""))


def hint(w: Writer, pid: str) -> None:
    """A hint without --fixed: anywhere, unaligned, low, or above the end of user space."""
    nr = w.pages(40)
    at = w.hole(pid, nr)
    kind = w.number(0, 9)
    if kind == 7:
        at += w.pick((1, 0x800, 0xFFF))
    elif kind == 8:
        at = w.pick((0x1000, 0x8000, 0x10000, 0x7FFF0012C000, 0x7FFFF0000000, 0x7E00000C3000))
    elif kind == 9:
        at = w.pick((0x7FFFFFFFF000, 0x7FFFFFFDE000, 0x7FFFFFEDE000, 0x7FFFFFEDD000, 0x800000000000))
    mmap(w, pid, nr, w.pick(PROTS), f" --addr {w.addr(at)}" + (" --shared" if w.chance(25) else ""))


def aligned(w: Writer, pid: str) -> None:
    """Lengths around multiples of 2M, where placement is aligned."""
    nr = 512 * w.number(1, 3) + w.pick((0, 0, 0, 3, -1, 100))
    mmap(w, pid, nr, w.pick(("none", "r", "rw")), w.pick(("", "", "", " --shared", " --noreserve", " --stack")))


def far(w: Writer, pid: str) -> None:
    """In page tables of its own: around 2M, 1G and 512G borders."""
    base = w.pick((0x40200000, 0x140002000, 0x180000000, 0x240000000, 0x8000202000, 0x8040002000, 0x8140000000, 0x7E0000001000, 0x3FE00000))
    at = base + w.number(0, 3) * (2 << 20)
    mmap(w, pid, w.pick((512, 1024, 1536, 600, 5)), "rw", f" --addr {hex(at)} --fixed")


def growsdown(w: Writer, pid: str) -> None:
    nr = w.pages(4)
    place = f" --addr {hex(0x7E0000400000 + w.number(0, 300) * PAGE)} --fixed" if w.chance(50) else ""
    mmap(w, pid, nr, "rw", f" --growsdown{place}")
