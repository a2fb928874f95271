"""Handlers: pictures. The scene is copied while the machine is open, and drawn when it is closed again."""

from __future__ import annotations

from vmtool.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmtool._core import Machine
    from vmtool.cli.report import Output

LEAST_WIDTH, MOST_WIDTH = 60, 1000


def draw(
    machine: Machine,
    pids: Sequence[int],
    svg: str | None,
    dot: bool,
    ascii: bool,
    levels: bool,
    detail: str | None,
    fold: int,
    width: int,
    json: bool,
) -> Output:
    from vmtool.face import read

    if not 0 <= fold <= 1 << 20:
        raise UsageError(f"--fold: {fold} is not from 0 to {1 << 20}")
    if not LEAST_WIDTH <= width <= MOST_WIDTH:
        raise UsageError(f"--width: {width} is not from {LEAST_WIDTH} to {MOST_WIDTH}")
    if json and (svg or dot):
        raise UsageError("--json excludes --svg and --dot")
    scene = read.read(machine, pids, detail=detail, fewest=fold, levels=levels)
    if json:
        return lambda: _json(scene)
    if svg is not None:
        from vmtool.face import svg as picture

        return lambda: _saved(svg, picture.render(scene))
    if dot:
        from vmtool.face import dot as graph

        return lambda: graph.render(scene)
    return lambda: _text(lambda: _terminal().render(scene, width=width, ascii=ascii))


def _terminal():
    from vmtool.face import terminal

    return terminal


def _text(render: Callable) -> Output:
    """Plain, and coloured for a terminal."""
    from vmtool.cli.report import Coloured

    text = render()
    return Coloured(text.plain(), text.coloured())


def _json(scene):
    from vmtool.cli import json_text, objects_scene

    return json_text.text(objects_scene.scene(scene))


def _saved(path: str, text: str) -> str:
    """The text to a host's file; nothing is printed then."""
    if path == "-":
        return text
    from vmtool.outside.save import save

    save(path, text.encode("utf-8", "surrogateescape"))
    return ""
