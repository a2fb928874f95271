"""madvise: each advice to each kind of area, whatever is there and whoever has it too, and the next access, as in Linux."""

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_pages import ADVICE, Case, Simulated, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402

SPACES = ("a ", "r ", "p ", "m ", "f ", "s ", "t ", "a a ")
BEFORE = ("", "A r 0-2", "A r 0-2, A w 0", "A w 0-2, A lock 0-1")
FAMILY = (("A", ""), ("B", "A fork B"), ("A", "A fork B"))
AFTER = ("r 0", "w 0-2")
# MADV_PAGEOUT needs swap: tests/mm/test_pageout.py; MADV_REMOVE punches a hole into the file: tests/mm/test_truncate.py
GIVEN = tuple(name for name in ADVICE if name not in ("pageout", "remove"))

RULES = [
    # MADV_FREE: anonymous memory alone; a page that is written again stays
    ("a ", "A w 0-2, A advise free 0-2, A w 0", "2+0 ok 0+0 | A a1! b1!"),
    ("m ", "A w 0-2, A advise free 0-2", "2+0 EINVAL | A a1! b1!"),
    # MADV_GUARD_INSTALL: what is there goes; of locked areas and those of special pages not
    ("a ", "A w 0-2, A advise guard 0-1, A w 1, A advise unguard 0-2, A r 0", "2+0 ok 0+0 ok 1+0 | A 0 b1!"),
    ("a ", "A lock 0-2, A advise guard 0-2", "ok EINVAL | A a1! b1!"),
    # MADV_POPULATE: faults all in, and says why it could not
    ("a ", "A advise populate_read 0-2, A r 0", "ok 0+0 | A 0 0"),
    ("a ", "A advise populate_write 0-2, A w 0", "ok 0+0 | A a1! b1!"),
    ("r ", "A advise populate_write 0-2", "EINVAL | A"),
    ("a ", "A advise guard 0-1, A advise populate_read 0-2", "ok EFAULT | A #"),
    ("z ", "A advise populate_read 0-2", "EFAULT | A"),
    # over a hole everything is advised, and then ENOMEM
    ("a a ", "A w 0-2, A w 4-6, A advise dontneed 0-6", "2+0 2+0 ENOMEM | A"),
    ("a a ", "A advise populate_write 0-6", "ENOMEM | A a1! b1!"),
]  # fmt: skip


def cases():
    for who, family in FAMILY:
        given = [f"{who} advise {name} 0-2" for name in GIVEN]
        yield from crossed(SPACES[:-1], BEFORE, (family,), given, [f"{who} {after}" for after in AFTER])
        yield from crossed(SPACES[-1:], BEFORE, (family,), [f"{who} advise {name} 1-6" for name in GIVEN])


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_an_advice(space, steps, wanted):
    simulated = Simulated()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_every_advice_does_what_it_did_in_linux():
    answers = recorded("sys_madvise")
    complete(answers, cases())
    alike(answers)


def test_advice_does_what_it_does_on_this_kernel():
    live_sample(cases(), RULES)
