"""Which modules the build translates again: those that use what changed in a header; the others get records and enums as they are now."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import dependencies  # noqa: E402

BASE, USER, OTHER = dependencies.BASE, Path("vmtool/mm/user.pyx"), Path("vmtool/mm/other.pyx")
MODULES = (BASE, USER, OTHER)
TREE = {
    "vmtool/mm/types.pxd": '''"""Records."""
cdef enum:
    NR_ONE = 1  # how many
    NR_TWO

cdef struct page_t:  # a page
    uint32_t flags, refs
    uint64_t place[NR_ONE][NR_TWO - 1]

cdef struct odd_t:
    char *odd

cdef struct area_t:
    uint64_t start  # the first byte

    page_t pages[NR_TWO]
''',
    "vmtool/mm/arena.pxd": "from vmtool.mm.types cimport *\ncdef inline int first(page_t *p) noexcept nogil:\n    return p.flags\n",
    "vmtool/mm/arena.pyx": "",
    "vmtool/mm/user.pxd": """from vmtool.mm.arena cimport (first,
                              page_t)
cdef int used(page_t *p) noexcept nogil  # that page's
cdef int unused(area_t *a) noexcept nogil
""",
    "vmtool/mm/user.pyx": "cdef int used(page_t *p) noexcept nogil:\n    return p.refs\n",
    "vmtool/mm/other.pyx": "from vmtool.mm.user cimport used\ncdef int go(area_t *a) noexcept nogil:\n    return used(NULL) + a.start\n",
}


def stale(tmp_path, header=None, old="", new="", **whole) -> set[str]:
    """Names of the modules whose key is another one when a header's text changes."""
    def keys(texts):
        sources = dependencies.Sources(MODULES, tmp_path)
        sources.texts = {Path(path): text for path, text in texts.items()}
        return {pyx.stem: sources.key(pyx, whole.get(pyx.stem, False)) for pyx in MODULES}

    texts = dict(TREE)
    before = keys(texts)
    if header:
        assert texts[header].count(old) == 1
        texts[header] = texts[header].replace(old, new)
    after = keys(texts)
    return {name for name in before if before[name] != after[name]}


def test_a_key_depends_on_nothing_else(tmp_path):
    assert stale(tmp_path) == set()


@pytest.mark.parametrize(("old", "new", "whose"), [
    ("flags, refs", "flags, refs, more", {"arena"}),  # a new field is nobody's but the definer's
    ("    uint64_t start", "    uint64_t end\n    uint64_t start", {"arena"}),
    ("    uint64_t start", "    uint32_t start", {"arena", "other"}),
    ("uint32_t flags, refs", "uint64_t flags, refs", {"arena", "user", "other"}),  # flags: an inline function's, whom all get in full
    ("flags, refs", "flags", {"arena", "user"}),
    ("char *odd", "char *even", {"arena", "user", "other"}),  # a line of a form that is not known makes the record one
    ("NR_TWO\n", "NR_TWO\n    NR_THREE\n", {"arena"}),
    ("  # the first byte", "  # the very first byte", {"arena"}),
    ("cdef struct area_t:", "cdef struct new_t:\n    int x\n\ncdef struct area_t:", {"arena", "user", "other"}),
], ids=str)  # fmt: skip
def test_of_a_record_those_count_whose_names_occur(tmp_path, old, new, whose):
    assert stale(tmp_path, "vmtool/mm/types.pxd", old, new) == whose


def test_a_record_that_python_sees_counts_in_full(tmp_path):
    changed = "    uint64_t end\n    uint64_t start"
    assert stale(tmp_path, "vmtool/mm/types.pxd", "    uint64_t start", changed, other=True) == {"arena", "other"}


def test_what_is_said_in_a_comment_is_its_own_module_s_alone(tmp_path):
    assert stale(tmp_path, "vmtool/mm/user.pxd", "cdef int used", "# what a page has\n# 0: nothing\n\ncdef int used") == {"user"}
    assert stale(tmp_path, "vmtool/mm/user.pxd", "  # that page's", "  # another's") == {"user"}


def test_of_functions_those_count_that_are_used_and_a_module_s_own(tmp_path):
    header = "vmtool/mm/user.pxd"
    assert stale(tmp_path, header, "int unused(area_t *a)", "long unused(area_t *a)") == {"user"}
    assert stale(tmp_path, header, "int used(page_t *p)", "long used(page_t *p)") == {"user", "other"}
    assert stale(tmp_path, header, "# that page's", "# of that page") == {"user"}
    assert stale(tmp_path, "vmtool/mm/arena.pxd", "p.flags", "p.flags + 1") == {"arena", "user", "other"}


