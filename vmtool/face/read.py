"""A scene, read from a machine.

It is as fine as fits in `most` rows: every page; else a line an area; else a line a process. What it leaves out it says in `hidden`.
"""

from __future__ import annotations

from errno import EFBIG

from vmtool.errors import KernelError
from vmtool.face import runs as r
from vmtool.face import scene as s
from vmtool.face.palette import LETTER_OF_KIND, USES
from vmtool.uapi import PM_GUARD_REGION, PM_PFRAME_MASK, PM_PRESENT, PM_SWAP
from vmtool.views.tlb import words as tlb_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vmtool._core import Machine
    from vmtool.records import TaskInfo

MOST_ROWS = 600
MOST_SPACES = 40  # of which each area is looked at
MOST_FRAMES = 1 << 22  # that are looked at one by one: 16 GiB
MOST_CACHED = 4096  # pages of the cache that no page points to
BLOCKS = 512
LEAST_BLOCK = 512  # frames of one
FEWEST = 4
KERNEL_HALF = 1 << 63
LEVELS = ("pte", "pmd", "pud", "p4d", "pgd")


def read(
    machine: Machine,
    pids: Sequence[int] = (),
    *,
    detail: str | None = None,
    fewest: int = FEWEST,
    most: int = MOST_ROWS,
    levels: bool = False,
) -> s.Scene:
    """The scene of some processes, or of all with the cache. `fewest`: pages that make a run, 0 for none; `levels`: with upper tables.

    KernelError(ESRCH) for a PID that is none.
    """
    return _Reading(machine, fewest or 1 << 62, levels).scene(pids, detail, most)


def cached(machine: Machine, path: str) -> list[s.FrameRun]:
    """The frames that hold a file's pages, by page. KernelError(ENOENT), and EFBIG for more than a picture looks at."""
    path = machine.file(path).path
    found, hidden = _Reading(machine, FEWEST, False)._cache((), {path})
    if hidden:
        raise KernelError(EFBIG, f"{path}: {hidden}")
    return found


