"""Declarations: looking. None of these changes anything."""

from vmtool.cli.declare import READS, WRITES, Command, arg, option, procfs_access, switch

PID = arg("pid", "PID", "the process")


PROCFS = option("--procfs", "HOSTPATH", "DIR", "read this directory instead")


def explain_access(values):
    return WRITES if isinstance(values["pid"], str) else READS


def _proc_file(name, what):
    """A command that prints one file of /proc, and is called as it."""
    return Command(name, f"looking:{name}", (), access=READS, help=f"Print /proc/{name}: {what}.", example=f"vmtool {name}")


COMMANDS = (
    Command(
        "cat-maps", "looking:cat_maps",
        (arg("pid", "PID", "the process", optional=True),
         switch("--kernel", "instead: what the kernel's half maps, the same for all, as ptdump prints it"),
         option("--root", ("user", "kernel"), "MODE", "with --kernel: as user mode's tables have it, or the kernel's (init --kpti)")),
        access=READS,
        help="Print /proc/PID/maps: a line for each area of the address space.",
        details="--kernel prints the other half, which every process has and none may touch: runs of page-table entries alike, with their "
                "size, what they allow, and their level, region by region, as /sys/kernel/debug/page_tables/kernel has them.",
        example="vmtool cat-maps 1"),
    Command(
        "smaps", "looking:smaps", (PID, switch("--rollup", "one entry with the sums: /proc/PID/smaps_rollup")),
        access=READS,
        help="Print /proc/PID/smaps: what memory each area uses.",
        example="vmtool smaps 1 --rollup"),
    Command(
        "status", "looking:status", (PID,),
        access=READS,
        help="Print /proc/PID/status.",
        example="vmtool status 1"),
    Command(
        "statm", "looking:statm", (PID,),
        access=READS,
        help="Print /proc/PID/statm: sizes in pages.",
        example="vmtool statm 1"),
    Command(
        "stat", "looking:stat", (PID,),
        access=READS,
        help="Print /proc/PID/stat.",
        example="vmtool stat 1"),
    Command(
        "cat", "looking:cat", (arg("path", "PROCPATH", "such as /proc/meminfo or /proc/1/maps"),),
        access=READS,
        help="Print any file of the simulated /proc.",
        example="vmtool cat /proc/buddyinfo"),
    Command(
        "free", "looking:free",
        (switch("-b --bytes", "in bytes", name="unit", value="b", default="k"),
         switch("-k --kibi", "in KiB (the default)", name="unit", value="k"),
         switch("-m --mebi", "in MiB", name="unit", value="m"),
         switch("-g --gibi", "in GiB", name="unit", value="g"),
         switch("--tebi", "in TiB", name="unit", value="t"),
         switch("--pebi", "in PiB", name="unit", value="p"),
         switch("-h --human", "each figure in the unit that suits it", name="unit", value="h"),
         switch("--si", "powers of 1000 instead of 1024"),
         switch("-w --wide", "buffers and cache in columns of their own"),
         switch("-t --total", "a line for memory and swap together"),
         switch("-l --lohi", "lines for low and high memory"),
         switch("-v --committed", "a line for the commit limit and what is committed"),
         switch("--meter", "as htop's meters draw it: | used, # buffers, * shared, @ cache"),
         option("--procfs", "HOSTPATH", "DIR", "compute from this directory's meminfo instead")),
        access=procfs_access,
        exclusive=("--bytes --kibi --mebi --gibi --tebi --pebi --human --meter",
                   *[f"--meter {flag}" for flag in ("--si", "--wide", "--total", "--lohi", "--committed", "--json")]),
        help="Show how memory is used, byte for byte as procps' free.",
        details="In htop's meters `used` is what is neither free nor cache nor buffers; procps' is all that is not available.",
        example="vmtool free -m\n  vmtool free --meter"),
    Command(
        "pmap", "looking:pmap",
        (PID,
         switch("-x --extended", "with Rss and Dirty of each area", name="detail", value="x", default=""),
         switch("-d --device", "with offset and device", name="detail", value="d"),
         switch("-X --expand", "every column of smaps that matters; twice: every column", count=True),
         switch("-q --quiet", "neither heading nor totals"),
         switch("-p --show-path", "whole paths"),
         option("-A --range", "WORD", "LOW[,HIGH]", "areas of this range alone"),
         PROCFS),
        access=procfs_access, exclusive=("--extended --device --expand",),
        help="Show an address space, byte for byte as procps' pmap.",
        example="vmtool pmap -x 1"),
    _proc_file("meminfo", "memory of the whole machine"),
    Command(
        "vmstat", "procps:vmstat",
        (switch("-a --active", "active and inactive memory instead of buffers and cache"),
         switch("-w --wide", "wide columns"),
         option("-S --unit", ("k", "K", "m", "M"), "UNIT", "1000, 1024, 1000000 or 1048576 bytes"),
         switch("-s --stats", "sums, one a line"),
         switch("-f --forks", "how many processes were made"),
         switch("-m --slabs", "the caches of slabinfo"),
         switch("-d --disk", "a line a disk"),
         switch("-D --disk-sum", "sums of all disks"),
         switch("-n --one-header", "the report with a heading at the top alone"),
         PROCFS),
        access=procfs_access,
        help="Print /proc/vmstat; with any option, what procps' vmstat reports of it and other files.",
        details="Averages since boot: -n alone is procps' plain report.",
        example="vmtool vmstat -s"),
    Command(
        "slabtop", "procps:slabtop",
        (option("-s --sort", tuple("abclvnopsu"), "KEY",
                "active, objects a slab, cache size, slabs, active slabs, name, objects, pages, size, use", default="o"),
         switch("-o --once", "once (there is no other way here)"),
         PROCFS),
        access=procfs_access,
        help="Show the kernel's caches, byte for byte as procps' slabtop -o.",
        example="vmtool slabtop -o -s c"),
    Command(
        "top", "procps:top",
        (switch("-b --batch", "as text (there is no other way here)"),
         option("-n --iterations", "INT", "N", "1", default=1),
         switch("-c --cmdline-toggle", "command lines instead of names", name="commands"),
         option("-w --width", "INT", "COLUMNS", "of the screen", default=80),
         switch("--meter", "htop's meters instead of the lines of memory"),
         PROCFS),
        access=procfs_access, exclusive=("--meter --json",),
        help="Show the machine and its processes, byte for byte as procps' top -b -n1.",
        example="vmtool top -b -n1"),
    Command(
        "uptime", "procps:uptime",
        (switch("-p --pretty", "in words"), switch("-s --since", "since when"), PROCFS),
        access=procfs_access,
        help="Tell how long the machine has been running, as procps' uptime.",
        example="vmtool uptime"),
    _proc_file("buddyinfo", "free blocks of each order"),
    Command(
        "extfrag", "looking:extfrag",
        (arg("file", ("unusable_index", "extfrag_index"), "unusable_index or extfrag_index", metavar="FILE", optional=True),),
        access=READS,
        help="Print a file of /sys/kernel/debug/extfrag: fragmentation of each zone by order.",
        details="unusable_index (the default): the part of free memory that lies in blocks too small for the order. "
                "extfrag_index: -1.000 when there is a block; else near 0 an allocation fails for want of memory, "
                "near 1 because of fragmentation.",
        example="vmtool extfrag extfrag_index"),
    _proc_file("zoneinfo", "zones, their watermarks and per-CPU lists"),
    _proc_file("pagetypeinfo", "free blocks by migrate type"),
    _proc_file("slabinfo", "the kernel's own objects"),
    _proc_file("vmallocinfo", "areas of the kernel's virtual memory"),
    Command(
        "pagewalk", "looking:pagewalk",
        (PID, arg("addr", "ADDR", "hexadecimal, or NAME+OFFSET"),
         option("--format", ("table", "vtop"), "FORMAT", "table, or vtop as crash's command", default="table"),
         switch("--bits", "the address cut into fields, and each entry with every flag in a box of its own"),
         switch("--flat", "a line a level that tells all of it"),
         option("--root", ("user", "kernel"), "MODE", "the table to begin at: user mode's, or the kernel's (two with init --kpti)")),
        access=READS, exclusive=("--bits --flat --format",),
        help="Show each level of a page walk: table, index, entry, flags, then the frame.",
        details="Names of flags are the manual's. Where a program's read would fault, the last line has what the processor tells the "
                "kernel: the error code, FSR or ESR.",
        example="vmtool pagewalk 1 heap\n  vmtool pagewalk 1 stack --bits"),
    Command(
        "pagemap", "looking:pagemap",
        (PID, arg("addr", "ADDR", "first page, the whole space unless given", optional=True),
         arg("length", "SIZE", "bytes, one page unless given", optional=True),
         switch("--raw", "address and 64-bit entry, both hexadecimal")),
        access=READS,
        help="Show /proc/PID/pagemap: what is behind each page.",
        details="Of a space, or at an address: a row for each run of pages alike. With LENGTH: a line for each page: its address,\n"
                "its 64-bit entry, both hexadecimal, and what that says. --raw: the numbers alone.",
        example="vmtool pagemap 1 heap 16K"),
    Command(
        "frames", "looking:frames",
        (arg("pfns", "PFNS", "a page frame number, or FIRST-LAST", metavar="PFN", optional=True, repeat=True),
         switch("--summary", "how many frames of each kind (as without a PFN)"),
         switch("--raw", "number and 64 bits of /proc/kpageflags, both hexadecimal"),
         option("--mapped-by", "INT", "PFN", "every process, area and address that maps this frame"),
         switch("--types", "how many frames have which flags, byte for byte as page-types"),
         switch("-l --list", "list runs of frames with the same flags before that, as page-types -l", name="ranges"),
         switch("-L --list-each", "list each frame before that, as page-types -L", name="pages"),
         switch("-M --list-mapcnt", "with -l, -L: how often each is mapped", name="counts"),
         option("-p --pid", "PID", "PID", "with these: pages of this process instead of all frames", name="pid"),
         switch("-r --all-flags", "with these: also the kernel's own flags", name="all_flags")),
        access=READS, exclusive=("--summary --raw --mapped-by --types -l -L", "PFN --summary --types -l -L", "PFN --mapped-by"),
        help="Show page frames: flags, counts, what they hold; who maps one.",
        details="With --types, -l or -L the output is that of tools/mm/page-types: a letter a flag, in page-types' order.",
        example="vmtool frames 0x1000-0x100f\n  vmtool frames --mapped-by 0x1000\n  vmtool frames -l -M -p 1\n  vmtool frames --types"),
    Command(
        "tlb", "looking:tlb",
        (switch("--stats", "hits, misses, flushes instead of the entries"), option("--cpu", "INT", "N", "this processor's only")),
        access=READS,
        help="Show the TLB's entries.",
        details="Of JSON's keys pcid is the address space's number, PCID on x86, ASID on Arm and RISC-V; nr_cr3_loads counts loads of CR3, "
                "on Arm of TTBR0, on RISC-V of satp.",
        example="vmtool tlb --stats"),
    Command(
        "explain", "telling:explain",
        (arg("pid", "TOLD", "whether the kernel's steps are recorded; or a process", metavar="on|off|PID", optional=True),
         arg("addr", "ADDR", "with PID: why the page there is where it is", optional=True),
         option("--last", "INT", "N", "the steps of the last N commands")),
        access=explain_access, on_session=True,
        help="Tell in words each step the kernel took in the last command, and the function of Linux that takes it.",
        details="`explain on` makes the machine record its steps from then on. With PID and ADDR: what is at the address, and how a read, "
                "a write and a fetch of an instruction would be answered; nothing is changed by it.",
        example="vmtool explain on; vmtool touch 1 heap; vmtool explain\n  vmtool explain 1 heap"),
    Command(
        "trace", "telling:trace",
        (switch("--steps", "every step of the simulated kernel instead, as explain tells it"),),
        access=READS,
        help="The same steps as Linux's trace events, in the text of tracefs.",
        details="page_fault_user, mm_page_alloc, mm_page_free, mm_filemap_*, tlb_flush, mm_vmscan_*, sched_process_*, "
                "signal_generate: what /sys/kernel/tracing/trace would say, with the fields of 6.18. --json has every step.",
        example="vmtool trace"),
)
