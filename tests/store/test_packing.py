"""A chunk that is packed is what it was; what is no packed chunk is told, and reads nothing beyond its end."""

import gzip
import random
import sqlite3
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vmtool._packing import PACKED_BYTES, crc32, head_of, opened, seal, unpack

from tests.store.conftest import open_fake
from tests.store.fake import CHUNK_BYTES, NOISE, NOISE_BYTES, FakeMachine, filled
from tests.store.killing import ROOT
from tests.store.test_chunks import edit, forget_history
from vmtool.errors import InternalError, StateError
from vmtool.store.chunks import POOL_SHIFT, SLOT_BYTES, Past, machine_sum
from vmtool.store.image import Image, differing
from vmtool.store.schema import FORMAT
from vmtool.store.session import init_machine, open_machine


def frames(first, step):
    """Records of 32 bytes side by side, as those of a run of pages: what differs differs by a step."""
    words = [[0x80004, 1, first + step * i, 0, 7, 3, first + i + 1, first + i - 1] for i in range(CHUNK_BYTES // 32)]
    return b"".join([word.to_bytes(4, "little") for record in words for word in record])


def entries(first):
    """A page table's."""
    return b"".join([((first + i) << 12 | 0x8000000000000067).to_bytes(8, "little") for i in range(CHUNK_BYTES // 8)])


@settings(deadline=None)
@given(pieces=st.lists(st.tuples(st.integers(0, CHUNK_BYTES - 1), st.binary(max_size=600)), max_size=30), regular=st.booleans())
def test_unpacking_gives_the_chunk_back(pieces, regular):
    data = bytearray(frames(1000, 1) if regular else CHUNK_BYTES)
    for at, piece in pieces:
        data[at : at + len(piece)] = piece[: CHUNK_BYTES - at]
    head, stored, total = seal(5, bytes(data))
    assert unpack(bytes(stored)) == data
    assert opened(bytes(head), bytes(stored)) == (5, total) == (5, zlib.crc32(stored))
    assert len(stored) in SLOT_BYTES


@pytest.mark.parametrize("data", [bytes(CHUNK_BYTES), frames(5000, 1), frames(5000, 512), entries(77), b"\xff" * CHUNK_BYTES])
def test_what_is_regular_takes_the_fewest_bytes(data):
    stored = seal(0, data)[1]
    assert len(stored) == PACKED_BYTES[0]
    assert unpack(bytes(stored)) == data


@pytest.mark.parametrize(("nr", "size"), list(zip(NOISE_BYTES, SLOT_BYTES, strict=True)))
def test_noise_takes_its_size(nr, size):
    data = NOISE[:nr].ljust(CHUNK_BYTES, b"\0")
    stored = seal(0, data)[1]
    assert len(stored) == size
    assert unpack(bytes(stored)) == data


def test_a_chunk_of_another_length_is_our_mistake():
    for length in (0, CHUNK_BYTES - 1, CHUNK_BYTES + 1):
        with pytest.raises(InternalError):
            seal(0, bytes(length))


def test_what_is_no_packed_chunk_is_told():
    """Whatever the bytes, a chunk or nothing comes of them; and those of one that end too soon are none."""
    numbers = random.Random(1)
    stored = bytes(seal(0, filled(1, 1))[1])
    length = len(stored.rstrip(b"\0"))
    for cut in range(length - 3):
        assert unpack(stored[:cut]) is None
    for _ in range(20_000):
        data = bytes([numbers.choice([0, 1, 1, 2])]) + numbers.randbytes(numbers.choice([0, 63, 64, 65, 500, 7999]))
        chunk = unpack(data)
        assert chunk is None or len(chunk) == CHUNK_BYTES
    assert unpack(b"\2" + stored[1:]) is None
    assert unpack(b"\0" + b"\xff" * (PACKED_BYTES[-1] - 1)) is None


@given(data=st.binary(max_size=3000), start=st.integers(0, 2**32 - 1))
def test_the_checksum_is_zlibs(data, start):
    assert crc32(data, start) == zlib.crc32(data, start)


def test_a_row_that_is_none_is_not_opened():
    head, stored = map(bytes, seal(9, filled(0, 0))[:2])
    assert opened(head, stored)
    for bad in (b"", head[:15], head + b"\0", head[:-1] + bytes([head[-1] ^ 1]), bytes([head[0] ^ 1]) + head[1:], "text", None, 5):
        assert opened(bad, stored) is None
    for bad in (b"", stored[:-1], stored + b"\0", stored[:-1] + b"\1", bytes(CHUNK_BYTES), "text", None, 5):
        assert opened(head, bad) is None


# --- in a file -------------------------------------------------------------------------------------------


def write(path, chunk, byte):
    with open_fake(path, write=True) as session:
        session.machine.fill(2, chunk, byte)
        session.commit()
        session.renew()
        assert session.verify() == []


@pytest.mark.parametrize("keeps", [True, False])
def test_a_chunk_goes_from_size_to_size(path, keeps):
    with init_machine(path, factory=FakeMachine) as session:
        session.machine.fill(2, 1, 0)
        if not keeps:
            session.set_history(0, 0)
        session.commit()
    for byte in random.Random(2).sample(range(256), 40):
        write(path, 0, byte)
        with open_fake(path) as session:
            assert session.machine.get(2, 0) == filled(0, byte)
            assert session.machine.get(2, 1) == filled(1, 0)
    db = sqlite3.connect(path)
    slots = db.execute("SELECT count(*) FROM slot").fetchone()[0]
    assert slots > 40 if keeps else slots < 2 + 2 * len(SLOT_BYTES) + 2  # one of each size, of the log's chunk, too
    db.close()


def test_a_packed_chunk_whose_checksum_is_right_is_refused_all_the_same(state):
    forget_history(state)
    data = b"\1" + b"\xff" * (PACKED_BYTES[0] - 1)
    with open_fake(state) as session:
        slot = session._chunks.slot_of(1 << 48 | 1)
    edit(state, "UPDATE slot SET head = ?, data = ? WHERE id = ?", bytes(head_of(1 << 48 | 1, zlib.crc32(data))), data, slot)
    with pytest.raises(StateError, match="is damaged"), open_fake(state) as session:
        session.machine.get(1, 1)
    with open_fake(state) as session:
        assert f"slot {slot}: its data are no chunk" in session.verify()


def test_a_free_slot_of_another_size_is_no_link_of_the_chain(state):
    """Its data would not fit: a commit that would fill it is refused, and fsck says so."""
    forget_history(state)
    with open_fake(state) as session:
        assert session._chunks.blocks  # which brings them
        slot = session._chunks.first_free[0]
    data = bytes(seal(0, filled(1, 0))[1])
    with open_fake(state) as session:
        head, was = session._db.execute("SELECT head, data FROM slot WHERE id = ?", (slot,)).fetchone()
    key = int.from_bytes(head[:8], "little")
    assert len(was) != len(data)
    edit(state, "UPDATE slot SET head = ?, data = ? WHERE id = ?", bytes(head_of(key, zlib.crc32(data))), data, slot)
    with open_fake(state) as session:
        assert any(line.startswith(f"free chain: slot {slot} has") for line in session.verify())
    with pytest.raises(StateError, match="is damaged"), open_fake(state, write=True) as session:
        session.machine.fill(20, 0, 0)
        session.commit()


# --- a file of a release that did not pack ---------------------------------------------------------------


def everything(session, step=None):
    """The chunks that are not zeros, as the file has them, now or after a step."""
    chunks = session._chunks if step is None else Past(session._chunks, step)
    return {key: data for key in chunks.keys() if any(data := chunks.load(key >> POOL_SHIFT, key & (1 << POOL_SHIFT) - 1))}


def test_an_older_file_goes_on_with_both(tmp_path):
    """Its slots stay as they are until their chunks change; a step back brings them again."""
    path = str(tmp_path / "machine.vmt")
    Path(path).write_bytes(gzip.decompress((Path(ROOT) / "fixtures" / "snapshots" / "v3-story.vmt.gz").read_bytes()))
    with open_machine(path, False) as session:
        before, header = everything(session), session._chunks.header
        step = session.history.step
    with open_machine(path, True) as session:
        pid = session.machine.tasks()[-1].pid
        session.machine.touch(pid, session.machine.mmap(pid, 0, 1 << 20, 3, 0x22), 1 << 20, "w")
        session.commit()
    with open_machine(path, False) as session:
        assert session.verify() == []
        after, past = everything(session), everything(session, step)
        assert past == before != after
        found = differing(Image(session, step), Image(session))
        assert found == sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
        sizes = {size for (size,) in session._db.execute("SELECT DISTINCT length(data) FROM slot")}
        assert session._db.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        assert {PACKED_BYTES[0], CHUNK_BYTES} <= sizes <= set(SLOT_BYTES)
    with open_machine(path, True) as session:
        session.go(-1)
    with open_machine(path, False) as session:
        assert session.verify() == []
        assert (everything(session), session._chunks.header) == (before, header)


def test_what_is_alike_does_not_differ_for_being_packed(state):
    """Written again as it was, by a release that packs."""
    key = 1 << 48 | 1
    with open_fake(state) as session:
        slot = session._chunks.slot_of(key)
        data = session._chunks.load(1, 1)
        was = session._chunks.sum_of(key, slot)
    total = zlib.crc32(data)
    edit(state, "UPDATE slot SET head = ?, data = ? WHERE id = ?", bytes(head_of(key, total)), data, slot)
    edit_machine(state, total - was)
    with open_fake(state, write=True) as session:
        assert session.verify() == []
        session.machine.put(1, 1, 0, data)
        session.machine.put(1, 2, 0, b"x")
        session.commit()
        session.renew()
        step = session.history.step
        assert session._chunks.sum_of(key, session._chunks.slot_of(key)) == was
        assert differing(Image(session, step - 1), Image(session)) == [1 << 48 | 2]


def edit_machine(path, more):
    """Let the checksums add up to more."""
    db = sqlite3.connect(path)
    row = list(db.execute("SELECT step, nr_slots, first_free, total, free_pages, blocks, header FROM machine").fetchone())
    row[3] += more
    db.execute("UPDATE machine SET total = ?, sum = ?", (row[3], machine_sum(*row)))
    db.commit()
    db.close()
