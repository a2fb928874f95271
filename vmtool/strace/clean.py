r"""A log as people pass it on, as strace wrote it: what editors, mails, terminals and build systems have put around its lines.

What is modelled: what strace never writes, so that it may go: a byte order mark, `\r` before the end of a line, colours of a terminal,
`&lt;` of a web page, `\_` of a forum, quotation marks and dashes of a word processor, no-break spaces, tabs, `> ` of a mail, numbers
before each line, what a build system or a journal writes before it (the same for all lines but for digits), breaks after so many columns,
the zeros of a file that was emptied while strace wrote it. exported.py has the formats that write the lines themselves otherwise.
The first lines tell which of it a log has; one that has nothing of it is passed through as it is.
Simplified: what begins only later is left to the lexer, which looks for a call within a line that it cannot read.
Invariant: there are as many lines as before, so that their numbers stay true: what is joined leaves empty ones.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from vmtool.strace import exported
from vmtool.strace.columns import BEGUN, ENDS, LINE

LOOKED_AT = 200  # lines
PREFIX = 120  # characters before strace's own
MOST_FULL = 4  # broken lines that show that somebody breaks them
LONGEST = 1 << 20  # characters of a joined line
MARK = "\xef\xbb\xbf"
_COLOUR = re.compile(r"\x00{4,}|\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[()][0-9A-Z]|[=>])")
_ENTITY = re.compile(r"\(&quot;|, &quot;|&lt;(?:unfinished|\.\.\. )|\d&lt;/|&gt;\n")
_DATE = re.compile(r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w* +\d{1,2},? +(?=\d\d:\d\d)"
                   r"(?:[\d:.]+ (?:[A-Z]{2,5} )?20\d\d +)?")  # neither the day nor the year is a PID
_QUOTED = re.compile(r"\s?(?:> ?)+(?![/(])")  # ` > /usr/lib/libc.so(...)` is a line of -k
_NUMBERED = re.compile(r"\s*(\d+)(?:\t| *\| ?|[:.)](?: (?=\S))?| )")
_ALONE = re.compile(r"\s*\d+[.:)]?\s*$")  # a number of a list, whose text is on the next line
_DEBUG = re.compile(r" \[wait\(0x[0-9a-f]+\) = -?\d+\][^\n]*")  # of strace -d
_ESCAPED = re.compile(r"\\([_*~|<>])")
_TYPED = {"\xe2\x80\x9c": '"', "\xe2\x80\x9d": '"', "\xe2\x80\x98": "'", "\xe2\x80\x99": "'", "\xe2\x80\x93": "-", "\xe2\x80\x94": "-",
          "\xe2\x88\x92": "-", "\xe2\x80\xa6": "...", "\xe2\x80\x8b": "", "\xc2\xa0": " ", "\xa0": " ", "\xc2\xab": '"', "\xc2\xbb": '"'}
_TYPED_ANY = re.compile("|".join(_TYPED))


def uncoloured(line: str) -> str:
    """Without the sequences that a terminal obeys, and without zeros."""
    return _COLOUR.sub("", line)


def unquoted(line: str) -> str:
    """Without the `> ` of a mail."""
    found = _QUOTED.match(line)
    return line[found.end() :] if found else line


def clean(lines: Iterable[str]) -> Iterator[str]:
    """The lines without what does not belong to them; text holds a byte a character."""
    rest = iter(lines)
    head = list(islice(rest, LOOKED_AT))
    if exported.is_encoded(head):
        rest = exported.decoded(chain(head, rest))
        head = list(islice(rest, LOOKED_AT))
    steps = _steps(head)
    found = chain(head, rest)
    if steps:
        head = [_after(steps, line) for line in head]
        found = _through(steps, found)
    width = _width(head)
    if _is_wrapped(head, width):
        return _unwrapped(found, 0)
    return _unwrapped(found, width) if width else found


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
    if "\x1b" in text or "\0" in text:
        steps.append(uncoloured)
    if "\r\n" in text:
        steps.append(lambda line: line[:-2] + "\n" if line.endswith("\r\n") else line)
    taken_out = exported.step([_after(steps, line) for line in head])
    if taken_out is not None:
        steps.append(taken_out)
    if _ENTITY.search(text):
        steps.append(_unescaped())
    if _TYPED_ANY.search(text):
        steps.append(lambda line: _TYPED_ANY.sub(lambda found: _TYPED[found[0]], line))
    plain = [line for line in (_after(steps, line) for line in head) if line.strip()]
    if sum(line[:1] == ">" for line in plain) * 2 > len(plain):
        steps.append(unquoted)
    is_numbered = _are_numbered([_after(steps, line) for line in head])
    if is_numbered:
        steps.append(_unnumbered)
    prefix = _prefix([_after(steps, line) for line in head])
    if prefix is not None:
        steps.append(lambda line: prefix.sub("", line, count=1))
        if not is_numbered and _are_numbered([_after(steps, line) for line in head]):  # `strace.log:12:` of a grep
            steps.append(_unnumbered)
    alone = sum(_ALONE.match(line) is not None for line in head)
    if alone > 2 and alone * 3 > len(head):
        steps.append(lambda line: "\n" if _ALONE.match(line) else line)
    if " [wait(0x" in text:
        steps.append(lambda line: _DEBUG.sub("", line))
    if "\\_" in text and _ESCAPED.search(text):
        steps.append(lambda line: _ESCAPED.sub(r"\1", line))
    if "\t" in text:
        steps.append(lambda line: line.replace("\t", " "))
    return steps


def _prefix(head: list[str]) -> re.Pattern[str] | None:
    """What stands before strace's own columns on nearly every line, any digits in place of its own; None: nothing does."""
    forms: Counter[str] = Counter()
    for line in head:
        if LINE.match(line) is None:
            found = LINE.search(line, 0, PREFIX)
            if found is not None and found.start() and ENDS.search(line, found.end()):
                date = _DATE.search(line, 0, PREFIX)
                start = date.end() if date is not None and date.start() < found.start() < date.end() else found.start()
                forms[re.sub(r"(?:\\ )+", " +", re.sub(r"\d+", r"\\d+", re.escape(line[:start])))] += 1
    if not forms:
        return None
    best, _ = forms.most_common(1)[0]
    pattern = re.compile(best)
    return pattern if sum(pattern.match(line) is not None for line in head) * 10 >= len(head) * 9 else None


