"""Looking at a process (this changes nothing)."""

from collections.abc import Callable

from vmtool import records as r

class LooksAtProcesses:
    def maps(self, pid: int) -> list[r.Vma]: ...
    def maps_text(self, pid: int, line: Callable[[r.Vma], str]) -> str:
        """maps() as the text of 6.18: areas without a file or a name are written in one loop, every other one by `line`."""

    def vma_tree(self, pid: int) -> list[r.VmaNode]:
        """Each area as a node of the tree that finds it, in the order of addresses. The root is the one that is nobody's child."""

    def word_bytes(self, pid: int) -> int:
        """4 where names begin in column 50 of the maps."""

    def smaps(self, pid: int) -> list[r.Smap]: ...
    def numa_maps(self, pid: int) -> list[tuple[r.Vma, r.NumaStats]]: ...
    def oom_score(self, pid: int, is_new: bool = True) -> int:
        """As /proc/PID/oom_score says it; `is_new`: since 5.8."""

    def smaps_rollup(self, pid: int) -> tuple[int, int, r.MemStats]:
        """First address, last address, totals."""

    def pagemap(self, pid: int, addr: int, length: int) -> list[r.PagemapEntry]:
        """Every page of the range, mapped or not; bits as in Documentation/admin-guide/mm/pagemap.rst."""

    def next_table(self, pid: int, addr: int, end: int) -> int:
        """The first address from `addr` on that has page table entries of its own; `end` when none has."""

    def pagemap_bytes(self, pid: int, addr: int, length: int) -> bytes:
        """The same entries as /proc/PID/pagemap has them: 64 bits each, little-endian."""

    def entry_bytes(self, pid: int, addr: int, length: int) -> bytes:
        """In the same form the tables' entries, at whatever level they map the page."""

    def walk(self, pid: int, addr: int, root: str | None = None) -> r.Walk:
        """From the table that the processor walks for the program; `kernel`: in kernel mode, which has another with KPTI."""
    def entries(self, pid: int, addr: int, end: int) -> bytes:
        """Each entry of the range's tables that is not 0 and has no table below it: five little-endian words of 64 bits.

        Address, entry as it stands in memory, its physical address, first frame (0 unless present), and a word of marks: bits 0 to 7
        the level (0 is the PTE's), 8 to 15 the page's shift, 16 present, 17 writable, 24 to 31 the
        bytes of an entry. KernelError(ENOMEM) for more than 4,194,304.
        """
