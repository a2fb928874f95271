"""One house style of the Cython sources, and nothing in them that nobody uses. (ruff reads Python alone.)"""

import re
from collections import defaultdict

import pytest

from tests.structure.cython_source import DATA, FUNCTION, SOURCES, code_of, functions, name_of, users

MOST_COLUMNS = 180
MOST_LINES = 60  # of a function: a screen
CIMPORT = re.compile(r"^from ([\w.]+) c?import (\([^)]*\)|[^\n]*)", re.M)


def blank_faults(path):
    """Two blank lines before a function of a .pyx (or the comment in front of it), one at most elsewhere; of a .pxd always one at most."""
    lines = path.read_text().split("\n")
    code = code_of("\n".join(lines))
    most = 2 if path.suffix == ".pyx" else 1
    for i, line in enumerate(lines):
        if not line.strip():
            continue
        blank = 0
        while blank < i and not lines[i - 1 - blank].strip():
            blank += 1
        starts = FUNCTION.match(code[i]) and not DATA.match(code[i]) or line.startswith("@")
        if blank > (most if line[0] not in " \t" else 1):
            yield i + 1, f"{blank} blank lines"
        elif path.suffix == ".pyx" and starts and blank == 1 and code[i].rstrip().endswith((":", ",", "(")):
            yield i + 1, "one blank line before a function"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_lines_are_as_the_house_has_them(path):
    text = path.read_text()
    wrong = [f"{number}: {len(line)} columns" for number, line in enumerate(text.split("\n"), 1) if len(line) > MOST_COLUMNS]
    wrong += [f"{number}: blanks at its end, or a tab" for number, line in enumerate(text.split("\n"), 1)
              if line != line.rstrip() or "\t" in line]  # fmt: skip
    wrong += [f"{number}: {what}" for number, what in blank_faults(path)]
    if not text.endswith("\n") or text.endswith("\n\n"):
        wrong.append("its end is not one line's end")
    assert wrong == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_function_fits_a_screen(path):
    long = [(name, last - first + 1) for name, first, last in functions(code_of(path.read_text())) if last - first >= MOST_LINES]
    assert long == []


def imports(code):
    """(module, name) of each name; `*` is one."""
    for module, found in CIMPORT.findall(code):
        yield from ((module, name.split(" as ")[-1].strip()) for name in found.strip("()").split(",") if name.strip())


def taken_from_headers(codes):
    """By module: the names that others take from it, and all words of those that take `*`."""
    taken = defaultdict(set)
    for code in codes.values():
        for module, name in imports(code):
            taken[module] |= set(re.findall(r"\w+", code)) if name == "*" else {name}
    return taken


def test_what_is_imported_is_used():
    """By the file itself; of a header also by its room, which sees it, or by who takes it from there."""
    codes = {path: "\n".join(code_of(path.read_text())) for path in SOURCES}
    own = {path: set(re.findall(r"\w+", CIMPORT.sub("", code))) for path, code in codes.items()}
    taken = taken_from_headers(codes)
    wrong = []
    for path, code in codes.items():
        used = own[path]
        if path.suffix == ".pxd":
            used = used | own.get(path.with_suffix(".pyx"), set()) | taken[name_of(path)[:-4].replace("/", ".")]
        wrong += [f"{name_of(path)}: {name}" for _, name in imports(code) if name != "*" and name not in used]
    assert wrong == []


def test_what_a_header_offers_is_used_elsewhere():
    """A function that its own room alone calls is not in its header, unless the header's inline functions call it."""
    who = users()
    wrong = []
    for path in SOURCES:
        if path.suffix != ".pxd":
            continue
        own = {name_of(path), name_of(path.with_suffix(".pyx"))}
        code = "\n".join(code_of(path.read_text()))
        for name in re.findall(r"^(?:cdef|cpdef) [^=\n(]*?(\w+)\(", code, re.M):
            if not who[name] - own and len(re.findall(rf"\b{name}\b", code)) == 1:
                wrong.append(f"{name_of(path)}: {name}")
    assert wrong == []


def test_the_reading_of_sources():
    text = 'cdef int f(int a,\n           int b) noexcept:  # f(\n    """g()"""\n    return a\n\n\ncdef enum:\n    A = 1\n'
    assert list(functions(code_of(text))) == [("f", 0, 3)]
    assert "g" not in "".join(code_of(text)[2])
