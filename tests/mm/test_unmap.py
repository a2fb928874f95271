"""What goes by munmap, a mapping over it, MADV_DONTNEED, a shorter mremap: areas and neighbours of each kind, as in Linux."""

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_pages import Case, Simulated, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402

SPACES = ("aa", "af", "ma", "as", "ss", "ff", "ra")
BEFORE = ("A w 0-4", "A r 0-4, A w 1", "A lock 0-4", "A w 0-4, A advise free 1-3")
FAMILY = (("A", ""), ("B", "A fork B"), ("A", "A fork B"))
CALLS = ("unmap 0-4", "unmap 1-2", "unmap 1-3", "map a 1-3", "map s 1-3", "advise dontneed 1-3", "resize 2-4 1")

RULES = [
    # zap_pte_range(): the page goes with its last entry; the swap slot, the guard and the page of zeros too
    ("aa", "A w 0-4, A unmap 1-3", "4+0 ok | A a1! . . d1!"),
    ("aa", "A w 0-4, A fork B, A unmap 1-3", "4+0 ok ok | A a2 . . d2 | B a2 b1! c1! d2"),
    ("a ", "A W 0-2, A advise pageout 0-2, A unmap 0-1, A r 1", "2+0 ok ok 1+0 | A . c1!"),
    ("a ", "A advise guard 0-2, A unmap 0-1, A r 0", "ok ok SEGV_MAPERR@0 | A . #"),
    # MADV_DONTNEED: guards stay; a page of a file comes back as the file has it, a shared one as it was
    ("a ", "A w 0, A advise guard 1-2, A advise dontneed 0-2, A r 0", "1+0 ok ok 1+0 | A 0 #"),
    ("f ", "A w 0, A advise dontneed 0-2, A r 0", "1+0 ok 1+0 | A b1! c1!"),
    ("m ", "A w 0, A advise dontneed 0-2, A r 0", "1+0 ok 1+0 | A b1!"),
    # can_madv_dontneed_vma(): what is locked is not let go
    ("a ", "A lock 0-2, A advise dontneed 0-2", "ok EINVAL | A a1! b1!"),
    ("a ", "A lock 0-2, A advise dontneed_locked 0-2", "ok ok | A"),
    # a hole is no error
    ("a ", "A unmap 2-4, A unmap 0-4", "ok ok | A"),
]  # fmt: skip


def cases():
    for who, family in FAMILY:
        yield from crossed(SPACES, BEFORE, (family,), [f"{who} {call}" for call in CALLS], ("", "A w 0-4"))


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_what_goes(space, steps, wanted):
    simulated = Simulated()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_everything_goes_as_it_went_in_linux():
    answers = recorded("unmap")
    complete(answers, cases())
    alike(answers)


def test_pages_go_as_they_go_on_this_kernel():
    live_sample(cases(), RULES)
