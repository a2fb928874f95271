"""Handlers: procfs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine


def procfs(machine: Machine, directory: str) -> None:
    from vmtool.outside.export import export
    from vmtool.procfs.tree import Tree
    export(Tree(machine), directory)
