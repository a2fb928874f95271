"""Page frames: what struct page says of each, and how many there are of each kind.

Counterpart: Linux v6.18 include/linux/page-flags.h (names and their order), tools/mm/page-types.c.
"""

from collections.abc import Callable, Iterable

from vmtool.records import Frame, Vma


def runs(frames: Iterable[Frame]) -> list[tuple[Frame, int]]:
    """Neighbours alike share a row: the first frame and their number. Pages of one file are alike where their index goes up with them."""
    found: list[tuple[Frame, int]] = []
    expected = None
    for frame in frames:
        if expected is not None and _alike(frame, expected):
            first, count = found[-1]
            found[-1] = (first, count + 1)
        else:
            found.append((frame, 1))
        expected = frame._replace(pfn=frame.pfn + 1, index=frame.index + 1 if frame.mapping else frame.index)
    return found


def _alike(frame: Frame, expected: Frame) -> bool:
    """Whether a frame is what its neighbour makes one expect; a block or a folio begins a row."""
    if frame.order or "head" in frame.flags:
        return False
    return frame._replace(order=0, has_content=False, kpageflags=0) == expected._replace(order=0, has_content=False, kpageflags=0)


def render(found: Iterable[tuple[Frame, int]], pmd_order: int) -> str:
    """A row a run. `refs` and `maps` are _refcount and _mapcount as page_count() and page_mapcount() give them."""
    from vmtool.views.table import table

    headings = ("pfn", "pages", "zone", "kind", "order", "refs", "maps", "index", "mapping", "flags")
    rows = []
    for f, count in found:
        index = f"0x{f.index:x}" if f.mapping else "-"
        facts = (f.zone, f.kind, f.order, f.refcount, f.mapcount, index, f.mapping or "-", " ".join(words(f, pmd_order)) or "-")
        rows.append((f"0x{f.pfn:x}", count, *facts))
    return table(headings, rows, left="zone kind mapping flags")


def words(frame: Frame, pmd_order: int) -> list[str]:
    """The flags' names, after `huge` where a huge page begins: one of PMD_ORDER or more."""
    is_huge = frame.order >= pmd_order and "head" in frame.flags
    return (["huge"] if is_huge else []) + list(frame.flags)


def render_raw(frames: Iterable[Frame]) -> str:
    """A line a frame: its number and the 64 bits of /proc/kpageflags, both hexadecimal."""
    return "".join([f"0x{f.pfn:x} 0x{f.kpageflags:016x}\n" for f in frames])


def render_mappings(mappings: Iterable[tuple[int, int, int, Vma]], permissions: Callable[[int], str]) -> str:
    """A row an entry that maps the frame."""
    from vmtool.views.table import table

    rows = [(pid, f"{addr:x}", f"{page_bytes >> 10}K", f"{area.start:x}-{area.end:x}", permissions(area.flags), area.name or "-")
            for pid, addr, page_bytes, area in mappings]
    return table(("pid", "address", "page", "area", "perm", "name"), rows, left="area perm name")


def render_summary(kinds: Iterable[tuple[str, int]], page_shift: int) -> str:
    """A row a kind, and their sum: all frames of the machine."""
    from vmtool.views.table import table

    rows = [(kind, nr_pages, nr_pages << (page_shift - 10)) for kind, nr_pages in kinds]
    nr_all = sum(row[1] for row in rows)
    rows.append(("total", nr_all, nr_all << (page_shift - 10)))
    return table(("kind", "pages", "kB"), rows, left="kind")
