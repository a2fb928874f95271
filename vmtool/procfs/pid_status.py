"""/proc/PID/status: a process in words.

Counterpart: Linux v6.18 fs/proc/array.c:proc_pid_status(), fs/proc/task_mmu.c:task_mem().

What the machine does not model shows what a fresh unprivileged process has on a live 6.18 kernel: Umask 0022, no tracer,
Uid and Gid 65534 (nobody) without groups, 64 descriptors, no signals pending, blocked, ignored or caught, no limit on queued
signals (SigQ), empty capability sets but for the full bounding set, no seccomp, one memory node, no context switches. Process group
and session are 0, as the kernel shows those that lie outside the reader's PID namespace. TracerPid, NoNewPrivs, CoreDumping: 0.
A zombie has no address space, descriptors or umask any more: its lines are missing, or zero, as in Linux.
"""

from vmtool.procfs.pid_statm import text_bytes
from vmtool.records import MmInfo, TaskInfo

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
RLIM_INFINITY = (1 << 64) - 1
CAP_FULL_SET = (1 << 41) - 1  # CAP_LAST_CAP is 40
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


def render(task: TaskInfo, mm: MmInfo | None, nr_cpus: int = 1, page_shift: int = 12) -> str:
    """The file."""
    memory = _memory(mm, page_shift) if mm is not None else ""
    return _identity(task) + memory + _signals(task) + _privileges() + _placement(nr_cpus)


def _identity(task: TaskInfo) -> str:
    comm = task.comm.replace("\\", "\\\\").replace("\n", "\\n")
    is_dead = task.state in "ZX"
    pid = task.pid
    return (
        f"Name:\t{comm}\n"
        + ("" if is_dead else "Umask:\t0022\n")
        + f"State:\t{STATES[task.state]}\nTgid:\t{pid}\nNgid:\t0\nPid:\t{pid}\nPPid:\t{task.ppid}\nTracerPid:\t0\n"
        + f"Uid:\t{UID}\t{UID}\t{UID}\t{UID}\nGid:\t{GID}\t{GID}\t{GID}\t{GID}\n"
        + f"FDSize:\t{0 if is_dead else FD_SIZE}\nGroups:\t \nNStgid:\t{pid}\nNSpid:\t{pid}\nNSpgid:\t0\nNSsid:\t0\nKthread:\t0\n"
    )


def _memory(mm: MmInfo, page_shift: int) -> str:
    to_kb = page_shift - 10
    rss = mm.rss_anon + mm.rss_file + mm.rss_shmem
    exec_kb = mm.exec_vm << to_kb
    text_kb = min(text_bytes(mm, page_shift) >> 10, exec_kb)
    # the kernel raises the high-water marks only when a count is about to fall
    peaks = max(mm.hiwater_vm, mm.total_vm), max(mm.hiwater_rss, rss)
    rows = (
        ("VmPeak", peaks[0] << to_kb),
        ("VmSize", mm.total_vm << to_kb),
        ("VmLck", mm.locked_vm << to_kb),
        ("VmPin", mm.pinned_vm << to_kb),
        ("VmHWM", peaks[1] << to_kb),
        ("VmRSS", rss << to_kb),
        ("RssAnon", mm.rss_anon << to_kb),
        ("RssFile", mm.rss_file << to_kb),
        ("RssShmem", mm.rss_shmem << to_kb),
        ("VmData", mm.data_vm << to_kb),
        ("VmStk", mm.stack_vm << to_kb),
        ("VmExe", text_kb),
        ("VmLib", exec_kb - text_kb),
        ("VmPTE", mm.pgtables_bytes >> 10),
        ("VmSwap", mm.swapents << to_kb),
        ("HugetlbPages", mm.hugetlb << to_kb),
    )
    lines = "".join([f"{name}:\t{kb:8} kB\n" for name, kb in rows])
    return lines + f"CoreDumping:\t0\nTHP_enabled:\t{int(mm.thp_enabled)}\nuntag_mask:\t0xffffffffffffffff\n"


def _signals(task: TaskInfo) -> str:
    masks = "".join([f"{name}:\t{0:016x}\n" for name in ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")])
    return f"Threads:\t{task.nr_threads}\nSigQ:\t0/{RLIM_INFINITY}\n" + masks


def _privileges() -> str:
    caps = (("CapInh", 0), ("CapPrm", 0), ("CapEff", 0), ("CapBnd", CAP_FULL_SET), ("CapAmb", 0))
    return (
        "".join([f"{name}:\t{mask:016x}\n" for name, mask in caps])
        + "NoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n"
        + "Speculation_Store_Bypass:\tvulnerable\nSpeculationIndirectBranch:\talways enabled\n"
    )


def _placement(nr_cpus: int) -> str:
    nodes = ",".join(["00000000"] * (NODE_WORDS - 1) + ["00000001"])
    return (
        f"Cpus_allowed:\t{cpu_mask(nr_cpus)}\nCpus_allowed_list:\t{cpu_list(nr_cpus)}\n"
        f"Mems_allowed:\t{nodes}\nMems_allowed_list:\t0\n"
        "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n"
    )
