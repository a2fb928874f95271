"""What the log keeps of a step: the command's line, its exit status and, of a script, each line that changed something.

The store keeps an entry as it comes; here it is made and read. A line is what `run` would take: words quoted where they must be, variables
expanded, so that the lines of a log are a script. An entry is text, a line each, the exit status before it; zlib's when it is long.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

    Line: TypeAlias = "tuple[int, str]"  # exit status, what stood there

PLAIN, PACKED = b"t", b"z"
WORTH_PACKING = 1000
MOST_BYTES = 1 << 30  # of one entry unpacked: a damaged one must come to an end
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=/.,:%@")

_SAFE_BYTES = "".join(_SAFE).encode()


def line_of(words: Sequence[str]) -> str:
    """A line that `run` splits into these words again."""
    line = " ".join(words)
    # nearly always no word needs a quote: then nothing but the blanks between them is left over
    if "" in words or line.encode("utf-8", "surrogateescape").translate(None, _SAFE_BYTES) != b" " * (len(words) - 1):
        line = " ".join([quote(word) for word in words])
    return f"_ = {line}" if words[1:2] == ["="] else line  # else it would be NAME = COMMAND


def quote(word: str) -> str:
    """A word as a shell's line has it: as it is, within '…', or within $'…' where it holds what a line cannot."""
    if word and _SAFE.issuperset(word):
        return word
    if word.isprintable() and "'" not in word:
        return f"'{word}'"
    return "$'" + "".join([_escaped(char) for char in word]) + "'"


def _escaped(char):
    if char in "'\\":
        return "\\" + char
    if char.isprintable() or "\ud800" <= char <= "\udfff":  # a byte that was no UTF-8 stays what it is
        return char
    return "".join([f"\\x{byte:02x}" for byte in char.encode()])


def entry_of_line(line: str) -> bytes:
    """The entry of a line that is a step of its own."""
    return PLAIN + line.encode("utf-8", "surrogateescape")


def entry(words: Sequence[str], status: int, lines: Iterable[str] = ()) -> bytes:
    """The entry of a command, with the lines of a script, each with its exit status before it."""
    text = "\n".join([f"{status} {line_of(words)}", *lines])
    data = text.encode("utf-8", "surrogateescape")
    if len(data) < WORTH_PACKING:
        return PLAIN + data
    from zlib import compress
    return PACKED + compress(data, 1)


def lines_of(data: bytes) -> list[Line]:
    """An entry's lines: the command, then those of its script. None of a step that is no command's."""
    text = data[1:]
    if data[:1] == PACKED:
        from zlib import decompressobj, error
        try:
            text = decompressobj().decompress(text, MOST_BYTES)
        except error:
            return []
    found = []
    for line in text.decode("utf-8", "surrogateescape").split("\n"):
        status, blank, rest = line.partition(" ")
        if blank and status.isdigit():
            found.append((int(status), rest))
    return found
