"""A kernel object that is not given, the first, the second, … of each call: the call fails or does without, and every invariant holds.

The calls are those of test_random_calls, drawn with fixed seeds. After a refusal the machine is put back by rollback(), and the
next object is refused, until the call needs no more of them.
"""

import pytest

from tests.mm.test_random_calls import Player
from vmtool.errors import KernelError, Signal

slab = pytest.importorskip("vmtool.mm.slab", reason="the Cython modules are not built: run `make`")

BEFORE, CALLS, SEEDS = 60, 40, 12
VM_ACCOUNT = 0x100000
UNMAP_NOTHING = ("do_fork", "do_mmap", "do_mmap_file", "do_mprotect", "do_brk", "do_name")


def attempt(player, call, state, pids):
    """The call as it was drawn: what it raised, or None."""
    player.draw.setstate(state)
    player.pids = list(pids)
    try:
        call(player.draw, player.m, player.draw.choice(player.pids))
    except (KernelError, Signal) as e:
        return e
    return None


def unexplained(m):
    """Committed pages beyond those of areas: what shared memory has, and what read-only areas that grew down paid for good."""
    spaces = {m.mm(task.pid).pgd: task.pid for task in m.tasks() if task.state != "Z"}
    areas = sum((vma.end - vma.start) // 4096 for pid in spaces.values() for vma in m.maps(pid) if vma.flags & VM_ACCOUNT)
    return m.meminfo()["Committed_AS"] // 4 - areas


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_object_of_every_call_may_be_refused(seed):
    player = Player(seed)
    for _ in range(BEFORE):
        player.call()
    names = [name for name in dir(player) if name.startswith("do_")]
    nr_refused = 0
    for _ in range(CALLS):
        name = player.draw.choice(names)
        unexplained_before = unexplained(player.m)
        state, pids, nth, left = player.draw.getstate(), player.pids, 0, 0
        while left == 0:
            nth += 1
            point = player.m.savepoint()
            slab.refuse_object(nth)
            raised = attempt(player, getattr(player, name), state, pids)
            left = slab.refuse_object(0)
            assert player.m.fsck() == [], (name, nth, raised)
            if left == 0:
                nr_refused += 1
                assert not raised or name not in UNMAP_NOTHING or unexplained(player.m) == unexplained_before, (name, nth, raised)
                player.m.rollback(point)
        alive = {task.pid for task in player.m.tasks()}
        player.pids = [pid for pid in player.pids if pid in alive] or [player.m.spawn("a", None, [b"a"], [])]
    assert nr_refused > CALLS
