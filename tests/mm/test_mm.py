"""The life of an address space: what a child has of it, what the two count then, and that an end gives everything back, as in Linux.

Who copies a page when one of them writes: test_fork.py, test_fault_anon.py; who is mapped where: test_rmap.py.
"""

import re

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_counts import SimulatedCounted, refused  # noqa: E402
from tests.mm.drawn_pages import PAGE, Case, alike, complete, crossed, live_sample, recorded  # noqa: E402

MACHINE = SimulatedCounted
VM_ACCOUNT = 0x100000
NR_CACHES = 60  # records of kmem_cache
KEPT = {19, 30}  # vmap_area: freed stacks wait for a purge; kmalloc-512: sheaves stay with their cache
SPACES = ("armf", "ad  s", "smn", "pxg", "aa  ss", "d aa")
BEFORE = ("", "A w 0-4", "A lock 0-2, A w 0-4", "A onfault 0-4, A r 0, A w 1", "A lockall 1", "A lockall 2, A map a 8-10",
          "A lockall 3, A map d 10-12", "A w 0-4, A advise dontfork 1-3", "A w 0-4, A advise wipeonfork 0-2",
          "A w 0-4, A advise wipeonfork 1-3", "A w 0-4, A advise dontfork 0-2, A advise dofork 0-1",
          "A advise wipeonfork 0-2, A w 0-2, A advise keeponfork 0-1", "A w 0-4, A prot none 1-3", "A r 0-4",
          "A advise guard 0-1, A w 2-4", "A w 0-4, A unmap 0-8", "A advise dontfork 0-8")  # fmt: skip
FORKED = ("A fork B", "A fork B, B fork C", "A fork B, A fork C, A exit")
AFTER = ("", "B map a 10-12, B w 10-12", "B exit", "B r 0-8", "B w 0-4", "B lock 0-2", "B unmap 0-8", "B lockall 3",
         "B limit as 1, B map a 8-10")  # fmt: skip

RULES = [  # who: what it counts beyond what A did at the start
    # dup_mmap(): locks are not inherited, and MCL_FUTURE is not
    ("a ", "A lock 0-2, A fork B", {"A": "VmLck+8 VmHWM+8 RssAnon+8 VmPTE+12", "B": "VmHWM+8 RssAnon+8 VmPTE+12"}),
    ("  ", "A lockall 2, A map a 0-2, A fork B, B map a 4-6", {"A": "VmSize+8 VmLck+8 VmHWM+8 RssAnon+8 VmData+8 VmPTE+12",
                                                              "B": "VmSize+16 VmHWM+8 RssAnon+8 VmData+16 VmPTE+12"}),
    # VM_DONTCOPY is left out of the sizes, too; VM_WIPEONFORK comes without pages and tables
    ("a ", "A w 0-2, A advise dontfork 0-2, A fork B", {"A": "VmHWM+8 RssAnon+8 VmPTE+12", "B": "VmSize-8 VmData-8"}),
    ("d ", "A w 0-2, A advise dontfork 0-2, A fork B", {"A": "VmHWM+8 RssAnon+8 VmPTE+12", "B": "VmSize-8 VmStk-8"}),
    ("a ", "A w 0-2, A advise wipeonfork 0-2, A fork B", {"A": "VmHWM+8 RssAnon+8 VmPTE+12", "B": ""}),
    # vma_needs_copy(): shared memory and files come without pages and tables
    ("m ", "A w 0-2, A fork B", {"A": "VmHWM+8 RssShmem+8 VmPTE+12", "B": ""}),
    ("f ", "A r 0, A fork B", {"A": "VmHWM+8 RssFile+8 VmPTE+12", "B": ""}),
    # copy_page_range(): a table that the parent has is made for the child, with or without entries
    ("a ", "A w 0-2, A advise dontneed 0-2, A fork B", {"A": "VmPTE+12", "B": "VmPTE+12"}),
]  # fmt: skip


def cases():
    yield from crossed(SPACES, BEFORE, FORKED, AFTER)


def counted(answer):
    """Of each process: what its look says in parentheses."""
    return {look[0]: re.search(r"\((.*)\)", look)[1] for look in answer.split(" | ")[1:]}


class Charging(SimulatedCounted):
    """At every look: promised is what the areas say."""

    def look(self):
        assert self.machine.meminfo()["Committed_AS"] == promised_kb(self.machine)
        return super().look()


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_a_fork(space, steps, wanted):
    simulated = SimulatedCounted()
    assert counted(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_every_space_is_what_it_was_in_linux():
    answers = recorded("mm")
    complete(answers, cases())
    alike(answers, SimulatedCounted)


def test_spaces_are_what_they_are_on_this_kernel():
    live_sample(cases(), RULES, 97, SimulatedCounted, counted)


def belongings(machine):
    """What processes have: memory that was promised, objects of the kernel, frames by what they are for."""
    objects = [machine.peek("kmem_cache", record, "nr_objs") for record in range(1, NR_CACHES) if record not in KEPT]
    frames = {kind: nr for kind, nr in machine.frames_summary() if kind not in ("free", "pcp", "slab")}
    return machine.meminfo()["Committed_AS"], objects, frames


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("after", AFTER)
def test_what_a_family_had_is_all_back(before, after):
    """Whoever ends first; and at every step as much is promised as the areas say that Linux has (VmFlags: ac)."""
    simulated, found = Charging(), []
    for space in SPACES[:1] + SPACES:  # the first time files and names come that stay
        simulated.answer(Case(space, ", ".join(filter(None, (before, "A fork B, B fork C", after)))))
        for pid in simulated.left[1::2] + simulated.left[::2]:
            simulated.machine.exit(pid)
        simulated.left.clear()
        simulated.forget()
        simulated.drain()
        found.append(belongings(simulated.machine))
    assert found == found[:1] * len(found)
    assert simulated.machine.fsck() == []


@pytest.mark.parametrize("before", [*BEFORE, "A w 0-2, A fork B"])
def test_a_fork_that_is_refused_memory_leaves_no_child(before):
    """ENOMEM; who forked has what one has whose child ended, but that pages which were not come to are its own yet."""
    steps = ", ".join(filter(None, (before, "A fork C")))
    wanted, whole = (SimulatedCounted().answer(Case(SPACES[0], text)) for text in (f"{steps}, C exit", steps))
    nr_refused = 0
    for answer, simulated in refused(SPACES[0], before, "A fork C"):
        is_refused = answer.split(" | ")[0].endswith("ENOMEM")
        nr_refused += is_refused
        assert without_owners(answer) == without_owners(wanted if is_refused else whole)
        assert simulated.machine.meminfo()["Committed_AS"] == promised_kb(simulated.machine)
    assert nr_refused > 10


def without_owners(answer):
    return answer.replace("!", "").split(" | ")[1:]


def promised_kb(machine):
    """What areas of VM_ACCOUNT have, and shared memory, of two pages each here, as long as somebody maps any of it."""
    areas = [area for task in machine.tasks() for area in machine.maps(task.pid)]
    private = sum(area.end - area.start for area in areas if area.flags & VM_ACCOUNT)
    shared = {area.inode for area in areas if area.name.startswith("/dev/zero")}
    return (private + len(shared) * 2 * PAGE) >> 10
