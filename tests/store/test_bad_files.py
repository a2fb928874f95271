"""A file that is not a whole state file of this format gets one clear line and stays as it is, byte for byte."""

import os
import random
import sqlite3
import stat

import pytest
from vmtool._packing import page_below

from tests.store.conftest import CHUNKS, DROPPED, all_chunks, contents_of, open_fake, read_bytes
from tests.store.fake import CHUNK_BYTES, FakeMachine
from tests.store.processes import run_as_nobody
from vmtool.errors import StateError
from vmtool.store.chunks import SLOT_ROOT
from vmtool.store.schema import FORMAT, PAGE_BYTES
from vmtool.store.session import init_machine, open_machine

GOOD = {key: bytes(CHUNK_BYTES) if key in DROPPED else contents_of(*key) for key in CHUNKS}
WRITTEN = {(0, 0): contents_of(0, 0, 1), (4, 4): contents_of(4, 4, 1), (30, 300): contents_of(30, 300, 1), (3, 1): contents_of(3, 1, 1)}


def write_bytes(path, data):
    with open(path, "wb") as file:
        file.write(data)


def refusal(path, write):
    """The line with which a file is refused."""
    try:
        with open_fake(path, write=write) as session:
            for key in CHUNKS:
                session.machine.get(*key)
            if write:
                session.machine.put(0, 0, 0, b"x")
                session.commit()
    except StateError as error:
        return str(error)
    return None


def assert_refused(path, what):
    """Readers, writers, and what may make a file say `what`, and change nothing, here and beside it."""
    before, beside = read_bytes(path), sorted(os.listdir(os.path.dirname(path)))
    for write in (False, True):
        line = refusal(path, write)
        assert line is not None, "it was taken for good"
        assert line.startswith(f"{path}: ") and "\n" not in line
        assert what in line
    with pytest.raises(StateError, match="is there already"):
        init_machine(path, factory=FakeMachine)
    assert read_bytes(path) == before
    assert sorted(os.listdir(os.path.dirname(path))) == beside


def damage(path, data):
    """Try a damaged file in every way a command would.

    Returns: "refused" with the file as it was; "harmless" when everything read and, after a commit, written is right.
    Everything else fails.
    """
    write_bytes(path, data)
    if os.path.exists(path + "-journal"):
        os.unlink(path + "-journal")
    try:
        assert all_chunks(path) == GOOD, "wrong bytes were believed"
        read = "harmless"
    except StateError as error:
        assert "\n" not in str(error)
        read = "refused"
    assert read_bytes(path) == data, "a reader changed the file"
    try:
        with open_fake(path, write=True) as session:
            for key, text in WRITTEN.items():
                session.machine.put(*key, 0, text)
            session.commit()
    except StateError as error:
        assert "\n" not in str(error)
        assert read_bytes(path) == data, "a refused file was changed"
        assert sorted(os.listdir(os.path.dirname(path))) == ["machine.vmt"]
        return "refused"
    if read == "refused":
        return read  # the damage lies where this command does not look: it may go on
    assert all_chunks(path) == GOOD | {key: WRITTEN[key] for key in WRITTEN if key in GOOD}
    return "harmless"


# --- of another kind ---------------------------------------------------------------------------


def test_an_empty_file(path):
    write_bytes(path, b"")
    assert_refused(path, "is empty")


@pytest.mark.parametrize("data", [b"text\n", bytes(5000), b"\x7fELF" * 5000, b"SQLite format 2\0" * 20])
def test_a_foreign_file(path, data):
    write_bytes(path, data)
    assert_refused(path, "is not a state file")


def test_another_programs_database(path):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE t (a)")
    db.close()
    assert_refused(path, "is a SQLite database, but not a state file")


def test_a_directory(tmp_path):
    for write in (False, True):
        assert refusal(str(tmp_path), write) == f"{tmp_path}: is a directory"
    with pytest.raises(StateError, match="not a regular file"):
        init_machine(str(tmp_path), force=True, factory=FakeMachine)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.mknod(path, stat.S_IFSOCK | 0o600)])
def test_a_fifo_or_a_socket(path, make):
    make(path)
    for write in (False, True):
        assert refusal(path, write) == f"{path}: is not a regular file"


