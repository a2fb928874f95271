"""An order of threads' calls that explains their answers."""

from vmtool.strace.geometry import Geometry
from vmtool.strace.order import CLONE, END, FREE, GROW, LAST, MAP, USE, WAIT, Op, Search, Spans, sooner

TOP = 0x100000
GEOMETRY = Geometry(4096, 2 << 20, 8 * 4096, (1 << 47) - 4096)


def order(threads, begun=(1,), stacks=None, spans=(), opened=(), brk=0):
    """The threads in the order of their calls, and whether all have their place."""
    mapped, accessible = [Spans(list(ranges), TOP, GEOMETRY) for ranges in (spans, opened)]
    path, is_whole = Search(threads, set(begun), stacks or {}, mapped, accessible, brk).run()
    return path, is_whole


def gets(key, start, end, **more):
    return Op(key, MAP, gives=(start, end), **more)


def frees(key, start, end):
    return Op(key, FREE, frees=(start, end))


def test_the_higher_of_two_answers_came_first():
    path, is_whole = order({1: [gets(1, 0xE0000, 0xF0000)], 2: [gets(1, 0xF0000, 0x100000)]}, begun=(1, 2))
    assert (path, is_whole) == ([(2, 1), (1, 1)], True)


def test_what_was_given_back_is_given_to_another():
    path, _ = order({1: [gets(1, 0xF0000, 0x100000), frees(2, 0xF0000, 0x100000)], 2: [gets(1, 0xF0000, 0x100000)]}, begun=(1, 2))
    assert path in ([(1, 1), (1, 2), (2, 1)], )


def test_a_thread_begins_after_its_clone_and_a_join_follows_its_end():
    path, _ = order({1: [Op(1, CLONE, thread=2), Op(2, WAIT, thread=2), frees(3, 0xF0000, 0x100000), Op(4, LAST)],
                     2: [gets(1, 0xE0000, 0xF0000), Op(2, END)]}, spans=[(0xF0000, 0x100000)])
    assert path == [(1, 1), (2, 1), (2, 2), (1, 2), (1, 3), (1, 4)]


def test_a_choice_that_leads_nowhere_is_taken_back():
    # 1's mapping fits at once, but then 2's larger one, which 2 partly gives back, never would
    path, is_whole = order({1: [gets(1, 0xF0000, 0x100000)], 2: [gets(1, 0xE0000, 0x100000), frees(2, 0xF0000, 0x100000)]}, begun=(1, 2))
    assert (path, is_whole) == ([(2, 1), (2, 2), (1, 1)], True)


def test_the_stack_of_a_thread_that_lives_is_not_given_back():
    path, _ = order({1: [frees(1, 0xF0000, 0x100000)], 2: [gets(1, 0xE0000, 0xF0000), Op(2, END)]}, begun=(1, 2),
                    stacks={2: (0xF0000, 0x100000)}, spans=[(0xF0000, 0x100000)])
    assert path == [(2, 1), (2, 2), (1, 1)]


def test_the_heap_grows_upwards():
    path, _ = order({1: [Op(1, GROW, brk=(0x3000, 0x3000))], 2: [Op(1, GROW, brk=(0x2000, 0x2000))]}, begun=(1, 2), brk=0x1000)
    assert path == [(2, 1), (1, 1)]


def test_an_arena_grows_without_gaps():
    grow = [Op(1, USE, uses=(0x12000, 0x13000), is_open=True)], [Op(1, USE, uses=(0x11000, 0x12000), is_open=True)]
    path, _ = order({1: grow[0], 2: grow[1]}, begun=(1, 2), spans=[(0x10000, 0x20000)], opened=[(0x10000, 0x11000)])
    assert path == [(2, 1), (1, 1)]


def test_answers_that_no_order_explains_leave_the_way_as_far_as_it_goes():
    path, is_whole = order({1: [gets(1, 0xF0000, 0x100000), gets(2, 0x50000, 0x60000)]})
    assert (path, is_whole) == ([(1, 1)], False)


def test_a_huge_mapping_lies_on_its_boundary():
    top = 0x7FFFF7FFF000
    spans = Spans([], top, GEOMETRY)
    assert spans.place(Op(1, MAP, gives=(0, 128 << 20), huge_offset=0)) % (2 << 20) == 0
    assert spans.place(Op(1, MAP, gives=(0, 128 << 20))) == top - (128 << 20)


def test_the_shortest_series_that_explains_an_answer():
    spans = Spans([(0xF0000, 0x100000)], TOP, GEOMETRY)
    free, lower = frees(1, 0xF0000, 0x100000), gets(2, 0xE0000, 0xF0000)
    assert sooner({7: free, 8: lower}, gets(3, 0xF8000, 0x100000), spans) == [8, 7]  # 8 fits only before 7 acts
    assert sooner({7: free}, gets(3, 0xF0000, 0x100000), spans) == [7]
    assert sooner({7: free}, gets(3, 0xE0000, 0xF0000), spans) == []
    assert sooner({7: free}, gets(3, 0x20000, 0x30000), spans) is None
