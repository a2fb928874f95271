r"""The arguments and the answer of one call of an strace log, from the text after `name(`.

What is modelled: strace's notation for arguments (strace(1)): numbers in any base, names joined by `|`,
"strings" with C escapes, `3</path>` of -y and -yy, {structures}, [arrays], `/* comments */`, and the answer:
    ) = 0x7ffff7fc0000     ) = -1 ENOENT (No such file or directory)     ) = ?     ) = 3</path>     … <0.000012>
The plainest calls (munmap, mprotect, madvise, brk, read, write, close, the usual shapes of mmap and openat) are read by `hot`; mmap, mremap
and openat have an expression of their own; the others are split at their top-level commas.
Simplified: structures are searched for the fields that matter, not parsed.
Invariant: a text that cannot be read raises ValueError; the caller knows the line.
"""

import re
from typing import NamedTuple

from vmtool.strace import hot
from vmtool.strace.flags import number
from vmtool.strace.hot import arguments
from vmtool.units import U64_MAX

_FD = r"(0x[0-9a-f]+|-?\d+|AT_FDCWD)(?:<(.*?)>(?=(?:\(deleted\))?(?:[,)\]}]|$))(\(deleted\))?)?"
_ITS_PATH = r"(?:<(.*?)>(?=\(deleted\)|\s|$))?"  # of an answer
_RESULT = r"\) +=? ?(0x[0-9a-f]+|-?\d+|\?)(?: ([A-Z][A-Z0-9]+))?"
_N = r"([^,() ]+)"

_MINCORE = re.compile(rf"{_N}, {_N}, (\[[^]]*\]|\"(?:[^\"\\]|\\.)*\"|[^,)]+){_RESULT}")
_MMAP = re.compile(rf"{_N}, {_N}, {_N}, {_N}, {_FD}, {_N}{_RESULT}")
_MREMAP = re.compile(rf"{_N}, {_N}, {_N}, {_N}(?:, {_N})?{_RESULT}")
_END = re.compile(rf".*\) += (?:(0x[0-9a-f]+|-?\d+|\?){_ITS_PATH}(?: ([A-Z][A-Z0-9]+))?)?", re.DOTALL)
_OPENAT = re.compile(rf'{_FD}, ("(?:[^"\\]|\\.)*"(?:\.\.\.)?), ([^,()]+)(?:, [^()]+)?\) += (0x[0-9a-f]+|-?\d+|\?)'
                     rf"{_ITS_PATH}(?: ([A-Z][A-Z0-9]+))?")
_COMMENT = re.compile(r" /\*[^*]*\*/")
_STRING = re.compile(r'(?:@)?"((?:[^"\\]|\\.)*)"(\.\.\.)?', re.DOTALL)
_FD_ONLY = re.compile(_FD.replace("AT_FDCWD)", r"AT_FDCWD)(?: /\*[^*]*\*/)?", 1))
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a", b"b": b"\b"}

UNFINISHED = " <unfinished ...>"


class Hidden(ValueError):
    """A string that the log does not show: an address, or its beginning alone."""


class Result(NamedTuple):
    """What the kernel answered. `errno` is a symbol, '' when it succeeded; value None: `?`, no answer."""

    value: int | None
    errno: str
    path: str  # -y: of the descriptor that was returned


class Fd(NamedTuple):
    """A descriptor argument; `path` as -y shows it, '' without."""

    number: int
    path: str
    is_deleted: bool


NO_FD = Fd(-1, "", False)


class Mmap(NamedTuple):
    """mmap and mmap2; `offset` in bytes."""

    addr: int
    length: int
    prot: int
    flags: int
    fd: Fd
    offset: int
    result: Result


def address(text: str) -> int:
    """A number that is an address or a length: the common shapes first."""
    if text[:2] == "0x":
        return int(text, 16)
    if text.isdigit() and (text[0] != "0" or text == "0"):
        return int(text)
    return number(text)


def result(value: str, symbol: str | None, path: str = "") -> Result:
    if value == "?":
        return Result(None, "", "")
    answer = int(value, 0)
    if value[:10] == "0xffffffff" and len(value) == 18:  # a 32-bit address with its sign extended
        answer &= 0xFFFFFFFF
    return Result(answer, symbol or "", path)


def descriptor(value: str, path: str | None, deleted: str | None) -> Fd:
    fd = number(value)
    if fd >= 0x80000000:  # -e raw prints -1 as 0xffffffff
        fd -= 1 << 32 if fd < 1 << 32 else 1 << 64
    return Fd(fd, _clean(path) if path else "", bool(deleted))


def _clean(path: str) -> str:
    """What a descriptor refers to, without -yy's `/dev/null<char 1:3>` and without escapes."""
    if path[-1] == ">" and "<" in path:
        path = path[: path.rindex("<")]
    return unescape(path) if "\\" in path or not path.isascii() else path


def uncomment(text: str) -> str:
    return _COMMENT.sub("", text) if "/*" in text else text


