"""What the last steps replaced, so that they can be taken back, and the log of what they were.

A step is a commit. While history is on it overwrites no chunk of the machine: what changed goes to other slots, and the slots that
the directory named before are kept by a record of the step:

    UNDO  stream of records: the core's header, then key, slot, checksum of each chunk that the step changed (slot 0: there was none)
    LOG   stream of entries, opaque here, one for each step since the machine was made

so undo exchanges the slots of a record with those of the directory, which makes it the record that redo exchanges back. No
chunk is copied, and a machine can be looked at as it was after any step that is kept (`overlay`). A new
step after an undo forgets what was undone; the oldest steps are forgotten when there are more than `keep`, or when the records
keep more than `most_slots`; a step that changes more than that overwrites, and forgets all.

Where the streams begin and end, and the settings, stand in the machine row beside the bitmaps of the directory, under
chunks.FIELDS_KEY, which is no pool's number.

Invariants (verify.py): a slot kept by a record is in no directory, not free, in no other record, and holds the chunk that the record says.
"""

from __future__ import annotations

from vmtool.errors import StateError
from vmtool.store.schema import LOG_POOL, UNDO_POOL
from vmtool.store.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmtool.store.chunks import Chunks

KEEP_STEPS, MOST_STEPS = 100, 10_000
KEEP_SLOTS = 4096  # 64 MiB
MOST_LOG_BYTES = 256 << 20
HEADER_BYTES = 1024  # that of a later release, with more pools, fits in the place of an earlier one's
ENTRY_BYTES = 16
_FIELDS = ("keep", "most_slots", "step", "nr_undo", "nr_redo", "nr_held", "log_first")
_STREAM_FIELDS = ("start", "at", "end")
NR_FIELDS = len(_FIELDS) + 2 * len(_STREAM_FIELDS)

Replaced = list[tuple[int, int, int]]  # key, slot, checksum of the slot's data


