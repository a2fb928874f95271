"""Declarations: pictures. None of these changes the machine in the state file."""

from vmtool.cli.declare import ALONE, READS, Command, arg, option, switch

OTHERS = "--space --vmas --heap --buddy --tlb --lru --cache"
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
         switch("--changed", "mark what the last command changed: + new, * other, - gone"),
         switch("--space", "a whole address space to scale, the kernel's half on top", name="what", value="space", default=""),
         switch("--vmas", "the tree of its areas", name="what", value="vmas"),
         switch("--heap", "the C library's heap", name="what", value="heap"),
         switch("--buddy", "free blocks by zone and order", name="what", value="buddy"),
         switch("--tlb", "the TLBs' sets and ways", name="what", value="tlb"),
         switch("--lru", "the lists that reclaim takes from", name="what", value="lru"),
         option("--cache", "PATH", "PATH", "a file's blocks beside the page cache"),
         option("--width", "INT", "COLUMNS", "of the text", default=80)),
        access=READS, on_session=True,
        exclusive=("--svg --dot --ascii --json", *[f"{OTHERS} {flag}" for flag in ("--levels", "--detail", "--changed")]),
        help="Draw address spaces, page tables and frames, with an arrow for each present entry.",
        details="■ present, □ not, ◇ in swap, ✕ guard, ▇ huge; a solid arrow head is a writable entry, a hollow one a read-only one. "
                "Frames: A anonymous, F page cache, S shared memory, T page table, K kernel, Z zero page; * dirty, L locked, ×N mapped "
                "N times. "
                "What is too much to draw is folded, and the picture says so. --dot is for graphviz: `| dot -Tsvg`.",
        example="vmtool draw 1 2\n  vmtool draw --svg memory.svg\n  vmtool draw 1 --dot\n  vmtool draw 1 --space\n  vmtool draw --buddy"),
    Command(
        "report", "pages:make",
        (arg("script", "HOSTPATH", "a script as `run` takes it, - for stdin"),
         option("-o --output", "HOSTPATH", "FILE", "the page, - for stdout (as without it)", name="output", default="-"),
         option("--title", "WORD", "TEXT", "the page's title; the script's first comment unless given")),
        access=ALONE, json=False,
        help="Run a script and make a page of it to step through: pictures, explanations, maps, counters.",
        details="The page is one file that needs nothing else. The script runs on a copy of the machine, or on a new one where there is "
                "none; nothing is committed. Comments are the prose above the line that follows them. The exit status is the script's.",
        example="vmtool report story.vmt -o story.html"),
    Command(
        "quiz", "quiz:quiz",
        (option("--seed", "SIZE", "N", "the questions are drawn from it", default=1),
         option("--questions", "INT", "N", "how many", default=9),
         switch("--solve", "print the answers, too"),
         option("--check", "HOSTPATH", "FILE", "mark the answers of a file, a line each: NUMBER: ANSWER")),
        access=ALONE, exclusive=("--solve --check",),
        help="Ask questions about a machine that is drawn from a seed; the machine itself has the answers.",
        details="The same seed gives the same questions. With --check the exit status is 0 when all answers are right, else 1.",
        example="vmtool quiz --seed 7\n  vmtool quiz --seed 7 --solve"),
)
