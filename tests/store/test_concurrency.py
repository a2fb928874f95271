"""Several commands at one state file: writers one after another, readers beside them, creators, and what a killed one left."""

import os
import time

import pytest

from tests.store import killing
from tests.store.conftest import all_chunks, contents_of, open_fake, read_bytes
from tests.store.fake import FakeMachine, filled
from tests.store.processes import finish, run_as_nobody, start
from vmtool.errors import StateError
from vmtool.store.session import init_machine


def increment(path):
    """One more in the first bytes of two chunks, which are always the same."""
    with open_fake(path, write=True) as session:
        number = int.from_bytes(session.machine.get(0, 0)[:4], "little") + 1
        for pool in (0, 5):
            session.machine.put(pool, 0, 0, number.to_bytes(4, "little"))
        session.commit()
    return number


def numbers(path):
    with open_fake(path) as session:
        first = bytes(session.machine.get(0, 0)[:4])
        time.sleep(0.002)
        return int.from_bytes(first, "little"), int.from_bytes(session.machine.get(5, 0)[:4], "little")


@pytest.fixture
def counters(path):
    with init_machine(path, factory=FakeMachine) as session:
        session.machine.fill(0, 0, 0)
        session.machine.fill(5, 0, 0)
        session.commit()
    return path


def test_writers_come_one_after_another(counters):
    writers = [start(lambda: [increment(counters) for _ in range(30)]) for _ in range(4)]
    results = sorted(number for writer in writers for number in finish(writer))
    assert results == list(range(1, 121))


def test_readers_beside_a_writer_see_one_commit_each(counters):
    writer = start(lambda: [increment(counters) for _ in range(60)])
    readers = [start(lambda: [numbers(counters) for _ in range(40)]) for _ in range(3)]
    for reader in readers:
        seen = finish(reader)
        assert all(first == second for first, second in seen)
        assert seen == sorted(seen)
    assert finish(writer)[-1] == 60


def test_a_commit_is_not_kept_waiting_by_readers_that_come_and_go(counters):
    """Once it asked, no new reader is let in."""
    end = time.monotonic() + 1.0

    def read_on():
        while time.monotonic() < end:
            numbers(counters)

    readers = [start(read_on) for _ in range(3)]
    nr_commits = 0
    while time.monotonic() < end:
        increment(counters)
        nr_commits += 1
    for reader in readers:
        finish(reader)
    assert nr_commits > 10


def test_of_two_that_find_no_file_one_makes_it(path):
    def spawn():
        with open_fake(path, write=True, create=True) as session:
            is_new = session.is_new
            number = session.machine.get(0, 0)[0] + 1
            session.machine.fill(0, 0, number)
            session.commit()
            return is_new, number

    for _ in range(10):
        results = [finish(child) for child in [start(spawn) for _ in range(4)]]
        assert sorted(results, reverse=True) == [(True, 1), (False, 4), (False, 3), (False, 2)]
        assert os.listdir(os.path.dirname(path)) == ["machine.vmt"]
        os.unlink(path)


def test_of_two_inits_one_is_refused(path):
    def init():
        try:
            with init_machine(path, factory=FakeMachine) as session:
                session.machine.fill(0, 0, 1)
                session.commit()
                return "made"
        except StateError as error:
            return str(error)

    for _ in range(10):
        results = [finish(child) for child in [start(init) for _ in range(4)]]
        assert sorted(results) == [f"{path}: is there already (--force replaces it)"] * 3 + ["made"]
        os.unlink(path)


# --- what a killed command left -----------------------------------------------------------------


@pytest.fixture
def interrupted(state):
    """A state file whose last writer was killed while it overwrote pages: its journal lies beside it."""
    victim = killing.driver(state, read_bytes(state), "grow")
    victim.restore()
    directory = os.path.dirname(state)

    def die():
        with open_fake(state, write=True) as session:
            for pool in range(8):
                session.machine.put(pool, 0, 0, b"half written")
            session._chunks.save(session.machine)
            session._db.execute("PRAGMA cache_spill=1")
            session._db.execute("PRAGMA cache_size=1")
            for chunk in range(100):
                session._chunks.put_in_place(9 << 48 | chunk, memoryview(contents_of(9, chunk)))
            os._exit(0)

    pid, _ = start(die)
    os.waitpid(pid, 0)
    assert sorted(os.listdir(directory)) == ["machine.vmt", "machine.vmt-journal"]
    assert read_bytes(state) != victim.before
    return victim


@pytest.mark.parametrize("write", [False, True])
def test_the_next_command_undoes_it(interrupted, write):
    with open_fake(interrupted.path, write=write):
        pass
    assert read_bytes(interrupted.path) == interrupted.before
    assert all_chunks(interrupted.path)[0, 0] == contents_of(0, 0)
    assert os.listdir(os.path.dirname(interrupted.path)) == ["machine.vmt"]


@pytest.mark.parametrize(("file_mode", "directory_mode"), [(0o444, 0o777), (0o666, 0o555), (0o444, 0o555)])
def test_who_may_not_undo_it_is_told(interrupted, file_mode, directory_mode):
    path = interrupted.path
    os.chmod(path, file_mode)
    os.chmod(path + "-journal", file_mode)
    os.chmod(os.path.dirname(path), directory_mode)

    def read():
        try:
            return all_chunks(path)[0, 0] == contents_of(0, 0)
        except StateError as error:
            return str(error)

    what = "a command was killed while it wrote; to undo that, the file and its directory must be writable"
    assert run_as_nobody(path, read) == f"{path}: {what}"
    os.chmod(os.path.dirname(path), 0o755)
    for file in (path, path + "-journal"):
        os.chmod(file, 0o644)
    assert all_chunks(path)[0, 0] == contents_of(0, 0)


def test_init_with_force_does_not_inherit_it(interrupted):
    with init_machine(interrupted.path, force=True, factory=FakeMachine) as session:
        session.machine.fill(0, 0, 7)
        session.commit()
    assert os.listdir(os.path.dirname(interrupted.path)) == ["machine.vmt"]
    with open_fake(interrupted.path) as session:
        assert session.machine.get(0, 0) == filled(0, 7)
        assert session.verify() == []


def test_a_journal_of_nothing_is_ignored(state):
    """SQLite leaves one when it is killed before the first write to the file."""
    with open(state + "-journal", "wb") as file:
        file.write(bytes(512))
    assert all_chunks(state)[0, 0] == contents_of(0, 0)
