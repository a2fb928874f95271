"""vmtool's own commands, killed: at every write and fsync of a commit, and at random instants; and what they say of bad files."""

import os
import random
import subprocess
import sys

import pytest

from tests.store import killing
from tests.store.conftest import read_bytes
from tests.store.test_kill import LOCKED_SHARE

START = """\
p = spawn render
brk $p --by 1M
mkfile /scene.dat 64K
a = mmap $p 256K
touch $p $a 64K
f = mmap $p 64K --file /scene.dat --prot rw
touch $p $f 16K
"""
COMMANDS = {
    "touch": "touch 1 heap 4K",
    "mmap": "mmap 1 1M --populate",
    "fork": "fork 1",
    "exit": "exit 1",
    "write": "write 1 /scene.dat 0 text",
    "spawn": "spawn other",
    "init": "init --ram 2G --force",
}


def words_of(path, line):
    return [sys.executable, "-m", "vmtool", "-s", path, *line.split()]


def vmtool(path, line):
    """Run a command to its end. Returns: its exit status, stdout and stderr."""
    ran = subprocess.run(words_of(path, line), capture_output=True, text=True, cwd=killing.ROOT)
    return ran.returncode, ran.stdout, ran.stderr


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """The bytes of a state file in which all COMMANDS work."""
    directory = tmp_path_factory.mktemp("start")
    path, script = str(directory / "machine.vmt"), directory / "script"
    script.write_text(START)
    status, _, error = vmtool(path, f"run {script}")
    assert (status, error) == (0, "")
    return read_bytes(path)


def victim_of(path, start, name, is_durable=True):
    return killing.Victim(words_of(path, COMMANDS[name]), path, start, is_durable)


def outcomes_of(victim):
    """The states before and after; each is a sound machine. So is every file that equals one of them, chunk by chunk."""
    before, after = victim.outcomes()
    assert vmtool(victim.path, "fsck")[0] == 0
    victim.restore()
    if before is not None:
        assert vmtool(victim.path, "fsck")[0] == 0
    return before, after


@killing.needs_strace
@pytest.mark.parametrize("name", [name if name == "touch" else pytest.param(name, marks=pytest.mark.slow) for name in COMMANDS])
def test_killed_at_every_write_and_fsync_of_its_commit(path, start, name):
    victim = victim_of(path, start, name)
    outcomes = outcomes_of(victim)
    calls = killing.calls(victim)
    assert len(calls) > 10
    for call in calls:
        killing.kill_before_call(victim, call)
        assert killing.snapshot(path) in outcomes, call


@killing.needs_strace
def test_a_spawn_killed_while_it_makes_the_file(path):
    victim = killing.Victim(words_of(path, "spawn"), path, None)
    outcomes = outcomes_of(victim)
    calls = killing.calls(victim)
    for call in calls:
        killing.kill_before_call(victim, call)
        assert killing.snapshot(path) in outcomes, call
    killing.kill_before_call(victim, calls[len(calls) // 2])
    assert vmtool(path, "spawn") == (0, "1\n", "")  # it takes the unfinished file over
    assert os.listdir(os.path.dirname(path)) == ["machine.vmt"]


@pytest.mark.parametrize("nr_kills", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_killed_at_random_instants(path, start, nr_kills):
    """Half of them at any time, half from the moment the command took the lock."""
    times = random.Random(nr_kills)
    victims = [victim_of(path, start, name, is_durable=number % 2 == 0) for number, name in enumerate(COMMANDS)]
    outcomes = [outcomes_of(victim) for victim in victims]
    seconds = [killing.seconds_of(victim) for victim in victims]
    kills = []
    while len(kills) < nr_kills:
        which, after_lock = len(kills) % len(victims), len(kills) // len(victims) % 2
        whole, held = seconds[which]
        had_lock = killing.kill_at_random(victims[which], times.uniform(0, held if after_lock else whole), after_lock)
        assert killing.snapshot(path) in outcomes[which]
        if had_lock is not None:  # else it was faster
            kills.append(had_lock)
    assert kills.count(True) > LOCKED_SHARE * nr_kills


@pytest.mark.parametrize(("data", "what"), [(b"", "is empty, not a state file"), (b"text", "is not a state file")])
def test_a_bad_file_gets_one_line_and_exit_1(path, data, what):
    for line in ("ps", "spawn", "touch 1 heap", "fsck"):
        with open(path, "wb") as file:
            file.write(data)
        assert vmtool(path, line) == (1, "", f"vmtool: {line.split()[0]}: {path}: {what}\n")
        assert read_bytes(path) == data


def test_a_missing_file_is_said_to_be_missing(path):
    assert vmtool(path, "ps") == (1, "", f"vmtool: ps: {path}: no such state file ('vmtool init' makes one)\n")


def test_a_damaged_chunk_gets_one_line_and_exit_1(path, start):
    """Every stretch of noise is refused, found by fsck, or lies where nothing is."""
    places = random.Random(3)
    for _ in range(8):
        at = places.randrange(16384, len(start) - 64)
        data = start[:at] + places.randbytes(64) + start[at + 64 :]
        with open(path, "wb") as file:
            file.write(data)
        for line in ("touch 1 heap 8K", "ps"):
            data = read_bytes(path)
            status, out, error = vmtool(path, line)
            if status:
                assert (status, out, error.count("\n")) == (1, "", 1)
                assert error.startswith(f"vmtool: {line.split()[0]}: {path}: is damaged")
                assert read_bytes(path) == data
                break
