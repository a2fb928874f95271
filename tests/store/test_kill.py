"""A command killed at any instant leaves the state as before it or as after it."""

import os
import random

import pytest

from tests.store import killing
from tests.store.conftest import open_fake, read_bytes
from tests.store.fake import FakeMachine
from vmtool.store.session import init_machine

LOCKED_SHARE = 0.2  # of the kills at random instants, at least


@pytest.fixture
def before(path):
    """The bytes of a small state file."""
    with init_machine(path, factory=FakeMachine) as session:
        for pool in range(8):
            session.machine.fill(pool, 0, 1)
        session.machine.set_header(bytes([1]) * 8)
        session.commit()
    return read_bytes(path)


def check_after_kill(victim, before, after):
    """One of the two, and a state file that works: nothing is left beside it once the next command ran."""
    found = killing.snapshot(victim.path)
    assert found in (before, after)
    if found is not None:
        with open_fake(victim.path, write=True) as session:
            session.machine.put(5, 5, 0, b"on it goes")
            session.commit()
    return "before" if found == before else "after"


@killing.needs_strace
@pytest.mark.parametrize("command", ["write", pytest.param("grow", marks=pytest.mark.slow)])
def test_killed_at_every_write_and_fsync_of_a_commit(path, before, command):
    victim = killing.driver(path, before, command)
    outcomes = victim.outcomes()
    calls = killing.calls(victim)
    assert {"pwrite64", "fdatasync", "unlink"} <= {name for name, _ in calls}
    found = []
    for call in calls:
        killing.kill_before_call(victim, call)
        found.append(check_after_kill(victim, *outcomes))
    assert found == sorted(found, reverse=True)  # before, …, before, after, …: the journal's removal is the commit
    assert (found[-1], calls[-1]) == ("before", ("unlink", 1))


@killing.needs_strace
@pytest.mark.parametrize("is_there", [False, True])
def test_killed_at_every_call_that_makes_a_file(path, before, is_there):
    victim = killing.driver(path, before if is_there else None, "init")
    outcomes = victim.outcomes()
    calls = killing.calls(victim)
    for call in calls:
        killing.kill_before_call(victim, call)
        check_after_kill(victim, *outcomes)
        assert victim.run() == (0, "")  # the next one takes the unfinished file over
        assert os.listdir(os.path.dirname(path)) == ["machine.vmt"]


@killing.needs_strace
@pytest.mark.parametrize("errno", ["EIO", "ENOSPC"])
def test_a_call_that_fails_leaves_the_state_as_before(path, before, errno):
    victim = killing.driver(path, before, "write")
    outcomes = victim.outcomes()
    for call in killing.calls(victim):
        status, text = killing.fail_call(victim, call, errno)
        assert killing.snapshot(path) == outcomes[0 if status else 1], call
        assert status == 0 or "StateError: " in text


@pytest.mark.parametrize("is_durable", [True, False])
def test_killed_at_random_instants(path, before, is_durable, nr_kills=60):
    """Half of them at any time, half from the moment the command took the lock."""
    times = random.Random(nr_kills)
    victim = killing.driver(path, before, "grow", is_durable=is_durable)
    outcomes = victim.outcomes()
    whole, held = killing.seconds_of(victim)
    kills = []
    while len(kills) < nr_kills:
        after_lock = len(kills) % 2 == 0
        had_lock = killing.kill_at_random(victim, times.uniform(0, held if after_lock else whole), after_lock)
        check_after_kill(victim, *outcomes)
        if had_lock is not None:  # else it was faster
            kills.append(had_lock)
    assert kills.count(True) > LOCKED_SHARE * nr_kills
