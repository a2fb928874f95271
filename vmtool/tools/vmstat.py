"""What procps' `vmstat` prints from the text of /proc/{stat,vmstat,meminfo,slabinfo,diskstats}: averages since boot, and sums.

Counterpart: procps-ng 4.0.2 src/vmstat.c. Figures of memory pass through a C float, so above 16 GiB they lose their last digits. Repeated
reports (a delay and a count) would all be the same here and are not taken.
"""

from __future__ import annotations

from vmtool.tools.single import single
from vmtool.tools.source import number
from vmtool.tools.uptime import boot_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.tools.source import Source

HERTZ = 100
HEIGHT = 21
"""Rows between headings, of a screen of 24."""
UNITS = {"k": 1000, "K": 1024, "m": 1000000, "M": 1048576}
HEADERS = {
    False: "procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----",
    True: "--procs-- -----------------------memory---------------------- ---swap-- -----io---- -system-- ----------cpu----------",
}
WIDTHS = {False: (2, 2, 6, 6, 6, 6, 4, 4, 5, 5, 4, 4, 2, 2, 2, 2, 2), True: (4, 4, 12, 12, 12, 12, 4, 4, 5, 5, 4, 4, 3, 3, 3, 3, 3, 3)}
NAMES = "r b swpd free buff cache si so bi bo in cs us sy id wa st gu".split()
ACTIVE_NAMES = "r b swpd free inact active si so bi bo in cs us sy id wa st gu".split()
DISK_HEADERS = {
    False: "disk- ------------reads------------ ------------writes----------- -----IO------",
    True: "disk- -------------------reads------------------- -------------------writes------------------ ------IO-------",
}
DISK_WIDTHS = {False: (6, 6, 7, 7, 6, 6, 7, 7, 6, 6), True: (9, 9, 11, 11, 9, 9, 11, 11, 7, 7)}
DISK_NAMES = "total merged sectors ms total merged sectors ms cur sec".split()


class VmstatError(ValueError):
    """A file is missing."""


class Facts:
    """The files, read as the library does. VmstatError names what is missing as vmstat does."""

    def __init__(self, source: Source, unit: int = 1024) -> None:
        self.unit = unit
        self.page_kb = source.page_bytes >> 10
        self.vmstat = _pairs(source.read("vmstat"), "Unable to create vmstat structure")
        stat = source.read("stat")
        if not stat or not source.read("cpuinfo"):
            raise VmstatError("Unable to create system stat structure")
        words = [line.split() for line in stat.splitlines() if line]
        self.stat = {line[0]: number(line[1]) for line in words if len(line) > 1}
        self.ticks = [number(word) for word in next((line[1:] for line in words if line[0] == "cpu"), [])] + [0] * 10
        meminfo = source.read("meminfo")
        if not meminfo:
            raise VmstatError("Unable to create meminfo structure")
        self.meminfo = {line.partition(":")[0]: number(line.partition(":")[2]) for line in meminfo.splitlines()}
        self.boot_time = boot_time(source)

    def converted(self, kb: int) -> int:
        """In the unit asked for."""
        return int(single(single(single(kb) / self.unit) * 1024))

    def memory(self, label: str) -> int:
        return self.meminfo.get(label, 0)

    def cached(self) -> int:
        return self.memory("Cached") + self.memory("SReclaimable")

    def available(self) -> int:
        available = self.memory("MemAvailable")
        return available if 0 < available <= self.memory("MemTotal") else self.memory("MemFree")


def _pairs(text: str | None, complaint: str) -> dict[str, int]:
    if not text:
        raise VmstatError(complaint)
    return {words[0]: number(words[1]) for words in (line.split() for line in text.splitlines()) if len(words) > 1}


