"""Which modules Cython has to translate again, by the names that they use.

A header (.pxd) that 170 modules cimport changes often, by a field or a function that five of them use, and to translate all takes minutes.
So a module has a key: a digest of its own text and of what its headers say to it. Of a record's fields, an enum's members and the functions
that a header declares these are those whose names occur in the module, or in what its headers say in full; all else is said in full.

    types.pxd    cdef struct machine_t:            tlb.pyx     ... a.m.tlb_clock ...     "uint64_t tlb_clock" is part of its key
                     uint64_t tlb_clock            swap.pyx    ...                       it is not

Where the key is as it was, the C is kept. But a record's size, and an enum's numbers, may be others now: Cython writes both in full into
each C file, in the header's words and order, and names their members everywhere else. So kept files get the definitions of one that was
translated, the definer: the module whose header it is, or one that depends on it and is translated whenever anything in it changes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Set
from pathlib import Path

BASE = Path("vmtool/mm/arena.pyx")  # depends on the records that every module uses
CIMPORT = re.compile(r"^[ \t]*from[ \t]+([\w.]+)[ \t]+cimport[ \t]+(\([^)]*\)|[^\n#]+)|^[ \t]*cimport[ \t]+([\w., \t]+)", re.MULTILINE)
COMMENT = re.compile(r"(?:^|(?<=\s))#(?!define|include|if|el|endif|pragma|undef).*")
BLOCK = re.compile(r"cdef (?:packed )?(struct|union|enum)\b ?(\w*):$")
FUNCTION = re.compile(r"cdef [\w *]*?\b(\w+)\(.*\)(?: noexcept)?(?: nogil)?$")
FIELDS = re.compile(r"(\w+) (\w+(?:\[\w+(?: - \w+)?\])*(?:, \w+(?:\[\w+(?: - \w+)?\])*)*)$")  # uint64_t a, b[NR_ZONES]
MEMBER = re.compile(r"(\w+)(?: = .*)?$")
WORD = re.compile(r"\w+")
CALLED = re.compile(r"\b(\w+)\(")
CONVERTED = re.compile(r"__pyx_convert_\w*struct")  # a record as a dict: all of its fields
C_STRUCT = re.compile(r"^(?:struct|union) __pyx_t_(\w+) \{\n.*?^\};\n", re.MULTILINE | re.DOTALL)
C_ENUM = re.compile(r"^enum \w* ?\{\n\s*__pyx_e_(\w+).*?^\};\n", re.MULTILINE | re.DOTALL)


class Header:
    """What a .pxd says: in full (`rest`), and by name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.blocks: list[tuple[str, list[tuple[str, str]]]] = []  # a record's or enum's name, its members: name, what is said of it
        self.functions: list[tuple[str, str]] = []
        rest: list[str] = []
        lines = iter(without_comments(text))
        line = next(lines, None)
        while line is not None:
            block, function = BLOCK.match(line), FUNCTION.match(line)
            if block:
                rest.append(line)
                body, line = indented(lines)
                members = members_of(block[1], body)
                if members is None:
                    rest += body
                else:
                    self.blocks.append((block[2], members))
                continue
            if function:
                self.functions.append((function[1], line))
            elif line:  # a comment's line, and an empty one, say nothing to anybody
                rest.append(line)
            line = next(lines, None)
        self.rest = "\n".join(rest)
        self.words, self.called = names_in(self.rest)

    def said_to(self, words: Set[str], called: Set[str], records_whole: bool) -> str:
        """What a module's C depends on that uses these words. A record that is called is filled by the order of its fields."""
        said = [self.rest]
        for name, members in self.blocks:
            whole = records_whole or (name and name in called)
            said += [f"{name}: {text}" for member, text in members if whole or member in words]
        said += [text for name, text in self.functions if name in words]
        return "\n".join(said)


