"""Declarations: the C library's heap."""

from vmtool.cli.declare import READS, SPAWNS, WRITES, Command, arg, option, switch

PID = arg("pid", "PID", "the process")
ADDR = arg("addr", "ADDR", "hexadecimal, or NAME+OFFSET: what malloc gave")
BYTES = arg("size", "SIZE", "bytes")


def trace_access(values):
    """Without a PID the trace gets a process of its own, and a machine when there is none."""
    return SPAWNS if len(values["words"]) == 1 else WRITES


COMMANDS = (
    Command(
        "malloc", "heap:malloc", (PID, BYTES),
        access=WRITES,
        help="Allocate from the C library's heap; prints the address.",
        details="The heap is glibc 2.36's: it grows by brk(), large blocks get a mapping of their own, freed ones are kept for the next. "
                "GLIBC_TUNABLES in the environment of the process (spawn --env) is heeded.",
        example="vmtool malloc 1 100"),
    Command(
        "calloc", "heap:calloc", (PID, arg("n", "SIZE", "how many"), BYTES),
        access=WRITES,
        help="Allocate zeroed memory; prints the address.",
        example="vmtool calloc 1 10 100"),
    Command(
        "realloc", "heap:realloc", (PID, ADDR, BYTES),
        access=WRITES,
        help="Change the size of a block; prints its new address.",
        details="The address 0 allocates; the size 0 frees, and prints NULL.",
        example="vmtool realloc 1 heap+0x2a0 200"),
    Command(
        "memalign", "heap:memalign", (PID, arg("alignment", "SIZE", "a power of two", metavar="ALIGN"), BYTES),
        access=WRITES,
        help="Allocate a block at a multiple of an alignment; prints the address.",
        example="vmtool memalign 1 4K 100"),
    Command(
        "free-ptr", "heap:free_ptr", (PID, ADDR),
        access=WRITES, json=False,
        help="Give a block back to the heap: free().",
        details="A second time, or with its header overwritten, the C library says so and aborts: exit status 134.",
        example="vmtool free-ptr 1 heap+0x2a0"),
    Command(
        "mallopt", "heap:mallopt",
        (PID, arg("name", "WORD", "M_MMAP_THRESHOLD, M_TOP_PAD, … as mallopt(3) has them"),
         arg("value", "DELTA", "a number", dash=True)),
        access=WRITES, json=False,
        help="Set a parameter of the heap.",
        details="Also M_TRIM_THRESHOLD, M_MMAP_MAX, M_MXFAST, M_PERTURB, M_ARENA_TEST, M_ARENA_MAX. EINVAL where the library refuses "
                "the value. A tunable's name (tcache_count, …) sets that, as GLIBC_TUNABLES would have at the program's start.",
        example="vmtool mallopt 1 M_MMAP_THRESHOLD 64K"),
    Command(
        "malloc-trim", "heap:malloc_trim", (PID, arg("pad", "SIZE", "bytes of the top to keep", optional=True, default=0)),
        access=WRITES,
        help="Give free memory back to the kernel; prints 1 if there was any.",
        example="vmtool malloc-trim 1"),
    Command(
        "heap", "heap:heap",
        (PID,
         switch("--map", "draw it in characters", name="view", value="map", default="all"),
         switch("--summary", "the figures and the bins alone", name="view", value="summary")),
        access=READS, exclusive=("--map --summary",),
        help="Show the heap of a process: chunks, bins, fragmentation.",
        details="Bytes are those of chunks, with their headers. Looking touches no page.",
        example="vmtool heap 1 --map"),
    Command(
        "heaptrace", "heaptrace:heaptrace",
        (arg("words", "WORD", "the trace: a file, plain or gzip, - for stdin; before it a process (else a fresh one)",
             metavar="[PID] FILE", repeat=True),
         option("--as", ("trace", "ltrace", "mtrace", "heaptrack"), "KIND", "what it is, where its beginning does not tell", name="kind"),
         switch("--log", "print a line for each operation: INDEX ADDR USABLE BREAK"),
         option("--syscalls", "HOSTPATH", "FILE", "write the system calls that they made"),
         switch("--final", "print mallinfo2() and the chunks at the end"),
         option("--what-if", "WORD", "NAME=VALUE,…", "compare with a run under these parameters or tunables", repeat=True),
         option("--samples", "SIZE", "N", "a table of the heap over the trace, N to 2N rows", default=0),
         option("--plot", "HOSTPATH", "FILE", "the same as a picture, SVG (needs matplotlib)"),
         option("--heap-start", "PLAINADDR", "A", "where a fresh process's heap begins", default=0x555560000000),
         option("--mmap-top", "PLAINADDR", "A", "the upper end of its mappings", default=0x7FFFF7000000)),
        access=trace_access, on_session=True,
        help="Let a process make the calls of a heap's trace, one a line.",
        details="Lines: m ID SIZE, c ID N SIZE, f ID, r ID SIZE, a ID ALIGN SIZE (malloc, calloc, free, realloc, memalign), "
                "opt NAME VALUE, trim PAD, sbrk N, and before the first of them tun NAME VALUE, a tunable. # begins a comment. Logs of "
                "ltrace, of LD_PRELOAD loggers and of valgrind --trace-malloc=yes (KIND ltrace), of mtrace and heaptrack are read too.",
        example="vmtool heaptrace trace.txt --log --final --syscalls calls.txt"),
)
