"""Pictures of structures other than pages and tables: groups of rows of cells. One model, drawn in characters (`figure_text`) and as SVG.

A cell has its words, a use (a class of `palette.CLASS_OF`, or '' for none), the facts in full for those who point at it, and how many
columns it takes. Cells of one letter stand without a gap, as in a map.
"""

from __future__ import annotations

from vmtool.records import NamedTuple


class Cell(NamedTuple):
    words: str
    use: str
    facts: str


class Row(NamedTuple):
    """`tight`: cells of one character each, without gaps. `note` stands behind them."""

    label: str
    cells: tuple[Cell, ...]
    note: str
    tight: bool


class Group(NamedTuple):
    heading: str
    rows: tuple[Row, ...]


class Figure(NamedTuple):
    title: str
    description: str
    groups: tuple[Group, ...]
    legend: str


def row(label: str, cells=(), note: str = "", tight: bool = False) -> Row:
    return Row(label, tuple(cells), note, tight)


def tiles(label_of, cells, columns: int = 64) -> tuple[Row, ...]:
    """Many cells of one character as rows of `columns`; `label_of(i)` names the row whose first cell is the `i`th."""
    return tuple([row(label_of(at), cells[at : at + columns], tight=True) for at in range(0, len(cells), columns)])


def as_object(found: Figure) -> dict:
    """For --json: what stands in the picture."""
    return {
        "title": found.title,
        "groups": [{"heading": group.heading, "rows": [_row_object(row) for row in group.rows]} for group in found.groups],
    }


def _row_object(row):
    cells = "".join([cell.words for cell in row.cells]) if row.tight else [cell.words for cell in row.cells]
    return {"label": row.label, "cells": cells, "note": row.note}