def names_in(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words of a text, and those that a bracket follows."""
    return frozenset(WORD.findall(text)), frozenset(CALLED.findall(text))


def without_comments(text: str) -> list[str]:
    lines, in_quotes = [], False
    for line in text.split("\n"):
        quotes = line.count('"""')
        lines.append(line if in_quotes or quotes else COMMENT.sub("", line).rstrip())
        in_quotes ^= quotes % 2 == 1
    return lines


def indented(lines: Iterable[str]) -> tuple[list[str], str | None]:
    """The lines of a block, and the one after it; empty ones are nobody's."""
    body: list[str] = []
    for line in lines:
        if line and not line.startswith(" "):
            return body, line
        if line:
            body.append(line)
    return body, None


def members_of(kind: str, body: list[str]) -> list[tuple[str, str]] | None:
    """None: some line is of a form that is not known here, so it is said in full."""
    members: list[tuple[str, str]] = []
    for line in body:
        found = (MEMBER if kind == "enum" else FIELDS).match(line.strip())
        if found is None:
            return None
        if kind == "enum":
            members.append((found[1], found[0]))
        else:
            members += [(WORD.match(name)[0], f"{found[1]} {name}") for name in found[2].split(", ")]  # type: ignore[index]
    return members


class Sources:
    """The modules and headers of a tree, each read once."""

    def __init__(self, modules: Iterable[Path], root: Path = Path()) -> None:
        self.modules = sorted(modules)
        self.root = root
        self.definers: dict[Path, Path] = {}
        self.texts: dict[Path, str] = {}
        self.headers: dict[Path, Header] = {}
        self.closures: dict[Path, frozenset[Path]] = {}

    def text(self, path: Path) -> str:
        if path not in self.texts:
            full = self.root / path
            self.texts[path] = full.read_text("utf-8") if full.exists() else ""
        return self.texts[path]

    def header(self, path: Path) -> Header:
        if path not in self.headers:
            self.headers[path] = Header(self.text(path))
        return self.headers[path]

    def cimported(self, path: Path) -> set[Path]:
        """Headers of the tree that a file's lines name."""
        found = set()
        for module, names, modules in CIMPORT.findall(self.text(path)):
            for name in [module, *[f"{module}.{word}" for word in WORD.findall(names)]] if module else modules.split(","):
                header = Path(*name.strip().split(" ")[0].split(".")).with_suffix(".pxd")
                if self.text(header):
                    found.add(header)
        return found

    def closure(self, pyx: Path) -> frozenset[Path]:
        """Every header that a module depends on, its own among them."""
        if pyx not in self.closures:
            found: set[Path] = set()
            ahead = [pyx, pyx.with_suffix(".pxd")] if self.text(pyx.with_suffix(".pxd")) else [pyx]
            found.update(ahead[1:])
            while ahead:
                new = self.cimported(ahead.pop()) - found
                found |= new
                ahead += new
            self.closures[pyx] = frozenset(found)
        return self.closures[pyx]

    def definer(self, header: Path) -> Path:
        """The module whose C has a header's records and enums as they are now: its own, or the first one that depends on it."""
        if header not in self.definers:
            own = header.with_suffix(".pyx")
            first = [own] if own in self.modules else [BASE, *self.modules]
            self.definers[header] = next(pyx for pyx in first if header in self.closure(pyx))
        return self.definers[header]

    def key(self, pyx: Path, records_whole: bool) -> str:
        own = pyx.with_suffix(".pxd")
        headers = sorted(self.closure(pyx))
        names = [names_in(self.text(pyx)), names_in(self.text(own))]
        words = frozenset().union(*[words for words, _ in names], *[self.header(path).words for path in headers])
        called = frozenset().union(*[called for _, called in names], *[self.header(path).called for path in headers])
        said = [self.text(pyx)]
        for path in headers:
            is_full = path == own or self.definer(path) == pyx
            said += [str(path), self.text(path) if is_full else self.header(path).said_to(words, called, records_whole)]
        return hashlib.sha256("\0".join(said).encode()).hexdigest()


def mangled(header: Path) -> str:
    return "".join([f"{len(part)}{part}_" for part in header.with_suffix("").parts])


def definitions(c_text: str) -> dict[str, str]:
    """The records and enums of a C file: `struct NAME` by its name; `enum MODULE N`: the N-th of a header."""
    found = {match[1]: match[0] for match in C_STRUCT.finditer(c_text)}
    numbers: dict[str, int] = {}
    for match in C_ENUM.finditer(c_text):
        module = module_of(match[1])
        numbers[module] = numbers.get(module, -1) + 1
        found[f"{module} {numbers[module]}"] = match[0]
    return found


def module_of(cname: str) -> str:
    """`6vmtool_2mm_5types_` of `6vmtool_2mm_5types_NR_ZONES`."""
    at = 0
    while digits := re.match(r"\d+", cname[at:]):
        at += len(digits[0]) + int(digits[0]) + 1
    return cname[:at]


def with_definitions(c_text: str, now: dict[str, str]) -> str:
    """A C file with records and enums as they are now."""
    numbers: dict[str, int] = {}

    def enum(match: re.Match[str]) -> str:
        module = module_of(match[1])
        numbers[module] = numbers.get(module, -1) + 1
        return now.get(f"{module} {numbers[module]}", match[0])

    return C_ENUM.sub(enum, C_STRUCT.sub(lambda match: now.get(match[1], match[0]), c_text))


class Kept:
    """The C files of a directory, and what they were made of."""

    def __init__(self, directory: Path, sources: Sources, cython: str) -> None:
        self.path = directory / "keys.json"
        self.sources = sources
        self.directory = directory
        self.cython = cython  # its version
        known = json.loads(self.path.read_text("utf-8")) if self.path.exists() else {}
        self.keys: dict[str, list] = known["keys"] if known.get("cython") == cython else {}  # key, records_whole

    def c_file(self, pyx: Path) -> Path:
        return self.directory / pyx.with_suffix(".c")

    def stale(self) -> list[Path]:
        return [pyx for pyx in self.sources.modules if not self.is_current(pyx)]

    def is_current(self, pyx: Path) -> bool:
        key, records_whole = self.keys.get(str(pyx), ("", False))
        return self.c_file(pyx).exists() and key == self.sources.key(pyx, records_whole)

    def translated(self, modules: Iterable[Path]) -> None:
        """These C files are new. The others get their definitions; only then it is written down, so that a build may break off."""
        new = {pyx: self.c_file(pyx).read_text("utf-8") for pyx in modules}
        for pyx in [pyx for pyx, text in new.items() if text.startswith("#error")]:  # all that is left of one that Cython refused
            self.c_file(pyx).unlink()  # a module that is as it was before the mistake would be taken for translated
            del new[pyx]
        self.refresh(new)
        for pyx, text in new.items():
            records_whole = CONVERTED.search(text) is not None
            self.keys[str(pyx)] = [self.sources.key(pyx, records_whole), records_whole]
        if new:
            self.path.write_text(json.dumps({"cython": self.cython, "keys": self.keys}, indent=1, sort_keys=True), "utf-8")

    def refresh(self, new: dict[Path, str]) -> None:
        now: dict[str, str] = {}
        for pyx, text in new.items():
            mine = {mangled(header) for header in self.sources.closure(pyx) if self.sources.definer(header) == pyx}
            if mine:
                now |= {name: defined for name, defined in definitions(text).items() if module_of(name) in mine}
        for pyx in self.sources.modules if now else ():
            if pyx not in new and self.c_file(pyx).exists():
                text = self.c_file(pyx).read_text("utf-8")
                changed = with_definitions(text, now)
                if changed != text:
                    self.c_file(pyx).write_text(changed, "utf-8")
