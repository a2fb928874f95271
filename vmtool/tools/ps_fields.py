"""The columns of ps: heading, width, how it stands, and what is in it.

Counterpart: procps-ng 4.0.2 src/ps/output.c, ps(1). Columns that procps knows and prints `-` in are not listed, nor those about what the
files here do not say (namespaces, systemd, I/O, security labels).
"""

from __future__ import annotations

from vmtool.tools.process import HERTZ, ticks
from vmtool.tools.source import DAY, clock
from vmtool.uapi import RLIM_INFINITY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmtool.tools.process import Process
    from vmtool.tools.ps import Listing

    Show = Callable[[Listing, Process], str]

LEFT, RIGHT, USER, UNLIMITED, WCHAN, SIGNAL, PID = "left", "right", "user", "unlimited", "wchan", "signal", "pid"
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
DAYS = "Thu Fri Sat Sun Mon Tue Wed".split()  # the epoch was a Thursday
POLICIES = {-1: "-", 0: "TS", 1: "FF", 2: "RR", 3: "B", 4: "ISO", 5: "IDL", 6: "DLN", 7: "#7", 8: "#8", 9: "#9"}


class Field:
    """`name` is a heading; `key` is what it sorts by."""

    def __init__(self, heading: str, width: int, just: str, show: Show, key: Callable[[Listing, Process], object] | None = None) -> None:
        self.heading, self.width, self.just, self.show, self.key = heading, width, just, show, key


