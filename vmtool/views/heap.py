"""Heaps: figures, bins and chunks of a process's heap, and the heap drawn in characters.

    0x405000  @#######################c#....#.###############+++++++++++++
              @ table   # live   . free   c kept by tcache or fastbin   + several   t top   ! fence
"""

from collections.abc import Iterable, Sequence

from vmtool.records import HeapBin, HeapFigures

WIDTH = 64
ROWS = 32
LETTERS = {1 << 0: "#", 1 << 1: ".", 1 << 2: "t", 1 << 3: "c", 1 << 4: "c", 1 << 5: "@", 1 << 6: "!"}
KEPT = 1 << 3 | 1 << 4
LEGEND = "# live   . free   c kept by a tcache or fastbin   + several   t top   @ table of a tcache   ! fence\n"
ROW = "address         size        state    index\n"


def cell(states: int) -> str:
    """The character for what lies in one cell."""
    if states and not states & ~KEPT:
        return "c"
    return LETTERS.get(states, "+" if states else " ")


def draw(runs: Iterable[tuple[int, int, int, bytes]]) -> str:
    """Each heap, 64 cells a row."""
    lines = []
    for start, end, unit, cells in runs:
        lines.append(f"0x{start:x}-0x{end:x}, {unit} bytes a character")
        for at in range(0, len(cells), WIDTH):
            lines.append(f"0x{start + at * unit:x}  " + "".join([cell(states) for states in cells[at : at + WIDTH]]))
    return "\n".join(lines) + "\n" + LEGEND if lines else "no heap\n"


def percent(part: int, whole: int) -> str:
    """With one decimal, rounded down, so that 100.0 means all."""
    return f"{part * 1000 // whole / 10:.1f}%" if whole else "0.0%"


def figures(f: HeapFigures) -> str:
    """How much there is of what, and what fragmentation costs."""
    from vmtool.views.table import table

    rows = [
        ("live", f.nr_live, f.live_bytes),
        ("kept by tcaches", f.nr_tcache, f.tcache_bytes),
        ("kept by fastbins", f.nr_fastbin, f.fastbin_bytes),
        ("holes", f.nr_holes, f.hole_bytes),
        ("the library's own", "", f.own_bytes),
        ("top", "", f.top_bytes),
        ("mapped", f.nr_mapped, f.mapped_bytes),
    ]
    text = f"{f.system_bytes} bytes from the kernel in {f.nr_arenas} arena{'s' if f.nr_arenas != 1 else ''}\n"
    text += table(("what", "chunks", "bytes"), rows, left="what")
    scattered = percent(f.hole_bytes - f.largest_hole_bytes, f.hole_bytes)
    text += f"the largest hole has {f.largest_hole_bytes} bytes: {scattered} of the free bytes are elsewhere\n"
    text += f"{f.pinned_bytes} bytes that are not live lie below the last live chunk: a lower break cannot return them\n"
    text += f"{f.droppable_bytes} of them are whole pages in holes, which malloc-trim drops\n"
    if f.broken_address is not None:
        text += f"the header at 0x{f.broken_address:x} was overwritten: what follows it cannot be told\n"
    return text


def bins(found: Sequence[HeapBin]) -> str:
    """A row for each list that has chunks."""
    from vmtool.views.table import table

    return table(("bin", "index", "chunks", "bytes"), [(b.kind, b.index, b.nr_chunks, b.size_bytes) for b in found], left="bin")


def objects(f: HeapFigures, found: Sequence[HeapBin]) -> dict:
    """What JSON holds besides the chunks."""
    values = dict(zip(f._fields, f, strict=True))
    broken = values.pop("broken_address")
    listed = [{"kind": b.kind, "index": b.index, "nr_chunks": b.nr_chunks, "size_bytes": b.size_bytes} for b in found]
    if broken is not None:
        values["broken_address"] = f"0x{broken:x}"
    return {**values, "bins": listed}
