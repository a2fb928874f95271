"""How a program treats its memory, as far as its log has shown: what writes.py keeps of one address space.

What is modelled: nothing of the kernel; the record of an inference.
Invariant: a copy for a forked child shares nothing with its parent's.
"""

HIDES, SHOWS, TESTS = range(3)  # what a program does with its writes: no line tells; lines tell; none should, for a tester makes few


class Habits:
    """What is known of one address space's program."""

    __slots__ = ("shows_writes", "later", "bss", "is_linking", "row", "heap_end", "small_growth", "file_end", "is_forked")

    def __init__(self) -> None:
        self.shows_writes = HIDES  # rule 5
        self.later: list[tuple[int, int, bool]] = []  # rule 2: areas since the last memory call: start, length, MAP_FIXED
        self.bss: list[tuple[int, int]] = []  # rule 1: of libraries, while the dynamic linker works
        self.is_linking = False
        self.row: tuple[int, int] | None = None  # rule 2: of a row of like pieces, the last one mapped
        self.heap_end = 0
        self.small_growth: tuple[int, int] | None = None
        self.file_end = 0  # end of the dynamic linker's last writable file mapping: .bss follows
        self.is_forked = False

    def copy(self) -> "Habits":
        new = Habits()
        new.bss, new.is_linking = self.bss[:], self.is_linking
        new.shows_writes, new.heap_end, new.is_forked = self.shows_writes, self.heap_end, True
        return new
