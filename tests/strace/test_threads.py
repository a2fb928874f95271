"""Which of the overlapping calls of threads came first: the answers tell."""

from types import SimpleNamespace

from vmtool.strace.lines import FIRST_HALF as BEGUN
from vmtool.strace.lines import SECOND_HALF as ENDED
from vmtool.strace.lines import WHOLE
from vmtool.strace.procs import Space
from vmtool.strace.threads import settle

ANON = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"


def order(*calls):
    """The order in which calls (name, text, part, thread) are carried out: the threads."""
    done = []
    replay = SimpleNamespace(act=lambda process, call: done.append(call[1]))
    process = SimpleNamespace(space=Space(1))
    for line, (name, text, part, tid) in enumerate(calls, 1):
        settle(replay, process, (line, tid, name, text, part))
    return done


def test_an_mmap_inside_a_range_whose_munmap_is_unfinished_comes_after_it():
    assert order(
        ("munmap", "0x7000, 4096) = 0\n", BEGUN, 1),
        ("mmap", f"NULL, 4096, {ANON}) = 0x7000\n", WHOLE, 2),
        ("munmap", "0x7000, 4096) = 0\n", ENDED, 1),
    ) == [1, 2]


def test_an_mmap_elsewhere_does_not_wait_for_it():
    assert order(
        ("munmap", "0x7000, 4096) = 0\n", BEGUN, 1),
        ("mmap", f"NULL, 4096, {ANON}) = 0x5000\n", WHOLE, 2),
        ("munmap", "0x7000, 4096) = 0\n", ENDED, 1),
    ) == [2, 1]


def test_of_two_mmaps_the_higher_answer_came_first():
    assert order(
        ("mmap", f"NULL, 4096, {ANON}) = 0x9000\n", BEGUN, 1),
        ("mmap", f"NULL, 4096, {ANON}) = 0x8000\n", WHOLE, 2),
        ("mmap", f"NULL, 4096, {ANON}) = 0x9000\n", ENDED, 1),
    ) == [1, 2]


def test_an_answer_still_to_come_is_no_reason_to_act_on_it():
    # the range was given back before, and mapped again by a call that began later
    assert order(
        ("munmap", "0x7000, 8192) = 0\n", BEGUN, 1),
        ("mmap", f"NULL, 4096, {ANON}) = 0x7000\n", BEGUN, 2),
        ("munmap", "0x7000, 8192) = 0\n", ENDED, 1),
        ("mmap", f"NULL, 4096, {ANON}) = 0x7000\n", ENDED, 2),
    ) == [1, 2]


def test_each_call_is_carried_out_once():
    calls = [
        ("mprotect", "0x7000, 4096, PROT_READ) = 0\n", BEGUN, 1),
        ("mprotect", "0x9000, 4096, PROT_READ) = 0\n", BEGUN, 2),
        ("mprotect", "0x7000, 4096, PROT_READ) = 0\n", ENDED, 1),
        ("mprotect", "0x9000, 4096, PROT_READ) = 0\n", ENDED, 2),
    ]
    assert order(*calls) == [1, 2]
