"""frames --types, -l, -L: byte for byte what page-types of Linux 6.12 printed over the same files."""

import array
import gzip
import json

import pytest
from procfs.captured import FIXTURES

from vmtool.tools import page_types

RECORDED = json.loads(gzip.decompress((FIXTURES / "page-types-6.12.json.gz").read_bytes()))


def ours(line):
    words = line.split()
    flags, counts = (array.array("Q", RECORDED["files"][name]) for name in ("kpageflags", "kpagecount"))
    pid, is_raw = words[words.index("-p") + 1] if "-p" in words else None, "-r" in words
    if pid is None:
        pages = page_types.of_frames(flags, counts, is_raw)
    else:
        pages = page_types.of_space(RECORDED["files"][pid], flags, counts, is_raw)
    listing = "ranges" if "-l" in words else "pages" if "-L" in words else ""
    return page_types.render(pages, listing, pid is not None, "-M" in words, True, 12)


@pytest.mark.parametrize("line", RECORDED["out"])
def test_recorded(line):
    assert ours(line) == RECORDED["out"][line]


def test_a_letter_for_each_flag():
    assert page_types.letters(0) == "_" * 43 and page_types.long_names(0) == ""
    assert page_types.letters((1 << 64) - 1) == "LERUDlASWIBMasbHTGuXnxtozigrmdPpOhfHdIAEFw1"


def test_a_swapped_page_shows_its_offset():
    entry = 1 << 62 | 77 << 5 | 0
    flags = array.array("Q", [0] * 4)
    assert list(page_types.of_space([(9, entry)], flags, flags, True)) == [(9, 77, 1 << page_types.SWAP, 0)]
