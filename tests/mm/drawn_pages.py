"""Small address spaces, drawn, what processes do to them one after another, and what becomes of each page; a Machine answers.

    "a f "                 areas of two pages each: private anonymous memory, a hole, a private file, a hole        KINDS has the letters
    "A w 0-2, A fork B, B w 0, A exit"      steps: who, what, where in pages                                        Simulated has the verbs

`w` writes what is there already, `W` a 1, `Z` a 0: pages of zeros take no room in a swap area, and leave the swap cache at once.
The answer is what each step gave (`minor+major` faults, a signal, an errno), then for each process left its pages and its areas. A page
reads FRAME MAPCOUNT [!] : FLAGS, as /proc/PID/pagemap, kpagecount and kpageflags have it: frames are letters in the order in which they
were seen first, `!` is the exclusive bit, `.` nothing, `0` the page of zeros, `~` a slot of swap, `#` a guard.
`live_pages.py` has the answers of a kernel.
"""

import gzip
import platform
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import groupby, product
from pathlib import Path
from typing import NamedTuple

PAGE = 4096
LOW = 0x7C0000000000
NR_PAGES = 12  # of the window
FILE_PAGES = 16
READ, WRITE, EXEC = 1, 2, 4  # PROT_ and VM_
SHARED, PRIVATE, FIXED, ANONYMOUS = 1, 2, 0x10, 0x20
MAYMOVE, MREMAP_FIXED, DONTUNMAP = 1, 2, 4
VM_MAYSHARE = 0x80
TOGETHER = 10  # cases whose processes are there when fsck looks
RECORDED = Path(__file__).parents[2] / "fixtures" / "pages"

# letter: prot, flags, pages that the file's offset is ahead of the place (None: no file)
KINDS = {
    "a": (READ | WRITE, PRIVATE, None),
    "r": (READ, PRIVATE, None),
    "x": (READ | WRITE | EXEC, PRIVATE, None),
    "p": (0, PRIVATE, None),
    "m": (READ | WRITE, SHARED, None),
    "n": (READ, SHARED, None),
    "f": (READ | WRITE, PRIVATE, 0),
    "g": (READ, PRIVATE, 0),
    "e": (READ | EXEC, PRIVATE, 0),
    "s": (READ | WRITE, SHARED, 0),
    "t": (READ, SHARED, 0),
    "z": (READ | WRITE, PRIVATE, FILE_PAGES),  # all behind the end of the file
    "y": (READ | WRITE, SHARED, FILE_PAGES),
}
ON_FILE = set("fgestzyhj")
WITH_FILE = ("truncate", "drop", "cached", "written", "hole")  # steps
ADVICE = {
    "willneed": 3, "dontneed": 4, "free": 8, "remove": 9, "dontfork": 10, "dofork": 11, "wipeonfork": 18, "keeponfork": 19, "cold": 20,
    "pageout": 21, "populate_read": 22, "populate_write": 23, "dontneed_locked": 24, "guard": 102, "unguard": 103,
}  # fmt: skip
MORE_ADVICE = {"random": 1, "hugepage": 14, "nohugepage": 15, "collapse": 25}
PROTS = {"none": 0, "r": READ, "rw": READ | WRITE, "rx": READ | EXEC, "rwx": READ | WRITE | EXEC}
ERRNO = {1: "EPERM", 11: "EAGAIN", 12: "ENOMEM", 14: "EFAULT", 16: "EBUSY", 22: "EINVAL", 13: "EACCES"}
FLAGS = {2: "r", 3: "u", 4: "d", 5: "l", 6: "a", 8: "w", 11: "m", 12: "n", 13: "s", 14: "b", 15: "C", 16: "T", 18: "v", 22: "t", 24: "z",
         33: "k"}  # fmt: skip
