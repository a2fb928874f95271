"""Text of a real /proc, from fixtures/proc, read back into the records that the renderers take."""

from pathlib import Path

from vmtool.procfs.pid_smaps import AREA_FIELDS, ROLLUP_FIELDS
from vmtool.procfs.vmflags import LETTERS
from vmtool.records import MemStats, MmInfo, Smap, TaskInfo, Vma

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "proc"
CAPTURES = sorted(p.parent.name for p in FIXTURES.glob("*/uname"))
PROCESSES = [f"{capture}/{process}" for capture in CAPTURES for process in ("cat", "areas")]
BIT_OF = {letters: bit for bit, letters in LETTERS}
PERMISSION_BITS = {"r": 0x1, "w": 0x2, "x": 0x4, "s": 0x80}

NO_STATS = MemStats(*[0] * len(MemStats._fields))
NO_MM = MmInfo(**{name: 0 for name in MmInfo._fields})._replace(exe="", auxv=b"", thp_enabled=True)


def text(name):
    return (FIXTURES / name).read_text()


def vma(line, flags=None):
    """A line of maps; without `flags` only the permissions are known."""
    words = line.rstrip("\n").split(" ", 5)
    start, end = (int(x, 16) for x in words[0].split("-"))
    if flags is None:
        flags = sum(bit for letter, bit in PERMISSION_BITS.items() if letter in words[1])
    major, minor = (int(x, 16) for x in words[3].split(":"))
    name = words[5].lstrip(" ").replace("\\012", "\n")
    return Vma(start, end, flags, 0, int(words[2], 16), major, minor, int(words[4]), name, "/" in name, 0, 0)


def mem_stats(lines, fields):
    """Values in kB lose what lies below: they come back as whole kB."""
    values = {}
    for label, name, shift, *_ in fields:
        key = label.split(":")[0]
        values[name] = int(lines[key].split()[0]) << shift
    return NO_STATS._replace(**values)


def fields_of(block):
    return dict(line.split(":", 1) for line in block if ":" in line)


def smaps(source):
    entries, block = [], []
    for line in source.splitlines():
        block.append(line)
        if line.startswith("VmFlags:"):
            lines = fields_of(block[1:])
            flags = sum(BIT_OF[letters] for letters in lines["VmFlags"].split())
            page_bytes = [int(lines[key].split()[0]) << 10 for key in ("KernelPageSize", "MMUPageSize")]
            stats = mem_stats(lines, AREA_FIELDS)
            entries.append(Smap(vma(block[0], flags), stats, *page_bytes, bool(int(lines["THPeligible"])), None))
            block = []
    assert not block
    return entries


def rollup(source):
    lines = source.splitlines()
    header = vma(lines[0])
    return header.start, header.end, mem_stats(fields_of(lines[1:]), ROLLUP_FIELDS)


def stat_fields(source):
    """Fields of /proc/PID/stat by their number in proc_pid_stat(5)."""
    pid, rest = source.rstrip("\n").split(" (", 1)
    comm, rest = rest.rsplit(") ", 1)
    return dict(enumerate([pid, comm, *rest.split(" ")], 1))


def task(status, stat):
    """status gives the words, stat what status does not have."""
    s, f = fields_of(status.splitlines()), stat_fields(stat)
    faults = [int(f[n]) for n in (10, 12, 11, 13)]
    state, has_mm = s["State"].split()[0], "VmSize" in s
    return TaskInfo(int(s["Pid"]), int(s["PPid"]), s["Name"].strip(), state, int(f[52]), int(f[39]), False, *faults,
                    int(s["Threads"]), int(f[22]), 0, has_mm, int(s["ShdPnd"], 16), int(s["Tgid"]), 0)  # fmt: skip


def mm(status, stat):
    """None for a process whose status has no memory in it."""
    s, f = fields_of(status.splitlines()), stat_fields(stat)
    if "VmSize" not in s:
        return None
    pages = {name: int(s[name].split()[0]) // 4 for name in s if name.startswith(("Vm", "Rss", "Hugetlb"))}
    addresses = ("start_data", "end_data", "start_brk", "arg_start", "arg_end", "env_start", "env_end")
    return NO_MM._replace(
        **{name: int(f[45 + i]) for i, name in enumerate(addresses)},
        start_code=int(f[26]), end_code=int(f[27]), start_stack=int(f[28]), rss_approx=int(f[24]),
        total_vm=pages["VmSize"], hiwater_vm=pages["VmPeak"], locked_vm=pages["VmLck"], pinned_vm=pages["VmPin"],
        hiwater_rss=pages["VmHWM"], rss_anon=pages["RssAnon"], rss_file=pages["RssFile"], rss_shmem=pages["RssShmem"],
        data_vm=pages["VmData"], stack_vm=pages["VmStk"], exec_vm=pages["VmExe"] + pages["VmLib"],
        pgtables_bytes=pages["VmPTE"] << 12, swapents=pages["VmSwap"], hugetlb=pages["HugetlbPages"],
        thp_enabled=s["THP_enabled"].strip() == "1",
    )  # fmt: skip