def civil(seconds: int) -> tuple[int, int, int, int]:
    """(year, month from 0, day, day of the year) in UTC: the proleptic Gregorian calendar."""
    days = seconds // DAY
    z = days + 719468
    era = z // 146097
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = (mp + 2) % 12
    year = yoe + era * 400 + (month < 2)
    first = days - _days_before(year, month, doy - (153 * mp + 2) // 5)
    return year, month, doy - (153 * mp + 2) // 5 + 1, days - first


def _days_before(year, month, day):
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return sum((31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[:month]) + day


def _lstart(t, p):
    began = t.began(p)
    year, month, day, _ = civil(began)
    return f"{DAYS[began // DAY % 7]} {MONTHS[month]} {day:2} {clock(began)} {year}"


def _stime(t, p):
    began = t.began(p)
    year, month, day, of_year = civil(began)
    now = civil(t.now) if t.now is not None else (year + 1, 0, 0, 0)
    if now[0] != year:
        return str(year)
    return clock(began)[:5] if now[3] == of_year else f"{MONTHS[month]}{day:02}"


def _start(t, p):
    began = t.began(p)
    if t.now is not None and began + DAY > t.now:
        return clock(began)
    _, month, day, _ = civil(began)
    return f"  {MONTHS[month]} {day:02}"


def _bsdstart(t, p):
    began = t.began(p)
    if t.now is not None and max(t.now - began, 0) <= DAY:
        return f" {clock(began)[:5]}"
    _, month, day, _ = civil(began)
    return f"{MONTHS[month]} {day:2}"


def _etime(t, p):
    seconds = t.elapsed(p)
    days, hours = seconds // DAY, seconds % DAY // 3600
    text = f"{days}-" if days else ""
    return text + (f"{hours:02}:" if days or hours else "") + f"{seconds % 3600 // 60:02}:{seconds % 60:02}"


def _time(t, p):
    seconds = ticks(p) // HERTZ
    return (f"{seconds // DAY}-" if seconds >= DAY else "") + clock(seconds)


def _bsdtime(t, p):
    seconds = ticks(p) // HERTZ
    return f"{seconds // 60:3}:{seconds % 60:02}"


def share(t: Listing, p: Process, of: int) -> int:
    """CPU time over the time since its start, in parts of `of`."""
    lived = t.elapsed_ticks(p)
    return ticks(p) * of // lived if lived else 0


def _pcpu(t, p):
    tenths = share(t, p, 1000)
    return str(tenths // 10) if tenths > 999 else f"{tenths // 10}.{tenths % 10}"


def _pmem(t, p):
    tenths = min(p.kb("VmRSS") * 1000 // t.memory_total, 999) if t.memory_total else 0
    return f"{tenths // 10:2}.{tenths % 10}"


def _stat(t, p):
    text = p.state + ("<" if p.nice < 0 else "N" if p.nice > 0 else "") + ("L" if p.kb("VmLck") else "")
    return text + ("s" if p.session == p.pid else "") + ("l" if p.nlwp > 1 else "") + ("+" if p.pgrp == p.tpgid else "")


def _tty(t, p):
    if p.tty_nr == 0:
        return "?"
    major, minor = p.tty_nr >> 8 & 0xFFF, p.tty_nr & 0xFF | p.tty_nr >> 12 & 0xFFF00
    names = {4: f"tty{minor}" if minor < 64 else f"ttyS{minor - 64}", 5: {0: "tty", 1: "console"}.get(minor, "?")}
    return f"pts/{minor + 256 * (major - 136)}" if 136 <= major <= 143 else names.get(major, "?")


def _tsiz(t, p):
    return str((p.end_code - p.start_code) >> 10 if p.vsize else 0)


def _dsiz(t, p):
    return str((p.vsize - p.end_code + p.start_code) >> 10 if p.vsize else 0)


def _nice(t, p):
    return str(p.nice) if p.sched in (0, 3, -1) else "-"


def _wchan(t, p):
    text = t.source.read(f"{p.tid}/wchan")
    return "?" if not text else "-" if text == "0" else text.lstrip("._")


def _signals(label):
    def show(t, p):
        return t.signals(p.status(label) or "0")
    return Field("", 9, SIGNAL, show)


def _id(label, which):
    return lambda t, p: str(p.ids(label)[which])


def _user(which):
    return lambda t, p: t.name_in_column(t.source.user(p.ids("Uid")[which]), p.ids("Uid")[which])


def _group(which):
    return lambda t, p: t.name_in_column(t.source.group(p.ids("Gid")[which]), p.ids("Gid")[which])


def _attribute(name):
    return lambda t, p: str(getattr(p, name))


def _priority(sign, offset):
    return lambda t, p: str(sign * p.priority + offset)


def _hex(name):
    return lambda t, p: f"{getattr(p, name):016x}"


def _nothing(t, p):
    return "-"


def _renamed(field, heading, width=0, just=""):
    return Field(heading, width or field.width, just or field.just, field.show, field.key)


PRIORITIES = (
    ("priority", "PRI", 1, 0),
    ("opri", "PRI", 1, 60),
    ("pri", "PRI", -1, 39),
    ("pri_foo", "FOO", 1, -20),
    ("pri_bar", "BAR", 1, 1),
    ("pri_baz", "BAZ", 1, 100),
    ("pri_api", "API", -1, -1),
)
"""Columns of the priority: heading, sign and offset."""


def _make():
    f = {}
    for add in (_add_numbers, _add_sizes, _add_commands_and_times, _add_scheduling, _add_identities, _add_others):
        add(f)
    return f


def _add_numbers(f):
    by_number = {
        "ppid": ("PPID", PID, "ppid"), "pgid": ("PGID", PID, "pgrp"), "sess": ("SESS", PID, "session"), "tpgid": ("TPGID", PID, "tpgid"),
        "min_flt": ("MINFL", 6, "min_flt"), "maj_flt": ("MAJFL", 6, "maj_flt"), "nlwp": ("NLWP", 4, "nlwp"), "psr": ("PSR", 3, "processor"),
        "sched": ("SCH", 3, "sched"),
    }  # fmt: skip
    for name, (head, width, attribute) in by_number.items():
        just = PID if width is PID else RIGHT
        f[name] = Field(head, 5 if width is PID else width, just, _attribute(attribute), lambda t, p, a=attribute: getattr(p, a))
    f["pid"] = Field("PID", 5, PID, lambda t, p: str(p.pid), lambda t, p: p.pid)
    f["lwp"] = Field("LWP", 5, PID, lambda t, p: str(p.tid), lambda t, p: p.tid)


def _add_sizes(f):
    f["pcpu"] = Field("%CPU", 4, RIGHT, _pcpu, lambda t, p: share(t, p, 1000))
    f["pmem"] = Field("%MEM", 4, RIGHT, _pmem, lambda t, p: p.kb("VmRSS"))
    f["rss"] = Field("RSS", 5, RIGHT, lambda t, p: str(p.kb("VmRSS")), lambda t, p: p.kb("VmRSS"))
    f["vsz"] = Field("VSZ", 6, RIGHT, lambda t, p: str(p.kb("VmSize")), lambda t, p: p.kb("VmSize"))
    f["sz"] = Field("SZ", 5, RIGHT, lambda t, p: str(p.kb("VmSize") // (t.source.page_bytes >> 10)), lambda t, p: p.kb("VmSize"))
    f["size"] = Field("SIZE", 5, RIGHT, lambda t, p: str(p.kb("VmData") + p.kb("VmStk")), lambda t, p: p.vsize)
    f["m_size"] = Field("SIZE", 5, RIGHT, _attribute("vsize"), lambda t, p: p.vsize)
    f["tsiz"] = Field("TSIZ", 4, RIGHT, _tsiz)
    f["dsiz"] = Field("DSIZ", 4, RIGHT, _dsiz)
    f["trs"] = Field("TRS", 4, RIGHT, _tsiz)
    f["drs"] = Field("DRS", 5, RIGHT, _dsiz)
    f["pss"] = Field("PSS", 5, RIGHT, lambda t, p: str(t.rollup(p, "Pss")), lambda t, p: t.rollup(p, "Pss"))
    f["uss"] = Field("USS", 5, RIGHT, lambda t, p: str(t.rollup(p, "Private_Clean") + t.rollup(p, "Private_Dirty")))


def _add_commands_and_times(f):
    f["args"] = Field("COMMAND", 27, UNLIMITED, lambda t, p: p.command(), lambda t, p: p.command())
    f["comm"] = Field("COMMAND", 15, UNLIMITED, lambda t, p: p.command() if t.is_full else p.name, lambda t, p: p.comm)
    f["fname"] = Field("COMMAND", 8, LEFT, lambda t, p: p.name[:8], lambda t, p: p.comm)
    f["time"] = Field("TIME", 8, RIGHT, _time, lambda t, p: ticks(p))
    f["times"] = Field("TIME", 8, RIGHT, lambda t, p: str(ticks(p) // HERTZ), lambda t, p: ticks(p))
    f["bsdtime"] = Field("TIME", 6, RIGHT, _bsdtime, lambda t, p: ticks(p))
    f["etime"] = Field("ELAPSED", 11, RIGHT, _etime, lambda t, p: t.elapsed(p))
    f["etimes"] = Field("ELAPSED", 7, RIGHT, lambda t, p: str(t.elapsed(p)), lambda t, p: t.elapsed(p))
    f["stime"] = Field("STIME", 5, RIGHT, _stime, lambda t, p: p.start_time)
    f["start"] = Field("STARTED", 8, RIGHT, _start, lambda t, p: p.start_time)
    f["bsdstart"] = Field("START", 6, RIGHT, _bsdstart, lambda t, p: p.start_time)
    f["lstart"] = Field("STARTED", 24, RIGHT, _lstart, lambda t, p: p.start_time)
    f["c"] = Field("C", 2, RIGHT, lambda t, p: f"{min(share(t, p, 100), 99):2}", lambda t, p: share(t, p, 100))
    f["cp"] = Field("CP", 3, RIGHT, lambda t, p: f"{min(share(t, p, 1000), 999):3}", lambda t, p: share(t, p, 1000))


def _add_scheduling(f):
    f["stat"] = Field("STAT", 4, LEFT, _stat, lambda t, p: p.state)
    f["state"] = Field("S", 1, LEFT, lambda t, p: p.state, lambda t, p: p.state)
    f["flags"] = Field("F", 1, RIGHT, lambda t, p: f"{p.flags >> 6 & 7:o}", lambda t, p: p.flags)
    f["tname"] = Field("TTY", 8, LEFT, _tty, lambda t, p: p.tty_nr)
    f["tty"] = Field("TT", 8, LEFT, _tty, lambda t, p: p.tty_nr)
    f["nice"] = Field("NI", 3, RIGHT, _nice, lambda t, p: p.nice)
    for name, heading, sign, offset in PRIORITIES:
        f[name] = Field(heading, 3, RIGHT, _priority(sign, offset), lambda t, p: p.priority)
    f["class"] = Field("CLS", 3, LEFT, lambda t, p: POLICIES.get(p.sched, "?"), lambda t, p: p.sched)
    f["rtprio"] = Field("RTPRIO", 6, RIGHT, lambda t, p: "-" if p.sched in (0, -1) else str(p.rtprio), lambda t, p: p.rtprio)
    f["wchan"] = Field("WCHAN", 6, WCHAN, _wchan)
    f["lim"] = Field("LIM", 5, RIGHT, lambda t, p: "xx" if p.rss_rlim == RLIM_INFINITY else f"{p.rss_rlim >> 10:5}")
    f["stackp"] = Field("STACKP", 16, RIGHT, _hex("start_stack"))
    f["esp"] = Field("ESP", 16, RIGHT, _hex("kstk_esp"))
    f["eip"] = Field("EIP", 16, RIGHT, _hex("kstk_eip"))
    f["addr"] = Field("ADDR", 4, RIGHT, _nothing)
    f["addr_1"] = Field("ADDR", 1, LEFT, _nothing)
    f["oom"] = Field("OOM", 4, RIGHT, lambda t, p: t.file_number(p, "oom_score"), lambda t, p: int(t.file_number(p, "oom_score")))
    f["oomadj"] = Field("OOMADJ", 5, RIGHT, lambda t, p: t.file_number(p, "oom_score_adj"))
    f["jobc"] = Field("JOBC", 4, RIGHT, _nothing)


def _add_identities(f):
    for which, prefix in enumerate(("r", "e", "s", "f")):
        f[f"{prefix}uid"] = Field(f"{prefix.upper()}UID", 5, RIGHT, _id("Uid", which), lambda t, p, n=which: p.ids("Uid")[n])
        f[f"{prefix}gid"] = Field(f"{prefix.upper()}GID", 5, RIGHT, _id("Gid", which), lambda t, p, n=which: p.ids("Gid")[n])
        f[f"{prefix}user"] = Field(f"{prefix.upper()}USER", 8, USER, _user(which), lambda t, p, n=which: t.source.user(p.ids("Uid")[n]))
        f[f"{prefix}group"] = Field(f"{prefix.upper()}GROUP", 8, USER, _group(which), lambda t, p, n=which: t.source.group(p.ids("Gid")[n]))
    for name, heading, label in (("pending", "PENDING", "ShdPnd"), ("blocked", "BLOCKED", "SigBlk"), ("ignored", "IGNORED", "SigIgn"),
                                 ("caught", "CAUGHT", "SigCgt")):  # fmt: skip
        f[name] = _renamed(_signals(label), heading)


ALIASES = """
pcpu: %cpu
pmem: %mem
rss: rssize rsz=RSZ
vsz: vsize
args: command cmd=CMD
comm: ucmd=CMD ucomm
time: cputime atime
times: cputimes
stime: start_time=START
state: s
flags: f flag
tname: tty8 longtname
tty: tt
nice: ni
opri: intpri
class: policy=POL cls
euser: user=USER uname=USER uid_hack=UID
euid: uid=UID
egid: gid=GID
egroup: group=GROUP
suid: svuid=SVUID
sgid: svgid=SVGID
suser: svuser=SVUSER
sgroup: svgroup=SVGROUP
fuid: fsuid=FSUID
fgid: fsgid=FSGID
fuser: fsuser=FSUSER
fgroup: fsgroup=FSGROUP
pgid: pgrp=PGRP
sess: sid=SID session
pid: tgid=TGID
lwp: spid=SPID tid=TID
min_flt: minflt=MINFLT
maj_flt: majflt=MAJFLT pagein=PAGEIN
nlwp: thcount=THCNT
psr: cpuid=CPUID
stackp: start_stack
blocked: sigmask sig_block
ignored: sigignore sig_ignore
caught: sigcatch sig_catch=CATCHED
pending: sig sig_pend=SIGNAL
wchan: wname
drs: m_drs
trs: m_trs trss=TRSS
c: util
"""
"""Other names of a column, each with a heading of its own or the same."""
OWN_SHAPE = {"cls": (3, RIGHT), "thcount": (5, ""), "cpuid": (5, ""), "m_trs": (5, ""), "atime": (8, "")}


def _add_others(f):
    for line in ALIASES.strip().splitlines():
        name, _, words = line.partition(":")
        for word in words.split():
            alias, _, heading = word.partition("=")
            width, just = OWN_SHAPE.get(alias, (0, ""))
            f[alias] = _renamed(f[name], heading or f[name].heading, width, just)


FIELDS = _make()
STAT_ALONE = frozenset([FIELDS[name].show for name in """
pid lwp ppid pgid sess tpgid min_flt maj_flt nlwp psr sched pcpu m_size tsiz dsiz trs drs fname comm time times bsdtime etime etimes
stime start bsdstart lstart c cp state flags tname tty nice class rtprio lim stackp esp eip addr addr_1 jobc
""".split()] + [FIELDS[name].show for name, *_ in PRIORITIES])
"""What shows the columns for which stat of a process is enough, under each of their names."""
