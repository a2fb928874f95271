"""Pictures for notebooks: what a cell shows when its last line is a machine, or one of these.

from vmtool import notebook
m = notebook.machine()
notebook.run(m, "spawn render")
m                                # its picture
"""

from __future__ import annotations

from vmtool.face import figure_svg, figure_text, read, svg, terminal
from vmtool.face.changes import Changes
from vmtool.face.xml import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from vmtool._core import Machine
    from vmtool.face.scene import Scene


class Picture:
    """Something drawn: SVG where a notebook can show it, text where it cannot."""

    def __init__(self, svg: str, text: str):
        self._svg, self._text = svg, text

    def _repr_svg_(self) -> str:
        return self._svg

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x:auto">{self._svg}</div>'

    def __repr__(self) -> str:
        return self._text


class Words:
    """Text of the kernel or of a tool, in the width of its columns."""

    def __init__(self, text: str):
        self.text = text

    def _repr_html_(self) -> str:
        return f"<pre>{escape_lines(self.text)}</pre>"

    def __repr__(self) -> str:
        return self.text


def escape_lines(text: str) -> str:
    return "\n".join([escape(line) for line in text.split("\n")])


def look(machine: Machine, *pids: int, **how: Any) -> Scene:
    """The machine as it is, to be compared with later; `how`: see read.read()."""
    return read.read(machine, pids, **how)


def draw(machine: Machine, *pids: int, since: Scene | None = None, **how: Any) -> Picture:
    """Pages, tables and frames, of some processes or all; what is otherwise than at the look `since` is marked."""
    scene = read.read(machine, pids, **how)
    changes = Changes(since, scene) if since is not None else None
    return Picture(svg.render(scene, changes), terminal.render(scene, changes=changes).plain())


def space(machine: Machine, pid: int) -> Picture:
    """A whole address space to scale."""
    from vmtool.face import space as view

    found = view.read(machine, pid)
    return Picture(view.render_svg(found), view.render(found, width=terminal.WIDTH).plain())


def areas(machine: Machine, pid: int) -> Picture:
    """The tree of areas."""
    from vmtool.face import vmas as view

    found = view.read(machine, pid)
    return Picture(view.render_svg(found), view.render(found, width=terminal.WIDTH).plain())


def _figure(name: str) -> Callable[..., Picture]:
    def make(machine: Machine, *of: object) -> Picture:
        module = __import__(f"vmtool.face.{name}", fromlist=("figure",))
        found = module.figure(machine, *of)
        return Picture(figure_svg.render(found), figure_text.render(found, width=terminal.WIDTH).plain())

    make.__doc__ = f"See vmtool/face/{name}.py."
    return make


buddy, tlb, lru, heap, cache = map(_figure, ("buddy", "tlb", "lru", "heap", "cache"))


def maps(machine: Machine, pid: int) -> Words:
    """/proc/PID/maps."""
    from vmtool.procfs.tree import Tree

    return Words(Tree(machine).read(f"{pid}/maps").decode("utf-8", "surrogateescape"))


def pagewalk(machine: Machine, pid: int, addr: int) -> Words:
    from vmtool.views import walk

    return Words(walk.render(machine.walk(pid, addr)))


def explain(machine: Machine) -> Words:
    """What the kernel did last; `machine.set_trace(True)` makes it remember."""
    from vmtool.views import explain as view

    return Words(view.render(machine.trace(), machine.nr_traced(), arch=machine.info().arch))


def of_machine(machine: Machine) -> Picture:
    """What a machine itself is shown as."""
    return draw(machine)
