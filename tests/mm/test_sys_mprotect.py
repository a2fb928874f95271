"""mprotect: other rights for pages that are there, and what the next access does with them, as in Linux."""

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_pages import Case, Simulated, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402

SPACES = ("a ", "r ", "p ", "m ", "f ", "s ", "t ", "e ")
BEFORE = ("", "A r 0", "A w 0", "A w 0, A lock 0-2")
FAMILY = (("A", ""), ("A", "A fork B"), ("B", "A fork B"), ("A", "A fork B, B exit"))
FIRST = ("r", "none", "rwx")
SECOND = ("rw", "none")
IN_SWAP = ("A W 0-2, A advise pageout 0-2", "A W 0-2, A advise pageout 0-2, A r 0")

RULES = [
    # can_change_private_writable(): a page that is its own becomes writable at once, one that is shared by a fault
    ("a ", "A w 0, A prot r 0-2, A prot rw 0-2, A w 0", "1+0 ok ok 0+0 | A a1!"),
    ("a ", "A w 0, A fork B, A prot r 0-2, A prot rw 0-2, A w 0", "1+0 ok ok ok 1+0 | A b1! | B a1!"),
    ("a ", "A r 0, A prot r 0-2, A prot rw 0-2, A w 0", "1+0 ok ok 1+0 | A a1!"),
    # can_change_shared_writable(): only what is dirty already
    ("s ", "A w 0, A prot r 0-2, A prot rw 0-2, A w 0", "1+0 ok ok 0+0 | A a1!"),
    ("s ", "A r 0, A prot r 0-2, A prot rw 0-2, A w 0", "1+0 ok ok 1+0 | A a1! b1!"),
    # PROT_NONE: the page stays, nobody gets at it
    ("a ", "A w 0, A prot none 0-2, A r 0, A prot r 0-2, A r 0", "1+0 ok SEGV_ACCERR@0 ok 0+0 | A a1!"),
    # a part of an area
    ("a ", "A w 0-2, A prot r 1-2, A w 0-2", "2+0 ok SEGV_ACCERR@1 | A a1! b1!"),
    # over a hole: what comes before it is changed
    ("a a ", "A w 0-2, A prot r 0-6, A w 0", "2+0 ENOMEM SEGV_ACCERR@0 | A a1! b1!"),
    # MAP_SHARED of a file that is open for writing may be written later
    ("t ", "A r 0, A prot rw 0-2, A w 0", "1+0 ok 1+0 | A a1! b1!"),
]  # fmt: skip


def cases():
    for who, family in FAMILY:
        calls = [f"{who} prot {prot} 0-2" for prot in FIRST], [f"{who} prot {prot} 0-1" for prot in SECOND]
        yield from crossed(SPACES, BEFORE, (family,), *calls, [f"{who} {access} 0-2" for access in "rw"])
        yield from crossed(("a ", "m ", "f "), IN_SWAP, (family,), *calls, [f"{who} {access} 0" for access in "rw"])


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_other_rights(space, steps, wanted):
    simulated = Simulated()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_all_rights_do_what_they_did_in_linux():
    answers = recorded("sys_mprotect")
    complete(answers, cases())
    alike(answers)


def test_rights_do_what_they_do_on_this_kernel():
    live_sample(cases(), RULES)
