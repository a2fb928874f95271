"""/proc/PID/status: a process in words.

Counterpart: Linux v6.18 fs/proc/array.c:proc_pid_status(), fs/proc/task_mmu.c:task_mem().

What the machine does not model shows what a fresh unprivileged process has on a live 6.18 kernel: Umask 0022, no tracer,
Uid and Gid 65534 (nobody) without groups, 64 descriptors, no signals pending, blocked, ignored or caught, no limit on queued
signals (SigQ), empty capability sets but for the full bounding set, no seccomp, one memory node, no context switches. Process group
and session are 0, as the kernel shows those that lie outside the reader's PID namespace. TracerPid, NoNewPrivs, CoreDumping: 0.
A zombie has no address space, descriptors or umask any more: its lines are missing, or zero, as in Linux.
"""

from functools import lru_cache

from vmtool.procfs.pid_statm import text_bytes
from vmtool.procfs.releases import CURRENT, EVER, rows_of, v
from vmtool.records import KERNELS, MmInfo, TaskInfo
from vmtool.uapi import RLIM_INFINITY

STATES = {
    "R": "R (running)",
    "S": "S (sleeping)",
    "D": "D (disk sleep)",
    "T": "T (stopped)",
    "t": "t (tracing stop)",
    "X": "X (dead)",
    "Z": "Z (zombie)",
}
UID = GID = 65534  # nobody, as in the recordings
FD_SIZE = 64  # NR_OPEN_DEFAULT
CAP_FULL_SET = ((1 << 38) - 1, (1 << 41) - 1)  # CAP_LAST_CAP is 40, and was 37 before
CAPS_SINCE = v(5, 9)
NODE_WORDS = 32  # 1024 possible nodes: CONFIG_NODES_SHIFT=10


def cpu_mask(nr_cpus: int) -> str:
    """`%*pb` of the first `nr_cpus` bits: words of 32 bits, the first one as short as it can be."""
    words = []
    while nr_cpus > 32:
        words.append("ffffffff")
        nr_cpus -= 32
    return ",".join([f"{(1 << nr_cpus) - 1:x}"] + words)


def cpu_list(nr_cpus: int) -> str:
    """`0` or `0-3`."""
    return "0" if nr_cpus == 1 else f"0-{nr_cpus - 1}"


