"""The comparison itself: it must notice whatever differs, and nothing else."""

import pytest

from tests.differential.compare import Comparison
from tests.differential.script import Answer

MAPS = """\
00400000-00401000 r--p 00000000 08:01 1001                               /target
7ffff7fd5000-7ffff7fd7000 rw-s 00000000 00:01 2052                       /dev/zero (deleted)
7ffff7fd7000-7ffff7ff7000 rw-p 00000000 00:00 0 """
STATUS = "Name:\ttarget\nVmPeak:\t     168 kB\nVmHWM:\t      12 kB\nVmRSS:\t      12 kB\nThreads:\t1"
PAGES = "0x7ffff7ff5000 0x8100000000000000\n0x7ffff7ff6000 0x0000000000000000"

ANSWERS = [
    Answer(1, "mmap", out="0x7ffff7ff0000"),
    Answer(2, "mmap", exit=1, errno="ENOMEM"),
    Answer(3, "touch", out="minor=2 major=0"),
    Answer(4, "touch", exit=139, signal="SIGSEGV", sigcode="SEGV_MAPERR", sigaddr=0x1000),
    Answer(5, "cat-maps", out=MAPS),
    Answer(6, "status", out=STATUS),
    Answer(7, "pagemap", out=PAGES),
    Answer(8, "mincore", out="0110"),
    Answer(9, "statm", out="40 3 2 2 0 36 0"),
    Answer(10, "munmap"),
]


def compare(wanted, **changes):
    return Comparison().line("", wanted, {**wanted._asdict(), **changes})


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: a.cmd)
def test_an_answer_is_like_itself(answer):
    assert compare(answer) is None


@pytest.mark.parametrize("answer", [a for a in ANSWERS if a.out], ids=lambda a: a.cmd)
def test_every_changed_digit_is_noticed(answer):
    for i, c in enumerate(answer.out):
        line_start = answer.out.rfind("\n", 0, i) + 1
        is_free = answer.out[line_start:].startswith(("Name", "Threads")) or "00:01 2052 " in answer.out[max(i - 10, 0) : i + 10]
        is_low_bit = answer.cmd == "pagemap" and i - line_start >= 19  # bits that are not compared
        if c.isdigit() and not is_free and not is_low_bit:
            changed = answer.out[:i] + str((int(c) + 5) % 10) + answer.out[i + 1 :]
            assert compare(answer, out=changed), changed


def test_a_missing_line_or_answer_is_noticed():
    assert compare(ANSWERS[4], out=MAPS.rsplit("\n", 1)[0]).kind == "cat-maps: length"
    assert Comparison().line("", ANSWERS[0], None).kind == "mmap: no answer"


@pytest.mark.parametrize(("changes", "kind"), [
    (dict(signal=None, exit=0), "touch: SIGSEGV expected, ok given"),
    (dict(signal="SIGBUS"), "touch: SIGSEGV expected, SIGBUS given"),
    (dict(sigcode="SEGV_ACCERR"), "touch: SIGSEGV code"),
    (dict(sigaddr="0x2000"), "touch: SIGSEGV address"),
])
def test_signals(changes, kind):
    assert compare(ANSWERS[3], **changes).kind == kind


def test_an_errno_for_another_or_for_success_is_noticed():
    assert compare(ANSWERS[1], errno="EINVAL").kind == "mmap: ENOMEM expected, EINVAL given"
    assert compare(ANSWERS[1], errno=None, exit=0).kind == "mmap: ENOMEM expected, ok given"
    assert compare(ANSWERS[9], exit=1, errno="EINVAL").kind == "munmap: ok expected, EINVAL given"


def test_what_the_kernel_does_not_fix_is_free():
    assert compare(ANSWERS[4], out=MAPS.replace("2052", "7777")) is None
    assert compare(ANSWERS[5], out=STATUS.replace("Threads:\t1", "Threads:\t2")) is None
    assert compare(ANSWERS[3], exit=0) is None
    assert compare(Answer(1, "fork", out="1234"), out="2") is None


def test_two_shared_areas_must_be_two_on_both_sides():
    two = MAPS + "\n7ffff7fd3000-7ffff7fd5000 rw-s 00000000 00:01 2053                       /dev/zero (deleted)"
    assert compare(ANSWERS[4]._replace(out=two), out=two.replace("2053", "2052")).kind == "cat-maps: area inode"


def test_a_break_below_the_start_may_fail_or_not():
    answer = Answer(1, "brk", out="0x408000", may_fail=True)
    assert compare(answer) is None
    assert compare(answer, exit=1, errno="ENOMEM", out="") is None
    assert compare(answer, out="0x409000").kind == "brk: address"
