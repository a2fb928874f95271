"""Where the tools read: files of /proc as text, and who the users are. Simulated, or a directory of the host.

`read` gives None for a file that is not there, as the tools treat it. `pids` are in the order of the directory, in which procps prints
them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Source(Protocol):
        now: int | None
        """Seconds since the epoch when the tool runs; None: some later year than that of the machine's clock."""
        page_bytes: int
        """What `getconf PAGESIZE` says where these files are from: the tools ask the C library, no file has it."""

        def read(self, path: str) -> str | None:
            """The text of a file below /proc; bytes that are no UTF-8 as surrogates."""

        def pids(self) -> list[int]: ...
        def threads(self, pid: int) -> list[int]:
            """TIDs, in the order of PID/task; empty where there is none."""

        def user(self, uid: int) -> str:
            """A user's name; the number of one who has none."""

        def group(self, gid: int) -> str: ...
        def owner(self, pid: int) -> int:
            """Whose the directory of a process is."""


DAY = 86400


def fields(text: str | None) -> dict[str, str]:
    """Lines `Key:\tvalue` of a file such as status."""
    found = {}
    for line in (text or "").split("\n"):
        key, colon, value = line.partition(":")
        if colon:
            found[key] = value.strip()
    return found


def number(text: str | None) -> int:
    """The number that a value begins with; 0 without one."""
    words = (text or "").split()
    try:
        return int(words[0])
    except (IndexError, ValueError):
        return 0


def clock(seconds: int) -> str:
    """The time of day."""
    return f"{seconds % DAY // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


def escaped(text: str) -> str:
    """Text as procps shows it in a UTF-8 terminal: control characters as `?`, and from the first byte on that begins no
    character every byte but those of ASCII. Counterpart: library/escape.c."""
    if text.isascii() and text.isprintable():
        return text
    found = bytearray()
    raw = text.encode("utf-8", "surrogateescape")
    at = 0
    while at < len(raw):
        length = next((n for first, last, n in LENGTHS if first <= raw[at] <= last), 0)
        if not length or at + length > len(raw):
            found += ascii_only(raw[at:])
            break
        found += b"?" if raw[at] < 0x20 or raw[at] == 0x7F else raw[at:at + length]
        at += length
    return found.decode("utf-8", "surrogateescape")


def command_line(cmdline: str) -> str:
    """What cmdline says, on one line; empty without words. Counterpart: library/readproc.c:read_unvectored()."""
    words = cmdline[:MAX_CMDLINE].rstrip("\0").replace("\n", " ").replace("\0", " ")
    return escaped(words.removesuffix(" ") if not cmdline.endswith("\0") else words)


def ascii_only(raw: bytes) -> bytes:
    """What is no printable ASCII as `?`, byte by byte."""
    return bytes([byte if 0x20 <= byte < 0x7F else 0x3F for byte in raw])


MAX_CMDLINE = 131071
LENGTHS = ((0x00, 0x7F, 1), (0xC2, 0xDF, 2), (0xE0, 0xEF, 3), (0xF0, 0xF4, 4))
"""How many bytes a character of UTF-8 has, by its first one."""
