"""/proc/PID/statm: seven counts of pages.

Counterpart: Linux v6.18 fs/proc/array.c:proc_pid_statm(), fs/proc/task_mmu.c:task_statm(). The fifth (libraries) and
seventh (dirty) are always 0. `resident` is the exact sum, unlike field 24 of stat.
"""

from vmtool.records import MmInfo


def text_bytes(mm: MmInfo, page_shift: int) -> int:
    """Size of the program's code: whole pages from start_code to end_code."""
    page_bytes = 1 << page_shift
    return (mm.end_code + page_bytes - 1) // page_bytes * page_bytes - mm.start_code // page_bytes * page_bytes


def render(mm: MmInfo | None, page_shift: int) -> str:
    """The file; a process without an address space (a zombie) has zeros."""
    if mm is None:
        return "0 0 0 0 0 0 0\n"
    shared = mm.rss_file + mm.rss_shmem
    return f"{mm.total_vm} {mm.rss_anon + shared} {shared} {text_bytes(mm, page_shift) >> page_shift} 0 {mm.data_vm + mm.stack_vm} 0\n"
