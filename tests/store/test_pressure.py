"""Mixtures of writing, reclaim, swap, limits and failing disks; killed at any commit, opened again, gone on with: nothing is lost.

The judge is a twin that was never killed: the reopened machine has every byte of it, and counted the same.
"""

import random
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.store import pressure  # noqa: E402
from tests.store.killing import ROOT  # noqa: E402
from vmtool.store.session import init_machine, open_machine  # noqa: E402


def made(path, seed):
    with init_machine(path) as session:
        first = pressure.Pressure(session.machine, seed)
        first.begin()
        session.commit()


def killed(path, seed, seconds):
    """Goes on, and SIGKILL so long after its first step."""
    words = [sys.executable, "-m", "tests.store.pressure", path, str(seed)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline(), process.stderr.read().decode()
    time.sleep(seconds)
    process.kill()
    _, text = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, text.decode()


def look(path, seed):
    """What a reader finds is what the twin has. Returns the step."""
    with open_machine(path, write=False) as session:
        assert session.verify() == []
        machine = session.machine
        model = pressure.resume(machine, seed)
        other = pressure.twin(seed, model.step_nr)
        assert machine.fsck() == other.m.fsck() == []
        assert machine.vmstat() == other.m.vmstat()
        assert machine.cgroup("g") == other.m.cgroup("g")
        other.check_all()
        model.check_all()
        assert machine.fsck() == []
    return model.step_nr


def course(path, seed, nr_kills):
    made(path, seed)
    times, steps = random.Random(seed), []
    for _ in range(nr_kills):
        killed(path, seed, times.random() * 0.5)
        steps.append(look(path, seed))
    assert 0 < steps[0] and all(before < after for before, after in zip(steps, steps[1:], strict=False))
    return steps


@pytest.mark.parametrize("seed", range(2))
def test_killed_under_pressure_nothing_is_lost(path, seed):
    course(path, seed, 3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 112))
def test_killed_under_pressure_again_and_again(path, seed):
    course(path, seed, 12)


@pytest.mark.parametrize("seed", range(1000, 1006))
def test_every_byte_read_is_the_last_one_written(seed):
    """The same without anybody who kills, and longer."""
    here = pressure.twin(seed, 0)
    for _ in range(4):
        for _ in range(60):
            here.step()
        here.check_all()
        assert here.m.fsck() == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2000, 2040))
def test_every_byte_read_is_the_last_one_written_for_long(seed):
    here = pressure.twin(seed, 0)
    for _ in range(1000):
        here.step()
        if here.step_nr % 100 == 0:
            here.check_all()
            assert here.m.fsck() == []
