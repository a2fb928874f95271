"""Anonymous pages, their bytes and who counts them: the page of zeros, copies for a writer, the last owner's reuse, as in Linux.

Every kind of access to every kind of area: test_fault.py; pages that come back from swap: test_swap_back.py; the report of a group that is
out of memory: test_memcg_stat.py.
"""

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_counts import SimulatedCounted, refused  # noqa: E402
from tests.mm.drawn_pages import PAGE, Case, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402
from vmtool.errors import Signal  # noqa: E402

MACHINE = SimulatedCounted
SPACES = ("a ", "x ", "w ", "d ", "ra")
BEFORE = ("", "A at 0x0 w 4, A w 1", "A r 0-2", "A r 0-2, A at 0x0 w 4", "A lock 0-2, A at 0x0 w 4", "A r 0, A onfault 0-2",
          "A at 0x0 w 4, A advise dontneed 0-1", "A at 0x0 w 4, A advise free 0-2", "A at 0x0 w 4, A advise wipeonfork 0-2",
          "A at 0x0 w 4, A prot r 0-2, A prot rw 0-2", "A at 0x0 w 4, A move 0-2 8, A move 8-10 0")  # fmt: skip
ALONE = ("", "A fork B, B exit", "A fork B, A fork C, B exit, C exit", "A fork B, B fork C, B exit, C exit")
TOGETHER = ("A fork B", "A fork B, A fork C, C exit", "A fork B, B at 0x1 w 1", "A fork B, B lock 0-2",
            "A fork B, B unmap 0-1, B map a 0-1", "A fork B, B advise dontneed 0-2", "A fork B, B move 0-2 8, B move 8-10 0",
            "A fork B, A prot r 0-2")  # fmt: skip
WRITES = ("A at 0x2 w 1, A at 0x0 r 6", "A at 0xffe w 4, A at 0xffc r 8", "A r 0-2, A w 0-2")
CHILDS = ("B at 0x0 r 4", "B at 0x3 w 1, B at 0x0 r 4, A at 0x0 r 4")
IN_SWAP = ("A at 0xffc w 8, A advise pageout 0-2", "A at 0xffc w 8, A lock 1-2, A advise pageout 0-2")

RULES = [
    # do_anonymous_page(): what was never written reads as zeros, from one page for all; an RSS of nothing, but a table
    ("a ", "A at 0xffc r 8", "0000000000000000(2+0) | A 0 0"),
    # wp_page_copy(): of the page of zeros, and of another's, the bytes are copied, and then the write happens
    ("a ", "A r 0, A at 0x2 w 1, A at 0x0 r 4", "1+0 (1+0) 00000100(0+0) | A a1!"),
    ("a ", "A at 0x0 w 4, A fork B, B at 0x2 w 1, B at 0x0 r 4", "(1+0) ok (1+0) 01020104(0+0) | A a1! | B b1!"),
    ("a ", "A at 0x0 w 4, A fork B, B at 0x2 w 1, A at 0x0 r 4", "(1+0) ok (1+0) 01020304(0+0) | A a1! | B b1!"),
    # wp_page_reuse(): the last one that has it copies nothing
    ("a ", "A at 0x0 w 4, A fork B, B exit, A at 0x2 w 1, A at 0x0 r 4", "(1+0) ok ok (1+0) 01020104(0+0) | A a1!"),
    # what MADV_DONTNEED took comes back as zeros; what MADV_FREE marked is kept by a write
    ("a ", "A at 0x0 w 4, A advise dontneed 0-1, A at 0x0 r 4", "(1+0) ok 00000000(1+0) | A 0"),
    ("a ", "A at 0x0 w 4, A advise free 0-1, A at 0x3 w 1, A at 0x0 r 4", "(1+0) ok (0+0) 01020301(0+0) | A a1!"),
    # a locked area: the page of zeros is not locked, a page of one's own is
    ("a ", "A onfault 0-2, A r 0, A w 1", "ok 1+0 1+0 | A 0 a1!"),
    # a child that copies a locked page leaves the parent's locked: its own is not
    ("a ", "A lock 0-2, A fork B, B at 0x0 w 1", "ok ok (1+0) | A a1! b2 | B c1! b2"),
]  # fmt: skip