def mincore(text: str) -> tuple[int, int, str, Result]:
    """(address, length, what the kernel stored, as text; answer)."""
    found = _MINCORE.match(uncomment(text))
    if found is None:
        raise ValueError(text)
    return address(found[1]), address(found[2]), found[3], result(found[4], found[5])


def mmap(text: str) -> Mmap:
    try:
        addr, length, prot, flags, fd, path, is_deleted, offset, value, errno = hot.mmap(text)
    except ValueError:
        return _unusual_mmap(text)
    its = Fd(fd, _clean(path) if path else "", is_deleted) if fd != -1 else NO_FD
    return Mmap(addr, length, prot, flags, its, offset, Result(value, errno, ""))


def _unusual_mmap(text: str) -> Mmap:
    found = _MMAP.match(uncomment(text))
    if found is None:
        raise ValueError(text)
    addr, length, prot, flags, fd, path, deleted, offset, value, symbol = found.groups()
    return Mmap(address(addr), address(length), number(prot), number(flags), descriptor(fd, path, deleted), address(offset),
                result(value, symbol))


def mremap(text: str) -> tuple[int, int, int, int, int, Result]:
    """(old address, old length, new length, flags, new address, answer)."""
    found = _MREMAP.match(uncomment(text))
    if found is None:
        raise ValueError(text)
    a, b, c, d, e, value, symbol = found.groups()
    old, old_len, new_len, new = (address(text) & U64_MAX for text in (a, b, c, e or "0"))
    return old, old_len, new_len, number(d), new, result(value, symbol)


def openat(text: str) -> tuple[str, str, str, str, Result]:
    """(number of the directory, its path as shown, path argument, flags, answer); one expression, for logs are full of it."""
    found = _OPENAT.match(text)
    if found is None:
        args, answer = split(text)
        fd = fd_of(args[0])
        return str(fd.number), fd.path, args[1], args[2] if len(args) > 2 else "0", answer
    fd_text, shown, _, path, flags, value, opened, symbol = found.groups()
    return fd_text, shown or "", path, flags, result(value, symbol, _fd_path(opened) if opened else "")


def answer(text: str) -> Result:
    """The answer of any call."""
    found = _END.match(text)
    if found is None:
        raise ValueError(text)
    value, path, symbol = found.groups()
    return result(value, symbol, _fd_path(path)) if value else Result(None, "", "")


def split(text: str) -> tuple[list[str], Result]:
    """The arguments of any call, as text, and its answer."""
    found = _END.match(text)
    if found is None:
        raise ValueError(text)
    value, path, symbol = found.groups()
    end = text.rindex(")", 0, found.start(1) if value else found.end())
    return arguments(text[:end]), result(value, symbol, _fd_path(path)) if value else Result(None, "", "")


def _fd_path(path: str | None) -> str:
    return descriptor("0", path, None).path if path else ""


def string(text: str) -> tuple[bytes, bool]:
    """The bytes of a quoted argument, and whether it is whole (no `...`). Hidden: it is an address."""
    found = _STRING.match(text)
    if found is None:
        raise Hidden(text) if text[:2] == "0x" or text == "NULL" else ValueError(text)
    return unescape_bytes(found[1].encode("latin-1")), found[2] is None


def unescape_bytes(raw: bytes) -> bytes:
    return _ESCAPE.sub(_unescaped, raw) if b"\\" in raw else raw


def unescape(text: str) -> str:
    """A path of the log as Python names files."""
    return unescape_bytes(text.encode("latin-1", "replace")).decode("utf-8", "surrogateescape")


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    if code[:1] == b"x" and len(code) == 3:
        return bytes([int(code[1:], 16)])
    if code[:1].isdigit():
        return bytes([int(code, 8) & 255])
    return _LETTERS.get(code, code)


def path_of(text: str) -> str:
    """A path argument. Hidden when the log does not show it whole."""
    raw, is_whole = string(text)
    if not is_whole:
        raise Hidden(text)
    return raw.decode("utf-8", "surrogateescape")


def fd_of(text: str) -> Fd:
    found = _FD_ONLY.match(text)
    if found is None:
        raise ValueError(text)
    return descriptor(found[1], found[2], found[3])


def strings(text: str) -> tuple[list[bytes], bool]:
    """The elements of ["cat", "/proc/self/maps"], and whether the list and each of them is whole."""
    found: list[bytes] = []
    whole = text.startswith("[")
    for part in arguments(text[1:-1]) if whole else []:
        if not part.startswith('"'):
            whole = False  # `...`, or `/* 5 vars */`
            continue
        raw, is_whole = string(part)
        found.append(raw)
        whole = whole and is_whole
    return found, whole


def field(text: str, name: str) -> str | None:
    """The value of `name=` in a printed structure, up to the next comma, brace or parenthesis."""
    found = re.search(rf"\b{name}=([^,}})]+)", text)
    return found[1].strip() if found else None
