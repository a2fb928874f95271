"""Scripts drawn by hypothesis: every choice of a Writer is one drawn integer, so a failing script shrinks to smaller ones."""

import contextlib
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from tests.differential.categories import write
from tests.differential.kernel import Kernel
from tests.differential.writer import Writer

Sub = tuple[str, str]


class Enough(Exception):
    """Ends the drawing: hypothesis goes on until a script fails."""


def draw_script(data: st.DataObject, root: str, subs: list[Sub]) -> tuple[Sub, Writer]:
    """One script of one of the sub-categories, with its live answers."""
    name = data.draw(st.sampled_from(subs)) if len(subs) > 1 else subs[0]
    with Kernel(root) as kernel:
        w = Writer(kernel, lambda low, high: data.draw(st.integers(low, high)))
        try:
            write(w, *name)
        except Exception as error:
            raise RuntimeError("the drawing of {}/{} ended after\n{}".format(*name, "\n".join(w.lines))) from error
    return name, w


def for_each(root: str, subs: list[Sub], nr: int, number: int, use: Callable[[Sub, Writer], bool]) -> None:
    """Draw `nr` scripts of each sub-category and hand them to `use`, until it says enough; nothing is shrunk here."""
    for name in subs:
        if _for_one(root, name, nr, number, use):
            return


def _for_one(root: str, name: Sub, nr: int, number: int, use: Callable[[Sub, Writer], bool]) -> bool:
    enough = False

    @seed(number)
    @settings(max_examples=nr, phases=[Phase.generate], deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        nonlocal enough
        script = draw_script(data, root, [name])
        enough = enough or use(*script)
        if enough:
            raise Enough

    with contextlib.suppress(Enough, Flaky):
        draw()
    return enough
