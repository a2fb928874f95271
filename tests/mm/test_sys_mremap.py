"""mremap: what is moved, left, grown and shrunk takes its pages along, in one space and beside another that has them too, as in Linux."""

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_pages import Case, Simulated, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402

SPACES = ("aa    ", "af    ", "mm    ", "sa    ", "ff    ", "a m   ")
BEFORE = ("", "A w 0-2", "A r 0-4, A w 1-3", "A lock 0-2, A w 2")
FAMILY = (("A", ""), ("B", "A fork B"), ("A", "A fork B"))
CALLS = ("move 0-2 8", "move 1-2 6", "move 0-4 6", "leave 0-2 8", "leave 1-3 8", "move 0-2 2", "resize 2-4 4", "resize 0-2 1",
         "move 0-2 6 4", "move 0-2 6 1", "move 0-0 8 2")  # fmt: skip
IN_SWAP = ("A W 0-2, A advise pageout 0-2", "A W 0-2, A advise pageout 0-2, A r 0")

RULES = [
    # move_ptes(): the pages move, no fault follows
    ("a     ", "A w 0-2, A move 0-2 4, A w 4-6", "2+0 ok 0+0 | A . . . . a1! b1!"),
    ("a     ", "A w 0-2, A fork B, A move 0-2 4", "2+0 ok ok | A . . . . a2 b2 | B a2 b2"),
    # what was at the new place goes
    ("aa    ", "A w 0-4, A move 0-2 2", "4+0 ok | A . . a1! b1!"),
    # MREMAP_DONTUNMAP: the old area stays, empty
    ("a     ", "A w 0-2, A leave 0-2 4, A w 0", "2+0 ok 1+0 | A c1! . . . a1! b1!"),
    # vma_expandable(): only into a hole
    ("a     ", "A w 0-2, A resize 0-2 4, A w 3", "2+0 ok 1+0 | A a1! b1! . c1!"),
    ("aa    ", "A w 0-2, A resize 0-2 3", "2+0 ENOMEM | A a1! b1!"),
    ("a     ", "A w 0-2, A resize 0-2 1", "2+0 ok | A a1!"),
    # an old length of 0: shared memory again, of private memory nothing
    ("m     ", "A w 0, A move 0-0 4 2, A w 4", "1+0 ok 1+0 | A a2 . . . a2"),
    ("a     ", "A w 0, A move 0-0 4 2", "1+0 EINVAL | A a1!"),
    # one over the other
    ("a     ", "A w 0-2, A move 0-2 1", "2+0 EINVAL | A a1! b1!"),
    # what is in swap moves too
    ("a     ", "A W 0-2, A advise pageout 0-2, A move 0-2 4, A r 4", "2+0 ok ok 1+0 | A . . . . c1! ~"),
]  # fmt: skip


def cases():
    for who, family in FAMILY:
        yield from crossed(SPACES, BEFORE, (family,), [f"{who} {call}" for call in CALLS], ("", f"{who} w 8"))
        swapped = [f"{who} {call}" for call in ("move 0-2 8", "leave 0-2 8", "resize 0-2 1")]
        yield from crossed(("a     ", "m     "), IN_SWAP, (family,), swapped)


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_a_move(space, steps, wanted):
    simulated = Simulated()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_every_move_is_what_it_was_in_linux():
    answers = recorded("sys_mremap")
    complete(answers, cases())
    alike(answers)


def test_moves_are_what_they_are_on_this_kernel():
    live_sample(cases(), RULES)
