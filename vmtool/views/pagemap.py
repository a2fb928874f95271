"""/proc/PID/pagemap in words: what is behind each page of a process.

Counterpart: Documentation/admin-guide/mm/pagemap.rst of Linux v6.18. An entry has 64 bits:

    63 present   62 swapped   61 file or shared   58 guard   57 uffd-wp   56 exclusive   55 soft-dirty
    54..0 the frame's number; of a swapped page 4..0 the swap area and 54..5 the slot in it
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from vmtool.records import PagemapEntry
from vmtool.uapi import (
    PM_FILE,
    PM_GUARD_REGION,
    PM_MMAP_EXCLUSIVE,
    PM_PFRAME_MASK,
    PM_PRESENT,
    PM_SOFT_DIRTY,
    PM_SWAP,
    PM_UFFD_WP,
)

MARKS = ((PM_FILE, "file/shared"), (PM_MMAP_EXCLUSIVE, "exclusive"), (PM_UFFD_WP, "uffd-wp"), (PM_SOFT_DIRTY, "soft-dirty"))
AREA_MASK, AREA_SHIFT = 0x1F, 5
HUGE = "huge"


class Run(NamedTuple):
    """Neighbouring pages alike but for frames, or slots, that go up with them. `huge`: kB that one entry maps, else 0."""

    addr: int
    nr_pages: int
    entry: int  # of the first page
    huge: int


def runs(
    entries: Iterable[PagemapEntry], page_shift: int, pmd_order: int, mapped_at: Callable[[int], int] | None = None
) -> list[Run]:
    """The pages, folded. `mapped_at(addr)`: the size of the page that the tables map there; asked where it could be a huge one, of
    PMD_ORDER or more."""
    page_bytes = 1 << page_shift
    found: list[list[int]] = []
    expected = (-1, 0)
    huge = huge_end = 0
    for addr, entry in entries:
        begins = False
        if addr >= huge_end:
            huge = _huge_bytes(addr, entry, page_bytes << pmd_order, pmd_order, mapped_at)
            huge_end = addr + (huge or page_bytes)
            begins = huge > 0
        if found and (addr, entry) == expected and found[-1][3] == huge >> 10 and not begins:
            found[-1][1] += 1
        else:
            found.append([addr, 1, entry, huge >> 10])
        expected = (addr + page_bytes, _next(entry))
    return [Run(*run) for run in found]


def _huge_bytes(addr, entry, pmd_bytes, pmd_order, mapped_at):
    """The size of the huge page that begins here, or 0."""
    if mapped_at is None or not entry & PM_PRESENT or entry & ((1 << pmd_order) - 1) or addr % pmd_bytes:
        return 0
    nr_bytes = mapped_at(addr)
    return nr_bytes if nr_bytes >= pmd_bytes else 0


def _next(entry):
    """What the page after this one has when the two are a run."""
    if entry & PM_PRESENT:
        return entry + 1
    return entry + (1 << AREA_SHIFT) if entry & PM_SWAP and not entry & PM_GUARD_REGION else entry


def behind(entry: int, nr_pages: int = 1) -> str:
    """What an entry refers to, and the following ones: `frame 0x…`, `frames 0x…-0x…`, `swap AREA:SLOT`, `guard`, `-`."""
    if entry & PM_PRESENT:
        pfn = entry & PM_PFRAME_MASK
        return f"frame 0x{pfn:x}" if nr_pages == 1 else f"frames 0x{pfn:x}-0x{pfn + nr_pages - 1:x}"
    if entry & PM_GUARD_REGION:
        return "guard"
    if entry & PM_SWAP:
        slot = (entry & PM_PFRAME_MASK) >> AREA_SHIFT
        last = f"-0x{slot + nr_pages - 1:x}" if nr_pages > 1 else ""
        return f"swap {entry & AREA_MASK}:0x{slot:x}{last}"
    return "-"


def marks(run: Run) -> list[str]:
    """The words for the bits that are set."""
    return ([HUGE] if run.huge else []) + [word for bit, word in MARKS if run.entry & bit]


def render(found: Iterable[Run]) -> str:
    """A row a run."""
    from vmtool.views.table import table

    rows = [(f"0x{run.addr:x}", run.nr_pages, behind(run.entry, run.nr_pages), " ".join(marks(run))) for run in found]
    return table(("address", "pages", "behind", "marks"), rows, left="behind marks")


def render_pages(entries: Iterable[PagemapEntry]) -> str:
    """A line a page: the address and the 64-bit entry, both hexadecimal, then what the entry says in words."""
    return "".join([" ".join([f"0x{addr:x} 0x{entry:016x}", behind(entry), *[word for bit, word in MARKS if entry & bit]]) + "\n"
                    for addr, entry in entries])


def render_raw(entries: Iterable[PagemapEntry]) -> str:
    """A line a page: the address and the 64-bit entry, both hexadecimal."""
    return "".join([f"0x{addr:x} 0x{entry:016x}\n" for addr, entry in entries])


def run_object(run: Run) -> dict[str, Any]:
    """A row as a JSON object; what the page has not is null."""
    entry = run.entry
    is_swapped = bool(entry & PM_SWAP) and not entry & PM_GUARD_REGION and not entry & PM_PRESENT
    return {
        "address": f"0x{run.addr:x}",
        "nr_pages": run.nr_pages,
        "pfn": entry & PM_PFRAME_MASK if entry & PM_PRESENT else None,
        "swap_area": entry & AREA_MASK if is_swapped else None,
        "swap_slot": (entry & PM_PFRAME_MASK) >> AREA_SHIFT if is_swapped else None,
        "is_guard": bool(entry & PM_GUARD_REGION) and not entry & PM_PRESENT,
        "flags": marks(run),
    }


def raw_object(found: PagemapEntry) -> dict[str, Any]:
    """A page as a JSON object of --raw."""
    return {"address": f"0x{found.addr:x}", "entry": f"0x{found.entry:016x}"}
