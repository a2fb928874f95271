"""Declarations: processes."""

from vmtool.cli.declare import READS, SPAWNS, WRITES, Command, arg, option, procfs_access, rest, switch


def thp_access(values):
    return READS if values["mode"] is None else WRITES


PID = arg("pid", "PID", "the process")
SYSROOT = option("--sysroot", "HOSTPATH", "DIR", "the program's interpreter lies under this directory: programs of other architectures")

COMMANDS = (
    Command(
        "spawn", "process:spawn",
        (arg("name", "WORD", "its name (comm)", optional=True),
         option("--exe", "HOSTPATH", "ELF", "run this program of the host instead of the built-in demo"),
         SYSROOT,
         option("--env", "ENV", "NAME=VALUE", "add to its environment", repeat=True),
         option("--threads", "INT", "N", "threads in all, with a C library on stacks as pthread_create() maps them", default=1),
         rest("args", "arguments of the program", metavar="ARG")),
        access=SPAWNS,
        help="Make a new process; prints its PID.",
        details="With --exe its address space is that of the ELF file and its interpreter, as execve() lays them out. "
                "Boots a default machine when there is none.",
        example="vmtool spawn render\n  vmtool spawn --exe /bin/cat -- scene.dat\n  vmtool spawn --threads 4 server"),
    Command(
        "fork", "process:fork", (PID,),
        access=WRITES,
        help="Copy a process; prints the child's PID.",
        example="vmtool fork 1"),
    Command(
        "clone", "process:clone",
        (PID, switch("--stack", "give it a stack, as pthread_create() does")),
        access=WRITES,
        help="Make a thread of a process; prints its TID, which goes wherever a PID does.",
        details="The call alone maps nothing. With --stack: an area of RLIMIT_STACK bytes and a guard page, the thread's descriptor on it, "
                "and then push TID goes down that stack. exit TID ends the thread, exit PID all of them.",
        example="vmtool clone 1\n  vmtool clone 1 --stack\n  vmtool ps -eLf"),
    Command(
        "exec", "process:exec_",
        (PID, arg("exe", "HOSTPATH", "the program", metavar="ELF"),
         SYSROOT,
         option("--env", "ENV", "NAME=VALUE", "add to its environment", repeat=True),
         rest("args", "arguments of the program", metavar="ARG")),
        access=WRITES, json=False,
        help="Replace a process's program.",
        example="vmtool exec 1 /bin/cat -- scene.dat"),
    Command(
        "exit", "process:exit_",
        (PID, arg("status", "INT", "exit status", optional=True, default=0, dash=True)),
        access=WRITES, json=False,
        help="End a process.",
        example="vmtool exit 1"),
    Command(
        "kill", "process:kill",
        (PID, arg("signal", "SIGNAL", "-KILL, -9, …; TERM unless given", metavar="-SIGNAL", optional=True, default=15, dash=True)),
        access=WRITES, json=False,
        help="Send a signal to a process.",
        example="vmtool kill 1 -KILL"),
    Command(
        "switch", "process:switch",
        (PID, option("--cpu", "INT", "N", "the processor", default=0)),
        access=WRITES, json=False,
        help="Let a CPU run a process: load its top table's address into CR3 (on Arm TTBR0, on RISC-V satp).",
        details="The TLB does what the architecture does: without PCIDs or ASIDs everything but global entries goes.",
        example="vmtool switch 2"),
    Command(
        "ps", "procps:ps",
        (arg("words", "WORD", "ps' own options: aux, -ef, -o FIELDS, -p PIDS, --sort KEY, …", metavar="OPTION", optional=True, repeat=True,
             dash=True, default=()),
         option("--procfs", "HOSTPATH", "DIR", "read this directory instead")),
        access=procfs_access,
        help="List the processes, byte for byte as procps' ps.",
        details="SysV options (-e -f -F -l -j -y -c -P -L -T -o -O -p -C -u -U -g -G -s -N), BSD ones (a u x j l s v H o O p k r h n) and "
                "--sort, --format, --pid, --ppid, --user, --no-headers, --width. Without a selection all processes are listed: there is "
                "no terminal whose they could be.",
        example="vmtool ps -eo pid,ppid,rss,vsz,args --sort -rss"),
    Command(
        "setrlimit", "process:setrlimit",
        (PID, arg("name", "RLIMIT", "stack, as, data, memlock, …"), arg("value", "LIMIT", "the soft limit, or unlimited")),
        access=WRITES, json=False,
        help="Set a process's soft limit.",
        details="As root's prlimit(1): a hard limit below it goes along.",
        example="vmtool setrlimit 1 stack 64K"),
    Command(
        "oom-score-adj", "process:oom_score_adj",
        (PID, arg("value", "INT", "-1000 to 1000", dash=True)),
        access=WRITES, json=False,
        help="Set /proc/PID/oom_score_adj, as root's choom(1) does.",
        details="A write to the file itself, over a mount, is one without CAP_SYS_RESOURCE: EACCES below what was set here last, or 0.",
        example="vmtool oom-score-adj 1 -500"),
    Command(
        "clear-refs", "process:clear_refs",
        (PID, arg("what", "INT", "1 all areas, 2 anonymous ones, 3 files', 4 soft-dirty, 5 the peak of Rss")),
        access=WRITES, json=False,
        help="Write to /proc/PID/clear_refs: forget what was used, or written.",
        details="1 to 3 take Accessed off entries and Referenced off their pages, which smaps counts. 4 makes every page clean, read-only "
                "for its next write, which faults and marks it: `sd` in VmFlags says that an area is new or grown since, bit 55 of pagemap "
                "(soft-dirty) which pages were written or moved. It needs a machine with soft-dirty pages (init --soft-dirty, --kernel "
                "4.4 to 6.12), and has no effect on others. 5 sets VmHWM to what VmRSS is.",
        example="vmtool clear-refs 1 4"),
    Command(
        "thp-disable", "process:thp_disable",
        (PID, arg("mode", ("yes", "no", "except-advised"), "yes, no or except-advised", metavar="MODE", optional=True)),
        access=thp_access,
        help="Show or set whether a process goes without huge pages, as prctl(PR_SET_THP_DISABLE).",
        details="except-advised (PR_THP_DISABLE_EXCEPT_ADVISED): only where madvise() asks for them. Children and programs inherit it; "
                "THP_enabled of status is 0 with yes alone.",
        example="vmtool thp-disable 1 except-advised"),
)
