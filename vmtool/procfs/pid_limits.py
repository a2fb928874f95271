"""/proc/PID/limits: soft and hard resource limits.

Counterpart: Linux v6.18 fs/proc/base.c:proc_pid_limits(), the same text in every release. Rows are in the order of the RLIMIT_ numbers.
"""

from collections.abc import Iterable

ROWS = (
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
)


def render(limits: Iterable[tuple[int | None, int | None]]) -> str:
    """The file, of (soft, hard) by number; None is unlimited."""
    text = f"{'Limit':<25} {'Soft Limit':<20} {'Hard Limit':<20} {'Units':<10}\n"
    for (name, unit), (soft, hard) in zip(ROWS, limits, strict=False):
        text += f"{name:<25} {_figure(soft):<20} {_figure(hard):<20} " + (f"{unit:<10}\n" if unit else "\n")
    return text


def _figure(limit: int | None) -> str:
    return "unlimited" if limit is None else str(limit)
