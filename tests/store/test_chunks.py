"""What was committed is what is read, whatever the order of puts and drops; and a lost row is seen."""

import os
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.conftest import CHUNKS, DROPPED, all_chunks, contents_of, open_fake
from tests.store.fake import CHUNK_BYTES, FakeMachine, filled
from vmtool.errors import StateError
from vmtool.store.session import init_machine

KEYS = st.tuples(st.sampled_from([0, 1, 5, 23]), st.sampled_from([0, 1, 2, 255, 256, 5000, 2**24]))
STEPS = st.lists(st.tuples(KEYS, st.integers(-1, 255)), max_size=12)


def edit(path, sql, *values):
    """Change a row behind the store's back."""
    db = sqlite3.connect(path)
    db.execute(sql, values)
    db.commit()
    db.close()


def forget_history(path):
    """From now on slots are overwritten, and those of dropped chunks free."""
    with open_fake(path, write=True) as session:
        session.set_history(0, 0)
        session.commit()


def test_what_was_committed_is_read(state):
    for key, data in all_chunks(state).items():
        assert data == (bytes(CHUNK_BYTES) if key in DROPPED else contents_of(*key))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commits=st.lists(STEPS, min_size=1, max_size=5))
def test_save_then_load_is_the_identity(tmp_path, commits):
    path = str(tmp_path / "machine.vmt")
    expected = {}
    with init_machine(path, force=True, factory=FakeMachine) as session:
        session.commit()
    for steps in commits:
        with open_fake(path, write=True) as session:
            for key, byte in steps:  # -1 drops
                expected[key] = filled(key[1], byte) if byte >= 0 else bytes(CHUNK_BYTES)
                session.machine.fill(*key, byte) if byte >= 0 else session.machine.drop(*key)
            session.commit()
    with open_fake(path) as session:
        for key, data in expected.items():
            assert bytes(session.machine.get(*key)) == data
        assert session.verify() == []


def test_nothing_is_written_before_the_commit(state):
    """What SQLite's cache has no room for it writes at once, and syncs the journal for it."""
    before = os.path.getsize(state)
    with open_fake(state, write=True) as session:
        for chunk in range(600):
            session.machine.fill(3, chunk, 1 + chunk % 255)
        session._chunks.save(session.machine)
        assert os.path.getsize(state) == before
    assert os.path.getsize(state) == before
    test_what_was_committed_is_read(state)


def test_a_chunk_that_was_never_saved_reads_as_none(state):
    with open_fake(state) as session:
        assert session._load(2, 69_999) is None  # in a directory row that is there
        assert session._load(2, 10**7) is None  # in one that is not
        assert session._load(99, 0) is None


def test_the_header_comes_back(state):
    with open_fake(state, write=True) as session:
        assert session.machine.header() == b"header 0"
        session.machine.set_header(b"header 1, a longer one")
        session.commit()
    with open_fake(state) as session:
        assert session.machine.header() == b"header 1, a longer one"


def test_a_dropped_chunks_slot_is_used_again(state):
    forget_history(state)
    before = os.path.getsize(state)
    with open_fake(state, write=True) as session:
        for chunk in range(len(DROPPED)):
            session.machine.put(20, chunk, 0, contents_of(20, chunk))  # of the size that those had
        session.commit()
        session.renew()
        assert session.verify() == []
    assert os.path.getsize(state) == before


def test_sqlite_has_no_free_pages_to_trust(state):
    with open_fake(state, write=True) as session:
        for pool in range(300):
            session.machine.fill(pool, pool * 256, 1)
            session.machine.drop(pool, 0)
        session.commit()
    db = sqlite3.connect(state)
    assert db.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_opening_a_large_file_reads_no_more_than_a_small_one(path):
    def statements(nr_chunks):
        with init_machine(path, force=True, factory=FakeMachine) as session:
            for chunk in range(nr_chunks):
                session.machine.fill(2, chunk * 200, 1)
            session.commit()
        before = read_calls()
        with open_fake(path, write=True) as session:
            session.machine.put(2, 0, 0, b"x")
            session.commit()
        return read_calls() - before

    def read_calls():
        with open("/proc/self/io") as file:
            return int(file.read().split("syscr: ")[1].split()[0])

    assert statements(3000) <= statements(30) + 4  # two more levels of SQLite's trees


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM slot WHERE id = 9",
        "DELETE FROM directory WHERE id = 1 << 40",
        "UPDATE slot SET data = zeroblob(16384) WHERE id = 9",
        "UPDATE slot SET data = zeroblob(100) WHERE id = 9",
        "UPDATE slot SET data = 'text' WHERE id = 9",
        "UPDATE slot SET head = (SELECT head FROM slot WHERE id = 8) WHERE id = 9",
        "UPDATE slot SET head = 1 WHERE id = 9",
        "UPDATE directory SET slots = zeroblob(1024) WHERE id = 1 << 40",
        "UPDATE machine SET total = total + 1",
        "UPDATE machine SET step = 'x'",
        "UPDATE machine SET blocks = x''",
        "DELETE FROM machine",
        "INSERT INTO machine SELECT 2, step, nr_slots, first_free, total, free_pages, blocks, header, sum FROM machine",
    ],
)
def test_a_lost_or_altered_row_is_seen_when_it_is_used(state, sql):
    edit(state, sql)
    with pytest.raises(StateError, match="is damaged"):
        all_chunks(state)


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("UPDATE slot SET data = zeroblob(16384) WHERE id = 20", "slot 20: its checksum is wrong"),
        ("UPDATE slot SET head = zeroblob(16) WHERE id = 20", "slot 20: is not a slot"),
        ("DELETE FROM slot WHERE id = 1", "chunk 0 of pool 0: its slot 1 is lost"),
        ("DELETE FROM directory WHERE id = 1 << 40", "directory 0x10000000000: is lost"),
        ("INSERT INTO directory SELECT 77, slots, sum FROM directory LIMIT 1", "directory 0x4d: is not known to the machine row"),
        ("UPDATE directory SET sum = x'00000000' WHERE id = 0", "directory 0x0: its checksum is wrong"),
        ("INSERT INTO slot SELECT 500, head, data FROM slot WHERE id = 1", "slot 500: nothing refers to it"),
        ("DELETE FROM slot WHERE substr(hex(head), 15, 2) = '80'", "free chain: slot"),
    ],
)
def test_verify_names_what_is_wrong(state, sql, line):
    forget_history(state)
    edit(state, sql)
    with open_fake(state) as session:
        assert any(found.startswith(line) for found in session.verify()), session.verify()


def test_verify_sees_an_old_version_of_a_chunk(state):
    """As a disk may leave one after a power cut without fsync: its row is whole."""
    forget_history(state)
    db = sqlite3.connect(state)
    old = db.execute("SELECT head, data FROM slot WHERE id = 1").fetchone()
    db.close()
    with open_fake(state, write=True) as session:
        session.machine.put(*CHUNKS[0], 0, b"new")
        session.commit()
    edit(state, "UPDATE slot SET head = ?, data = ? WHERE id = 1", *old)
    with open_fake(state) as session:
        assert any("add up to" in line for line in session.verify())


def test_verify_finds_nothing_in_a_good_file(state):
    with open_fake(state) as session:
        assert session.verify() == []
