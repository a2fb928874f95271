"""The index of a file against a dictionary, and its height against an xarray's."""

from hypothesis import given, settings
from hypothesis import strategies as st
from vmtool.mm._probe import Probe

DIRTY, WRITEBACK, TOWRITE = range(3)
LAST = (1 << 64) - 1
INDEX = st.one_of(st.integers(0, 300), st.integers(0, 1 << 20), st.integers(0, LAST))


def test_what_was_stored_is_found_and_nothing_else(empty):
    for index in (0, 63, 64, 4095, 4096, 1 << 40, LAST):
        assert empty.xset(index, index % 1000 + 1) == 0
    for index in (0, 63, 64, 4095, 4096, 1 << 40, LAST):
        assert empty.xget(index) == index % 1000 + 1
    for index in (1, 62, 65, 4097, (1 << 40) - 1, LAST - 1):
        assert empty.xget(index) == 0


def test_the_tree_is_as_high_as_its_largest_index_needs(empty):
    for index, nodes in ((0, 1), (63, 1), (64, 3), (4095, 4), (4096, 7)):
        empty.xset(index, 1)
        assert empty.xnodes() == nodes, index


def test_erasing_gives_nodes_back_and_lowers_the_tree(empty):
    empty.xset(0, 1)
    empty.xset(1 << 30, 2)
    empty.xset(1 << 30, 0)
    assert empty.xnodes() == 1
    empty.xset(0, 0)
    assert empty.xnodes() == 0


def test_next_stops_at_the_last_index(empty):
    empty.xset(100, 7)
    assert empty.xnext(0, 99) is None
    assert empty.xnext(0, 100) == (100, 7)
    assert empty.xnext(101, LAST) is None


def test_marks_are_found_and_go_with_their_index(empty):
    for index in (5, 70, 5000):
        empty.xset(index, 1)
    empty.xmark(70, DIRTY)
    empty.xmark(6, DIRTY)  # nothing is stored there
    assert empty.xnext(0, LAST, DIRTY) == (70, 1)
    assert empty.xnext(0, LAST, WRITEBACK) is None
    assert empty.xany_mark(DIRTY) and not empty.xany_mark(TOWRITE)
    empty.xset(70, 0)
    assert not empty.xany_mark(DIRTY)


def test_a_mark_survives_growth_of_the_tree(empty):
    empty.xset(3, 9)
    empty.xmark(3, WRITEBACK)
    empty.xset(1 << 33, 1)
    assert empty.xnext(0, LAST, WRITEBACK) == (3, 9)


def test_free_all_leaves_no_node(empty):
    for index in range(0, 1 << 24, 77777):
        empty.xset(index, 1)
    empty.xfree_all()
    assert empty.xnodes() == 0 and empty.xget(0) == 0 and empty.err == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["set", "erase", "mark", "unmark"]), INDEX, st.integers(0, 2)), max_size=80))
def test_it_behaves_as_a_dictionary(steps):
    tree = Probe()
    values, marks = {}, [set(), set(), set()]
    for what, index, mark in steps:
        if what == "set":
            tree.xset(index, mark + 1)
            values[index] = mark + 1
        elif what == "erase":
            tree.xset(index, 0)
            values.pop(index, None)
            for m in marks:
                m.discard(index)
        else:
            tree.xmark(index, mark, what == "mark")
            if index in values and what == "mark":
                marks[mark].add(index)
            elif what == "unmark":
                marks[mark].discard(index)
    assert list(walk(tree, None)) == sorted(values.items())
    for mark in range(3):
        assert [i for i, _ in walk(tree, mark)] == sorted(marks[mark])
        assert all(tree.xhas_mark(i, mark) == (i in marks[mark]) for i in values)


def walk(tree, mark):
    index = 0
    while found := tree.xnext(index, LAST, mark):
        yield found
        if found[0] == LAST:
            return
        index = found[0] + 1
