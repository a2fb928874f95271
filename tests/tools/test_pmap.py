"""pmap: byte for byte what procps 4.0.2 prints for captured processes, and its way with odd text."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from procfs.captured import FIXTURES, PROCESSES, text

from tools.draw import PMAP_WORDS
from tools.real import PMAP_FILES, need, pmap_outputs
from vmtool.tools import pmap, pmap_detail

RECORDED = [json.loads(line) for line in gzip.decompress((FIXTURES / "procps-4.0.2" / "pmap.jsonl.gz").read_bytes()).splitlines()]
AREA = "00400000-00402000 rw-p 00001000 08:01 7                          /usr/bin/render\n"
STAT = "7 (ren der) x) S 1 0 0 0 -1 0 " + "0 " * 18 + "140737488347136 0\n"


def options(words):
    """What the command line makes of pmap's options."""
    detail = [word.lstrip("-") for word in words if word in ("-d", "-x", "-X", "-XX")]
    return pmap.Options(detail[0] if detail else "", "-q" in words, "-p" in words)


def printed(texts, words):
    return pmap.run(7, texts.__getitem__, options(words)).replace("7:", "PID:", 1)


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["process"].partition("/")[2] + " ".join(case["words"]))
def test_recorded(case):
    assert printed({name: text(f"{case['process']}/{name}") for name in PMAP_FILES}, case["words"]) == case["out"]


SMAPS = AREA + "Rss: 8 kB\nShared_Dirty: 1 kB\nPrivate_Dirty: 3 kB\nSwap: 100 kB\nVmFlags: rd wr \n"
ODD = [
    {"cmdline": ""},
    {"cmdline": "a b\0c\td\nx\0\0"},
    {"maps": "", "smaps": ""},
    {"maps": AREA.replace("/usr/bin/render", "[stack]").replace("00400000-00402000", "7ffffffde000-7ffffffff000")},
    {"smaps": SMAPS + SMAPS.replace("8 kB", "123456 kB")},
    {"smaps": SMAPS.replace("/usr/bin/render", "/" + "n" * 200)},
]


def odd_texts(change):
    return {"maps": AREA, "smaps": SMAPS, "stat": STAT, "status": "Name:\tren der) x\nTgid:\t7\nPid:\t7\n", "cmdline": "render\0"} | change


def test_live(tmp_path):
    need("pmap")
    everything = [{name: text(f"{process}/{name}") for name in PMAP_FILES} for process in PROCESSES] + [odd_texts(change) for change in ODD]
    for texts in everything:
        for words, out in zip(PMAP_WORDS, pmap_outputs(texts, PMAP_WORDS, tmp_path), strict=True):
            assert printed(texts, words) == out, words


def test_name_in_brackets_without_a_command_line():
    assert printed(odd_texts({"cmdline": ""}), []).splitlines()[0] == "PID:   [ren der) x]"


def test_letters_that_would_move_the_cursor_are_replaced():
    assert printed(odd_texts({"cmdline": "a\x1b[2J\0b\0"}), []).splitlines()[0] == "PID:   a?[2J b"


def test_fields_of_another_kernel_make_their_own_columns():
    texts = odd_texts({"smaps": AREA + "Rss: 8 kB\nNew_Field: 5 kB\n"})
    assert printed(texts, ["-X"]).splitlines()[1].split() == "Address Perm Offset Device Inode Rss New_Field Mapping".split()


def test_entries_with_other_fields_are_refused():
    texts = odd_texts({"smaps": AREA + "Rss: 8 kB\n" + AREA + "Pss: 8 kB\n"})
    with pytest.raises(pmap_detail.SmapsError):
        printed(texts, ["-X"])
    with pytest.raises(pmap_detail.SmapsError):
        printed(odd_texts({"smaps": "Rss: 8 kB\n"}), ["-X"])


def test_lines_that_are_no_areas_are_passed_over():
    good = "00400000-00402000 rw-s 00001000 08:01 7     /usr/bin/render"
    odd = ["", "x", "00400000-", "00400000-00402000", "00400000-00402000 rw", "zz-12 rw-p 0 0:0 1", "1" * 17 + "-2 rw-p 0 0:0 1"]
    lines = printed(odd_texts({"maps": "\n".join([*odd, good, *odd])}), []).splitlines()
    assert lines[1:] == ["0000000000400000      8K rw-s- render", " total                8K"]


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(0, 1 << 30), st.sampled_from(["rw-p", "r-xs", "---p"]),
                          st.sampled_from(["", "[heap]", "/a/b c", "/x\\012y", "anon_inode:[e]"])), max_size=12), st.integers(0, 1 << 52))
def test_plain_lines_by_the_formula(areas, stack):
    """Each line anew from its own words, as printf() of pmap.c puts them."""
    maps = shown = ""
    for page, pages, perms, name in areas:
        start, end = page << 12, page + pages << 12
        maps += f"{start:08x}-{end:08x} {perms} 00000000 08:01 7" + (" " * 20 + name if name else " ") + "\n"
        place = name.rpartition("/")[2] if "/" in name else "  [ stack ]" if start <= stack <= end else "  [ anon ]"
        shown += f"{start:016x} {(end - start) // 1024:6}K {perms[:3]}{'s' if perms[3] == 's' else '-'}- {place}\n"
    stat = STAT.replace("140737488347136", str(stack))
    assert printed(odd_texts({"maps": maps, "stat": stat}), ["-q"]) == "PID:   render\n" + shown
