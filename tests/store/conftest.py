"""State files of a fake machine: `state` has four dozen chunks in eight pools, of each size, some dropped, one far off."""

import pytest

from tests.store.fake import CHUNK_BYTES, NOISE_BYTES, FakeMachine
from vmtool.store.session import init_machine, open_machine

CHUNKS = [(pool, chunk) for pool in range(8) for chunk in range(6)] + [(2, 70_000)]
DROPPED = [(3, 1), (3, 2), (7, 0)]


def contents_of(pool, chunk, version=0):
    """What a chunk holds: its name over and over, the first one of a pool whole, the others so far that they have all sizes."""
    text = f"pool {pool} chunk {chunk} version {version} ".encode()
    nr = max(NOISE_BYTES[(chunk - 1) % len(NOISE_BYTES)], len(text))
    return (text * (CHUNK_BYTES // len(text) + 1))[:nr].ljust(CHUNK_BYTES, b"\0")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "machine.vmt")


@pytest.fixture
def state(path):
    """The path of a state file of two commits."""
    with init_machine(path, factory=FakeMachine) as session:
        for pool, chunk in CHUNKS:
            session.machine.put(pool, chunk, 0, contents_of(pool, chunk))
        session.machine.set_header(b"header 0")
        session.commit()
        session.renew()
        for pool, chunk in DROPPED:
            session.machine.drop(pool, chunk)
        session.commit()
    return path


def open_fake(path, write=False, wait=10.0, **more):
    return open_machine(path, write, wait, factory=FakeMachine, **more)


def all_chunks(path):
    """Every chunk of a `state`, by (pool, chunk)."""
    with open_fake(path) as session:
        return {key: bytes(session.machine.get(*key)) for key in CHUNKS}


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()
