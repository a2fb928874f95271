"""What MAP_POPULATE, MAP_LOCKED, mlock and MADV_POPULATE_* bring in: which pages, and which errno where it cannot be, as in Linux.

What is unevictable then: test_sys_mlock.py; the advices one by one: test_sys_madvise.py; huge pages: test_thp.py.
"""

from itertools import product

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_counts import MORE_KINDS, SimulatedCounted, refused  # noqa: E402
from tests.mm.drawn_pages import KINDS, Case, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402

MACHINE = SimulatedCounted
EVERY = [*KINDS, *MORE_KINDS]
MIXTURES = ("afs", "apa", "pas", "aza", "ayf", "zaa", "a a", "arf", "fts", "mns", "gex", "awc", "  a", "az ", "a p", "ap ")
BEFORE = ("", "A w 0-6", "A r 0-6, A fork B", "A advise guard 2-3", "A w 0-1, A advise guard 1-2, A r 2-6")
AHEAD = ("advise populate_read 0-6", "advise populate_write 0-6", "advise populate_read 1-5", "advise populate_write 1-3", "lock 0-6",
         "lock 1-4", "onfault 0-6", "lockall 1", "lockall 5", "lockall 3, A populate a 6-8, A map f 8-10")  # fmt: skip
MAPPINGS = ("populate {} 0-4", "maplocked {} 0-4", "lockall 2, A map {} 0-4", "lockall 6, A map {} 0-4",
            "limit memlock 3, A maplocked {} 0-4", "limit memlock 4, A maplocked {} 0-4", "limit as 3, A populate {} 0-4",
            "limit data 3, A populate {} 0-4")  # fmt: skip
THEN = ("", "A w 0-4", "A unmap 1-2, A populate a 1-2", "A fork B, B w 0", "A resize 0-4 6", "A w 0, A unlock 0-2, A lock 0-4")
MEMLOCK = ("A limit memlock 3, A lock 0-4", "A limit memlock 3, A lock 0-3, A lock 0-3", "A limit memlock 3, A lock 0-2, A lock 3-5",
           "A limit memlock 0, A lock 0-1", "A limit memlock 3, A onfault 0-4", "A limit memlock 3, A lockall 1",
           "A limit memlock 400, A lockall 3",
           "A limit memlock 3, A lock 0-6, A unmap 1-2, A lock 0-3", "A limit memlock 0, A lockall 1", "A limit memlock 3, A lock 1-7",
           "A limit memlock 4, A lock 0-2, A resize 0-2 4", "A limit memlock 4, A lock 0-4, A resize 2-4 6")  # fmt: skip
LENGTHS = ("0x0", "0x1", "0x1000", "0x7000", "0xfffffffffffff000", "0xffffffffffffffff")
RAW = ("mlock {} {}", "munlock {} {}", "mlock2 {} {} 1", "madvise {} {} 22", "madvise {} {} 23")
WHERE = ("+0x0", "+0x1", "+0x5fff", "+0x6000", "0x0", "0x7ffffffff000", "0xfffffffffffff000")

RULES = [
    # populate_vma_page_range(): as by writes where nobody else would see them, else as by reads
    ("", "A populate a 0-2", "ok | A a1! b1!"),
    ("", "A populate r 0-2", "ok | A 0 0"),
    ("", "A populate f 0-2", "ok | A a1! b1!"),
    ("", "A populate s 0-2, A w 0", "ok 1+0 | A a1! b1!"),
    # mmap() does not say what could not be brought in; mlock() does, and MADV_POPULATE says why
    ("", "A populate p 0-2", "ok | A"),
    ("", "A populate z 0-2", "ok | A"),
    ("az", "A lock 0-4", "ENOMEM | A a1! b1!"),
    ("za", "A lock 0-4", "ENOMEM | A"),
    ("ap", "A advise populate_read 0-4", "EINVAL | A 0 0"),
    ("az", "A advise populate_write 0-4", "EFAULT | A a1! b1!"),
    ("a a", "A advise populate_write 0-6", "ENOMEM | A a1! b1!"),
    ("ar", "A advise populate_write 0-4", "EINVAL | A a1! b1!"),
    ("a ", "A w 0-2, A advise guard 1-2, A advise populate_write 0-2", "2+0 ok EFAULT | A a1! #"),
    # do_mlock(): the arguments, then RLIMIT_MEMLOCK, of which pages that are locked already are free, then the areas
    ("a ", "A limit memlock 1, A lock 0-2", "ok ENOMEM | A"),
    ("a ", "A limit memlock 2, A lock 0-2, A lock 0-2", "ok ok ok | A a1! b1!"),
    ("a ", "A limit memlock 0, A lock 0-1", "ok EPERM | A"),
]  # fmt: skip


REFUSED = [("A lock 0-2", "EAGAIN"), ("A lock 0-1", "ENOMEM EAGAIN"), ("A advise populate_write 0-2", "ENOMEM"),
           ("A populate a 4-6", "ENOMEM ok")]  # fmt: skip


def cases():
    yield from crossed(("",), [f"A {call.format(kind)}" for call, kind in product(MAPPINGS, EVERY)], THEN)
    yield from crossed(MIXTURES, BEFORE, [f"A {call}" for call in AHEAD])
    yield from crossed(MIXTURES, ("A fork B",), [f"B {call}" for call in AHEAD])
    yield from crossed(("aaa", "afs", "apa"), MEMLOCK)
    for place, length in product(WHERE, LENGTHS):
        yield from crossed(("aaa",), [f"A raw {call.format(place, length)}" for call in RAW])
    yield from crossed(("aaa",), [f"A raw mlockall {flags}" for flags in range(9)])


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_what_is_brought_in(space, steps, wanted):
    simulated = SimulatedCounted()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


@pytest.mark.parametrize(("last", "errnos"), REFUSED)
def test_what_cannot_be_had_for_want_of_an_object(last, errnos):
    """__mlock_posix_error_return() makes EAGAIN of a fault's ENOMEM; what mmap() could not bring in is no error."""
    said = [answer.split(" | ")[0] for answer, _ in refused("a ", "", last)]
    assert said[-1] == "ok"
    assert set(said[:-1]) == set(errnos.split())


def test_everything_is_brought_in_as_it_was_in_linux():
    answers = recorded("populate")
    complete(answers, cases())
    alike(answers, SimulatedCounted)


def test_pages_are_brought_in_as_they_are_on_this_kernel():
    live_sample(cases(), RULES, 97, SimulatedCounted)
