"""The steps of the last command as the kernel's own trace events, in the text that tracefs prints.

Counterpart: Linux v6.18 kernel/trace/trace_output.c:trace_print_context() for what stands before the event, and the `print fmt` lines of
/sys/kernel/tracing/events/*/*/format for what it says; tests hold both against the kernel's. A step that has no such event is not
shown here (`trace --steps` has all).

What the machine does not have: the instruction pointer of a program that is its address space alone is 0, but for a fetch, which is at its
own address; a struct page is shown where vmemmap has it (as with no_hash_pointers). The time is the logical clock, a
hundredth of a second an operation, and in it a microsecond a step.
"""

from __future__ import annotations

from vmtool.records import MachineInfo, TracedFile, TraceRecord
from vmtool.uapi import SIGNALS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Files = Callable[[int], TracedFile | None]

HEADER = """\
# tracer: nop
#
# entries-in-buffer/entries-written: {kept}/{written}   #P:{cpus}
#
#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
"""
PF_USER, PF_INSTR = 4, 16
VMEMMAP, STRUCT_PAGE_BYTES = 0xFFFFEA0000000000, 64
ALL = (1 << 64) - 1
USER_HZ = 100
TASK_SWITCH = (0, "flush on task switch")

MOVABLE, UNMOVABLE = 1, 0
USER_PAGE = "GFP_HIGHUSER_MOVABLE|__GFP_COMP"
ZEROED = "GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP"
CACHED = "GFP_NOFS|__GFP_HIGHMEM|__GFP_MOVABLE|__GFP_NOWARN|__GFP_NORETRY|__GFP_COMP|__GFP_HARDWALL"
PURPOSES = {
    # the step that says what a frame was allocated for: (its argument, gfp_flags, migratetype)
    "anon_map": ("pfn", ZEROED, MOVABLE),
    "cow_copy": ("new_pfn", USER_PAGE, MOVABLE),
    "thp_map": ("pfn", "GFP_TRANSHUGE_LIGHT", MOVABLE),
    "cache_add": ("pfn", CACHED, MOVABLE),
    "pgtable_alloc": ("pfn", "GFP_KERNEL_ACCOUNT|__GFP_ZERO|__GFP_COMP", UNMOVABLE),
}
KERNEL = ("GFP_KERNEL|__GFP_COMP", UNMOVABLE)


class Task:
    """Who made a step."""

    def __init__(self, pid: int, comm: str) -> None:
        self.pid = pid
        self.comm = comm


def _dev(file):
    return f"{file.dev_major}:{file.dev_minor}"


def _struct_page(pfn):
    return f"page={VMEMMAP + pfn * STRUCT_PAGE_BYTES:016x} pfn=0x{pfn:x}"


def _page_fault(args, file, task, later):
    code = args["error_code"]
    name = "page_fault_user" if code & PF_USER else "page_fault_kernel"
    ip = args["addr"] if code & PF_INSTR else 0
    return name, f"address=0x{args['addr']:x} ip=0x{ip:x} error_code=0x{code:x}"


def _frame_alloc(args, file, task, later):
    gfp, migratetype = _purpose(args["pfn"], later)
    return "mm_page_alloc", f"{_struct_page(args['pfn'])} order={args['order']} migratetype={migratetype} gfp_flags={gfp}"


def _purpose(pfn, later):
    for record in later:
        if record.event == "frame_alloc" and record.args["pfn"] == pfn:
            break
        known = PURPOSES.get(record.event)
        if known is not None and record.args[known[0]] == pfn:
            zero_to_copy = record.event == "cow_copy" and record.args.get("is_zero")
            return (ZEROED, MOVABLE) if zero_to_copy else known[1:]
    return KERNEL


def _frame_free(args, file, task, later):
    return "mm_page_free", f"{_struct_page(args['pfn'])} order={args['order']}"


def _cache(name):
    def event(args, file, task, later):
        return name, f"dev {_dev(file)} ino {file.inode:x} pfn=0x{args['pfn']:x} ofs={args['ofs']} order={args.get('order', 0)}"
    return event