_PLACES = ",".join(["00000000"] * (NODE_WORDS - 1) + ["00000001"])
# label, its value or who computes it (a function of _Facts), since, until
_IDENTITY = (
    ("Name", lambda f: f.task.comm.replace("\\", "\\\\").replace("\n", "\\n"), 0, EVER),
    ("", lambda f: "" if f.is_dead else "Umask:\t0022\n", v(4, 7), EVER),  # the whole row
    ("State", lambda f: STATES[f.task.state], 0, EVER),
    ("Tgid", lambda f: f.tgid, 0, EVER),
    ("Ngid", 0, v(3, 13), EVER),
    ("Pid", lambda f: f.task.pid, 0, EVER),
    ("PPid", lambda f: f.task.ppid, 0, EVER),
    ("TracerPid", 0, 0, EVER),
    ("Uid", f"{UID}\t{UID}\t{UID}\t{UID}", 0, EVER),
    ("Gid", f"{GID}\t{GID}\t{GID}\t{GID}", 0, EVER),
    ("FDSize", lambda f: 0 if f.is_dead else FD_SIZE, 0, EVER),
    ("Groups", "", 0, v(4, 9)),
    ("Groups", " ", v(4, 9), EVER),
    ("NStgid", lambda f: f.tgid, v(4, 1), EVER),
    ("NSpid", lambda f: f.task.pid, v(4, 1), EVER),
    ("NSpgid", 0, v(4, 1), EVER),
    ("NSsid", 0, v(4, 1), EVER),
    ("Kthread", 0, v(6, 7), EVER),
)
_MEMORY = (  # kB
    ("VmPeak", lambda f: max(f.mm.hiwater_vm, f.mm.total_vm) << f.to_kb, 0, EVER),
    ("VmSize", lambda f: f.mm.total_vm << f.to_kb, 0, EVER),
    ("VmLck", lambda f: f.mm.locked_vm << f.to_kb, 0, EVER),
    ("VmPin", lambda f: f.mm.pinned_vm << f.to_kb, 0, EVER),
    ("VmHWM", lambda f: max(f.mm.hiwater_rss, f.rss) << f.to_kb, 0, EVER),
    ("VmRSS", lambda f: f.rss << f.to_kb, 0, EVER),
    ("RssAnon", lambda f: f.mm.rss_anon << f.to_kb, v(4, 5), EVER),
    ("RssFile", lambda f: f.mm.rss_file << f.to_kb, v(4, 5), EVER),
    ("RssShmem", lambda f: f.mm.rss_shmem << f.to_kb, v(4, 5), EVER),
    ("VmData", lambda f: f.mm.data_vm << f.to_kb, 0, EVER),
    ("VmStk", lambda f: f.mm.stack_vm << f.to_kb, 0, EVER),
    ("VmExe", lambda f: f.text_kb, 0, EVER),
    ("VmLib", lambda f: (f.mm.exec_vm << f.to_kb) - f.text_kb, 0, EVER),
    ("VmPTE", lambda f: f.mm.pgtables_bytes >> 10, 0, EVER),
    ("VmPMD", 0, v(4, 0), v(4, 14)),  # VmPTE here is all tables below the first
    ("VmSwap", lambda f: f.mm.swapents << f.to_kb, 0, EVER),
    ("HugetlbPages", lambda f: f.mm.hugetlb << f.to_kb, v(4, 4), EVER),
)
_MM_STATE = (
    ("CoreDumping", 0, v(4, 15), EVER),
    ("THP_enabled", lambda f: int(f.mm.thp_enabled), v(5, 0), EVER),
    ("untag_mask", "0xffffffffffffffff", v(6, 4), EVER),
)
_REST = (
    ("Threads", lambda f: f.task.nr_threads, 0, EVER),
    ("SigQ", lambda f: f"{f.task.shared_pending.bit_count()}/{RLIM_INFINITY}", 0, EVER),
    ("SigPnd", f"{0:016x}", 0, EVER),
    ("ShdPnd", lambda f: f"{f.task.shared_pending:016x}", 0, EVER),
    *[(name, f"{0:016x}", 0, EVER) for name in ("SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff")],
    ("CapBnd", lambda f: f"{CAP_FULL_SET[f.release >= CAPS_SINCE]:016x}", 0, EVER),
    ("CapAmb", f"{0:016x}", v(4, 3), EVER),
    ("NoNewPrivs", 0, v(4, 10), EVER),
    ("Seccomp", 0, 0, EVER),
    ("Seccomp_filters", 0, v(5, 10), EVER),
    ("Speculation_Store_Bypass", "vulnerable", v(4, 17), EVER),
    ("Speculation_Store_Bypass", "vulnerable", v(4, 4), v(4, 5)),  # the long-term release took it in
    ("SpeculationIndirectBranch", "always enabled", v(5, 11), EVER),
    ("Cpus_allowed", lambda f: cpu_mask(f.nr_cpus), 0, EVER),
    ("Cpus_allowed_list", lambda f: cpu_list(f.nr_cpus), 0, EVER),
    ("Mems_allowed", _PLACES, 0, EVER),
    ("Mems_allowed_list", 0, 0, EVER),
    ("voluntary_ctxt_switches", 0, 0, EVER),
    ("nonvoluntary_ctxt_switches", 0, 0, EVER),
)


class _Facts:
    """What the rows ask."""

    def __init__(self, task: TaskInfo, mm: MmInfo | None, nr_cpus: int, page_shift: int, release: int) -> None:
        self.task, self.mm, self.nr_cpus, self.release = task, mm, nr_cpus, release
        self.tgid = task.tgid
        self.is_dead = task.state in "ZX"
        self.to_kb = page_shift - 10
        if mm is not None:
            self.rss = mm.rss_anon + mm.rss_file + mm.rss_shmem
            self.text_kb = min(text_bytes(mm, page_shift) >> 10, mm.exec_vm << self.to_kb)


def render(task: TaskInfo, mm: MmInfo | None, nr_cpus: int, page_shift: int, release: int = CURRENT) -> str:
    """The file."""
    facts = _Facts(task, mm, nr_cpus, page_shift, release)
    template, asks = _plan(release, mm is not None)
    return template % tuple([ask(facts) for ask in asks])


@lru_cache(maxsize=2 * len(KERNELS))
def _plan(release, has_mm):
    """The file with `%` where a row is asked for, and who is asked: what is the same for every process is written once."""
    template, asks = "", []
    for rows, form, unit in ((_IDENTITY, "%s", ""), (_MEMORY, "%8d", " kB"), (_MM_STATE, "%s", ""), (_REST, "%s", "")):
        if not has_mm and rows in (_MEMORY, _MM_STATE):
            continue
        for label, value, _, _ in rows_of(rows, release):
            if callable(value):
                asks.append(value)
            shown = form if callable(value) else (form % value).replace("%", "%%")
            template += f"{label}:\t{shown}{unit}\n" if label else shown
    return template, asks
