"""The same scene as one SVG: pages, entries, frames and files in four columns, with an arrow for each present entry.

Real text, a `<title>` with the facts on every box, colours as CSS variables that follow light and dark, nothing from outside. Each element
is one line; what stands in a row is placed by the row's own group, so that rows that move do not change.

Geometry: an entry's box and a frame's box have their row's height; an arrow goes from the right edge of the one to the left edge of the
other, in the middle of their heights. A test reads it back.
"""

from __future__ import annotations

from textwrap import wrap

from vmtool.face import facts, palette, rows, svg_coarse, svg_grid
from vmtool.face import scene as s
from vmtool.face.svg_document import LEFT, ROW, document
from vmtool.face.terminal import summary_words
from vmtool.face.xml import element, escape, title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.face.changes import Changes

BOX = 14
CHAR = 7.5  # no font of the style sheet's is wider
PAGE_X, PAGE_WIDTH = 24, 150
ENTRY_X, ENTRY_WIDTH = 240, 190  # the line of an area, on a row of its own, ends before the arrows begin
FRAME_X, FRAME_WIDTH = 540, 150
FILE_X, FILE_WIDTH = 750, 130
WIDTH = 892
TOP = 44


def render(scene: s.Scene, changes: Changes | None = None) -> str:
    """The picture of a scene. One that is coarser than pages is its text, and the grid."""
    if scene.detail != s.PAGES:
        return svg_coarse.render(scene)
    drawing = _Drawing(scene, changes)
    body = drawing.draw()
    return document(body, WIDTH, drawing.height, facts.label(scene), facts.describe(scene))


