"""Chunks to rows and back: load on first use, and a commit of what changed.

What is read is believed only after its type, length and checksum. A chunk that has no row reads as
never used; that a row was lost is seen because the way to it is checked from the top, as a page walk goes:

    machine row   checksum over itself; `blocks` has a bit for each directory row there must be
    directory     checksum over its 256 slot numbers, 0 for a chunk that was never saved
    slot          head: which chunk it holds, the checksum of its data, the checksum of the head (_packing)

so opening reads one row, whatever the size of the machine, and a chunk two more. No row is overwritten
that was not read and checked on the same way before: a damaged file is left as it is.

A slot's data are a chunk as seal() packs it, with zeros up to one of six sizes: the chunk itself has the last one. A slot keeps its size.

The free chains, one of each size: a slot whose chunk was dropped has FREE and the next free slot's number for a key, and keeps its data.

What a step changes goes to other slots, and `history` keeps those that it replaced; its own chunks are overwritten where they are.

Invariants (verify.py): a slot is held by exactly one directory entry, or kept by one record of the history, or is on the free chain of
its size once; `total` is the sum of the checksums of the slots that the directory holds.
"""

from __future__ import annotations

from vmtool._packing import PACKED_BYTES, crc32, head_of, opened, page_below, put_elsewhere, seal, slot_in, unpack
from vmtool.errors import StateError
from vmtool.store.schema import CHUNK_BYTES, DIRECTORY_SLOTS, FORMAT, OWN_POOLS, PAGE_BYTES
from vmtool.store.sqlite import sqlite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from vmtool._core import Machine
    from vmtool.store.history import History, Replaced

FIELDS_KEY = 0xFFFFFFFF  # among the bitmaps of directory rows the fields of `history`
FREE_KEY = 0xFFFFFFFE  # and where the free chains of packed chunks begin
POOL_SHIFT = 48  # key of a chunk: pool << 48 | chunk; key >> 8 is its directory row, key & 255 its entry there
FREE = 1 << 63  # in a slot's head in place of a key
HEAD_BYTES = 16
BLOCK_SHIFT = POOL_SHIFT - 8  # number of a directory row: pool << 40 | block
EMPTY_DIRECTORY = (bytes(4 * DIRECTORY_SLOTS),)

SLOT_BYTES = (*PACKED_BYTES, CHUNK_BYTES)
KIND_OF = {size: kind for kind, size in enumerate(SLOT_BYTES)}  # which free chain a slot of that size goes on
WHOLE = KIND_OF[CHUNK_BYTES]
MOST_SLOTS = 1 << 31  # a directory's entry has four bytes
LOCAL_BYTES = (*PACKED_BYTES, 2000)  # so many of them at least are in the page of the row

FEW_CHUNKS = 32  # so many pages, with those that lead to them, SQLite's own cache of 2 MiB holds
CACHE_KIB = 32768  # for more: a page that does not fit is written before the commit, the journal synced for it, and written again

DIRECTORIES_A_PAGE = 16
SLOT_ROOT = 3  # where the tree of slots begins: they are the second table
MOST_LEVELS = 20  # of a tree, as SQLite's own limit
SELECT_SLOT = "SELECT head, data FROM slot WHERE id = ?"
SELECT_HEAD = "SELECT head, length(data) FROM slot WHERE id = ?"
SELECT_LAST_SLOTS = "SELECT id, head, data FROM slot WHERE id <= ? ORDER BY id DESC"
INSERT_SLOT = "INSERT INTO slot (id, head, data) VALUES (?, ?, ?)"
UPDATE_SLOT = "UPDATE slot SET head = ?, data = ? WHERE id = ?"
UPDATE_HEAD = "UPDATE slot SET head = ? WHERE id = ?"
INSERT_DIRECTORY = "INSERT INTO directory (slots, sum, id) VALUES (?, ?, ?)"
UPDATE_DIRECTORY = "UPDATE directory SET slots = ?, sum = ? WHERE id = ?"
SELECT_DIRECTORIES = "SELECT id, slots, sum FROM directory WHERE id BETWEEN ? AND ?"
_MACHINE_COLUMNS = "step, nr_slots, first_free, total, free_pages, blocks, header, sum"
_MACHINE_TYPES = [int, int, int, int, int, bytes, bytes, int]


