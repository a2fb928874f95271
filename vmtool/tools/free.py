"""What procps' `free` prints from the text of /proc/meminfo.

Counterpart: procps-ng 4.0.2 src/free.c, library/meminfo.c, free(1). `used` is MemTotal - MemAvailable: page cache that cannot be given
back at once counts as used. In a text whose figures disagree it can be negative, as the original's.
"""

from collections.abc import Mapping

from vmtool.tools import meminfo_text

KIB = 1024
UNITS = "bkmgtp"
"""Powers of 1024 (or 1000): -b is the zeroth. No letter means kB."""
HUMAN = "h"


DEFAULTS = {"unit": "k", "si": False, "wide": False, "total": False, "lohi": False, "committed": False}
"""The options of free(1): `unit` is one of UNITS or HUMAN, `si`: powers of 1000."""


class Figures:
    """What is printed, in kB."""

    total: int
    used: int
    free: int
    shared: int
    buffers: int
    cache: int
    available: int
    low: tuple[int, int, int]  # total, used, free
    high: tuple[int, int, int]
    swap: tuple[int, int, int]
    committed: tuple[int, int, int]  # limit, in use, left

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)

    def _asdict(self) -> dict[str, object]:
        return dict(self.__dict__)


def figures(text: str) -> Figures:
    """The arithmetic, on the text of /proc/meminfo."""
    info = meminfo_text.parse(text)

    def get(name: str) -> int:
        return info.get(name, 0)

    total, free = get("MemTotal"), get("MemFree")
    available = get("MemAvailable")
    if not 0 < available <= total:
        available = free
    low = (get("LowTotal"), get("LowFree")) if get("LowTotal") else (total, free)
    limit, in_use = get("CommitLimit"), get("Committed_AS")
    return Figures(
        total=total,
        used=total - available,
        free=free,
        shared=get("Shmem"),
        buffers=get("Buffers"),
        cache=get("Cached") + get("SReclaimable"),
        available=available,
        low=_with_used(*low),
        high=_with_used(get("HighTotal"), get("HighFree")),
        swap=_with_used(get("SwapTotal"), get("SwapFree")),
        committed=(limit, in_use, limit - in_use),
    )


def _with_used(total: int, free: int) -> tuple[int, int, int]:
    return total, max(total - free, 0), free


def scale(kb: int, unit: str, si: bool = False) -> str:
    """One figure in the unit asked for."""
    if unit == HUMAN:
        return _human(kb * KIB, si)
    power = UNITS.index(unit)
    divisor = (1000 if si else KIB) ** power
    # C's division: towards zero
    magnitude = abs(kb) * KIB // divisor
    return str(-magnitude if kb < 0 else magnitude)


def _human(nr_bytes: int, si: bool) -> str:
    """At most five characters (four with --si): one decimal if it fits, else none, else the next unit."""
    import struct

    text = f"{nr_bytes}B"
    if len(text) <= 4:
        return text
    base, suffix, width = (1000, "", 4) if si else (KIB, "i", 5)
    for power, letter in enumerate("KMGTP", 1):
        value = nr_bytes / base**power
        # the original prints the decimal from a C float: 8.15 is 8.1 there, as it lies a little below
        (single,) = struct.unpack("f", struct.pack("f", value))
        for number in (f"{single:.1f}", str(int(value))):
            text = number + letter + suffix
            if len(text) <= width:
                return text
    return text


def run(meminfo: str, options: Mapping[str, str | bool]) -> str:
    """The whole output; `options` by the names in DEFAULTS. MeminfoError for an empty text."""
    opts = {**DEFAULTS, **options}
    unit, si = str(opts["unit"]), bool(opts["si"])
    f = figures(meminfo)
    cache = ("buffers", "cache") if opts["wide"] else ("buff/cache",)
    lines = [" " * 9 + "".join([f"{word:>11} " for word in ("total", "used", "free", "shared", *cache)]) + f"{'available':>11}"]
    caches = (f.buffers, f.cache) if opts["wide"] else (f.buffers + f.cache,)
    rows: list[tuple[str, tuple[int, ...]]] = [("Mem:", (f.total, f.used, f.free, f.shared, *caches, f.available))]
    if opts["lohi"]:
        rows += [("Low:", f.low), ("High:", f.high)]
    rows.append(("Swap:", f.swap))
    if opts["total"]:
        rows.append(("Total:", (f.total + f.swap[0], f.used + f.swap[1], f.free + f.swap[2])))
    if opts["committed"]:
        rows.append(("Comm:", f.committed))
    for name, values in rows:
        lines.append(f"{name:<9}" + " ".join([f"{scale(kb, unit, si):>11}" for kb in values]))
    return "\n".join(lines) + "\n"