def test_a_missing_file(path):
    assert "no such state file" in refusal(path, False)
    assert "no such state file" in refusal(path, True)
    assert not os.path.exists(path)


def test_a_file_of_a_newer_format(state):
    data = bytearray(read_bytes(state))
    data[60:64] = (FORMAT + 1).to_bytes(4, "big")
    write_bytes(state, data)
    assert_refused(state, f"is of format {FORMAT + 1}, made by a newer vmtool; this one reads format {FORMAT}")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE more (a)",
        "CREATE VIEW v AS SELECT * FROM slot",
        "CREATE TRIGGER t AFTER UPDATE ON machine BEGIN DELETE FROM slot; END",
        "CREATE INDEX i ON slot (head)",
        "ALTER TABLE slot ADD COLUMN more",
        "DROP TABLE log",
    ],
)
def test_a_changed_schema(state, sql):
    db = sqlite3.connect(state)
    db.execute(sql)
    db.close()
    assert_refused(state, "its tables are not those of a state file")


def test_a_file_switched_to_a_write_ahead_log(state):
    db = sqlite3.connect(state)
    db.execute("PRAGMA journal_mode=WAL")
    db.close()
    assert_refused(state, "is damaged (its page size or locking mode)")


# --- damaged -------------------------------------------------------------------------------------


def test_truncated_anywhere(state):
    data = read_bytes(state)
    sizes = {1, 15, 16, 17, 50, 99, 100, 101, 512, PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1, len(data) - 1, len(data) - PAGE_BYTES}
    for size in sorted(sizes | {random.Random(size).randrange(len(data)) for size in range(20)}):
        write_bytes(state, data[:size])
        assert_refused(state, "is truncated" if size < 100 else "is damaged")


def test_a_tail_that_does_not_belong_to_it(state):
    data = read_bytes(state)
    assert damage(state, data + bytes(PAGE_BYTES)) == "refused"
    assert damage(state, data + b"x") == "refused"


def test_each_byte_of_the_file_header_flipped(state):
    data = read_bytes(state)
    results = {at: damage(state, flipped(data, at, 0xFF)) for at in range(100)}
    harmless = {at for at, result in results.items() if result == "harmless"}
    # The change counter and its copy; the size in pages is taken from the file when these two differ. The schema's
    # cookie, the cache size, and which release of SQLite wrote last.
    assert harmless <= {*range(24, 28), *range(40, 44), *range(92, 100), *range(32, 36)}


def test_a_refused_file_is_not_kept_locked(state):
    """By a session that its machine did not come to life in, as when its first chunk is damaged."""

    class Stillborn(FakeMachine):
        def __init__(self, load, header):
            super().__init__(load, header)
            self.get(0, 0)

    data = read_bytes(state)
    at = data.index(contents_of(0, 0)[:40])
    write_bytes(state, flipped(data, at, 0xFF))
    errors = []
    for _ in range(2):
        with pytest.raises(StateError, match="is damaged") as error:
            open_machine(state, True, wait=0, factory=Stillborn)
        errors.append(error)  # and its traceback, which holds the session
    with open_fake(state, write=True, wait=0):
        pass


@pytest.mark.parametrize(("mask", "share"), [(0x01, 0.2), (0x80, 0.2), pytest.param(0xFF, 1.0, marks=pytest.mark.slow)])
def test_bytes_flipped_in_every_page(state, mask, share):
    """Where SQLite keeps its own data in a page (the first bytes, the cell pointers, the heads of cells), and at random."""
    data, places, results = read_bytes(state), random.Random(mask), []
    for page in range(0, len(data), PAGE_BYTES):
        for at in {0, 1, 3, 4, 5, 7, 8, 9, 11, 13, PAGE_BYTES - 1, *(places.randrange(PAGE_BYTES) for _ in range(6))}:
            if page + at >= 100 and places.random() < share:
                results.append(damage(state, flipped(data, page + at, mask)))
    assert results.count("refused") > len(results) // 2


