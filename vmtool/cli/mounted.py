"""Handlers: procfs, mount, enter."""

from __future__ import annotations

from vmtool.cli.declare import READS, WRITES
from vmtool.cli.report import Result
from vmtool.errors import HostError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmtool._core import Machine
    from vmtool.cli.execute import Settings


def procfs(machine: Machine, directory: str) -> None:
    from vmtool.outside.export import export
    from vmtool.procfs.tree import Tree
    export(Tree(machine), directory)


def mount(settings: Settings, directory: str, own: int | None) -> None:
    import os

    from vmtool.outside.fuse import mount as serve
    settings.state = os.path.abspath(settings.state)  # libfuse goes to / before it serves
    serve(directory, lambda write: settings.session(WRITES if write else READS), own or 0)


def enter(settings: Settings, command: Sequence[str], pid: int | None, live: bool) -> Result:
    """The copy is made with the state file open, the program runs when it is closed again."""
    import os
    import tempfile

    from vmtool.outside.enter import enter as run
    from vmtool.outside.enter import memory_directory, served, tidied
    from vmtool.outside.export import export
    from vmtool.procfs.tree import Tree
    if not command:
        raise UsageError("missing COMMAND")
    with tidied(), tempfile.TemporaryDirectory(prefix="vmtool-enter.", dir=memory_directory()) as place:
        with settings.session(READS) as session:
            tree = Tree(session.machine, pid or 0)
            own = tree.self_process()
            if own == 0:
                raise HostError("the machine has no process whose PID the program could have (vmtool spawn)")
            session.machine.task(own)  # ESRCH
            if not live:
                export(tree, f"{place}/proc")
            session.machine.check()
        if not live:
            return Result("", run(f"{place}/proc", own, list(command)))
        os.mkdir(f"{place}/proc")
        with served(os.path.abspath(settings.state), f"{place}/proc", own):
            return Result("", run(f"{place}/proc", own, list(command)))
