"""The table of commands: the one place that knows every name, and in which family's module it is declared.

`FAMILIES` is also the order and the headings of `vmtool --help`. Looking a command up imports its
own family alone; tests/cli/test_table.py holds the names against the declarations.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool.cli.declare import Command

NOT_IN_SCRIPTS = frozenset(("run", "completion", "what-if", "report", "quiz", "undo", "redo"))
FAMILIES = {
    "machine": ("The machine", "init run what-if sysctl fsck completion"),
    "history": ("Its history", "log undo redo diff"),
    "process": ("Processes", "spawn fork clone exec exit kill switch ps setrlimit oom-score-adj clear-refs thp-disable"),
    "syscalls": ("System calls", "brk mmap munmap mprotect mremap madvise mlock munlock mlockall munlockall msync mincore mseal "
                 "pkey-alloc pkey-free pkey-mprotect pkru"),
    "access": ("Memory accesses", "touch store load translate push"),
    "heap": ("The heap", "malloc calloc realloc memalign free-ptr mallopt malloc-trim heap heaptrace"),
    "files": ("Files", "mkfile truncate rename rmfile fallocate fail-io read write fincore drop-caches sync"),
    "pressure": ("Memory pressure", "swapon swapoff reclaim compact sleep dmesg cgroup"),
    "kernel": ("The kernel's own memory", "kmalloc kfree vmalloc vfree alloc-pages free-pages memory-accounting"),
    "looking": ("Looking",
                "cat-maps smaps status statm stat cat free pmap meminfo vmstat slabtop top uptime buddyinfo extfrag zoneinfo pagetypeinfo "
                "slabinfo vmallocinfo pagewalk pagemap frames tlb explain trace"),
    "pictures": ("Pictures", "draw report quiz"),
    "outside": ("The outside world", "replay record import core procfs mount enter"),
}

_FAMILY_OF = {name: family for family, (_, names) in FAMILIES.items() for name in names.split()}
_COMMANDS: dict[str, Command] = {}


def find(name: str) -> Command | None:
    """The declaration of a command, None when there is none of that name."""
    command = _COMMANDS.get(name)
    if command is None and name in _FAMILY_OF:
        for declared in declared_in(_FAMILY_OF[name]):
            _COMMANDS[declared.name] = declared
        command = _COMMANDS[name]
    return command


def declared_in(family: str) -> tuple[Command, ...]:
    """The declarations of one family, in the order of their module."""
    return __import__(f"vmtool.cli.tables.{family}", fromlist=("COMMANDS",)).COMMANDS


def names() -> list[str]:
    """Every command's name, in the order of the listing."""
    return list(_FAMILY_OF)