class Chunks:
    """The chunks of one state file, within one transaction that the session begins and ends."""

    def __init__(self, db: sqlite.Connection, path: str) -> None:
        self.db = db
        self.path = path
        self.step = 0  # commits so far
        self.stamp = (0, 0)  # step and checksum of the machine row: which state this is
        self.nr_slots = 0
        self.first_free = [0] * len(SLOT_BYTES)  # of each size's chain
        self.total = 0
        self.free_pages = 0  # SQLite's own: none until the machine row outgrows a page, at 256 GiB of one pool
        self._packed: bytes | None = None  # as saved, until it is needed as
        self._blocks: dict[int, int] = {}  # pool: bitmap of its directory rows
        self.header = b""
        self._directories: dict[int, bytearray] = {}
        self._dirty_directories: dict[int, str] = {}  # the statement that saves it
        self._sums: dict[int, int] = {}  # key: checksum of the chunk as saved, of those that were read or written
        self._history: History | None = None  # made, and its module imported, when it is asked for
        self._history_fields: int | None = None
        self._replaced: Replaced | None = None  # of the step that is being saved: what it replaced; None where it overwrites

    # --- reading ---------------------------------------------------------------------------

    def read_machine(self) -> bytes:
        """Read the machine row anew. Returns: the core's header."""
        rows = self.db.execute(f"SELECT {_MACHINE_COLUMNS} FROM machine").fetchall()
        if len(rows) != 1 or list(map(type, rows[0])) != _MACHINE_TYPES or rows[0][-1] != machine_sum(*rows[0][:-1]):
            raise self.damaged("its machine row")
        self.step, self.nr_slots, self.first_free[WHOLE], self.total, self.free_pages, self._packed, self.header, total = rows[0]
        self.stamp = (self.step, total)
        return self.header

    def keys(self) -> list[int]:
        """Every chunk of the machine that has a slot, in order."""
        found = []
        for pool, bitmap in self.blocks.items():
            if pool < OWN_POOLS:
                for block in bits_of(bitmap):
                    number = pool << BLOCK_SHIFT | block
                    found += [number << 8 | at for at in range(DIRECTORY_SLOTS) if self.slot_of(number << 8 | at)]
        return sorted(found)

    def load(self, pool: int, chunk: int) -> bytes | None:
        """The bytes of a chunk, or None when it was never saved."""
        key = pool << POOL_SHIFT | chunk
        slot = self.slot_of(key)
        if not slot:
            return None
        data, self._sums[key] = self.read_slot(slot, key)
        return data

    def slot_of(self, key: int) -> int:
        """The number of the slot that holds a chunk, 0 for none."""
        directory = self._directories.get(key >> 8)
        return slot_in(self.read_directory(key >> 8) if directory is None else directory, key)

    def read_directory(self, number: int) -> bytearray:
        """A directory row, checked and kept; one that was never saved is empty."""
        row = self.db.execute("SELECT slots, sum FROM directory WHERE id = ?", (number,)).fetchone()
        if row is None and not self.has_directory(number):
            row = EMPTY_DIRECTORY
        elif row is None or not is_directory(*row):
            raise self.damaged(f"directory {number:#x}")
        self._directories[number] = directory = bytearray(row[0])
        return directory

    def has_directory(self, number: int) -> int:
        """Whether the machine row says that there is this directory row."""
        return self.blocks.get(number >> BLOCK_SHIFT, 0) >> (number & ((1 << BLOCK_SHIFT) - 1)) & 1

    @property
    def blocks(self) -> dict[int, int]:
        if self._packed is not None:
            self._blocks = unpack_blocks(self._packed)
            self._history_fields = self._blocks.pop(FIELDS_KEY, None)
            first_free = self._blocks.pop(FREE_KEY, 0)
            self.first_free[:WHOLE] = [first_free >> 32 * kind & 0xFFFFFFFF for kind in range(WHOLE)]
            self._history = self._packed = None
        return self._blocks

    @property
    def history(self) -> History:
        self.blocks  # noqa: B018 - reads the fields
        if self._history is None:
            from vmtool.store.history import History
            self._history = History(self, self._history_fields)
        return self._history

    def read_slot(self, slot: int, key: int) -> tuple[bytes, int]:
        """The chunk in a slot and the checksum of its data, once both are those of this key."""
        row = self.db.execute(SELECT_SLOT, (slot,)).fetchone()
        if row is None:
            raise self.damaged(f"{name_of(key)}: its row is lost")
        found = opened(*row)
        if found is None:
            raise self.damaged(f"{name_of(key)}: its checksum")
        if found[0] != key:
            raise self.damaged(f"{name_of(key)}: its row is another's")
        chunk = unpack(row[1])
        if chunk is None:
            raise self.damaged(f"{name_of(key)}: its data")
        return chunk, found[1]

    # --- writing ---------------------------------------------------------------------------

    def save(self, machine: Machine, entry: bytes = b"", bounds: tuple[int, int] | None = None) -> None:
        """Write what changed in a machine (`dirty()`, `dropped()`) and its header, a step; the session commits.

        `entry`: for the log. `bounds`: new settings of the history. Preconditions: a transaction that holds the write lock.
        """
        dropped, dirty = machine.dropped(), machine.dirty()
        if len(dirty) > FEW_CHUNKS:
            self.db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        with Writing(self):
            is_kept = self.history.keeps(len(dropped) + len(dirty)) and self.step > 0  # a new file has nothing before it
            self._replaced = [] if is_kept else None
            for pool, chunk in dropped:
                self.drop(pool << POOL_SHIFT | chunk)
            if is_kept:
                self.db.executemany(INSERT_SLOT, put_elsewhere(self, machine, dirty))
            else:
                for pool, chunk in dirty:
                    self.put_in_place(pool << POOL_SHIFT | chunk, machine.chunk(pool, chunk))
            replaced, self._replaced = self._replaced, None
            self.history.add(entry, self.header, replaced)
            self.header = machine.header()
            if bounds is not None:
                self.history.set_bounds(*bounds)

    def put_in_place(self, key: int, data: memoryview) -> None:
        """Write one chunk where it was, or to a free or a new slot."""
        slot = self.slot_of(key)
        head, stored, total = seal(key, data)
        if slot:
            if key not in self._sums:
                self.read_slot(slot, key)  # not to be overwritten unseen
            old, size = self.read_head(slot, key)
            self.total -= old
            if size == len(stored):
                self.db.execute(UPDATE_SLOT, (head, stored, slot))
            else:
                self.release(slot, key)
                slot = 0
        if not slot:
            if self.first_free[KIND_OF[len(stored)]]:
                slot = self.fill_free(head, stored)
            else:
                self.nr_slots = slot = self.nr_slots + 1
                self.db.execute(INSERT_SLOT, (slot, head, stored))
            self.point(key, slot)
        self.total += total
        self._sums[key] = total

    def drop(self, key: int) -> None:
        """A chunk became empty: its slot goes on the free chain or, when its step is kept, to the history."""
        if self._replaced is None:
            self.drop_in_place(key)
            return
        slot = self.slot_of(key)
        if slot:
            self._replaced.append((key, slot, self.sum_of(key, slot)))
            self.total -= self._replaced[-1][2]
            self._sums.pop(key, None)
            self.point(key, 0)

    def drop_in_place(self, key: int) -> None:
        """Put the slot of a chunk that became empty on the free chain."""
        slot = self.slot_of(key)
        if slot:
            self.total -= self.release(slot, key)
            self._sums.pop(key, None)
            self.point(key, 0)

    def release(self, slot: int, key: int) -> int:
        """Put a slot on the free chain of its size; its data is neither read nor cleared. Returns: the checksum of the data."""
        total, size = self.read_head(slot, key)
        kind = KIND_OF[size]
        self.db.execute(UPDATE_HEAD, (head_of(FREE | self.first_free[kind], total), slot))
        self.first_free[kind] = slot
        return total

    def sum_of(self, key: int, slot: int) -> int:
        """The checksum of what a slot holds for a key; 0 when there is no slot."""
        if not slot:
            return 0
        total = self._sums.get(key)
        return self.read_head(slot, key)[0] if total is None else total

    def read_head(self, slot: int, key: int) -> tuple[int, int]:
        """The checksum of a slot's data and their size, once its head says that it is this key's."""
        row = self.db.execute(SELECT_HEAD, (slot,)).fetchone()
        if row is None or not is_head(row[0]) or int.from_bytes(row[0][:8], "little") != key or row[1] not in KIND_OF:
            raise self.damaged(f"{name_of(key)}: its row is lost")
        return int.from_bytes(row[0][8:12], "little"), row[1]

    def exchange(self, key: int, slot: int, total: int) -> tuple[int, int]:
        """Let the directory name another slot for a chunk, 0 for none. Returns: the slot that it named, and its checksum."""
        old = self.slot_of(key)
        old_total = self.sum_of(key, old)
        self.total += total - old_total
        self._sums.pop(key, None)
        self.point(key, slot)
        return old, old_total

    def fill_free(self, head: bytearray, stored: bytearray | memoryview) -> int:
        """Take the first slot of a free chain. What is in it is checked: it is about to be overwritten. Returns: its number."""
        kind = KIND_OF[len(stored)]
        slot = self.first_free[kind]
        row = self.db.execute(SELECT_SLOT, (slot,)).fetchone()
        found = None if row is None else opened(*row)
        if found is None or len(row[1]) != len(stored) or not found[0] & FREE or slot > self.nr_slots:
            raise self.damaged(f"free slot {slot}")
        self.first_free[kind] = found[0] & ~FREE
        self.db.execute(UPDATE_SLOT, (head, stored, slot))
        return slot

    def point(self, key: int, slot: int) -> None:
        """Set the directory's entry of a chunk."""
        at = (key & 255) * 4
        self.change_directory(key >> 8)[at : at + 4] = slot.to_bytes(4, "little")

    def change_directory(self, number: int) -> bytearray:
        """A directory row, to be written by this step."""
        directory = self._directories.get(number)
        if directory is None:
            directory = self.read_directory(number)
        if number not in self._dirty_directories:
            self._dirty_directories[number] = UPDATE_DIRECTORY if self.has_directory(number) else INSERT_DIRECTORY
            pool = number >> BLOCK_SHIFT
            self.blocks[pool] = self.blocks.get(pool, 0) | 1 << (number & ((1 << BLOCK_SHIFT) - 1))
        return directory

    def check_neighbours(self, nr_old_slots: int, new_directories: list[int]) -> None:
        """That no row was written over another, as it may be in a page whose account of its free space is damaged.

        SQLite fills a page's gap without a look at what is in it. So the rows that may share a page with new
        ones are read again before the commit.
        """
        if self.nr_slots > nr_old_slots:
            self.check_last_slots(nr_old_slots)
        if new_directories:
            numbers = sorted([pool << BLOCK_SHIFT | block for pool, bitmap in self.blocks.items() for block in bits_of(bitmap)])
            checked = 0  # so many of them
            for at in sorted([numbers.index(number) for number in new_directories]):
                expected = numbers[max(checked, at - DIRECTORIES_A_PAGE) : at + DIRECTORIES_A_PAGE + 1]
                checked = at + DIRECTORIES_A_PAGE + 1
                self.check_directories(expected)

    def check_directories(self, expected: list[int]) -> None:
        """That these are there and whole, and none between them."""
        found = []
        for number, slots, total in self.db.execute(SELECT_DIRECTORIES, (expected[0], expected[-1])) if expected else ():
            if not is_directory(slots, total):
                raise self.damaged(f"directory {number:#x}")
            found.append(number)
        if found != expected:
            raise self.damaged(f"directory {min(set(found) ^ set(expected)):#x}")

    def check_last_slots(self, slot: int) -> None:
        """Those down from `slot` that may share its page."""
        room = PAGE_BYTES
        for number, head, data in self.db.execute(SELECT_LAST_SLOTS, (slot,)):
            if number != slot or opened(head, data) is None:
                break
            room -= LOCAL_BYTES[KIND_OF[len(data)]]
            slot -= 1
            if room <= 0:
                return
        if slot:
            raise self.damaged(f"slot {slot}")

    def write_machine(self) -> None:
        """Write the machine row, whose count of free pages is right once it is written."""
        while True:
            row = (self.step, self.nr_slots, self.first_free[WHOLE], self.total, self.free_pages, self.pack_blocks(), self.header)
            self.stamp = (self.step, machine_sum(*row))
            self.db.execute(f"INSERT OR REPLACE INTO machine (id, {_MACHINE_COLUMNS}) VALUES (1{', ?' * 8})", (*row, self.stamp[1]))
            (free_pages,) = self.db.execute("PRAGMA freelist_count").fetchone()
            if free_pages == self.free_pages:
                return
            self.free_pages = free_pages

    def pack_blocks(self) -> bytes:
        """For each pool its number, the bytes of its bitmap of directory rows (4 each), then the bitmap.

        Alike the history's fields, and the first slots of the free chains but for the last.
        """
        packed = b""
        first_free = sum([slot << 32 * kind for kind, slot in enumerate(self.first_free[:WHOLE])])
        for pool, bitmap in [*sorted(self.blocks.items()), (FREE_KEY, first_free), (FIELDS_KEY, self.history.packed())]:
            length = (bitmap.bit_length() + 7) // 8
            packed += pool.to_bytes(4, "little") + length.to_bytes(4, "little") + bitmap.to_bytes(length, "little")
        return packed

    def check_room(self, file_bytes: int, read_page: Callable[[int], bytes]) -> None:
        """That new rows will go to the end of the file, not over something; before the first write."""
        self.check_size(file_bytes)
        if self.db.execute("PRAGMA freelist_count").fetchone() != (self.free_pages,):
            raise self.damaged("its list of free pages")
        if self.db.execute("SELECT max(id) FROM slot").fetchone() != (self.nr_slots or None,) or self.nr_slots > MOST_SLOTS:
            raise self.damaged("its last slot")
        number = SLOT_ROOT
        for _ in range(MOST_LEVELS):
            below = page_below(read_page(number))
            if not below:
                break
            number = below
        if below != 0:
            raise self.damaged(f"page {number}")

    def check_size(self, file_bytes: int) -> None:
        """That the file ends where its header says: what lacks may be what only a later command would miss."""
        (nr_pages,) = self.db.execute("PRAGMA page_count").fetchone()
        if nr_pages * PAGE_BYTES != file_bytes:
            raise self.damaged(f"{file_bytes} bytes, where its header says {nr_pages * PAGE_BYTES}")

    def flush_directories(self, nr_old_slots: int) -> None:
        """Write the directory rows that changed, and look whether something was written over another."""
        rows: dict[str, list[tuple[bytearray, bytearray, int]]] = {UPDATE_DIRECTORY: [], INSERT_DIRECTORY: []}
        for number, statement in self._dirty_directories.items():
            slots = self._directories[number]
            rows[statement].append((slots, bytearray(crc32(slots).to_bytes(4, "little")), number))
        for statement in rows:
            self.db.executemany(statement, rows[statement])
        if self.step:  # else the file is new
            self.check_neighbours(nr_old_slots, [number for number, sql in self._dirty_directories.items() if sql == INSERT_DIRECTORY])
        self._dirty_directories.clear()

    def damaged(self, what: str) -> StateError:
        return StateError(f"{self.path}: is damaged ({what})")


