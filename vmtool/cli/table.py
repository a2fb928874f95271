"""The table of commands: which family's module declares which.

`FAMILIES` is also the order and the headings of `vmtool --help`; the order within a family is that of its declarations. Looking a command
up imports its own family alone: `NAMES` says which that is. A name that is not there is looked for among the system calls, so that a new
call is declared and that is all. tests/cli/test_table.py holds NAMES against the declarations.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.cli.declare import Command

NOT_IN_SCRIPTS = frozenset(("run", "completion", "what-if", "report", "quiz", "undo", "redo"))
FAMILIES = {
    "machine": "The machine",
    "history": "Its history",
    "process": "Processes",
    "syscalls": "System calls",
    "access": "Memory accesses",
    "heap": "The heap",
    "files": "Files",
    "pressure": "Memory pressure",
    "kernel": "The kernel's own memory",
    "looking": "Looking",
    "pictures": "Pictures",
    "outside": "The outside world",
}
NAMES = {
    "machine": "init run what-if sysctl fsck completion",
    "history": "log undo redo diff",
    "process": "spawn fork clone exec exit kill switch ps setrlimit oom-score-adj clear-refs thp-disable",
    "access": "touch store load translate push",
    "heap": "malloc calloc realloc memalign free-ptr mallopt malloc-trim heap heaptrace",
    "files": "mkfile truncate rename rmfile fallocate fail-io read write fincore drop-caches sync",
    "pressure": "swapon swapoff reclaim compact sleep dmesg cgroup",
    "kernel": "kmalloc kfree vmalloc vfree alloc-pages free-pages memory-accounting",
    "looking": "cat-maps smaps status statm stat cat free pmap meminfo vmstat slabtop top uptime buddyinfo extfrag zoneinfo pagetypeinfo "
               "slabinfo vmallocinfo pagewalk pagemap frames tlb explain trace",
    "pictures": "draw report quiz",
    "outside": "replay record import core procfs mount enter",
}

_FAMILY_OF = {name: family for family, names in NAMES.items() for name in names.split()}
_COMMANDS: dict[str, Command] = {}


def find(name: str) -> Command | None:
    """The declaration of a command, None when there is none of that name."""
    command = _COMMANDS.get(name)
    if command is None:
        for declared in declared_in(_FAMILY_OF.get(name, "syscalls")):
            _COMMANDS[declared.name] = declared
        command = _COMMANDS.get(name)
    return command


def declared_in(family: str) -> tuple[Command, ...]:
    """The declarations of one family, in the order of their module."""
    return __import__(f"vmtool.cli.tables.{family}", fromlist=("COMMANDS",)).COMMANDS


def names() -> list[str]:
    """Every command's name, in the order of the listing."""
    return [declared.name for family in FAMILIES for declared in declared_in(family)]
