"""The files of the simulated /proc by name, for `cat` and for the commands that are called as a file.

Each function copies what its file shows and gives the function that formats it.
"""

from __future__ import annotations

import errno

from vmtool.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from vmtool._core import Machine

    Formatter = Callable[[], str | bytes]
    Question = str | Callable[..., Any]


def _machine_file(module: str, *asked: Question, function: str = "render") -> Callable[[Machine], Formatter]:
    """A file of the whole machine: what is copied of it (a method's name, or a function of the machine), and who formats that."""
    def show(machine: Machine) -> Formatter:
        return _formatter(module, function, [getattr(machine, ask)() if isinstance(ask, str) else ask(machine) for ask in asked])
    return show


def _pid_file(module: str, *asked: Question, function: str = "render") -> Callable[[Machine, int], Formatter]:
    """The same of a process: each question is asked with its PID."""
    def show(machine: Machine, pid: int) -> Formatter:
        return _formatter(module, function, [getattr(machine, ask)(pid) if isinstance(ask, str) else ask(machine, pid) for ask in asked])
    return show


def _formatter(module, function, copied):
    render = getattr(__import__(f"vmtool.procfs.{module}", fromlist=(function,)), function)
    return lambda: render(*copied)


def _page_shift(machine, pid=0):
    return machine.info().page_shift


def _nr_cpus(machine, pid):
    return machine.info().nr_cpus


def _mm(machine, pid):
    return machine.mm(pid) if machine.task(pid).has_mm else None


def _word_bytes(machine, pid):
    """How many bytes an address has: maps of 32-bit machines are narrower."""
    return 4 if machine.info().arch in ("i386", "i386-pae", "arm") else 8


pid_maps = _pid_file("pid_maps", "maps", _word_bytes)
pid_smaps = _pid_file("pid_smaps", "smaps", _word_bytes)
pid_smaps_rollup = _pid_file("pid_smaps", "smaps_rollup", _word_bytes, function="render_rollup")
pid_status = _pid_file("pid_status", "task", _mm, _nr_cpus, _page_shift)
pid_statm = _pid_file("pid_statm", _mm, _page_shift)
pid_stat = _pid_file("pid_stat", "task", _mm, _page_shift)
meminfo = _machine_file("meminfo", "meminfo")
vmstat = _machine_file("vmstat", "vmstat")
buddyinfo = _machine_file("buddyinfo", "zones")
zoneinfo = _machine_file("zoneinfo", "zones", "node_stats", _page_shift)
pagetypeinfo = _machine_file("pagetypeinfo", "zones")
slabinfo = _machine_file("slabinfo", "slabs")
uptime = _machine_file("system", "info", function="render_uptime")
loadavg = _machine_file("system", "tasks", function="render_loadavg")
stat = _machine_file("system", "info", "tasks", function="render_stat")
version = _machine_file("system", "info", function="render_version")
cpuinfo = _machine_file("system", "info", function="render_cpuinfo")
swaps = _machine_file("swaps")


def pid_cmdline(machine: Machine, pid: int) -> Formatter:
    return _constant(machine.cmdline(pid))


def pid_environ(machine: Machine, pid: int) -> Formatter:
    return _constant(machine.environ(pid))


def pid_comm(machine: Machine, pid: int) -> Formatter:
    return _constant(machine.task(pid).comm + "\n")


def pid_oom_score_adj(machine: Machine, pid: int) -> Formatter:
    return _constant(f"{machine.task(pid).oom_score_adj}\n")


MACHINE_FILES = {"meminfo": meminfo, "vmstat": vmstat, "buddyinfo": buddyinfo, "zoneinfo": zoneinfo, "pagetypeinfo": pagetypeinfo,
                 "slabinfo": slabinfo, "uptime": uptime, "loadavg": loadavg, "stat": stat, "version": version, "cpuinfo": cpuinfo,
                 "swaps": swaps}
PID_FILES = {"maps": pid_maps, "smaps": pid_smaps, "smaps_rollup": pid_smaps_rollup, "status": pid_status, "statm": pid_statm,
             "stat": pid_stat, "cmdline": pid_cmdline, "environ": pid_environ, "comm": pid_comm, "oom_score_adj": pid_oom_score_adj}


def find(machine: Machine, path: str) -> Formatter:
    """The formatter of a file, by its path below /proc. KernelError(ENOENT, ESRCH, EISDIR)."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if parts[:1] == ["proc"]:
        del parts[0]
    if len(parts) == 1 and parts[0] in MACHINE_FILES:
        return MACHINE_FILES[parts[0]](machine)
    if len(parts) == 2 and parts[1] in PID_FILES and parts[0].isdigit() and parts[0].isascii() and len(parts[0]) < 10:
        try:
            return PID_FILES[parts[1]](machine, int(parts[0]))
        except KernelError as failure:
            # A directory that is not there: open() says ENOENT where a system call on the PID would say ESRCH.
            raise KernelError(errno.ENOENT if failure.errno == errno.ESRCH else failure.errno, path) from None
    if parts[:1] == ["sys"] and len(parts) > 2:
        return _constant(machine.sysctl(".".join(parts[1:])) + "\n")
    is_directory = not parts or parts in (["sys"], ["sys", "vm"]) or len(parts) == 1 and _is_pid(machine, parts[0])
    raise KernelError(errno.EISDIR if is_directory else errno.ENOENT, path)


def _constant(text):
    return lambda: text


def _is_pid(machine, text):
    return any(str(task.pid) == text for task in machine.tasks())
