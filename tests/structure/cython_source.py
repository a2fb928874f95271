"""The Cython sources as text: what a line is without comments and strings, where functions begin and end, who uses which name."""

import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for kind in ("*.pyx", "*.pxd") for path in (ROOT / "vmtool").rglob(kind))
FUNCTION = re.compile(r"(?:cdef|cpdef|def)\b[^=#]*?(\w+)\(")
DATA = re.compile(r"cdef (enum|struct|extern|class|union|packed)\b|ctypedef\b")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code_of(text: str) -> list[str]:
    """The lines, with comments and strings blank, but for what has code within (f""). Cython's tokens are Python's."""
    lines = text.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or token.type == tokenize.STRING and token.string[0] not in "fF":
            (first, start), (last, end) = token.start, token.end
            for row in range(first - 1, last):
                line = lines[row]
                a, b = (start if row == first - 1 else 0), (end if row == last - 1 else len(line))
                lines[row] = line[:a] + " " * (b - a) + line[b:]
    return lines


def functions(lines: list[str]) -> Iterator[tuple[str, int, int]]:
    """(name, first line, last line) of those at the top, counted from 0."""
    for i, line in enumerate(lines):
        found = FUNCTION.match(line)
        if found is None or DATA.match(line):
            continue
        j = i + 1
        while j < len(lines) and (not lines[j].strip() or lines[j][0] in " )"):
            j += 1
        while not lines[j - 1].strip():
            j -= 1
        yield found[1], i, j - 1


def users() -> dict[str, set[str]]:
    """By name: the files whose code has it."""
    found = defaultdict(set)
    for path in SOURCES:
        for word in set(re.findall(r"\w+", "\n".join(code_of(path.read_text())))):
            found[word].add(name_of(path))
    return found
