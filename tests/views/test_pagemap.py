"""pagemap in words, raw, and as the file's bytes."""

import struct

import pytest
from procfs.captured import CAPTURES, FIXTURES

from vmtool.procfs import pid_pagemap
from vmtool.records import PagemapEntry
from vmtool.views import pagemap


def rows(*entries):
    text = pagemap.render([PagemapEntry(0x1000 + 0x1000 * i, entry) for i, entry in enumerate(entries)])
    return [line.split() for line in text.splitlines()[1:]]


@pytest.mark.parametrize("capture", CAPTURES)
def test_captured_entries(capture):
    # many_areas.py: MADV_SEQUENTIAL shared with a child, a guard area, shared memory, a private file mapping, locked pages
    data = (FIXTURES / capture / "areas" / "pagemap").read_bytes()
    entries = [PagemapEntry(4096 * i, entry) for i, (entry,) in enumerate(struct.iter_unpack("<Q", data))]
    assert pid_pagemap.pack(entries) == data
    lines = pagemap.render(entries).splitlines()[1:]
    frames, guards = [line for line in lines if "frame 0x" in line], [line for line in lines if line.split()[2] == "guard"]
    assert len(guards) == 4
    assert len(frames) == 2 + 3 + 3 + 4
    assert ["file/shared" in line for line in frames] == [False] * 2 + [True] * 3 + [False] * 3 + [False] * 4


def test_present_page_with_its_marks():
    assert rows(1 << 63 | 1 << 56 | 1 << 61 | 0x123) == [["0x1000", "1", "frame", "0x123", "file/shared", "exclusive"]]


def test_swapped_page():
    assert rows(1 << 62 | 7 << 5 | 1) == [["0x1000", "1", "swap", "1:7"]]


def test_empty_neighbours_share_a_row():
    assert rows(0, 0, 1 << 63 | 5, 0) == [["0x1000", "2", "-"], ["0x3000", "1", "frame", "0x5"], ["0x4000", "1", "-"]]


def test_raw_is_a_line_a_page():
    raw = pagemap.render_raw([PagemapEntry(0x7000, 0), PagemapEntry(0x8000, 1 << 63 | 5)])
    assert raw == "0x7000 0x0000000000000000\n0x8000 0x8000000000000005\n"
