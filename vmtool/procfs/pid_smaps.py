"""/proc/PID/smaps and smaps_rollup: what of each area is in memory, and how it is shared.

Counterpart: Linux v6.18 fs/proc/task_mmu.c:show_smap(), show_smaps_rollup(), __show_smap(). A value is right-aligned
so that it ends in column 24, and cut (not rounded) to kB once, after the sum over pages; Pss has 12 more
binary places until then.
"""

from collections.abc import Iterable

from vmtool.procfs import pid_maps
from vmtool.procfs.vmflags import vmflags_line
from vmtool.records import MemStats, Smap

KB = 10  # bytes to kB
PSS = 22  # bytes << 12 to kB

_HEAD = (
    ("Rss:            ", "resident", KB),
    ("Pss:            ", "pss", PSS),
    ("Pss_Dirty:      ", "pss_dirty", PSS),
)
_ROLLUP_ONLY = (
    ("Pss_Anon:       ", "pss_anon", PSS),
    ("Pss_File:       ", "pss_file", PSS),
    ("Pss_Shmem:      ", "pss_shmem", PSS),
)
_TAIL = (
    ("Shared_Clean:   ", "shared_clean", KB),
    ("Shared_Dirty:   ", "shared_dirty", KB),
    ("Private_Clean:  ", "private_clean", KB),
    ("Private_Dirty:  ", "private_dirty", KB),
    ("Referenced:     ", "referenced", KB),
    ("Anonymous:      ", "anonymous", KB),
    ("KSM:            ", "ksm", KB),
    ("LazyFree:       ", "lazyfree", KB),
    ("AnonHugePages:  ", "anonymous_thp", KB),
    ("ShmemPmdMapped: ", "shmem_thp", KB),
    ("FilePmdMapped:  ", "file_thp", KB),
    ("Shared_Hugetlb: ", "shared_hugetlb", KB),
    ("Private_Hugetlb: ", "private_hugetlb", KB),
    ("Swap:           ", "swap", KB),
    ("SwapPss:        ", "swap_pss", PSS),
    ("Locked:         ", "pss_locked", PSS),
)
AREA_FIELDS = _HEAD + _TAIL
ROLLUP_FIELDS = _HEAD + _ROLLUP_ONLY + _TAIL


def _stats(stats: MemStats, fields: tuple[tuple[str, str, int], ...]) -> str:
    return "".join([f"{label}{getattr(stats, name) >> shift:>{24 - len(label)}} kB\n" for label, name, shift in fields])


def entry(smap: Smap, word_bytes: int = 8) -> str:
    """The lines of one area."""
    vma = smap.vma
    return (
        pid_maps.line(vma, word_bytes)
        + f"Size:           {(vma.end - vma.start) >> KB:8} kB\n"
        + f"KernelPageSize: {smap.kernel_page_bytes >> KB:8} kB\n"
        + f"MMUPageSize:    {smap.mmu_page_bytes >> KB:8} kB\n"
        + _stats(smap.stats, AREA_FIELDS)
        + f"THPeligible:    {int(smap.thp_eligible):8}\n"
        + vmflags_line(vma.flags)
    )


def render(smaps: Iterable[Smap], word_bytes: int = 8) -> str:
    """The whole of smaps."""
    return "".join([entry(smap, word_bytes) for smap in smaps])


def render_rollup(rollup: tuple[int, int, MemStats], word_bytes: int = 8) -> str:
    """smaps_rollup: the first and the last address, and the sum over all areas."""
    start, end, stats = rollup
    return pid_maps.header(start, end, "---p", 0, (0, 0), 0, "[rollup]", word_bytes) + _stats(stats, ROLLUP_FIELDS)
