"""A new state file: whole when it appears under its name, or not there at all.

It is made beside its place under a name that is locked (flock) from the decision to make it until the rename,
so that of two commands that find no file one makes it and the other waits and finds it. A
killed command leaves at most the unfinished file, which the next one takes over.
"""

from __future__ import annotations

import fcntl
import os
from functools import partial

from vmtool.errors import StateError
from vmtool.store.busy import FAILURES, explain, patiently
from vmtool.store.chunks import Chunks
from vmtool.store.schema import PAGE_BYTES, connect, create_tables, is_durable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmtool._core import Machine


class Creation:
    """The right to make a state file at `path`, held until release()."""

    def __init__(self, path: str, wait: float) -> None:
        self.path = path
        self._target = os.path.realpath(path)  # through a symbolic link, as SQLite goes
        directory, name = os.path.split(self._target)
        self._unfinished = os.path.join(directory, f".{name}.vmtool-new")
        self._may_replace = False
        self._unlock: Callable[[], None] | None = None
        try:
            self._fd = self._lock(wait)
        except OSError as error:
            raise StateError(f"{path}: {error.strerror}") from None

    def _lock(self, wait: float) -> int:
        while True:
            fd = os.open(self._unfinished, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                patiently(self.path, wait, partial(fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB))
                if os.path.samestat(os.fstat(fd), os.stat(self._unfinished)):
                    return fd
            except FileNotFoundError:
                pass  # who held the lock renamed the file or removed it
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def is_taken(self) -> bool:
        """Whether there is something under the name; while the lock is held no command changes that."""
        return os.path.lexists(self._target)

    def replace(self, unlock: Callable[[], None] | None) -> None:
        """Let make() replace what is there; `unlock` gives its write lock back at the end, None when it is no state file."""
        self._may_replace = True
        self._unlock = unlock

    def make(self, machine: Machine, entry: bytes, bounds: tuple[int, int] | None) -> None:
        """Write the machine whole to the unfinished file and give it its name."""
        try:
            self._write(machine, entry, bounds)
            if is_durable():
                os.fsync(self._fd)
            if self.is_taken() and not self._may_replace:
                raise StateError(f"{self.path}: is there already")
            remove(self._target + "-journal")  # of the file that goes: it must not be played into the new one
            os.rename(self._unfinished, self._target)
            if is_durable():
                sync_directory(os.path.dirname(self._target))
        except FAILURES as error:
            raise explain(self.path, error) from None
        except OSError as error:
            raise StateError(f"{self.path}: {error.strerror}") from None
        finally:
            self.release()

    def _write(self, machine: Machine, entry: bytes, bounds: tuple[int, int] | None) -> None:
        os.ftruncate(self._fd, 0)  # a killed command's
        db = connect(self._unfinished, "&nolock=1")
        try:
            for setting in (f"page_size={PAGE_BYTES}", "auto_vacuum=NONE", "journal_mode=OFF", "synchronous=OFF"):
                db.execute(f"PRAGMA {setting}")
            db.execute("BEGIN")
            create_tables(db)
            Chunks(db, self.path).save(machine, entry, bounds)
            db.execute("COMMIT")
        finally:
            db.close()

    def release(self) -> None:
        """Give the right back; without make() nothing was made."""
        if self._fd < 0:
            return
        try:
            if os.path.samestat(os.fstat(self._fd), os.stat(self._unfinished)):
                os.unlink(self._unfinished)
        except FileNotFoundError:
            pass  # it has its name
        os.close(self._fd)
        self._fd = -1
        if self._unlock is not None:
            self._unlock()


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
