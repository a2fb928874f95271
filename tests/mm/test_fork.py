"""fork: what child and parent have of each kind of area, and who copies when one of them writes, as in Linux."""

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_pages import Case, Simulated, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402

SPACES = [f"{kind} " for kind in "arxpmnfgest"]
BEFORE = ("", "A r 0", "A w 0", "A r 0-2, A w 0", "A w 0-2, A prot none 0-2", "A w 0, A lock 0-2", "A w 0, A advise dontfork 0-2",
          "A w 0, A advise wipeonfork 0-2", "A w 0-2, A advise dontfork 1-2", "A advise wipeonfork 0-1, A w 0-2",
          "A w 0, A advise free 0-2", "A w 0-2, A prot r 0-2", "A advise guard 0-1")  # fmt: skip
AFTER = ("", "A w 0", "B w 0", "B w 0, A w 0", "A w 0, B w 0", "B exit, A w 0", "A exit, B w 0", "A r 0-2, B r 0-2",
         "B fork C, A w 0, C w 0", "A exit, B fork C, B exit, C w 0", "B advise dontneed 0-2, A w 0", "B unmap 0-1, A w 0-2")  # fmt: skip
IN_SWAP = ("A W 0-2, A advise pageout 0-2", "A W 0-2, A advise pageout 0-2, A r 0", "A W 0-2, A advise pageout 0-2, A w 0",
           "A Z 0-2, A advise pageout 0-2")  # fmt: skip

RULES = [
    # copy_present_page(): both have it, both without the right to write, nobody owns it
    ("a ", "A w 0-2, A fork B", "2+0 ok | A a2 b2 | B a2 b2"),
    ("a ", "A w 0, A fork B, B fork C", "1+0 ok ok | A a3 | B a3 | C a3"),
    # copy_pte_range() copies guards, and the page of zeros
    ("a ", "A r 0, A w 1, A fork B", "1+0 1+0 ok | A 0 a2 | B 0 a2"),
    ("a ", "A advise guard 0-1, A fork B", "ok ok | A # | B #"),
    # vma_needs_copy(): without an anon_vma nothing is copied: faults bring it in anew
    ("a ", "A r 0, A fork B", "1+0 ok | A 0 | B"),
    ("f ", "A r 0, A fork B", "1+0 ok | A a1! b1! | B"),
    ("s ", "A w 0, A fork B", "1+0 ok | A a1! | B"),
    ("m ", "A w 0, A fork B", "1+0 ok | A a1! | B"),
    ("f ", "A r 0-2, A w 0, A fork B", "1+0 1+0 ok | A c2 b2 | B c2 b2"),
    # dup_mmap(): VM_DONTFORK is left out, VM_WIPEONFORK comes empty; locks are not inherited
    ("a ", "A w 0-2, A advise dontfork 0-2, A fork B, B r 0", "2+0 ok ok SEGV_MAPERR@0 | A a1! b1! | B"),
    ("a ", "A w 0-2, A advise wipeonfork 0-2, A fork B, B r 0", "2+0 ok ok 1+0 | A a1! b1! | B 0"),
    ("s ", "A advise wipeonfork 0-2", "EINVAL | A"),
    # wp_can_reuse_anon_folio(): the last one that has it takes it back
    ("a ", "A w 0, A fork B, A w 0, B w 0", "1+0 ok 1+0 1+0 | A b1! | B a1!"),
    ("a ", "A w 0, A fork B, A exit, B w 0", "1+0 ok ok 1+0 | B a1!"),
    ("a ", "A w 0, A fork B, B advise dontneed 0-1, A w 0", "1+0 ok ok 1+0 | A a1! | B"),
    # what nobody may touch is inherited all the same
    ("a ", "A w 0-2, A prot none 0-2, A fork B, B prot rw 0-2, B w 0", "2+0 ok ok ok 1+0 | A a1! b2 | B c1! b2"),
]  # fmt: skip


def cases():
    yield from crossed(SPACES, BEFORE, ("A fork B",), AFTER)
    yield from crossed(("a ", "m ", "f "), IN_SWAP, ("A fork B",), AFTER)


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_a_fork(space, steps, wanted):
    simulated = Simulated()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_every_fork_is_what_it_was_in_linux():
    answers = recorded("fork")
    complete(answers, cases())
    alike(answers)


def test_forks_are_what_they_are_on_this_kernel():
    live_sample(cases(), RULES)
