"""The processes: plain `ps` without the terminals that the machine does not have, with the figures of memory.

Counterpart: procps-ng ps(1), columns PID PPID STAT VSZ RSS MIN_FLT MAJ_FLT CMD (VSZ and RSS in kB).
"""

from collections.abc import Iterable, Mapping

from vmtool.records import MmInfo, TaskInfo


def render(tasks: Iterable[TaskInfo], spaces: Mapping[int, MmInfo], page_shift: int = 12) -> str:
    """A row a process; `spaces` has the address space of each PID that has one (a zombie has none)."""
    from vmtool.views.table import table

    to_kb = page_shift - 10
    rows = []
    for task in tasks:
        mm = spaces.get(task.pid)
        vsz, rss = (0, 0) if mm is None else (mm.total_vm << to_kb, (mm.rss_anon + mm.rss_file + mm.rss_shmem) << to_kb)
        # + marks the process whose tables a processor has in CR3
        state = task.state + ("+" if task.current else "")
        name = task.comm + (" <defunct>" if task.state == "Z" else "")
        rows.append((task.pid, task.ppid, state, vsz, rss, task.min_flt, task.maj_flt, name))
    return table(("PID", "PPID", "STAT", "VSZ", "RSS", "MINFLT", "MAJFLT", "CMD"), rows, left="STAT CMD")
