"""The maple tree's shape: how many nodes a kernel of 6.18 has for so many areas, and its ranges against a plain list."""

import random

import pytest

MAX = (1 << 64) - 1
PAGE = 4096
TINY = ((0x400000, 1), (0x401000, 1), (0x402000, 1), (0x7FFFF7FF9000, 4), (0x7FFFFFFDE000, 33))
"""A small static program: two of its image, vvar and vdso, the stack (what the recordings began with)."""


def store(machine, address, pages, entry):
    machine.maple_store(address, address + pages * PAGE - 1, entry)


def nodes(machine):
    return machine.maple_ranges()[1]


@pytest.fixture
def tiny(machine):
    for n, (address, pages) in enumerate(TINY):
        store(machine, address, pages, n + 1)
    yield machine
    machine.maple_free()


@pytest.mark.parametrize(("nr", "more"), [(1, 0), (10, 2), (100, 16), (1000, 142)])
def test_areas_with_gaps_cost_the_nodes_that_were_measured(tiny, nr, more):
    """Linux 6.18.15: 10, 100 and 1000 mappings of a page with a gap between each two."""
    before = nodes(tiny)
    for i in range(nr):
        store(tiny, 0x100000000000 + i * 2 * PAGE, 1, 100 + i)
    assert nodes(tiny) == before + more


@pytest.mark.parametrize(("nr", "more"), [(10, 2), (100, 16), (1000, 151)])
def test_every_second_page_of_an_area_changed_costs_what_was_measured(tiny, nr, more):
    """Linux 6.18.15: mprotect of every second page of one area, front to back: each splits the rest off behind."""
    before = nodes(tiny)
    store(tiny, 0x100000000000, 2000, 50)
    for i in range(nr):
        start = 0x100000000000 + (2 * i + 1) * PAGE
        store(tiny, start, 2000 - (2 * i + 1), 1000 + 2 * i)  # split at the page's start
        store(tiny, start + PAGE, 2000 - (2 * i + 2), 1001 + 2 * i)  # and at its end
    assert nodes(tiny) == before + more


def test_one_store_over_all_of_them_leaves_the_tree_as_it_was(tiny):
    before = tiny.maple_ranges()
    for i in range(1000):
        store(tiny, 0x100000000000 + i * 2 * PAGE, 1, 100 + i)
    store(tiny, 0x100000000000, 2000, 0)
    assert tiny.maple_ranges() == before


def test_ranges_are_those_of_a_plain_list(machine):
    """What is stored last wins; ranges of nothing beside each other are one."""
    draw = random.Random(7)
    pages = {}
    for step in range(3000):
        first, length, entry = draw.randrange(600), draw.choice((1, 1, 2, 3, 30, 200)), draw.choice((0, step + 1))
        store(machine, first * PAGE, length, entry)
        pages.update({page: entry for page in range(first, first + length)})
        if step % 50 == 0:
            found, _ = machine.maple_ranges()
            at, seen = 0, {}
            for last, what in found:
                if what:
                    seen.update({page: what for page in range(at // PAGE, (last + 1) // PAGE)})
                at = last + 1
            assert seen == {page: what for page, what in pages.items() if what}
            assert not any(not a[1] and not b[1] for a, b in zip(found, found[1:], strict=False))
    machine.maple_store(0, MAX, 0)
    assert nodes(machine) == 0
