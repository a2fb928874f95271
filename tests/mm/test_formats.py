"""What faults, fork, mprotect and munmap do is the same whatever an entry looks like: Linux's answers on x86-64, asked of other formats.

arm64 turns round what "writable" and "leaf" mean in an entry, and has pages of 16K; riscv64 has both elsewhere, and the frame number
too. The cases and the answers are those of test_fault, test_fork, test_sys_mprotect and test_unmap: frames, map counts, faults, signals.
Instruction fetches are left out: x86's access_error() lets one map a page that may not be executed and faults again, the others' do not.
"""

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm import drawn_pages, test_fault, test_fork, test_sys_mprotect, test_unmap  # noqa: E402
from tests.mm.drawn_pages import TOGETHER, Case, Simulated, brief, recorded  # noqa: E402

PAGES = {"arm64-16k": 16384, "riscv64": 4096}
ROOMS = {"fault": test_fault, "fork": test_fork, "sys_mprotect": test_sys_mprotect, "unmap": test_unmap}
STEP = {"fault": 7, "fork": 5, "sys_mprotect": 11, "unmap": 7}  # of the recorded cases


@pytest.fixture(params=PAGES)
def make(request, monkeypatch):
    """A backend that boots the format."""
    page = PAGES[request.param]
    monkeypatch.setattr(drawn_pages, "PAGE", page)
    monkeypatch.setattr(drawn_pages.Backend, "unit", page)
    return type("Other", (Simulated,), {"boot": {"ram_bytes": 1 << 30, "arch": request.param}})


@pytest.mark.parametrize("room", ROOMS)
def test_the_rules_hold(room, make):
    simulated = make()
    for space, steps, wanted in ROOMS[room].RULES:
        assert brief(simulated.answer(Case(space, steps))) == wanted, (space, steps)
    assert simulated.machine.fsck() == []


@pytest.mark.parametrize("room", ROOMS)
def test_pages_are_what_they_were_in_linux(room, make):
    answers = {case: answer for case, answer in list(recorded(room).items())[:: STEP[room]] if " x " not in case.steps}
    simulated, wrong = make(), []
    for nr, (case, answer) in enumerate(answers.items()):
        if (ours := brief(simulated.answer(case))) != brief(answer):
            wrong.append(f"{case.space!r} {case.steps}\n   here  {ours}\n   Linux {brief(answer)}")
        if nr % TOGETHER == 0:
            assert simulated.machine.fsck() == []
            simulated.forget()
    assert not wrong, f"{len(wrong)} of {len(answers)}:\n" + "\n".join(wrong[:10])