def test_stretches_overwritten(state):
    """A sector or a page of zeros, of noise, or of another place of the same file."""
    data, places = read_bytes(state), random.Random(1)
    for _ in range(150):
        length = places.choice([16, 512, 4096, PAGE_BYTES])
        to, source = (places.randrange(len(data) // length) * length for _ in range(2))
        piece = places.choice([bytes(length), places.randbytes(length), data[source : source + length]])
        damage(state, data[:to] + piece + data[to + length :])


@pytest.mark.parametrize("nr_files", [150, pytest.param(3000, marks=pytest.mark.slow)])
def test_several_bytes_of_sqlites_own_pages(state, nr_files):
    """Among them the accounts of free space, which SQLite believes when it inserts a row."""
    data, places = read_bytes(state), random.Random(nr_files)
    trees = [page for page in range(0, len(data), PAGE_BYTES) if page == 0 or data[page] in (5, 13)]
    for _ in range(nr_files):
        bad = bytearray(data)
        for _ in range(places.choice([1, 1, 2, 4])):
            at = places.randrange(places.choice([16, 80, PAGE_BYTES]))
            at = places.choice([at, at, PAGE_BYTES - 1 - at])
            bad[places.choice(trees) + at] = places.choice([0, 255, places.randrange(256)])
        if bad != data:
            damage(state, bytes(bad))


def test_a_page_that_says_it_has_room_where_it_has_entries(state):
    """Every page of the slots' tree on the way to a new one, the entries of its trees among them: nothing is written into it."""
    data, number, refused = read_bytes(state), SLOT_ROOT, 0
    while number:
        page = (number - 1) * PAGE_BYTES
        for where, value in ((6, 0xFF), (5, 0x3F), (5, 0x40), (3, 0x20)):  # where the content begins, and how many entries there are
            bad = bytearray(data)
            bad[page + where] = value
            if bad != data:
                assert damage(state, bytes(bad)) == "refused", (number, where, value)
                refused += 1
        number = page_below(data[page : page + PAGE_BYTES])
    assert refused > 6


def test_pages_of_a_good_file_have_no_room_where_they_have_entries(state):
    data = read_bytes(state)
    pages = [data[at : at + PAGE_BYTES] for at in range(PAGE_BYTES, len(data), PAGE_BYTES)]
    found = [page_below(page) for page in pages if page[0] in (5, 13)]
    assert len(found) > 10
    assert None not in found
    assert page_below(b"") is page_below(pages[0][:100]) is page_below(bytes(PAGE_BYTES)) is None


def flipped(data, at, mask):
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


# --- not permitted ---------------------------------------------------------------------------------


def test_an_unreadable_file(state):
    os.chmod(state, 0)
    for write in (False, True):
        assert run_as_nobody(state, lambda write=write: refusal(state, write)) == f"{state}: Permission denied"


def test_a_read_only_file_can_be_read_but_not_written(state):
    before = read_bytes(state)
    os.chmod(state, 0o444)
    assert run_as_nobody(state, lambda: refusal(state, False)) is None
    assert run_as_nobody(state, lambda: refusal(state, True)) == f"{state}: is read-only"
    assert read_bytes(state) == before


def test_a_file_in_a_read_only_directory(state):
    before = read_bytes(state)
    os.chmod(state, 0o666)
    os.chmod(os.path.dirname(state), 0o555)
    assert run_as_nobody(state, lambda: refusal(state, False)) is None
    assert run_as_nobody(state, lambda: refusal(state, True)) == f"{state}: cannot be written: its directory is read-only"
    assert read_bytes(state) == before


def test_a_new_file_in_a_read_only_directory(path):
    os.chmod(os.path.dirname(path), 0o555)

    def create():
        try:
            init_machine(path, factory=FakeMachine)
        except StateError as error:
            return str(error)

    assert run_as_nobody(path, create) == f"{path}: Permission denied"


def test_a_full_disk_leaves_the_state_as_before(state):
    """The limit on file sizes stands for the disk: it too fails the write that would make the file longer."""
    import resource

    before = read_bytes(state)

    def grow():
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + PAGE_BYTES, resource.RLIM_INFINITY))
        try:
            with open_fake(state, write=True) as session:
                for chunk in range(64):
                    session.machine.fill(9, chunk, 1)
                session.commit()
        except StateError as error:
            return str(error)

    assert run_as_nobody(None, grow) in (f"{state}: no space left for it; nothing was changed", f"{state}: input/output error")
    assert all_chunks(state) == GOOD
    assert read_bytes(state) == before