class History:
    """The history of one state file, within a transaction of its session."""

    def __init__(self, chunks: Chunks, packed: int | None) -> None:
        """`packed`: the fields as the machine row has them, None of a file that has none yet."""
        self.chunks = chunks
        self.keep = KEEP_STEPS  # a setting: 0 keeps nothing
        self.most_slots = KEEP_SLOTS
        self.step = 0  # steps since the machine was made, without those that were undone
        self.nr_undo = 0
        self.nr_redo = 0
        self.nr_held = 0  # slots kept by records
        self.log_first = 1  # the step of the log's first entry
        bounds = [0] * (2 * len(_STREAM_FIELDS))
        if packed is None:
            self.step = chunks.step  # of a file from before there was a log: its steps have no entry
            self.log_first = chunks.step + 1
        else:
            data = packed.to_bytes(max(8 * NR_FIELDS, (packed.bit_length() + 7) // 8), "little")
            if len(data) != 8 * NR_FIELDS:
                raise chunks.damaged("its history")
            values = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
            for name, value in zip(_FIELDS, values):  # noqa: B905 - the rest are the streams'
                setattr(self, name, value)
            bounds = values[len(_FIELDS) :]
        self.undo_stream = Stream(chunks, UNDO_POOL, *bounds[:3])
        self.log_stream = Stream(chunks, LOG_POOL, *bounds[3:])

    def packed(self) -> int:
        values = [getattr(self, name) for name in _FIELDS]
        values += [getattr(stream, name) for stream in (self.undo_stream, self.log_stream) for name in _STREAM_FIELDS]
        return int.from_bytes(b"".join([max(value, 0).to_bytes(8, "little") for value in values]), "little")

    # --- a new step ------------------------------------------------------------------------

    def keeps(self, nr_changes: int) -> bool:
        """Whether a step that changes so many chunks is going to be kept. One that is not overwrites: all else is forgotten first."""
        self._forget_undone()
        if nr_changes <= self.most_slots and self.keep:
            return True
        self._forget_steps(0, 0)
        return False

    def add(self, entry: bytes, header: bytes, replaced: Replaced | None) -> None:
        """A step was made: its entry in the log and, when it is kept, what it replaced. keeps() was called before it."""
        if replaced is not None:
            self.undo_stream.append(pack_record(header, replaced))
            self.nr_undo += 1
            self.nr_held += nr_slots_of(replaced)
            self._forget_steps(self.keep, self.most_slots)
        self.log_stream.append(entry)
        self.step += 1
        while self.log_stream.end - self.log_stream.start > MOST_LOG_BYTES:
            self.log_stream.drop_first()
            self.log_first += 1
        self.save()

    def set_bounds(self, keep: int, most_slots: int) -> None:
        """Other settings; what they no longer allow is forgotten."""
        self.keep, self.most_slots = keep, most_slots
        self._forget_steps(keep, most_slots)
        if not keep:
            self._forget_undone()
        self.save()

    def save(self) -> None:
        self.undo_stream.save()
        self.log_stream.save()

    def _forget_undone(self):
        """A new step: what was undone cannot be redone."""
        for record in self.undo_stream.records(self.undo_stream.at, self.undo_stream.end):
            self._release(self.unpack(record)[1])
        self.nr_redo = 0
        self.undo_stream.cut()
        self.log_stream.cut()

    def _forget_steps(self, keep, most_slots):
        """Forget the oldest steps until no more than so many are kept."""
        while self.nr_undo > keep or self.nr_undo and self.nr_held > most_slots:
            self._release(self.unpack(self.undo_stream.first()[1])[1])
            self.undo_stream.drop_first()
            self.nr_undo -= 1

    def _release(self, replaced):
        for key, slot, _ in replaced:
            if slot:
                self.chunks.release(slot, key)
                self.nr_held -= 1

    # --- back and forth --------------------------------------------------------------------

    def undo(self) -> bytes:
        """Take the last step back. Returns: the core's header as it was. Preconditions: nr_undo > 0."""
        begin, record = self.undo_stream.before(self.undo_stream.at)
        header = self._exchange(begin, record)
        self.undo_stream.at = begin
        if self.step >= self.log_first:
            self.log_stream.at = self.log_stream.before(self.log_stream.at)[0]
        self.step -= 1
        self.nr_undo -= 1
        self.nr_redo += 1
        return header

    def redo(self) -> bytes:
        """Make the last step that was taken back again. Preconditions: nr_redo > 0."""
        end, record = self.undo_stream.after(self.undo_stream.at)
        header = self._exchange(self.undo_stream.at, record)
        self.undo_stream.at = end
        if self.step + 1 >= self.log_first:
            self.log_stream.at = self.log_stream.after(self.log_stream.at)[0]
        self.step += 1
        self.nr_undo += 1
        self.nr_redo -= 1
        return header

    def _exchange(self, at, record):
        """The directory's slots for the record's, and the other way round."""
        header, replaced = self.unpack(record)
        now = []
        for key, slot, total in replaced:
            if slot and self.chunks.read_slot(slot, key)[1] != total:
                raise self.chunks.damaged(f"slot {slot}: is not what its step replaced")
            now.append((key, *self.chunks.exchange(key, slot, total)))
        self.nr_held += nr_slots_of(now) - nr_slots_of(replaced)
        changed = pack_record(self.chunks.header, now)
        if len(changed) != len(record):
            raise StateError(f"{self.chunks.path}: this step was made by another release of vmtool, and cannot be taken back by this one")
        self.undo_stream.rewrite(at, changed)
        self.chunks.header = header
        return header

    # --- looking ---------------------------------------------------------------------------

    def first_step(self) -> int:
        """The oldest step whose machine can be looked at."""
        return self.step - self.nr_undo

    def last_step(self) -> int:
        return self.step + self.nr_redo

    def entries(self) -> Iterator[tuple[int, bytes]]:
        """(step, entry) of the log, the undone ones too, the oldest first."""
        stream = self.log_stream
        return enumerate(stream.records(stream.start, stream.end), self.log_first)

    def overlay(self, step: int) -> tuple[bytes, dict[int, int]]:
        """The header after that step, and the slots of the chunks that differ from now.

        Preconditions: first_step() <= step <= last_step().
        """
        header, slots = self.chunks.header, {}
        stream = self.undo_stream
        at = stream.at
        for _ in range(step, self.step):
            at, record = stream.before(at)
            header, replaced = self.unpack(record)
            slots.update([(key, slot) for key, slot, _ in replaced])
        for _ in range(self.step, step):
            at, record = stream.after(at)
            header, replaced = self.unpack(record)
            slots.update([(key, slot) for key, slot, _ in replaced])
        return header, slots

    def held(self) -> Iterator[tuple[int, int, int]]:
        """(key, slot, checksum) of each slot that a record keeps, for fsck."""
        stream = self.undo_stream
        for record in stream.records(stream.start, stream.end):
            yield from [entry for entry in self.unpack(record)[1] if entry[1]]

    def unpack(self, record: bytes) -> tuple[bytes, Replaced]:
        """A record as pack_record() made it."""
        length = int.from_bytes(record[:4], "little")
        at = 4 + max(length, HEADER_BYTES)
        if (len(record) - at) % ENTRY_BYTES or len(record) < at:
            raise self.chunks.damaged("a record of its history")
        replaced = []
        for entry in range(at, len(record), ENTRY_BYTES):
            key, slot = int.from_bytes(record[entry : entry + 8], "little"), int.from_bytes(record[entry + 8 : entry + 12], "little")
            replaced.append((key, slot, int.from_bytes(record[entry + 12 : entry + 16], "little")))
        return record[4 : 4 + length], replaced


def pack_record(header: bytes, replaced: Replaced) -> bytes:
    """The bytes of a step's record."""
    parts = [len(header).to_bytes(4, "little"), header.ljust(HEADER_BYTES, b"\0")]
    parts += [(total << 96 | slot << 64 | key).to_bytes(ENTRY_BYTES, "little") for key, slot, total in replaced]
    return b"".join(parts)


def nr_slots_of(replaced: Replaced) -> int:
    return sum([slot > 0 for _, slot, _ in replaced])
