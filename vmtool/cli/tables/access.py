"""Declarations: memory accesses, through the MMU."""

from vmtool.cli.declare import READS, WRITES, Command, arg, option, switch

PID = arg("pid", "PID", "the process")
ADDR = arg("addr", "ADDR", "hexadecimal, or NAME+OFFSET")
PROBE = switch("--probe", "report a signal, but do not die of it")

COMMANDS = (
    Command(
        "touch", "access:touch",
        (PID, ADDR, arg("length", "SIZE", "bytes, 1 unless given", optional=True, default=1),
         switch("-w --write", "write to each page (the default)", name="access", value="w", default="w"),
         switch("-r --read", "read it", name="access", value="r"),
         switch("-x --exec", "fetch an instruction from it", name="access", value="x"),
         PROBE),
        access=WRITES, exclusive=("--write --read --exec",),
        help="Access each page of a range; prints what faults it cost.",
        details="Stops at a signal, with exit status 128+N and the reason on stderr. A write does not change the bytes.",
        example="vmtool touch 1 heap 16K -w"),
    Command(
        "store", "access:store",
        (PID, ADDR, arg("text", "DATA", "the bytes", optional=True, dash=True),
         option("--hex", "HEX", "HEX", "the bytes as pairs of hexadecimal digits"),
         PROBE),
        access=WRITES, json=False, exclusive=("TEXT --hex",),
        help="Store bytes.",
        example="vmtool store 1 heap hello\n  vmtool store 1 heap+16 --hex 00ff"),
    Command(
        "load", "access:load",
        (PID, ADDR, arg("length", "SIZE", "bytes"),
         switch("--hex", "print hexadecimal digits without spaces", name="form", value="hex", default="dump"),
         switch("--raw", "print the bytes themselves", name="form", value="raw"),
         PROBE),
        access=WRITES, exclusive=("--hex --raw",),
        help="Load bytes and print them.",
        example="vmtool load 1 heap 5 --raw"),
    Command(
        "translate", "access:translate",
        (PID, ADDR,
         switch("-r --read", "of a read (the default)", name="access", value="r", default="r"),
         switch("-w --write", "of a write", name="access", value="w"),
         switch("-x --exec", "of an instruction fetch", name="access", value="x"),
         switch("--supervisor", "by the kernel instead of the program, under SMEP and SMAP (x86)"),
         switch("--ac", "with EFLAGS.AC set, as between STAC and CLAC: SMAP does not hold")),
        access=READS, exclusive=("--read --write --exec",),
        help="Print the physical address, or the fault that the access would take.",
        details="A write that the kernel would let through after a fault (copy-on-write, a page that is not there) has no translation yet, "
                "and fails with EFAULT.",
        example="vmtool translate 1 heap+0x10"),
    Command(
        "push", "access:push",
        (PID, arg("bytes", "SIZE", "how far the stack pointer moves", metavar="BYTES")),
        access=WRITES,
        help="Move the stack pointer down and touch: the stack grows.",
        details="Prints the new stack pointer.",
        example="vmtool push 1 64K"),
)
