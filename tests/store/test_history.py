"""Steps are taken back and made again, chunk for chunk; what is kept is bounded; damage is seen."""

import os
import random
import sqlite3

import pytest

from tests.store import killing
from tests.store.conftest import open_fake, read_bytes
from tests.store.fake import CHUNK_BYTES, FakeMachine
from tests.store.test_chunks import edit
from vmtool.errors import StateError
from vmtool.store.chunks import FIELDS_KEY, Writing, machine_sum, unpack_blocks
from vmtool.store.history import KEEP_SLOTS, KEEP_STEPS
from vmtool.store.schema import FORMAT, LOG_POOL
from vmtool.store.session import init_machine

POOLS, CHUNKS = (0, 1, 5, 24), (0, 1, 255, 256, 70_000)
KEYS = [(pool, chunk) for pool in POOLS for chunk in CHUNKS]


def entry_of(step):
    return f"step {step} ".encode() * (1 + 97 * step % 40)


def make(path, keep=KEEP_STEPS, most_slots=KEEP_SLOTS):
    with init_machine(path, factory=FakeMachine, force=True) as session:
        session.machine.fill(0, 0, 1)
        session.set_history(keep, most_slots)
        session.commit(entry_of(1))


def make_step(path, numbers, step):
    """A step that fills and drops some chunks and changes the header."""
    with open_fake(path, write=True) as session:
        for key in numbers.sample(KEYS, numbers.randrange(1, 7)):
            if numbers.random() < 0.25:
                session.machine.drop(*key)
            else:
                session.machine.fill(*key, numbers.randrange(256))
        session.machine.set_header(step.to_bytes(numbers.choice([8, 8, 40]), "little"))
        session.commit(entry_of(step))


def look(path, step=None):
    """Header and chunks, now or after a step; the file must be whole."""
    with open_fake(path) as session:
        assert session.verify() == []
        machine = session.machine if step is None else session.machine_at(step)
        return bytes(machine.header()), [bytes(machine.get(*key)) for key in KEYS]


def go(path, nr_steps):
    with open_fake(path, write=True) as session:
        session.go(nr_steps)


def facts(path):
    with open_fake(path) as session:
        history = session.history
        return history.step, history.nr_undo, history.nr_redo


def entries(path):
    with open_fake(path) as session:
        return list(session.history.entries())


@pytest.mark.parametrize("seed", range(4))
def test_a_walk_back_and_forth_finds_every_state_again(path, seed):
    numbers = random.Random(seed)
    make(path)
    states = {1: look(path)}
    at = last = 1
    for _ in range(25):
        if numbers.random() < 0.5 or last == 1:
            at += 1
            last = at
            make_step(path, numbers, at)
            states[at] = look(path)
        else:
            to = numbers.randrange(1, last + 1)
            if to != at:
                go(path, to - at)
            at = to
        assert look(path) == states[at]
        assert facts(path) == (at, at - 1, last - at)
        assert entries(path) == [(step, entry_of(step)) for step in range(1, last + 1)]
        somewhere = numbers.randrange(1, last + 1)
        assert look(path, somewhere) == states[somewhere]


def test_a_new_step_forgets_what_was_undone(path):
    numbers = random.Random(1)
    make(path)
    for step in range(2, 7):
        make_step(path, numbers, step)
    before = os.path.getsize(path)
    go(path, -3)
    for _ in range(30):
        make_step(path, numbers, facts(path)[0] + 1)
        go(path, -1)
    assert facts(path) == (3, 2, 1)
    assert [step for step, _ in entries(path)] == [1, 2, 3, 4]
    assert os.path.getsize(path) < before + 10 * CHUNK_BYTES  # slots were used again
    look(path)


def test_so_many_steps_are_kept_and_the_whole_log(path):
    numbers = random.Random(2)
    make(path, keep=5)
    for step in range(2, 12):
        make_step(path, numbers, step)
    assert facts(path) == (11, 5, 0)
    assert [step for step, _ in entries(path)] == list(range(1, 12))
    go(path, -5)
    assert facts(path) == (6, 0, 5)
    go(path, 5)
    size = os.path.getsize(path)
    for step in range(12, 40):
        make_step(path, numbers, step)
    assert os.path.getsize(path) < size * 2


def test_so_many_chunks_are_kept(path):
    make(path, most_slots=10)

    def fill(nr, byte):
        with open_fake(path, write=True) as session:
            for chunk in range(nr):
                session.machine.fill(2, chunk, byte)
            session.commit(b"fill")

    fill(4, 1)
    for byte in range(5):
        fill(4, byte)
    assert facts(path) == (7, 2, 0)  # of four each
    fill(11, 9)
    assert facts(path) == (8, 0, 0)  # it overwrites, and what was kept before it is of no use
    look(path)


