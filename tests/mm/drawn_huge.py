"""The same as drawn_pages, in units of a quarter of a huge page: an access is one of a unit's first page; like pages in a row are one word.

    "aaaa        "      4 MiB of private anonymous memory       "a1!:ulmnt*128"     128 pages of the folio a, each mapped once
"""

import struct
from itertools import groupby

from tests.mm.drawn_counts import Counted, SimulatedCounted
from tests.mm.drawn_pages import NR_PAGES, PAGE, PFN, PRESENT, SUMS, Backend, Simulated

HUGE = 512  # pages
KPF_THP = 1 << 22


class Huge(Backend):
    unit = HUGE // 4 * PAGE
    table = struct.Struct(f"<{2 * NR_PAGES * HUGE // 4}Q")

    def access(self, task, first: int, last: int, verb: str) -> str:
        signals = (self.touch(task, self.low + at * self.unit, 1, verb) for at in range(first, last))
        return next(filter(None, signals), "")

    def look(self) -> dict[str, tuple[int, ...]]:
        """A folio has one letter."""
        self.drain()
        self.read: dict[tuple[str, int], tuple[int, ...]] = {}
        entries = {name: self.entries(self.tasks[name]) for name in sorted(self.tasks)}
        names: dict[int, str] = {}
        for pfn in dict.fromkeys(entry & PFN for found in entries.values() for entry in filter(None, found) if entry & PRESENT):
            if pfn not in names:
                is_huge = self.kpage("kpageflags", pfn) & KPF_THP
                head = pfn & -HUGE if is_huge else pfn
                name = self.names.get(head) or self.letter(head)
                names.update(dict.fromkeys(range(head, head + HUGE) if is_huge else (pfn,), name))
        self.names = names
        return entries

    def kpage(self, file: str, pfn: int) -> int:
        """Of as many as a huge page has at once."""
        key = file, pfn & -HUGE
        if key not in self.read:
            self.read[key] = struct.unpack(f"<{HUGE}Q", self.kpages(*key, HUGE))
        return self.read[key][pfn % HUGE]

    def words(self, entries: tuple[int, ...]) -> str:
        """A number behind a word says of how many pages in a row it is."""
        runs: list[list] = []
        for entry, same in groupby(entries):
            word, nr = self.page(entry), sum(1 for _ in same)
            if runs and runs[-1][0] == word:
                runs[-1][1] += nr
            else:
                runs.append([word, nr])
        return " ".join(f"{word}*{nr}" if nr > 1 else word for word, nr in runs)


class SimulatedHuge(Huge, Simulated):
    pass


EVENTS = ("thp_fault_alloc", "thp_fault_fallback", "thp_collapse_alloc", "thp_split_page", "thp_split_pmd", "thp_deferred_split_page")


class CountedHuge(Huge, Counted):
    """With what /proc/vmstat counted, at the end."""

    sums = (*SUMS, "AnonHugePages")

    def answer(self, case) -> str:
        self.before: dict[str, int] = {}
        said = super().answer(case)
        return f"{said} | {' '.join(f'{name}{nr - self.before[name]:+}' for name, nr in self.after.items() if nr != self.before[name])}"

    def step(self, who: str, verb: str = "", *words: str) -> str:
        self.before = self.before or self.events()
        return super().step(who, verb, *words)

    def look(self):
        self.after = self.events()
        return super().look()


class SimulatedCountedHuge(CountedHuge, SimulatedCounted):
    def events(self) -> dict[str, int]:
        found = self.machine.vmstat()
        return {name: found[name] for name in EVENTS}
