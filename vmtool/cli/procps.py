"""Handlers: the tools of procps, over the simulated /proc or a directory of the host."""

from __future__ import annotations

from vmtool.cli.report import Result
from vmtool.errors import HostError, KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from vmtool.cli.report import Output

USERS = {0: "root", 65534: "nobody"}
GROUPS = {0: "root", 65534: "nogroup"}
OWNER = 65534  # of every process, as status says
PROCESS_FILES = ("stat", "status", "statm", "cmdline")
THREAD_FILES = ("stat", "status")
"""Of each thread, for ps -L."""
PS_FILES = {
    "args": ("cmdline",), "cmd": ("cmdline",), "command": ("cmdline",), "oom": ("oom_score",), "oomadj": ("oom_score_adj",),
    "pss": ("smaps_rollup",), "uss": ("smaps_rollup",), "wchan": ("wchan",), "wname": ("wchan",),
}  # fmt: skip
"""What a few columns read besides."""


NOT_AS_PRINTED = (ValueError, LookupError, ArithmeticError, AttributeError, TypeError)
"""How a tool's reader ends on text that is none of /proc."""


class Copied:
    """A Source over copies of files of the simulated /proc, which are formatted when they are read."""

    now = None

    def __init__(self, machine: Any, names: Sequence[str], of_processes: Sequence[str] = (), with_threads: bool = False) -> None:
        from vmtool.procfs.tree import Tree
        tree = Tree(machine)
        self.page_bytes = 1 << tree.info.page_shift
        self._pids = [task.pid for task in machine.tasks()] if of_processes else []
        self._files = {}
        for name in names:
            try:
                self._files[name] = tree.open(name)
            except KernelError:
                pass  # not of this release: the tool does without, or complains
        there = set(tree.process_names())
        of_processes = [name for name in of_processes if name in there]
        for pid in self._pids:
            for name in of_processes:
                self._files[f"{pid}/{name}"] = tree.process_file(pid, name)
        self._threads = {pid: [task.pid for task in machine.threads(pid)] for pid in self._pids} if with_threads else {}
        for pid, tids in self._threads.items():
            for place in [*[f"{pid}/task/{tid}/{name}" for tid in tids for name in THREAD_FILES], *[f"{tid}/wchan" for tid in tids]]:
                self._files[place] = tree.open(place)

    def read(self, path: str) -> str | None:
        if path not in self._files:
            return None
        text = self._files[path]()
        return text if isinstance(text, str) else text.decode("utf-8", "surrogateescape")

    def pids(self) -> list[int]:
        return self._pids

    def threads(self, pid: int) -> list[int]:
        return self._threads.get(pid, [])

    def user(self, uid: int) -> str:
        return USERS.get(uid, str(uid))

    def group(self, gid: int) -> str:
        return GROUPS.get(gid, str(gid))

    def owner(self, pid: int) -> int:
        return OWNER


def source(machine: Any, procfs: str | None, names: Sequence[str], of_processes: Sequence[str] = (), with_threads: bool = False) -> Any:
    """Where a tool reads: of the machine these files, or a directory. `machine` is the settings of a command that was given a directory."""
    if procfs is None:
        return Copied(machine, names, of_processes, with_threads)
    from vmtool.outside.procdir import ProcDirectory
    return ProcDirectory(procfs)


def ps(machine: Any, words: Sequence[str], procfs: str | None, json: bool) -> Output:
    from vmtool.tools import ps as tool
    words = list(words)
    try:
        options = tool.parse(words)
    except tool.PsError as wrong:
        raise UsageError(str(wrong)) from None
    columns = {column.name for column in options.columns} | {name for name, _ in options.sort}
    more = {name for column in columns for name in PS_FILES.get(column, ())}
    if json or options.is_full:
        more.add("cmdline")
    if json or tool.asks_status(options):
        more.add("status")
    files = source(machine, procfs, ("meminfo", "uptime", "stat", "sys/kernel/pid_max"), ("stat", *sorted(more)), options.threads)

    def show():
        try:
            chosen = tool.chosen(files, options)
        except tool.PsError as wrong:
            raise UsageError(str(wrong)) from None
        status = tool.STATUS_OF_NONE if options.chosen and not chosen else 0  # a machine without processes is no failure
        if not json:
            return Result(tool.render(files, options, chosen), status)
        from vmtool.cli import json_text, objects_procps
        return Result(json_text.text([objects_procps.process(p, options.threads) for p in chosen]), status)
    return checked(show, procfs)


