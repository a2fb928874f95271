"""htop's meters of memory and swap, from the text of /proc/meminfo.

Counterpart: htop 3.2 MemoryMeter.c, SwapMeter.c, Meter.c:BarMeterMode_draw() without colours, linux/LinuxProcessList.c. Its `used` is not
procps': what is neither free nor cache nor buffers. A meter is a line, `Mem[||||##**@@@@   1.20G/7.79G]`: the parts have characters of
their own, each as wide as its share, rounded up; the figures stand at the right, and over the bar where it reaches them.
Pages of hugetlbfs do not count, neither as used nor in the total; htop reads them from /sys, here they are meminfo's Hugetlb.
"""

import math

from vmtool.tools import meminfo_text

CHARACTERS = "|#*@"
"""Of memory: used, buffers, shared, cache. Of swap: used, and what is in the swap cache besides."""
BORDERS = 5  # "Mem[" and "]"
WIDTH, LEAST_WIDTH = 80, 10
UNITS = "KMGTPEZY"


def run(meminfo: str, width: int) -> str:
    """Both meters, `width` columns each. MeminfoError for an empty text."""
    info = meminfo_text.parse(meminfo)
    return _line("Mem", *memory(info), width) + _line("Swp", *swap(info), width)


def memory(info: dict[str, int]) -> tuple[int, tuple[int, ...]]:
    """(total, parts), in kB."""
    total, free, buffers, shared = (info.get(name, 0) for name in ("MemTotal", "MemFree", "Buffers", "Shmem"))
    cache, huge = info.get("Cached", 0) + info.get("SReclaimable", 0), info.get("Hugetlb", 0)
    others = free + cache + buffers
    used = total - others if total >= others else total - free
    return _without(total, huge), (_without(used, huge), buffers, shared, cache - shared)


def swap(info: dict[str, int]) -> tuple[int, tuple[int, ...]]:
    total, free, cached = (info.get(name, 0) for name in ("SwapTotal", "SwapFree", "SwapCached"))
    return total, (total - free - cached, cached)


def _without(kb: int, huge: int) -> int:
    return kb - huge if kb > huge else kb


def _line(caption: str, total: int, parts: tuple[int, ...], width: int) -> str:
    room = max(width, LEAST_WIDTH) - BORDERS
    bar = ""
    for part, character in zip(parts, CHARACTERS, strict=False):
        if part > 0 and total > 0:
            bar += character * math.ceil(min(part, total) / total * room)  # in doubles, as the original
    figures = f"{human(parts[0])}/{human(total)}"[:room]
    return f"{caption}[{bar[:room - len(figures)]:<{room - len(figures)}}{figures}]\n"


def human(kb: int) -> str:
    """Three digits where there are decimals to give: 8.15M, 27.5M, 214M; none of K."""
    kb, unit = max(kb, 0), 0
    while kb >> 10 * (unit + 1) and unit + 1 < len(UNITS):
        unit += 1
    whole = kb >> 10 * unit
    decimals = 0 if unit == 0 else 2 if whole < 10 else 1 if whole < 100 else 0
    return f"{kb / (1 << 10 * unit):.{decimals}f}{UNITS[unit]}"
