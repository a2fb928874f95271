"""A script's line becomes words, as a shell's does.

Counterpart: POSIX shell, "Token Recognition" and "Quoting", as much of it as a line of commands
needs: blanks part words; '…' keeps everything; "…" keeps everything but $NAME and a backslash
before $ " or itself; $'…' knows \\n, \\t, \\xHH and a backslash before any other character; a backslash
keeps the next character; $NAME and ${NAME} expand to a variable.
Deviation: an unquoted # begins a comment in the middle of a word too, where a shell wants a blank
before it. Simplified: what an expansion gives is one word, or part of one, whatever blanks are in
it. A line without quotes and backslashes, nearly every line, is split by str.split(), if it is
ASCII: elsewhere Python knows blanks that a shell does not.
"""

from __future__ import annotations

from vmtool.errors import UsageError

BLANKS = " \t\r\n"
_NAME_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_HEX = frozenset("0123456789abcdefABCDEF")
_ESCAPES = {"n": "\n", "t": "\t"}
_NAME_REST = _NAME_FIRST | frozenset("0123456789")


def split(line: str, variables: dict) -> list[str]:
    """The words of one line, without comment, expanded. Raises UsageError."""
    if "'" in line or '"' in line or "\\" in line or not line.isascii():
        return _split_quoted(line, variables)
    if "#" in line:
        line = line[:line.index("#")]
    words = line.split()
    if "$" in line:
        for i, word in enumerate(words):
            if "$" in word:
                value = variables.get(word[1:]) if word[0] == "$" else None
                words[i] = _expand(word, variables) if value is None else value
    return words


def is_name(text: str) -> bool:
    """Whether a variable may be called so."""
    return bool(text) and text[0] in _NAME_FIRST and _NAME_REST.issuperset(text)


def _expand(text, variables):
    """`text` with each $NAME and ${NAME} replaced; a $ before anything else stays."""
    parts = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        value, at = _variable(text, dollar, variables)
        parts.append(value)
    parts.append(text[at:])
    return "".join(parts)


def _variable(text, at, variables):
    """What the $ at `at` expands to, and where the text goes on."""
    start = at + 1
    if text[start:start + 1] == "{":
        end = text.find("}", start)
        name = text[start + 1:end]
        if end < 0 or not is_name(name):
            raise UsageError(f"{text[at:]!r} is not ${{NAME}}")
        after = end + 1
    else:
        after = start
        if text[start:start + 1] in _NAME_FIRST:
            while after < len(text) and text[after] in _NAME_REST:
                after += 1
        if after == start:
            return "$", start
        name = text[start:after]
    try:
        return variables[name], after
    except KeyError:
        raise UsageError(f"${name} is not set") from None


def _split_quoted(line, variables):
    words = []
    word = None  # the parts of the word being read; None between words
    at = 0
    while at < len(line):
        char = line[at]
        if char in BLANKS:
            if word is not None:
                words.append("".join(word))
                word = None
            at += 1
            continue
        if char == "#":
            break
        word = [] if word is None else word
        if char == "'":
            end = line.find("'", at + 1)
            if end < 0:
                raise UsageError("a ' is not closed")
            word.append(line[at + 1:end])
            at = end + 1
        elif char == '"':
            part, at = _double_quoted(line, at + 1, variables)
            word.append(part)
        elif line[at:at + 2] == "$'":
            part, at = _dollar_quoted(line, at + 2)
            word.append(part)
        elif char == "$":
            part, at = _variable(line, at, variables)
            word.append(part)
        else:
            if char == "\\":
                at += 1
            word.append(line[at:at + 1])
            at += 1
    if word is not None:
        words.append("".join(word))
    return words


def _dollar_quoted(line, at):
    """What stands between $'…', and where the line goes on; \\xHH is a byte, of a character's several, too."""
    parts = []
    while at < len(line):
        char = line[at]
        if char == "'":
            return b"".join(parts).decode("utf-8", "surrogateescape"), at + 1
        if char == "\\":
            at += 1
            char = line[at:at + 1]
            if char == "x":
                digits = line[at + 1:at + 3]
                if len(digits) < 2 or not _HEX.issuperset(digits):
                    raise UsageError(f"\\x{digits} is not \\xHH")
                parts.append(bytes((int(digits, 16),)))
                at += 3
                continue
            char = _ESCAPES.get(char, char)
        parts.append(char.encode("utf-8", "surrogateescape"))
        at += 1
    raise UsageError("a $' is not closed")


def _double_quoted(line, at, variables):
    """What stands between "…", and where the line goes on."""
    parts = []
    while at < len(line):
        char = line[at]
        if char == '"':
            return "".join(parts), at + 1
        if char == "$":
            part, at = _variable(line, at, variables)
            parts.append(part)
            continue
        if char == "\\" and line[at + 1:at + 2] in ("$", '"', "\\", "`"):
            at += 1
        parts.append(line[at])
        at += 1
    raise UsageError('a " is not closed')
