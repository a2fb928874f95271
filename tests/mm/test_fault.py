"""Faults: an access of each kind to each kind of area, whatever is at the page and whoever shares it, gives what Linux gives."""

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_pages import KINDS, Case, Simulated, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402

STATES = ("", "A r 0", "A w 0", "A r 0-2, A w 0, A prot r 0-2", "A w 0-2, A prot none 0-2, A prot rw 0-2", "A lock 0-2",
          "A w 0-2, A advise dontneed 0-2", "A w 0, A advise guard 0-1", "A w 0, A advise free 0-2")  # fmt: skip
SHARED = ("", "A fork B", "A fork B, B exit", "A fork B, A r 0, A fork C")  # and A goes on
INHERITED = ("A fork B", "A fork B, A exit", "A fork B, B fork C, A exit")  # and B goes on
IN_SWAP = ("A W 0-2, A advise pageout 0-2", "A W 0-2, A advise pageout 0-2, A r 0", "A Z 0-2, A advise pageout 0-2")

RULES = [  # what an access makes of an area, and why
    # do_anonymous_page(): a read maps the page of zeros, a write a page of its own; the page of zeros is not reused
    ("a ", "A r 0", "1+0 | A 0"),
    ("a ", "A w 0", "1+0 | A a1!"),
    ("a ", "A r 0, A w 0", "1+0 1+0 | A a1!"),
    ("x ", "A x 0, A w 0", "1+0 1+0 | A a1!"),
    # access_error(): the area's rights are looked at first, and nothing is counted
    ("r ", "A w 0", "SEGV_ACCERR@0 | A"),
    ("p ", "A r 0", "SEGV_ACCERR@0 | A"),
    ("  ", "A r 0", "SEGV_MAPERR@0 | A"),
    ("t ", "A w 0", "SEGV_ACCERR@0 | A"),
    # filemap_fault(): behind the end of the file there is no page, whoever asks for what
    ("z ", "A r 0", "BUS_ADRERR@0 | A"),
    ("y ", "A w 0", "BUS_ADRERR@0 | A"),
    # do_fault_around(): a read maps the neighbours that are cached, a write only its own page
    ("f ", "A r 0", "1+0 | A a1! b1!"),
    ("f ", "A w 0", "1+0 | A a1!"),
    ("f ", "A r 0, A w 0", "1+0 1+0 | A c1! b1!"),
    ("s ", "A w 0", "1+0 | A a1!"),
    ("s ", "A r 0, A w 0", "1+0 1+0 | A a1! b1!"),
    ("m ", "A r 0, A w 0", "1+0 0+0 | A a1!"),
    # do_wp_page(): a page that another has too is copied; who is alone takes it as it is
    ("a ", "A w 0, A fork B, B w 0", "1+0 ok 1+0 | A a1! | B b1!"),
    ("a ", "A w 0, A fork B, B exit, A w 0", "1+0 ok ok 1+0 | A a1!"),
    ("a ", "A w 0, A fork B, B w 0, A w 0", "1+0 ok 1+0 1+0 | A a1! | B b1!"),
    ("m ", "A w 0, A fork B, B w 0", "1+0 ok 1+0 | A a2 | B a2"),
    # handle_pte_marker(): a guard is SIGSEGV, with the code of an address that may not be had
    ("a ", "A w 0, A advise guard 0-1, A r 0", "1+0 ok SEGV_MAPERR@0 | A #"),
    # do_swap_page(): what is still in the swap cache is a minor fault; who reads gets it clean, and owns it when he is alone
    ("a ", "A W 0-2, A advise pageout 0-2, A r 0", "2+0 ok 1+0 | A c1! ~"),
    ("a ", "A Z 0-2, A advise pageout 0-2, A r 0", "2+0 ok 0+1 | A c1! ~"),
    ("a ", "A W 0-2, A advise pageout 0-2, A fork B, B w 0, A r 0", "2+0 ok ok 1+0 1+0 | A d1! ~ | B c1! ~"),
]  # fmt: skip


def cases():
    kinds = [f"{kind} " for kind in KINDS] + ["  "]
    for who, shared in (("A", SHARED), ("B", INHERITED)):
        yield from crossed(kinds, STATES, shared, [f"{who} {access} 0" for access in "rwx"])
        yield from crossed(("a ", "r ", "x ", "m ", "f "), IN_SWAP, shared, [f"{who} {access} 0" for access in "rwx"])


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_an_access(space, steps, wanted):
    simulated = Simulated()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_every_access_is_what_it_was_in_linux():
    answers = recorded("fault")
    complete(answers, cases())
    alike(answers)


def test_accesses_are_what_they_are_on_this_kernel():
    live_sample(cases(), RULES)
