"""Handler of draw. What a picture shows is copied while the machine is open, and drawn when it is closed again."""

from __future__ import annotations

from vmtool.errors import HostError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from vmtool.cli.report import Output
    from vmtool.store.session import Session

LEAST_WIDTH, MOST_WIDTH = 60, 1000
MOST_FOLD = 1 << 20
OF_ONE = ("space", "heap", "vmas")  # pictures of one process
OF_THE_MACHINE = ("buddy", "tlb", "lru", "cache")


def draw(
    session: Session,
    pids: Sequence[int],
    svg: str | None,
    dot: bool,
    ascii: bool,
    levels: bool,
    detail: str | None,
    fold: int,
    changed: bool,
    width: int,
    what: str,
    cache: str | None,
    json: bool,
) -> Output:
    machine = session.machine
    if not 0 <= fold <= MOST_FOLD:
        raise UsageError(f"--fold: {fold} is not from 0 to {MOST_FOLD}")
    if not LEAST_WIDTH <= width <= MOST_WIDTH:
        raise UsageError(f"--width: {width} is not from {LEAST_WIDTH} to {MOST_WIDTH}")
    what = "cache" if cache is not None else what
    if what:
        return _structure(machine, what, pids, cache, dot, svg, width, ascii, json)
    from vmtool.face import read

    scene = read.read(machine, pids, detail=detail, fewest=fold, levels=levels)
    changes = _changes(session, scene, pids, detail, fold) if changed else None
    if dot:
        from vmtool.face import dot as graph

        return lambda: graph.render(scene, changes)
    return _shown(_Scene(scene, changes), svg, width, ascii, json)


def _changes(session, scene, pids, detail, fold):
    """What the last command made otherwise. HostError when the step before is not kept."""
    from vmtool.face import read
    from vmtool.face.changes import Changes

    history = session.history
    step = session.step_before() if history is not None else -1
    nothing = scene._replace(spaces=(), frames=())
    if history is not None and step == 0 < history.first_step():
        return Changes(nothing, scene)  # the first command booted the machine: all is new
    if history is None or not history.first_step() <= step <= history.last_step():
        raise HostError("the machine as it was before the last command is not kept")
    before = session.machine_at(step)
    there = {task.pid for task in before.tasks()}
    known = [pid for pid in pids if pid in there]
    old = read.read(before, known, detail=detail or scene.detail, fewest=fold) if known or not pids else nothing
    return Changes(old, scene)


def _structure(machine, what, pids, cache, dot, svg, width, ascii, json):
    if dot:
        raise UsageError("--dot is for pages, tables and frames")
    if what in OF_ONE and len(pids) != 1:
        raise UsageError(f"--{what} needs one PID")
    if what in OF_THE_MACHINE and pids:
        raise UsageError(f"--{what} is a picture of the machine: it takes no PID")
    if what in ("space", "vmas"):
        module = __import__(f"vmtool.face.{what}", fromlist=("read",))
        return _shown(_OwnForm(module, module.read(machine, *pids)), svg, width, ascii, json)
    module = __import__(f"vmtool.face.{what}", fromlist=("figure",))
    arguments = (cache,) if what == "cache" else pids
    return _shown(_Figure(module.figure(machine, *arguments)), svg, width, ascii, json)


class _Scene:
    """Pages, tables, frames in the three forms that every picture has."""

    def __init__(self, scene: Any, changes: Any):
        self.scene, self.changes = scene, changes

    def text(self, **how):
        from vmtool.face import terminal

        return terminal.render(self.scene, changes=self.changes, **how)

    def svg(self):
        from vmtool.face import svg

        return svg.render(self.scene, self.changes)

    def object(self):
        from vmtool.cli import objects_scene

        return objects_scene.scene(self.scene, self.changes)


class _Figure:
    """Rows of cells."""

    def __init__(self, figure: Any):
        self.figure = figure

    def text(self, **how):
        from vmtool.face import figure_text

        return figure_text.render(self.figure, **how)

    def svg(self):
        from vmtool.face import figure_svg

        return figure_svg.render(self.figure)

    def object(self):
        from vmtool.face import figure

        return figure.as_object(self.figure)


class _OwnForm:
    """A picture whose module has a form of its own."""

    def __init__(self, module: Any, found: Any):
        self.module, self.found = module, found

    def text(self, **how):
        return self.module.render(self.found, **how)

    def svg(self):
        return self.module.render_svg(self.found)

    def object(self):
        return self.module.as_object(self.found)


def _shown(picture: Any, svg: str | None, width: int, ascii: bool, json: bool) -> Callable[[], Any]:
    """What the command prints, or writes."""
    if json:
        from vmtool.cli import json_text

        return lambda: json_text.text(picture.object())
    if svg is not None:
        return lambda: _saved(svg, picture.svg())

    def show():
        from vmtool.cli.report import Coloured

        text = picture.text(width=width, ascii=ascii)
        return Coloured(text.plain(), text.coloured())

    return show


def _saved(path: str, text: str) -> str:
    """The text to a host's file; nothing is printed then."""
    if path == "-":
        return text
    from vmtool.outside.save import save

    save(path, text.encode("utf-8", "surrogateescape"))
    return ""
