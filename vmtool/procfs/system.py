"""uptime, loadavg, stat, version: files without memory in them, which readers of /proc want all the same.

Counterparts: Linux v6.18 fs/proc/{uptime,loadavg,stat,version}.c.

The machine's only time is the number of operations done (`MachineInfo.clock`), counted here as ticks of 1/100 s since boot;
it was booted at the epoch, computes nothing, gets no interrupts and switches no contexts.
"""

from collections.abc import Iterable

from vmtool.procfs.kernel import osrelease
from vmtool.records import MachineInfo, TaskInfo

USER_HZ = 100
SOFTIRQS = 10


def render_uptime(info: MachineInfo) -> str:
    """Seconds since boot, and seconds all processors were idle."""
    idle = info.clock * info.nr_cpus
    return f"{info.clock // USER_HZ}.{info.clock % USER_HZ:02} {idle // USER_HZ}.{idle % USER_HZ:02}\n"


def render_loadavg(tasks: Iterable[TaskInfo]) -> str:
    """No load; running processes of all, and the newest PID."""
    facts = list(tasks)
    running = sum(task.state == "R" for task in facts)
    return f"0.00 0.00 0.00 {running}/{len(facts)} {max((task.pid for task in facts), default=0)}\n"


def render_stat(info: MachineInfo, tasks: Iterable[TaskInfo]) -> str:
    """All time is idle time; `processes` counts forks, which is at least the newest PID."""
    facts = list(tasks)
    cpus = "".join([f"cpu{cpu} 0 0 0 {info.clock} 0 0 0 0 0 0\n" for cpu in range(info.nr_cpus)])
    running = sum(task.state == "R" for task in facts)
    return (
        f"cpu  0 0 0 {info.clock * info.nr_cpus} 0 0 0 0 0 0\n{cpus}intr 0\nctxt 0\nbtime 0\n"
        f"processes {max((task.pid for task in facts), default=0)}\nprocs_running {running}\nprocs_blocked 0\n"
        f"softirq {' '.join(['0'] * (SOFTIRQS + 1))}\n"
    )


def render_version(info: MachineInfo) -> str:
    """The release that is simulated, in the place where uname's fields are."""
    return f"Linux version {osrelease(info)} (vmtool) #1 SMP\n"