def _is_begun(line: str) -> bool:
    return BEGUN.match(line) is not None or not line.strip()


def _is_wrapped(head: list[str], width: int) -> bool:
    """Whether lines were broken between words: many shorter than `width` do not end, and go on in lines that begin as none does."""
    broken = sum(len(a) != width and LINE.match(a) is not None and ENDS.search(a) is None and not _is_begun(b)
                 for a, b in zip(head, head[1:], strict=False))
    return broken >= MOST_FULL and broken * 12 > len(head)


def _width(head: list[str]) -> int:
    """After how many columns lines were broken; 0: they were not. Most that reach the width go on in a line that begins as none does."""
    width = max((len(line) for line in head), default=0)
    full = [i for i, line in enumerate(head[:-1]) if len(line) == width and LINE.match(line)]
    broken = sum(not _is_begun(head[i + 1]) for i in full)
    return width if len(full) >= MOST_FULL and broken * 2 > len(full) else 0


def _unwrapped(lines: Iterator[str], width: int) -> Iterator[str]:
    """Lines that were broken, at a width or (0) between words, joined; as many empty ones follow."""
    kept, empty, is_open = "", 0, False
    for line in lines:
        if is_open and not _is_begun(line):
            kept, empty = (kept[:-1] if width else kept.rstrip() + " ") + line, empty + 1
        else:
            yield from _with(kept, empty)
            kept, empty = line, 0
        is_open = (len(line) == width or not width) and len(kept) < LONGEST
    yield from _with(kept, empty)


def _with(line: str, empty: int) -> Iterator[str]:
    if line:
        yield line
    for _ in range(empty):
        yield "\n"


def _after(steps: list[Callable[[str], str]], line: str) -> str:
    for step in steps:
        line = step(line)
    return line


def _marked() -> Callable[[str], str]:
    return lambda line: line.removeprefix(MARK)


def _unescaped() -> Callable[[str], str]:
    from html import unescape

    return lambda line: unescape(line).encode("utf-8", "replace").decode("latin-1") if "&" in line else line


def _unnumbered(line: str) -> str:
    return _NUMBERED.sub("", line, count=1)


def _are_numbered(head: list[str]) -> bool:
    """Whether the lines begin with 1, 2, 3, …"""
    found = [_NUMBERED.match(line) for line in head if line.strip()]
    numbers = [int(number[1][:9]) if number else -9 for number in found]
    following = sum(b == a + 1 for a, b in zip(numbers, numbers[1:], strict=False))
    return len(numbers) > 2 and following * 10 >= (len(numbers) - 1) * 9
