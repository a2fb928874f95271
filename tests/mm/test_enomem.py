"""An allocation that is refused, one after another of each call: the call fails or does without, and every invariant holds.

The calls are those of test_random_calls, drawn with fixed seeds. After a refusal the machine is put back by rollback(), and one that comes
later is refused, until the call needs no more of them: the first five, then ever fewer. (test_enomem_calls has every one of chosen calls.)
"""

import errno

import pytest

from tests.mm.test_random_calls import Player
from vmtool.errors import InternalError, KernelError, Signal

BEFORE, CALLS, SEEDS = 60, 40, 12
VM_ACCOUNT = 0x100000
UNMAP_NOTHING = ("do_fork", "do_mmap", "do_mmap_file", "do_mprotect", "do_brk", "do_name")


def attempt(player, call, state, pids):
    """The call as it was drawn: what it raised, or None. InternalError: the host's memory was refused, and the image is lost."""
    player.draw.setstate(state)
    player.pids = list(pids)
    raised = None
    try:
        call(player.draw, player.m, player.draw.choice(player.pids))
    except (KernelError, Signal, InternalError) as e:
        raised = e
    return lost(player.m) or raised


def lost(m):
    """The InternalError of an image that is lost, whatever the call said; None: it is not."""
    try:
        m.check()
    except InternalError as e:
        return e
    return None


def unexplained(m):
    """Committed pages beyond those of areas: what shared memory has, and what read-only areas that grew down paid for good."""
    spaces = {m.mm(task.pid).pgd: task.pid for task in m.tasks() if task.state != "Z"}
    areas = sum((vma.end - vma.start) // 4096 for pid in spaces.values() for vma in m.maps(pid) if vma.flags & VM_ACCOUNT)
    return m.meminfo()["Committed_AS"] // 4 - areas


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_allocation_of_any_call_may_be_refused(seed):
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
            nth += 1 + nth // 5
            point = player.m.savepoint()
            player.m.fail_nth(nth)
            raised = attempt(player, getattr(player, name), state, pids)
            left = player.m.fail_nth(0)
            if isinstance(raised, InternalError):
                assert left == 0 and "no memory" in str(raised)
                player.m.rollback(point)
            assert player.m.fsck() == [], (name, nth, raised)
            if left == 0 and not isinstance(raised, InternalError):
                nr_refused += 1
                assert not raised or name not in UNMAP_NOTHING or unexplained(player.m) == unexplained_before, (name, nth, raised)
                player.m.rollback(point)
        alive = {task.pid for task in player.m.tasks()}
        player.pids = [pid for pid in player.pids if pid in alive] or [player.m.spawn("a", None, [b"a"], [])]
    assert nr_refused > CALLS


HUGE, MAP_HUGETLB = 2 << 20, 0x40000
POOL_CALLS = {
    "mmap": lambda m, pid, base: m.mmap(pid, 0, 2 * HUGE, 3, 0x22 | MAP_HUGETLB),
    "mmap shared": lambda m, pid, base: m.mmap(pid, 0, 2 * HUGE, 3, 0x21 | MAP_HUGETLB),
    "mmap over it": lambda m, pid, base: m.mmap(pid, base, HUGE, 3, 0x32 | MAP_HUGETLB),
    "touch": lambda m, pid, base: m.touch(pid, base + 2 * HUGE, 1, "w"),
    "fork": lambda m, pid, base: m.fork(pid),
    "mprotect of a part": lambda m, pid, base: m.mprotect(pid, base + HUGE, HUGE, 1),
    "munmap of a part": lambda m, pid, base: m.munmap(pid, base + HUGE, HUGE),
    "mremap": lambda m, pid, base: m.mremap(pid, base, 4 * HUGE, 4 * HUGE, 3, 0x7E0000000000),
    "madvise": lambda m, pid, base: m.madvise(pid, base, HUGE, 4),
}


@pytest.mark.parametrize("name", POOL_CALLS)
def test_what_a_call_on_huge_pages_of_a_pool_is_refused_costs_the_pool_nothing(name):
    core = pytest.importorskip("vmtool._core")
    m = core.Machine()
    m.boot(ram_bytes=256 << 20)
    m.set_sysctl("vm.nr_hugepages", "12")
    pid = m.spawn("a", None, [b"a"], [])
    base = m.mmap(pid, 0, 4 * HUGE, 3, 0x22 | MAP_HUGETLB)
    m.touch(pid, base, 2 * HUGE, "w")
    nth, left, nr_refused = 0, 0, 0
    while left == 0:
        nth += 1
        point = m.savepoint()
        m.fail_nth(nth)
        try:
            POOL_CALLS[name](m, pid, base)
        except (KernelError, Signal, InternalError):
            nr_refused += 1
        left = m.fail_nth(0)
        assert lost(m) or m.fsck() == [], (name, nth)
        if left == 0:
            m.rollback(point)
    for task in m.tasks():
        m.kill(task.pid, 9)
    assert m.fsck() == []
    assert [m.meminfo()[f"HugePages_{what}"] for what in ("Total", "Free", "Rsvd")] == [12, 12, 0]
    assert nr_refused or name in ("touch", "madvise")


def test_a_merge_that_its_anon_vma_is_refused_is_an_error_and_no_other_way_is_tried():
    """vma_merge_existing_range(): dup_anon_vma() without memory is VMA_MERGE_ERROR_NOMEM, and vma_modify() goes no further."""
    core = pytest.importorskip("vmtool._core")
    m = core.Machine()
    m.boot(ram_bytes=64 << 20)
    pid = m.spawn("a", None, [b"a"], [])
    base, page = 0x10000000, 4096
    m.mmap(pid, base + page, page, 3, 0x32)
    m.touch(pid, base + page, page, "w")
    m.mprotect(pid, base + page, page, 1)
    m.mmap(pid, base, page, 3, 0x32)  # which has no page yet: it would take the other's anon_vma
    before, nth, left, refused = m.maps(pid), 0, 0, 0
    while left == 0:
        nth += 1
        point = m.savepoint()
        m.fail_nth(nth)
        raised = 0
        try:
            m.mprotect(pid, base + page, page, 3)
        except (KernelError, InternalError) as e:
            raised = lost(m) or e.errno
        left = m.fail_nth(0)
        assert lost(m) or m.fsck() == []
        if left == 0:
            assert lost(m) or raised in (0, errno.ENOMEM)  # a chain is asked for twice
            assert lost(m) or (m.maps(pid) == before) == (raised == errno.ENOMEM)
            refused += raised == errno.ENOMEM
            m.rollback(point)
    assert refused > 0
    assert [(vma.start, vma.end) for vma in m.maps(pid) if vma.start >= base][0] == (base, base + 2 * page)