class Writing:
    """What is changed within it becomes a commit's rows: directories, then the machine row."""

    def __init__(self, chunks: Chunks) -> None:
        self.chunks = chunks
        self.nr_old_slots = chunks.nr_slots

    def __enter__(self) -> None:
        self.chunks.blocks  # noqa: B018 - reads where the free chains begin

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        chunks = self.chunks
        if error is not None:
            return
        chunks.flush_directories(self.nr_old_slots)
        chunks.step += 1
        chunks.write_machine()
        if chunks.db.execute("PRAGMA user_version").fetchone() != (FORMAT,):
            chunks.db.execute(f"PRAGMA user_version={FORMAT}")  # of an older file


class Past(Chunks):
    """The chunks of a machine as it was after another step that the history keeps; to be read alone."""

    def __init__(self, chunks: Chunks, step: int) -> None:
        super().__init__(chunks.db, chunks.path)
        self.read_machine()
        self.header, self._overlay = chunks.history.overlay(step)

    def slot_of(self, key: int) -> int:
        slot = self._overlay.get(key)
        return super().slot_of(key) if slot is None else slot

    def keys(self) -> list[int]:
        now = set(super().keys())
        return sorted(now | {key for key, slot in self._overlay.items() if slot})


def name_of(key: int) -> str:
    return f"chunk {key & ((1 << POOL_SHIFT) - 1)} of pool {key >> POOL_SHIFT}"


