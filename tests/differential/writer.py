"""Writes a script line by line while the kernel answers: what is drawn next depends on the areas that are there now.

Everything random comes from one function, `number(low, high)`, so that hypothesis can draw it (and shrink
it: smaller numbers are simpler lines). The address that a line names is literal, so a line can be deleted from a
finished script and the rest still says the same.
"""

import errno
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from tests.differential import target
from tests.differential.kernel import Answer, Kernel

T = TypeVar("T")
PAGE = 4096
TASK_SIZE = 0x7FFFFFFFF000
MAX_RESIDENT = 8 << 20
"""No script asks for more in one call: RAM is never short on either side."""


class Area(NamedTuple):
    """One line of maps."""

    start: int
    end: int
    perms: str
    name: str
    offset: int = 0

    @property
    def prot(self) -> str:
        """As mprotect and mmap --prot want it."""
        return self.perms[:3].replace("-", "") or "none"


class Writer:
    """A script in the making. `lines` and `answers` grow together; `cat` and `sub` name what is being written."""

    def __init__(self, kernel: Kernel, number: Callable[[int, int], int]) -> None:
        self.kernel, self.number = kernel, number
        self.root = kernel.root
        self.lines: list[str] = []
        self.answers: list[Answer] = []
        self.pids: list[str] = []
        self.nr_spawned = 0
        self.names: dict[int, str] = {}  # address -> variable that holds it
        self.files: dict[str, int] = {}  # path -> bytes
        self.nr_made = 0
        self.has_forked = False
        self.nr_forked = 0

    def line(self, text: str) -> Answer:
        answer = self.kernel.run(text)
        self.lines.append(text)
        self.answers.append(answer)
        if answer.signal:  # without --probe it was deadly
            self.pids = [pid for pid in self.pids if self.task(pid).alive]
        return answer

    @property
    def script(self) -> str:
        return "\n".join(self.lines) + "\n"

    # --- drawing ---

    def chance(self, percent: int) -> bool:
        """False is the simpler answer."""
        return self.number(0, 99) >= 100 - percent

    def pick(self, items: Sequence[T]) -> T:
        return items[self.number(0, len(items) - 1)]

    def weighted(self, table: dict[str, int]) -> str:
        at = self.number(0, sum(table.values()) - 1)
        for name, weight in table.items():
            at -= weight
            if at < 0:
                return name
        raise AssertionError

    def pages(self, most: int = 20) -> int:
        """A number of pages: small ones are likelier."""
        return self.number(1, self.pick((1, 4, most // 2 + 1, most)))

    # --- spelling ---

    def size(self, value: int) -> str:
        """Any of the spellings of a size."""
        way = self.number(0, 2)
        if way == 1 and value >= 0:
            return str(value)
        if way == 2 and value % 1024 == 0:
            return f"{value >> 10}K"
        return hex(value)

    def addr(self, value: int) -> str:
        if value in self.names and self.chance(50):
            return "$" + self.names[value]
        return f"{value:x}" if self.chance(5) else hex(value)

    # --- processes and files ---

    def spawn(self, exe: str = "target") -> str:
        name = "p" if not self.pids else f"s{self.nr_spawned}"  # as of a fork: a name that was given is not given again
        self.nr_spawned += 1
        self.line(f"{name} = spawn --exe {self.root}/{exe}")
        self.pids.append(name)
        self.enter(name)
        return name

    def enter(self, pid: str) -> None:
        """Bring in the stub page, which the measuring itself needs."""
        self.line(f"touch ${pid} {self.task(pid).stub:#x} 0x2000 -x")

    def fork(self, pid: str) -> str | None:
        self.nr_forked += 1
        name = f"c{self.nr_forked}"  # one that has exited leaves its name to nobody
        answer = self.line(f"{name} = fork ${pid}")
        if answer.exit:
            return None
        self.pids.append(name)
        self.has_forked = True
        self.enter(name)
        return name

    def exit(self, pid: str) -> None:
        self.line(f"exit ${pid}")
        self.pids.remove(pid)

    def task(self, pid: str):
        return self.kernel.tasks[self.kernel.names[pid]]

    def mkfile(self, name: str, nr_bytes: int, *, is_cached: bool = True) -> str:
        path, source = f"{self.root}/d/{name}", f"{self.root}/src/pattern-{nr_bytes}.bin"
        write_pattern(source, nr_bytes)
        inode = 1001 + self.nr_made
        self.line(f"mkfile {path} {nr_bytes} --from {source} --dev 8:1 --inode {inode}")
        self.files[path] = nr_bytes
        self.nr_made += 1
        if is_cached:
            self.line(f"read ${self.pids[0]} {path} 0 {nr_bytes}")
        return path

    # --- areas ---

    def areas(self, pid: str) -> list[Area]:
        with open(f"/proc/{self.task(pid).pid}/maps") as f:
            found = re.findall(r"^(\w+)-(\w+) (\S+) (\w+) \S+ \S+ *(.*)$", f.read(), re.M)
        return [Area(int(a, 16), int(b, 16), perms, name, int(offset, 16)) for a, b, perms, offset, name in found]

    def own(self, pid: str) -> list[Area]:
        """The areas that a script may tear apart: not the program, the stack or the kernel's."""
        mine = (a for a in self.areas(pid) if not a.name.startswith(("[v", "[stack]", self.root + "/target", self.root + "/ld")))
        return [a for a in mine if a.end <= TASK_SIZE]

    def needed(self, pid: str) -> list[tuple[int, int]]:
        """What must stay: the stub page and the page of bss that holds mincore's vector."""
        stub = self.task(pid).stub
        scratch = stub + target.SCRATCH & -PAGE
        return [(stub, stub + PAGE), (scratch, scratch + PAGE)]

    def is_safe(self, pid: str, start: int, length: int) -> bool:
        return all(start + length <= a or start >= b for a, b in self.needed(pid)) and 0 <= start < TASK_SIZE

    def span(self, pid: str, *, most: int = 1 << 20, beyond: int = 15, odd: int = 0, areas: list[Area] | None = None) -> tuple[int, int]:
        """(address, length): part of an area, the whole, or past its end with `beyond` % of chance; `odd` % unaligned."""
        areas = self.own(pid) if areas is None else areas
        if not areas:
            return 0x7FFFF7F00000, PAGE
        area = self.pick(areas)
        nr = (area.end - area.start) // PAGE
        first, count = 0, nr
        if not self.chance(15):
            first = self.number(0, nr - 1)
            count = min(self.pages(most), nr - first)
        if beyond and self.chance(beyond):
            count += self.pages(12)
        count = min(count, most)
        start, length = area.start + first * PAGE, count * PAGE
        if odd and self.chance(odd):
            wrong = self.pick((1, 0x10, 0x64, 0x800))
            return (start + wrong, length) if self.chance(50) else (start, max(length - wrong, 1))
        return start, length

    def safe_span(self, pid: str, **options: int) -> tuple[int, int] | None:
        """As span(), for calls that change the range; None when the draw hit what must stay."""
        start, length = self.span(pid, **options)
        return (start, length) if self.is_safe(pid, start & -PAGE, length + PAGE) else None

    def hole(self, pid: str, nr_pages: int) -> int:
        """An address beside, inside or near the areas, for mappings that are to be at a place."""
        area = self.pick([a for a in self.own(pid) if a.start > 1 << 30] or [Area(0x7FFFF7F00000, 0x7FFFF7F10000, "", "")])
        nr = (area.end - area.start) // PAGE
        place = self.number(0, 5)
        if place <= 1:
            return area.end
        if place == 2:
            return area.start - nr_pages * PAGE
        if place == 3:
            return area.start + self.number(0, nr - 1) * PAGE
        if place == 4:
            return area.end + self.number(1, 8) * PAGE
        return area.start - (nr_pages + self.number(1, 8)) * PAGE

    def name_result(self, text: str) -> Answer:
        """A line whose output is an address, in a variable of its own. Failing ones keep no name."""
        name = f"m{len(self.lines) + 1}"
        answer = self.line(f"{name} = {text}")
        if answer.exit == 0:
            self.names = {a: n for a, n in self.names.items() if n != name} | {int(answer.out, 16): name}
        return answer


def write_pattern(path: str, nr_bytes: int) -> None:
    import os

    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        if os.path.getsize(path) == nr_bytes:
            return
    except OSError as e:
        if e.errno != errno.ENOENT:
            raise
    with open(path, "wb") as f:
        f.write(target.pattern(nr_bytes))
