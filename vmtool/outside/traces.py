"""Traces on the host: a file, gzip or plain, a directory of -ff files, an archive of `record`, or standard input.

What is modelled: nothing; this opens what `replay` reads. Lines come as they are read, so a log of any size takes the memory of one line.
An archive is a tar (also gzip) or a zip with `sidecar.json`, perhaps `faults.trace`, and the log: `strace.log` or the files of `ff/`.
Invariant: a name that cannot be opened is one HostError.
"""

import errno
import io
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from vmtool.errors import HostError
from vmtool.outside.host import fail

BLOCK = 1 << 18
LONGEST_LINE = 1 << 24
UNREADABLE = (OSError, EOFError, zlib.error)  # what a damaged gzip or a device answers
PROGRESS_EVERY = 0.2  # seconds
TAR_MAGIC_AT = 257


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
            return Trace([Part("-", 0, _plain(_buffered(open(0, "rb", 0, closefd=False))))], None, None, False)
        except OSError as e:
            fail(e.errno or errno.EIO, "-", "standard input is closed")
    if os.path.isdir(path):
        return Trace(_directory(path), None, None, True)
    try:
        if not os.path.exists(path) and (parts := _parts(os.path.dirname(path) or ".", os.path.basename(path) + ".")):
            return Trace(parts, None, None, True)  # the name that `strace -ff -o` was given
        raw = _buffered(open(path, "rb", 0))
    except (OSError, ValueError) as e:
        fail(getattr(e, "errno", None) or errno.ENOENT, path)
    head = _peek(raw, 4, path)
    if head[:4] == b"PK\x03\x04":
        return _zip(raw, path)
    stream = _plain(_Counted.of(raw, path))
    if _peek(stream, 512, path)[TAR_MAGIC_AT : TAR_MAGIC_AT + 5] == b"ustar":
        return _tar(stream, path)
    return Trace([Part(path, 0, stream)], None, None, False)


def _buffered(raw: Any) -> io.BufferedReader:
    """Anything that gives bytes, with a peek(); the libraries' own types do not agree on what that needs."""
    return io.BufferedReader(raw, BLOCK)


def _plain(stream: io.BufferedReader) -> io.BufferedReader:
    """The stream, unpacked when it is gzip."""
    if stream.peek(2)[:2] == b"\x1f\x8b":
        import gzip

        return _buffered(gzip.GzipFile(fileobj=stream))
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
        if name.startswith(prefix) and number.isdigit():
            full = os.path.join(directory, name)
            parts.append(Part(full, int(number), _plain(_buffered(_Reopened(full)))))
    return sorted(parts, key=lambda part: part.tid)


def _tar(stream: io.BufferedReader, path: str) -> Trace:
    import tarfile

    parts: list[Part] = []
    sidecar = faults = None
    try:
        archive = tarfile.open(fileobj=stream, mode="r:")
        for member in archive:
            opened = archive.extractfile(member)
            if opened is None:
                continue
            base = os.path.basename(member.name)
            if base == "sidecar.json":
                sidecar = opened.read().decode("utf-8", "replace")
            elif base.startswith("faults."):
                faults = _buffered(io.BytesIO(opened.read()))
            elif base == "strace.log":
                return Trace([Part(path, 0, _buffered(opened))], sidecar, faults, False)
            elif base.rpartition(".")[2].isdigit():
                parts.append(Part(base, int(base.rpartition(".")[2]), _buffered(io.BytesIO(opened.read()))))
    except (tarfile.TarError, *UNREADABLE) as e:
        raise HostError(f"{path}: not a sound archive: {e}") from None
    if not parts:
        raise HostError(f"{path}: an archive without a log (strace.log)")
    return Trace(parts, sidecar, faults, True)


def _zip(raw: io.BufferedReader, path: str) -> Trace:
    import zipfile

    try:
        archive = zipfile.ZipFile(raw)
        names = {os.path.basename(n): n for n in archive.namelist()}
        sidecar = archive.read(names["sidecar.json"]).decode("utf-8", "replace") if "sidecar.json" in names else None
        found = next((n for n in names if n.startswith("faults.")), None)
        faults = _buffered(archive.open(names[found])) if found else None
        if "strace.log" not in names:
            raise HostError(f"{path}: an archive without a log (strace.log)")
        return Trace([Part(path, 0, _buffered(archive.open(names["strace.log"])))], sidecar, faults, False)
    except (zipfile.BadZipFile, NotImplementedError, *UNREADABLE) as e:
        raise HostError(f"{path}: not a sound archive: {e}") from None


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
    """The lines of a log as text, a byte a character."""
    try:
        yield from io.TextIOWrapper(io.BufferedReader(_Guard(stream), BLOCK), "latin-1", newline="\n")
    except UNREADABLE as e:
        raise HostError(f"{name}: cannot be read: {_reason(e)}") from None


def blocks(part: Part) -> Iterator[bytes]:
    try:
        while block := part.stream.read(BLOCK):
            yield block
    except UNREADABLE as e:
        raise HostError(f"{part.name}: cannot be read: {_reason(e)}") from None


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
    """Refuses a line that no log has before it fills the memory."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._open = 0  # bytes since the last end of a line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        nr = self._stream.readinto1(buffer)
        end = bytes(buffer[:nr]).rfind(b"\n")
        self._open = self._open + nr if end < 0 else nr - end - 1
        if self._open > LONGEST_LINE:
            raise OSError(f"a line of more than {LONGEST_LINE >> 20} MB")
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
