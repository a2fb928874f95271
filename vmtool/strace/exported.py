r"""A log inside another format: the records of a collector, the source of a mail, of a web page.

What is modelled: formats in which a line of the log is not written as strace wrote it, but is there, whole:
    {"log":"brk(NULL) = 0x1000\n","stream":"stderr",…}     JSON, an object a line: containers and journals
    2026-11-29,box,"open(""/etc/passwd"", …"               CSV
    brk(NULL) =3D 0x1000                                   quoted-printable: a mail, as it is stored
    <li>brk(NULL) = 0x1000</li>                            elements of a page around each line
Simplified: an object's or a row's longest text that has a call is the log's.
Invariant: there are as many lines as before, so that their numbers stay true: what is joined leaves empty ones.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from vmtool.strace.columns import LINE

_MARKUP = re.compile(r"</?(?:a|b|br|code|div|em|font|i|li|p|pre|samp|span|strong|td|tr|tt)(?: [^<>\n]*| ?/)?>", re.IGNORECASE)
_WRAPPED = re.compile(rf"\s*{_MARKUP.pattern}|.*{_MARKUP.pattern}\s*$", re.IGNORECASE)
_ENCODED = re.compile(r"=([0-9A-F]{2})")
_ANSWER = re.compile(r"=3D (?:-?\d|0x|\?)|=3D=?\n")
_SPACES = str.maketrans("\x9a\xa0", "  ")  # the no-break ones of mail programs
LONGEST = 1 << 16  # of a record: the csv module's own bound is near


def step(head: list[str]) -> Callable[[str], str] | None:
    """What takes a line out of its record or its elements; None: most lines are in none."""
    kept = [line for line in head if line.strip()]
    for fields_of in (_object, _row):
        fields: Counter[object] = Counter(name for line in kept if (name := _with_call(fields_of(line))) is not None)
        name, nr_lines = fields.most_common(1)[0] if fields else (None, 0)
        if nr_lines * 2 > len(kept):
            return lambda line: _text(fields_of(line).get(name), line)  # noqa: B023 - the loop ends here
    if sum(_WRAPPED.match(line) is not None for line in kept) * 2 > len(kept):
        return lambda line: _MARKUP.sub(lambda found: " " if found[0][-3:].lower() == "td>" else "", line)
    return None


def _object(line: str) -> dict[object, object]:
    """The members of a JSON object; none when the line is none."""
    import json

    try:
        found = json.loads(line.encode("latin-1", "replace")) if line[:1] == "{" and len(line) < LONGEST else None
    except (ValueError, RecursionError):
        return {}
    return {name: text.encode("utf-8", "replace").decode("latin-1") for name, text in found.items()
            if isinstance(text, str)} if isinstance(found, dict) else {}


def _row(line: str) -> dict[object, object]:
    """The columns of a row of CSV by their index; none when the line has no quoted one."""
    import csv

    try:
        found = next(csv.reader([line.rstrip("\r\n")])) if '"\n' in line[-2:] and len(line) < LONGEST else []
    except (csv.Error, StopIteration):
        return {}
    return dict(enumerate(found)) if len(found) > 1 else {}


def _with_call(fields: dict[object, object]) -> object:
    """The name of the longest field that has a call; None: none has."""
    found = [(len(text), name) for name, text in fields.items() if isinstance(text, str) and LINE.search(text)]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _text(value: object, line: str) -> str:
    return value.rstrip("\r\n").replace("\n", " ") + "\n" if isinstance(value, str) else line


def is_encoded(head: list[str]) -> bool:
    """Whether the lines are quoted-printable: their answers begin with an encoded `=`."""
    return sum(_ANSWER.search(line) is not None for line in head) > 2


def decoded(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a quoted-printable text, with the broken ones joined."""
    kept, empty = "", 0
    for line in lines:
        plain = line.rstrip("\r\n")
        if plain[-1:] == "=" and len(kept) < LONGEST:
            kept, empty = kept + plain[:-1], empty + 1
            continue
        yield _ENCODED.sub(lambda found: chr(int(found[1], 16)), kept + plain).translate(_SPACES) + line[len(plain) :]
        yield from ["\n"] * empty
        kept, empty = "", 0
    if kept:
        yield kept
