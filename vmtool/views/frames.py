"""Page frames: what struct page says of each, and how many there are of each kind.

Counterpart: Linux v6.18 include/linux/page-flags.h (names and their order), tools/mm/page-types.c.
"""

from collections.abc import Iterable

from vmtool.records import Frame


def render(frames: Iterable[Frame]) -> str:
    """A row a frame. `refs` and `maps` are _refcount and _mapcount as page_count() and page_mapcount() give them."""
    from vmtool.views.table import table

    headings = ("pfn", "zone", "kind", "order", "refs", "maps", "index", "mapping", "flags")
    rows = []
    for f in frames:
        index = f"{f.index}" if f.mapping else "-"
        rows.append((f"0x{f.pfn:x}", f.zone, f.kind, f.order, f.refcount, f.mapcount, index, f.mapping or "-", " ".join(f.flags) or "-"))
    return table(headings, rows, left="zone kind mapping flags")


def render_summary(kinds: Iterable[tuple[str, int]], page_shift: int = 12) -> str:
    """A row a kind, and their sum: all frames of the machine."""
    from vmtool.views.table import table

    rows = [(kind, nr_pages, nr_pages << (page_shift - 10)) for kind, nr_pages in kinds]
    nr_all = sum(row[1] for row in rows)
    rows.append(("total", nr_all, nr_all << (page_shift - 10)))
    return table(("kind", "pages", "kB"), rows, left="kind")
