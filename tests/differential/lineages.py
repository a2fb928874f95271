"""Long families and far ends: forks of forks, moves of what was inherited and back, holes, offsets at the limits, areas in many pieces.

What fresh recordings found that nothing else had drawn. Functions of a call have the form of calls.py.
"""

from tests.differential import calls
from tests.differential.mappings import mmap
from tests.differential.writer import PAGE, Writer

MOST_PIDS = 6
LAST = 0x7FFFFFFFFFFFF000  # the first offset of a page that is no loff_t's


def fork_on(w: Writer, pid: str) -> None:
    """The youngest forks, as a rule: forks of forks of forks."""
    if len(w.pids) < MOST_PIDS:
        w.fork(w.pids[-1] if w.chance(70) else pid)


def there_and_back(w: Writer, pid: str) -> None:
    """An area moves away, one without pages comes to where it was or beside it, and it moves back (or nearly)."""
    span = w.safe_span(pid, most=16, beyond=0)
    if not span:
        return
    start, length = span
    away = 0x7D0000000000 + w.number(0, 60) * 64 * PAGE
    if not w.is_safe(pid, start - 4 * PAGE, length + 8 * PAGE):
        return
    keep = w.pick(("", "", " --dontunmap"))
    w.line(f"mremap ${pid} {hex(start)} {w.size(length)} {w.size(length)} --maymove{keep} --fixed {hex(away)}")
    nr = w.number(1, 4)
    side = w.pick((start - nr * PAGE, start + length))
    mmap(w, pid, nr, w.pick(("rw", "rw", "r")), f" --addr {hex(side)} --fixed")
    if w.chance(30):
        w.line(f"touch ${pid} {hex(side)} -{w.pick('wr')} --probe")
    if w.chance(30):
        fork_on(w, pid)
    back = start + w.pick((0, 0, 0, PAGE, -PAGE))
    w.line(f"mremap ${pid} {hex(away)} {w.size(length)} {w.size(length)} --maymove --fixed {hex(back)}")
    calls.cat_maps(w, pid)


def punch(w: Writer, pid: str) -> None:
    """A hole anywhere: within a page, the first page too, across pages, past the end."""
    path = w.pick(list(w.files))
    nr = w.files[path]
    offset = w.pick((0, 100, PAGE - 1, PAGE, w.number(0, nr), w.number(0, nr // PAGE) * PAGE))
    length = w.pick((1, 100, PAGE - 1, PAGE, PAGE + 1, w.number(1, 8) * PAGE, w.number(1, nr)))
    w.line(f"fallocate {path} {offset} {length} --punch-hole")


def rewrite(w: Writer, pid: str) -> None:
    """Truncated to nothing, written anew; what a later close does of it shows in the mappings."""
    path = w.pick(list(w.files))
    w.line(f"truncate {path} 0")
    w.line(f"write ${pid} {path} {w.pick((0, 100, 5000, w.number(0, 30000)))} {w.pick(('hello', 'DATADATADATADATA'))}")


def pageout_any(w: Writer, pid: str) -> None:
    """Of any area: the program's own, which it may not write, files, shared and private memory."""
    areas = [a for a in w.areas(pid) if not a.name.startswith("[v")]
    span = w.span(pid, most=64, areas=areas)
    if w.is_safe(pid, span[0], span[1]):
        w.line(f"madvise ${pid} {hex(span[0])} {w.size(span[1])} pageout")


def extreme_offset(w: Writer, pid: str) -> None:
    """A file mapped where it cannot have a page: at the ends of what ext4, loff_t and pgoff_t can say."""
    end = w.pick((1 << 44, 1 << 44, 1 << 62, LAST, LAST, 1 << 63, (1 << 64) - PAGE))
    offset = max(end - w.pick((0, PAGE, PAGE, 2 * PAGE, 512 * PAGE, w.number(0, 4096) * PAGE)), 0)
    nr = w.pick((1, 1, 2, 512, 513, w.pages(600)))
    flags = w.pick(("", " --shared", " --noreserve", " --stack", " --populate"))
    flags += w.pick(("", "", " --addr 0x7e0000000000 --fixed-noreplace"))
    file = f"--prot {w.pick(('r', 'rw', 'none'))} --file {w.pick(list(w.files))}"
    w.name_result(f"mmap ${pid} {w.size(nr * PAGE)} {file} --offset {offset:#x}{flags}")


def pieces(w: Writer, pid: str) -> None:
    """One area becomes up to a hundred: every second page may be read only."""
    nr = 2 * w.number(10, 50)
    mmap(w, pid, nr, "rw", "")
    base = w.answers[-1].out
    for page in range(1, nr, 2) if base else ():
        w.line(f"mprotect ${pid} {hex(int(base, 16) + page * PAGE)} 4K r")
