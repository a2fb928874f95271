"""What the kernel's page-types prints of /proc/kpageflags, kpagecount and a process's pagemap.

Counterpart: Linux v6.12 tools/mm/page-types.c: forty-three letters (one a flag, `_` where it is clear; 6.1's has forty-five), rows of the
summary in the order of its hash table. Without `raw` the flags of the kernel's own and those of compound pages that are no hugetlb page
are hidden.
"""

from __future__ import annotations

from vmtool.uapi import PM_PFRAME_MASK, PM_PRESENT, PM_SWAP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator

    Page = tuple[int, int, int, int]
    """(page of the space, frame, its flags, how often it is mapped)"""

HEADING = "             flags\tpage-count       MB  symbolic-flags\t\t\tlong-symbolic-flags\n"
HASH_SIZE = 1 << 13
ERROR, ACTIVE, SLAB, WRITEBACK, RECLAIM, ANON, HUGE, OWNER_2 = 1, 6, 7, 8, 9, 12, 17, 34
COMPOUND = 1 << 15 | 1 << 16
HACKERS = 0xFFFF << 32
SOFTDIRTY, ANON_EXCLUSIVE, READAHEAD, SLUB_FROZEN, SLUB_DEBUG, FILE, SWAP, MMAP_EXCLUSIVE = 40, 47, 48, 50, 51, 61, 62, 63
NAMES = {
    0: "L:locked", 1: "E:error", 2: "R:referenced", 3: "U:uptodate", 4: "D:dirty", 5: "l:lru", 6: "A:active", 7: "S:slab", 8: "W:writeback",
    9: "I:reclaim", 10: "B:buddy", 11: "M:mmap", 12: "a:anonymous", 13: "s:swapcache", 14: "b:swapbacked", 15: "H:compound_head",
    16: "T:compound_tail", 17: "G:huge", 18: "u:unevictable", 19: "X:hwpoison", 20: "n:nopage", 21: "x:ksm", 22: "t:thp", 23: "o:offline",
    24: "z:zero_page", 25: "i:idle_page", 26: "g:pgtable", 32: "r:reserved", 33: "m:mlocked", 34: "d:owner_2", 35: "P:private",
    36: "p:private_2", 37: "O:owner_private", 38: "h:arch", SOFTDIRTY: "f:softdirty", 41: "H:arch_2", ANON_EXCLUSIVE: "d:anon_exclusive",
    READAHEAD: "I:readahead", SLUB_FROZEN: "A:slub_frozen", SLUB_DEBUG: "E:slub_debug", FILE: "F:file", SWAP: "w:swap",
    MMAP_EXCLUSIVE: "1:mmap_exclusive",
}  # fmt: skip
OF_PAGEMAP = {55: SOFTDIRTY, 61: FILE, 62: SWAP, 56: MMAP_EXCLUSIVE}


def has(flags: int, bit: int) -> int:
    return flags >> bit & 1


def shown(flags: int, is_raw: bool, pagemap: int = 0) -> int:
    """The flags as they are printed."""
    if not is_raw:
        flags &= ~HACKERS
        return flags if has(flags, HUGE) else flags & ~COMPOUND
    moved = ((ANON, OWNER_2, ANON_EXCLUSIVE), (SLAB, ACTIVE, SLUB_FROZEN), (SLAB, ERROR, SLUB_DEBUG))
    for kind, bit, meant in moved:
        if has(flags, kind) and has(flags, bit):
            flags ^= 1 << bit | 1 << meant
    if has(flags, RECLAIM) and not has(flags, WRITEBACK):
        flags ^= 1 << RECLAIM | 1 << READAHEAD
    for bit, meant in OF_PAGEMAP.items():
        flags |= has(pagemap, bit) << meant
    return flags


def letters(flags: int) -> str:
    return "".join([name[0] if has(flags, bit) else "_" for bit, name in NAMES.items()])


def long_names(flags: int) -> str:
    return ",".join([name[2:] for bit, name in NAMES.items() if has(flags, bit)])


def of_frames(flags: array, counts: array, is_raw: bool) -> Iterator[Page]:
    """Every frame of the machine, in order."""
    forms = {value: shown(value, is_raw) for value in set(flags)}
    return ((pfn, pfn, forms[value], count) for pfn, (value, count) in enumerate(zip(flags, counts, strict=True)))


def of_space(entries: Iterable[tuple[int, int]], flags: array, counts: array, is_raw: bool) -> Iterator[Page]:
    """The pages of a space, of (page, its entry in pagemap): where one is in memory, and where one is in swap."""
    for page, entry in entries:
        pfn = entry & PM_PFRAME_MASK
        if entry & PM_PRESENT and 0 < pfn < len(flags):
            yield page, pfn, shown(flags[pfn], is_raw, entry), counts[pfn]
        if entry & PM_SWAP:
            yield page, pfn >> 5, shown(0, is_raw, entry), 0


def render(pages: Iterable[Page], listing: str, with_page: bool, with_count: bool, has_summary: bool, page_shift: int) -> str:
    """`listing`: "" the summary alone, "ranges" (-l), "pages" (-L)."""
    pages = list(pages)
    text = ""
    if listing:
        text = ("voffset\t" if with_page else "") + ("map-cnt\t" if with_count else "")
        text += "offset\t" + "len\t" * (listing == "ranges") + "flags\n"
        named: dict[int, str] = {}
        rows = ranges(pages, with_count) if listing == "ranges" else [(*page, 1) for page in pages]
        for page, pfn, flags, count, length in rows:
            head = (f"{page:x}\t" if with_page else "") + (f"{count}\t" if with_count else "")
            name = named.get(flags) or named.setdefault(flags, letters(flags))
            text += f"{head}{pfn:x}\t" + (f"{length:x}\t" if listing == "ranges" else "") + name + "\n"
    if not has_summary:
        return text
    return text + ("\n\n" if listing else "") + summary([flags for _, _, flags, _ in pages], page_shift)


def ranges(pages, with_count):
    """Neighbours alike; without `with_count` the tool has no counts to tell them apart by."""
    found = []
    for page, pfn, flags, count in pages:
        count = count if with_count else 0
        if found:
            page0, pfn0, flags0, count0, length = found[-1]
            if (flags, count, pfn, page) == (flags0, count0, pfn0 + length, page0 + length):
                found[-1] = (page0, pfn0, flags0, count0, length + 1)
                continue
        found.append((page, pfn, flags, count, 1))
    return found


def counted(all_flags: list[int]) -> list[tuple[int, int]]:
    """(flags, pages with them), in the order of the tool's hash table."""
    from collections import Counter

    numbers = Counter(all_flags)  # in the order in which they were met first
    slots: dict[int, int] = {}
    for flags in numbers:
        slot = flags & HASH_SIZE - 1
        while flags and (slot == 0 or slots.get(slot, flags) != flags):
            slot = slot % (HASH_SIZE - 1) + 1
        slots[slot if flags else 0] = flags
    return [(slots[slot], numbers[slots[slot]]) for slot in sorted(slots)]


def summary(all_flags: list[int], page_shift: int) -> str:
    """How many pages have each set of flags."""
    text = HEADING
    for flags, nr_pages in counted(all_flags):
        text += f"0x{flags:016x}\t{_number(nr_pages, page_shift)}  {letters(flags)}\t{long_names(flags)}\n"
    return text + f"             total\t{_number(len(all_flags), page_shift)}\n"


def _number(nr_pages, page_shift):
    return f"{nr_pages:10} {nr_pages << page_shift >> 20:8}"
