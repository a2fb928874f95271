"""Declarations: memory pressure: swap, reclaim, the kernel's log, control groups."""

from vmtool.cli.declare import READS, WRITES, Command, arg, option, switch

GROUP = arg("name", "WORD", "the group, as `a/b` below the root", metavar="NAME")


def cgroup_access(values):
    return READS if values["verb"] == "show" else WRITES


COMMANDS = (
    Command(
        "swapon", "pressure:swapon",
        (arg("size", "SIZE", "of the area; its first page is the header"),
         option("--priority", "INT", "N", "0 to 32767: higher ones are filled first (default: below all others)"),
         switch("--rotational", "a disk that turns: read-ahead by slots instead of addresses"),
         switch("--file", "a swap file instead of a partition: large folios have no slots there and are split")),
        access=WRITES, json=False,
        help="Switch a swap area on.",
        details="Anonymous and shared memory can be written to it from then on. /proc/swaps lists the areas.",
        example="vmtool swapon 64M"),
    Command(
        "swapoff", "pressure:swapoff",
        (arg("path", "WORD", "of /proc/swaps; all areas unless given", metavar="PATH", optional=True),),
        access=WRITES, json=False,
        help="Switch swap areas off: what is in them comes back into memory.",
        details="Without room for it: ENOMEM, and the area stays on.",
        example="vmtool swapoff"),
    Command(
        "reclaim", "pressure:reclaim",
        (arg("pages", "SIZE", "how many"), option("--cgroup", "WORD", "NAME", "from this group", name="group")),
        access=WRITES,
        help="Reclaim pages as memory.reclaim does; prints how many it were.",
        details="EAGAIN when it were fewer than asked for; they stay reclaimed.",
        example="vmtool reclaim 4"),
    Command(
        "compact", "pressure:compact", (),
        access=WRITES, json=False,
        help="Move what can be moved to the end of each zone, so that free frames lie together.",
        details="As vm.compact_memory=1 does; compact_* and pgmigrate_* of vmstat count it. extfrag shows what it is good for.",
        example="vmtool compact"),
    Command(
        "sleep", "pressure:sleep", (arg("seconds", "WORD", "how long; a fraction is allowed", metavar="SECONDS"),),
        access=WRITES, json=False,
        help="Let the logical clock pass: the flusher writes what is dirty for vm.dirty_expire_centisecs, khugepaged scans.",
        details="Nothing else makes time pass. khugepaged goes by transparent_hugepage/khugepaged/scan_sleep_millisecs and its other "
                "settings (sysctl).",
        example="vmtool sleep 30"),
    Command(
        "dmesg", "pressure:dmesg", (),
        access=READS,
        help="Print the kernel's log: reports of the OOM killer.",
        example="vmtool dmesg"),
    Command(
        "cgroup", "pressure:cgroup",
        (arg("verb", ("create", "move", "set", "show", "remove"), "create, move, set, show or remove"), GROUP,
         arg("words", "WORD", "move: PID; set: FILE VALUE; show: FILE", metavar="WORD", optional=True, repeat=True),
         option("--max", "SIZE", "SIZE", "create: memory.max"), option("--high", "SIZE", "SIZE", "create: memory.high"),
         option("--low", "SIZE", "SIZE", "create: memory.low"), option("--min", "SIZE", "SIZE", "create: memory.min"),
         option("--swap-max", "SIZE", "SIZE", "create: memory.swap.max")),
        access=cgroup_access,
        help="Make, fill, limit, show and remove memory control groups (v2).",
        details="`show NAME` prints every file, `show NAME FILE` one, as Linux does;\n"
                "`show /` the root group's memory.stat. A limit is a size or max.",
        example="vmtool cgroup create night --max 32M\n  vmtool cgroup move batch 1\n  vmtool cgroup set batch memory.high 24M\n"
                "  vmtool cgroup show batch memory.current\n  vmtool cgroup show / memory.stat"),
)
