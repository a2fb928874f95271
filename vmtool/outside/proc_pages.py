"""Which pages of an area are there, and what they are: from pagemap and the kernel's page flags, from smaps' counts, or from both.

    pagemap     every page: present, anonymous or a file's, mapped once or shared, in which frame
    kpageflags  (root) of a frame: dirty, referenced, the zero page, lazily freed, of a huge page
    smaps       how many pages of an area are dirty, referenced, anonymous, of huge pages; alone it does not tell which

Where counts alone are known, the lowest pages of an area stand for them, in a stack the highest; which of the pages is dirty by its
entry no file tells, so that smaps' counts are dealt out to what can be it. The sums are exact either way.
Counterpart: Linux v6.18 fs/proc/task_mmu.c:pagemap_read(), smaps_account(); fs/proc/page.c:stable_page_flags().
Simplified: pages in swap, of hugetlbfs and behind devices are left out.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from vmtool.outside.pagemap import Pagemap
from vmtool.outside.proc_text import PAGE, Area
from vmtool.uapi import (
    PM_FILE,
    PM_GUARD_REGION,
    PM_MMAP_EXCLUSIVE,
    PM_PFRAME_MASK,
    PM_PRESENT,
    PM_SWAP,
    VM_DROPPABLE,
    VM_GROWSDOWN,
    VM_HUGETLB,
    VM_IO,
    VM_PFNMAP,
    VM_SHARED,
)

HUGE_BYTES = 2 << 20
HUGE_PAGES = HUGE_BYTES // PAGE
AT_ONCE = 1 << 16  # entries whose frames are looked up together; whole huge pages
KPF_REFERENCED, KPF_DIRTY, KPF_ANON, KPF_SWAPBACKED, KPF_THP, KPF_ZERO = 1 << 2, 1 << 4, 1 << 12, 1 << 14, 1 << 22, 1 << 24
UNSEEN = ("[vvar]", "[vvar_vclock]", "[vsyscall]")  # areas without struct pages
ANON, FILE, ZERO, HUGE, LAZY, GUARDED = "anon", "file", "zero", "huge", "lazy", "guard"
COUNTED = (HUGE, ANON, FILE)  # by smaps, in the order in which its marks are dealt out


class Run(NamedTuple):
    """Pages in a row that are alike. `pfn`: the first one's frame on the host, with the others behind it; 0: its own, or not known."""

    addr: int
    nr: int
    what: str
    dirty: bool
    young: bool
    pfn: int
    once: bool  # no other entry maps them

    def split(self, nr: int) -> tuple["Run", "Run"]:
        """The first `nr` pages, and the rest."""
        rest = self._replace(addr=self.addr + nr * PAGE, nr=self.nr - nr, pfn=self.pfn + nr if self.pfn else 0)
        return self._replace(nr=nr), rest

    def joins(self, other: "Run") -> bool:
        """Whether `other`, the next one, goes on where this one ends."""
        return (other.addr == self.addr + self.nr * PAGE and (self.what, self.dirty, self.young, self.once) == (
            other.what, other.dirty, other.young, other.once) and (other.pfn == self.pfn + self.nr if self.pfn else not other.pfn))


def pages_of(area: Area, pagemap: Pagemap | None) -> list[Run]:
    """The pages of an area, in ascending order."""
    vma, kb = area.vma, area.kb
    if vma.name in UNSEEN or vma.flags & (VM_PFNMAP | VM_IO | VM_HUGETLB):
        return []
    runs = None
    if pagemap is not None and (kb.get("Rss", 1) or not vma.is_file):  # without Rss, there may still be zero pages and guards
        seen = pagemap.entries(vma.start, vma.end)
        if seen is not None:
            runs = joined(_of_entries(area, seen, pagemap))
            if not pagemap.tells_flags:
                runs = _settle_kinds(area, runs)
    if runs is None:
        runs = list(_of_counts(area))
    return list(joined(_settle_marks(area, runs)))


def joined(runs: Iterable[Run]) -> Iterator[Run]:
    last: Run | None = None
    for run in runs:
        if last is not None and last.joins(run):
            last = last._replace(nr=last.nr + run.nr)
            continue
        if last is not None:
            yield last
        last = run
    if last is not None:
        yield last


