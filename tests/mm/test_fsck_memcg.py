"""Each invariant of control groups: one field is damaged, fsck says which in a line. The sentences are written here by hand."""

import pytest

from .story import PAGE, PROT_READ, PROT_WRITE, Cases, Story

CASES = Cases()
case = CASES.case
MIB = 1 << 20


def grouped(s):
    """Group 1 and, below it, group 2 with a process that has pages of its own, of a file, and in swap."""
    s.m.swapon(4 * MIB)
    for name in ("g", "g/h"):
        s.m.cgroup_create(name)
    s.m.mkfile("/data", 8 * PAGE)
    s.m.drop_caches(1)
    pid = s.m.spawn("p", None, [b"p"], [])
    s.m.cgroup_move("g/h", pid)
    s.own = s.m.mmap(pid, 0, 16 * PAGE, PROT_READ | PROT_WRITE, 0x22)
    for page in range(16):
        s.m.store(pid, s.own + page * PAGE, b"1")
    s.m.read(pid, "/data", 0, 8 * PAGE)
    s.m.madvise(pid, s.own + 8 * PAGE, 8 * PAGE, 21)
    s.m.drop_caches(1)
    assert s.m.fsck() == []
    return pid


@case("memcg-pays")
def _(s):
    pid = grouped(s)
    pfn = s.m.walk(pid, s.own).phys // PAGE
    s.m.poke("folio_x", pfn, "memcg", 9)
    return f"frame {pfn} is charged to group 9, which is not there"


@case("memcg-usage")
def _(s):
    grouped(s)
    n = s.change("memcg", 2, "memory.usage")
    return f"the usage of group 2 is wrong: {n} pages are charged to it and those below"


@case("memcg-swap")
def _(s):
    grouped(s)
    n = s.change("memcg", 1, "swap.usage")
    return f"the swap usage of group 1 is wrong: it and those below pay for {n} slots"


@case("memcg-stat")
def _(s):
    grouped(s)
    nr_anon_mapped = 7
    assert s.change("memcg", 2, f"stat[{nr_anon_mapped}]") >= 8
    return f"counter {nr_anon_mapped} of group 2 is not the sum over what it pays for"


@case("memcg-lists")
def _(s):
    grouped(s)
    s.change("memcg", 1, "total[0]")
    return "group 1 counts the pages of LRU list 0 wrongly"


@case("memcg-named")
def _(s):
    grouped(s)
    n = s.change("memcg", 1, "nr_charged")
    assert n == 1  # the group below
    return f"group 1 is kept by another number of charges than {n}"


@case("memcg-tree")
def _(s):
    grouped(s)
    s.m.poke("memcg", 2, "parent", 9)
    return "group 2 is below group 9, which is not there"


@case("memcg-state")
def _(s):
    grouped(s)
    s.m.poke("memcg", 2, "state", 3)
    return "group 2 is neither there nor removed: its state is 3"


@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_in_a_line_of_its_own(name):
    story = Story()
    line = f"{name}: {CASES[name](story)}"
    assert line in story.m.fsck()
