"""Where a process is read from: /proc/PID, a saved copy of it (a directory, a tar), or one file of it (maps or smaps).

What is modelled: nothing; this opens the host's files, and all of them may be hostile. Each is a regular file, read up to a limit; a
FIFO, a device, a link in an archive, a member that ends early or says it has more than is there, an archive that unpacks to more than any
/proc holds: one HostError. A directory or an archive may hold several processes, each in a directory of its own.
"""

import bz2
import errno
import gzip
import io
import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from vmtool.errors import HostError
from vmtool.outside.host import fail, open_regular
from vmtool.outside.proc_text import printable

MOST_BYTES = 1 << 26  # of one text file
MOST_UNPACKED = 1 << 29  # of an archive, headers and all
MOST_PROCESSES = 1 << 12
MOST_THREADS = 1 << 20  # of a process
WANTED = ("maps", "smaps", "stat", "status", "comm", "cmdline", "limits", "oom_score_adj")
THREAD = re.compile(r"(?:(.*)/)?(task/[0-9]{1,9}(/(?:comm|stat))?)", re.DOTALL)
MAY_LACK = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ESRCH, errno.EIO)
PACKED: tuple[tuple[bytes, Callable[[Any], Any]], ...] = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))
UNREADABLE = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError, zlib.error, lzma.LZMAError)
TAR_MAGIC_AT, TAR_BLOCK_BYTES = 257, 512


class Source:
    """The files of one process by name. `pid`: of whom they were, 0: unknown."""

    def __init__(self, label: str, pid: int = 0) -> None:
        self.label = printable(label)
        self.pid = pid
        self.is_live = False
        self.why = ""  # the last file that was not there or not permitted was not

    def read(self, name: str) -> bytes | None:
        """A file's bytes, None when it is not there or not permitted."""
        raise NotImplementedError

    def text(self, name: str) -> str | None:
        data = self.read(name)
        return None if data is None else data.decode("utf-8", "surrogateescape")

    def tids(self) -> list[int]:
        """The threads that task/ lists; none where it is not there."""
        return []

    def exe(self) -> str:
        """The path of the program, empty when it is unknown."""
        return ""

    def pagemap(self) -> io.FileIO | None:
        """An open file; the caller closes it."""
        return None

    def area_file(self, start: int, end: int, path: str) -> os.stat_result | None:
        """The host's file that an area maps."""
        try:
            return os.stat(path)
        except (OSError, ValueError):
            return None


class Directory(Source):
    """/proc/PID, or a copy."""

    def __init__(self, path: str, label: str, pid: int = 0) -> None:
        super().__init__(label, pid)
        self.path = path
        self.is_live = os.path.realpath(path).startswith("/proc/")
        self.pid = pid or _pid_in(os.path.realpath(path))

    def read(self, name: str) -> bytes | None:
        try:
            with open_regular(f"{self.path}/{name}") as f:
                return read_limited(f, MOST_BYTES, f"{self.label}: {name}")
        except OSError as e:
            if e.errno in MAY_LACK:
                self.why = e.strerror or ""
                return None
            fail(e.errno or errno.EIO, f"{self.label}/{name}")

    def tids(self) -> list[int]:
        try:
            return _numbers(os.listdir(f"{self.path}/task"), self.label)
        except OSError:
            return []

    def exe(self) -> str:
        try:
            return os.readlink(f"{self.path}/exe").removesuffix(" (deleted)")
        except OSError:
            return ""

    def pagemap(self) -> io.FileIO | None:
        try:
            return open_regular(f"{self.path}/pagemap")
        except OSError:
            return None

    def area_file(self, start: int, end: int, path: str) -> os.stat_result | None:
        if self.is_live:
            try:
                return os.stat(f"{self.path}/map_files/{start:x}-{end:x}")  # also of one whose name is gone
            except OSError:
                pass
        return super().area_file(start, end, path)


class Members(Source):
    """What an archive held, or one file alone."""

    def __init__(self, label: str, files: dict[str, bytes], pid: int = 0, exe: str = "") -> None:
        super().__init__(label, pid)
        self.files = files
        self._exe = exe

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def tids(self) -> list[int]:
        return _numbers({name.split("/")[1] for name in self.files if name.startswith("task/")}, self.label)

    def exe(self) -> str:
        return self._exe


def sources_of(word: str) -> list[Source]:
    """The processes that a PID or a path names. HostError when there is none."""
    if word.isdigit() and word.isascii() and not os.path.exists(word):
        if len(word) > 9 or not os.path.isdir(f"/proc/{word}"):
            raise HostError(f"ESRCH (No such process): {word}")
        return [Directory(f"/proc/{word}", word, int(word))]
    if os.path.isdir(word):
        return _of_directory(word)
    try:
        raw = open_regular(word)
    except OSError as e:
        fail(e.errno or errno.EIO, word)
    with raw:
        return _of_file(raw, word)


