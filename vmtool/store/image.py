"""A machine and its chunks, to be compared with another's: by checksums first, so that what is alike is not read."""

from __future__ import annotations

from vmtool._packing import seal
from vmtool.store.chunks import POOL_SHIFT, Chunks, Past
from vmtool.store.schema import CHUNK_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine
    from vmtool.store.session import Session

ZEROS = bytes(CHUNK_BYTES)
_CHUNK_MASK = (1 << POOL_SHIFT) - 1


class Image:
    """The machine of a session as it is, with what is not committed yet, or as it was after a step. Of use within the transaction."""

    def __init__(self, session: Session, step: int | None = None) -> None:
        self.machine: Machine = session.machine if step is None else session.machine_at(step)
        self._chunks: Chunks = session.chunks if step is None else Past(session.chunks, step)
        self.header = self.machine.header()
        self._changed = {pool << POOL_SHIFT | chunk for pool, chunk in self.machine.dirty()} if step is None else set()
        self._dropped = {pool << POOL_SHIFT | chunk for pool, chunk in self.machine.dropped()} if step is None else set()

    def sums(self) -> dict[int, int]:
        """Checksums of the chunks by key; one of zeros is as good as none."""
        found = {key: self._chunks.sum_of(key, self._chunks.slot_of(key)) for key in self._chunks.keys()}
        found.update({key: seal(key, self._now(key))[2] for key in self._changed})
        nothing = seal(0, ZEROS)[2]
        return {key: total for key, total in found.items() if key not in self._dropped and total != nothing}

    def read(self, key: int) -> bytes:
        """The bytes of a chunk."""
        if key in self._changed:
            return self._now(key)
        return ZEROS if key in self._dropped else self._chunks.load(key >> POOL_SHIFT, key & _CHUNK_MASK) or ZEROS

    def _now(self, key):
        return bytes(self.machine.chunk(key >> POOL_SHIFT, key & _CHUNK_MASK))


def differing(one: Image, other: Image) -> list[int]:
    """The keys of the chunks that differ, in order. What has another checksum may still be alike: earlier releases did not pack."""
    first, second = one.sums(), other.sums()
    return sorted([key for key in {**first, **second} if first.get(key) != second.get(key) and one.read(key) != other.read(key)])
