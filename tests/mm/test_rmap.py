"""Who maps a page: map counts and mappers after chains of fork, holes, moves and ends in every order, as in Linux."""

from itertools import permutations

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_pages import LOW, NR_PAGES, PAGE, PFN, PRESENT, Case, Simulated, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402

SPACES = ("aa    ", "ms    ")
BEFORE = ("A w 0-4, A fork B", "A w 0-4, A unmap 1-2, A fork B", "A w 0-4, A move 0-2 8, A fork B, B move 8-10 0")
BETWEEN = ("", "B unmap 0-1", "B move 0-2 8", "B w 0", "A move 1-3 6")
CHILDREN = ("A fork C", "B fork C")
BEHIND = ("", "C w 0-4", "C move 0-2 8", "A unmap 1-3", "B leave 2-4 6")
ENDS = [", ".join(f"{who} exit" for who in order) for nr in (0, 2) for order in permutations("ABC", nr)]

RULES = [
    # folio_add_anon_rmap, folio_dup_anon_rmap, folio_remove_rmap: one for each entry
    ("a     ", "A w 0-2, A fork B, B fork C, B exit", "2+0 ok ok ok | A a2 b2 | C a2 b2"),
    ("a     ", "A w 0-2, A fork B, A unmap 0-1", "2+0 ok ok | A . b2 | B a1! b2"),
    ("a     ", "A w 0-2, A fork B, B move 0-2 4", "2+0 ok ok | A a2 b2 | B . . . . a2 b2"),
    # mremap() of a length of 0 is a second mapping of shared memory: EINVAL of private memory
    ("m     ", "A w 0-2, A move 0-0 4 2, A r 4-6", "2+0 ok 1+0 | A a2 b2 . . a2 b2"),
    ("a     ", "A w 0-2, A move 0-0 4 2", "2+0 EINVAL | A a1! b1!"),
    # the same file twice in one space
    ("s     ", "A w 0, A fork B, B map s 0-2, B r 0", "1+0 ok ok 1+0 | A a2 | B a2 b1!"),
]  # fmt: skip

# Objects that an anonymous area of a family has: anon_vma_fork() makes an anon_vma for each child, and a chain link to each ancestor's;
# anon_vma_clone() takes one over whose areas are all gone and that has one child at most
OBJECTS = [  # steps, anon_vma, anon_vma_chain
    ("A w 0-2", 1, 1),
    ("A w 0-2, A unmap 0-1", 1, 1),
    ("A w 0-2, A prot r 0-1", 1, 2),
    ("A w 0-2, A fork B", 2, 3),
    ("A w 0-2, A fork B, A fork C", 3, 5),
    ("A w 0-2, A fork B, B fork C", 3, 6),
    ("A w 0-2, A fork B, A exit", 2, 2),
    ("A w 0-2, A fork B, A exit, B fork C", 3, 5),
    ("A w 0-2, A fork B, B fork C, B exit, C fork D", 3, 7),
    ("A w 0-2, A fork B, B exit, A fork C, C exit", 1, 1),
    ("A fork B, A w 0, B w 0", 2, 2),
]  # fmt: skip


class Mapped(Simulated):
    """At every look: who maps a page by the objects is who maps it by the tables, and its map count is how many they are."""

    def look(self):
        found: dict[int, list[tuple[int, int]]] = {}
        entries = super().look()
        for name, pages in entries.items():
            for at, entry in enumerate(pages):
                if entry & PRESENT and self.names[entry & PFN] != "0":
                    found.setdefault(entry & PFN, []).append((self.tasks[name], LOW + at * PAGE))
        for pfn, wanted in found.items():
            assert [(pid, addr) for pid, addr, *_ in self.machine.mapped_by(pfn)] == sorted(wanted)
            assert self.kpage("kpagecount", pfn) == len(wanted)
        return entries


def cases():
    for case in crossed(SPACES, BEFORE, BETWEEN, CHILDREN, BEHIND, ENDS):
        left = sorted(set("ABC") - {step[0] for step in case.steps.split(", ") if step.endswith(" exit")})
        yield case._replace(steps=f"{case.steps}, {left[-1]} w 0-1")


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_map_counts(space, steps, wanted):
    simulated = Mapped()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


@pytest.mark.parametrize(("steps", "nr_anon_vmas", "nr_links"), OBJECTS)
def test_objects_of_a_family(steps, nr_anon_vmas, nr_links):
    """Of the window alone: beside a family that does the same without it."""
    counts = []
    for space in ("  ", "a "):
        simulated, seen = Mapped(), []
        before = objects(simulated)
        simulated.look = lambda s=simulated, seen=seen: seen.append(objects(s)) or Mapped.look(s)
        simulated.answer(Case(space, steps))
        counts.append(seen[-1])
        assert simulated.machine.fsck() == []
        simulated.forget()
        assert objects(simulated) == before
    assert [mine - other for other, mine in zip(*counts, strict=True)] == [nr_anon_vmas, nr_links]


def objects(simulated):
    """Of the caches anon_vma and anon_vma_chain."""
    return [simulated.machine.peek("kmem_cache", record, "nr_objs") for record in (4, 5)]


def test_every_family_maps_what_it_mapped_in_linux():
    answers = recorded("rmap")
    complete(answers, cases())
    alike(answers, Mapped)


def test_families_map_what_they_map_on_this_kernel():
    live_sample(cases(), RULES, 331)


def test_the_window_holds_every_place():
    numbers = {int(word) for case in cases() for word in case.steps.replace("-", " ").replace(",", " ").split() if word.isdigit()}
    assert max(numbers) <= NR_PAGES
