"""/proc/PID/numa_maps: the policy and the pages of each area.

Counterpart: Linux v6.18 fs/proc/task_mmu.c:show_numa_map(). There is one node, and the policy is always the default one. The page size came
to the line's end with 3.15; before it, a line ended in the node's pages.
"""

from collections.abc import Iterable

from vmtool.procfs.releases import CURRENT, v
from vmtool.records import NumaStats, Vma
from vmtool.uapi import VM_HUGETLB

PAGE_SIZE_SINCE = v(3, 15)
ESCAPED = "\n\t= "
"""Letters of a path that stand there as octal numbers."""


def render(areas: Iterable[tuple[Vma, NumaStats]], release: int = CURRENT) -> str:
    """A line an area."""
    return "".join([_line(vma, stats, release >= PAGE_SIZE_SINCE) for vma, stats in areas])


def _line(vma: Vma, n: NumaStats, says_size: bool) -> str:
    text = f"{vma.start:08x} default"
    if vma.is_file:
        text += " file=" + "".join([f"\\{ord(c):03o}" if c in ESCAPED else c for c in vma.name])
    elif vma.name in ("[heap]", "[stack]"):
        text += f" {vma.name.strip('[]')}"
    if vma.flags & VM_HUGETLB:
        text += " huge"
    if not n.pages:
        return text + "\n"
    shown = (
        ("anon", n.anon, n.anon),
        ("dirty", n.dirty, n.dirty),
        ("mapped", n.pages, n.pages not in (n.anon, n.dirty)),
        ("mapmax", n.mapcount_max, n.mapcount_max > 1),
        ("swapcache", n.swapcache, n.swapcache),
        ("active", n.active, n.active < n.pages and not vma.flags & VM_HUGETLB),
        ("writeback", n.writeback, n.writeback),
        ("N0", n.pages, True),
    )
    size = f" kernelpagesize_kB={n.page_size >> 10}" if says_size else ""
    return text + "".join([f" {name}={pages}" for name, pages, is_shown in shown if is_shown]) + size + "\n"
