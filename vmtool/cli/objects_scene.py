"""A scene of `draw` as a JSON object, by the convention that `objects` states."""

from __future__ import annotations

from typing import Any

from vmtool.cli.objects import address
from vmtool.face import rows
from vmtool.face import scene as s
from vmtool.procfs.vmflags import permissions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.face.changes import Changes

Object = dict[str, Any]


def scene(found: s.Scene, changes: Changes | None = None) -> Object:
    """What the picture shows."""
    blocks = found.blocks
    return {
        "detail": found.detail,
        "processes": [_space(space, changes) for space in found.spaces],
        "frames": [_marked(_frame(run), changes and changes.frame(run)) for run in found.frames],
        "files": [
            {"path": file.path, "nr_blocks": file.nr_blocks, "nr_cached": sum([nr for _, nr, pfn in file.blocks if pfn is not None])}
            for file in found.files
        ],
        "kinds": [{"kind": kind, "nr_pages": nr} for kind, nr in found.summary],
        "blocks": None
        if blocks is None
        else {
            "nr_frames_each": blocks.frames_each,
            "used": [
                {"first_pfn": i * blocks.frames_each, "nr_free": counts[0], "use": _use(blocks, counts)}
                for i, counts in enumerate(blocks.counts)
                if counts[0] != sum(counts)
            ],
        },
        "hidden": found.hidden,
        **({"gone": changes.gone()} if changes is not None else {}),
    }


def _marked(made: Object, mark: str | None) -> Object:
    """`change` says new or other where the mark is not of what stayed; None: nothing is compared."""
    return made if mark is None else {**made, "change": {"+": "new", "*": "other", "": ""}[mark]}


def _use(blocks, counts):
    from vmtool.face.palette import USES
    from vmtool.face.terminal import block_letter

    return USES[block_letter(blocks.uses, counts)]


def _space(space: s.Space, changes: Changes | None) -> Object:
    anon, file, shmem = space.rss
    return {
        "pid": space.pid,
        "comm": space.comm,
        "is_current": bool(space.register),
        "root_address": address(space.root),
        "nr_areas": space.nr_areas,
        "nr_anon": anon,
        "nr_file": file,
        "nr_shmem": shmem,
        "nr_swapped": space.nr_swapped,
        "pgtables_kb": space.pgtables_bytes >> 10,
        "areas": [_area(space, area, changes) for area in space.areas],
        "tables": [{"level": table.level, "table_address": address(table.address), "index": table.index} for table in space.tables],
    }


def _area(space: s.Space, area: s.Area, changes: Changes | None) -> Object:
    return {
        "address": address(area.vma.start),
        "end_address": address(area.vma.end),
        "perms": permissions(area.vma.flags),
        "path": area.vma.name,
        "nr_pages": area.nr_pages,
        "nr_present": area.nr_present,
        "pages": [_marked(_page(page), changes and changes.page(space, page)) for page in area.pages],
    }


def _page(page: s.Page) -> Object:
    if not page.level:
        return {"address": address(page.addr), "nr_pages": page.nr, "state": page.state}
    slot = page.slot or (None, None)
    return {
        "address": address(page.addr),
        "nr_pages": page.nr,
        "state": page.state,
        "is_writable": page.writable,
        "pfn": page.pfn,
        "swap_area": slot[0],
        "swap_slot": slot[1],
        "level": page.level,
        "table_address": address(page.table),
        "index": page.index,
        "entry": address(page.entry),
        "flags": list(page.flags),
        "arrow": rows.arrow_kind(page),
    }


def _frame(run: s.FrameRun) -> Object:
    from vmtool.face.palette import USES

    return {
        "pfn": run.pfn,
        "nr_frames": run.nr,
        "use": USES[run.use],
        "is_dirty": run.dirty,
        "is_locked": run.locked,
        "nr_mapped": run.mapcount,
        "path": run.path,
        "index": run.index,
    }
