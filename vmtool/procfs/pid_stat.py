"""/proc/PID/stat: 52 numbers on one line, the first file that ps and top read.

Counterpart: Linux v6.18 fs/proc/array.c:do_task_stat(), proc_pid_stat(5). Field 24 (rss) is what the kernel's
per-CPU counter shows without its unspilled parts, so it may lie some pages below statm's exact figure.

What the machine does not model is what a fresh process has: no terminal (tty 0, tpgid -1), process group and session 0 (outside the
reader's PID namespace, as in status), flags 0, no CPU time, priority 20, nice 0, an unlimited RLIMIT_RSS, no signals, exit_signal
17 (SIGCHLD). Time is the machine's logical clock: field 22 counts operations.
"""

from vmtool.records import MmInfo, TaskInfo
from vmtool.uapi import RLIM_INFINITY, SIGNALS


def render(task: TaskInfo, mm: MmInfo | None, page_shift: int) -> str:
    """The file. The name stands in parentheses, unescaped: readers look for the last `)`."""
    return _line(task, mm, page_shift, task.nr_threads < 2 and task.state != "R")


def render_thread(task: TaskInfo, mm: MmInfo | None, page_shift: int) -> str:
    """The file in task/TID, which tells of that thread whether it waits."""
    return _line(task, mm, page_shift, task.state != "R")


def _line(task, mm, page_shift, is_waiting):
    fields = _identity(task) + _memory(mm, page_shift) + _signals(is_waiting) + _scheduling(task) + _addresses(mm) + (task.exit_code,)
    return f"{task.pid} ({task.comm}) {task.state} " + " ".join([str(field) for field in fields]) + "\n"


def _identity(task: TaskInfo) -> tuple[int, ...]:
    """Fields 4 to 22: ppid pgrp session tty_nr tpgid flags, faults, times, priority nice num_threads itrealvalue starttime."""
    faults = (task.min_flt, task.cmin_flt, task.maj_flt, task.cmaj_flt)
    return (task.ppid, 0, 0, 0, -1, 0, *faults, 0, 0, 0, 0, 20, 0, task.nr_threads, 0, task.start_time)


def _memory(mm: MmInfo | None, page_shift: int) -> tuple[int, ...]:
    """Fields 23 to 30: vsize rss rsslim startcode endcode startstack kstkesp kstkeip."""
    if mm is None:
        return (0, 0, RLIM_INFINITY, 0, 0, 0, 0, 0)
    return (mm.total_vm << page_shift, mm.rss_approx, RLIM_INFINITY, mm.start_code, mm.end_code, mm.start_stack, 0, 0)


def _signals(is_waiting: bool) -> tuple[int, ...]:
    """Fields 31 to 37: signal blocked sigignore sigcatch wchan nswap cnswap; wchan tells only whether the process waits."""
    return (0, 0, 0, 0, int(is_waiting), 0, 0)


def _scheduling(task: TaskInfo) -> tuple[int, ...]:
    """Fields 38 to 44: exit_signal processor rt_priority policy delayacct_blkio_ticks guest_time cguest_time."""
    return (SIGNALS["CHLD"] if task.pid == task.tgid else -1, task.cpu, 0, 0, 0, 0, 0)


def _addresses(mm: MmInfo | None) -> tuple[int, ...]:
    """Fields 45 to 51: start_data end_data start_brk arg_start arg_end env_start env_end."""
    if mm is None:
        return (0, 0, 0, 0, 0, 0, 0)
    return (mm.start_data, mm.end_data, mm.start_brk, mm.arg_start, mm.arg_end, mm.env_start, mm.env_end)
