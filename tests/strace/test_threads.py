"""Which of the overlapping calls of threads came first: the answers tell."""

from types import SimpleNamespace

from vmtool.strace.effects import memory_op
from vmtool.strace.geometry import Geometry
from vmtool.strace.lines import FIRST_HALF as BEGUN
from vmtool.strace.lines import SECOND_HALF as ENDED
from vmtool.strace.lines import WHOLE
from vmtool.strace.order import Spans, apply
from vmtool.strace.procs import Space
from vmtool.strace.threads import settle

GEOMETRY = Geometry(4096, 2 << 20, 8 * 4096, (1 << 47) - 4096)
ANON = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"


class Machine:
    """A space up to 0x10a000 with its ranges alone."""

    def __init__(self, *spans):
        self.spans = Spans(list(spans), 0x10A000, GEOMETRY)

    def maps(self, mid):
        return [SimpleNamespace(start=start, end=end) for start, end in zip(self.spans.starts, self.spans.ends, strict=True)]

    def mm(self, mid):
        return SimpleNamespace(mmap_base=0x10A000)

    def act(self, call):
        self.spans = apply(self.spans, memory_op(call, GEOMETRY))


def order(*calls, spans=()):
    """The order in which calls (name, text, part, thread) are carried out: the threads."""
    done = []
    machine = Machine(*spans)
    replay = SimpleNamespace(machine=machine, geometry=GEOMETRY, act=lambda process, call: (done.append(call[1]), machine.act(call)))
    process = SimpleNamespace(space=Space(1))
    for line, (name, text, part, tid) in enumerate(calls, 1):
        settle(replay, process, (line, tid, name, text, part))
    return done


def test_an_mmap_inside_a_range_whose_munmap_is_unfinished_comes_after_it():
    assert order(
        ("munmap", "0x107000, 4096) = 0\n", BEGUN, 1),
        ("mmap", f"NULL, 4096, {ANON}) = 0x107000\n", WHOLE, 2),
        ("munmap", "0x107000, 4096) = 0\n", ENDED, 1),
        spans=[(0x107000, 0x10A000)],
    ) == [1, 2]


def test_an_mmap_elsewhere_does_not_wait_for_it():
    assert order(
        ("munmap", "0x107000, 4096) = 0\n", BEGUN, 1),
        ("mmap", f"NULL, 4096, {ANON}) = 0x105000\n", WHOLE, 2),
        ("munmap", "0x107000, 4096) = 0\n", ENDED, 1),
        spans=[(0x106000, 0x10A000)],
    ) == [2, 1]


def test_of_two_mmaps_the_higher_answer_came_first():
    assert order(
        ("mmap", f"NULL, 4096, {ANON}) = 0x109000\n", BEGUN, 1),
        ("mmap", f"NULL, 4096, {ANON}) = 0x108000\n", WHOLE, 2),
        ("mmap", f"NULL, 4096, {ANON}) = 0x109000\n", ENDED, 1),
    ) == [1, 2]


def test_a_higher_answer_that_the_kernel_could_not_give_yet_does_not_come_first():
    # 1's mmap got what 3 gave back while 2's was under way
    assert order(
        ("mmap", f"NULL, 4096, {ANON}) = 0x109000\n", BEGUN, 1),
        ("mmap", f"NULL, 4096, {ANON}) = 0x107000\n", WHOLE, 2),
        ("munmap", "0x109000, 4096) = 0\n", BEGUN, 3),
        ("mmap", f"NULL, 4096, {ANON}) = 0x109000\n", ENDED, 1),
        ("munmap", "0x109000, 4096) = 0\n", ENDED, 3),
        spans=[(0x108000, 0x10A000)],
    ) == [2, 3, 1]


def test_an_mmap_that_would_have_gone_higher_afterwards_comes_first():
    assert order(
        ("mmap", f"NULL, 4096, {ANON}) = 0x107000\n", BEGUN, 1),
        ("munmap", "0x109000, 4096) = 0\n", WHOLE, 2),
        ("mmap", f"NULL, 4096, {ANON}) = 0x107000\n", ENDED, 1),
        spans=[(0x108000, 0x10A000)],
    ) == [1, 2]


def test_an_mremap_that_moved_was_given_the_highest_hole_while_the_old_range_was_there():
    assert order(
        ("mmap", f"NULL, 4096, {ANON}) = 0x108000\n", BEGUN, 1),
        ("mremap", "0x109000, 4096, 8192, MREMAP_MAYMOVE) = 0x106000\n", WHOLE, 2),
        ("mmap", f"NULL, 4096, {ANON}) = 0x108000\n", ENDED, 1),
        spans=[(0x109000, 0x10A000)],
    ) == [1, 2]


def test_what_is_protected_was_mapped_before():
    assert order(
        ("mmap", f"NULL, 4096, {ANON}) = 0x109000\n", BEGUN, 1),
        ("mprotect", "0x109000, 4096, PROT_READ) = 0\n", WHOLE, 2),
        ("mmap", f"NULL, 4096, {ANON}) = 0x109000\n", ENDED, 1),
    ) == [1, 2]


def test_an_answer_still_to_come_is_no_reason_to_act_on_it():
    # the range was given back before, and mapped again by a call that began later
    assert order(
        ("munmap", "0x107000, 8192) = 0\n", BEGUN, 1),
        ("mmap", f"NULL, 4096, {ANON}) = 0x107000\n", BEGUN, 2),
        ("munmap", "0x107000, 8192) = 0\n", ENDED, 1),
        ("mmap", f"NULL, 4096, {ANON}) = 0x107000\n", ENDED, 2),
        spans=[(0x107000, 0x10A000)],
    ) == [1, 2]


def test_each_call_is_carried_out_once():
    calls = [
        ("mprotect", "0x107000, 4096, PROT_READ) = 0\n", BEGUN, 1),
        ("mprotect", "0x109000, 4096, PROT_READ) = 0\n", BEGUN, 2),
        ("mprotect", "0x107000, 4096, PROT_READ) = 0\n", ENDED, 1),
        ("mprotect", "0x109000, 4096, PROT_READ) = 0\n", ENDED, 2),
    ]
    assert order(*calls, spans=[(0x107000, 0x10A000)]) == [1, 2]
