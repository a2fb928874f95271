"""Who knows how large a page is and where a table's index stands: the formats' rooms alone. All others ask them.

In mm/ literals of geometry are 12, 47, 511, 512, 4095 and 4096, and shifts by 9, 21 and 39. What merely happens to have such a value has
a name, in an enum, or stands in a row of a table. Elsewhere it is the same, but 12 and 47 where they are shifted by; and no constant that
speaks of pages has a number, nor a parameter a default: who forgets the machine's page is told, not given another's.
"""

import io
import re
import tokenize

import pytest

from tests.structure.cython_source import ROOT, SOURCES, code_of, name_of

GEOMETRY = ("arch", "arch_x86", "arch_arm", "arch_arm64", "arch_riscv", "layout")  # formats, and how a program is laid out in each
LITERAL = re.compile(r"(?<![\w.])(?:12|47|511|512|4095|4096|0x1ff|0xfff|0x1000)(?![\w.])|(?:<<|>>) *(?:9|21|39)\b", re.I)
NAMED = re.compile(r"^\s+[A-Z]\w* = [^,]*$")  # a member of an enum
GIVEN_A_NAME = re.compile(r"^cdef (?:const )?\w+ [A-Z][A-Z0-9_]* = ")
ROW = re.compile(r"^(?:\w+\[[^]]*\](?:\[:\])? = |    (?:cache_desc|section_t)\(|[\s\d,]+$|cdef \w+ \w+ = \w+_t\(|    out\[\d+\] = )")
# What is no page and no index, line by line.
OTHERS = {
    "vmtool/mm/arena.pyx": ("(sizeof(xnode_t) > 512)", "(sizeof(slab_sheaf_t) > 512)"),  # of records
    "vmtool/mm/memblock.pyx": ("frames_of(&a.m.arch, 0x1000)",),  # 16 MiB, in units of 4K whatever a page is
    "vmtool/mm/mm_types.pxd": ("auxv_more[12]",),
    "vmtool/mm/oom_report.pyx": ("char path[512]", "char task_path[512]"),  # a line's text
}
SIZES = frozenset({"511", "512", "4095", "4096", "0x1ff", "0xfff", "0x1000"})
SHIFTS = frozenset({"9", "12", "21", "39", "47"})
OF_PAGES = re.compile(r"(?:\w+_(?:PER|OF)_)?PAGE|PAGE_(?:SIZE|SHIFT|BYTES|KB)|HPAGE|HUGE_(?:PAGES|BYTES|ORDER|SHIFT)"
                      r"|TABLE_(?:BYTES|SHIFT|END)|SPAN|USER_END|WHOLE_SPACE|KERNEL")
CONSTANT = re.compile(r"(?:cdef )?([A-Z_][A-Z0-9_]*(?:, [A-Z_][A-Z0-9_]*)*)(?:: [^=]*)? = ")
PARAMETER = re.compile(r"[(,] *page_?(?:shift|bytes|size|kb)?(?:: *int)? *= *\d+ *[,)]", re.I)
IN_KB = re.compile(r"(?:kb\(.*\)|pages|_vm|_rss|\bnr)\)? *(?:\*|//) *4\b", re.I)
# Outside mm/, what is of no machine's pages: by file, a part of the line and the reason.
OUTSIDE = {
    "vmtool/_packing.pyx": {"size < 512": "the least page of SQLite's format"},
    "vmtool/cli/kinds.py": {"numbers[0] >= 1 << 12": "the kernel's dev_t: MAJ has 12 bits"},
    "vmtool/libc/chunk.pxd": {"size >> 9": "glibc's largebin_index()", "size >> 12": "glibc's largebin_index()"},
    "vmtool/libc/layout.pxd": {"PAGE = 4096": "the C library runs on machines with pages of 4K alone; another is refused"},
    "vmtool/outside/core_process.py": {"183: (34, 32, 31, {33: 0x1000})": "a bit of pstate"},
    "vmtool/outside/elf.py": {"(1 << 47) - 4096": "TASK_SIZE of x86, as its kernel has it", "EM_AARCH64": "TASK_SIZE of each format",
                              "EM_RISCV": "TASK_SIZE of each format", ".get(self.arch, 4096)": "ELF_MIN_ALIGN of each format",
                              '(1 << 56) - 4096': "TASK_SIZE of x86, as its kernel has it"},
    "vmtool/outside/proc_pages.py": {"HUGE_BYTES = 2 << 20": "import takes in x86's processes; what has other pages is refused"},
    "vmtool/outside/proc_text.py": {"PAGE = 4096": "import takes in x86's processes; what has other pages is refused"},
    "vmtool/procfs/vmflags.py": {"(1 << ": "bits of vm_flags"},
    "vmtool/store/schema.py": {"PAGE_BYTES = 16384": "of the state file, which is SQLite's"},
    "vmtool/tools/ps_fields.py": {"p.tty_nr >> 12": "the kernel's dev_t: MAJ has 12 bits"},
    "vmtool/views/kernel_map.py": {"va_bits - 12": "VMEMMAP_SIZE of riscv, whose pages are of 4K in every format"},
}  # fmt: skip
# Who asks an entry itself whether it is present; all others ask pte_class(), or build one.
PRESENT = re.compile(r"\.present\b|\bpte_mapped\b|\bX86_P\b(?! \|)(?=\s*(?:==|!=|\)|:))")
PROCESSORS = {
    "access_quick", "access_run", "access_stream", "mmu",  # the processor's own look
    "fsck_tlb",  # what the processor remembers, against what it would find
    "pte",  # pte_class()
    "fsck_kernel", "show_kernel",  # the kernel's half, where an entry is present or zero
}  # fmt: skip

