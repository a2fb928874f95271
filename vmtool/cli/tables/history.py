"""Declarations: the log of a machine, and stepping back and forth in it."""

from vmtool.cli.declare import ALONE, READS, WRITES, Command, arg, option, switch


def log_access(values):
    return READS if values["keep"] is None else WRITES


COMMANDS = (
    Command(
        "log", "history:log",
        (switch("--script", "print a script for `run` that makes the machine again"),
         option("--keep", "INT", "N", "keep so many steps for undo from now on: 100 unless set, 0 keeps none")),
        access=log_access, on_session=True, exclusive=("--script --keep", "--json --keep"),
        help="Show every command that changed the machine, with its number.",
        details="What `run` did is one step, its lines are numbered below it. A failed command shows its exit status, an undone one says "
                "so. The log goes back to the machine's start; undo goes as far as what was replaced is kept: the last 100 steps, as long "
                "as they replaced no more than 64 MiB.",
        example="vmtool log\n  vmtool log --script"),
    Command(
        "undo", "history:undo",
        (arg("steps", "INT", "so many steps, 1 unless given", metavar="N", optional=True, default=1),),
        access=ALONE,
        help="Take the last commands back; prints them.",
        details="The machine is then what it was before them, to the byte. `redo` makes them again, until another command changes the "
                "machine.",
        example="vmtool undo"),
    Command(
        "redo", "history:redo",
        (arg("steps", "INT", "so many steps, 1 unless given", metavar="N", optional=True, default=1),),
        access=ALONE,
        help="Make again what `undo` took back; prints it.",
        example="vmtool undo; vmtool redo"),
    Command(
        "diff", "diff:diff",
        (arg("machines", "WORD", "a state file, or @STEP: this machine after that step of its log", metavar="OTHER|@STEP", repeat=True),),
        access=READS, on_session=True,
        help="Say what differs between two machines, or two steps of one.",
        details="From the one named to this machine as it is, or from the first named to the second: processes, areas, pages, frames, "
                "files, counters, object by object. Exit status 0 when they are the same to the byte, 1 when they differ.",
        example="vmtool diff @1\n  vmtool diff @2 @3"),
)
