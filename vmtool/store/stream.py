"""Records one behind the other, in chunks of a pool that is the store's own: what `history` keeps.

A stream has a beginning, an end and a place in between, as offsets that only grow; it is kept in a ring of chunks,
so that the directory does not grow with what was ever written. Records are appended, dropped from the front when
they are too many, cut off behind the place, and rewritten at their size. A record stands between two copies of its length, so
that it is found from either side. Its chunks are rows like any other: checksums and free chain are those of `chunks`.

Invariants (verify.py): start <= at <= end <= start + the ring; records fill start..at and at..end without a gap.
"""

from __future__ import annotations

from vmtool.store.schema import CHUNK_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmtool.store.chunks import Chunks

POOL_SHIFT = 48
LENGTH_BYTES = 4
RING_CHUNKS = 1 << 16  # a GiB
MOST_BYTES = (RING_CHUNKS - 1) * CHUNK_BYTES


class Stream:
    """One stream of a state file. `start`, `at` and `end` are the owner's to save."""

    def __init__(self, chunks: Chunks, pool: int, start: int, at: int, end: int) -> None:
        if not start <= at <= end <= start + MOST_BYTES:
            raise chunks.damaged(f"the bounds of stream {pool}")
        self.chunks = chunks
        self.pool = pool
        self.start = start
        self.at = at
        self.end = end
        self._loaded: dict[int, bytearray] = {}  # number in the stream, not in the ring
        self._changed: set[int] = set()

    # --- records ---------------------------------------------------------------------------

    def append(self, record: bytes) -> None:
        """Add a record at the place, which is the end, and go behind it."""
        framed = len(record).to_bytes(LENGTH_BYTES, "little")
        self._write(self.at, framed + record + framed)
        self.at = self.end = self.at + len(record) + 2 * LENGTH_BYTES

    def rewrite(self, at: int, record: bytes) -> None:
        """Put another record of the same size in the place of the one that begins at `at`."""
        self._write(at + LENGTH_BYTES, record)

    def first(self) -> tuple[int, bytes]:
        """The oldest record: (where the next begins, its bytes)."""
        return self.after(self.start)

    def after(self, at: int) -> tuple[int, bytes]:
        """The record that begins at `at`: (where it ends, its bytes)."""
        length = self._length(at, at)
        end = at + length + 2 * LENGTH_BYTES
        if end > self.end or self._length(end - LENGTH_BYTES, at) != length:
            raise self.chunks.damaged(f"the record at {at} of stream {self.pool}")
        return end, self._read(at + LENGTH_BYTES, length)

    def before(self, at: int) -> tuple[int, bytes]:
        """The record that ends at `at`: (where it begins, its bytes)."""
        begin = at - self._length(at - LENGTH_BYTES, at) - 2 * LENGTH_BYTES
        if begin < self.start:
            raise self.chunks.damaged(f"the record before {at} of stream {self.pool}")
        return begin, self.after(begin)[1]

    def records(self, start: int, end: int) -> Iterator[bytes]:
        """Those from `start` to `end`, the oldest first."""
        while start < end:
            start, record = self.after(start)
            yield record
        if start != end:
            raise self.chunks.damaged(f"the record before {start} of stream {self.pool}")

    def drop_first(self) -> None:
        """Forget the oldest record."""
        end, _ = self.first()
        self._forget(self.start // CHUNK_BYTES, end // CHUNK_BYTES)
        self.start = end
        self.at = max(self.at, end)

    def cut(self) -> None:
        """Forget what is behind the place."""
        self._forget(self.at // CHUNK_BYTES + 1, (self.end + CHUNK_BYTES - 1) // CHUNK_BYTES)
        self.end = self.at

    # --- bytes -----------------------------------------------------------------------------

    def save(self) -> None:
        """Write the chunks that changed, where they were."""
        for number in sorted(self._changed):
            self.chunks.put_in_place(self._key(number), memoryview(self._loaded[number]))
        self._changed.clear()
        tail = self.end // CHUNK_BYTES
        self._loaded = {number: data for number, data in self._loaded.items() if number == tail}

    def _key(self, number):
        return self.pool << POOL_SHIFT | number % RING_CHUNKS

    def _length(self, at, record):
        if not self.start <= at <= self.end - LENGTH_BYTES:
            raise self.chunks.damaged(f"the record at {record} of stream {self.pool}")
        return int.from_bytes(self._read(at, LENGTH_BYTES), "little")

    def _chunk(self, number):
        data = self._loaded.get(number)
        if data is None:
            saved = self.chunks.load(self.pool, number % RING_CHUNKS)
            self._loaded[number] = data = bytearray(CHUNK_BYTES) if saved is None else bytearray(saved)
        return data

    def _read(self, at, length):
        parts = []
        while length:
            number, offset = divmod(at, CHUNK_BYTES)
            part = bytes(self._chunk(number)[offset : offset + length])
            parts.append(part)
            at += len(part)
            length -= len(part)
        return b"".join(parts)

    def _write(self, at, data):
        left = memoryview(data)
        while left:
            number, offset = divmod(at, CHUNK_BYTES)
            nr = min(len(left), CHUNK_BYTES - offset)
            self._chunk(number)[offset : offset + nr] = left[:nr]
            self._changed.add(number)
            at += nr
            left = left[nr:]

    def _forget(self, first, last):
        """Give back the chunks first..last-1."""
        for number in range(first, last):
            self._loaded.pop(number, None)
            self._changed.discard(number)
            self.chunks.drop_in_place(self._key(number))
