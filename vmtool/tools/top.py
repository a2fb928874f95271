"""What procps' `top -b -n1` prints from the text of /proc: the summary, and a row for each process.

Counterpart: procps-ng 4.0.2 src/top/top.c with its built-in settings. %CPU is what was used between two looks: none, in files that stand
still, so that processes come in the order of the directory. Memory is statm's, the user the owner of the process's directory.
"""

from __future__ import annotations

from vmtool.tools import meter
from vmtool.tools.process import Process, processes, ticks
from vmtool.tools.single import single
from vmtool.tools.source import fields, number
from vmtool.tools.uptime import line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.tools.source import Source

LEAST_WIDTH, MOST_WIDTH = 80, 512
HEADING = "    PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND"
CPU = "%Cpu(s):  0.0 us,  0.0 sy,  0.0 ni,100.0 id,  0.0 wa,  0.0 hi,  0.0 si,  0.0 st \n"
"""The share of the ticks since the last look; between two looks at files that stand still there are none, and that is idle."""
STATES = (("running", "R"), ("sleeping", "SDI"), ("stopped", "Tt"), ("zombie", "Z"))
"""What the summary counts: the letters of each."""
MINUTES_SHOWN, HOURS_SHOWN, DAYS_SHOWN = 360, 96, 14
"""Up to how many of a unit the time column shows it."""


def run(source: Source, shows_command: bool = False, width: int = LEAST_WIDTH, has_meters: bool = False) -> str:
    """One report; `shows_command`: -c, command lines; `width`: -w, columns of the screen; `has_meters`: htop's, too."""
    found = processes(source)
    meminfo = fields(source.read("meminfo"))
    memory = {name: number(value) for name, value in meminfo.items()}
    pid_width = max(len(str(number(source.read("sys/kernel/pid_max")) - 1 if source.read("sys/kernel/pid_max") else 32767)), 5)
    heading = f"{'PID':>{pid_width}}{HEADING[7:]}"
    text = f"top -{line(source)}\n" + _tasks(found) + CPU
    text += (meter.run(source.read("meminfo"), width) if has_meters else _memory(memory)) + f"\n{heading}\n"
    return text + "".join([_row(source, p, memory.get("MemTotal", 0), pid_width, shows_command, width) + "\n" for p in found])


def _tasks(found: list[Process]) -> str:
    counts = [sum(p.state in letters for p in found) for _, letters in STATES]
    return f"Tasks: {len(found):3} total, " + ", ".join([f"{n:3} {name}" for n, (name, _) in zip(counts, STATES, strict=True)]) + "\n"


def _memory(memory: dict[str, int]) -> str:
    total, free = memory.get("MemTotal", 0), memory.get("MemFree", 0)
    available = memory.get("MemAvailable", 0)
    if not 0 < available <= total:
        available = free
    cache = memory.get("Buffers", 0) + memory.get("Cached", 0) + memory.get("SReclaimable", 0)
    swap, swap_free = memory.get("SwapTotal", 0), memory.get("SwapFree", 0)
    first = [_mib(kb) for kb in (total, free, total - available, cache)]
    second = [_mib(kb) for kb in (swap, swap_free, swap - swap_free, available)]
    return (
        "MiB Mem : {}total, {}free, {}used, {}buff/cache     \n".format(*first)
        + "MiB Swap: {}total, {}free, {}used. {}avail Mem \n".format(*second)
    )


def _mib(kb: int) -> str:
    text = f"{single(kb / 1024):.1f} "
    return f"{text:>9}" if len(text) <= 9 else text[:8] + "+"


def _row(source: Source, p: Process, memory_total: int, pid_width: int, shows_command: bool, width: int) -> str:
    pages = ([number(word) for word in (source.read(f"{p.pid}/statm") or "").split()] + [0] * 3)[:3]
    size, resident, shared = [nr * source.page_bytes >> 10 for nr in pages]
    user = source.user(source.owner(p.pid))
    user = user if len(user) <= 8 else user[:7] + "+"
    priority = " rt" if p.priority < -99 else f"{p.priority:3}"
    percent = single(single(resident) * 100 / memory_total) if memory_total else 0.0
    name = p.command() if shows_command else p.name
    sizes = f"{_scaled(size, 7)} {_scaled(resident, 6)} {_scaled(shared, 6)}"
    row = f"{p.pid:{pid_width}} {user:<8} {priority} {p.nice:3} {sizes} {p.state}   0.0 {_percent(percent)} {_time(ticks(p)):>9} "
    room = width - len(row) - 1
    return row + (name if len(name) <= room else name[: room - 1] + "+")


def _scaled(kb: int, width: int) -> str:
    """KiB, or the first unit in which it fits."""
    value = single(kb)
    for suffix in ("", "m", "g", "t", "p"):
        text = f"{value:.1f}{suffix}" if suffix else f"{value:.0f}"
        if len(text) <= width:
            return f"{text:>{width}}"
        value = single(value / 1024)
    return f"{'?':>{width}}"


def _percent(value: float) -> str:
    text = f"{value:.1f}"
    return f"{text:>5}" if len(text) <= 5 else f"{value:5.0f}"


def _time(used: int) -> str:
    """minutes:seconds.hundredths; hours,minutes; days+hours; weeks+days: the first that is not too many."""
    seconds = used // 100
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes <= MINUTES_SHOWN:
        exact = f"{minutes}:{seconds % 60:02}.{used % 100:02}"
        return exact if len(exact) <= 9 else f"{minutes}:{seconds % 60:02}"
    if hours <= HOURS_SHOWN:
        return f"{hours},{minutes % 60:02}"
    return f"{days}d+{hours % 24}h" if days <= DAYS_SHOWN else f"{days // 7}w+{days % 7}d"
