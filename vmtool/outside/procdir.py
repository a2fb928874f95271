"""A directory of the host that holds a /proc: the live one, a copy, or one that `procfs` wrote. For the tools that read text.

How large a page is, no file says: the tools ask the computer that they run on. A copy may come from another, so it is asked first, by two
figures that are the same in pages and in kB: a process's size (statm, status), and free memory (vmstat, meminfo).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from functools import cached_property

from vmtool.errors import HostError
from vmtool.outside.host import read_file

MOST_BYTES = 256 << 20
PAGE_SHIFTS = range(12, 19)  # of those that Linux has: 4K to 256K


class ProcDirectory:
    """A Source of tools/source.py. Users have the names that this host knows."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.now: int | None = int(time.time())
        if not os.path.isdir(path):
            raise HostError(f"{path}: is not a directory")

    def read(self, path: str) -> str | None:
        """A file's text; None for one that is not there, or no regular file."""
        try:
            return read_file(os.path.join(self.path, path), MOST_BYTES).data.decode("utf-8", "surrogateescape")
        except HostError:
            return None

    @cached_property
    def page_bytes(self) -> int:
        """As the directory's own figures have it, else this computer's."""
        return next(self._page_sizes(), 0) or os.sysconf("SC_PAGESIZE")

    def _page_sizes(self) -> Iterator[int]:
        """What each pair of figures says; a pair of two moments says nothing."""
        pairs = [((f"{pid}/statm", ""), (f"{pid}/status", "VmSize:")) for pid in self.pids()]
        for in_pages, in_kb in [*pairs, (("vmstat", "nr_free_pages"), ("meminfo", "MemFree:"))]:
            pages, kb = self._figure(*in_pages), self._figure(*in_kb)
            yield from (1 << shift for shift in PAGE_SHIFTS if pages and pages << shift == kb << 10)

    def _figure(self, path: str, label: str) -> int:
        """The number behind a label at the beginning of a line; 0 without one."""
        found = re.search(rf"^{label}\s*(\d+)\b", self.read(path) or "", re.MULTILINE | re.ASCII)
        return int(found[1]) if found else 0

    def pids(self) -> list[int]:
        try:
            return [int(name) for name in os.listdir(self.path) if name.isascii() and name.isdigit() and len(name) < 10]
        except OSError as error:
            raise HostError(f"{self.path}: {error.strerror}") from None

    def threads(self, pid: int) -> list[int]:
        try:
            return [int(name) for name in os.listdir(os.path.join(self.path, str(pid), "task")) if name.isascii() and name.isdigit()]
        except (OSError, ValueError):
            return []

    def user(self, uid: int) -> str:
        import pwd

        try:
            return pwd.getpwuid(uid).pw_name
        except (KeyError, OverflowError):
            return str(uid)

    def group(self, gid: int) -> str:
        import grp

        try:
            return grp.getgrgid(gid).gr_name
        except (KeyError, OverflowError):
            return str(gid)

    def owner(self, pid: int) -> int:
        try:
            return os.stat(os.path.join(self.path, str(pid))).st_uid
        except OSError:
            return 0