ZERO_PAGE = 1 << 24  # KPF_
PFN = (1 << 55) - 1
PRESENT, SWAPPED, FILE_OR_SHARED, GUARD, EXCLUSIVE = (1 << bit for bit in (63, 62, 61, 58, 56))
STORED = {"W": b"\1", "Z": b"\0"}
SUMS = ("Rss", "Pss", "Pss_Dirty", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty", "Referenced", "Anonymous", "LazyFree",
        "Swap", "SwapPss", "Locked")  # fmt: skip


class Case(NamedTuple):
    space: str
    steps: str

    @property
    def needs_swap(self) -> bool:
        return "pageout" in self.steps

    @property
    def needs_file(self) -> bool:
        return any(kind in self.space or f" {kind} " in self.steps for kind in ON_FILE) or any(step in self.steps for step in WITH_FILE)


class Area(NamedTuple):
    first: int
    last: int
    perms: str
    sums: tuple[int, ...]  # of SUMS, in kB


def crossed(spaces: Iterable[str], *choices: Iterable[str]) -> Iterator[Case]:
    """Every space with one of each list of steps, in this order; an empty choice is no step."""
    for space, *steps in product(spaces, *map(tuple, choices)):
        yield Case(space, ", ".join(filter(None, steps)))


class Backend:
    """What the two who answer have in common. A process is what `spawn` and `fork` give."""

    unit = PAGE  # what the numbers of areas and steps count
    kinds = KINDS
    low = LOW
    file_pages = FILE_PAGES
    sums = SUMS
    pages_a_letter = 2
    table = struct.Struct(f"<{NR_PAGES}Q")  # the window's entries

    def answer(self, case: Case) -> str:
        self.tasks = {"A": self.spawn(case)}
        self.names: dict[int, str] = {}  # of frames
        self.nr_frames = 0
        for at, kind in enumerate(case.space):
            if kind != " ":
                self.map(self.tasks["A"], kind, at * self.pages_a_letter, (at + 1) * self.pages_a_letter)
        results, entries = [], {}
        try:
            for step in filter(None, case.steps.split(", ")):
                results.append(self.step(*step.split()))
                entries = self.look()
            looks = [f"{name} {self.words(found)} {self.areas_of(self.tasks[name])}" for name, found in entries.items()]
        finally:
            self.clear()
        return " ".join(results) + " | " + " | ".join(looks)

    def step(self, who: str, verb: str, *words: str) -> str:
        """What it gave, in a word."""
        task = self.tasks[who]
        if verb in ("r", "w", "x", "W", "Z"):
            first, last = pages_of(words[0])
            before = self.faults(task)
            signal = self.access(task, first, last, verb)
            counts = [after - count for after, count in zip(self.faults(task), before, strict=True)]
            return signal or f"{counts[0]}+{counts[1]}"
        if verb == "fork":
            self.tasks[words[0]] = self.fork(task)
        elif verb == "exit":
            self.exit(self.tasks.pop(who))
        elif verb == "mincore":
            first, last = pages_of(words[0])
            return self.mincore(task, self.low + first * self.unit, (last - first) * self.unit)
        else:
            errno = self.call(task, verb, *words)
            return ERRNO.get(errno, str(errno)) if errno else "ok"
        return "ok"

    def access(self, task, first: int, last: int, verb: str) -> str:
        return self.touch(task, self.low + first * PAGE, (last - first) * PAGE, verb)

    def call(self, task, verb: str, *words: str) -> int:
        """0 or the errno."""
        if verb in ("lockall", "unlockall"):
            return self.syscall(task, "m" + verb, *map(int, words))
        first, last = pages_of(words[verb in ("map", "prot", "advise", "msync")])
        if verb == "map":
            return self.map(task, words[0], first, last)
        at, length = self.low + first * self.unit, (last - first) * self.unit
        if verb == "prot":
            return self.syscall(task, "mprotect", at, length, PROTS[words[0]])
        if verb == "advise":
            return self.syscall(task, "madvise", at, length, (ADVICE | MORE_ADVICE)[words[0]])
        if verb == "msync":
            return self.syscall(task, "msync", at, length, {"async": 1, "invalidate": 2, "sync": 4}[words[0]])
        if verb == "onfault":
            return self.syscall(task, "mlock2", at, length, 1)
        if verb == "resize":
            return self.syscall(task, "mremap", at, length, int(words[1]) * self.unit, 0, 0)
        if verb in ("move", "leave"):  # to, and how many pages then
            flags = MAYMOVE | MREMAP_FIXED | (DONTUNMAP if verb == "leave" else 0)
            pages = int(words[2]) if len(words) > 2 else last - first
            return self.syscall(task, "mremap", at, length, pages * self.unit, flags, self.low + int(words[1]) * self.unit)
        return self.syscall(task, {"unmap": "munmap", "lock": "mlock", "unlock": "munlock"}[verb], at, length)

    def look(self) -> dict[str, tuple[int, ...]]:
        """The entries of each process; a frame seen for the first time gets the next letter, one that nobody maps any more is forgotten."""
        self.drain()
        entries = {name: self.entries(self.tasks[name]) for name in sorted(self.tasks)}
        present = [entry & PFN for found in entries.values() for entry in found if entry & PRESENT]
        self.names = {pfn: self.names.get(pfn) or self.letter(pfn) for pfn in dict.fromkeys(present)}
        return entries

    def letter(self, pfn: int) -> str:
        if self.kpage("kpageflags", pfn) & ZERO_PAGE:
            return "0"
        self.nr_frames += 1
        return chr(ord("a") + self.nr_frames - 1) if self.nr_frames <= 26 else f"a{self.nr_frames}"

    def kpage(self, file: str, pfn: int) -> int:
        return int.from_bytes(self.kpages(file, pfn, 1), "little")

    def page(self, entry: int) -> str:
        if not entry & PRESENT:
            return "#" if entry & GUARD else "~" if entry & SWAPPED else "." if not entry & FILE_OR_SHARED else "?"
        pfn = entry & PFN
        if self.names[pfn] == "0":
            return "0"
        flags, count = self.kpage("kpageflags", pfn), self.kpage("kpagecount", pfn)
        return f"{self.names[pfn]}{count}{'!' if entry & EXCLUSIVE else ''}:{letters_of(flags)}{'f' if entry & FILE_OR_SHARED else ''}"

    def words(self, entries: tuple[int, ...]) -> str:
        return " ".join(map(self.page, entries))

    def place(self, addr: int) -> str:
        """Where a signal says it was."""
        return f"@{(addr - self.low) // self.unit}"

    def rights(self, perms: str, flags: str) -> str:
        """Of an area, whose line VmFlags is given as well."""
        return perms

    def areas_of(self, task) -> str:
        found = []
        for area in self.areas(task):
            sums = " ".join(f"{name}={kb}" for name, kb in zip(self.sums, area.sums, strict=True) if kb)
            found.append(f"[{area.first}-{area.last} {area.perms} {sums}]".replace(" ]", "]"))
        return " ".join(found)


