"""Huge pages that one entry maps: their table in waiting, how they fall apart, the page of zeros, and what counts them, as in Linux.

In quarters of one (drawn_huge.py), with the counters of drawn_counts.py and those of THP in /proc/vmstat. Who gets one, and how they move:
test_thp_fault.py; those of files: test_thp_file.py.
"""

import re

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_huge import SimulatedCountedHuge  # noqa: E402
from tests.mm.drawn_pages import Case, alike, complete, crossed, live_sample, recorded  # noqa: E402

MACHINE = SimulatedCountedHuge
ADVISED = "A advise hugepage 0-24"
BEFORE = ("A w 0", "A r 0", "A r 0, A w 4", "A at 0x80ffe w 4", "A advise populate_write 0-8", "A advise populate_read 0-8",
          "A w 0, A fork B", "A r 0, A fork B", "A w 0, A advise wipeonfork 0-8, A fork B", "A w 0, A advise dontfork 2-4, A fork B",
          "A lock 0-8", "A onfault 0-8, A w 0, A r 4", "A w 0-8, A fork B, B fork C, B exit")  # fmt: skip
CALLS = ("", "unmap 1-2", "unmap 0-4", "unmap 2-6", "prot r 1-2", "prot none 0-4, A prot rw 0-4", "advise dontneed 1-2",
         "advise dontneed 0-4", "advise dontneed_locked 3-5", "move 0-4 16", "move 0-4 17", "leave 0-4 16", "resize 0-4 1",
         "advise nohugepage 0-8", "lock 1-2", "advise free 1-2", "map a 1-2", "populate a 1-2", "advise guard 3-5", "fork D, D exit",
         "advise cold 1-2")  # fmt: skip
AFTER = ("", "A w 0-8", "A at 0x80ffc w 8, A at 0x80ffc r 8")
CHILDS = [f"B {call}" for call in CALLS if call and "D" not in call]

RULES = [  # what /proc/PID/status counts for A, in kB, what smaps says of huge pages in each area, what /proc/vmstat counted
    # do_huge_pmd_anonymous_page(): with the tables above, and one in waiting
    ("A w 0", "VmHWM+2048 RssAnon+2048 VmPTE+12", [2048], "thp_fault_alloc+1"),
    # the huge page of zeros is nobody's, and no fault's; what is written comes in its place, and takes the same table
    ("A r 0", "VmPTE+12", [], ""),
    ("A r 0, A w 0", "VmHWM+2048 RssAnon+2048 VmPTE+12", [2048], "thp_fault_alloc+1"),
    # __split_huge_pmd(): the table in waiting is used; one that is mapped in part waits to be split, where all of it is mapped it does not
    ("A w 0, A advise dontneed 1-2", "VmHWM+2040 RssAnon+1536 VmPTE+12", [], "thp_fault_alloc+1 thp_split_pmd+1 thp_deferred_split_page+1"),
    ("A w 0, A lock 1-2", "VmLck+512 VmHWM+2048 RssAnon+2048 VmPTE+12", [], "thp_fault_alloc+1 thp_split_pmd+1"),
    ("A r 0, A advise dontneed 1-2", "VmPTE+12", [], "thp_split_pmd+1"),
    # zap_huge_pmd(): as a whole it goes with its table
    ("A w 0, A advise dontneed 0-4", "VmHWM+2040 VmPTE+8", [], "thp_fault_alloc+1"),
    ("A r 0, A advise dontneed 0-4", "VmPTE+8", [], ""),
    # move_huge_pmd(): to where a huge page may be, with its table
    ("A w 0, A move 0-4 16", "VmHWM+2048 RssAnon+2048 VmPTE+12", [2048], "thp_fault_alloc+1"),
    ("A w 0, A move 0-4 17", "VmHWM+2048 RssAnon+2048 VmPTE+16", [], "thp_fault_alloc+1 thp_split_pmd+1"),
]  # fmt: skip


def cases():
    yield from crossed(("aaaa        ",), (ADVISED,), BEFORE, [call and f"A {call}" for call in CALLS], AFTER)
    yield from crossed(("aaaa        ",), (ADVISED,), BEFORE[6:10], CHILDS, ("", "A w 0-8"))


def counted(answer):
    counts, events = re.findall(r"\((.*)\) \| (.*)", answer)[0]
    return counts, [int(kb) for kb in re.findall(r"AnonHugePages=(\d+)", answer)], events


@pytest.mark.parametrize(("steps", "counts", "huge", "events"), RULES)
def test_what_a_huge_page_counts(steps, counts, huge, events):
    simulated = SimulatedCountedHuge()
    assert counted(simulated.answer(Case("aaaa        ", f"{ADVISED}, {steps}"))) == (counts, huge, events)
    assert simulated.machine.fsck() == []


def test_every_huge_page_is_what_it_was_in_linux():
    answers = recorded("thp")
    complete(answers, cases())
    alike(answers, SimulatedCountedHuge)


def test_huge_pages_are_what_they_are_on_this_kernel():
    rules = [("aaaa        ", f"{ADVISED}, {steps}", tuple(wanted)) for steps, *wanted in RULES]
    live_sample(cases(), rules, 31, SimulatedCountedHuge, counted)
