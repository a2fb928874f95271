"""msync and mincore: what is written back must fault before it is written again, in every space that maps it, as in Linux."""

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_pages import Case, Simulated, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402

SPACES = ("s ", "f ", "m ", "a ", "st", "s s ", "y ")
BEFORE = ("", "A w 0-2", "A r 0-4, A w 1-3", "A w 0-2, A lock 0-2")
FAMILY = (("A", ""), ("A", "A fork B"), ("B", "A fork B"), ("B", "A fork B, B w 0-2"))
CALLS = ("msync sync 0-2", "msync async 0-2", "msync invalidate 0-2", "msync sync 1-6", "mincore 0-2", "mincore 0-6")

RULES = [
    # folio_mkclean(): the next write faults, in each space
    ("s ", "A w 0, A msync sync 0-2, A w 0", "1+0 ok 1+0 | A a1!"),
    ("s ", "A w 0, A fork B, B w 0, A msync sync 0-2, A w 0, B w 0", "1+0 ok 1+0 ok 1+0 1+0 | A a2 | B a2"),
    ("s ", "A w 0, A msync async 0-2, A w 0", "1+0 ok 0+0 | A a1!"),
    ("m ", "A w 0, A msync sync 0-2, A w 0", "1+0 ok 0+0 | A a1!"),
    # MS_INVALIDATE of what is locked
    ("s ", "A lock 0-2, A msync invalidate 0-2", "ok EBUSY | A a1! b1!"),
    # a hole: what comes before it is written, then ENOMEM
    ("s s ", "A w 0, A msync sync 0-6, A w 0", "1+0 ENOMEM 1+0 | A a1!"),
    # mincore(): of a file what is cached, of anonymous memory what is mapped
    ("f ", "A mincore 0-2", "11 | A"),
    ("a ", "A w 1, A mincore 0-2", "1+0 01 | A . a1!"),
    ("m ", "A w 1, A fork B, B mincore 0-2", "1+0 ok 01 | A . a1! | B"),
    ("a a ", "A mincore 0-6", "ENOMEM | A"),
]  # fmt: skip


def cases():
    for who, family in FAMILY:
        yield from crossed(SPACES, BEFORE, (family,), [f"{who} {call}" for call in CALLS], ("", "A w 0"))


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_a_file(space, steps, wanted):
    simulated = Simulated()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_every_answer_is_what_it_was_in_linux():
    answers = recorded("sys_file")
    complete(answers, cases())
    alike(answers)


def test_answers_are_what_they_are_on_this_kernel():
    live_sample(cases(), RULES)
