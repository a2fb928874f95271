"""The threads of a process that is read: who they are by task/TID, how many by status.

What is taken: status' count (stat's, where there is no status) is what Threads: will say. The threads that task/ lists come with their
TIDs, names and faults; those that nobody lists (a copy without task/, threads that began or ended while the files were read) get a
TID of the machine's and the process's name. A count that no kernel has (PID_MAX_LIMIT) is none; one that no machine here could hold ends
the import (frames_needed).
Counterpart: Linux v6.18 fs/proc/base.c:proc_task_readdir(), fs/proc/array.c:do_task_stat(): a process's faults are the sum of its threads'
and of those that have ended; task/TID/stat has the thread's own.
"""

from typing import Any, NamedTuple

from vmtool.outside.proc_source import Source
from vmtool.outside.proc_text import decimal, parse_stat

PID_MAX_LIMIT, PID_MAX_DEFAULT = 1 << 22, 1 << 15
MOST_ENDED_MAJOR = (1 << 32) - 1


class Thread(NamedTuple):
    """One that is not the leader. `tid` 0: the machine gives one."""

    tid: int
    comm: str
    min_flt: int
    maj_flt: int


class Threads(NamedTuple):
    """`leader_faults`: the leader's own, and what threads that have ended left, by the names of adopt_facts()."""

    others: list[Thread]
    leader_faults: dict[str, int]


def threads_of(source: Source, stat: dict[str, int], status: dict[str, str], comm: str) -> Threads:
    """What status or, without it, stat counts; without both, all that are listed."""
    counted = _count(decimal(status.get("Threads", ""))) or _count(stat.get("nr_threads"))
    listed = sorted(tid for tid in source.tids() if 0 < tid < PID_MAX_LIMIT)
    leader = source.pid or decimal(status.get("Pid", ""))
    if leader not in listed:
        leader = listed[0] if listed else 0
    wanted = counted or max(1, len(listed))
    tids = [tid for tid in listed if tid != leader][: wanted - 1]
    others = [_thread(source, tid, comm) for tid in tids]
    own = parse_stat(source.text(f"task/{leader}/stat")) if leader and others else {}
    others, faults = _shared_out(others, own, stat)
    return Threads(others + [Thread(0, comm, 0, 0)] * (wanted - 1 - len(others)), faults)


def _count(number: int | None) -> int:
    """0: no count."""
    return number if number is not None and number <= PID_MAX_LIMIT else 0


def _thread(source: Source, tid: int, comm: str) -> Thread:
    stat = source.text(f"task/{tid}/stat")
    own = parse_stat(stat)
    name = source.text(f"task/{tid}/comm")
    if name is None:
        name = (stat or "").rpartition(")")[0].partition("(")[2] or comm
    return Thread(tid, name.rstrip("\n")[:15], own.get("min_flt", 0), own.get("maj_flt", 0))


def _shared_out(others: list[Thread], own: dict[str, int], stat: dict[str, int]) -> tuple[list[Thread], dict[str, int]]:
    """The process's faults among its threads. Files that do not fit together leave them all to the leader."""
    faults = {}
    for name in ("min_flt", "maj_flt"):
        total, leader = stat.get(name, 0), own.get(name)
        rest = total - sum(getattr(thread, name) for thread in others)
        if rest < 0:
            nothing: dict[str, Any] = {name: 0}
            others, rest = [thread._replace(**nothing) for thread in others], total
        ended = rest - leader if leader is not None and 0 <= rest - leader <= MOST_ENDED_MAJOR else 0
        faults[name], faults[f"ended_{name}"] = rest - ended, ended
    return others, faults
