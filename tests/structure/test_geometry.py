"""Who knows how large a page is and where a table's index stands: the formats' rooms alone. All others ask them.

Literals of geometry are 12, 47, 511, 4095 and 4096, and shifts by 21 and 39. What merely happens to have such a value has a name, in an
enum, or stands in a row of a table.
"""

import re

from tests.structure.cython_source import SOURCES, code_of, name_of

GEOMETRY = ("arch", "arch_x86", "arch_arm", "arch_arm64", "arch_riscv", "layout")  # formats, and how a program is laid out in each
LITERAL = re.compile(r"(?<![\w.])(?:12|47|511|4095|4096|0x1ff|0xfff)(?![\w.])|(?:<<|>>) *(?:21|39)\b", re.I)
NAMED = re.compile(r"^\s+[A-Z]\w* = [^,]*$")  # a member of an enum
GIVEN_A_NAME = re.compile(r"^cdef (?:const )?\w+ [A-Z][A-Z0-9_]* = ")
ROW = re.compile(r"^(?:\w+\[[^]]*\](?:\[:\])? = |    (?:cache_desc|section_t)\(|[\s\d,]+$|cdef \w+ \w+ = \w+_t\(|    out\[\d+\] = )")
# What is no page and no index, line by line.
OTHERS = {
    "vmtool/mm/mm_types.pxd": ("auxv_more[12]",),
}
# Who asks an entry itself whether it is present; all others ask pte_class().
PRESENT = re.compile(r"&\s*(?:g|a\.m\.arch|arch|k)\.present\b|\bX86_P\b(?! \|)(?=\s*(?:==|!=|\)|:))")
PROCESSORS = {
    "access_quick", "access_run", "access_stream", "mmu",  # the processor's own look
    "fsck_tlb",  # what the processor remembers, against what it would find
    "pte",  # pte_class()
    "fsck_kernel", "show_kernel",  # the kernel's half, where an entry is present or zero
}  # fmt: skip


def kernel_sources():
    return [path for path in SOURCES if path.parent.name == "mm" and not path.stem.startswith("_probe")]


def test_only_the_formats_have_literals_of_geometry():
    wrong = []
    for path in kernel_sources():
        if path.stem in GEOMETRY:
            continue
        for number, line in enumerate(code_of(path.read_text()), 1):
            if not LITERAL.search(line) or NAMED.match(line) or GIVEN_A_NAME.match(line) or ROW.match(line):
                continue
            if not any(known in line for known in OTHERS.get(name_of(path), ())):
                wrong.append(f"{name_of(path)}:{number}: {line.strip()}")
    assert wrong == [], "ask arch.pxd: page_size(), page_shift, level_index(), SHIFT_4K …; another number gets a name"


def test_only_the_processor_looks_whether_an_entry_is_present():
    wrong = [f"{name_of(path)}:{number}: {line.strip()}" for path in kernel_sources() if path.stem not in {*GEOMETRY, *PROCESSORS}
             for number, line in enumerate(code_of(path.read_text()), 1) if PRESENT.search(line)]  # fmt: skip
    assert wrong == [], "pte_class() says what an entry is: none, a page, swap, migration, a marker"
