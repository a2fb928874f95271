"""Traces on the host: a file, plain or packed, a directory of -ff files, an archive of `record`, or standard input.

What is modelled: nothing; this opens what `replay` reads. Lines come as they are read, so a log of any size takes the memory of one line.
Archives are opened by archive.py.
Invariant: a name that cannot be opened is one HostError.
"""

import errno
import io
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from vmtool.errors import HostError
from vmtool.outside.host import fail

if TYPE_CHECKING:
    from vmtool.outside.archive import Found

BLOCK = 1 << 18
LONGEST_LINE = 1 << 24
UNREADABLE = (OSError, EOFError, zlib.error)  # what a damaged gzip or a device answers
PROGRESS_EVERY = 0.2  # seconds
TAR_MAGIC_AT, TAR_BLOCK_BYTES = 257, 512
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")


class Part(NamedTuple):
    """One log: its name, the thread it belongs to (0: its lines tell), and its bytes."""

    name: str
    tid: int
    stream: io.BufferedReader


class Trace(NamedTuple):
    """What was found: the logs, and what an archive had beside them."""

    parts: list[Part]
    sidecar: str | None
    faults: io.BufferedReader | None
    is_split: bool  # the files of -ff


def open_trace(path: str) -> Trace:
    """HostError when there is nothing to read."""
    if path == "-":
        try:
            stream = _plain(_buffered(open(0, "rb", 0, closefd=False)), "-")
        except OSError as e:
            fail(e.errno or errno.EIO, "-", "standard input is closed")
        if _peek(stream, 4, "-")[:4] in ZIP_MAGICS or _is_tar(stream, "-"):
            raise HostError("-: an archive is read twice, so it must be a file")
        return Trace([Part("-", 0, stream)], None, None, False)
    if os.path.isdir(path):
        return Trace(_directory(path), None, None, True)
    try:
        if not os.path.exists(path) and (parts := _parts(os.path.dirname(path) or ".", os.path.basename(path) + ".")):
            return Trace(parts, None, None, True)  # the name that `strace -ff -o` was given
        raw = _buffered(open(path, "rb", 0))
    except (OSError, ValueError) as e:
        fail(getattr(e, "errno", None) or errno.ENOENT, path)
    if _peek(raw, 4, path)[:4] in ZIP_MAGICS:
        from vmtool.outside.archive import open_zip

        return _archive(open_zip(path, raw))
    stream = _plain(_Counted.of(raw, path), path)
    if _is_tar(stream, path):
        from vmtool.outside.archive import open_tar

        return _archive(open_tar(path, lambda: _plain(_buffered(open(path, "rb", 0)), path)))
    return Trace([Part(path, 0, stream)], None, None, False)


def _is_tar(stream: io.BufferedReader, path: str) -> bool:
    return _peek(stream, TAR_BLOCK_BYTES, path)[TAR_MAGIC_AT : TAR_MAGIC_AT + 5] == b"ustar"


def _archive(found: "Found") -> Trace:
    return Trace([Part(*log) for log in found.logs], found.sidecar, found.faults, found.logs[0].tid != 0)


def _buffered(raw: Any) -> io.BufferedReader:
    """Anything that gives bytes, with a peek(); the libraries' own types do not agree on what that needs."""
    return io.BufferedReader(raw, BLOCK)


def _plain(stream: io.BufferedReader, name: str) -> io.BufferedReader:
    """The stream, unpacked when it is gzip, bzip2 or xz."""
    magic = _peek(stream, 6, name)
    if magic[:2] == b"\x1f\x8b":
        import gzip

        return _buffered(gzip.GzipFile(fileobj=stream))
    if magic[:3] == b"BZh" and magic[3:4].isdigit():
        import bz2

        return _buffered(bz2.BZ2File(stream))
    if magic == b"\xfd7zXZ\x00":
        import lzma

        return _buffered(_Xz(lzma.LZMAFile(stream)))
    return stream


def _directory(path: str) -> list[Part]:
    """The files of -ff in a directory."""
    try:
        parts = _parts(path, "")
    except OSError as e:
        fail(e.errno or errno.EIO, path)
    if not parts:
        fail(errno.ENOENT, path, "no file of strace -ff (NAME.PID) in this directory")
    return parts


def _parts(directory: str, prefix: str) -> list[Part]:
    """The files PREFIX….PID, perhaps with .gz, by PID."""
    parts = []
    for name in os.listdir(directory):
        number = name.removesuffix(".gz").rpartition(".")[2]
        full = os.path.join(directory, name)
        if name.startswith(prefix) and number.isdigit() and os.path.isfile(full):  # a FIFO would be waited for
            parts.append(Part(full, int(number), _plain(_buffered(_Reopened(full)), full)))
    return sorted(parts, key=lambda part: part.tid)