def run(source: Source, is_active: bool = False, is_wide: bool = False, unit: str = "K") -> str:
    """The plain report, -a, -w, -S."""
    f = Facts(source, UNITS[unit])
    user, nice, system, idle, iowait, irq, softirq, stolen, guest, guest_nice = f.ticks[:10]
    use, kernel, guests = user + nice, system + irq + softirq, guest + guest_nice
    div = use + kernel + idle + iowait + stolen
    if not div:
        div = idle = 1
    half = div // 2
    use = max(use - guests, 0)
    memory = (f.memory("Inactive"), f.memory("Active")) if is_active else (f.memory("Buffers"), f.cached())
    sizes = [f.memory("SwapTotal") - f.memory("SwapFree"), f.memory("MemFree"), *memory]
    swaps = [f.converted(f.vmstat.get(name, 0) * f.page_kb) for name in ("pswpin", "pswpout")]
    rates = [*swaps, f.vmstat.get("pgpgin", 0), f.vmstat.get("pgpgout", 0), f.stat.get("intr", 0), f.stat.get("ctxt", 0)]
    row = [f.stat.get("procs_running", 0), f.stat.get("procs_blocked", 0), *[f.converted(kb) for kb in sizes]]
    row += [(rate * HERTZ + half) // div & 0xFFFFFFFF for rate in rates]
    row += [(100 * part + half) // div for part in (use, kernel, idle, iowait, stolen, guests)]
    widths = WIDTHS[is_wide]
    names = ACTIVE_NAMES if is_active else NAMES
    return "".join([HEADERS[is_wide] + "\n", _row(names, widths), _row(row, widths)])


def _row(cells, widths):
    return " ".join([f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=False)]) + "\n"


def run_sums(source: Source, unit: str = "K") -> str:
    """-s."""
    f = Facts(source, UNITS[unit])
    total = f.memory("MemTotal")
    sizes = (
        (total, "total memory"), (total - f.available(), "used memory"), (f.memory("Active"), "active memory"),
        (f.memory("Inactive"), "inactive memory"), (f.memory("MemFree"), "free memory"), (f.memory("Buffers"), "buffer memory"),
        (f.cached(), "swap cache"), (f.memory("SwapTotal"), "total swap"), (f.memory("SwapTotal") - f.memory("SwapFree"), "used swap"),
        (f.memory("SwapFree"), "free swap"),
    )  # fmt: skip
    ticks = ("non-nice user", "nice user", "system", "idle", "IO-wait", "IRQ", "softirq", "stolen", "non-nice guest", "nice guest")
    rest = (
        (f.vmstat.get("pgpgin", 0), "K paged in"), (f.vmstat.get("pgpgout", 0), "K paged out"), (f.vmstat.get("pswpin", 0),
        "pages swapped in"),
        (f.vmstat.get("pswpout", 0), "pages swapped out"), (f.stat.get("intr", 0), "interrupts"), (f.stat.get("ctxt", 0),
        "CPU context switches"),
        (f.boot_time, "boot time"), (f.stat.get("processes", 0), "forks"),
    )  # fmt: skip
    lines = [f"{f.converted(kb):13} {unit} {what}\n" for kb, what in sizes]
    lines += [f"{count:13} {what} cpu ticks\n" for count, what in zip(f.ticks, ticks, strict=False)]
    return "".join(lines + [f"{count:13} {what}\n" for count, what in rest])


def run_forks(source: Source) -> str:
    """-f."""
    return f"{Facts(source).stat.get('processes', 0):13} forks\n"


def run_slabs(source: Source, one_header: bool = False) -> str:
    """-m: caches by name. SlabError."""
    from vmtool.tools.slabtop import caches

    heading = f"{'Cache':<24} {'Num':>6} {'Total':>6} {'Size':>6} {'Pages':>6}\n"
    text = heading if one_header else ""
    for row, c in enumerate(sorted(caches(source), key=lambda c: c.name)):
        text += "" if one_header or row % HEIGHT else heading
        text += f"{c.name[:24]:<24} {c.active_objs:6} {c.nr_objs:6} {c.obj_bytes:6} {c.objs_per_slab:6}\n"
    return text


def disks(text: str | None) -> list[tuple[str, list[int], bool]]:
    """(name, figures, whether it is a whole disk): a partition's name begins with its disk's, which comes before it."""
    if text is None:
        raise VmstatError("Unable to create diskstat structure")
    found: list[tuple[str, list[int], bool]] = []
    for words in (line.split() for line in text.splitlines()):
        if len(words) < 14:
            continue
        name = words[2]
        is_part = any(is_disk and name != disk and name.startswith(disk) and name[len(disk):].lstrip("p").isdigit() for disk, _,
            is_disk in found)
        found.append((name, [number(word) for word in words[3:14]], not is_part))
    return found


def run_disks(source: Source, is_wide: bool = False, one_header: bool = False) -> str:
    """-d: a line a disk, headings where `vmstat` puts them: before every 21st device that is a disk."""
    widths = DISK_WIDTHS[is_wide]
    heading = f"{DISK_HEADERS[is_wide]}\n{' ':>5} " + _row(DISK_NAMES, widths)
    text = heading if one_header else ""
    for row, (name, figures, is_disk) in enumerate(disks(source.read("diskstats"))):
        if not is_disk:
            continue
        text += "" if one_header or row % HEIGHT else heading
        text += f"{name:<5} " + _row([*figures[:8], figures[8] // 1000, figures[9] // 1000], widths)
    return text


def run_disk_sums(source: Source) -> str:
    """-D."""
    found = disks(source.read("diskstats"))
    whole = [figures for _, figures, is_disk in found if is_disk]
    names = ("total reads", "merged reads", "read sectors", "milli reading", "writes", "merged writes", "written sectors", "milli writing")
    lines = [f"{len(whole):13} disks\n", f"{len(found) - len(whole):13} partitions\n"]
    lines += [f"{sum(figures[n] for figures in whole):13} {name}\n" for n, name in enumerate(names)]
    for n, name in ((8, "inprogress IO"), (9, "milli spent IO"), (10, "milli weighted IO")):
        lines.append(f"{sum(figures[n] // 1000 for figures in whole):13} {name}\n")
    return "".join(lines)