def is_head(head: Any) -> bool:
    return type(head) is bytes and len(head) == HEAD_BYTES and crc32(head[:12]) == int.from_bytes(head[12:], "little")


def is_directory(slots: Any, total: Any) -> bool:
    return type(slots) is bytes and len(slots) == 4 * DIRECTORY_SLOTS and total == crc32(slots).to_bytes(4, "little")


def machine_sum(step: int, nr_slots: int, first_free: int, total: int, free_pages: int, blocks: bytes, header: bytes) -> int:
    """The checksum of the machine row, over its numbers in decimal and its bytes."""
    return crc32(header, crc32(b"%d %d %d %d %d %d " % (step, nr_slots, first_free, total, free_pages, len(blocks)) + blocks))


def unpack_blocks(packed: bytes) -> dict[int, int]:
    """pool: bitmap of its directory rows, as Chunks.pack_blocks() made them."""
    blocks, at = {}, 0
    while at < len(packed):
        length = int.from_bytes(packed[at + 4 : at + 8], "little")
        blocks[int.from_bytes(packed[at : at + 4], "little")] = int.from_bytes(packed[at + 8 : at + 8 + length], "little")
        at += 8 + length
    return blocks


def bits_of(bitmap: int) -> list[int]:
    return [bit for bit in range(bitmap.bit_length()) if bitmap >> bit & 1]
