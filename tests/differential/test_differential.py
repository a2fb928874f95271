"""A few scripts of each category on the live kernel and on vmtool; `make differential N=1000` draws more.

A failure prints the smallest script that hypothesis found and the lines on which the two sides differ.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.differential import conditions, swap_areas
from tests.differential.categories import CATEGORIES
from tests.differential.drawing import draw_script
from tests.differential.judge import judge

pytest.importorskip("vmtool._core")
pytestmark = pytest.mark.xdist_group("readahead")  # sets the disk's for the while
SCRIPTS = 6


@pytest.fixture(scope="module")
def root():
    """The workplace; without the recordings' settings the comparison would blame vmtool for the host."""
    try:
        if reason := conditions.obstacle():
            raise conditions.Unsuitable(reason)
        with conditions.workplace() as directory:
            yield directory
    except conditions.Unsuitable as e:
        if os.environ.get("VMTOOL_REQUIRE_HOST"):
            pytest.fail(str(e))
        pytest.skip(str(e))


def test_swap_is_among_the_categories():
    """Not where there can be no swap area: then it says why."""
    if reason := swap_areas.obstacle():
        pytest.skip(reason)
    assert "swap" in CATEGORIES


@pytest.mark.parametrize("category", CATEGORIES)
def test_vmtool_answers_as_the_kernel(root, category):
    subs = [(category, sub) for sub in CATEGORIES[category]]

    @settings(max_examples=SCRIPTS, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def agree(data):
        _, w = draw_script(data, root, subs)
        verdict = judge(root, w.lines, w.answers)
        assert not verdict.differences or not verdict.is_steady, f"\n{verdict}"

    agree()
