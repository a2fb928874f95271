"""Handlers: procfs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine
    from vmtool.cli.report import Output


def procfs(machine: Machine, directory: str, json: bool) -> Output:
    from vmtool.outside.export import export
    from vmtool.procfs.tree import Tree
    nr_files = export(Tree(machine), directory)
    if json:
        from vmtool.cli.json_text import text
        return text({"directory": directory, "nr_files": nr_files})
    return None
