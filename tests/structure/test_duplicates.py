"""Nothing stands twice: no function with another's body, no name that means two things in mm/, no value that nobody reads.

Two copies drift: one of them gets the next mend. What is alike on purpose has a line in an exception, with its reason.
"""

import re
from collections import defaultdict

from tests.structure.cython_source import SOURCES, code_of, functions, name_of

KERNEL = [path for path in SOURCES if name_of(path).startswith(("vmtool/mm/", "vmtool/libc/"))]
CODES = {path: code_of(path.read_text()) for path in SOURCES}
SHORTEST = 2  # lines of a body that can be somebody's copy, signature not counted
ENUM = re.compile(r"^cdef enum\b[^\n]*:\n((?:    [^\n]*\n|\n)+)", re.M)
MEMBER = re.compile(r"^    (\w+)(?: *= *([^\n]*?))?\s*$", re.M)
VARIABLE = re.compile(r"^cdef (?:const )?\w+ ([A-Z][A-Z0-9_]+) = (.*)$", re.M)

ALIKE = {"bad", "expect"}  # functions of one body: each over its own room's fsck_t, whose fields lie elsewhere
NAMESAKES = {  # functions of one name and one list of parameters, with other bodies
    "decode_swap": "by format", "encode_swap": "by format", "image_address": "by architecture", "modules_start": "by architecture",
    "each_leaf": "what a walk calls", "gather_leaf": "what a walk calls", "note_hole": "what a walk calls",
    "note_leaf": "what a walk calls",
    "collect": "a probe's own list", "keep": "boot keeps a block for good, reclaim a folio on its list",
    "map_memmap": "riscv64's own is above the usual one", "pop": "off a list of free huge pages, and off a queue of folios",
    "try_to_unmap": "of one entry, and of a folio",
}
APART = ("fsck_t *", "spare_tables_t *")  # a room of fsck has its own struct of that name; who prepares spare tables is an architecture


def bodies():
    """(name, file, the lines of its code) of each function."""
    for path in KERNEL:
        lines = CODES[path]
        for name, first, last in functions(lines):
            while first < last and not lines[first].rstrip().endswith(":"):
                first += 1
            yield name, path, [line.rstrip() for line in lines[first + 1 : last + 1] if line.strip()]


def test_no_function_is_another_ones_copy():
    found = defaultdict(list)
    for name, path, body in bodies():
        if len(body) >= SHORTEST:
            found["\n".join(body)].append((name, path))
    copies = [sorted(f"{name} of {name_of(path)}" for name, path in who) for who in found.values()
              if len({path for _, path in who}) > 1 and not {name for name, _ in who} <= ALIKE]  # fmt: skip
    assert copies == [], "one of each stays, in the lower room; the others take it from there"


def signatures():
    """(name, file, types of its parameters) of each function with a body."""
    for path in KERNEL:
        lines = CODES[path]
        for name, first, last in functions(lines):
            found = re.search(r"\((.*?)\)[^()]*:$", " ".join(line.strip() for line in head(lines[first : last + 1])))
            if found:
                yield name, path, tuple(re.sub(r"\w+$", "", arg.replace("const ", "").strip()).strip() for arg in found[1].split(","))


def head(lines):
    """Of a function, up to its colon; of a declaration nothing that ends with one."""
    for i, line in enumerate(lines):
        if line.rstrip().endswith(":"):
            return lines[: i + 1]
    return lines


def test_no_name_is_that_of_two_functions_that_look_alike():
    """Where one has drifted from the other, they are two rules, and have two names; else one of them goes."""
    found = defaultdict(set)
    for name, path, types in signatures():
        if not any(apart in types for apart in APART) and name not in NAMESAKES:
            found[name, types].add(path.with_suffix(""))
    assert [(name, sorted(map(name_of, paths))) for (name, _), paths in found.items() if len(paths) > 1] == []


def constants():
    """(name, file, value) of what an enum or a variable of a file sets to a value of its own."""
    for path in KERNEL:
        code = "\n".join(CODES[path]) + "\n"
        for block in ENUM.findall(code):
            yield from ((name, path, value) for name, value in MEMBER.findall(block) if value)
        yield from ((name, path, value) for name, value in VARIABLE.findall(code))


OWN = {  # constants that several files have for themselves
    "NR_CHECKS NR_MODULES NR_ROWS NR_NAMES": "of a room's own table",
    "NX RO PFN_MASK PCI_IO PCI_IO_PAGES MODULES_SIZE MEMMAP_ENTRY_SHIFT FIXADDR_TABLES TRAMPOLINE TRAMPOLINE_RO_PAGES": "by architecture",
    "AREA_PAGES AREA_ENTRY_STACK AREA_TSS TSS_PAGES FIX_APIC_BASE FIX_IO_APIC_BASE_0 IO_APIC LOCAL_APIC": "of 32 bits and of 64",
    "MAX_TRIES": "a loop's own", "MAX_ERRNO": "the C library does not see placement", "TO_THE_END": "the largest number there is",
}
OWN_NAMES = {name for names in OWN for name in names.split()}


def test_no_constant_stands_in_two_files():
    found = defaultdict(set)
    for name, path, _ in constants():
        found[name].add(path.with_suffix(""))
    twice = {name: sorted(name_of(path) for path in paths) for name, paths in found.items() if len(paths) > 1 and name not in OWN_NAMES}
    assert twice == {}, "the lower room's header has it, for all"


NUMBERED = {f"vmtool/mm/swapops.pxd: {name}" for name in ("SWP_HWPOISON", "SWP_DEVICE_WRITE")}  # types of swap entries: the table is whole


def test_what_an_enum_names_is_read():
    """By anybody, the tests' rooms too. A member without a value of its own may stand between others, to count."""
    words = defaultdict(int)
    for path in SOURCES:
        for word in re.findall(r"\w+", "\n".join(CODES[path])):
            words[word] += 1
    unread = []
    for path in KERNEL:
        for block in ENUM.findall("\n".join(CODES[path]) + "\n"):
            unread += [f"{name_of(path)}: {name}" for name, value in MEMBER.findall(block) if value and words[name] == 1]
    assert sorted(set(unread) - NUMBERED) == [], "what nobody reads is no part of the machine"
