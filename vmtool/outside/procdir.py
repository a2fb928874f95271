"""A directory of the host that holds a /proc: the live one, a copy, or one that `procfs` wrote. For the tools that read text."""

from __future__ import annotations

import os
import time

from vmtool.errors import HostError
from vmtool.outside.host import read_file

MOST_BYTES = 256 << 20


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