def _flush(reason, pages):
    number, text = reason
    return "tlb_flush", f"pages:{-1 if pages == ALL else pages} reason:{text} ({number})"


def _signal(args, file, task, later):
    signo = SIGNALS[args["event"].upper()]
    code = args["code"]
    return "signal_generate", f"sig={signo} errno=0 code={code} comm={task.comm} pid={task.pid} grp=0 res=0"


def _fork(args, file, task, later):
    return "sched_process_fork", f"comm={task.comm} pid={args['parent']} child_comm={task.comm} child_pid={args['child']}"


def _exit(args, file, task, later):
    return "sched_process_exit", f"comm={task.comm} pid={task.pid} prio=120 group_dead=true"


EVENTS: dict[str, tuple[str, Callable[..., tuple[str, str]]]] = {
    # step: (the five letters of context, as the live kernel has them there, what it prints)
    "page_fault": ("d....", _page_fault),
    "frame_alloc": (".....", _frame_alloc),
    "frame_free": (".....", _frame_free),
    "cache_add": (".....", _cache("mm_filemap_add_to_page_cache")),
    "cache_remove": ("d..2.", _cache("mm_filemap_delete_from_page_cache")),
    "cr3_load": ("d..2.", lambda args, file, task, later: _flush(TASK_SWITCH, ALL)),
    "kswapd_wake": (".....", lambda args, file, task, later: ("mm_vmscan_kswapd_wake", f"nid=0 order={args['order']}")),
    "kswapd_sleep": (".....", lambda args, file, task, later: ("mm_vmscan_kswapd_sleep", "nid=0")),
    "direct_reclaim": (".....", lambda args, file, task, later: (
        "mm_vmscan_direct_reclaim_end", f"nr_reclaimed={args['nr_reclaimed']}")),
    "segv": ("d..1.", _signal),
    "bus": ("d..1.", _signal),
    "fork": (".....", _fork),
    "exit": (".....", _exit),
}


def events(
    records: Sequence[TraceRecord], comms: Mapping[int, str], files: Files, page_shift: int
) -> Iterator[tuple[TraceRecord, str, str, str]]:
    """(step, context letters, event's name, what it says) of each step that is one of the kernel's events."""
    for at, record in enumerate(records):
        known = EVENTS.get(record.event)
        if known is None:
            continue
        file = files(record.args["inode"]) if "inode" in record.args else None
        if "inode" in record.args and file is None:
            file = TracedFile("", 0, 0, 0)
        task = Task(record.pid, comms.get(record.pid, "<...>"))
        args = {**record.args, "event": record.event, "ofs": record.args.get("index", 0) << page_shift}
        if record.event == "cache_add":
            args["order"] = _order_of(records, at, record.args["pfn"])
        yield record, known[0], *known[1](args, file, task, records[at + 1 : at + 64])


def _order_of(records, at, pfn):
    """The order with which a frame was allocated that now enters the cache."""
    for record in reversed(records[max(0, at - 64) : at]):
        if record.event == "frame_alloc" and record.args["pfn"] == pfn:
            return record.args["order"]
    return 0


def render(records: Sequence[TraceRecord], comms: Mapping[int, str], files: Files, info: MachineInfo, nr_steps: int) -> str:
    """The text of a trace file."""
    lines = []
    for record, letters, name, text in events(records, comms, files, info.page_shift):
        microseconds = info.clock * (1_000_000 // USER_HZ) + record.seq
        comm = comms.get(record.pid, "<...>") if record.pid else "swapper"
        when = f"{microseconds // 1_000_000:5}.{microseconds % 1_000_000:06}"
        lines.append(f"{comm[:15]:>16}-{record.pid:<7} [000] {letters} {when}: {name}: {text}\n")
    cut = max(0, nr_steps - len(records))
    return HEADER.format(kept=len(lines), written=len(lines) + cut, cpus=info.nr_cpus) + "".join(lines)
