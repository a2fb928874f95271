"""The same scene as one SVG: pages, entries, frames and files in four columns, with an arrow for each present entry.

Real text, a `<title>` with the facts on every box, colours as CSS variables that follow light and dark, nothing from outside. Each element
is one line; what stands in a row is placed by the row's own group, so that rows that move do not change.

Geometry: an entry's box and a frame's box have their row's height; an arrow goes from the right edge of the one to the left edge of the
other, in the middle of their heights. A test reads it back.
"""

from __future__ import annotations

from vmtool.face import facts, palette, rows
from vmtool.face import scene as s
from vmtool.face.terminal import summary_words
from vmtool.face.xml import element, escape, title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.face.changes import Changes

ROW, BOX = 18, 14
LEFT = 12
PAGE_X, PAGE_WIDTH = 24, 150
ENTRY_X, ENTRY_WIDTH = 380, 190
FRAME_X, FRAME_WIDTH = 700, 150
FILE_X, FILE_WIDTH = 930, 170
WIDTH = 1120
TOP = 44

STYLE = """\
svg{--bg:#fff;--ink:#1a1a1a;--faint:#6b6b6b;--line:#8a8a8a;--new:#d55e00;%s;background:var(--bg);
font:12px ui-monospace,'DejaVu Sans Mono',monospace}
@media (prefers-color-scheme:dark){svg{--bg:#16181b;--ink:#e8e8e8;--faint:#9a9a9a;--line:#777;--new:#ff9d5c;%s}}
text{fill:var(--ink);white-space:pre}
.faint,.col{fill:var(--faint)}
.col,.process{font-weight:bold}
.box{stroke:var(--line);fill:none}
.absent{stroke-dasharray:2 2}
%s
.arrow{fill:none;stroke:var(--ink);stroke-width:1.2}
.swap{stroke-dasharray:3 3}
.wire,.backs{fill:none;stroke:var(--line)}
.new{stroke:var(--new);stroke-width:2.4}
text.new{stroke:none;fill:var(--new);font-weight:bold}
.gone{text-decoration:line-through;fill:var(--faint)}
marker path{stroke:var(--ink);fill:var(--ink)}
.hollow path{fill:var(--bg)}
@media print{svg{--bg:#fff;--ink:#000}}
"""
MARKERS = (
    '<marker id="rw" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
    '<path d="M0 1L10 5L0 9z"/></marker>',
    '<marker id="ro" class="hollow" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8" markerHeight="8" '
    'markerUnits="userSpaceOnUse" orient="auto"><path d="M1 1L9 5L1 9z"/></marker>',
)


def style() -> str:
    """The one style sheet of all pictures."""
    variables = [";".join([f"--{palette.CLASS_OF[letter]}:{colours[i]}" for letter, colours in palette.COLOURS.items()]) for i in (0, 1)]
    uses = "\n".join([f".{name}{{fill:var(--{name})}}" for name in palette.CLASS_OF.values()])
    return STYLE % (*variables, uses)


