"""The same as drawn_counts, of a wide window that the border of two page tables cuts, and of a file of 40 pages: one letter for four pages.

    "  ffff  "      16 pages of a private mapping of the file, from its page 8 on
    "cached 3-7"    read(): pages of the file that were dropped are in the cache again
    "written 3-7"   write(): a new folio for them, if there was none, is large, where the place allows it
    "hole 3-7"      fallocate(FALLOC_FL_PUNCH_HOLE)

Of a page one letter is told: `f` the file's, or shared memory's, `c` one of the area's own, `0` the page of zeros, `.` nothing; in capitals
when the page is dirty. Then the sums of the areas and the process's counters, as in drawn_counts.
"""

import struct

from tests.mm.drawn_counts import Counted, SimulatedCounted
from tests.mm.drawn_pages import FILE_OR_SHARED, LOW, PAGE, PFN, PRESENT, PRIVATE, READ, SHARED, WRITE

HUGE = 512 * PAGE
FILE_PAGES = 40
KPF_DIRTY = 1 << 4
NR_PAGES = 56


class Around(Counted):
    pages_a_letter = 4
    low = LOW + HUGE - 24 * PAGE  # 24 pages below the border
    file_pages = FILE_PAGES
    table = struct.Struct(f"<{NR_PAGES}Q")
    kinds = Counted.kinds | {
        "h": (READ | WRITE, PRIVATE, 3), "j": (READ, SHARED, 17),  # of other pages than those that the place would say
    }  # fmt: skip

    def step(self, who: str, verb: str = "", *words: str) -> str:
        if who in ("cached", "hole", "written"):
            first, _, last = verb.partition("-")
            getattr(self, who)(int(first) * PAGE, (int(last) - int(first)) * PAGE)
            return "ok"
        return super().step(who, verb, *words)

    def page(self, entry: int) -> str:
        if not entry & PRESENT:
            return super().page(entry)
        letter = "0" if self.names[entry & PFN] == "0" else "f" if entry & FILE_OR_SHARED else "c"
        return letter.upper() if self.kpage("kpageflags", entry & PFN) & KPF_DIRTY else letter

    def words(self, entries: tuple[int, ...]) -> str:
        return "".join(map(self.page, entries))


class SimulatedAround(Around, SimulatedCounted):
    def cached(self, offset: int, length: int) -> None:
        self.machine.read(self.drainer, self.path, offset, length)

    def hole(self, offset: int, length: int) -> None:
        self.machine.punch_hole(self.path, offset, length)

    def written(self, offset: int, length: int) -> None:
        self.machine.write(self.drainer, self.path, offset, bytes(length))
