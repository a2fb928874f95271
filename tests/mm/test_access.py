"""Every load, store and instruction fetch: which byte a signal names, what was stored before it, how far a stack grows, as in Linux.

Whole pages and what becomes of them: test_fault.py; protection keys: test_pkeys_live.py.
"""

from itertools import product

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_counts import MORE_KINDS, STUB, SimulatedCounted  # noqa: E402
from tests.mm.drawn_pages import KINDS, LOW, PAGE, Case, alike, brief, complete, crossed, live_sample, recorded  # noqa: E402
from tests.mm.test_access_quick import chunks  # noqa: E402
from vmtool.errors import Signal  # noqa: E402

MACHINE = SimulatedCounted
EVERY = [*KINDS, *MORE_KINDS, " "]
BEFORE = ("", "A w 0-2", "A w 0-2, A prot none 0-2", "A r 0-2, A advise guard 0-1", "A w 0-2, A unmap 0-2", "A w 0-2, truncate 100")
ONE_BYTE = ("A at 0x7 r", "A at 0x7 w", "A at 0x10 x", "A at 0x1fff r", "A at 0x1fff w", "A at 0x2000 r")
ACROSS = ("A at 0x1ffc w 8, A at 0x1ffc r 4", "A at 0x1ffc r 8", "A at 0x3ffd w 6, A at 0x3ffd r 3")
BELOW = ("a    d", "p    d", "r    d", "d    d", "f    d", "     d", " a   d", "    ad", "    pd", "   a d")
LIMITS = ("", "A limit stack 6", "A limit stack 5", "A limit as 2", "A limit data 1", "A lockall 2, A map d 10-12",
          "A lock 10-12, A limit memlock 4")  # fmt: skip
DOWN = ("A w 9, A w 8, A w 7, A w 5", "A at 0x7ffc w 8", "A at 0x8fff r", "A r 9, A x 8", "A w 7, A fork B, B w 6, A w 6",
        "A prot r 10-12, A r 9, A w 9", "A prot none 10-12, A r 9", "A w 8, A unmap 9-10, A w 9, A w 7")  # fmt: skip
PLACES = ("0x0", "0x8", "0xfff", "0xffff", "0x400000", "0x7fffffffefff", "0x7ffffffff000", "0x7fffffffffff", "0x800000000000",
          "0xffff7fffffffffff", "0xffff800000000000", "0xffffffff81000000", "0xfffffffffffffff8")  # fmt: skip
FORBIDDEN = [("r ", 0, "w"), ("t ", 0, "w"), ("p ", 0, "r"), ("p ", 0, "x"), ("  ", 0, "r"), ("a    d", 9, "w")]

RULES = [
    # access_error(): a write needs VM_WRITE, a read any right at all: what may only be written or run can be read on x86
    ("w ", "A at 0x7 w, A at 0x7 r", "(1+0) 01(0+0) | A a1!"),
    ("c ", "A at 0x7 r, A at 0x7 w", "00(1+0) SEGV_ACCERR@0x7(0+0) | A 0"),
    # what may be read is brought in for a fetch, too; the entry then forbids it
    ("a ", "A at 0x10 x, A at 0x10 r", "SEGV_ACCERR@0x10(1+0) 00(0+0) | A 0"),
    ("p ", "A at 0x1fff r, A at 0x2000 r", "SEGV_ACCERR@0x1fff(0+0) SEGV_MAPERR@0x2000(0+0) | A"),
    # what came before the border is stored, and the signal names the first byte behind it
    ("ar", "A at 0x1ffc w 8, A at 0x1ffc r 8", "SEGV_ACCERR@0x2000(1+0) 0102030400000000(1+0) | A . a1! 0"),
    ("a ", "A at 0x1ffc w 8, A at 0x1ffc r 4", "SEGV_MAPERR@0x2000(1+0) 01020304(0+0) | A . a1!"),
    ("ra", "A at 0x1ffc w 8, A at 0x2000 r", "SEGV_ACCERR@0x1ffc(0+0) 00(1+0) | A . . 0"),
    # a file's last page ends where the page does, not where the file does; behind it the tables above are made
    ("f ", "truncate 100, A at 0xffc w 8, A at 0xffc r 4", "ok BUS_ADRERR@0x1000(1+0) 01020304(0+0) | A a1!"),
    # do_kern_addr_fault() names the kernel's address; what no table holds is a general-protection fault, which has none
    ("  ", "A at =0xffff800000000000 r", "SEGV_MAPERR=0xffff800000000000(0+0) | A"),
    ("  ", "A at =0x800000000000 w", "SI_KERNEL=0x0(0+0) | A"),
    # expand_downwards(): to the page, within RLIMIT_STACK, RLIMIT_AS and the gap to what may be reached below
    ("     d", "A at 0x8ffc r", "00(1+0) | A . . . . . . . . 0"),
    ("     d", "A limit stack 3, A w 9, A at 0x8008 w", "ok 1+0 SEGV_MAPERR@0x8008(0+0) | A . . . . . . . . . a1!"),
    ("     d", "A limit as 1, A w 9, A w 8", "ok 1+0 SEGV_MAPERR@0x8000 | A . . . . . . . . . a1!"),
    ("a    d", "A w 9", "SEGV_MAPERR@0x9000 | A"),
    ("p    d", "A w 2", "1+0 | A . . a1!"),
    ("d    d", "A w 2", "1+0 | A . . a1!"),
]  # fmt: skip


def cases():
    yield from crossed((f"{kind} " for kind in EVERY), BEFORE, ONE_BYTE)
    yield from crossed((f"{one}{other}" for one, other in product("arpfstzwd ", repeat=2)), ("", "A r 0-4", "A w 0-2"), ACROSS)
    yield from crossed(BELOW, LIMITS, DOWN)
    yield from crossed(("  ",), [f"A at ={place} {verb}" for place, verb in product(PLACES, "rwx")])


@pytest.mark.parametrize(("space", "steps", "wanted"), RULES)
def test_an_access(space, steps, wanted):
    simulated = SimulatedCounted()
    assert brief(simulated.answer(Case(space, steps))) == wanted
    assert simulated.machine.fsck() == []


def test_every_access_is_what_it_was_in_linux():
    answers = recorded("access")
    complete(answers, cases())
    alike(answers, SimulatedCounted)


@pytest.mark.parametrize(("space", "page", "verb"), FORBIDDEN)
def test_what_ends_in_a_signal_leaves_nothing_behind(space, page, verb):
    """Before handle_mm_fault() nothing is written: but for the clock, the processor's counts and the area found last no record differs."""
    simulated = SimulatedCounted()
    simulated.answer(Case(space, "A w 11"))
    m, [pid] = simulated.machine, simulated.left
    m.touch(pid, STUB, 1, "x")  # it runs
    before, mm = chunks(m), m.mm(pid)
    with pytest.raises(Signal) as signal:
        m.touch(pid, LOW + page * PAGE + 5, 1, verb, True)
    assert signal.value.addr == LOW + page * PAGE + 5
    after = chunks(m)
    assert {key[0] for key in before.keys() | after.keys() if before.get(key) != after.get(key)} <= {"machine", "cpu", "mm"}
    assert m.mm(pid) == mm


def test_accesses_are_what_they_are_on_this_kernel():
    live_sample(cases(), RULES, 97, SimulatedCounted)