class _Drawing:
    """Rows from top to bottom; frames beside the first row that points to them, where there is room."""

    def __init__(self, scene: s.Scene, changes: Changes | None):
        self.scene = scene
        self.changes = changes
        self.shift = scene.info.page_shift
        self.lines: list[str] = []
        self.height = 0
        self.rows = list(rows.rows(scene))
        self.uses = {run.pfn: palette.CLASS_OF[run.use] for run in scene.frames}
        self.frame_y = self._place_frames()
        self.slots = {where: y for where, y in self.frame_y.items() if isinstance(where, tuple)}

    def _place_frames(self):
        """The top of each frame's row, and of each swap slot's."""
        placed: dict[object, int] = {}
        free = TOP
        for i, row in enumerate(self.rows):
            if row.page is None or not rows.arrow_kind(row.page):
                continue
            where = rows.target(row.page)
            if where not in placed:
                placed[where] = free = max(free, TOP + i * ROW)
                free += ROW
        free += ROW
        for run in self.scene.frames:
            if run.pfn not in placed:
                placed[run.pfn] = free
                free += ROW
        return placed

    def draw(self) -> list[str]:
        heads = ((LEFT, "virtual pages"), (ENTRY_X, "page tables"), (FRAME_X, "page frames"), (FILE_X, "files, swap"))
        self.lines += [element("text", text, x=x, y=26, class_="col") for x, text in heads]
        for i, row in enumerate(self.rows):
            getattr(self, f"_{row.kind}")(TOP + i * ROW, row)
        bottom = max(TOP + len(self.rows) * ROW, self._frames(), self._files())
        for text in self.changes.gone() if self.changes else ():
            self.lines.append(element("text", escape(text), x=LEFT, y=bottom + 14, class_="gone"))
            bottom += ROW
        self.height = self._legend(bottom + ROW)
        return self.lines

    def _group(self, y, elements, mark=""):
        self.lines += [element("g", "", transform=f"translate(0 {y})", class_="row changed" if mark else None).removesuffix("</g>")]
        self.lines += [*elements, "</g>"]

    # --- the left: processes, areas, pages with their entries ---------------------------------------------

    def _process(self, y, row):
        mark = self.changes.space(row.space) if self.changes else ""
        words = escape(rows.process_text(row.space)) + title(facts.space(row.space))
        self._group(y, [element("text", words, x=LEFT, y=13, class_="process" + _new(mark))], mark)

    def _table(self, y, row):
        table = row.table
        place = f"[{table.index}] " if table.parent else ""
        words = f"{'  ' * row.depth}{place}{table.level} {table.address:x}"
        self._group(y, _box(ENTRY_X, ENTRY_WIDTH, facts.table(table), "table", words))

    def _area(self, y, row):
        mark = self.changes.area(row.space, row.area) if self.changes else ""
        folded = "" if row.area.pages or not row.area.nr_pages else f"  □ ×{row.area.nr_pages}"
        words = element("tspan", escape(rows.area_text(row.area)) + title(facts.area(row.area)), class_="new" if mark else None)
        words += element("tspan", folded, class_="faint")
        self._group(y, [element("text", words, x=LEFT, y=13, class_="area" + _new(mark))], mark)

    def _page(self, y, row):
        page = row.page
        mark = self.changes.page(row.space, page) if self.changes else ""
        kind = rows.arrow_kind(page)
        words = f"{page.addr >> self.shift:x} {palette.BOXES[page.state]}"
        if page.state == s.HUGE:
            words += f" {rows.size_text(page.nr << self.shift)}"
        elif page.nr > 1:
            words += f" ×{page.nr}"
        use = self.uses.get(page.pfn, "") if page.state in s.POINTS else ""
        told = facts.page(row.space, row.area, page, self.shift)
        elements = _box(PAGE_X, PAGE_WIDTH, told, (use or "absent") + _new(mark), words, not kind)
        if kind:
            entry = rows.entry_place(page) + (f"  {rows.entry_flags(page)}" if kind != "swap" else "")
            elements.append(element("path", d=f"M{PAGE_X + PAGE_WIDTH} 9H{ENTRY_X}", class_="wire"))
            elements += _box(ENTRY_X, ENTRY_WIDTH, facts.entry(row.space, page), "table" + _new(mark), entry.rstrip())
            elements.append(self._arrow(y, row, page, kind, mark))
        self._group(y, elements, mark)

    def _arrow(self, y, row, page, kind, mark):
        start, end = ENTRY_X + ENTRY_WIDTH, FILE_X if kind == "swap" else FRAME_X
        head = f"url(#{'rw' if kind == 'rw' else 'ro'})"
        return _curve(start, end, self.frame_y[rows.target(page)] - y, f"arrow {kind}{_new(mark)}", marker_end=head, data_pid=row.space.pid,
                      data_address=f"{page.addr:x}", data_pages=page.nr)  # fmt: skip

    # --- the right: frames, then the blocks of files behind them ---------------------------------------------

    def _frames(self):
        bottom = TOP
        block_y = self._place_blocks()
        for run in self.scene.frames:
            y = self.frame_y[run.pfn]
            mark = self.changes.frame(run) if self.changes else ""
            size = f" {rows.size_text(run.page_bytes)}" if run.page_bytes >> self.shift > 1 else ""
            words = f"{rows.frame_number(run)} {rows.frame_marks(run)}{size}"
            use = f"frame {palette.CLASS_OF[run.use]}{_new(mark)}"
            elements = _box(FRAME_X, FRAME_WIDTH, facts.frame(run), use, words, data_pfn=f"{run.pfn:x}", data_frames=run.nr)
            if run.pfn in block_y:
                elements.append(_curve(FRAME_X + FRAME_WIDTH, FILE_X, block_y[run.pfn] - y, "backs"))
            self._group(y, elements, mark)
            bottom = max(bottom, y + ROW)
        for (area, slot), y in self.slots.items():
            words = f"swap {area}:{slot:x}"
            self._group(y, _box(FILE_X, FILE_WIDTH, words, "slot", words, data_slot=words))
            bottom = max(bottom, y + ROW)
        return bottom

    def _files_in_place(self):
        """(file, its top): beside the first of its frames, below the file before it."""
        y = max(self.slots.values(), default=TOP - ROW) + ROW
        tops = {file: min([self.frame_y[pfn] for _, _, pfn in file.blocks if pfn is not None]) for file in self.scene.files}
        for file in sorted(self.scene.files, key=tops.__getitem__):
            y = max(y, tops[file] - ROW)
            yield file, y
            y += ROW * (1 + len(file.blocks))

    def _place_blocks(self):
        """The top of the block that each frame holds."""
        return {pfn: y + ROW * i for file, y in self._files_in_place() for i, (_, _, pfn) in enumerate(file.blocks, 1) if pfn is not None}

    def _files(self):
        bottom = TOP
        for file, y in self._files_in_place():
            words = escape(s.last_path(file.path)) + title(f"{file.path}, {file.nr_blocks} blocks")
            self._group(y, [element("text", words, x=FILE_X, y=13, class_="process")])
            for i, (first, nr, pfn) in enumerate(file.blocks, 1):
                words = f"{first}..{first + nr - 1}" if nr > 1 else f"{first}"
                held = f"in frame 0x{pfn:x}" if pfn is not None else "not in the page cache"
                told = f"{file.path}, block {words}: {held}"
                self._group(y + i * ROW, _box(FILE_X, FILE_WIDTH, told, "absent" if pfn is None else "file", words, pfn is None))
            bottom = y + ROW * (1 + len(file.blocks))
        return bottom

    def _legend(self, y):
        """What letters and arrows mean, and the machine in numbers. Returns the bottom."""
        x = LEFT
        for letter, use in palette.USES.items():
            self.lines.append(element("rect", x=x, y=y, width=12, height=12, class_=f"box {palette.CLASS_OF[letter]}"))
            self.lines.append(element("text", f"{letter} {use}", x=x + 18, y=y + 10))
            x += 34 + 8 * len(f"{letter} {use}")
        words = "* dirty   L locked   ×N mapped N times   solid head: writable   hollow head: read-only   dotted: in swap"
        self.lines.append(element("text", words, x=LEFT, y=y + 30, class_="faint"))
        told = wrap("frames: " + ", ".join(summary_words(self.scene)), int((WIDTH - 2 * LEFT) / CHAR))
        hidden = [f"not drawn: {self.scene.hidden}"] if self.scene.hidden else []
        for text, kind in [*[(text, "faint counts") for text in told], *[(text, "faint") for text in hidden]]:
            self.lines.append(element("text", escape(text), x=LEFT, y=y + 48, class_=kind))
            y += ROW
        if self.scene.blocks is not None:
            return svg_grid.draw(self.lines, self.scene, LEFT, y + 60) + ROW
        return y + 44


def _new(mark):
    return " new" if mark else ""


def _box(x, width, told, use, words, is_faint=False, **data):
    """A box of a row with its words, and its facts for who points at it."""
    box = element("rect", title(told), x=x, y=2, width=width, height=BOX, class_=f"box {use}", **data)
    return [box, element("text", escape(words), x=x + 6, y=13, class_="faint" if is_faint else None)]


def _curve(start, end, drop, use, **data):
    """From a box's right edge, in the middle of the row, to the left edge of one `drop` below."""
    bend = (end - start) // 2
    return element("path", d=f"m0 0c{bend} 0 {bend} {drop} {end - start} {drop}", transform=f"translate({start} 9)", class_=use, **data)