# Who stores into a table that lies open; all others go through pte.pxd, which counts.
STORE = re.compile(r"\bentry\[0\] = [^0]*<<|\b(?:entries|wide|raw)\[[^]]*\] (?:[|&+-])?= |\bindex_lo (?:[+-])= |\bentry_exchange\(")
STORES = {
    "access_quick", "access_run", "swapin_quick",  # a fault on a table that the walk has just found: look_t, run_t
    "fault_file",  # a window around a fault, counted at once
    "mmu",  # the processor's accessed and dirty bits
    "pte", "contpte",  # the pair that counts; a run of arm64's, entry by entry
}  # fmt: skip
# Who knows what a folio's tails keep; all others ask large_folio.pxd.
TAIL = re.compile(r"\bframe_(?:at|mut)\((?:f\.)?a, [^()]*\+ [123]\)\.(?:index_|lru_prev|mapping|extra_refs)")
TAILS = {"frame", "large_folio"}


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


def suspects(text):
    """(line's number, the line) of each literal of geometry in a source of Python or Cython outside mm/."""
    lines = text.split("\n")
    found = set()
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type in (tokenize.NUMBER, tokenize.OP, tokenize.NAME)]
    for token in tokens:
        if token.type == tokenize.NUMBER:
            row, number = token.start[0], token.string.lower()
            found |= {row} if number in SIZES or number in SHIFTS and re.search("<<|>>", lines[row - 1]) else set()
    code = code_of(text)
    found |= {row for row, line in enumerate(code, 1) if PARAMETER.search(line) or IN_KB.search(line)}
    for row, line in enumerate(code, 1):
        constant = CONSTANT.match(line.strip())
        if constant is None:
            continue
        if not any(OF_PAGES.fullmatch(name) for name in constant[1].split(", ")):
            found.discard(row)
        elif re.search(r"\d", line.partition("=")[2]):
            found.add(row)
    return [(row, lines[row - 1].strip()) for row in sorted(found)]


def outside_mm():
    paths = [path for kind in ("*.py", "*.pyx", "*.pxd") for path in (ROOT / "vmtool").rglob(kind)]
    return sorted(path for path in paths if path.parent.name != "mm")


def test_no_room_outside_mm_has_a_page_of_its_own():
    wrong, used = [], set()
    for path in outside_mm():
        name = str(path.relative_to(ROOT))
        for row, line in suspects(path.read_text()):
            known = [part for part in OUTSIDE.get(name, ()) if part in line]
            used |= {(name, part) for part in known}
            wrong += [] if known else [f"{name}:{row}: {line}"]
    assert wrong == [], "ask the machine: info().page_shift, info().pmd_order, info().task_size; a tool asks its source's page_bytes"
    assert {(name, part) for name, parts in OUTSIDE.items() for part in parts} == used, "an exception that nothing needs"


@pytest.mark.parametrize("line", [
    "ofs = index << 12", "at = addr & ~4095", "size = (length + 4095) & ~4095", "PAGE = 4096", "KB_PER_PAGE = 4", "page = at // 8 * 4096",
    "def render(mm, page_shift: int = 12):", "def render(file, page_bytes=4096):", "SPAN = 1 << 21", "half = 1 << 12 + 9 * levels - 1",
    "HUGE_PAGES = 512", "USER_END = 1 << 47", "index = addr >> 39 & 511", "rows = [p.peak_vm * 4]", 'sz = p.kb("VmSize") // 4',
    "PAGE_SHIFT = 12", "TABLE_BYTES = 2 << 20", "addr &= ~0xFFF"])
def test_the_lint_sees(line):
    assert suspects(f"x = 1\n{line}\n") == [(2, line)]


@pytest.mark.parametrize("line", ["MOST_CACHED = 4096", "widths = (2, 12, 9)", 'text = f"{name:>12}"', "NR_REGIONS = 1 << 12",
                                  "months = n // 12", "page_bytes = 1 << page_shift",
                                  "def render(mm, page_shift: int, release: int = CURRENT):"])
def test_the_lint_lets_be(line):
    assert suspects(f"x = 1\n{line}\n") == []


def test_only_the_processor_looks_whether_an_entry_is_present():
    wrong = [f"{name_of(path)}:{number}: {line.strip()}" for path in kernel_sources() if path.stem not in {*GEOMETRY, *PROCESSORS}
             for number, line in enumerate(code_of(path.read_text()), 1) if PRESENT.search(line)]  # fmt: skip
    assert wrong == [], "pte_class() says what an entry is: none, a page, swap, migration, a marker"


def test_entries_are_stored_where_they_are_counted():
    wrong = [f"{name_of(path)}:{number}: {line.strip()}" for path in kernel_sources() if path.stem not in {*GEOMETRY, *STORES}
             for number, line in enumerate(code_of(path.read_text()), 1) if STORE.search(line)]  # fmt: skip
    assert wrong == [], "pte_store(), or in a loop ptes_store() and its kin: a table's frame counts its entries"


def test_a_folios_tails_are_read_in_one_place():
    wrong = [f"{name_of(path)}:{number}: {line.strip()}" for path in kernel_sources() if path.stem not in TAILS
             for number, line in enumerate(code_of(path.read_text()), 1) if TAIL.search(line)]  # fmt: skip
    assert wrong == [], "large_folio.pxd has a name for each: large_mapcount(), folio_nr_mapped() …"