def _counters(machine, json):
    """/proc/vmstat."""
    from vmtool.cli.json_text import text
    from vmtool.procfs.tree import Tree
    if not json:
        return Tree(machine).open("vmstat")
    figures = machine.vmstat()
    return lambda: text(figures)


def vmstat(machine: Any, active: bool, wide: bool, unit: str | None, stats: bool, forks: bool, slabs: bool, disk: bool, disk_sum: bool,
           one_header: bool, procfs: str | None, json: bool) -> Output:
    if procfs is None and not any((active, wide, unit, stats, forks, slabs, disk, disk_sum, one_header)):
        return _counters(machine, json)
    from vmtool.tools import vmstat as tool
    files = source(machine, procfs, ("vmstat", "stat", "cpuinfo", "meminfo", "slabinfo", "diskstats"))
    reports = (
        (slabs, lambda: tool.run_slabs(files, one_header)),
        (disk, lambda: tool.run_disks(files, wide, one_header)),
        (disk_sum, lambda: tool.run_disk_sums(files)),
        (stats, lambda: tool.run_sums(files, unit or "K")),
        (forks, lambda: tool.run_forks(files)),
        (True, lambda: tool.run(files, active, wide, unit or "K")),
    )
    return _report(next(report for asked, report in reports if asked), json, procfs)


def slabtop(machine: Any, sort: str, once: bool, procfs: str | None, json: bool) -> Output:
    from vmtool.tools import slabtop as tool
    files = source(machine, procfs, ("slabinfo",))
    if json:
        from vmtool.cli import json_text, objects_procps

        def show():
            return json_text.text([objects_procps.slab(cache) for cache in tool.ordered(files, sort)])
        return checked(show, procfs)
    return _report(lambda: tool.run(files, sort), False, procfs)


def uptime(machine: Any, pretty: bool, since: bool, procfs: str | None, json: bool) -> Output:
    from vmtool.tools import uptime as tool
    files = source(machine, procfs, ("uptime", "loadavg", "stat"))
    return _report(lambda: tool.run(files, pretty, since), json, procfs)


def top(machine: Any, batch: bool, iterations: int, commands: bool, width: int, meter: bool, procfs: str | None,
        json: bool) -> Output:
    from vmtool.tools import top as tool
    if iterations != 1:
        raise UsageError("-n: one report alone, as time does not pass between two")
    if not tool.LEAST_WIDTH <= width <= tool.MOST_WIDTH:
        raise UsageError(f"-w: {width} is not within {tool.LEAST_WIDTH} to {tool.MOST_WIDTH}")
    files = source(machine, procfs, ("meminfo", "uptime", "loadavg", "stat", "sys/kernel/pid_max"), PROCESS_FILES)
    return _report(lambda: tool.run(files, commands, width, meter), json, procfs)


def _report(make, json, procfs):
    """A text; a file that lacks what the tool needs is its own complaint."""
    def show():
        text = make()
        if not json:
            return text
        from vmtool.cli import json_text
        return json_text.text({"text": text})
    return checked(show, procfs)


def checked(show: Callable[[], Any], procfs: str | None) -> Callable[[], Any]:
    """Files that are none of a /proc are a complaint of the tool's, in one line. Of the machine's own they would be a mistake here."""
    def run():
        try:
            return show()
        except NOT_AS_PRINTED as wrong:
            if procfs is None:
                raise
            what = f"lacks {wrong}" if isinstance(wrong, (KeyError, AttributeError)) else str(wrong)
            raise HostError(f"{procfs}: holds what no kernel prints: {what}") from None
    return run
