"""The text read back: lines are followed from each page to the frame at their end."""

import re

import pytest

from vmtool.errors import KernelError
from vmtool.face import read, terminal

from .conftest import PAGE, drawn_machine, present_pages, story

UNICODE = {"boxes": "■▇", "heads": "▶▷", "down": "┬", "join": "┤┘", "line": "│"}


def arrows_of(text):
    """{(pid, page): (frame, writable, entry's address)} by following the lines."""
    lines = text.splitlines()
    found, pid = {}, None
    for at, line in enumerate(lines):
        heading = re.match(r"\S.* \((\d+)\)", line)
        if heading and not line.startswith("page cache"):
            pid = int(heading[1])
        row = re.match(r"  ([0-9a-f]+) ([■▇])(?: (2M))?(?: ×(\d+))? ─+ (p\w+) ([0-9a-f]+)\[(\d+)(?:\.\.\d+)?\] +(RW|R )", line)
        if row is None:
            continue
        addr, box, size, nr, _, table, first, rights = row.groups()
        nr = 512 if size else int(nr or 1)
        head, pfn, step = follow(lines, at, row.end())
        assert (head == "▶") == (rights == "RW")
        for i in range(nr):
            place = int(table, 16) + 8 * (int(first) + (0 if size else i))
            key = pid, int(addr, 16) * PAGE + i * PAGE
            assert key not in found
            found[key] = pfn + i * step, head == "▶", place
    return found


def follow(lines, at, column):
    """Along a row's line to its head, or up the lane that it joins: (head, frame, whether its frames go up)."""
    line = lines[at]
    for i in range(column, len(line)):
        if line[i] in "▶▷":
            pfn, last = re.match(r" ([0-9a-f]+)(\.\.)?", line[i + 1 :]).groups()
            return line[i], int(pfn, 16), last is not None or " 2M" in line[i:]
        if line[i] in "┤┘":
            row = at - 1
            while lines[row][i] in "│┤":
                row -= 1
            assert lines[row][i] == "┬", (lines[row], i)
            return follow(lines, row, i + 1)
        assert line[i] in " AD─│┬"
    raise AssertionError(line)


def test_lines_lead_where_the_entries_point():
    m = story()
    assert arrows_of(terminal.render(read.read(m)).plain()) == present_pages(m)


@pytest.mark.parametrize("seed", range(10))
def test_lines_lead_where_the_entries_point_on_any_machine(seed):
    m = drawn_machine(seed)
    scene = read.read(m, detail="pages", fewest=seed % 5, most=5000)
    assert arrows_of(terminal.render(scene, width=200 if seed % 2 else 80).plain()) == present_pages(m)


@pytest.mark.parametrize("seed", range(10))
def test_ascii_has_the_same_lines(seed):
    scene = read.read(drawn_machine(seed))
    plain, ascii = terminal.render(scene).plain(), terminal.render(scene, ascii=True).plain()
    assert ascii.isascii()
    assert len(ascii.splitlines()) == len(plain.splitlines())
    assert ascii.count("=> ") == plain.count("▶ ")
    assert ascii.count("-> ") == plain.count("▷ ")


def test_colours_are_around_the_same_text():
    text = terminal.render(read.read(story()))
    assert [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text.coloured()).splitlines()] == text.plain().splitlines()


def test_a_story_fits_eighty_columns():
    assert max(map(len, terminal.render(read.read(story())).plain().splitlines())) <= 80


@pytest.mark.parametrize("detail", ["areas", "processes"])
def test_a_coarse_scene_says_what_it_hides(detail):
    text = terminal.render(read.read(story(), detail=detail)).plain()
    assert "not drawn: " in text and "▶" not in text
    assert ("scene.dat  ■ ×3" in text) == (detail == "areas")
    grid = [line for line in text.splitlines() if re.match(r"  [0-9a-f]{6} ", line)]
    assert len(grid) == 8 and all(len(line.split()[1]) == 64 for line in grid)


def test_a_process_that_has_ended_is_refused_by_name_and_left_out_otherwise():
    m = story()
    m.fork(1)
    m.exit(3)
    with pytest.raises(KernelError):
        read.read(m, [3])
    assert [space.pid for space in read.read(m).spaces] == [1, 2]


def test_what_is_too_much_is_drawn_by_area_then_by_process():
    m = drawn_machine(1)
    assert read.read(m).detail == "pages"
    nr_areas = sum(m.mm(task.pid).map_count + 1 for task in m.tasks())  # and [vsyscall]
    assert read.read(m, most=nr_areas).detail == "areas"
    assert read.read(m, most=nr_areas - 1).detail == "processes"
    assert read.read(m, detail="processes").spaces[0].nr_areas == m.mm(1).map_count
