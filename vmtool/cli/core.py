"""core: an ELF core file of a process, or of physical memory."""

from __future__ import annotations

from vmtool.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine


def core(machine: Machine, pid: int | None, physical: bool, tables_only: bool, output: str) -> None:
    if pid is None and not physical:
        raise UsageError("a PID or --physical is needed")
    if pid is not None and physical:
        raise UsageError("PID and --physical exclude each other")
    if tables_only and not physical:
        raise UsageError("--tables-only goes with --physical")
    if pid is not None:
        from vmtool.outside.core_process import write_process
        write_process(machine, pid, output)
        return
    from vmtool.outside.core_file import write_physical
    write_physical(machine, output, tables_only)
