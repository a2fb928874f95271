"""What procps' `uptime` prints from the text of /proc/uptime and loadavg.

Counterpart: procps-ng 4.0.2 src/uptime.c, library/uptime.c. The time of day is the source's; of a simulated machine its own clock's,
which began at 0:00. Nobody is logged in.
"""

from __future__ import annotations

from vmtool.tools.source import DAY, clock, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.tools.source import Source

PARTS = (("decade", DAY * 3650), ("year", DAY * 365), ("week", DAY * 7), ("day", DAY), ("hour", 3600), ("minute", 60))
"""Units of -p, from the largest; those above a minute need more than one of them."""


def seconds_up(source: Source) -> float:
    text = source.read("uptime")
    return float(text.split()[0]) if text else 0.0


def boot_time(source: Source) -> int:
    """Seconds since the epoch, from stat."""
    for line in (source.read("stat") or "").splitlines():
        if line.startswith("btime "):
            return number(line[6:])
    return 0


def time_of_day(source: Source) -> int:
    now = source.now
    return (boot_time(source) + int(seconds_up(source)) if now is None else now) % DAY


def run(source: Source, is_pretty: bool = False, is_since: bool = False) -> str:
    """The output: plain, -p or -s."""
    if is_pretty:
        return _pretty(seconds_up(source)) + "\n"
    if is_since:
        from vmtool.tools.ps_fields import civil

        began = boot_time(source) if source.now is None else source.now - int(seconds_up(source))
        year, month, day, _ = civil(began)
        return f"{year}-{month + 1:02}-{day:02} {clock(began)}\n"
    return line(source) + "\n"


def line(source: Source) -> str:
    """The line that top begins with, too."""
    seconds = int(seconds_up(source))
    days, hours, minutes = seconds // DAY, seconds // 3600 % 24, seconds // 60 % 60
    text = f" {clock(time_of_day(source))} up "
    if days:
        text += f"{days} {'days' if days > 1 else 'day'}, "
    text += f"{hours:2}:{minutes:02}, " if hours else f"{minutes} min, "
    loads = [float(word) for word in (source.read("loadavg") or "0 0 0").split()[:3]]
    return f"{text}{0:2} user,  load average: {', '.join([f'{load:.2f}' for load in loads])}"


def _pretty(seconds: float) -> str:
    words = []
    for name, size in PARTS:
        count = int(seconds) // size if seconds > size else 0
        seconds -= count * size
        if count or name == "minute" and seconds < 60:
            words.append(f"{count} {name}{'s' if (count != 1 if name == 'minute' else count > 1) else ''}")
    return "up " + ", ".join(words)