def head(part: Part) -> bytes:
    """The first bytes, which are not taken."""
    return _peek(part.stream, 8192, part.name)


def _peek(stream: io.BufferedReader, nr_bytes: int, name: str) -> bytes:
    try:
        return stream.peek(nr_bytes)[:nr_bytes]
    except UNREADABLE as e:
        raise HostError(f"{name}: cannot be read: {_reason(e)}") from None


def _reason(failure: Exception) -> str:
    return getattr(failure, "strerror", None) or str(failure)


def text_lines(stream: io.BufferedReader, name: str) -> Iterator[str]:
    """The lines of a log as text, a byte a character. One in UTF-16 (a shell of Windows writes that) is made to one in UTF-8. HostError,
    also of a later line: the stream's own iterator is handed out, as a generator around it would cost each line."""
    try:
        is_utf16 = stream.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff")
        head = stream.peek(BLOCK)
    except UNREADABLE as e:
        raise HostError(f"{name}: cannot be read: {_reason(e)}") from None
    guarded = io.BufferedReader(_Guard(stream, name), BLOCK)
    if is_utf16:
        return _utf16_lines(guarded)
    newline = None if b"\r" in head and b"\n" not in head else "\n"  # None: an old Mac's
    return io.TextIOWrapper(guarded, "latin-1", newline=newline)


def _utf16_lines(stream: io.BufferedReader) -> Iterator[str]:
    for line in io.TextIOWrapper(stream, "utf-16", "replace", newline="\n"):
        yield line.encode("utf-8", "replace").decode("latin-1")


def blocks(part: Part) -> Iterator[bytes]:
    try:
        while block := part.stream.read(BLOCK):
            yield block
    except UNREADABLE as e:
        raise HostError(f"{part.name}: cannot be read: {_reason(e)}") from None


class _Xz(io.RawIOBase):
    """An xz stream, whose errors are those of a file."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())

    def readinto(self, buffer: Any) -> int:
        import lzma

        try:
            return int(self._stream.readinto(buffer))
        except lzma.LZMAError as e:
            raise OSError(str(e)) from None


class _Reopened(io.RawIOBase):
    """A file that is open only while a block of it is read: -ff makes more files than a process may have open."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with open(self._path, "rb", 0) as f:
            f.seek(self._at)
            nr = f.readinto(buffer) or 0
        self._at += nr
        return nr


class _Guard(io.RawIOBase):
    """Refuses a line that no log has before it fills the memory, and what cannot be read. HostError."""

    def __init__(self, stream: io.BufferedReader, name: str) -> None:
        self._stream = stream
        self._name = name
        self._open = 0  # bytes since the last end of a line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            nr = self._stream.readinto1(buffer)
        except UNREADABLE as e:
            raise HostError(f"{self._name}: cannot be read: {_reason(e)}") from None
        end = bytes(buffer[:nr]).rfind(b"\n")
        self._open = self._open + nr if end < 0 else nr - end - 1
        if self._open > LONGEST_LINE:
            raise HostError(f"{self._name}: cannot be read: a line of more than {LONGEST_LINE >> 20} MB")
        return nr


class _Counted(io.RawIOBase):
    """A file that shows on a terminal how far it was read."""

    def __init__(self, raw: io.BufferedReader, size: int, show: Callable[[int], None]) -> None:
        self._raw, self._size, self._show = raw, size, show
        self._done = 0
        self._next = time.monotonic() + PROGRESS_EVERY

    @classmethod
    def of(cls, raw: io.BufferedReader, path: str) -> io.BufferedReader:
        """The file itself where nobody watches, or nothing takes long."""
        try:
            size = os.fstat(raw.fileno()).st_size
        except OSError:
            size = 0
        if size < 1 << 22 or not sys.stderr.isatty():
            return raw
        return _buffered(cls(raw, size, _draw))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self._done += len(data)
        now = time.monotonic()
        if not data:
            self._show(-1)
        elif now >= self._next:
            self._next = now + PROGRESS_EVERY
            self._show(100 * self._done // self._size)
        return len(data)


def _draw(percent: int) -> None:
    """A bar on stderr; it goes away at the end."""
    try:
        if percent < 0:
            sys.stderr.write("\r" + " " * 48 + "\r")
        else:
            sys.stderr.write("\r[" + "#" * (percent * 40 // 100) + " " * (40 - percent * 40 // 100) + f"] {percent:3d}%")
        sys.stderr.flush()
    except OSError:
        pass