class _Reading:
    """One machine being read."""

    def __init__(self, machine: Machine, fewest: int, levels: bool):
        self.machine = machine
        self.info = machine.info()
        self.shift = self.info.page_shift
        self.fewest = fewest
        self.levels = levels
        self.names: dict[tuple[int, int], tuple[str, ...]] = {}

    def scene(self, pids, detail, most):
        tasks = [self.machine.task(pid) for pid in sorted(set(pids))] if pids else self.machine.tasks()
        if pids:
            for task in tasks:
                self.machine.mm(task.pid)  # a process that has ended has none: say so
        tasks = [task for task in tasks if task.has_mm]
        summary = tuple(self.machine.frames_summary())
        if detail is None:
            detail = s.PROCESSES if len(tasks) > MOST_SPACES and not pids else s.PAGES
        if detail == s.PROCESSES:
            return self._coarse(tasks, summary, not pids)
        areas = {task.pid: [vma for vma in self.machine.maps(task.pid)] for task in tasks}
        entries: dict[object, list[r.Run]] = {}
        for pid, vmas in areas.items():
            for vma in vmas:
                if vma.start < KERNEL_HALF:
                    entries[pid, vma.start] = r.of_range(self.machine, pid, vma.start, vma.end, self.shift)
        nr_rows = sum(map(len, entries.values())) + sum(map(len, areas.values()))
        if detail == s.PAGES and nr_rows <= 4 * most:
            cuts = r.cut_by_looks(self.machine, [run for listed in entries.values() for run in listed if r.is_present(run)])
            cut = r.cut(entries, cuts, self.fewest, self.shift)
            if sum(map(len, cut.values())) + sum(map(len, areas.values())) <= most:
                return self._fine(tasks, areas, cut, summary, not pids)
        if sum(map(len, areas.values())) > most and not pids:
            return self._coarse(tasks, summary, True)
        return self._by_area(tasks, areas, entries, summary, not pids)

    # --- the three grains -------------------------------------------------------------------------------

    def _fine(self, tasks, areas, entries, summary, is_whole):
        spaces = []
        for task in tasks:
            made = [self._area(task.pid, vma, entries.get((task.pid, vma.start), ()), True) for vma in areas[task.pid]]
            spaces.append(self._space(task, tuple(made)))
        frames = self._frames([page for space in spaces for area in space.areas for page in area.pages])
        paths = {area.vma.name for space in spaces for area in space.areas if area.vma.is_file}
        others, hidden = self._cache(frames, None if is_whole else paths)
        blocks = self._blocks() if hidden and is_whole else None
        return s.Scene(self.info, s.PAGES, tuple(spaces), tuple(frames + others), self._files(frames + others), summary, blocks, hidden)

    def _by_area(self, tasks, areas, entries, summary, is_whole):
        spaces = []
        for task in tasks:
            made = [self._area(task.pid, vma, entries.get((task.pid, vma.start), ()), False) for vma in areas[task.pid]]
            spaces.append(self._space(task, tuple(made)))
        hidden = "pages, entries and frames of each area: too many to draw one by one (--detail pages does it all the same)"
        return s.Scene(self.info, s.AREAS, tuple(spaces), (), (), summary, self._blocks(), hidden)

    def _coarse(self, tasks, summary, is_whole):
        spaces = tuple([self._space(task, ()) for task in tasks])
        hidden = "areas and pages of each process: too many to draw (name some, or --detail areas)"
        return s.Scene(self.info, s.PROCESSES, spaces, (), (), summary, self._blocks() if is_whole else None, hidden)

    # --- processes ----------------------------------------------------------------------------------------

    def _space(self, task: TaskInfo, areas: tuple[s.Area, ...]) -> s.Space:
        mm = self.machine.mm(task.pid)
        tables = self._tables(task.pid, areas) if self.levels else ()
        return s.Space(
            task.pid,
            task.comm,
            tlb_words(self.info.arch).root if task.current else "",
            mm.pgd,
            areas,
            tables,
            mm.map_count,
            (mm.rss_anon, mm.rss_file, mm.rss_shmem),
            mm.swapents,
            mm.pgtables_bytes,
        )

    def _area(self, pid, vma, runs: Iterable[r.Run], with_pages: bool) -> s.Area:
        # Of [vsyscall], in the kernel's half, the process has no entries of its own.
        nr_pages = (vma.end - vma.start) >> self.shift if vma.start < KERNEL_HALF else 0
        nr_present = sum([run.nr_pages for run in runs if r.is_present(run)])
        pages: list[s.Page] = []
        if with_pages:
            at = vma.start
            for run in runs:
                page = self._page(pid, run)
                if page is None:
                    continue
                if run.addr > at:
                    pages.append(self._absent(at, run.addr))
                pages.append(page)
                at = run.addr + (page.nr << self.shift)
            if at < vma.end and pages:
                pages.append(self._absent(at, vma.end))
        nr_swapped = sum([page.state == s.SWAPPED for page in pages]) if with_pages else sum([not r.is_present(run) for run in runs])
        return s.Area(vma, tuple(pages), nr_pages, nr_present, nr_swapped)

    def _absent(self, start, end):
        return s.Page(start, (end - start) >> self.shift, s.ABSENT, None, 0, None, "", 0, 0, 0, 0, (), False)

    def _page(self, pid, run):
        level = run.marks & 0xFF
        step = self.machine.walk(pid, run.addr).steps[-1]
        facts = (LEVELS[level], step.table, step.index, run.nr, run.entry, step.flags, bool(run.marks & r.IS_WRITABLE))
        if r.is_present(run):
            return s.Page(run.addr, run.nr_pages, s.HUGE if r.is_huge(run) else s.PRESENT, run.pfn, r.nr_frames(run), None, *facts)
        said = self.machine.pagemap(pid, run.addr, 1)
        behind = said[0].entry if said else 0
        if behind & PM_PRESENT:
            return s.Page(run.addr, 1, s.CLOSED, behind & PM_PFRAME_MASK, 1, None, *facts)
        if behind & PM_GUARD_REGION:
            return s.Page(run.addr, 1, s.GUARD, None, 0, None, *facts)
        if behind & PM_SWAP:
            return s.Page(run.addr, 1, s.SWAPPED, None, 0, (behind & 0x1F, (behind & PM_PFRAME_MASK) >> 5), *facts)
        return None

    def _tables(self, pid, areas):
        """All tables on the way to the entries of the areas' pages, top first, each after its parent."""
        found: dict[int, s.Table] = {}
        for area in areas:
            for page in area.pages:
                if page.level:
                    steps = self.machine.walk(pid, page.addr).steps
                    for above, step in zip((None, *steps), steps, strict=False):
                        found.setdefault(
                            step.table, s.Table(step.level, step.table, above.table if above else 0, above.index if above else 0)
                        )
        return tuple(found.values())

    # --- frames ----------------------------------------------------------------------------------------------

    def _frames(self, pages: Iterable[s.Page]) -> list[s.FrameRun]:
        """Those that pages point to, in the order of the first one that does."""
        found: dict[int, s.FrameRun] = {}
        for page in pages:
            if page.state in s.POINTS and page.pfn not in found:
                found[page.pfn] = self._frame(page.pfn, page.nr_frames, page.nr if page.state == s.HUGE else 1)
        return list(found.values())

    def _frame(self, pfn, nr, nr_box=1):
        frame = self.machine.frames([pfn])[0]
        is_file = frame.kind in ("file", "shmem")
        return s.FrameRun(
            pfn,
            nr,
            LETTER_OF_KIND[frame.kind],
            "dirty" in frame.flags,
            "locked" in frame.flags,
            frame.mapcount,
            frame.flags,
            frame.mapping if is_file else "",
            frame.index if is_file else None,
            nr_box << self.shift,
        )

    def _cache(self, frames, paths):
        """Pages of the cache that no page points to, of these files (None: of all), in runs; and what was left out."""
        cached = [file for file in self.machine.files() if file.nr_pages and (paths is None or file.path in paths)]
        if not cached:
            return [], ""
        if self.machine.max_pfn() > MOST_FRAMES or sum([file.nr_pages for file in cached]) > MOST_CACHED:
            return [], "pages of the cache that nobody maps: too many to draw"
        known = {pfn for run in frames for pfn in range(run.pfn, run.pfn + run.nr)}
        wanted = {file.path for file in cached}
        found: list[s.FrameRun] = []
        for frame in self.machine.frames([pfn for pfn in self._of_kind(("file", "shmem")) if pfn not in known]):
            if frame.mapping not in wanted:
                continue
            run = s.FrameRun(
                frame.pfn,
                1,
                LETTER_OF_KIND[frame.kind],
                "dirty" in frame.flags,
                "locked" in frame.flags,
                frame.mapcount,
                frame.flags,
                frame.mapping,
                frame.index,
                1 << self.shift,
            )
            last = found[-1] if found else None
            if last is not None and run._replace(flags=()) == last._replace(
                pfn=last.pfn + last.nr, nr=1, index=last.index + last.nr, flags=()
            ):
                common = tuple([flag for flag in last.flags if flag in run.flags])
                found[-1] = last._replace(nr=last.nr + 1, flags=common)
            else:
                found.append(run)
        return sorted(found, key=lambda run: (run.path, run.index)), ""

    def _of_kind(self, kinds):
        names = [kind for kind, _ in self.machine.frames_summary()]
        data = self.machine.frame_kinds(0, self.machine.max_pfn())
        for kind in kinds:
            byte = bytes([names.index(kind)])
            at = data.find(byte)
            while at >= 0:
                yield at
                at = data.find(byte, at + 1)

    def _files(self, frames: Iterable[s.FrameRun]) -> tuple[s.CachedFile, ...]:
        """The files of these frames, with every block of each."""
        by_path: dict[str, dict[int, s.FrameRun]] = {}
        for run in frames:
            if run.path:
                by_path.setdefault(run.path, {})[run.index] = run
        files = []
        sizes = {file.path: file.size for file in self.machine.files()}
        for path in sorted(by_path):
            nr_blocks = -(-sizes.get(path, 0) >> self.shift) if path in sizes else 0
            blocks: list[tuple[int, int, int | None]] = []
            at = 0
            for index, run in sorted(by_path[path].items()):
                if index > at:
                    blocks.append((at, index - at, None))
                blocks.append((index, run.nr, run.pfn))
                at = max(at, index + run.nr)
            if at < nr_blocks:
                blocks.append((at, nr_blocks - at, None))
            files.append(s.CachedFile(path, max(nr_blocks, at), tuple(blocks)))
        return tuple(files)

    def _blocks(self):
        """The machine's memory in equal blocks, a power of two of frames each."""
        nr = self.machine.max_pfn()
        if nr > MOST_FRAMES:
            return None
        each = LEAST_BLOCK
        while nr > each * BLOCKS:
            each *= 2
        letters = tuple(USES)
        data = self.machine.frame_kinds(0, nr)
        kinds = [LETTER_OF_KIND[kind] for kind, _ in self.machine.frames_summary()]
        to_letter = bytes([letters.index(kinds[i]) if i < len(kinds) else 0 for i in range(256)])
        data = data.translate(to_letter)
        used = [bytes([i]) for i in range(len(letters))]
        counts = tuple([tuple([data.count(byte, at, at + each) for byte in used]) for at in range(0, nr, each)])
        return s.Blocks(each, letters, counts)
