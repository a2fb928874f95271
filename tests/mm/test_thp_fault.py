"""Huge pages, one entry or many: how they come, are shared, fall apart, move and go, as in Linux; in quarters of one (drawn_huge.py)."""

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_huge import SimulatedHuge  # noqa: E402
from tests.mm.drawn_pages import Case, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402

MACHINE = SimulatedHuge
SPACES = ("aaaa        ", " aaaa       ")  # two huge pages; half of one, a whole, half of one
ADVISED = "A advise hugepage 0-24"
BEFORE = ("A w 0-8", "A r 4", "A w 4-8, A prot r 4-8, A prot rw 4-8")
CALLS = ("", "unmap 5-6", "unmap 4-8", "advise dontneed 5-6", "advise dontneed 4-8", "prot r 5-8", "prot r 4-8", "move 4-8 16",
         "move 4-8 17", "move 5-7 16", "leave 4-8 16", "lock 5-6", "lock 4-8", "advise free 5-6", "advise free 4-8", "advise guard 5-6",
         "advise populate_write 4-8", "advise collapse 4-8", "advise dontneed 5-6, A advise collapse 4-8")  # fmt: skip
FAMILY = (("", ("", "A w 4")), ("A fork B", ("", "B w 4", "A w 4, B w 5", "B exit, A w 4")))

RULES = [
    # do_huge_pmd_anonymous_page(): a write maps a huge page, a read the huge page of zeros, where the area holds all of it
    ("aaaa        ", f"{ADVISED}, A w 0", "ENOMEM 1+0 | A a1!"),
    ("aaaa        ", f"{ADVISED}, A r 0, A w 1", "ENOMEM 1+0 1+0 | A a1!"),
    (" aaaa       ", f"{ADVISED}, A w 2", "ENOMEM 1+0 | A . a1!"),
    # do_huge_pmd_wp_page(): the huge page of another is not copied: the entry falls apart, and one page is
    ("aa          ", f"{ADVISED}, A w 0, A fork B, B w 0", "ENOMEM 1+0 ok 1+0 | A a1! a2! | B b1! a2"),
    ("aa          ", f"{ADVISED}, A w 0, A fork B, B exit, A w 0", "ENOMEM 1+0 ok ok 1+0 | A a1!"),
]  # fmt: skip


def cases():
    for family, after in FAMILY:
        yield from crossed(SPACES, (ADVISED,), BEFORE, (family,), [call and f"A {call}" for call in CALLS], after)


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_a_huge_page(space, steps, wanted):
    simulated = SimulatedHuge()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_every_huge_page_is_what_it_was_in_linux():
    answers = recorded("thp_fault")
    complete(answers, cases())
    alike(answers, SimulatedHuge)


def test_huge_pages_are_what_they_are_on_this_kernel():
    live_sample(cases(), RULES, 31, SimulatedHuge)
