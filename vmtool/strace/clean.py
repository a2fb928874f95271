r"""A log as people pass it on, as strace wrote it: what editors, mails, terminals and build systems have put around its lines.

What is modelled: what strace never writes, so that it may go: a byte order mark, `\r` before the end of a line, colours of a terminal,
`&lt;` of a web page, quotation marks and dashes of a word processor, no-break spaces, tabs, `> ` of a mail, numbers before each line. The
first lines tell which of it a log has; one that has nothing of it is passed through as it is.
Simplified: what begins only later is left to the lexer, which looks for a call within a line that it cannot read.
Invariant: there are as many lines as before, so that their numbers stay true.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

LOOKED_AT = 200  # lines
MARK = "\xef\xbb\xbf"
_COLOUR = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[()][0-9A-Z]|[=>])")
_ENTITY = re.compile(r"\(&quot;|, &quot;|&lt;(?:unfinished|\.\.\. )|\d&lt;/|&gt;\n")
_QUOTED = re.compile(r"\s?(?:> ?)+(?![/(])")  # ` > /usr/lib/libc.so(...)` is a line of -k
_NUMBERED = re.compile(r"\s*(\d+)(?:[:|.)]\s?|\t| *\| ?| +)(?=\S)")
_TYPED = {"\xe2\x80\x9c": '"', "\xe2\x80\x9d": '"', "\xe2\x80\x98": "'", "\xe2\x80\x99": "'", "\xe2\x80\x93": "-", "\xe2\x80\x94": "-",
          "\xe2\x88\x92": "-", "\xe2\x80\xa6": "...", "\xe2\x80\x8b": "", "\xc2\xa0": " ", "\xa0": " ", "\xc2\xab": '"', "\xc2\xbb": '"'}
_TYPED_ANY = re.compile("|".join(_TYPED))


def uncoloured(line: str) -> str:
    """Without the sequences that a terminal obeys."""
    return _COLOUR.sub("", line)


def unquoted(line: str) -> str:
    """Without the `> ` of a mail."""
    found = _QUOTED.match(line)
    return line[found.end() :] if found else line


def clean(lines: Iterable[str]) -> Iterator[str]:
    """The lines without what does not belong to them; text holds a byte a character."""
    rest = iter(lines)
    head = list(islice(rest, LOOKED_AT))
    steps = _steps(head)
    if not steps:
        return chain(head, rest)
    return _through(steps, chain(head, rest))


def _through(steps: list[Callable[[str], str]], lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        for step in steps:
            line = step(line)
        yield line


def _steps(head: list[str]) -> list[Callable[[str], str]]:
    """What the first lines ask for, in the order in which it was wrapped around them."""
    text = "".join(head)
    steps: list[Callable[[str], str]] = []
    if text.startswith(MARK):
        steps.append(_marked())
    if "\x1b" in text:
        steps.append(uncoloured)
    if "\r\n" in text:
        steps.append(lambda line: line[:-2] + "\n" if line.endswith("\r\n") else line)
    if _ENTITY.search(text):
        steps.append(_unescaped())
    if _TYPED_ANY.search(text):
        steps.append(lambda line: _TYPED_ANY.sub(lambda found: _TYPED[found[0]], line))
    if sum(line[:1] == ">" for line in head) * 2 > len(head):
        steps.append(unquoted)
    if _are_numbered([_after(steps, line) for line in head]):
        steps.append(lambda line: _NUMBERED.sub("", line, count=1))
    if "\t" in text:
        steps.append(lambda line: line.replace("\t", " "))
    return steps


def _after(steps: list[Callable[[str], str]], line: str) -> str:
    for step in steps:
        line = step(line)
    return line


def _marked() -> Callable[[str], str]:
    return lambda line: line.removeprefix(MARK)


def _unescaped() -> Callable[[str], str]:
    from html import unescape

    return lambda line: unescape(line).encode("utf-8", "replace").decode("latin-1") if "&" in line else line


def _are_numbered(head: list[str]) -> bool:
    """Whether the lines begin with 1, 2, 3, …"""
    found = [_NUMBERED.match(line) for line in head if line.strip()]
    numbers = [int(number[1][:9]) if number else -9 for number in found]
    following = sum(b == a + 1 for a, b in zip(numbers, numbers[1:], strict=False))
    return len(numbers) > 2 and following * 10 >= (len(numbers) - 1) * 9
