"""setrlimit() and prlimit(): who may, in which order it is refused, what a process begins with."""

import random
from pathlib import Path

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.live_calls import U64_MAX, answer, live  # noqa: E402

NOFILE, STACK, MEMLOCK, NPROC, SIGPENDING = 7, 3, 8, 6, 11
NR_RLIMITS = 16
VALUES = (0, 1, 4096, 8 << 20, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, U64_MAX - 1, U64_MAX)
LIVE = """
pid = os.fork()
if pid == 0:
    time.sleep(60)
    os._exit(0)
for which in range(16):
    limit = (ctypes.c_ulong * 2)()
    call(302, pid, which, 0, limit)
    answers.append(list(limit))
    for resource, soft, hard in given[which]:
        new, old = (ctypes.c_ulong * 2)(soft, hard), (ctypes.c_ulong * 2)()
        said = call(302, pid, resource, new, 0)
        call(302, pid, which, 0, old)
        answers.append([said, *old])
os.kill(pid, 9)
os.waitpid(pid, 0)
"""


@pytest.fixture
def machine():
    m = core.Machine()
    m.boot(ram_bytes=256 << 20)
    m.spawn("a", None, [b"a"], [])
    yield m
    assert m.fsck() == []


def limits(machine, pid, which):
    return [U64_MAX if value is None else value for value in machine.getrlimits(pid)[which]]


def drawn(which):
    """Pairs that only go down, as they do for one without privileges, among those that are refused."""
    draw = random.Random(which)
    tried = [(which, draw.choice(VALUES), draw.choice(VALUES)) for _ in range(30)]
    return [*tried, (16, 0, 1), (17, 1, 0), (1 << 31, 1, 1), (which, 1, 1), (which, 0, 1), (which, 1, 2), (which, 2, 1)]


def test_each_answer_is_this_kernels(machine):
    """Every resource; of one of its own user who has no CAP_SYS_RESOURCE."""
    given = [drawn(which) for which in range(NR_RLIMITS)]
    answers = iter(live(LIVE, given))
    for which in range(NR_RLIMITS):
        soft, hard = next(answers)
        machine.setrlimit(1, which, soft, hard)  # as it begins there
        for resource, soft, hard in given[which]:
            said = answer(machine.setrlimit, 1, resource, soft, hard, False)
            assert [said, *limits(machine, 1, which)] == next(answers), (resource, soft, hard)


def test_more_open_files_than_there_may_be_is_refused_to_root(machine):
    assert answer(machine.setrlimit, 1, NOFILE, 0, (1 << 20) + 1) == "EPERM"
    assert answer(machine.setrlimit, 1, NOFILE, 2, 1) == "EINVAL"
    assert answer(machine.setrlimit, 1, NOFILE, 0, None) == "EPERM"
    assert answer(machine.setrlimit, 1, NOFILE, 1 << 20, 1 << 20) == 0


def test_a_soft_limit_alone_takes_the_hard_one_along(machine):
    machine.setrlimit(1, MEMLOCK, 16 << 20)
    assert machine.getrlimits(1)[MEMLOCK] == (16 << 20, 16 << 20)
    machine.setrlimit(1, MEMLOCK, 4096)
    assert machine.getrlimits(1)[MEMLOCK] == (4096, 16 << 20)
    machine.setrlimit(1, STACK, None)
    assert machine.getrlimits(1)[STACK] == (None, None)


def test_limits_are_the_processs(machine):
    thread = machine.clone(1)
    machine.setrlimit(thread, MEMLOCK, 4096)
    child = machine.fork(1)
    assert [machine.getrlimits(pid)[MEMLOCK][0] for pid in (1, thread, child)] == [4096] * 3
    machine.lift_limit(child, MEMLOCK)
    assert (machine.getrlimits(child)[MEMLOCK], machine.getrlimits(1)[MEMLOCK]) == ((None, None), (4096, 8 << 20))
    assert [answer(machine.lift_limit, *wrong) for wrong in ((1, 16), (1, -1), (99, 0))] == ["EINVAL", "EINVAL", "ESRCH"]


def test_what_a_process_begins_with(machine):
    """INIT_RLIMITS, and half of the threads that there may be."""
    threads = int(machine.sysctl("kernel.threads-max")) // 2
    assert machine.getrlimits(1) == [
        (None, None), (None, None), (None, None), (8 << 20, None), (0, None), (None, None), (threads, threads), (1024, 4096),
        (8 << 20, 8 << 20), (None, None), (None, None), (threads, threads), (819200, 819200), (0, 0), (0, 0), (None, None)]  # fmt: skip


def test_half_the_threads_are_this_kernels_rule_too():
    """Whoever raises threads-max later changes no limit: what the first process has may only be less."""
    text = Path("/proc/1/limits").read_text()
    said = {line[:26].strip(): line[26:].split()[0] for line in text.splitlines()[1:]}
    assert said["Max processes"] == said["Max pending signals"] or said["Max processes"] == "unlimited"
