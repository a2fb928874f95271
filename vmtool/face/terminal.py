"""A scene in characters: pages, entries, frames in columns, with lines between them. Words are styled by `styled` afterwards, or not.

    render (1)                                                frames
    00405000-00409000 rw-p [heap]
      405 ■ ─────────────── pte 401a000[5]   RW A D ────────▶ 3ee48 A
      406 □  ×3

With marks, each line begins with `+` for what is new, `*` for what is otherwise than before, `-` for what is gone.
"""

from __future__ import annotations

from vmtool.face import lanes, palette, rows
from vmtool.face import scene as s
from vmtool.face.lanes import ENDS, FIRST, JOINS, LABEL, OPENS
from vmtool.face.styled import Line, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmtool.face.changes import Changes

WIDTH = 80
LEAST_DASHES = 2
HEADS = {"rw": "▶", "ro": "▷", "swap": "▷"}
ASCII_HEADS = {"rw": "=>", "ro": "->", "swap": ".>"}
MOST_FRAME_ROOM = 34  # what of a frame's words must fit in the width
NAMED = 3  # processes that a frame names when lines do not reach it


def render(scene: s.Scene, *, width: int = WIDTH, ascii: bool = False, changes: Changes | None = None) -> Text:
    """The whole picture."""
    drawing = _Drawing(scene, width, changes, ascii)
    text = Text(drawing.lines(), marks=changes is not None)
    return text.in_ascii() if ascii else text