C = """enum  {{

  __pyx_e_6vmtool_2mm_5types_NR_ONE = 1,{more}
}};
enum __pyx_t_6vmtool_2mm_5xnode_xmark {{
  __pyx_e_6vmtool_2mm_5xnode_DIRTY = 0
}};

struct __pyx_t_6vmtool_2mm_5types_page_t {{
  uint32_t flags;{field}
}};
static int __pyx_f_6vmtool_2mm_{module}_go(void) {{
  return {module};
}}
"""


def test_kept_files_get_the_definitions_of_those_that_are_new(tmp_path):
    for path, text in TREE.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    kept = dependencies.Kept(tmp_path / "c", dependencies.Sources(MODULES, tmp_path), "3")
    for pyx in MODULES:
        kept.c_file(pyx).parent.mkdir(parents=True, exist_ok=True)
        kept.c_file(pyx).write_text(C.format(more="", field="", module=pyx.stem))
    assert kept.stale() == sorted(MODULES)
    kept.translated(MODULES)
    assert dependencies.Kept(tmp_path / "c", dependencies.Sources(MODULES, tmp_path), "3").stale() == []
    assert dependencies.Kept(tmp_path / "c", dependencies.Sources(MODULES, tmp_path), "4").stale() == sorted(MODULES)

    header = tmp_path / "vmtool/mm/types.pxd"
    header.write_text(header.read_text().replace("flags, refs", "flags, refs, more").replace("NR_TWO\n", "NR_TWO\n    NR_THREE\n"))
    kept = dependencies.Kept(tmp_path / "c", dependencies.Sources(MODULES, tmp_path), "3")
    assert kept.stale() == [BASE]
    now = {"more": "\n  __pyx_e_6vmtool_2mm_5types_NR_THREE,", "field": "\n  uint32_t more;"}
    kept.c_file(BASE).write_text(C.format(**now, module="arena"))
    kept.translated([BASE])
    for pyx in MODULES:
        assert kept.c_file(pyx).read_text() == C.format(**now, module=pyx.stem)


def test_what_cython_refused_stays_stale(tmp_path):
    (tmp_path / "vmtool/mm").mkdir(parents=True)
    (tmp_path / USER).write_text("x")
    kept = dependencies.Kept(tmp_path / "c", dependencies.Sources([USER], tmp_path), "3")
    kept.c_file(USER).parent.mkdir(parents=True)
    kept.c_file(USER).write_text("#error Do not use this file, it is the result of a failed Cython compilation.\n")
    kept.translated([USER])
    assert kept.stale() == [USER]


def test_what_is_as_it_was_before_cython_refused_it_is_translated_again(tmp_path):
    (tmp_path / "vmtool/mm").mkdir(parents=True)

    def kept_of(source):
        (tmp_path / USER).write_text(source)
        return dependencies.Kept(tmp_path / "c", dependencies.Sources([USER], tmp_path), "3")

    kept = kept_of("x")
    kept.c_file(USER).parent.mkdir(parents=True)
    kept.c_file(USER).write_text("int x;\n")
    kept.translated([USER])
    assert kept_of("x").stale() == []
    kept = kept_of("y")
    kept.c_file(USER).write_text("#error Do not use this file, it is the result of a failed Cython compilation.\n")
    kept.translated([USER])
    assert kept_of("x").stale() == [USER]


def test_every_file_of_this_tree_has_its_headers_definitions():
    """Cython writes the same of a header into every C file: on that all of this rests."""
    directory = ROOT / "build" / "cython" / "release"
    modules = sorted(path.relative_to(ROOT) for path in (ROOT / "vmtool").rglob("*.pyx"))
    sources = dependencies.Sources(modules, ROOT)
    if not all((directory / pyx.with_suffix(".c")).exists() for pyx in modules):
        pytest.skip("the tree is not built: run `make`")
    texts = {pyx: (directory / pyx.with_suffix(".c")).read_text("utf-8") for pyx in modules}
    found = {pyx: dependencies.definitions(text) for pyx, text in texts.items()}
    member = re.compile(r"^  __pyx_e_\w+(?: = .*?)?,?$", re.MULTILINE)
    for pyx, text in texts.items():
        assert len(member.findall(text)) == len(member.findall("".join(found[pyx].values()))), pyx
        assert len(re.findall(r"^(?:struct|union) __pyx_t_\w+ \{", text, re.MULTILINE)) == sum(" " not in name for name in found[pyx]), pyx
    nr = 0
    for pyx in modules:
        for header in sources.closure(pyx) - {pyx.with_suffix(".pxd")}:
            of_definer, mangled = found[sources.definer(header)], dependencies.mangled(header)
            for name, text in found[pyx].items():
                if dependencies.module_of(name) == mangled:
                    assert of_definer[name] == text, (pyx, name)
                    nr += 1
    assert nr > 1000
