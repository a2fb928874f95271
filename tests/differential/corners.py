"""Combinations that programs rarely make: every call with every other, limits lowered under use, moves of several areas at once.

The other categories draw what was recorded and its mix; this one draws what could be asked. Functions of a call have the
form of calls.py; the tables at the end say what is combined.
"""

from tests.differential import calls, conditions
from tests.differential.mappings import file, mmap
from tests.differential.writer import PAGE, TASK_SIZE, Writer

HUGE = 2 << 20
PROTECTIONS = ("rw", "rw", "r", "none", "wx" if conditions.has_protection_keys() else "x", "w", "rwx", "wx")
EVERY_ADVICE = (*calls.FLAG_ADVICE, *calls.PAGE_ADVICE, "willneed", "collapse", "remove")


def many(w: Writer, pid: str) -> tuple[int, int] | None:
    """(address, length) that reaches over several areas and the holes between them."""
    own = w.own(pid)
    if len(own) < 2:
        return None
    first = w.number(0, len(own) - 2)
    a, b = own[first], own[min(first + w.number(1, 3), len(own) - 1)]
    start = a.start + w.pick((0, w.number(0, (a.end - a.start) // PAGE - 1) * PAGE))
    end = b.start + w.pick(((b.end - b.start), w.number(1, (b.end - b.start) // PAGE) * PAGE))
    return (start, end - start) if end - start <= 4096 * PAGE and w.is_safe(pid, start, end - start) else None


def mremap_many(w: Writer, pid: str) -> None:
    """Several areas move at once: the same length, to a place of our choice."""
    if span := many(w, pid):
        start, length = span
        to = w.pick((0x7E0000000000 + w.number(0, 800) * PAGE, 0x7D0000000000 + w.number(0, 4) * HUGE, w.hole(pid, length // PAGE)))
        if w.is_safe(pid, to, length):
            w.line(f"mremap ${pid} {hex(start)} {w.size(length)} {w.size(length)} --maymove" + (" --dontunmap" if w.chance(20) else "") +
                   f" --fixed {hex(to)}")


def mremap_copy(w: Writer, pid: str) -> None:
    """An old length of 0: shared memory is mapped a second time."""
    span = w.safe_span(pid, most=40)
    if span:
        to = f" --fixed {hex(0x7E0000000000 + w.number(0, 800) * PAGE)}" if w.chance(40) else ""
        w.line(f"mremap ${pid} {w.addr(span[0])} 0 {w.size(w.pages(20) * PAGE)} --maymove{to}")


def mremap_any(w: Writer, pid: str) -> None:
    """Every argument from a set of likely and unlikely values."""
    span = w.safe_span(pid, most=64, beyond=25, odd=6)
    if not span:
        return
    start, old = span
    new = w.pick((old, old, old + PAGE, old + 16 * PAGE, max(old - PAGE, 0), PAGE, 0, old + HUGE, old - 1))
    old = w.pick((old, old, old, 0, old + 1))
    flags = w.pick((" --maymove", " --maymove", "", " --maymove --dontunmap", " --dontunmap"))
    if "--maymove" in flags and w.chance(40):
        to = w.pick((start + PAGE, start + old, start - PAGE, w.hole(pid, 4), TASK_SIZE - PAGE, TASK_SIZE, 0x1000, 0, start + 0x10))
        if not w.is_safe(pid, max(to, 0), max(new, PAGE)) and to != TASK_SIZE:
            return
        flags += f" --fixed {hex(max(to, 0))}"
    if w.is_safe(pid, start & -PAGE, max(old, new) + PAGE):
        w.line(f"mremap ${pid} {hex(start)} {w.size(old)} {w.size(max(new, 0))}{flags}")


def advise_any(w: Writer, pid: str) -> None:
    """Any advice for any range."""
    span = many(w, pid) if w.chance(20) else w.safe_span(pid, most=600, odd=2)
    if span:
        w.line(f"madvise ${pid} {w.addr(span[0])} {w.size(span[1])} {w.pick(EVERY_ADVICE)}")


def populate(w: Writer, pid: str) -> None:
    """Fill a range whatever its areas allow."""
    span = many(w, pid) if w.chance(40) else w.safe_span(pid, most=64)
    if span:
        w.line(f"madvise ${pid} {w.addr(span[0])} {w.size(span[1])} {w.pick(('populate_read', 'populate_write'))}")


def guard(w: Writer, pid: str) -> None:
    if span := w.safe_span(pid, most=24):
        w.line(f"madvise ${pid} {w.addr(span[0])} {w.size(span[1])} {w.pick(('guard_install', 'guard_install', 'guard_remove'))}")


def limit(w: Writer, pid: str) -> None:
    """Below, at and above what is in use, and back."""
    with open(f"/proc/{w.task(pid).pid}/status") as f:
        kb = {line.split(":")[0]: int(line.split()[1]) for line in f if line.startswith("Vm")}
    name = w.pick(("as", "data", "memlock", "stack"))
    used = {"as": kb["VmSize"], "data": kb["VmData"], "memlock": kb["VmLck"], "stack": kb["VmStk"]}[name] << 10
    value = w.pick((used, used - PAGE, used + PAGE, used + 17 * PAGE, used // 2, 0, used + 100, used - 1, 8 << 20))
    w.line(f"setrlimit ${pid} {name} {w.size(max(value, 0))}")


def lock_all(w: Writer, pid: str) -> None:
    w.line(f"mlockall ${pid} " + w.pick(("--current", "--future", "--current --future", "--future --onfault", "--current --onfault",
                                         "--current --future --onfault")))


def unlock_all(w: Writer, pid: str) -> None:
    w.line(f"munlockall ${pid}")


def odd_mmap(w: Writer, pid: str) -> None:
    """Several flags at once, those that do not go together too."""
    flags = [flag for flag in ("--shared", "--noreserve", "--stack", "--populate", "--locked", "--growsdown") if w.chance(22)]
    if w.chance(40):
        at = w.hole(pid, 8)
        if not w.is_safe(pid, at, 16 * PAGE):
            return
        flags.append(f"--addr {hex(at + w.pick((0, 0, 0, 8)))}" + w.pick(("", " --fixed", " --fixed-noreplace")))
    if w.files and w.chance(30):
        path = w.pick(list(w.files))
        flags.append(f"--file {path}" + w.pick(("", " --offset 4096", " --offset 8192", " --offset 0x100")))
    elif w.chance(8) and "--noreserve" not in flags:
        flags.append("--hugetlb " + w.pick(("2M", "1G")))
    prot = w.pick(PROTECTIONS)
    w.name_result(" ".join([f"mmap ${pid} {w.size(w.pages(16) * PAGE - w.pick((0, 0, 0, 5)))} --prot {prot}", *flags]))


def huge(w: Writer, pid: str) -> None:
    """An area with room for huge pages, which are asked for."""
    nr = 512 * w.number(1, 2) + w.pick((0, 0, 100))
    mmap(w, pid, nr, "rw", w.pick(("", "", f" --addr {hex(0x7E0000000000 + w.number(0, 8) * (HUGE // 2))} --fixed")))
    at = w.answers[-1].out
    if at:
        w.line(f"madvise ${pid} {at} {nr * PAGE} hugepage")
        w.line(f"touch ${pid} {hex(int(at, 16) + w.number(0, nr - 1) * PAGE)} -{w.pick('wwr')} --probe")


def huge_shared(w: Writer, pid: str) -> None:
    """A huge page that a child shares, mapped by small entries on this side, and advice on part of it."""
    areas = [a for a in w.own(pid) if a.perms == "rw-p" and not a.name and -(-a.start // HUGE) * HUGE + HUGE <= a.end]
    if not areas or len(w.pids) > 2:
        return
    first = -(-w.pick(areas).start // HUGE) * HUGE
    if not w.is_safe(pid, first, HUGE):
        return
    w.line(f"madvise ${pid} {hex(first)} 2M hugepage")
    w.line(f"touch ${pid} {hex(first + w.number(0, 511) * PAGE)} -w --probe")
    if w.fork(pid):
        w.line(f"mprotect ${pid} {hex(first + w.number(0, 100) * PAGE)} 4K r")
        w.line(f"madvise ${pid} {hex(first + w.number(128, 400) * PAGE)} 64K {w.pick(('free', 'free', 'cold', 'pageout'))}")
        w.line(f"smaps ${pid}")


def huge_part(w: Writer, pid: str) -> None:
    """A call on a huge page, on part of it, or on one page more."""
    areas = [a for a in w.own(pid) if a.end - a.start >= HUGE // 2]
    if not areas:
        return
    a = w.pick(areas)
    first = -(-a.start // HUGE) * HUGE
    start = w.pick((a.start, first, first, first + PAGE, first + 16 * PAGE, first + HUGE, first + HUGE // 2))
    length = w.pick((PAGE, 16 * PAGE, HUGE, HUGE, HUGE // 2, HUGE + PAGE, a.end - a.start))
    start = min(max(start, a.start), a.end - PAGE)
    length = min(length, a.end - start)
    call, *words = w.pick(("mprotect r", "mprotect rw", "mprotect none", "munmap", "mlock", "mlock --onfault", "munlock", "msync",
                           f"madvise {w.pick(EVERY_ADVICE)}", f"madvise {w.pick(EVERY_ADVICE)}", "madvise collapse", "madvise free",
                           "touch", "touch", "mremap", "mremap", "madvise dontneed")).split()
    where = f"{hex(start)} {w.size(length)}"
    if not w.is_safe(pid, start, length):
        return
    if call == "touch":
        w.line(f"touch ${pid} {where} -{w.pick('wr')} --probe")
    elif call == "mremap":
        to = w.pick((0x7D0000000000, 0x7D0000000000 + PAGE, 0x7D0000000000 + 3 * HUGE, 0x7D0000000000 + (start & HUGE - 1)))
        w.line(f"mremap ${pid} {where} {w.size(length)} --maymove" + (" --dontunmap" if w.chance(25) else "") + f" --fixed {hex(to)}")
    elif words == ["--onfault"]:
        w.line(f"{call} --onfault ${pid} {where}")
    else:
        w.line(" ".join([call, f"${pid}", where, *words]))


def truncate_any(w: Writer, pid: str) -> None:
    """Smaller, and larger again."""
    path = w.pick(list(w.files))
    w.line(f"truncate {path} {w.number(0, w.files[path] + 20000)}")


def write_any(w: Writer, pid: str) -> None:
    """Within the file, across a page's end, and past its end."""
    path = w.pick(list(w.files))
    w.line(f"write ${pid} {path} {w.pick((0, 4090, w.number(0, w.files[path]), w.files[path] + w.number(0, 9000)))} "
           f"{w.pick(('hello', 'DATADATADATADATADATA'))}")


def look(w: Writer, pid: str) -> None:
    w.pick((calls.smaps, calls.smaps, calls.status, calls.cat_maps, calls.statm, calls.pagemap, calls.rollup, calls.mincore))(w, pid)


def file_any(w: Writer, pid: str) -> None:
    file(w, pid)
