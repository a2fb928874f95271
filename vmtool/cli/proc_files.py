"""The files of the simulated /proc by name, for `cat` and for the commands that are called as a file.

Each function copies what its file shows and gives the function that formats it.
"""

from __future__ import annotations

import errno

from vmtool.errors import KernelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmtool._core import Machine

    Formatter = Callable[[], str | bytes]


def pid_maps(machine: Machine, pid: int) -> Formatter:
    from vmtool.procfs.pid_maps import render
    vmas, word_bytes = machine.maps(pid), _word_bytes(machine)
    return lambda: render(vmas, word_bytes)


def pid_smaps(machine: Machine, pid: int) -> Formatter:
    from vmtool.procfs.pid_smaps import render
    entries, word_bytes = machine.smaps(pid), _word_bytes(machine)
    return lambda: render(entries, word_bytes)


def pid_smaps_rollup(machine: Machine, pid: int) -> Formatter:
    from vmtool.procfs.pid_smaps import render_rollup
    rollup, word_bytes = machine.smaps_rollup(pid), _word_bytes(machine)
    return lambda: render_rollup(rollup, word_bytes)


def pid_status(machine: Machine, pid: int) -> Formatter:
    from vmtool.procfs.pid_status import render
    task, mm, info = machine.task(pid), _mm(machine, pid), machine.info()
    return lambda: render(task, mm, info.nr_cpus, info.page_shift)


def pid_statm(machine: Machine, pid: int) -> Formatter:
    from vmtool.procfs.pid_statm import render
    mm, info = _mm(machine, pid), machine.info()
    return lambda: render(mm, info.page_shift)


def pid_stat(machine: Machine, pid: int) -> Formatter:
    from vmtool.procfs.pid_stat import render
    task, mm, info = machine.task(pid), _mm(machine, pid), machine.info()
    return lambda: render(task, mm, info.page_shift)


def pid_cmdline(machine: Machine, pid: int) -> Formatter:
    return _constant(machine.cmdline(pid))


def pid_environ(machine: Machine, pid: int) -> Formatter:
    return _constant(machine.environ(pid))


def pid_comm(machine: Machine, pid: int) -> Formatter:
    return _constant(machine.task(pid).comm + "\n")


def pid_oom_score_adj(machine: Machine, pid: int) -> Formatter:
    return _constant(f"{machine.task(pid).oom_score_adj}\n")


def meminfo(machine: Machine) -> Formatter:
    from vmtool.procfs.meminfo import render
    figures = machine.meminfo()
    return lambda: render(figures)


def vmstat(machine: Machine) -> Formatter:
    from vmtool.procfs.vmstat import render
    figures = machine.vmstat()
    return lambda: render(figures)


def buddyinfo(machine: Machine) -> Formatter:
    from vmtool.procfs.buddyinfo import render
    zones = machine.zones()
    return lambda: render(zones)


def zoneinfo(machine: Machine) -> Formatter:
    from vmtool.procfs.zoneinfo import render
    zones, node_stats, page_shift = machine.zones(), machine.node_stats(), machine.info().page_shift
    return lambda: render(zones, node_stats, page_shift)


def pagetypeinfo(machine: Machine) -> Formatter:
    from vmtool.procfs.pagetypeinfo import render
    zones = machine.zones()
    return lambda: render(zones)


def slabinfo(machine: Machine) -> Formatter:
    from vmtool.procfs.slabinfo import render
    caches = machine.slabs()
    return lambda: render(caches)


def uptime(machine: Machine) -> Formatter:
    from vmtool.procfs.system import render_uptime
    info = machine.info()
    return lambda: render_uptime(info)


def loadavg(machine: Machine) -> Formatter:
    from vmtool.procfs.system import render_loadavg
    tasks = machine.tasks()
    return lambda: render_loadavg(tasks)


def stat(machine: Machine) -> Formatter:
    from vmtool.procfs.system import render_stat
    info, tasks = machine.info(), machine.tasks()
    return lambda: render_stat(info, tasks)


def version(machine: Machine) -> Formatter:
    from vmtool.procfs.system import render_version
    info = machine.info()
    return lambda: render_version(info)


def cpuinfo(machine: Machine) -> Formatter:
    from vmtool.procfs.system import render_cpuinfo
    info = machine.info()
    return lambda: render_cpuinfo(info)


def swaps(machine: Machine) -> Formatter:
    from vmtool.procfs.swaps import render
    return render


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
    if len(parts) == 2 and parts[0].isdigit() and parts[1] in PID_FILES and len(parts[0]) < 10:
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


def _mm(machine, pid):
    return machine.mm(pid) if machine.task(pid).has_mm else None


def _word_bytes(machine):
    """How many bytes an address has: maps of 32-bit machines are narrower."""
    return 4 if machine.info().arch in ("i386", "i386-pae", "arm") else 8