def _of_directory(path: str) -> list[Source]:
    if _has_areas(path):
        return [Directory(path, path)]
    try:
        names = sorted(name for name in os.listdir(path) if os.path.isdir(f"{path}/{name}"))
    except OSError as e:
        fail(e.errno or errno.EIO, path)
    found: list[Source] = [Directory(f"{path}/{name}", f"{path}/{name}") for name in names if _has_areas(f"{path}/{name}")]
    if not found:
        raise HostError(f"{printable(path)}: neither maps nor smaps is here, nor in a directory below")
    return _bounded(found, path)


def _bounded(found: list[Source], label: str) -> list[Source]:
    if len(found) > MOST_PROCESSES:
        raise HostError(f"{printable(label)}: {len(found)} processes are more than the {MOST_PROCESSES} that are taken at once")
    return found


def _has_areas(path: str) -> bool:
    return os.path.lexists(f"{path}/maps") or os.path.lexists(f"{path}/smaps")


def _of_file(raw: io.FileIO, label: str) -> list[Source]:
    """A tar, packed or not, or a text."""
    try:
        stream: Any = io.BufferedReader(raw)
        head = stream.peek(8)
        for magic, unpack in PACKED:
            if head.startswith(magic):
                stream = io.BufferedReader(_Bounded(unpack(stream)))
                break
        else:
            stream = io.BufferedReader(_Bounded(stream))
        if stream.peek(TAR_BLOCK_BYTES)[TAR_MAGIC_AT : TAR_MAGIC_AT + 5] == b"ustar":
            return _of_tar(stream, label)
        return [Members(label, {"maps": read_limited(stream, MOST_BYTES, label)})]
    except UNREADABLE as e:
        raise HostError(f"{printable(label)}: cannot be read: {getattr(e, 'strerror', None) or e or type(e).__name__}") from None


def _of_tar(stream: Any, label: str) -> list[Source]:
    """Every directory of an archive that has maps or smaps; those of threads (task/) are their process's."""
    found: dict[str, dict[str, bytes]] = {}
    programs: dict[str, str] = {}
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = os.path.normpath(member.name)
            thread = THREAD.fullmatch(path)
            directory, _, name = path.rpartition("/")
            if thread is not None:
                found.setdefault(thread[1] or "", {})[thread[2]] = _member(archive, member, label) if thread[3] else b""
            elif "task" in directory.split("/"):
                continue
            elif name == "exe" and member.issym():
                programs[directory] = member.linkname.removesuffix(" (deleted)")
            elif name in WANTED:
                found.setdefault(directory, {})[name] = _member(archive, member, label)
            if len(found) > MOST_PROCESSES:
                raise HostError(f"{printable(label)}: more than the {MOST_PROCESSES} processes that are taken at once")
    sources: list[Source] = []
    for directory, files in found.items():
        if "maps" in files or "smaps" in files:
            name = f"{label}: {directory[:80]}" if directory else label
            sources.append(Members(name, files, _pid_in(directory), programs.get(directory, "")))
    if not sources:
        raise HostError(f"{printable(label)}: an archive without maps or smaps")
    return sources


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo, label: str) -> bytes:
    """Its bytes, all of them."""
    name = f"{printable(label)}: {printable(member.name[:80])}"
    if not member.isreg():
        raise HostError(f"{name} is no regular file: links and devices are not followed")
    if member.size > MOST_BYTES:
        raise HostError(f"{name} says that it has {member.size} bytes, at most {MOST_BYTES} are read")
    opened = archive.extractfile(member)
    data = opened.read() if opened is not None else b""
    if len(data) != member.size:
        raise HostError(f"{name} ends early: {len(data)} of {member.size} bytes are there")
    return data


def _numbers(names: Iterable[str], label: str) -> list[int]:
    found = [int(name) for name in names if name.isdigit() and name.isascii() and len(name) < 10]
    if len(found) > MOST_THREADS:
        raise HostError(f"{label}: {len(found)} threads are more than the {MOST_THREADS} that are taken in")
    return found


def _pid_in(path: str) -> int:
    """The PID that a directory is named after; 0: none."""
    name = os.path.basename(path)
    return int(name) if name.isdigit() and name.isascii() and len(name) < 10 else 0


def read_limited(f: Any, limit: int, label: str) -> bytes:
    """All of it. A file of /proc is made as it is read, a piece each time."""
    parts = []
    left = limit
    while part := f.read(min(left + 1, 1 << 20)):
        left -= len(part)
        if left < 0:
            raise HostError(f"{label} has more than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


class _Bounded(io.RawIOBase):
    """What an archive may unpack to."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = MOST_UNPACKED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise OSError(errno.EFBIG, f"it unpacks to more than {MOST_UNPACKED} bytes")
        buffer[: len(data)] = data
        return len(data)
