"""fsck's part in the store: every row of a state file, whether or not anything points to it.

Opening and loading check what they use. Here each slot is read, the directory is followed from its
top and the free chain to its end, and the sums that the machine row keeps are made again. Damage that
no command would ever have met (a slot that nothing holds, a page of SQLite's that nothing uses) is found too.
"""

from vmtool._packing import crc32, unpack
from vmtool.errors import StateError
from vmtool.store.busy import FAILURES
from vmtool.store.chunks import BLOCK_SHIFT, FREE, KIND_OF, SLOT_BYTES, Chunks, bits_of, is_directory, is_head, name_of

MOST_LINES = 100  # of one kind: a file of nonsense is described well enough by these


def verify_chunks(chunks: Chunks) -> list[str]:
    """Check the whole file, within the transaction of `chunks`. Returns: one line for each thing that is wrong."""
    try:
        wrong = [f"sqlite: {line}" for (line,) in chunks.db.execute(f"PRAGMA integrity_check({MOST_LINES})") if line != "ok"]
        held, lines = _read_directories(chunks)
        kept, more = _read_history(chunks, held)
        wrong += lines + more + _read_slots(chunks, held, kept) + _follow_free_chains(chunks, held | kept)
    except FAILURES as error:
        return [f"sqlite: {error}"]
    return wrong


def _read_directories(chunks: Chunks) -> tuple[dict[int, int], list[str]]:
    """What the directory says: slot -> key of the chunk in it."""
    held: dict[int, int] = {}
    wrong = []
    expected = {pool << BLOCK_SHIFT | block for pool, bitmap in chunks.blocks.items() for block in bits_of(bitmap)}
    for number, slots, total in chunks.db.execute("SELECT id, slots, sum FROM directory"):
        if number not in expected:
            wrong.append(f"directory {number:#x}: is not known to the machine row")
        elif not is_directory(slots, total):
            wrong.append(f"directory {number:#x}: its checksum is wrong")
            expected.discard(number)
        else:
            expected.discard(number)
            for at in range(0, len(slots), 4):
                slot = int.from_bytes(slots[at : at + 4], "little")
                key = number << 8 | at // 4
                if slot in held:
                    wrong.append(f"{name_of(key)}: its slot {slot} holds {name_of(held[slot])} too")
                elif slot:
                    held[slot] = key
    wrong += [f"directory {number:#x}: is lost" for number in sorted(expected)]
    return held, wrong[:MOST_LINES]


def _read_history(chunks: Chunks, held: dict[int, int]) -> tuple[dict[int, int], list[str]]:
    """What the records of the history keep: slot -> key of the chunk in it."""
    kept: dict[int, int] = {}
    wrong = []
    history = chunks.history
    try:
        for key, slot, total in history.held():
            if slot in kept or slot in held:
                wrong.append(f"history: slot {slot} is kept for {name_of(key)}, and held for {name_of((kept | held)[slot])}")
            elif chunks.read_head(slot, key)[0] != total:
                wrong.append(f"history: slot {slot} is not what its step replaced")
            kept[slot] = key
        nr_entries = sum(1 for _ in history.entries())
        nr_records = sum(1 for _ in history.undo_stream.records(history.undo_stream.start, history.undo_stream.end))
    except StateError as error:
        return kept, [*wrong, f"history: {error}"]
    for what, found, counted in (("slots", len(kept), history.nr_held), ("steps", nr_records, history.nr_undo + history.nr_redo),
                                 ("entries", nr_entries, history.last_step() - history.log_first + 1)):  # fmt: skip
        if found != counted:
            wrong.append(f"history: {found} {what} are there, not {counted}")
    return kept, wrong[:MOST_LINES]


def _read_slots(chunks: Chunks, held: dict[int, int], kept: dict[int, int]) -> list[str]:
    """Each slot against its checksums, the directory and the history, then the sum of all."""
    wrong = []
    total, missing = 0, set(held)
    for slot, head, data in chunks.db.execute("SELECT id, head, data FROM slot"):
        missing.discard(slot)
        if not is_head(head) or type(data) is not bytes or len(data) not in KIND_OF:
            wrong.append(f"slot {slot}: is not a slot")
            continue
        key, saved = int.from_bytes(head[:8], "little"), int.from_bytes(head[8:12], "little")
        if crc32(data) != saved:
            wrong.append(f"slot {slot}: its checksum is wrong")
        elif unpack(data) is None:
            wrong.append(f"slot {slot}: its data are no chunk")
        if slot in held:
            total += saved
            if key != held[slot]:
                wrong.append(f"{name_of(held[slot])}: its slot {slot} says otherwise")
        elif not key & FREE and slot not in kept:
            wrong.append(f"slot {slot}: nothing refers to it")
    wrong += [f"{name_of(held[slot])}: its slot {slot} is lost" for slot in sorted(missing)]
    if total != chunks.total:
        wrong.append(f"machine row: the chunks' checksums add up to {total}, not {chunks.total}")
    return wrong[:MOST_LINES]


def _follow_free_chains(chunks: Chunks, held: dict[int, int]) -> list[str]:
    seen: set[int] = set()
    for slot, size in zip(chunks.first_free, SLOT_BYTES):  # noqa: B905 - as many
        while slot:
            if slot in seen or slot in held:
                return [f"free chain: slot {slot} is on it " + ("twice" if slot in seen else "though in use")]
            seen.add(slot)
            row = chunks.db.execute("SELECT head, length(data) FROM slot WHERE id = ?", (slot,)).fetchone()
            if row is None or not is_head(row[0]) or not row[0][7] & 0x80:
                return [f"free chain: slot {slot} is not free"]
            if row[1] != size:
                return [f"free chain: slot {slot} has {row[1]} bytes, not {size}"]
            slot = int.from_bytes(row[0][:8], "little") & ~FREE
    nr_lost = chunks.nr_slots - len(held) - len(seen)
    return [f"free chain: {nr_lost} of {chunks.nr_slots} slots are neither held nor on it"] if nr_lost else []
