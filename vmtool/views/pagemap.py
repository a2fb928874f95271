"""/proc/PID/pagemap in words: what is behind each page of a process.

Counterpart: Documentation/admin-guide/mm/pagemap.rst of Linux v6.18. An entry has 64 bits:

    63 present   62 swapped   61 file or shared   58 guard   57 uffd-wp   56 exclusive   55 soft-dirty
    54..0 the frame's number; of a swapped page 4..0 the swap area and 54..5 the slot in it
"""

from collections.abc import Iterable

from vmtool.records import PagemapEntry

PRESENT = 1 << 63
SWAPPED = 1 << 62
GUARD = 1 << 58
MARKS = ((1 << 61, "file/shared"), (1 << 56, "exclusive"), (1 << 57, "uffd-wp"), (1 << 55, "soft-dirty"))
PFN_MASK = (1 << 55) - 1


def behind(entry: int) -> str:
    """What an entry refers to: `frame 0x…`, `swap AREA:SLOT`, `guard`, `-`."""
    if entry & PRESENT:
        return f"frame 0x{entry & PFN_MASK:x}"
    if entry & GUARD:
        return "guard"
    if entry & SWAPPED:
        slot = entry & PFN_MASK
        return f"swap {slot & 0x1F}:{slot >> 5}"
    return "-"


def render(entries: Iterable[PagemapEntry]) -> str:
    """A row a page; pages with nothing behind them share one row with their neighbours."""
    from vmtool.views.table import table

    rows: list[list[object]] = []
    empty_run = False
    for addr, entry in entries:
        if entry == 0 and empty_run:
            rows[-1][1] = int(str(rows[-1][1])) + 1
            continue
        empty_run = entry == 0
        rows.append([f"0x{addr:x}", 1, behind(entry), " ".join([word for bit, word in MARKS if entry & bit])])
    return table(("address", "pages", "behind", "marks"), rows, left="behind marks")


def render_raw(entries: Iterable[PagemapEntry]) -> str:
    """A line a page: the address and the 64-bit entry, both hexadecimal."""
    return "".join([f"0x{addr:x} 0x{entry:016x}\n" for addr, entry in entries])