REFUSED = [("A r 0", "A w 0"), ("A r 0", "A at 0x1000 w 1"), ("A r 0, A fork B", "B w 1"), ("A r 0, A fork B, B fork C", "C w 0")]


def cases():
    yield from crossed(SPACES, BEFORE, ALONE, WRITES)
    yield from crossed(SPACES, BEFORE, TOGETHER, WRITES, CHILDS)
    yield from crossed(("a ",), IN_SWAP, ALONE, WRITES)
    yield from crossed(("a ",), IN_SWAP, TOGETHER[:4], WRITES, CHILDS)


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_an_anonymous_page(space, steps, wanted):
    simulated = SimulatedCounted()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_every_anonymous_page_is_what_it_was_in_linux():
    answers = recorded("fault_anon")
    complete(answers, cases())
    alike(answers, SimulatedCounted)


def test_anonymous_pages_are_what_they_are_on_this_kernel():
    live_sample(cases(), RULES, 97, SimulatedCounted)


@pytest.mark.parametrize(("before", "after"), REFUSED)
def test_a_fault_that_is_refused_memory_comes_again(before, after):
    """pagefault_out_of_memory(): the access is made anew, and all is as if nothing had been refused, but for the faults that failed."""
    wanted = SimulatedCounted().answer(Case("a ", f"{before}, {after}"))
    answers = [answer for answer, _ in refused("a ", before, after)]
    assert answers == [wanted] * len(answers)
    assert len(answers) > 1


@pytest.mark.parametrize("probe", [False, True])
def test_a_page_beyond_the_groups_limit_is_the_end(probe):
    """SIGKILL, which no handler catches; everything it had is free."""
    simulated = SimulatedCounted()
    simulated.answer(Case("a ", "A w 0"))
    m, [pid] = simulated.machine, simulated.left
    m.cgroup_create("small")
    m.cgroup_set("small", "memory.max", 20 * PAGE)
    m.cgroup_move("small", pid)
    base = m.mmap(pid, 0, 64 * PAGE, 3, 0x22)
    with pytest.raises(Signal) as signal:
        m.touch(pid, base, 64 * PAGE, "w", probe)
    assert (signal.value.signo, signal.value.killed) == (9, True)
    assert 8 < signal.value.minor < 20
    assert [task.pid for task in m.tasks()] == [simulated.drainer]
    simulated.left.clear()
    simulated.drain()  # a batch of the LRU may hold pages of who is gone
    assert m.cgroup("small")["memory.current"] <= 3 * PAGE
    assert m.fsck() == []


def test_who_may_not_be_killed_is_when_no_memory_comes():
    """Linux would try for ever. The machine is none the worse, and its report names nobody."""
    m = SimulatedCounted().machine
    m.cgroup_create("small")
    m.cgroup_set("small", "memory.max", 20 * PAGE)
    pid = m.spawn("a", None, [b"a"], [])
    m.cgroup_move("small", pid)
    m.set_oom_score_adj(pid, -1000)
    base = m.mmap(pid, 0, 64 * PAGE, 3, 0x22)
    with pytest.raises(Signal) as signal:
        m.touch(pid, base, 64 * PAGE, "w")
    assert (signal.value.signo, signal.value.addr) == (9, base + signal.value.minor * PAGE)
    assert m.cgroup("small")["memory.events"]["oom_kill"] == 0
    assert any("no killable processes" in text for _, text in m.kmsg())
    other = m.spawn("b", None, [b"b"], [])
    m.touch(other, m.mmap(other, 0, PAGE, 3, 0x22), PAGE, "w")
    assert m.fsck() == []