def document(body: list[str], width: int, height: int, label: str, description: str) -> str:
    """A whole file: the body's lines inside one `<svg>`."""
    head = element(
        "svg",
        "",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_labelledby="what how",
    ).removesuffix("</svg>")
    lines = [
        head,
        f'<title id="what">{escape(label)}</title>',
        f'<desc id="how">{escape(description)}</desc>',
        f"<style>{style()}</style>",
        "<defs>",
        *MARKERS,
        "</defs>",
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def render(scene: s.Scene, changes: Changes | None = None) -> str:
    """The picture of a scene. One that is coarser than pages is its text, and the grid."""
    if scene.detail != s.PAGES:
        from vmtool.face.svg_coarse import render as render_coarse

        return render_coarse(scene)
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
        self.arrows: list[str] = []
        self.height = 0
        self.rows = list(rows.rows(scene))
        self.frame_y = self._place_frames()
        self.block_y: dict[int, int] = {}

    def _place_frames(self):
        """The top of each frame's row, and of each swap slot's."""
        placed: dict[object, int] = {}
        free = TOP
        for i, row in enumerate(self.rows):
            if row.page is None or not rows.arrow_kind(row.page):
                continue
            where = rows.target(row.page)
            if where not in placed:
                free = max(free, TOP + i * ROW)
                placed[where] = free
                free += ROW
        if any(run.pfn not in placed for run in self.scene.frames):
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
            self._row(TOP + i * ROW, row)
        bottom = TOP + len(self.rows) * ROW
        bottom = max(bottom, self._frames(), self._files())
        for text in self.changes.gone() if self.changes else ():
            self.lines.append(element("text", escape(text), x=LEFT, y=bottom + 14, class_="gone"))
            bottom += ROW
        self.height = self._legend(bottom + ROW)
        return [*self.arrows, *self.lines]

    def _group(self, y, content, mark=""):
        self.lines.append(f'<g transform="translate(0 {y})"{" class=" + chr(34) + "row changed" + chr(34) if mark else ""}>{content}</g>')

    def _new(self, mark):
        return " new" if mark else ""

    # --- the left: processes, areas, pages with their entries ---------------------------------------------

    def _row(self, y, row):
        if row.kind == rows.PROCESS:
            mark = self.changes.space(row.space) if self.changes else ""
            text = element(
                "text",
                escape(rows.process_text(row.space)) + title(facts.space(row.space)),
                x=LEFT,
                y=13,
                class_="process" + self._new(mark),
            )
            self._group(y, text, mark)
        elif row.kind == rows.TABLE:
            table = row.table
            place = f"[{table.index}] " if table.parent else ""
            self._group(
                y,
                element("rect", title(facts.table(table)), x=ENTRY_X, y=2, width=ENTRY_WIDTH, height=BOX, class_="box table")
                + element("text", f"{'  ' * row.depth}{place}{table.level} {table.address:x}", x=ENTRY_X + 6, y=13),
            )
        elif row.kind == rows.AREA:
            mark = self.changes.area(row.space, row.area) if self.changes else ""
            folded = "" if row.area.pages or not row.area.nr_pages else f"  □ ×{row.area.nr_pages}"
            text = element("tspan", escape(rows.area_text(row.area)) + title(facts.area(row.area)), class_="new" if mark else None)
            self._group(
                y, element("text", text + element("tspan", folded, class_="faint"), x=LEFT, y=13, class_="area" + self._new(mark)), mark
            )
        else:
            self._page(y, row)

    def _page(self, y, row):
        page = row.page
        mark = self.changes.page(row.space, page) if self.changes else ""
        kind = rows.arrow_kind(page)
        words = f"{page.addr >> self.shift:x} {palette.BOXES[page.state]}"
        if page.state == s.HUGE:
            words += f" {rows.size_text(page.nr << self.shift)}"
        elif page.nr > 1:
            words += f" ×{page.nr}"
        use = self._use(page)
        box = element(
            "rect",
            title(facts.page(row.space, row.area, page, self.shift)),
            x=PAGE_X,
            y=2,
            width=PAGE_WIDTH,
            height=BOX,
            class_=f"box {use or 'absent'}{self._new(mark)}",
        )
        content = box + element("text", escape(words), x=PAGE_X + 6, y=13, class_=None if kind else "faint")
        if kind:
            content += self._entry(row, page, kind, mark)
            self._arrow(y, row, page, kind, mark)
        self._group(y, content, mark)

    def _use(self, page):
        run = next((run for run in self.scene.frames if run.pfn == page.pfn), None) if page.state in s.POINTS else None
        return palette.CLASS_OF[run.use] if run else ""

    def _entry(self, row, page, kind, mark):
        wire = element("path", d=f"M{PAGE_X + PAGE_WIDTH} 9H{ENTRY_X}", class_="wire")
        box = element(
            "rect", title(facts.entry(row.space, page)), x=ENTRY_X, y=2, width=ENTRY_WIDTH, height=BOX, class_=f"box table{self._new(mark)}"
        )
        words = rows.entry_place(page) + (f"  {rows.entry_flags(page)}" if kind != "swap" else "")
        return wire + box + element("text", escape(words.rstrip()), x=ENTRY_X + 6, y=13)

    def _arrow(self, y, row, page, kind, mark):
        end = self.frame_y[rows.target(page)]
        start_x, end_x = ENTRY_X + ENTRY_WIDTH, FRAME_X if kind != "swap" else FILE_X
        bend, drop = (end_x - start_x) // 2, end - y
        self.arrows.append(
            element(
                "path",
                d=f"m0 0c{bend} 0 {bend} {drop} {end_x - start_x} {drop}",
                transform=f"translate({start_x} {y + 9})",
                class_=f"arrow {kind}{self._new(mark)}",
                marker_end=f"url(#{'rw' if kind == 'rw' else 'ro'})",
                data_pid=row.space.pid,
                data_address=f"{page.addr:x}",
                data_pages=page.nr,
            )
        )

    # --- the right: frames, then the blocks of files behind them ---------------------------------------------

    def _frames(self):
        bottom = TOP
        for run in self.scene.frames:
            y = self.frame_y[run.pfn]
            mark = self.changes.frame(run) if self.changes else ""
            box = element(
                "rect",
                title(facts.frame(run)),
                x=FRAME_X,
                y=2,
                width=FRAME_WIDTH,
                height=BOX,
                class_=f"box frame {palette.CLASS_OF[run.use]}{self._new(mark)}",
                data_pfn=f"{run.pfn:x}",
                data_frames=run.nr,
            )
            size = f" {rows.size_text(run.page_bytes)}" if run.page_bytes >> self.shift > 1 else ""
            text = f"{rows.frame_number(run)} {rows.frame_marks(run)}{size}"
            self._group(y, box + element("text", escape(text), x=FRAME_X + 6, y=13), mark)
            bottom = max(bottom, y + ROW)
        for where, y in self.frame_y.items():
            if isinstance(where, tuple):
                text = f"swap {where[0]}:{where[1]:x}"
                self._group(
                    y,
                    element("rect", title(text), x=FILE_X, y=2, width=FILE_WIDTH, height=BOX, class_="box", data_slot=text)
                    + element("text", text, x=FILE_X + 6, y=13),
                )
                bottom = max(bottom, y + ROW)
        return bottom

    def _files(self):
        """Files beside the first of their frames; a line, which is no arrow, from each frame to the block that it holds."""
        taken = [y for where, y in self.frame_y.items() if isinstance(where, tuple)]
        y = max(taken, default=TOP - ROW) + ROW
        tops = {file: min([self.frame_y[pfn] for _, _, pfn in file.blocks if pfn is not None]) for file in self.scene.files}
        for file in sorted(self.scene.files, key=tops.__getitem__):
            y = max(y, tops[file] - ROW)
            self._group(
                y,
                element(
                    "text",
                    escape(s.last_path(file.path)) + title(f"{file.path}, {file.nr_blocks} blocks"),
                    x=FILE_X,
                    y=13,
                    class_="process",
                ),
            )
            y += ROW
            for first, nr, pfn in file.blocks:
                words = f"{first}..{first + nr - 1}" if nr > 1 else f"{first}"
                held = f"in frame 0x{pfn:x}" if pfn is not None else "not in the page cache"
                box = element(
                    "rect",
                    title(f"{file.path}, block {words}: {held}"),
                    x=FILE_X,
                    y=2,
                    width=FILE_WIDTH,
                    height=BOX,
                    class_="box file" if pfn is not None else "box absent",
                )
                self._group(y, box + element("text", words, x=FILE_X + 6, y=13, class_=None if pfn is not None else "faint"))
                if pfn is not None:
                    x, drop = FRAME_X + FRAME_WIDTH, y - self.frame_y[pfn]
                    bend = (FILE_X - x) // 2
                    self.arrows.append(
                        element(
                            "path",
                            d=f"m0 0c{bend} 0 {bend} {drop} {FILE_X - x} {drop}",
                            class_="backs",
                            transform=f"translate({x} {self.frame_y[pfn] + 9})",
                        )
                    )
                y += ROW
        return y

    def _legend(self, y):
        """What letters and arrows mean, and the machine in numbers. Returns the bottom."""
        x = LEFT
        for letter, use in palette.USES.items():
            self.lines.append(element("rect", x=x, y=y, width=12, height=12, class_=f"box {palette.CLASS_OF[letter]}"))
            self.lines.append(element("text", f"{letter} {use}", x=x + 18, y=y + 10))
            x += 34 + 8 * len(f"{letter} {use}")
        words = "* dirty   L locked   ×N mapped N times   solid head: writable   hollow head: read-only   dotted: in swap"
        self.lines.append(element("text", words, x=LEFT, y=y + 30, class_="faint"))
        self.lines.append(element("text", escape("frames: " + ", ".join(summary_words(self.scene))), x=LEFT, y=y + 48, class_="faint"))
        if self.scene.hidden:
            self.lines.append(element("text", escape(f"not drawn: {self.scene.hidden}"), x=LEFT, y=y + 66, class_="faint"))
        return y + 80
