"""A scene as rows from top to bottom: what the terminal and SVG both draw, each in its way."""

from __future__ import annotations

from vmtool.face import scene as s
from vmtool.procfs.vmflags import permissions
from vmtool.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ACCESSED, DIRTY = {"A", "AF"}, {"D", "DIRTY"}  # x86's and arm64's names
PROCESS, AREA, PAGE, TABLE = "process", "area", "page", "table"


class Row(NamedTuple):
    """One row; what it is not about is None."""

    kind: str
    space: s.Space
    area: s.Area | None
    page: s.Page | None
    table: s.Table | None
    depth: int


def rows(scene: s.Scene) -> Iterator[Row]:
    for space in scene.spaces:
        yield Row(PROCESS, space, None, None, None, 0)
        depths: dict[int, int] = {}
        for table in space.tables:
            depths[table.address] = depths.get(table.parent, -1) + 1
            if table.level != "pte":
                yield Row(TABLE, space, None, None, table, depths[table.address])
        for area in space.areas:
            yield Row(AREA, space, area, None, None, 0)
            for page in area.pages:
                yield Row(PAGE, space, area, page, None, 0)


def arrow_kind(page: s.Page) -> str:
    """`rw` or `ro` for an entry that is present, `swap` for one that names a slot, '' for none."""
    if page.state in s.POINTS:
        return "rw" if page.writable else "ro"
    return "swap" if page.state == s.SWAPPED else ""


def target(page: s.Page) -> object:
    """What an arrow's end is at: a frame's number, or a slot."""
    return page.slot if page.state == s.SWAPPED else page.pfn


def area_text(area: s.Area, full: bool = False) -> str:
    """The area's line of maps, short: range, permissions, name."""
    vma = area.vma
    name = vma.name if full else s.last_path(vma.name)
    return f"{vma.start:08x}-{vma.end:08x} {permissions(vma.flags)} {name}".rstrip()


def process_text(space: s.Space) -> str:
    return f"{space.comm} ({space.pid})" + (f", in {space.register}" if space.register else "")


def rss_text(space: s.Space) -> str:
    """A process in one line."""
    anon, file, shmem = space.rss
    return (
        f"{space.nr_areas} areas, {anon} anon, {file} file, {shmem} shmem, {space.nr_swapped} swapped, {space.pgtables_bytes >> 10}K tables"
    )


def entry_place(page: s.Page) -> str:
    """`pte 401a000[5]`, of a run `pte 401a000[5..9]`."""
    last = f"..{page.index + page.nr_entries - 1}" if page.nr_entries > 1 else ""
    return f"{page.level} {page.table:x}[{page.index}{last}]"


def entry_flags(page: s.Page) -> str:
    """`RW A D` in columns."""
    accessed = "A" if ACCESSED & set(page.flags) else " "
    return f"{'RW' if page.writable else 'R '} {accessed} {'D' if DIRTY & set(page.flags) else ' '}"


def frame_number(run: s.FrameRun) -> str:
    return f"{run.pfn:05x}" + (f"..{run.pfn + run.nr - 1:05x}" if run.nr > 1 else "")


def frame_marks(run: s.FrameRun) -> str:
    """Letter, dirty, locked, mapcount from 2 on: `F*L ×2`."""
    return f"{run.use}{'*' if run.dirty else ''}{'L' if run.locked else ''}" + (f" ×{run.mapcount}" if run.mapcount > 1 else "")


def frame_content(run: s.FrameRun) -> str:
    """The file's pages that are in it: `scene.dat 0..3`."""
    if not run.path or run.index is None:
        return ""
    return f"{s.last_path(run.path)} {run.index}" + (f"..{run.index + run.nr - 1}" if run.nr > 1 else "")


def slot_text(page: s.Page) -> str:
    area, slot = page.slot or (0, 0)
    return f"swap {area}:{slot:x}"


def size_text(nr_bytes: int) -> str:
    """`2M`, `64K`."""
    for shift, unit in ((30, "G"), (20, "M")):
        if nr_bytes >> shift and not nr_bytes & (1 << shift) - 1:
            return f"{nr_bytes >> shift}{unit}"
    return f"{nr_bytes >> 10}K"


def about(nr_bytes: int) -> str:
    """A size as near as one digit behind the point: `127.9T`."""
    for shift, unit in ((50, "P"), (40, "T"), (30, "G"), (20, "M")):
        if nr_bytes >> shift:
            return f"{nr_bytes / (1 << shift):.1f}{unit}"
    return f"{nr_bytes >> 10}K"


def printable(text: str) -> str:
    """A name on one line: what would move a cursor is a question mark."""
    return text if text.isprintable() else "".join([char if char.isprintable() else "?" for char in text])
