"""Archives with a log in them: a tar (also packed) or a zip with `strace.log` or the files of -ff, perhaps `sidecar.json`, `faults.trace`.

What is modelled: what `record` writes, in any order of its members, and what others have packed in that way.
An archive is a stranger's: nothing of it is unpacked on the host, a member that is no plain file is refused where its name counts, what is
read whole is bounded, and a member that is shorter than its header says ends in an error. tarfile and zipfile raise what their parsers
stumble on; all of that is one line.
Invariant: whatever the bytes are, open_tar() and open_zip() give a Found or raise HostError, and the streams in it raise OSError alone.
"""

import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from vmtool.errors import HostError

MOST_SIDECAR = 1 << 26  # bytes, as of a file that import reads
MOST_IN_MEMORY = 1 << 28  # bytes of the files of -ff in a packed archive, together
MOST_MEMBERS = 200_000
STUMBLES = (tarfile.TarError, zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError, LookupError,
            ArithmeticError, MemoryError, struct.error, zlib.error)


class Member(NamedTuple):
    """A log of an archive: its name, the thread it belongs to (0: its lines tell), its bytes."""

    name: str
    tid: int
    stream: io.BufferedReader


class Found(NamedTuple):
    """What an archive has."""

    logs: list[Member]
    sidecar: str | None
    faults: io.BufferedReader | None


def kind_of(name: str) -> str:
    """What a member's name says it is: sidecar, faults, log, part (a file of -ff), or ''."""
    base = os.path.basename(name)
    if base == "sidecar.json":
        return "sidecar"
    if base.startswith("faults."):
        return "faults"
    if base == "strace.log":
        return "log"
    return "part" if base.rpartition(".")[2].isdigit() and len(base.rpartition(".")[2]) < 10 else ""


def open_tar(path: str, reopen: Callable[[], io.BufferedReader]) -> Found:
    """`reopen` gives the unpacked bytes from their start, as often as it is called."""
    logs: dict[str, tuple[int, int]] = {}
    sidecar: str | None = None
    faults: io.BufferedReader | None = None
    try:
        with tarfile.open(fileobj=_Bounded(reopen()), mode="r:") as archive:  # type: ignore[call-overload]
            for nr, member in enumerate(archive):
                kind = kind_of(member.name)
                if nr >= MOST_MEMBERS:
                    raise ValueError(f"more than {MOST_MEMBERS} members")
                if not kind or member.isdir():
                    continue
                _plain_file(path, member.name, member.isreg() and not member.issparse(), member.size)
                if kind == "sidecar":
                    sidecar = _text(path, _Slice(reopen(), member.offset_data, member.size), member.size)
                elif kind == "faults":
                    faults = io.BufferedReader(_Slice(reopen(), member.offset_data, member.size))
                else:
                    logs[member.name] = member.offset_data, member.size
    except STUMBLES as e:
        raise HostError(f"{path}: not a sound archive: {_reason(e)}") from None
    whole = next((name for name in logs if kind_of(name) == "log"), None)
    if whole is not None:
        return Found([Member(path, 0, io.BufferedReader(_Slice(reopen(), *logs[whole])))], sidecar, faults)
    return Found(_parts(path, [(name, size, lambda at=at, size=size: _Slice(reopen(), at, size)) for name, (at, size) in logs.items()]),
                 sidecar, faults)


def open_zip(path: str, raw: io.BufferedReader) -> Found:
    sidecar: str | None = None
    faults = whole = None
    parts: list[tuple[str, int, Callable[[], io.RawIOBase]]] = []
    try:
        archive = zipfile.ZipFile(raw)
        for info in archive.infolist():
            kind = kind_of(info.filename)
            if not kind or info.is_dir():
                continue
            mode = info.external_attr >> 16
            _plain_file(path, info.filename, not stat.S_IFMT(mode) or stat.S_ISREG(mode), info.file_size)
            if kind == "sidecar":
                sidecar = _text(path, _Careful(archive.open(info)), info.file_size)
            elif kind == "faults":
                faults = io.BufferedReader(_Careful(archive.open(info)))
            elif kind == "log":
                whole = io.BufferedReader(_Careful(archive.open(info)))
            else:
                parts.append((info.filename, info.file_size, lambda info=info: _Careful(archive.open(info))))
    except STUMBLES as e:
        raise HostError(f"{path}: not a sound archive: {_reason(e)}") from None
    if whole is not None:
        return Found([Member(path, 0, whole)], sidecar, faults)
    return Found(_parts(path, parts), sidecar, faults)


def _plain_file(path: str, name: str, is_plain: bool, size: int) -> None:
    """HostError: a member that counts is a link, a device, or of a size that cannot be."""
    if not is_plain:
        raise HostError(f"{path}: {os.path.basename(name)} is not a plain file in this archive")
    if size < 0 or size >> 62:
        raise HostError(f"{path}: {os.path.basename(name)} has {size} bytes")


def _text(path: str, stream: Any, size: int) -> str:
    """A sidecar: read whole, so it is bounded."""
    data = stream.read(MOST_SIDECAR + 1) if size <= MOST_SIDECAR else b""
    if size > MOST_SIDECAR or len(data) > MOST_SIDECAR:
        raise HostError(f"{path}: sidecar.json has more than {MOST_SIDECAR} bytes")
    return bytes(data).decode("utf-8", "replace")


def _parts(path: str, found: list[tuple[str, int, Callable[[], io.RawIOBase]]]) -> list[Member]:
    """The files of -ff, in memory: they are read side by side."""
    if not found:
        raise HostError(f"{path}: an archive without a log (strace.log, or the files of strace -ff)")
    left = MOST_IN_MEMORY
    parts = []
    for name, size, opened in found:
        left -= size
        if left < 0:
            raise HostError(f"{path}: its logs have more than {MOST_IN_MEMORY} bytes: unpack it, and replay the directory")
        base = os.path.basename(name)
        try:
            data = io.BufferedReader(opened()).read(size + 1)
        except STUMBLES as e:
            raise HostError(f"{path}: {base}: {_reason(e)}") from None
        parts.append(Member(base, int(base.rpartition(".")[2]), io.BufferedReader(io.BytesIO(data))))  # type: ignore[arg-type]
    return sorted(parts, key=lambda part: part.tid)


def _reason(failure: BaseException) -> str:
    text = getattr(failure, "strerror", None) or str(failure) or type(failure).__name__
    return str(text).split("\n", 1)[0][:200]


class _Bounded:
    """A stream as tarfile may use it: no header of it is read that would fill the memory."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self.seek, self.tell, self.close = stream.seek, stream.tell, stream.close

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MOST_SIDECAR:
            raise ValueError(f"a header of {size} bytes")
        return self._stream.read(size)


class _Slice(io.RawIOBase):
    """A member of a tar: `size` bytes of its stream, from `at`."""

    def __init__(self, stream: io.BufferedReader, at: int, size: int) -> None:
        self._stream, self._at, self._left = stream, at, size
        self._is_there = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            if not self._is_there:
                self._stream.seek(self._at)
                self._is_there = True
            data = self._stream.read1(min(len(buffer), self._left)) if self._left else b""
        except STUMBLES as e:
            raise OSError(_reason(e)) from None
        if self._left and not data:
            raise OSError("the archive ends within it")
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)


class _Careful(io.RawIOBase):
    """A member of a zip, whose errors are those of a file."""

    def __init__(self, member: Any) -> None:
        self._member = member

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._member.read1(len(buffer))
        except STUMBLES as e:
            raise OSError(_reason(e)) from None
        buffer[: len(data)] = data
        return len(data)
