"""Descriptors and the files behind them, followed through a log that may show only numbers.

What is modelled: files_struct, struct file and the dentry, as far as a mapping's line in /proc/PID/maps depends on them (Linux v6.12
fs/file.c, fs/open.c, fs/namei.c): open makes a description, dup and fork share it, CLONE_FILES shares the whole
table, exec closes what is marked close-on-exec, unlink and rename change the name of files that are open or mapped.
Simplified: hard links are separate names with one inode; mounts and chroot are not followed.
Invariant: a file stays in the name table only while a descriptor or a mapping of the machine refers to it, so
the tables do not grow with the log.
"""

import posixpath
from weakref import WeakSet, WeakValueDictionary

from vmtool.strace.sidecar import Facts, FileFact
from vmtool.uapi import O_ACCMODE

MOST_GONE = 4096  # names of files that were deleted that are remembered


class File:
    """A name in the file system with what a mapping shows of it. `handle`: the machine's first open of it, None until it is mapped."""

    __slots__ = ("path", "dev", "inode", "size", "kind", "is_deleted", "handle", "is_known", "__weakref__")

    def __init__(self, path: str, fact: FileFact | None = None, kind: str = "disk") -> None:
        self.path = path
        self.dev = (fact.major, fact.minor) if fact else (0, 0)
        self.inode = fact.inode if fact else 0
        self.size = fact.size if fact else 0
        self.kind = kind
        self.is_deleted = False
        self.is_known = fact is not None  # device and inode come from somewhere
        self.handle: int | None = None

    @property
    def shown(self) -> str:
        """As /proc/PID/maps names it."""
        return self.path + " (deleted)" if self.is_deleted else self.path


class Open:
    """struct file: what a descriptor refers to; shared by dup and fork. `file` None: a pipe, a socket, a terminal."""

    __slots__ = ("file", "mode", "pos", "number", "closed", "__weakref__")
    living: "WeakSet[Open]" = WeakSet()  # those that are open on a machine

    def __init__(self, file: File | None, flags: int = 2) -> None:
        self.file = file
        self.mode = ("r", "w", "rw", "rw")[flags & O_ACCMODE]
        self.pos = 0
        self.number = 0  # the machine's open file, 0: none yet
        self.closed: list[int] | None = None  # where the number goes with the last descriptor

    def __del__(self) -> None:
        if self.number and self.closed is not None:
            self.closed.append(self.number)


class FdTable:
    """files_struct."""

    __slots__ = ("fds", "cloexec")

    def __init__(self) -> None:
        self.fds: dict[int, Open] = {}
        self.cloexec: set[int] = set()

    def copy(self) -> "FdTable":
        new = FdTable()
        new.fds = dict(self.fds)
        new.cloexec = set(self.cloexec)
        return new

    def install(self, fd: int, opened: Open, is_cloexec: bool) -> None:
        self.fds[fd] = opened
        (self.cloexec.add if is_cloexec else self.cloexec.discard)(fd)

    def close(self, fd: int) -> None:
        self.fds.pop(fd, None)
        self.cloexec.discard(fd)

    def on_exec(self) -> None:
        for fd in self.cloexec:
            self.fds.pop(fd, None)
        self.cloexec.clear()


class Names:
    """The names of the files of a replay, by real path."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._files: WeakValueDictionary[str, File] = WeakValueDictionary()
        self._deleted: WeakSet[File] = WeakSet()  # still open or mapped: their directory's name may change
        self._gone: dict[str, None] = {}  # names that the log removed: the host's present file is another one

    def real(self, path: str, cwd: str) -> str:
        """The real path of a name as the log spells it."""
        if not path.startswith("/"):
            if not cwd:
                return self.facts.realpath(path) or path
            spelled, path = path, posixpath.join(cwd, path)
            found = self.facts.realpath(path) or self.facts.realpath(spelled)
        else:
            found = self.facts.realpath(path)
        return found if found is not None else posixpath.normpath(path)

    def file(self, real: str, is_new: bool = False) -> File:
        """The file of a real path; `is_new`: O_CREAT found nothing there."""
        found = None if is_new else self._files.get(real)
        if found is None:
            fact = self.facts.file(real, real in self._gone)
            found = self._files[real] = File(real, fact, _kind(real, fact))
        return found

    def known(self, real: str) -> File | None:
        return self._files.get(real)

    def unlink(self, real: str) -> File | None:
        self._gone[real] = None
        if len(self._gone) > MOST_GONE:
            del self._gone[next(iter(self._gone))]
        found = self._files.pop(real, None)
        if found is not None:
            found.is_deleted = True
            self._deleted.add(found)
        return found

    def link(self, real: str, new: str) -> None:
        """A second name: the same inode, should the facts not know it."""
        old = self._files.get(real)
        if old is not None:
            copy = self._files[new] = File(new, None, old.kind)
            copy.dev, copy.inode, copy.size, copy.is_known = old.dev, old.inode, old.size, old.is_known
            old.size = copy.size

    def rename(self, real: str, new: str) -> list[tuple[File, str]]:
        """The files whose name changes, with their new one: one file, or all below a directory. Their `path` is set here."""
        moved = []
        below = real + "/"
        for path, file in list(self._files.items()):
            if path == real or path.startswith(below):
                moved.append((file, new + path[len(real):]))
        for file, _ in moved:
            self._files.pop(file.path, None)
        for file, path in moved:
            file.path = path
            self._files[path] = file
        for file in list(self._deleted):
            if file.path.startswith(below):
                file.path = new + file.path[len(real):]
                moved.append((file, file.path))
        return moved


def _kind(real: str, fact: FileFact | None) -> str:
    if real == "/dev/zero":
        return "zero"
    if real.startswith(("/dev/shm/", "/memfd:", "/SYSV", "/run/shm/")):
        return "shmem"
    if fact is not None and fact.major == 0:
        return "plain"  # not on a disk: tmpfs, proc, overlay
    return "disk"


def descriptor_path(path: str) -> str | None:
    """The real path in `3</usr/lib/x.so>`; None for what has none (pipes, sockets, anonymous inodes)."""
    return path if path.startswith("/") else None