def _change(runs: Iterable[Run], wanted: int, fits: Callable[[Run], bool], **changes: object) -> tuple[list[Run], int]:
    """The first `wanted` pages that fit, changed (a huge page whole or not at all), and how many were lacking."""
    changed = []
    for run in runs:
        nr = min(run.nr, wanted) if fits(run) else 0
        if run.what == HUGE:
            nr -= nr % HUGE_PAGES
        if nr > 0:
            wanted -= nr
            head, run = run.split(nr)
            changed.append(head._replace(**changes))  # type: ignore[arg-type]
        if run.nr:
            changed.append(run)
    return changed, max(wanted, 0)


# --- by pagemap ----------------------------------------------------------------------------------------------------

def _of_entries(area: Area, seen: Iterable[tuple[int, array]], pagemap: Pagemap) -> Iterator[Run]:
    left = area.kb.get("AnonHugePages", 0) * 1024 // HUGE_BYTES
    for start, entries in seen:
        at = 0
        while at < len(entries):
            # a piece ends where a huge page may
            nr = AT_ONCE - (start // PAGE + at) % HUGE_PAGES
            piece = entries[at : at + nr]
            flags = pagemap.flags({entry & PM_PFRAME_MASK for entry in piece if entry & PM_PRESENT and entry & PM_PFRAME_MASK})
            if area.vma.flags & VM_DROPPABLE:
                flags = {pfn: bits | KPF_SWAPBACKED for pfn, bits in flags.items()}  # never swapped, and not because it was freed
            left -= yield from _of_piece(start + at * PAGE, piece, flags, left)
            at += nr


def _of_piece(start: int, entries: array, flags: dict[int, int], most_huge: int) -> Iterator[Run]:
    """Returns: how many huge pages were among them."""
    at = nr_huge = 0
    while at < len(entries):
        entry = entries[at]
        addr = start + at * PAGE
        nr = 1
        if entry & PM_PRESENT:
            what = ANON
            if nr_huge < most_huge and addr // PAGE % HUGE_PAGES == 0 and _is_huge(entries[at : at + HUGE_PAGES], flags):
                what, nr = HUGE, HUGE_PAGES
                nr_huge += 1
            elif entry & PM_FILE:
                what = FILE
            yield _run_of(addr, nr, what, entry, flags)
        elif entry & PM_SWAP and entry & PM_GUARD_REGION:
            yield Run(addr, 1, GUARDED, False, False, 0, True)
        at += nr
    return nr_huge


def _run_of(addr: int, nr: int, what: str, entry: int, flags: dict[int, int]) -> Run:
    bits = flags.get(entry & PM_PFRAME_MASK, 0)
    if bits & KPF_ZERO:
        what = ZERO
    elif what == ANON and bits & KPF_ANON and not bits & KPF_SWAPBACKED:
        what = LAZY
    once = bool(entry & PM_MMAP_EXCLUSIVE)
    # a frame is told only where others may map it, too
    pfn = 0 if once or what not in (ANON, HUGE) else entry & PM_PFRAME_MASK
    return Run(addr, nr, what, bool(bits & KPF_DIRTY) and what != LAZY, bool(bits & KPF_REFERENCED) or what == ZERO, pfn, once)


def _is_huge(entries: array, flags: dict[int, int]) -> bool:
    """512 anonymous pages, in frames in a row where these are known."""
    if len(entries) < HUGE_PAGES or any(not entry & PM_PRESENT or entry & PM_FILE for entry in entries):
        return False
    pfn = entries[0] & PM_PFRAME_MASK
    if not pfn:
        return True
    if pfn % HUGE_PAGES or any(entry & PM_PFRAME_MASK != pfn + i for i, entry in enumerate(entries)):
        return False
    return not flags or bool(flags.get(pfn, 0) & KPF_THP)


def _settle_kinds(area: Area, runs: Iterable[Run]) -> list[Run]:
    """Without frames: what looks anonymous beyond smaps' count is the zero page, never mapped once; the last ones are lazily freed."""
    runs = list(runs)
    own = sum(run.nr for run in runs if run.what in (ANON, HUGE))
    surplus = own - _pages(area, "Anonymous") if "Anonymous" in area.kb else 0
    for once in (False, True):
        runs, surplus = _change(runs, surplus, lambda run, once=once: run.what == ANON and run.once == once, what=ZERO, young=True)  # type: ignore[misc]
    return _settle_lazy(area, runs)


def _settle_lazy(area: Area, runs: list[Run]) -> list[Run]:
    nr = _pages(area, "LazyFree")
    behind = sum(run.nr for run in runs if run.what == ANON) - nr
    if nr <= 0:
        return runs
    kept, _ = _change(runs, behind, lambda run: run.what == ANON)  # cut where the lazy ones begin
    found: list[Run] = []
    for run in kept:
        if run.what == ANON and behind <= 0:
            run = run._replace(what=LAZY)
        elif run.what == ANON:
            behind -= run.nr
        found.append(run)
    return found


# --- by counts -------------------------------------------------------------------------------------------------------

def _pages(area: Area, name: str) -> int:
    return area.kb.get(name, 0) * 1024 // PAGE


def _of_counts(area: Area) -> Iterator[Run]:
    vma = area.vma
    nr = (vma.end - vma.start) // PAGE
    rss = min(_pages(area, "Rss"), nr)
    own = min(_pages(area, "Anonymous"), rss)
    if not vma.is_file and vma.name != "[vdso]":
        own = rss
    elif vma.flags & VM_SHARED:
        own = 0
    # huge pages are aligned; what is before them is a gap, or what is left over
    lead = min(-(vma.start // PAGE) % HUGE_PAGES, nr)
    huge = min(area.kb.get("AnonHugePages", 0) * 1024 // HUGE_BYTES, own // HUGE_PAGES, (nr - lead) // HUGE_PAGES) * HUGE_PAGES
    small = _small_pages(area, rss - huge, own - huge, lead if huge else 0, huge)
    lazy = _settle_lazy(area, sorted(small))
    if huge:
        lazy.append(Run(vma.start + lead * PAGE, huge, HUGE, False, False, 0, True))
    return iter(sorted(lazy))


def _small_pages(area: Area, nr: int, own: int, lead: int, huge: int) -> Iterator[Run]:
    """The area's own first, then its file's; around the huge ones; in a stack from the top."""
    vma = area.vma
    size = (vma.end - vma.start) // PAGE
    if vma.flags & VM_GROWSDOWN or vma.name == "[stack]":
        parts = ((size - nr, nr - own, FILE), (size - own, own, ANON))
        yield from (Run(vma.start + at * PAGE, count, what, False, False, 0, True) for at, count, what in parts if count > 0)
        return
    holes = [(0, lead), (lead + huge, size - lead - huge)] if huge else [(0, size)]
    for what, wanted in ((ANON, own), (FILE, nr - own)):
        for i, (at, room) in enumerate(holes):
            count = min(wanted, room)
            if count > 0:
                yield Run(vma.start + at * PAGE, count, what, False, False, 0, True)
                holes[i] = (at + count, room - count)
                wanted -= count


# --- marks -------------------------------------------------------------------------------------------------------------

def _settle_marks(area: Area, runs: list[Run] | Iterator[Run]) -> list[Run]:
    """Deal the counts of smaps out: dirty among those mapped once and those that are shared, referenced among all."""
    runs = list(runs)
    if "Private_Dirty" in area.kb or "Shared_Dirty" in area.kb:
        left = 0
        for name, once in (("Private_Dirty", (True,)), ("Shared_Dirty", (False,)), ("", (True, False))):
            wanted = _pages(area, name) if name else left + sum(run.nr for run in runs if run.dirty)
            runs, lacking = _deal(runs, wanted, COUNTED, once, "dirty")
            left += lacking
    else:
        runs = [run._replace(dirty=run.dirty or run.what in (ANON, HUGE)) for run in runs]
    if "Referenced" in area.kb:
        return _deal(runs, _pages(area, "Referenced"), (*COUNTED, LAZY), (True, False), "young")[0]
    return [run._replace(young=True) for run in runs]


def _deal(runs: list[Run], wanted: int, kinds: tuple[str, ...], once: tuple[bool, ...], mark: str) -> tuple[list[Run], int]:
    """Mark pages, kind by kind, until so many are; and how many are lacking."""
    left = wanted - sum(run.nr for run in runs if run.what in kinds and run.once in once and getattr(run, mark))
    for kind in kinds:
        if left > 0:
            runs, left = _change(runs, left, lambda run, kind=kind: run.what == kind and run.once in once and not getattr(run, mark),  # type: ignore[misc]
                                 **{mark: True})
    return runs, max(left, 0)