def test_nothing_is_kept_when_it_is_off(path):
    numbers = random.Random(3)
    make(path)
    make_step(path, numbers, 2)
    make_step(path, numbers, 3)
    go(path, -1)
    with open_fake(path, write=True) as session:
        session.set_history(0, 0)
        session.commit()
    assert facts(path) == (3, 0, 0)
    make_step(path, numbers, 4)
    assert facts(path) == (4, 0, 0)
    look(path)


def test_a_long_history_goes_round_the_ring(path, monkeypatch):
    from vmtool.store import stream
    monkeypatch.setattr(stream, "RING_CHUNKS", 2)
    monkeypatch.setattr(stream, "MOST_BYTES", CHUNK_BYTES)
    monkeypatch.setattr("vmtool.store.history.MOST_LOG_BYTES", 10_000)
    numbers = random.Random(4)
    make(path, keep=6)
    states = {}
    for step in range(2, 60):
        make_step(path, numbers, step)
        states[step] = look(path)
    go(path, -6)
    assert look(path) == states[53]
    assert look(path, 59) == states[59]
    log = entries(path)
    assert log == [(step, entry_of(step)) for step in range(log[0][0], 60)]
    assert 1 < log[0][0] < 55
    go(path, 6)
    assert look(path) == states[59]


def test_a_file_of_format_1_gets_a_history_with_its_next_step(path):
    make(path)
    db = sqlite3.connect(path)
    blocks, = db.execute("SELECT blocks FROM machine").fetchone()
    db.close()
    assert len(blocks) > 100
    # As format 1 left it: no streams, no fields. The snapshot in fixtures is a true one (test_snapshots).
    with open_fake(path, write=True) as session:
        with Writing(session._chunks):
            session._chunks.drop_in_place(LOG_POOL << 48)
        session._db.execute("COMMIT")
    db = sqlite3.connect(path)
    row = list(db.execute("SELECT step, nr_slots, first_free, total, free_pages, blocks, header FROM machine").fetchone())
    packed = b""
    for pool, bitmap in unpack_blocks(row[5]).items():
        if pool != FIELDS_KEY:
            length = (bitmap.bit_length() + 7) // 8
            packed += pool.to_bytes(4, "little") + length.to_bytes(4, "little") + bitmap.to_bytes(length, "little")
    row[5] = packed
    db.execute("UPDATE machine SET blocks = ?, sum = ?", (packed, machine_sum(*row)))
    db.execute("PRAGMA user_version=1")
    db.commit()
    db.close()
    commits = row[0]
    before = look(path)
    assert facts(path) == (commits, 0, 0)
    make_step(path, random.Random(5), commits + 1)
    assert facts(path) == (commits + 1, 1, 0)
    go(path, -1)
    assert look(path) == before
    assert int.from_bytes(read_bytes(path)[60:64], "big") == FORMAT


@killing.needs_strace
@pytest.mark.parametrize("nr_steps", [-1, 1])
def test_killed_at_every_call_of_an_undo_and_a_redo(path, nr_steps):
    """It leaves one of the two states."""
    numbers = random.Random(6)
    make(path)
    for step in range(2, 5):
        make_step(path, numbers, step)
    if nr_steps > 0:
        go(path, -1)
    victim = killing.driver(path, read_bytes(path), "undo" if nr_steps < 0 else "redo")
    victim.restore()
    before = look(path)
    assert victim.run() == (0, "")
    after = look(path)
    assert before != after
    found = []
    for call in killing.calls(victim):
        killing.kill_before_call(victim, call)
        found.append(look(path))
        assert found[-1] in (before, after)
        numbers = random.Random(7)
        make_step(path, numbers, facts(path)[0] + 1)  # on it goes
        look(path)
    assert before in found


@pytest.mark.parametrize("sql", [
    "UPDATE slot SET data = zeroblob(16384) WHERE id = {kept}",
    "UPDATE slot SET head = (SELECT head FROM slot WHERE id = 1) WHERE id = {kept}",
    "DELETE FROM slot WHERE id = {kept}",
    "DELETE FROM slot WHERE id = {undo}",
    "UPDATE slot SET data = zeroblob(16384) WHERE id = {undo}",
])  # fmt: skip
def test_a_damaged_history_is_refused_and_the_machine_is_not(path, sql):
    make(path)
    for byte in (3, 4):
        with open_fake(path, write=True) as session:
            session.machine.fill(1, 0, byte)
            session.commit(b"fill")
    with open_fake(path) as session:
        (_, kept, _), *_ = session.history.held()
        undo = session._chunks.slot_of(0xFFFE << 48)
    edit(path, sql.format(kept=kept, undo=undo))
    data = read_bytes(path)
    with pytest.raises(StateError, match="is damaged"):
        go(path, -2)
    with open_fake(path) as session:
        assert session.verify() != []
        assert session.machine.get(1, 0)[0] == 4
    with pytest.raises(StateError, match="is damaged"), open_fake(path) as session:
        session.machine_at(2).get(1, 0)
    assert read_bytes(path)[100:] == data[100:]
