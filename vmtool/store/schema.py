"""The layout of a state file: its tables, its marks, and the checks made before anything in it is believed.

A state file is a SQLite database of three kinds of row:

    machine    one row: how often it was committed, the core's header, and where the rest begins
    slot       one chunk (16 KiB) of one pool each, packed where that pays, in no order; a slot that holds none is on a free chain
    directory  which slot holds a chunk, 256 chunks a row: a page table, with a slot's number for a frame's
    history    and `log`: empty. What was done, and what it replaced, is kept in slots, too (`history`)

Rows keep their size and are never deleted, so SQLite has no list of free pages to trust: a damaged
one would let a later commit overwrite what is in use.

Counterpart: none in the kernel; the header's fields are those of the SQLite file format, section 1.3.
"""

from __future__ import annotations

import posix
import stat

from vmtool import environ
from vmtool.errors import StateError
from vmtool.store.sqlite import sqlite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

APPLICATION_ID = 0x766D746C  # "vmtl"
FORMAT = 4  # kept as user_version; a file of a higher one is refused by name. 1: without history; 2: the kernel's own memory in few caches;
# 3: no chunk is packed
PAGE_BYTES = 16384
CHUNK_BYTES = 16384
DIRECTORY_SLOTS = 256  # entries of a directory row, four bytes each
UNDO_POOL, LOG_POOL = 0xFFFE, 0xFFFF  # of `history`
OWN_POOLS = UNDO_POOL  # from here on no pool is the machine's

TABLES = (
    (
        "machine",
        "CREATE TABLE machine (id INTEGER PRIMARY KEY, step INTEGER NOT NULL, nr_slots INTEGER NOT NULL, "
        "first_free INTEGER NOT NULL, total INTEGER NOT NULL, free_pages INTEGER NOT NULL, blocks BLOB NOT NULL, "
        "header BLOB NOT NULL, sum INTEGER NOT NULL)",
    ),
    ("slot", "CREATE TABLE slot (id INTEGER PRIMARY KEY, head BLOB NOT NULL, data BLOB NOT NULL)"),
    ("directory", "CREATE TABLE directory (id INTEGER PRIMARY KEY, slots BLOB NOT NULL, sum BLOB NOT NULL)"),
    ("history", "CREATE TABLE history (id INTEGER PRIMARY KEY, step INTEGER NOT NULL, chunk INTEGER NOT NULL, slot INTEGER NOT NULL)"),
    ("log", "CREATE TABLE log (step INTEGER PRIMARY KEY, command TEXT NOT NULL)"),
)
SCHEMA = [("table", name, name, root, sql) for root, (name, sql) in enumerate(TABLES, 2)]

# The first 100 bytes of the file: fields that never change, by offset.
_MAGIC = b"SQLite format 3\0"
_FIXED = (
    (16, PAGE_BYTES.to_bytes(2, "big") + bytes((1, 1, 0, 64, 32, 32)), "its page size or locking mode"),  # 1, 1: rollback journal
    (44, (4).to_bytes(4, "big") + bytes(8) + (1).to_bytes(4, "big"), "its schema format or encoding"),  # no auto_vacuum, UTF-8
    (64, bytes(4), "its vacuum mode"),
    (72, bytes(20), "the bytes kept zero"),
)


def connect(path: str, options: str = "") -> sqlite.Connection:
    """A connection to a file that is there. No statement waits for a lock, no transaction begins by itself.

    Any thread may use it, one at a time.
    """
    name = path if path.startswith("/") else f"{posix.getcwd()}/{path}"
    name = name.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    db = sqlite.connect(f"file://{name}?mode=rw{options}", timeout=0, isolation_level=None, check_same_thread=False, uri=True)
    try:
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA cell_size_check=ON")
        if not is_durable():
            db.execute("PRAGMA synchronous=OFF")  # reads the schema, which may be damaged
    except BaseException:
        db.close()  # and with it its lock, at once: the traceback would keep it
        raise
    return db


def is_durable() -> bool:
    """Whether a commit waits for the disk: unless VMTOOL_SYNC=off, which a crash of vmtool survives, a power cut may not."""
    return environ.get("VMTOOL_SYNC") != "off"


def create_tables(db: sqlite.Connection) -> None:
    """Lay out an empty database; the caller begins and commits."""
    for _, sql in TABLES:
        db.execute(sql)
    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    db.execute(f"PRAGMA user_version={FORMAT}")


def check_file(path: str) -> tuple[int, int]:
    """Read the first bytes without SQLite, which would take a foreign file's journal for its own.

    Returns: device and inode, by which a replaced file is noticed. Raises StateError.
    """
    try:
        status = posix.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise StateError(f"{path}: is a directory")
        if not stat.S_ISREG(status.st_mode):  # before open(), which waits for a FIFO's writer
            raise StateError(f"{path}: is not a regular file")
        identity = (status.st_dev, status.st_ino)
        if identity not in in_use:
            with open(path, "rb", buffering=0) as file:
                check_first_bytes(path, file.read(100))
    except FileNotFoundError:
        raise StateError(f"{path}: no such state file ('vmtool init' makes one)") from None
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}") from None
    return identity


# Files this process has open through SQLite. Closing any other descriptor of such a file drops the
# process's locks on it (fcntl(2)), so its first bytes are not read a second time, and one for its pages is closed last.
in_use: list[tuple[int, int]] = []
_descriptors: dict[tuple[int, int], int] = {}


def page_reader(path: str, identity: tuple[int, int]) -> Callable[[int], bytes]:
    """What reads a page of a file in use beside SQLite, by its number, as the last commit left it. Raises StateError."""
    try:
        if identity not in _descriptors:
            _descriptors[identity] = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        descriptor = _descriptors[identity]
        status = posix.fstat(descriptor)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}") from None
    if (status.st_dev, status.st_ino) != identity:
        raise StateError(f"{path}: was replaced by another program")
    return lambda number: posix.pread(descriptor, PAGE_BYTES, (number - 1) * PAGE_BYTES)


def let_go(identity: tuple[int, int]) -> None:
    """A session has closed its connection to a file in use."""
    in_use.remove(identity)
    if identity not in in_use and identity in _descriptors:
        posix.close(_descriptors.pop(identity))


def check_first_bytes(path: str, first: bytes) -> None:
    """StateError unless these are the first 100 bytes of a state file that this release reads."""
    if not first:
        raise StateError(f"{path}: is empty, not a state file")
    if first[: len(_MAGIC)] != _MAGIC[: len(first)]:
        raise StateError(f"{path}: is not a state file")
    if len(first) < 100:
        raise StateError(f"{path}: is truncated")
    if int.from_bytes(first[68:72], "big") != APPLICATION_ID:
        raise StateError(f"{path}: is a SQLite database, but not a state file")
    version = int.from_bytes(first[60:64], "big")
    if version > FORMAT:
        raise StateError(f"{path}: is of format {version}, made by a newer vmtool; this one reads format {FORMAT}")
    if version < 1:
        raise StateError(f"{path}: is damaged (format {version})")
    for at, expected, what in _FIXED:
        if first[at : at + len(expected)] != expected:
            raise StateError(f"{path}: is damaged ({what})")


def check_schema(db: sqlite.Connection) -> str | None:
    """What is wrong with the tables, or None. A view, trigger or index that someone added is wrong too."""
    found = db.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master").fetchall()
    return None if found == SCHEMA else "its tables are not those of a state file"
