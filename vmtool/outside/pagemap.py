"""/proc/PID/pagemap and /proc/kpageflags: the entries of an area's pages, and the flags of their frames.

What is modelled: nothing; this reads. Large areas are mostly holes, so the kernel is asked where pages are (PAGEMAP_SCAN, since 6.7)
before their entries are read; without that call they are read in blocks up to a limit. A saved pagemap that ends early holds no entry
behind its end.
Counterpart: Documentation/admin-guide/mm/pagemap.rst.
"""

import fcntl
import io
import os
import struct
from array import array
from collections.abc import Iterable

from vmtool.outside.host import open_regular
from vmtool.outside.proc_text import PAGE

WHOLE_BYTES = 1 << 26  # areas up to this size are read whole
BLOCK_PAGES = 1 << 17
MOST_PAGES = 1 << 26  # looked at without a scan: half a GiB of entries
PAGEMAP_SCAN = 0xC0606610  # _IOWR('f', 16, struct pm_scan_arg)
PAGE_IS_PRESENT, PAGE_IS_SWAPPED, PAGE_IS_GUARD = 1 << 3, 1 << 4, 1 << 8
NR_REGIONS = 1 << 12
NEAR = 64  # frames between two that are read together


class Pagemap:
    """One process's, open until close(). Of a saved one the frames say who shared them, and this host knows nothing of them."""

    def __init__(self, file: io.FileIO, is_live: bool) -> None:
        self._file = file
        self._flags: io.FileIO | None = None
        self._has_no_flags = not is_live

    @property
    def tells_flags(self) -> bool:
        """Whether the kernel shows the flags of frames: to root, of live processes."""
        return self._open_flags()

    def close(self) -> None:
        self._file.close()
        if self._flags is not None:
            self._flags.close()

    def entries(self, start: int, end: int) -> list[tuple[int, array]] | None:
        """(address, entries) of the parts of an area that may hold pages; None where pagemap does not tell."""
        if end - start <= WHOLE_BYTES:
            return self._read(start, end)
        regions = self._scan(start, end)
        if regions is None:
            if (end - start) // PAGE > MOST_PAGES:
                return None
            regions = [(at, min(at + BLOCK_PAGES * PAGE, end)) for at in range(start, end, BLOCK_PAGES * PAGE)]
        found = []
        for first, last in regions:
            part = self._read(first, last)
            if part is None:
                return None
            found += part
        return found

    def _read(self, start: int, end: int) -> list[tuple[int, array]] | None:
        entries = array("Q")
        want = (end - start) // PAGE * 8
        while len(entries) * 8 < want:
            at = len(entries) * 8
            try:
                data = os.pread(self._file.fileno(), min(want - at, 1 << 20), start // PAGE * 8 + at)
            except OSError:
                return None
            if not data or len(data) % 8:
                return None
            entries.frombytes(data)
        return [(start, entries)]

    def _scan(self, start: int, end: int) -> list[tuple[int, int]] | None:
        """The regions with pages, by the kernel's own walk; None where it has no such call."""
        regions = array("Q", bytes(24 * NR_REGIONS))
        found: list[tuple[int, int]] = []
        any_of = PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_GUARD
        while start < end:
            # size flags start end walk_end vec vec_len max_pages category_inverted category_mask category_anyof_mask return_mask
            arg = bytearray(struct.pack("12Q", 96, 0, start, end, 0, regions.buffer_info()[0], NR_REGIONS, 0, 0, 0, any_of, 0))
            try:
                nr = fcntl.ioctl(self._file.fileno(), PAGEMAP_SCAN, arg, True)
            except OSError:
                return None
            found += [(regions[3 * i], regions[3 * i + 1]) for i in range(nr)]
            walked = struct.unpack("12Q", arg)[4]
            if walked <= start:
                return None
            start = walked
        return found

    def flags(self, pfns: Iterable[int]) -> dict[int, int]:
        """Of each frame; empty where the kernel does not tell (no root, a saved copy)."""
        wanted = sorted(pfns)
        if not wanted or not self._open_flags() or self._flags is None:
            return {}
        found: dict[int, int] = {}
        at = 0
        while at < len(wanted):
            last = at
            while last + 1 < len(wanted) and wanted[last + 1] - wanted[last] <= NEAR:
                last += 1
            first = wanted[at]
            try:
                data = os.pread(self._flags.fileno(), (wanted[last] - first + 1) * 8, first * 8)
            except OSError:
                return {}
            words = memoryview(data[: len(data) // 8 * 8]).cast("Q")
            for pfn in wanted[at : last + 1]:
                if pfn - first < len(words):
                    found[pfn] = words[pfn - first]
            at = last + 1
        return found

    def _open_flags(self) -> bool:
        if self._flags is None and not self._has_no_flags:
            try:
                self._flags = open_regular("/proc/kpageflags")
            except OSError:
                self._has_no_flags = True
        return self._flags is not None