class _Drawing:
    """The columns of one scene."""

    def __init__(self, scene: s.Scene, width: int, changes: Changes | None, ascii: bool):
        self.scene = scene
        self.width = width
        self.heads = ASCII_HEADS if ascii else HEADS
        self.boxes = {state: palette.ASCII[box] if ascii else box for state, box in palette.BOXES.items()}
        self.changes = changes
        self.shift = scene.info.page_shift
        self.rows = list(rows.rows(scene))
        self.frames = {run.pfn: run for run in scene.frames}
        pages = [row.page for row in self.rows if row.page is not None]
        pointing = [page for page in pages if rows.arrow_kind(page)]
        self.entry_width = max([len(rows.entry_place(page)) for page in pointing], default=0)
        self.left = max([len(self._page_words(page)) for page in pointing], default=12)
        arrows = [
            lanes.Arrow(i, rows.target(row.page), rows.arrow_kind(row.page))
            for i, row in enumerate(self.rows)
            if row.page is not None and rows.arrow_kind(row.page)
        ]
        frame_room = min(max([len(self._frame_words(run)) for run in scene.frames], default=0), MOST_FRAME_ROOM)
        room = width - (self.left + self.entry_width + len(" ── ") + len(" RW A D ") + len("──▶ ") + frame_room)
        self._route(arrows, room)
        spare = max(0, room - 2 * self.nr_lanes - self.label_width)
        self.dashes = LEAST_DASHES + spare // 2
        self.tail = spare - spare // 2
        self.labelled = self._labelled()

    def _route(self, arrows, room):
        """As many lanes as fit; once more where labels, which stand before the lanes, take room of theirs."""
        self.label_width = 0
        for _ in range(2):
            most = max(0, min(lanes.MOST_LANES, (room - self.label_width) // 2))
            self.routes, self.passing, self.nr_lanes = lanes.route(arrows, most)
            targets = [arrow.target for arrow in arrows if self.routes[arrow.row].role == LABEL]
            if not targets or self.label_width:
                break
            self.label_width = max([len(f"──▷ {self._target_text(target)} ") for target in targets])

    def _target_text(self, target):
        """Frames' numbers, or a slot's name."""
        return f"swap {target[0]}:{target[1]:x}" if isinstance(target, tuple) else rows.frame_number(self.frames[target])

    def _labelled(self):
        """Pages by frame whose line does not reach it."""
        found: dict[object, list[str]] = {}
        for i, route in self.routes.items():
            row = self.rows[i]
            if route.role == LABEL and row.page is not None:
                found.setdefault(rows.target(row.page), []).append(f"{row.space.pid}:{row.page.addr >> self.shift:x}")
        return found

    def lines(self) -> list[Line]:
        drawn: list[Line] = []
        for i, row in enumerate(self.rows):
            line = Line(self._mark(row))
            getattr(self, f"_{row.kind}")(line, i, row)
            if i == 0 and self.scene.detail == s.PAGES and self.routes:
                line.pad(self._frame_column()).add("frames", palette.FAINT)
            drawn.append(line)
        drawn += self._gone()
        drawn += self._rest()
        drawn += _blocks(self.scene.blocks, self.shift)
        drawn += _summary(self.scene, self.width)
        if self.scene.hidden:
            drawn.append(Line().add(f"not drawn: {self.scene.hidden}", palette.FAINT))
        return drawn

    # --- rows ---------------------------------------------------------------------------------------------

    def _process(self, line, i, row):
        line.add(rows.printable(rows.process_text(row.space)), palette.HEAD)
        if self.scene.detail == s.PROCESSES:
            line.pad(24).add(rows.rss_text(row.space))
        self._pass(line, i)

    def _table(self, line, i, row):
        place = f"[{row.table.index}] " if row.table.parent else ""
        line.add(f"{'  ' * (row.depth + 1)}{place}{row.table.level} {row.table.address:x}", "table")
        self._pass(line, i)

    def _area(self, line, i, row):
        area = row.area
        line.add(rows.printable(rows.area_text(area)))
        if not area.pages and (area.nr_present or area.nr_swapped):
            line.add(f"  ■ ×{area.nr_present}" + (f" ◇ ×{area.nr_swapped}" if area.nr_swapped else ""))
            absent = area.nr_pages - area.nr_present - area.nr_swapped
            line.add(f" □ ×{absent}" if absent else "", palette.FAINT)
        elif not area.pages and area.nr_pages:
            line.add(f"  □ ×{area.nr_pages}", palette.FAINT)
        self._pass(line, i)

    def _page_words(self, page):
        words = f"  {page.addr >> self.shift:x} {self.boxes[page.state]}"
        if page.state == s.HUGE:
            return f"{words} {rows.size_text(page.nr << self.shift)}"
        return f"{words} ×{page.nr}" if page.nr > 1 else words

    def _page(self, line, i, row):
        page = row.page
        words = self._page_words(page)
        kind = rows.arrow_kind(page)
        if not kind:
            line.add(words, palette.FAINT)
            if page.state == s.CLOSED:
                line.add(f" PROT_NONE, the kernel keeps frame {page.pfn:05x}", palette.FAINT)
            elif page.state == s.GUARD:
                line.add(" guard", palette.FAINT)
            self._pass(line, i)
            return
        dash = "┄" if kind == "swap" else "─"
        use = self.frames[page.pfn].use if page.pfn in self.frames else ""
        line.add(words, palette.CLASS_OF.get(use, ""))
        line.add(" " + dash * (self.left - len(words) + self.dashes) + " ")
        line.add(f"{rows.entry_place(page):<{self.entry_width}} ", "table")
        line.add(f"{rows.entry_flags(page)} " if kind != "swap" else "       ")
        self._line_to(line, i, page, kind, dash)

    # --- lines ----------------------------------------------------------------------------------------------

    def _gutter_start(self):
        return self.left + self.dashes + len("  ") + self.entry_width + len(" RW A D ")

    def _lane_column(self, lane):
        return self._gutter_start() + self.label_width + 1 + self.tail // 2 + 2 * (self.nr_lanes - 1 - lane)

    def _frame_column(self):
        return self._gutter_start() + self.label_width + self.tail + 2 * self.nr_lanes + len("──▶ ")

    def _pass(self, line, i):
        """Lines of lanes that cross a row which points nowhere; its words make room."""
        for lane in sorted(self.passing.get(i, ()), reverse=True):
            line.cut(self._lane_column(lane)).pad(self._lane_column(lane)).add("│")

    def _line_to(self, line, i, page, kind, dash):
        route = self.routes[i]
        start = self._gutter_start()
        if route.role == LABEL:
            line.add(f"{dash * (3 - len(self.heads[kind]))}{self.heads[kind]} {self._target_text(rows.target(page))}")
            self._pass(line, i)
            return
        gutter = [dash] * (self._frame_column() - start)
        for lane in self.passing.get(i, ()):
            gutter[self._lane_column(lane) - start] = "│"
        if route.role in (JOINS, ENDS):
            at = self._lane_column(route.lane) - start
            gutter[at] = "┤" if route.role == JOINS else "┘"
            for j in range(at + 1, len(gutter)):
                gutter[j] = "│" if gutter[j] == "│" else " "
            line.add("".join(gutter).rstrip())
            return
        if route.role == OPENS:
            gutter[self._lane_column(route.lane) - start] = "┬"
        head = f"{self.heads[kind]} "
        gutter[-len(head) :] = head
        line.add("".join(gutter))
        assert route.role in (FIRST, OPENS)
        if kind == "swap":
            line.add(rows.slot_text(page))
        else:
            self._frame(line, self.frames[page.pfn])

    def _frame(self, line, run):
        line.add(f"{rows.frame_number(run)} {rows.frame_marks(run)}", palette.CLASS_OF[run.use])
        line.add(self._frame_words(run)[len(line.words[-1][0]) :])
        others = self.labelled.get(run.pfn, [])
        if others:
            more = f" +{len(others) - NAMED}" if len(others) > NAMED else ""
            line.add(f" ← {' '.join(others[:NAMED])}{more}")

    def _frame_words(self, run):
        size = f" {rows.size_text(run.page_bytes)}" if run.page_bytes >> self.shift > 1 else ""
        content = rows.printable(rows.frame_content(run))
        blanks = " " if run.mapcount > 1 else "   "
        return f"{rows.frame_number(run)} {rows.frame_marks(run)}{size}{blanks + content if content else ''}"

    # --- what no page points to ------------------------------------------------------------------------------

    def _rest(self):
        pointed = {row.page.pfn for row in self.rows if row.page is not None and row.page.state in s.POINTS}
        others = [run for run in self.scene.frames if run.pfn not in pointed]
        if not others:
            return []
        drawn = [Line().add("page cache, not mapped", palette.HEAD)]
        for run in others:
            line = Line(self.changes.frame(run) if self.changes else "")
            line.add(f"  {rows.printable(run.path)}").add(" ").pad(self._frame_column())
            self._frame(line, run)
            drawn.append(line)
        return drawn

    def _mark(self, row):
        if self.changes is None:
            return ""
        if row.kind == rows.PROCESS:
            return self.changes.space(row.space)
        if row.kind == rows.AREA:
            return self.changes.area(row.space, row.area)
        return self.changes.page(row.space, row.page) if row.kind == rows.PAGE else ""

    def _gone(self):
        """What the last step took away stays for one, struck through."""
        if self.changes is None:
            return []
        return [Line("-").add(rows.printable(text), palette.GONE) for text in self.changes.gone()]


def _blocks(blocks, shift) -> list[Line]:
    """The grid: a character a block, its use the one that most of its used frames have; light where more than half is free."""
    if blocks is None:
        return []
    each = blocks.frames_each << shift
    head = f"memory in blocks of {rows.size_text(each)}: the use of most used frames; small letters: more than half is free; .: all of it"
    drawn = [Line().add(head, palette.HEAD)]
    for at in range(0, len(blocks.counts), 64):
        line = Line().add(f"  {at * blocks.frames_each:06x} ")
        free = 0
        for counts in blocks.counts[at : at + 64]:
            letter = block_letter(blocks.uses, counts)
            free += counts[0]
            line.add(letter.lower() if 2 * counts[0] > sum(counts) else letter, palette.CLASS_OF[letter])
        drawn.append(line.add(f" {free} free"))
    return drawn


def block_letter(uses: Sequence[str], counts: Sequence[int]) -> str:
    """What most of the used frames of a block are; `.` when none is used."""
    most = max(counts[1:], default=0)
    return uses[1 + list(counts[1:]).index(most)] if most else "."


KINDS = {
    "free": "free",
    "pcp": "in per-CPU lists",
    "anon": "anonymous",
    "file": "page cache",
    "shmem": "shared memory",
    "pgtable": "page tables",
    "slab": "slab",
    "kernel": "kernel",
    "zero": "zero page",
    "reserved": "reserved",
}


def summary_words(scene: s.Scene) -> list[str]:
    """How many frames there are of each kind."""
    return [f"{nr} {KINDS.get(kind, kind)}" for kind, nr in scene.summary if nr]


def _summary(scene: s.Scene, width: int) -> list[Line]:
    lines, start = [], "frames: "
    for word in summary_words(scene):
        if lines and len(lines[-1]) + len(word) + 2 <= width:
            lines[-1].add(f", {word}", palette.FAINT)
        else:
            lines.append(Line().add(start + word, palette.FAINT))
            start = "  "
    return lines
