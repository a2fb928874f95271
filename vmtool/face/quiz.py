"""Questions on a machine that was drawn from a seed, answered by the machine itself.

A scenario is a script of some dozen lines, drawn with splitmix64, so that a seed gives the same one everywhere. A question that asks what
an access would cost lets the machine do it, and takes it back.
"""

from __future__ import annotations

from vmtool.errors import KernelError, Signal
from vmtool.procfs.vmflags import permissions
from vmtool.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmtool._core import Machine

KERNEL_HALF = 1 << 63
MASK = (1 << 64) - 1
LEVELS = "pgd, pud, pmd or pte"


class Question(NamedTuple):
    """`form` says what an answer looks like."""

    text: str
    form: str
    answer: str


class Draw:
    """splitmix64."""

    def __init__(self, seed: int):
        self.state = seed & MASK

    def below(self, n: int) -> int:
        self.state = self.state + 0x9E3779B97F4A7C15 & MASK
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return (z ^ z >> 31) % n

    def one(self, of):
        return of[self.below(len(of))]


def scenario(draw: Draw) -> list[str]:
    """Lines of a script: two programs, memory of each kind, a fork."""
    nr_heap, nr_file, nr_anon = 2 + draw.below(5), 2 + draw.below(6), 3 + draw.below(6)
    kind = draw.one(("--private", "--shared"))
    lines = [
        "init",
        f"mkfile scene.dat {nr_file * 4}K",
        "spawn render",
        "spawn viewer",
        f"brk 1 --by {nr_heap * 4}K",
        f"touch 1 heap {1 + draw.below(nr_heap)}p",
        f"f = mmap 1 {nr_file * 4}K {kind} --file scene.dat",
        f"g = mmap 2 {nr_file * 4}K --private --file scene.dat",
        f"touch 1 $f {1 + draw.below(nr_file)}p -r",
        f"touch 2 $g {1 + draw.below(nr_file)}p -r",
        f"a = mmap 1 {nr_anon * 4}K",
    ]
    lines.append(f"touch 1 $a {1 + draw.below(nr_anon - 1)}p{draw.one(('', ' -r'))}")
    more = [
        f"store 1 scene.dat+{4 * draw.below(nr_file)}K hello",
        "store 2 scene.dat hello",
        "mprotect 1 $a 4K r",
        "madvise 1 heap 4K dontneed",
        f"munmap 2 $g {1 + draw.below(nr_file - 1)}p",
        "switch 2",
    ]
    for _ in range(2):
        lines.append(more.pop(draw.below(len(more))))
    if draw.below(3):
        lines.append("fork 1")
        lines.append(draw.one(("store 3 heap x", "touch 3 $a 4K -r", "touch 1 heap 4K", "exit 1")))
    return [_in_kb(line) for line in lines]


def _in_kb(line):
    """`3p` is three pages."""
    return " ".join([f"{int(word[:-1]) * 4}K" if word[-1:] == "p" and word[:-1].isdigit() else word for word in line.split(" ")])


def questions(machine: Machine, draw: Draw, nr: int) -> list[Question]:
    """As many as can be asked, each kind in turn, none twice."""
    asked: list[Question] = []
    seen: set[str] = set()
    for turn in range(20 * nr):
        found = KINDS[turn % len(KINDS)](machine, draw)
        if found is not None and found.text not in seen:
            seen.add(found.text)
            asked.append(found)
        if len(asked) == nr:
            break
    return asked


# --- places ----------------------------------------------------------------------------------------------------


def _areas(machine, pid):
    return [vma for vma in machine.maps(pid) if vma.start < KERNEL_HALF and vma.name not in ("[vvar]", "[vvar_vclock]", "[vdso]")]


def _pid(machine, draw):
    return draw.one([task.pid for task in machine.tasks() if task.has_mm])


def _place(machine, draw):
    """(pid, a page of an area, the area)."""
    pid = _pid(machine, draw)
    area = draw.one(_areas(machine, pid))
    shift = machine.info().page_shift
    return pid, area.start + (draw.below(area.end - area.start >> shift) << shift), area


def _near(machine, draw):
    """(pid, address): mostly mapped, now and then where nothing is."""
    pid, addr, area = _place(machine, draw)
    info = machine.info()
    table_bytes = 1 << info.page_shift + info.pmd_order
    return (pid, addr) if draw.below(4) else (pid, draw.one((area.end, (area.end + table_bytes) & -table_bytes, 0x10000000000, 0)))


# --- kinds of questions ------------------------------------------------------------------------------------------


def ask_maps(machine, draw):
    pid, addr, _ = _place(machine, draw)
    area = next(vma for vma in machine.maps(pid) if vma.start <= addr < vma.end)
    return Question(
        f"Which line of /proc/{pid}/maps holds 0x{addr:x}? Give its range and its permissions.",
        "START-END PERMS",
        f"{area.start:x}-{area.end:x} {permissions(area.flags)}",
    )


def ask_level(machine, draw):
    pid, addr = _near(machine, draw)
    walk = machine.walk(pid, addr)
    answer = "none" if walk.phys is not None else walk.steps[-1].level
    return Question(
        f"The processor walks process {pid}'s tables for 0x{addr:x}. In which level does it find an entry that is not present?",
        f"{LEVELS}, or none",
        answer,
    )


