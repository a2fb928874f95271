"""mlock and its kin: what is brought in, what is unevictable then and for whom, as in Linux."""

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_pages import Case, Simulated, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402

SPACES = ("a ", "r ", "p ", "m ", "f ", "s ", "aa", "a a ")
BEFORE = ("", "A r 0, A w 1")
FAMILY = (("A", ""), ("B", "A fork B"), ("A", "A fork B"))
FIRST = ("lock 0-2", "lock 1-3", "onfault 0-2", "lockall 1", "lockall 2", "lockall 5", "unlock 0-2")
THEN = ("unlock 0-1", "unlockall", "unmap 0-1", "r 0", "w 0", "fork C", "map a 2-4", "lock 0-2")
TO_READ = ("A advise remove 0-1", "A advise remove 1-2", "A advise remove 1-3")  # __mm_populate() comes again for these, and drains
IN_SWAP = ("A W 0-2, A advise pageout 0-2", "A Z 0-2, A advise pageout 0-2")  # what was read anew is not mlocked by its fault

RULES = [
    # populate_vma_page_range(): a writable private area is brought in as by writes, others as by reads
    ("a ", "A lock 0-2, A w 0-2", "ok 0+0 | A a1! b1!"),
    ("r ", "A lock 0-2", "ok | A 0 0"),
    ("f ", "A lock 0-2", "ok | A a1! b1!"),
    ("m ", "A lock 0-2", "ok | A a1! b1!"),
    # MLOCK_ONFAULT: what comes later
    ("a ", "A onfault 0-2, A r 0", "ok 1+0 | A 0"),
    # locked memory that cannot be reached, or is not there: ENOMEM
    ("p ", "A lock 0-2", "ENOMEM | A"),
    ("a a ", "A lock 0-6", "ENOMEM | A"),
    # a copy-on-write page is copied ahead
    ("a ", "A w 0-2, A fork B, A lock 0-1", "2+0 ok ok | A c1! b2 | B a1! b2"),
    # MCL_FUTURE holds for what is mapped behind it
    ("  ", "A lockall 2, A map a 0-2", "ok ok | A a1! b1!"),
    ("  ", "A lockall 2, A fork B, B map a 0-2", "ok ok ok | A | B"),
]  # fmt: skip


def cases():
    for who, family in FAMILY:
        yield from crossed(SPACES, BEFORE, (family,), [f"{who} {call}" for call in FIRST], [f"{who} {call}" for call in THEN])
        yield from crossed(("s ", "ss"), TO_READ, (family,), [f"{who} {call}" for call in FIRST], [f"{who} {call}" for call in THEN[3:]])
        yield from crossed(("a ", "f "), IN_SWAP, (family,), [f"{who} {call}" for call in FIRST], [f"{who} {call}" for call in THEN[3:]])


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_a_lock(space, steps, wanted):
    simulated = Simulated()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_every_lock_is_what_it_was_in_linux():
    answers = recorded("sys_mlock")
    complete(answers, cases())
    alike(answers)


def test_locks_are_what_they_are_on_this_kernel():
    live_sample(cases(), RULES)
