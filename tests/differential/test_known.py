"""The known differences are still there: when one is gone, its script and its line in COVERAGE.md go too."""

from pathlib import Path

import pytest

from tests.differential import conditions, simulator
from tests.differential.judge import ask_kernel, compare
from tests.differential.known import KNOWN

pytest.importorskip("vmtool._core")
pytestmark = pytest.mark.xdist_group("readahead")  # sets the disk's for the while


@pytest.mark.skipif(conditions.obstacle() is not None, reason=conditions.obstacle() or "")
@pytest.mark.parametrize("name", KNOWN)
def test_a_known_difference_differs(name):
    try:
        with conditions.workplace() as root:
            lines = KNOWN[name].script.replace("@", root).splitlines()
            found = compare(lines, ask_kernel(root, lines))
    except conditions.Unsuitable as e:
        pytest.skip(str(e))
    assert [d.line for d in found] == [len(lines)], found


@pytest.mark.parametrize("name", KNOWN)
def test_it_is_listed(name):
    text = Path(simulator.PROJECT, "vmtool", "mm", "COVERAGE.md").read_text(encoding="utf-8")
    assert name in text
    assert KNOWN[name].function in text
