"""pagemap in words, raw, and as the file's bytes."""

import struct

import pytest
from procfs.captured import CAPTURES, FIXTURES

from vmtool import uapi
from vmtool.procfs import pid_pagemap
from vmtool.records import PagemapEntry
from vmtool.views import pagemap


def rows(*entries):
    text = pagemap.render(pagemap.runs([PagemapEntry(0x1000 + 0x1000 * i, entry) for i, entry in enumerate(entries)], 12, 9))
    return [line.split() for line in text.splitlines()[1:]]


@pytest.mark.parametrize("capture", CAPTURES)
def test_captured_entries(capture):
    # many_areas.py: MADV_SEQUENTIAL shared with a child, a guard area, shared memory, a private file mapping, locked pages
    data = (FIXTURES / capture / "areas" / "pagemap").read_bytes()
    entries = [PagemapEntry(4096 * i, entry) for i, (entry,) in enumerate(struct.iter_unpack("<Q", data))]
    assert pid_pagemap.pack(entries) == data
    found = pagemap.runs(entries, 12, 9)
    frames = [run for run in found for _ in range(run.nr_pages) if run.entry & uapi.PM_PRESENT]
    assert sum(run.nr_pages for run in found if pagemap.behind(run.entry) == "guard") == 4
    assert len(frames) == 2 + 3 + 3 + 4
    assert ["file/shared" in pagemap.marks(run) for run in frames] == [False] * 2 + [True] * 3 + [False] * 3 + [False] * 4
    assert sum(run.nr_pages for run in found) == len(entries)


def test_present_page_with_its_marks():
    assert rows(1 << 63 | 1 << 56 | 1 << 61 | 0x123) == [["0x1000", "1", "frame", "0x123", "file/shared", "exclusive"]]


def test_swapped_page():
    assert rows(1 << 62 | 7 << 5 | 1) == [["0x1000", "1", "swap", "1:0x7"]]


def test_empty_neighbours_share_a_row():
    assert rows(0, 0, 1 << 63 | 5, 0) == [["0x1000", "2", "-"], ["0x3000", "1", "frame", "0x5"], ["0x4000", "1", "-"]]


def test_frames_in_a_row_are_one_row():
    present = 1 << 63
    assert rows(present | 5, present | 6, present | 7, present | 9) == [
        ["0x1000", "3", "frames", "0x5-0x7"], ["0x4000", "1", "frame", "0x9"]]
    assert rows(present | 5, present | 1 << 56 | 6) == [["0x1000", "1", "frame", "0x5"], ["0x2000", "1", "frame", "0x6", "exclusive"]]
    assert rows(1 << 62 | 7 << 5, 1 << 62 | 8 << 5) == [["0x1000", "2", "swap", "0:0x7-0x8"]]
    assert rows(1 << 58, 1 << 58) == [["0x1000", "2", "guard"]]


def test_a_huge_page_is_marked_and_begins_a_row():
    entries = [PagemapEntry(0x1FF000 + 0x1000 * i, 1 << 63 | 0x1FF + i) for i in range(514)]
    found = pagemap.runs(entries, 12, 9, lambda addr: 2 << 20 if addr == 0x200000 else 4096)
    assert [(run.addr, run.nr_pages, run.huge) for run in found] == [(0x1FF000, 1, 0), (0x200000, 512, 2048), (0x400000, 1, 0)]
    assert "frames 0x200-0x3ff  huge" in pagemap.render(found)
    assert [run.nr_pages for run in pagemap.runs(entries, 12, 9, lambda addr: 4096)] == [514]


def test_raw_is_a_line_a_page():
    raw = pagemap.render_raw([PagemapEntry(0x7000, 0), PagemapEntry(0x8000, 1 << 63 | 5)])
    assert raw == "0x7000 0x0000000000000000\n0x8000 0x8000000000000005\n"


def test_a_line_a_page_has_the_entry_in_its_second_column():
    entries = [PagemapEntry(0x1000, 1 << 63 | 1 << 56 | 0x123), PagemapEntry(0x2000, 1 << 62 | 7 << 5 | 1), PagemapEntry(0x3000, 0)]
    assert pagemap.render_pages(entries) == (
        "0x1000 0x8100000000000123 frame 0x123 exclusive\n0x2000 0x40000000000000e1 swap 1:0x7\n0x3000 0x0000000000000000 -\n")
