"""What differs between two scenes of one machine: `+` for what is new, `*` for what is otherwise, and what is gone, in words.

Pages are compared one by one whatever runs they were drawn in; a frame by its number, use and counts.
"""

from __future__ import annotations

from bisect import bisect_right

from vmtool.face import rows
from vmtool.face import scene as s
from vmtool.face.styled import NEW, OTHER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Changes:
    """`after` as it differs from `before`."""

    def __init__(self, before: s.Scene, after: s.Scene):
        self.before, self.after = before, after
        self.shift = after.info.page_shift
        self.spaces = {space.pid: space for space in before.spaces}
        self.areas = {(space.pid, area.vma.start): area for space in before.spaces for area in space.areas}
        self.pages = {space.pid: [page for area in space.areas for page in area.pages if page.state != s.ABSENT] for space in before.spaces}
        self.starts = {pid: [page.addr for page in pages] for pid, pages in self.pages.items()}
        self.frames = {run.pfn + i: (run, i) for run in before.frames for i in range(run.nr)}

    def space(self, space: s.Space) -> str:
        old = self.spaces.get(space.pid)
        if old is None:
            return NEW
        return OTHER if (old.comm, old.root, old.register) != (space.comm, space.root, space.register) else ""

    def area(self, space: s.Space, area: s.Area) -> str:
        """By its start: one that grew or shrank at its other end is another; one whose start moved too, where most of it was there."""
        old = self.areas.get((space.pid, area.vma.start))
        if old is None:
            known = space.pid in self.spaces and any(
                pid == space.pid and was.vma.start < area.vma.end and area.vma.start < was.vma.end for (pid, _), was in self.areas.items()
            )
            return OTHER if known else NEW
        return "" if rows.area_text(old, True) == rows.area_text(area, True) else OTHER

    def page(self, space: s.Space, page: s.Page) -> str:
        """NEW for an entry that was none, OTHER for one that says something else now, or is none any more."""
        if page.state == s.ABSENT:
            return OTHER if self._had(space.pid, page) else ""
        olds = self._before(space.pid, page)
        if not olds:
            return NEW
        same = sum(nr for old, at, nr in olds if self._alike(old, at, page)) == page.nr
        return "" if same else OTHER

    def frame(self, run: s.FrameRun) -> str:
        for i in range(run.nr):
            old, at = self.frames.get(run.pfn + i, (None, 0))
            if old is None:
                return NEW
            index = None if old.index is None else old.index + at - i
            if (old.use, old.dirty, old.locked, old.mapcount, old.path, index) != (
                run.use,
                run.dirty,
                run.locked,
                run.mapcount,
                run.path,
                run.index,
            ):
                return OTHER
        return ""

    def gone(self) -> list[str]:
        """What was there before, in the order of the picture."""
        told = []
        spaces = {space.pid: space for space in self.after.spaces}
        for space in self.before.spaces:
            if space.pid not in spaces:
                told.append(rows.process_text(space))
                continue
            now = spaces[space.pid].areas
            for area in space.areas:
                if not any(other.vma.start < area.vma.end and area.vma.start < other.vma.end for other in now):
                    told.append(f"{rows.process_text(space)}: {rows.area_text(area)}")
        frames = {run.pfn + i for run in self.after.frames for i in range(run.nr)}
        left = [part for run in self.before.frames for part in _parts(run, frames)]
        return told + [_frame_text(run) for run in _joined(left)]

    # --- pages under other runs ------------------------------------------------------------------------------

    def _before(self, pid, page) -> list[tuple[s.Page, int, int]]:
        """(old run, how far `page` begins after it, pages of it that `page` covers)."""
        pages: Sequence[s.Page] = self.pages.get(pid, ())
        end = page.addr + (page.nr << self.shift)
        at = max(bisect_right(self.starts.get(pid, ()), page.addr) - 1, 0)
        found = []
        while at < len(pages) and pages[at].addr < end:
            old = pages[at]
            covered = min(end, old.addr + (old.nr << self.shift)) - max(page.addr, old.addr)
            if covered > 0:
                found.append((old, (page.addr - old.addr) >> self.shift, covered >> self.shift))
            at += 1
        return found

    def _had(self, pid, page):
        return bool(self._before(pid, page))

    @staticmethod
    def _alike(old, at, page):
        if (old.state, old.writable, old.flags, old.slot, old.table) != (page.state, page.writable, page.flags, page.slot, page.table):
            return False
        if old.pfn is None or page.pfn is None:
            return True
        if 1 in (old.nr_frames, page.nr_frames) and old.nr > 1 < page.nr:
            return (old.nr_frames, old.pfn) == (page.nr_frames, page.pfn)
        return old.pfn + (at if old.nr_frames > 1 else 0) == page.pfn


def _parts(run, others):
    """What of a run of frames is not among the others, as runs."""
    found: list[s.FrameRun] = []
    for i in range(run.nr):
        if run.pfn + i in others:
            continue
        if found and found[-1].pfn + found[-1].nr == run.pfn + i:
            found[-1] = found[-1]._replace(nr=found[-1].nr + 1)
        else:
            found.append(run._replace(pfn=run.pfn + i, nr=1, index=None if run.index is None else run.index + i))
    return found


def _joined(runs):
    """Runs of one use that are neighbours as one, whoever pointed to them, by number."""
    found: list[s.FrameRun] = []
    for run in sorted(runs, key=lambda run: run.pfn):
        last = found[-1] if found else None
        index = None if last is None or last.index is None else last.index + last.nr
        if last is not None and run == last._replace(pfn=last.pfn + last.nr, nr=run.nr, index=index, flags=run.flags):
            found[-1] = last._replace(nr=last.nr + run.nr)
        else:
            found.append(run)
    return found


def _frame_text(run):
    return f"frame {rows.frame_number(run)} {rows.frame_marks(run)} {rows.frame_content(run)}".rstrip()
