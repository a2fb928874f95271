"""Lines between the tables' column and the frames': who joins whose arrow, and in which lane.

A frame is drawn in the row of the first page that points to it. A later page whose arrow is of the same kind joins the first one's line
in a lane of its own; one of the other kind, or one that finds no lane free, is given a label instead: its arrow, and the frame's number.
"""

from __future__ import annotations

from vmtool.records import NamedTuple

MOST_LANES = 8

FIRST, OPENS, JOINS, ENDS, LABEL = "first", "opens", "joins", "ends", "label"


class Arrow(NamedTuple):
    """A row that points somewhere. `kind` is the arrow's; `target` a frame, or a slot."""

    row: int
    target: object
    kind: str


class Route(NamedTuple):
    """What a row's line does: `role`, and its lane (0 is the rightmost), None for none."""

    role: str
    lane: int | None


def route(arrows: list[Arrow], most: int = MOST_LANES) -> tuple[dict[int, Route], dict[int, tuple[int, ...]], int]:
    """(what each arrow does by its row, the lanes that pass each row, number of lanes)."""
    firsts: dict[object, Arrow] = {}
    later: dict[object, list[Arrow]] = {}
    routes: dict[int, Route] = {}
    for arrow in arrows:
        first = firsts.setdefault(arrow.target, arrow)
        if first is arrow:
            routes[arrow.row] = Route(FIRST, None)
        elif first.kind == arrow.kind:
            later.setdefault(arrow.target, []).append(arrow)
        else:
            routes[arrow.row] = Route(LABEL, None)
    busy: list[int] = []  # by lane: the row in which its line ends
    spans: list[tuple[int, int, int]] = []
    for target, joining in sorted(later.items(), key=lambda item: firsts[item[0]].row):
        start, end = firsts[target].row, joining[-1].row
        lane = next((lane for lane, until in enumerate(busy) if until < start), len(busy))
        if lane >= most:
            for arrow in joining:
                routes[arrow.row] = Route(LABEL, None)
            continue
        busy[lane : lane + 1] = [end]
        spans.append((start, end, lane))
        routes[start] = Route(OPENS, lane)
        for arrow in joining:
            routes[arrow.row] = Route(ENDS if arrow is joining[-1] else JOINS, lane)
    passing: dict[int, list[int]] = {}
    for start, end, lane in spans:
        for row in range(start + 1, end):
            passing.setdefault(row, []).append(lane)
    return routes, {row: tuple(lanes) for row, lanes in passing.items()}, len(busy)
