"""The walk over the tables of a range: which calls it makes, where they begin and end."""

import errno

import pytest
from vmtool.mm._probe_space import Space

PAGE, PMD, PUD = 4096, 2 << 20, 1 << 30
BASE = 0x7F0000000000  # begins a PUD


@pytest.fixture
def space():
    s = Space(thp=2)
    yield s
    assert s.fsck() == ([], 0)


def mapped(space, addr, length, touch=()):
    assert space.mmap(length, flags=0x32, addr=addr) == addr
    for at in touch:
        space.touch(at)
    return addr


def test_one_touched_page_is_one_table_between_holes(space):
    """hole  |  table  |  hole (the rest of the PUD, its PMD entries one by one)"""
    mapped(space, BASE, 3 * PMD, [])
    space.madvise(BASE, 3 * PMD, 15)  # no huge page
    space.touch(BASE + PMD + 5 * PAGE)
    assert space.walk(BASE, BASE + 3 * PMD) == (
        0,
        [("hole", BASE, BASE + PMD, 1), ("table", BASE + PMD, BASE + 2 * PMD, 0), ("hole", BASE + 2 * PMD, BASE + 3 * PMD, 1)],
    )


def test_the_ends_of_the_range_cut_the_first_and_the_last_call(space):
    mapped(space, BASE + PMD - PAGE, 2 * PAGE, [BASE + PMD - PAGE, BASE + PMD])
    assert space.walk(BASE + PMD - PAGE, BASE + PMD + PAGE) == (
        0,
        [("table", BASE + PMD - PAGE, BASE + PMD, 0), ("table", BASE + PMD, BASE + PMD + PAGE, 0)],
    )


def test_a_hole_is_as_large_as_the_entry_that_is_missing(space):
    """Nothing is touched: the top table's entry ends the way, 512 GB at once."""
    mapped(space, BASE, PAGE)
    assert space.walk(BASE, BASE + 2 * (512 << 30)) == (
        0,
        [("hole", BASE, BASE + (512 << 30), 3), ("hole", BASE + (512 << 30), 0x7FFFFFFFF000, 3)],
    )


def test_a_hole_of_a_pud(space):
    mapped(space, BASE, PAGE, [BASE])
    assert space.walk(BASE + PUD, BASE + 2 * PUD) == (0, [("hole", BASE + PUD, BASE + 2 * PUD, 2)])


def test_a_huge_entry_is_a_leaf(space):
    mapped(space, BASE, 2 * PMD, [BASE])
    assert space.walk(BASE, BASE + 2 * PMD) == (0, [("leaf", BASE, BASE + PMD, 1), ("hole", BASE + PMD, BASE + 2 * PMD, 1)])


def test_a_leaf_that_was_split_is_looked_at_again(space):
    mapped(space, BASE, PMD, [BASE])
    assert space.walk(BASE + PAGE, BASE + PMD, split=True) == (
        0,
        [("leaf", BASE + PAGE, BASE + PMD, 1), ("table", BASE + PAGE, BASE + PMD, 0)],
    )


def test_an_error_ends_the_walk(space):
    mapped(space, BASE, 2 * PMD)
    space.madvise(BASE, 2 * PMD, 15)
    space.touch(BASE)
    space.touch(BASE + PMD)
    assert space.walk(BASE, BASE + 2 * PMD, stop=True) == (-errno.EBUSY, [("table", BASE, BASE + PMD, 0)])


@pytest.mark.parametrize(("start", "end"), [(BASE, BASE), (BASE + PAGE, BASE), (0x7FFFFFFFF000, 0x800000000000)])
def test_an_empty_range_makes_no_call(space, start, end):
    assert space.walk(start, end) == (0, [])
