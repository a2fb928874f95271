"""/proc/PID/pagemap: eight bytes a page, little-endian.

Counterpart: Linux v6.18 fs/proc/task_mmu.c:pagemap_read(). `views/pagemap.py` explains the bits.
"""

from collections.abc import Iterable

from vmtool.records import PagemapEntry

ENTRY_BYTES = 8


def pack(entries: Iterable[PagemapEntry]) -> bytes:
    """The bytes of the entries, as a read() of their place in the file gives them."""
    return b"".join([entry.entry.to_bytes(ENTRY_BYTES, "little") for entry in entries])
