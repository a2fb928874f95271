"""Pages of files and of shared memory: what a fault maps around it, copies of one's own, writes that are noticed, ends, holes, as in Linux.

Pictures of four pages a letter (drawn_around.py); the border of two page tables is behind page 24. Every kind of access to every kind of
area: test_fault.py; msync and what it takes away: test_sys_file.py.
"""

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_around import SimulatedAround  # noqa: E402
from tests.mm.drawn_pages import PAGE, Case, alike, complete, crossed, live_sample, recorded  # noqa: E402

MACHINE = SimulatedAround
SPACES = ("ffffffffff", "  ffff  ", " ffffffff", "     ff", "gggggggggg", "  eeeeee", "ssssssssss", "tttttttttt", "mmmmmmmmmm",
          "hhhhhhhhhhh", "jjjjj", "ff ff ff ff", "fgsfgsfgsf", "  sttfg")  # fmt: skip
CACHED = ("", "drop", "drop, cached 20-21, cached 23-24, cached 25-27", "drop, cached 8-9, cached 30-40", f"truncate {22 * PAGE}",
          f"truncate {24 * PAGE + 1}", "A lock 16-28", "A w 22-26", "A advise random 0-56")  # fmt: skip
TOUCHED = ("A r 4", "A r 9", "A r 19", "A r 23", "A r 24", "A r 39, A r 40", "A w 9", "A w 23, A r 22", "A r 20, A w 21, A r 26",
           "A x 20", "A r 17, A advise dontneed 16-22, A r 20")  # fmt: skip
ODD = ("map f 21-27", "map g 9-39", "map s 22-31", "map t 10-23", "map h 5-30", "map f 11-12, A map g 12-25", "map j 0-22")
CUT = ("map f 20-34", "map s 30-37", "map g 33-40", "map s 33-35", "map f 28-33, A map f 34-40", "map j 10-18")
LARGE = ("drop, written 0-40", "drop, written 16-24, written 24-40", "drop, written 20-36, cached 0-40",
         "drop, cached 0-8, cached 8-16, cached 16-24, cached 24-32, cached 32-40", "drop, written 0-40, A lock 20-40")  # fmt: skip
IN_LARGE = ("A r 33", "A w 33", "A r 34", "A r 33, A w 34, A r 35", "A w 34, A r 33", "A r 16", "A w 17", "A lock 30-40")
MAPPED = ("A r 16-28", "A r 16-28, A w 20-22", "A w 18-24, A fork B, B w 20", "A lock 16-28")
CHANGED = (f"truncate {20 * PAGE}", f"truncate {20 * PAGE + 5}", "hole 19-23", f"truncate {20 * PAGE}, truncate {40 * PAGE}",
           "A advise remove 18-22")  # fmt: skip
AFTER = ("A r 19", "A r 20", "A w 20", "A w 22, A r 21", "A r 21, A w 21")
BEYOND = ("A r 40", "A w 41", "A r 43, A w 44, A r 45", "A r 40-56")
WRITTEN = ("A w 9", "A r 8-12, A w 9-11", "A w 9, A fork B, B w 8-10, A w 10")
CLEANED = ("A msync sync 8-12", "A msync sync 8-10, A r 9", "drop", "A prot r 8-12, A prot rw 8-12")

RULES = [  # pictures alone
    # do_fault_around(): 64K by address, within the area, the table and the file
    ("ffffffffff", "A r 9", "........ffffffffffffffff"),
    ("  fff", "A r 9", "........ffffffffffff"),
    ("   fffffff", "A r 13", "............ffffffffffff"),
    ("ffffffffff", "A r 23", "........ffffffffffffffff"),
    ("", "A map f 10-23, A r 12", "..........fffffffffffff"),
    # a large folio is mapped whole, but not beyond the area
    ("", "drop, written 0-40, A map f 20-34, A r 33", "........................FFFFFFFFFF"),
    ("", "drop, written 0-40, A map f 0-40, A r 33", "........................FFFFFFFFFFFFFFFF"),
    ("", "drop, written 0-16, A map f 0-40, A r 9", "FFFFFFFFFFFFFFFF"),
    # one that the border of two tables cuts is not
    ("", "drop, written 0-40, A map f 0-40, A r 20", "........FFFFFFFFFFFFFFFF"),
    ("ffffffffff", f"truncate {11 * PAGE}, A r 9", "........fff"),
]  # fmt: skip


def cases():
    yield from crossed(SPACES, CACHED, TOUCHED)
    yield from crossed(("",), [f"A {odd}" for odd in ODD], CACHED, TOUCHED)
    yield from crossed(("",), [f"A {cut}" for cut in CUT], LARGE, ("", f"truncate {36 * PAGE}", f"truncate {35 * PAGE}"), IN_LARGE)
    yield from crossed(("ffffffffff", "ssssssssss", "  gsgsgs"), LARGE, ("A r 16-28", "A w 18-24, A fork B"), CHANGED, ("A r 19", "A w 20"))
    yield from crossed(("ffffffffff", "ssssssssss", "tttttttttt", "  gsgsgs", "mmmmmmmmmm"), MAPPED, CHANGED, AFTER)
    yield from crossed(("          ffff", "          ssss", "          tttt", "        stsfst"), ("", f"truncate {44 * PAGE + 9}"), BEYOND)
    yield from crossed(("  ss", "  st", "  mm"), WRITTEN, CLEANED, ("A w 9", "A r 9, A w 10"))


def picture(answer):
    return answer.split(" | ")[1].split()[1].rstrip(".")


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_what_is_mapped_around(space, steps, wanted):
    simulated = SimulatedAround()
    assert picture(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_every_page_of_a_file_is_what_it_was_in_linux():
    answers = recorded("fault_file")
    complete(answers, cases())
    alike(answers, SimulatedAround)


def test_pages_of_files_are_what_they_are_on_this_kernel():
    live_sample(cases(), RULES, 61, SimulatedAround, picture)
