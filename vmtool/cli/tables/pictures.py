"""Declarations: pictures. None of these changes the machine in the state file."""

from vmtool.cli.declare import READS, Command, arg, option, switch

COMMANDS = (
    Command(
        "draw", "pictures:draw",
        (arg("pids", "PID", "these processes; all, and the page cache, unless given", metavar="PID", optional=True, repeat=True),
         option("--svg", "HOSTPATH", "FILE", "write an SVG picture instead, - for stdout"),
         switch("--dot", "print a graph for graphviz instead"),
         switch("--ascii", "in characters of ASCII"),
         switch("--levels", "with the tables above the PTE's"),
         option("--detail", ("pages", "areas", "processes"), "GRAIN", "pages, areas or processes; the finest that fits unless given"),
         option("--fold", "INT", "N", "runs of N alike pages or more are one row; 0: none", default=4),
         option("--width", "INT", "COLUMNS", "of the text", default=80)),
        access=READS, exclusive=("--svg --dot --ascii",),
        help="Draw address spaces, page tables and frames, with an arrow for each present entry.",
        details="■ present, □ not, ◇ in swap, ✕ guard, ▇ huge; a solid arrow head is a writable entry, a hollow one a read-only one. "
                "Frames: A anonymous, F page cache, S shared memory, T page table, K kernel, Z zero page; * dirty, L locked, ×N mapped "
                "N times. "
                "What is too much to draw is folded, and the picture says so. --dot is for graphviz: `| dot -Tsvg`.",
        example="vmtool draw 1 2\n  vmtool draw --svg memory.svg\n  vmtool draw 1 --dot"),
)
