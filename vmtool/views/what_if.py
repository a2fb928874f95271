"""What a command would cost: a machine's figures before and after it, and at their peak.

RSS and its peak are what /proc/PID/status would show as VmRSS and VmHWM; free memory and page tables are meminfo's. The peak of
memory in use is counted frame by frame; that of RSS, as the kernel's, up to a batch of its per-CPU counter.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from vmtool.records import MmInfo, Tally


class Line(NamedTuple):
    """One figure in kB; None: there is none, as before a process is made or after its end."""

    what: str
    pid: int
    before: int | None
    after: int | None
    peak: int | None


class Cost(NamedTuple):
    """All that is shown."""

    lines: list[Line]
    nr_minor: int
    nr_major: int
    nr_copied: int
    peak_kb: int


def cost(before: Mapping[str, Any], after: Mapping[str, Any], tally: Tally, page_kb: int) -> Cost:
    """The difference of two looks at a machine, and what happened between them."""
    memory = (before["meminfo"], after["meminfo"])
    peak_kb = tally.frames_peak * page_kb
    lines = [Line("MemFree", 0, *[look["MemFree"] for look in memory], None),
             Line("page tables", 0, *[look["PageTables"] for look in memory], None)]  # fmt: skip
    old, new = before["processes"], after["processes"]
    for pid in sorted({*old, *new}):
        line = _rss(pid, old.get(pid), new.get(pid), page_kb)
        if line.before != line.after or line.peak != line.after:
            lines.append(line)
    events = [after["vmstat"][name] - before["vmstat"][name] for name in ("pgfault", "pgmajfault")]
    return Cost(lines, events[0] - events[1], events[1], tally.nr_copied, peak_kb)


def _rss(pid: int, old: tuple[str, MmInfo] | None, new: tuple[str, MmInfo] | None, page_kb: int) -> Line:
    comm = (new or old or ("", None))[0]
    sizes = [None if found is None else _pages(found[1]) * page_kb for found in (old, new)]
    peak = max(new[1].hiwater_rss * page_kb, *[size or 0 for size in sizes]) if new is not None else None
    return Line(f"RSS of {pid} {comm}", pid, sizes[0], sizes[1], peak)


def _pages(mm: MmInfo) -> int:
    return mm.rss_anon + mm.rss_file + mm.rss_shmem


def render(found: Cost) -> str:
    """The table of sizes, then the counts."""
    from vmtool.views.table import table

    rows = []
    for line in found.lines:
        change = (line.after or 0) - (line.before or 0)
        rows.append((line.what, *[_text(size) for size in (line.before, line.after)], f"{change:+}" if change else "0", _text(line.peak)))
    drawn = table(("kB", "before", "after", "change", "peak"), rows, left="kB")
    return drawn + (
        f"faults: {found.nr_minor} minor, {found.nr_major} major; pages copied: {found.nr_copied}; "
        f"at its peak {found.peak_kb} kB more in use than before\n"
    )


def _text(size: int | None) -> str:
    return "-" if size is None else str(size)


def cost_object(found: Cost) -> dict[str, Any]:
    """The same as a JSON object."""
    free, tables = found.lines[:2]
    return {
        "mem_free_before_kb": free.before,
        "mem_free_after_kb": free.after,
        "page_tables_before_kb": tables.before,
        "page_tables_after_kb": tables.after,
        "processes": [
            {"pid": line.pid, "rss_before_kb": line.before, "rss_after_kb": line.after, "peak_rss_kb": line.peak}
            for line in found.lines[2:]
        ],
        "nr_minor_faults": found.nr_minor,
        "nr_major_faults": found.nr_major,
        "nr_pages_copied": found.nr_copied,
        "peak_in_use_kb": found.peak_kb,
    }
