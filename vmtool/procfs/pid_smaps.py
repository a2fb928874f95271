"""/proc/PID/smaps and smaps_rollup: what of each area is in memory, and how it is shared.

Counterpart: Linux v6.18 fs/proc/task_mmu.c:show_smap(), show_smaps_rollup(), __show_smap(). A value is right-aligned
so that it ends in column 24, and cut (not rounded) to kB once, after the sum over pages; Pss has 12 more
binary places until then. `Locked` is as Pss since 4.4, and was the whole of Rss before; here it is as Pss in any release.
"""

from collections.abc import Iterable

from vmtool.procfs import pid_maps
from vmtool.procfs.releases import CURRENT, EVER, rows_of, v
from vmtool.procfs.vmflags import letters_of, vmflags_line
from vmtool.records import MemStats, Smap

KB = 10  # bytes to kB
PSS = 22  # bytes << 12 to kB

PROTECTION_KEYS = v(4, 6)
"""From here on a processor's keys are used, and shown."""
MOVED = v(4, 14)
"""From here on the page sizes stand behind Size; before it they stood before Locked."""

# label, field of MemStats, shift; since, until
_HEAD = (
    ("Rss:            ", "resident", KB, 0, EVER),
    ("Pss:            ", "pss", PSS, 0, EVER),
    ("Pss_Dirty:      ", "pss_dirty", PSS, v(6, 0), EVER),
)
_ROLLUP_ONLY = (
    ("Pss_Anon:       ", "pss_anon", PSS, v(5, 3), EVER),
    ("Pss_File:       ", "pss_file", PSS, v(5, 3), EVER),
    ("Pss_Shmem:      ", "pss_shmem", PSS, v(5, 3), EVER),
)
_TAIL = (
    ("Shared_Clean:   ", "shared_clean", KB, 0, EVER),
    ("Shared_Dirty:   ", "shared_dirty", KB, 0, EVER),
    ("Private_Clean:  ", "private_clean", KB, 0, EVER),
    ("Private_Dirty:  ", "private_dirty", KB, 0, EVER),
    ("Referenced:     ", "referenced", KB, 0, EVER),
    ("Anonymous:      ", "anonymous", KB, 0, EVER),
    ("KSM:            ", "ksm", KB, v(6, 8), EVER),
    ("LazyFree:       ", "lazyfree", KB, v(4, 12), EVER),
    ("AnonHugePages:  ", "anonymous_thp", KB, 0, EVER),
    ("ShmemPmdMapped: ", "shmem_thp", KB, v(4, 8), EVER),
    ("FilePmdMapped: ", "file_thp", KB, v(5, 4), v(5, 10)),  # a blank short there
    ("FilePmdMapped:  ", "file_thp", KB, v(5, 10), EVER),
    ("Shared_Hugetlb: ", "shared_hugetlb", KB, v(4, 4), EVER),
    ("Private_Hugetlb: ", "private_hugetlb", KB, v(4, 4), EVER),
    ("Swap:           ", "swap", KB, 0, EVER),
    ("SwapPss:        ", "swap_pss", PSS, v(4, 3), EVER),
)
_LOCKED = (("Locked:         ", "pss_locked", PSS, 0, EVER),)
_THP_ELIGIBLE = (  # format of the line
    ("THPeligible:\t\t{}\n", v(5, 0), v(5, 9)),
    ("THPeligible:    {}\n", v(5, 9), v(6, 6)),
    ("THPeligible:    {:8}\n", v(6, 6), EVER),
)
NARROW = {"Private_Hugetlb: ": 7}
"""Columns of the number where they are not eight."""
AREA_FIELDS = rows_of(_HEAD + _TAIL + _LOCKED, CURRENT)
ROLLUP_FIELDS = rows_of(_HEAD + _ROLLUP_ONLY + _TAIL + _LOCKED, CURRENT)
ROLLUP_TO_VSYSCALL = (v(4, 14), v(4, 20))
"""Where the header ran to the end of [vsyscall]."""
VSYSCALL_END = 0xFFFFFFFFFF601000


class _Block:
    """Lines of a MemStats: one text with places for all the numbers."""

    def __init__(self, rows: Iterable[tuple]) -> None:
        rows = list(rows)
        self.form = "".join([f"{label}%{NARROW.get(label, 8)}d kB\n" for label, *_ in rows])
        self.places = [(MemStats._fields.index(name), shift) for _, name, shift, _, _ in rows]

    def text(self, stats: MemStats) -> str:
        return self.form % tuple([stats[index] >> shift for index, shift in self.places])


class _Layout:
    """What an entry of smaps consists of in one release."""

    def __init__(self, release: int, word_bytes: int) -> None:
        self.release, self.word_bytes = release, word_bytes
        self.is_moved = release >= MOVED
        self.stats = _Block(rows_of(_HEAD + _TAIL + (_LOCKED if self.is_moved else ()), release))
        self.locked = _Block(() if self.is_moved else _LOCKED)
        self.thp_eligible = next(iter([row[0] for row in rows_of(_THP_ELIGIBLE, release)]), "")
        self.letters = letters_of(release)

    def entry(self, smap: Smap) -> str:
        vma = smap.vma
        page_sizes = f"KernelPageSize: {smap.kernel_page_bytes >> KB:8} kB\nMMUPageSize:    {smap.mmu_page_bytes >> KB:8} kB\n"
        return (
            pid_maps.line(vma, self.word_bytes, self.release)
            + f"Size:           {(vma.end - vma.start) >> KB:8} kB\n"
            + (page_sizes if self.is_moved else "")
            + self.stats.text(smap.stats)
            + ("" if self.is_moved else page_sizes + self.locked.text(smap.stats))
            + self.thp_eligible.format(int(smap.thp_eligible))
            + ("" if smap.protection_key is None or self.release < PROTECTION_KEYS else f"ProtectionKey:  {smap.protection_key:8}\n")
            + vmflags_line(vma.flags, self.letters)
        )


def entry(smap: Smap, word_bytes: int = 8, release: int = CURRENT) -> str:
    """The lines of one area."""
    return _Layout(release, word_bytes).entry(smap)


def render(smaps: Iterable[Smap], word_bytes: int = 8, release: int = CURRENT) -> str:
    """The whole of smaps."""
    layout = _Layout(release, word_bytes)
    return "".join([layout.entry(smap) for smap in smaps])


def render_rollup(rollup: tuple[int, int, MemStats], word_bytes: int = 8, release: int = CURRENT) -> str:
    """smaps_rollup: the first and the last address, and the sum over all areas."""
    start, end, stats = rollup
    if ROLLUP_TO_VSYSCALL[0] <= release < ROLLUP_TO_VSYSCALL[1] and end and word_bytes == 8:
        end = VSYSCALL_END
    block = _Block(rows_of(_HEAD + _ROLLUP_ONLY + _TAIL + _LOCKED, release))
    return pid_maps.header(start, end, "---p", 0, (0, 0), 0, "[rollup]", word_bytes) + block.text(stats)
