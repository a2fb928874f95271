"""Declarations: the outside world."""

from vmtool.cli.declare import ALONE, BOOTS, READS, WRITES, Command, arg, option, rest, switch


def import_access(values):
    return WRITES if values["ram"] is None else BOOTS


COMMANDS = (
    Command(
        "replay", "replay:replay",
        (arg("trace", "HOSTPATH", "the trace: a file, plain or gzip, an archive of `record`, a directory of strace -ff, - for stdin"),
         option("--as", ("strace", "lackey", "faults", "list", "pinatrace", "dinero", "memtrace", "perf-mem", "perf-trace"), "KIND",
                "what it is, where its beginning does not tell", name="kind"),
         option("--pid", "PID", "PID", "the process that makes the accesses of a lackey log, a list or faults"),
         option("--sidecar", "HOSTPATH", "FILE", "facts of files and programs that the log lacks"),
         option("--faults", "HOSTPATH", "FILE", "the page faults of the same run"),
         option("--maps-at-exit", "HOSTPATH", "DIR", "write PID.maps, PID.smaps and PID.status as each process exits"),
         option("--maps-at-exec", "HOSTPATH", "DIR", "write PID.execN.maps after each execve"),
         switch("--strict", "stop at the first answer that is not the log's"),
         switch("--keep", "keep what the lines before a bad one did"),
         switch("--keep-going", "go on after an access that ends in a signal: it is counted")),
        access=WRITES, on_session=True,
        help="Drive the machine by a real program's trace.",
        details="An strace log makes processes of its own, which run and end as the real ones did. Where the machine's answer is not "
                "the kernel's, that is said (line, expected, got), and the log is followed. A list or a lackey log is a series of "
                "accesses of one process; a lackey log, or one of pin's pinatrace, dinero, DynamoRIO's memtrace, without --pid gets a "
                "fresh one with the pages that it names. Events of perf (page faults, perf mem, perf trace -F all) are made by the "
                "process of their number. "
                "No log says which anonymous memory was written, and that decides which areas join. So it is assumed: of .data and the "
                "stack at once, of a library's .bss when the library runs, of mappings and a grown heap by the next memory call; of "
                "nothing, where a program shows its writes. The areas that hang on it are listed at the end as undetermined; "
                "with --faults nothing is assumed. All the rules are in vmtool/strace/README.md.",
        example="vmtool replay --maps-at-exit out strace.log"),
    Command(
        "record", "replay:record",
        (option("-o --output", "HOSTPATH", "FILE", "the archive (default: trace.tar.gz; .zip makes a zip)", default="trace.tar.gz"),
         switch("--faults", "the page faults, too (root: tracefs)"),
         switch("--aslr", "leave the addresses randomized; then the log does not tell the stack's"),
         rest("command", "the program and its arguments", metavar="COMMAND")),
        access=ALONE, json=False,
        help="Run a program under strace and keep what replay needs in one archive.",
        details="The archive keeps the program's arguments, the names of its files and what they are; of environments the sizes alone, of "
                "what is read and written nothing. The exit status is the program's; 127 when it is not found, 126 when it cannot be run. "
                "SIGTERM and SIGHUP end the program, too, and leave no archive.",
        example="vmtool record -o ls.tar.gz -- ls -l"),
    Command(
        "import", "replay:import_",
        (arg("sources", "WORD", "a PID, a saved /proc/PID (a directory, a tar), or a maps or smaps file alone", metavar="PID|PATH",
             repeat=True),
         switch("--tree", "live processes: with all their descendants"),
         option("--ram", "WORD", "SIZE|auto", "first boot a machine with that much memory, or with as much as is needed"),
         switch("--force", "with --ram: replace a machine that is already there")),
        access=import_access, on_session=True,
        help="Take in processes as they are; prints their PIDs, one a line.",
        details="maps alone will do; smaps tells how many pages are there, pagemap (for root, or of one's own processes) which, and, "
                "for root, which frames processes share. Areas are printed back as they were, whatever kernel printed them; Rss, "
                "Private_Dirty and their like are the process's, to the kB. Pages hold zeros, but for the command line. What fails "
                "leaves nothing behind.",
        example="vmtool import 1234"),
    Command(
        "core", "core:core",
        (arg("pid", "PID", "the process, for gdb", optional=True),
         option("-o --output", "HOSTPATH", "FILE", "the core file", default="core"),
         switch("--physical", "all frames that hold something, at their physical addresses"),
         switch("--tables-only", "of those the page tables alone")),
        access=READS, json=False, exclusive=("PID --physical",),
        help="Write an ELF core file: of a process, for gdb, or of physical memory.",
        details="A process's has what Linux's own has: notes with registers (those of execve: a process here runs nothing), the "
                "auxiliary vector and the mapped files, and of each area what coredump_filter 0x33 takes. --physical: an ELF64 file with "
                "the frames and a note VMTOOL that names the architecture and each process's root (CR3; TTBR0, TTBR1; satp's), for a "
                "real MMU to walk.",
        example="vmtool core 1 -o core.1\n  vmtool core --physical --tables-only -o tables"),
    Command(
        "procfs", "mounted:procfs",
        (arg("directory", "HOSTPATH", "a directory that is not there yet, or is empty", metavar="DIR"),),
        access=READS, json=False,
        help="Write the simulated /proc as plain files.",
        details="For programs that take another directory for /proc: psutil.PROCFS_PATH, smem --source, prometheus' NewFS; or any, with "
                "DIR bound over /proc in a mount namespace. pagemap is a sparse file (cp --sparse=always, tar -S).",
        example="vmtool procfs proc"),
    Command(
        "mount", "mounted:mount",
        (option("--self", "INT", "PID", "the process that self leads to, the first living one unless given", name="own"),
         arg("directory", "HOSTPATH", "an empty directory", metavar="DIR")),
        access=ALONE, json=False,
        help="Serve the simulated /proc live, over FUSE.",
        details="Until it is unmounted (fusermount3 -u DIR), or Ctrl-C or SIGTERM ends it. What is read is the machine as it is at that "
                "moment; clear_refs (1 to 5, see clear-refs), comm, oom_score_adj and sys/vm can be written. Needs "
                "libfuse and the Python package mfusepy: pip install vmtool[mount].",
        example="vmtool mount proc"),
    Command(
        "enter", "mounted:enter",
        (option("--pid", "INT", "PID", "the process that the program is, the first living one unless given"),
         switch("--live", "over FUSE, as mount: it follows the machine, can be written, and knows threads by their own numbers"),
         rest("command", "the program and its arguments", metavar="COMMAND")),
        access=ALONE, json=False,
        help="Run a real program that sees the simulated /proc instead of its own.",
        details="As an ordinary user, in user, mount and PID namespaces; the program runs under a PID of the machine. What it sees is the "
                "machine as it was when it started, in plain files: there /proc/TID, which Linux answers and does not list, is missing "
                "(busybox ps -T asks for it). --live has both. The exit status is the program's.",
        example="vmtool enter -- free -m"),
)
