"""Declarations: the machine as a whole."""

from vmtool.cli.declare import ALONE, BOOTS, READS, WRITES, Command, arg, option, switch
from vmtool.records import KERNELS

ARCHS = ("x86-64", "x86-64-la57", "i386", "i386-pae", "arm", "arm64", "arm64-16k", "arm64-64k", "riscv64", "riscv64-sv39", "riscv64-sv57")


def sysctl_access(values):
    return WRITES if any("=" in word for word in values["settings"]) else READS


COMMANDS = (
    Command(
        "init", "machine:init",
        (option("--ram", "SIZE", "SIZE", "memory of the machine", default=1 << 30),
         option("--arch", ARCHS, "ARCH", "architecture and paging format", default="x86-64"),
         option("--cpus", "INT", "N", "processors", default=1),
         option("--swap", "SIZE", "SIZE", "a swap file of that size", default=0),
         option("--read-ahead", "SIZE", "SIZE", "what the disk reads ahead, as queue/read_ahead_kb", default=128 << 10),
         option("--tlb", "TLB", "SPEC", "skylake, icelake, zen2, zen4, cortex-a72, neoverse-n1, none, or NAME=ENTRIESxWAYS,… with the "
                "names l1d l1d2m l1d1g l1i l1i2m l2 l2i l21g, pde pdpte pml4e pml5e, :4K+64K for the sizes held; "
                "arm64: asid=8, tlbirange", default=""),
         switch("--pcid", "tag TLB entries with the process's PCID (x86; Arm always has ASIDs)"),
         switch("--kpti", "page-table isolation: user mode has a top table of its own, without the kernel (x86-64)"),
         switch("--pku", "the processor has protection keys (x86-64)"),
         switch("--soft-dirty", "the kernel knows which pages were written since 4 went to /proc/PID/clear_refs (x86-64)"),
         option("--aslr", "SIZE", "SEED", "draw addresses from a generator with this seed"),
         option("--kernel", KERNELS, "RELEASE", "the release whose formats /proc has", default="6.18"),
         option("--sysroot", "HOSTPATH", "DIR", "where spawn and exec find interpreters, for programs of another architecture"),
         switch("--force", "replace a machine that is already there")),
        access=BOOTS, json=False,
        help="Boot a new machine into the state file.",
        details="Without options it is the machine that `spawn` boots: x86-64 with four levels, Linux 6.18, one CPU, 1G, "
                "no swap, no ASLR. --kernel chooses fields, order and widths of the files of /proc, the areas that exec "
                "maps for the kernel, and [vsyscall]'s permissions; all else is 6.18's. Soft-dirty pages "
                "(CONFIG_MEM_SOFT_DIRTY) are there with --kernel 4.4 to 6.12 on x86-64, as in distributions' kernels; with 6.18, "
                "whose recorded kernel was built without them, --soft-dirty asks for them. --read-ahead: Linux takes 128K, or twice the "
                "optimal request that a disk names; of a disk that turns and names none, twice its largest request, which is 8M.",
        example="vmtool init --ram 256M --cpus 2"),
    Command(
        "run", "script:run",
        (arg("file", "HOSTPATH", "the script, - for stdin"),
         switch("--commit-each", "commit line by line instead of once at the end"),
         switch("--echo", "print each line as `+ …` before its output"),
         switch("--keep-going", "run every line, also after one that failed"),
         switch("--jsonl", "print an object a line instead of plain output")),
        access=ALONE, json=False, exclusive=("--echo --jsonl",),
        help="Run a script of commands, one a line, in one process and one transaction.",
        details="A line is a command without the leading `vmtool`. `NAME = COMMAND` keeps its output, $NAME and ${NAME} expand it, "
                "# starts a comment, a leading - lets the line fail. The first other failure ends the script with that line's "
                "exit status; what ran before it is committed.",
        example="vmtool run story.vmt"),
    Command(
        "what-if", "what_if:what_if",
        (arg("command", "COMMAND", "the command and its words, `run FILE` for a script", tail=True),),
        access=READS, on_session=True,
        help="Say what a command would cost; nothing is committed.",
        details="The command runs on a copy of the machine. Shown are free memory, page tables and the RSS of each process whose RSS "
                "changes, before and after, and at its peak; then faults, and pages copied on write. The exit status is the command's.",
        example="vmtool what-if fork 1\n  vmtool what-if touch 1 heap 64K\n  vmtool what-if --json brk 1 --by 16K"),
    Command(
        "sysctl", "machine:sysctl",
        (arg("settings", "SYSCTL", "what to show, or to set", metavar="NAME[=VALUE]", optional=True, repeat=True),
         switch("-n --values", "print values alone"),
         switch("-a --all", "show every setting"),
         switch("-w --write", "accepted for procps' sake")),
        access=sysctl_access,
        help="Show or set kernel parameters, as procps' sysctl.",
        details="A path below /sys/kernel/mm is a name too: transparent_hugepage/enabled=always. So is queue/read_ahead_kb, of the disk "
                "that the files are on.",
        example="vmtool sysctl vm.swappiness=10"),
    Command(
        "fsck", "machine:fsck", (),
        access=READS, on_session=True,
        help="Check every invariant of the machine, and its state file.",
        details="Prints one line for each that does not hold, and then exits 1.",
        example="vmtool fsck"),
    Command(
        "completion", "machine:completion",
        (arg("shell", ("bash", "zsh", "fish"), "bash, zsh or fish"),),
        access=ALONE, json=False,
        help="Print the shell's completion script.",
        example='eval "$(vmtool completion bash)"'),
)
