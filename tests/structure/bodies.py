"""The functions of mm and libc, each with its body read as Python: casts, addresses and declarations are all that Cython adds."""

import re
from pathlib import Path
from typing import NamedTuple

from tests.structure.cython_source import ROOT, code_of, functions

ROOMS = ("mm", "libc")
CAST = re.compile(r"<[\w ]*\w(?: ?\*+)?>(?=[\w&(~\-<*'])")
ADDRESS = re.compile(r"&(?=[\w(])")  # the house writes a & b with blanks
CHAR = re.compile(r"\bc(?=['\"])")
STRING = re.compile(r"""(["'])(?:\\.|(?!\1)[^\\])*\1""")
SIZE = re.compile(r"sizeof\([^()]*\)")
SUFFIX = re.compile(r"\b(0x[0-9a-fA-F]+|\d+)[uUlL]+\b")
DECLARED = re.compile(r"( +)cdef (?:const |unsigned |volatile )*\w+(?: \*+| )(.*)$", re.S)
HEAD = re.compile(r"(?:cdef|cpdef)\b(?: inline)?\s+(?:const )?([\w ]+?[ *]+)(\w+)\((.*)\)([^)]*)$", re.S)


class Function(NamedTuple):
    module: str
    name: str
    kind: str  # of what it returns
    params: tuple[str, ...]
    pointers: frozenset[str]  # those by which it can answer
    text: str


def split_commas(text: str) -> list[str]:
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [part.strip() for part in parts if part.strip()]


def as_python(lines: list[str]) -> str:
    """A body's lines. Of declarations what they set is left; &x becomes +x, which the sources do not have."""
    out, whole = [], ""
    for line in lines:
        whole = f"{whole} {line.strip()}" if whole else line
        bare = STRING.sub("", whole)
        if bare.count("(") + bare.count("[") > bare.count(")") + bare.count("]"):
            continue
        line, whole = whole, ""
        found = DECLARED.match(line)
        if found:
            sets = [part.lstrip("*") for part in split_commas(found[2]) if "=" in part]
            line = found[1] + ("; ".join(re.sub(r"(\w+)\[\w+\] =", r"\1 =", part) for part in sets) or "pass")
        out.append(line)
    text = SIZE.sub("8", "\n".join(out))
    for _ in range(3):
        text = CAST.sub("", text)
    return SUFFIX.sub(r"\1", ADDRESS.sub("+", CHAR.sub("", text)))


def read_function(module: str, lines: list[str], code: list[str], first: int, last: int) -> Function | None:
    end = first
    while not code[end].rstrip().endswith(":"):
        if end == last:
            return None  # a declaration
        end += 1
    head = HEAD.match(" ".join(line.strip() for line in code[first : end + 1]))
    if head is None:
        return None
    params, pointers = [], set()
    for param in split_commas(head[3]):
        name = re.findall(r"\w+", param.split("=")[0])[-1]
        params.append(name)
        if "*" in param and "const" not in param:
            pointers.add(name)
    body = [line if kept.strip() or '"' in line else "" for line, kept in zip(lines, code, strict=True)][end + 1 : last + 1]
    return Function(module, head[2], head[1].strip(), tuple(params), frozenset(pointers), as_python(body))


def functions_in(module: str, text: str) -> dict[tuple[str, str], Function]:
    lines, code = text.split("\n"), code_of(text)
    read = (read_function(module, lines, code, first, last) for _, first, last in functions(code))
    return {(module, function.name): function for function in read if function}


def sources() -> list[Path]:
    """Those of mm and libc, without the shells for tests."""
    return [path for room in ROOMS for path in sorted((ROOT / "vmtool" / room).glob("[a-z]*.p[yx][xd]"))]