@cache
def letters_of(flags: int) -> str:
    return "".join(letter for bit, letter in FLAGS.items() if flags >> bit & 1)


def pages_of(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last) if last else int(first) + 1


class Simulated(Backend):
    """One case after another on one machine, each with processes of its own, and a file of its own where it has one.

    What is left of them stays until forget(): fsck() sees it.
    """

    image = None  # the program that they run
    boot: dict[str, object] = {"ram_bytes": 1 << 30}

    def __init__(self) -> None:
        from vmtool._core import Machine

        self.machine = Machine()
        self.machine.boot(**self.boot)
        self.drainer = self.machine.spawn("drainer", None, [b"drainer"], [])
        self.drained = self.machine.mmap(self.drainer, 0, PAGE, 3, PRIVATE | ANONYMOUS)
        self.machine.touch(self.drainer, self.drained, PAGE, "w")
        self.has_swap = False
        self.file: int | None = None
        self.nr_files = 0
        self.left: list[int] = []

    def spawn(self, case: Case) -> int:
        m = self.machine
        if case.needs_swap != self.has_swap:
            self.forget()
            self.has_swap = case.needs_swap
            m.swapon(64 << 20) if self.has_swap else m.swapoff()
        pid = m.spawn("drawn", self.image, [b"drawn"], [])
        if case.needs_file:
            path = f"/drawn{self.nr_files}"
            m.mkfile(path, self.file_pages * PAGE)
            m.read(pid, path, 0, self.file_pages * PAGE)
            self.file = m.open_file(path)
            self.nr_files += 1
        return pid

    def clear(self) -> None:
        self.left += self.tasks.values()
        if self.file is not None:
            self.machine.close_file(self.file)
            self.file = None

    def forget(self) -> None:
        for pid in self.left:
            self.machine.exit(pid)
        for number in range(self.nr_files):
            self.machine.rmfile(f"/drawn{number}")
        self.left, self.nr_files = [], 0

    def fork(self, pid: int) -> int:
        return self.machine.fork(pid)

    def exit(self, pid: int) -> None:
        self.machine.exit(pid)

    def faults(self, pid: int) -> tuple[int, int]:
        task = self.machine.task(pid)
        return task.min_flt, task.maj_flt

    def touch(self, pid: int, addr: int, length: int, access: str) -> str:
        from vmtool.errors import Signal

        try:
            if access in STORED:
                for at in range(addr, addr + length, PAGE):
                    self.machine.store(pid, at, STORED[access], True)
            else:
                self.machine.touch(pid, addr, length, access, True)
        except Signal as signal:
            return signal.code + self.place(signal.addr or 0)
        return ""

    def map(self, pid: int, kind: str, first: int, last: int) -> int:
        prot, flags, ahead = self.kinds[kind]
        flags |= FIXED | (ANONYMOUS if ahead is None else 0)
        file, offset = (None, 0) if ahead is None else (self.file, (ahead + first) * PAGE)
        return self.syscall(pid, "mmap", self.low + first * self.unit, (last - first) * self.unit, prot, flags, file, offset)

    def syscall(self, pid: int, name: str, *words) -> int:
        from vmtool.errors import KernelError

        try:
            getattr(self.machine, name.rstrip("2"))(pid, *words)
        except KernelError as error:
            return error.errno
        return 0

    def mincore(self, pid: int, addr: int, length: int) -> str:
        from vmtool.errors import KernelError

        try:
            return "".join(map(str, self.machine.mincore(pid, addr, length)))
        except KernelError as error:
            return ERRNO.get(error.errno, str(error.errno))

    def drain(self) -> None:
        self.machine.madvise(self.drainer, self.drained, PAGE, ADVICE["cold"])
        if self.has_swap:
            self.machine.sync()
            self.machine.madvise(self.drainer, self.drained, PAGE, ADVICE["cold"])

    def entries(self, pid: int) -> tuple[int, ...]:
        return self.table.unpack(self.machine.pagemap_bytes(pid, self.low, self.table.size // 8 * PAGE))

    def kpages(self, file: str, pfn: int, nr: int) -> bytes:
        return self.machine.kpage(file, pfn, nr)

    def areas(self, pid: int) -> Iterator[Area]:
        from vmtool.procfs.vmflags import vmflags_line

        for smap in self.machine.smaps(pid):
            area, stats = smap.vma, smap.stats
            if self.low <= area.start < self.low + self.table.size // 8 * PAGE:
                found = (stats.resident, stats.pss >> 12, stats.pss_dirty >> 12, stats.shared_clean, stats.shared_dirty,
                         stats.private_clean, stats.private_dirty, stats.referenced, stats.anonymous, stats.lazyfree, stats.swap,
                         stats.swap_pss >> 12, stats.pss_locked >> 12, stats.anonymous_thp)  # fmt: skip
                perms = self.rights(perms_of(area), vmflags_line(area.flags))
                first, last = (area.start - self.low) // self.unit, (area.end - self.low) // self.unit
                yield Area(first, last, perms, tuple(n >> 10 for n in found[: len(self.sums)]))


def perms_of(area) -> str:
    letters = "".join(letter if area.flags & bit else "-" for letter, bit in (("r", READ), ("w", WRITE), ("x", EXEC)))
    return letters + ("s" if area.flags & VM_MAYSHARE else "p")


# --- recorded answers ---------------------------------------------------------------------------------------------------


def brief(answer: str) -> str:
    """An answer without flags and sums: results, and the pages that are there; of pages in a row (`*`) no numbers."""
    results, *looks = answer.split(" | ")
    words = [[word.split("*")[0].split(":")[0] for word in look.partition("[")[0].partition("(")[0].split()] for look in looks]
    if "*" in answer:
        words = [[word for word, _ in groupby(row)] for row in words]
    return " | ".join((results, *(" ".join(word).rstrip(" .") for word in words)))


def recorded(name: str) -> dict[Case, str]:
    """The kernel's answers, in the order in which they were given; the first line says which kernel's."""
    lines = gzip.decompress((RECORDED / f"{name}.tsv.gz").read_bytes()).decode().splitlines()
    return {Case(*line.split("\t")[:2]): line.split("\t")[2] for line in lines[1:]}


def complete(answers: dict[Case, str], cases: Iterable[Case]) -> None:
    """Recorded are the cases, but for a few that a kernel answers in two ways."""
    every = set(cases)
    assert set(answers) <= every
    assert len(every - set(answers)) <= len(every) // 50


def alike(answers: dict[Case, str], make: type[Simulated] = Simulated) -> None:
    """A Machine answers so too, and fsck is silent about what each left."""
    wrong, cases = [], list(answers)
    for first in range(0, len(cases), TOGETHER):
        if first % (20 * TOGETHER) == 0:
            simulated = make()
        for case in cases[first : first + TOGETHER]:
            if (ours := simulated.answer(case)) != answers[case]:
                wrong.append(f"{case.space!r} {case.steps}\n   here  {ours}\n   Linux {answers[case]}")
        if found := simulated.machine.fsck():
            wrong.append(f"{case.space!r} {case.steps}, or one of the {TOGETHER} before it\n   fsck: {found}")
            break
        simulated.forget()
    assert simulated.machine.fsck() == []
    assert not wrong, f"{len(wrong)} of {len(answers)}:\n" + "\n".join(wrong[:10])


def live(cases: Iterable[Case], make: type[Simulated] = Simulated) -> dict[Case, str]:
    """This kernel's answers; a skip where it is not the judge."""
    import pytest

    if platform.system() != "Linux":
        pytest.skip("the judge is Linux on x86-64")
    from tests.mm import live_pages

    if why := live_pages.obstacle():
        pytest.skip(f"the live kernel as judge {why}")
    try:
        return dict(live_pages.answers(cases, make))
    except live_pages.Unsuitable as why:
        pytest.skip(f"the live kernel as judge {why}")


def live_sample(cases: Iterable[Case], rules: Iterable[tuple[str, str, object]], step: int = 97,
                make: type[Simulated] = Simulated, told: Callable[[str], object] = brief) -> None:
    """What this kernel says of each `step`th case, and of the rules what `told` makes of it; swap is left to the recording.

    A difference counts when the kernel gives the same answer three times.
    """
    every = [case for case in cases if not case.needs_swap]
    wanted = {Case(space, steps): answer for space, steps, answer in rules if "pageout" not in steps}
    answers = live([*every[::step], *wanted], make)
    simulated = make()
    odd = {case: answer for case, answer in answers.items() if simulated.answer(case) != answer}
    firm = dict(odd)
    for _ in range(2):
        firm = {case: answer for case, answer in live(firm, make).items() if answer == firm[case]} if firm else {}
    assert {case: told(answer) for case, answer in answers.items() if case in wanted} == wanted
    alike({case: answer for case, answer in answers.items() if case not in odd or case in firm}, make)