def ask_faults(machine, draw):
    pid, addr, area = _place(machine, draw)
    nr = 1 + draw.below(4)
    access = draw.one("rw")
    found = _tried(machine, lambda: machine.touch(pid, addr, nr << machine.info().page_shift, access))
    if not isinstance(found, tuple):
        return None
    return Question(
        f"Process {pid} {'reads' if access == 'r' else 'writes to'} {nr} pages from 0x{addr:x} on. How many minor faults, and how "
        "many major ones?",
        "MINOR MAJOR",
        f"{found[0]} {found[1]}",
    )


def ask_signal(machine, draw):
    pid, addr = _near(machine, draw)
    access = draw.one("rwwx")
    found = _tried(machine, lambda: machine.touch(pid, addr, 1, access))
    if found is None:
        return None
    verb = {"r": "reads", "w": "writes", "x": "executes"}[access]
    return Question(
        f"Process {pid} {verb} the byte at 0x{addr:x}. Which signal does it get, with which code?",
        "SIGNAL CODE, or none",
        found if isinstance(found, str) else "none",
    )


def _tried(machine, act: Callable[[], tuple]):
    """What an access gives on the machine, which is then as before: counts, the signal in words, None for another failure."""
    point = machine.savepoint()
    try:
        return tuple(act())
    except Signal as signal:
        return f"{signal.name} {signal.code}"
    except KernelError:
        return None
    finally:
        machine.rollback(point)


def ask_pss(machine, draw):
    pid = _pid(machine, draw)
    entries = [entry for entry in machine.smaps(pid) if entry.stats.resident]
    entry = draw.one(entries)
    return Question(
        f"What is the Pss of the area at 0x{entry.vma.start:x} of process {pid}, in kB, as smaps prints it?",
        "KB",
        str(entry.stats.pss >> 22),
    )


def ask_rss(machine, draw):
    pid = _pid(machine, draw)
    mm = machine.mm(pid)
    return Question(
        f"How many pages of process {pid} are resident: anonymous ones, and those of files?", "ANON FILE", f"{mm.rss_anon} {mm.rss_file}"
    )


def ask_entry(machine, draw):
    pid, addr, _ = _place(machine, draw)
    steps = machine.walk(pid, addr).steps
    flags = steps[-1].flags if steps[-1].level == "pte" and steps[-1].present else ()
    letters = " ".join([name for name in ("P", "RW", "D") if name in flags]) or "-"
    return Question(
        f"Of P (present), RW (writable) and D (dirty), which bits are set in process {pid}'s PTE for 0x{addr:x}?",
        "some of P RW D, or -",
        letters,
    )


def ask_index(machine, draw):
    pid, addr, _ = _place(machine, draw)
    level = draw.below(4)
    name = ("pte", "pmd", "pud", "pgd")[level]
    info = machine.info()  # of a format whose tables all have as many entries
    index = addr >> info.page_shift + info.pmd_order * level & (1 << info.pmd_order) - 1
    return Question(f"Which entry of the {name} table does 0x{addr:x} select?", "NUMBER", str(index))


def ask_sharers(machine, draw):
    pid, addr, _ = _place(machine, draw)
    walk = machine.walk(pid, addr)
    if walk.phys is None:
        return None
    frame = machine.frames([walk.phys >> walk.page_shift])[0]
    if frame.kind == "zero":
        return None
    return Question(
        f"How many entries of page tables point to the frame behind 0x{addr:x} of process {pid}?", "NUMBER", str(frame.mapcount)
    )


KINDS = (ask_maps, ask_faults, ask_level, ask_entry, ask_pss, ask_signal, ask_sharers, ask_rss, ask_index)


# --- paper -----------------------------------------------------------------------------------------------------------


def render(seed: int, lines: list[str], asked: list[Question], solved: bool) -> Iterator[str]:
    """The paper, line by line."""
    yield f"Quiz {seed}"
    yield ""
    yield "On a new machine this script has run (`vmtool run` runs it):"
    yield ""
    yield from [f"    {line}" for line in lines]
    yield ""
    yield f"Answer with a line for each question, its number first, as in `1: 42`; `vmtool quiz --seed {seed} --check FILE` marks them."
    yield "Each question is about the machine as the script left it."
    for number, question in enumerate(asked, 1):
        yield ""
        yield f"{number}. {question.text} ({question.form})"
        if solved:
            yield f"   {number}: {question.answer}"


def is_right(question: Question, given: str) -> bool:
    """Blanks, capitals and 0x do not matter; numbers may have leading zeros."""
    return _plain(given) == _plain(question.answer)


def _plain(text):
    return [word.removeprefix("0x").lstrip("0") or "0" for word in text.lower().replace("-", " - ").replace(",", " ").split()]


def answers_of(text: str) -> dict[int, str]:
    """`NUMBER: ANSWER` lines; the last of a number counts, other lines do not."""
    found = {}
    for line in text.splitlines():
        number, colon, answer = line.partition(":")
        if colon and number.strip().isdecimal() and len(number.strip()) < 6:
            found[int(number)] = answer.strip()
    return found
