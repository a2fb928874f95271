"""The picture read back: each arrow of the SVG is a present entry of the page table, and the other way round."""

import re
import xml.etree.ElementTree as ET

import pytest

from vmtool.face import read, svg

from .conftest import PAGE, boot, drawn_machine, present_pages, story

NS = "{http://www.w3.org/2000/svg}"


def boxes(group, y):
    """(left, right, middle, rect, text) of each box of a row."""
    children = list(group)
    for i, rect in enumerate(children):
        if rect.tag == NS + "rect":
            x, width = float(rect.get("x")), float(rect.get("width"))
            middle = y + float(rect.get("y")) + float(rect.get("height")) / 2
            yield x, x + width, middle, rect, children[i + 1].text


def moved(element):
    """(x, y) of a translation."""
    return map(float, re.fullmatch(r"translate\((\d+) (\d+)\)", element.get("transform")).groups())


def arrows_of(text, bytes_each=8):
    """{(pid, page): (frame, writable, entry's address)} from geometry and the words in the boxes alone."""
    root = ET.fromstring(text)
    by_left, by_right = {}, {}
    groups = [(group, list(moved(group))[1]) for group in root.iter(NS + "g")]
    for group, y in groups:
        for left, right, middle, rect, words in boxes(group, y):
            by_left[left, middle], by_right[right, middle] = (rect, words), (rect, words)
    found = {}
    arrows = [(path, y) for group, y in groups for path in group.iter(NS + "path") if "arrow" in path.get("class").split()]
    assert len(arrows) == text.count('class="arrow')
    for path, row_y in arrows:
        x, y = moved(path)
        y += row_y
        dx, dy = map(float, path.get("d").split()[-2:])
        entry, end = by_right[x, y][1], by_left[x + dx, y + dy]
        if "swap" in path.get("class"):
            continue
        is_writable = path.get("marker-end") == "url(#rw)"
        assert is_writable == (" RW" in entry)
        table, first = re.match(r"p\w+ ([0-9a-f]+)\[(\d+)", entry).groups()
        pfn = int(end[1].split()[0].split("..")[0], 16)
        assert int(end[0].get("data-pfn"), 16) == pfn and end[0].get("data-frames") in (path.get("data-pages"), "1")
        step = end[0].get("data-frames") != "1"
        is_huge = entry.startswith("pmd")
        for i in range(int(path.get("data-pages"))):
            at = int(table, 16) + bytes_each * (int(first) + (0 if is_huge else i))
            key = int(path.get("data-pid")), int(path.get("data-address"), 16) + i * PAGE
            assert key not in found
            found[key] = pfn + i * step, is_writable, at
    return found


def test_the_story_has_an_arrow_for_each_present_entry():
    m = story()
    assert arrows_of(svg.render(read.read(m))) == present_pages(m)
    assert len(present_pages(m)) == 10


@pytest.mark.parametrize("seed", range(10))
def test_arrows_are_present_entries_and_the_other_way_round(seed):
    m = drawn_machine(seed)
    assert arrows_of(svg.render(read.read(m, detail="pages", fewest=seed % 5, levels=seed % 2 == 1, most=5000))) == present_pages(m)


@pytest.mark.parametrize("arch, bytes_each", [("x86-64-la57", 8), ("i386", 4), ("i386-pae", 8), ("arm64", 8)])
def test_arrows_of_other_formats(arch, bytes_each):
    m = boot(arch=arch)
    m.spawn("one", None, [b"one"], [])
    m.brk(1, m.brk(1) + 12 * PAGE)
    m.touch(1, m.mm(1).start_brk, 12 * PAGE, "w")
    m.touch(1, 0x400000, PAGE, "r")
    m.fork(1)
    found = arrows_of(svg.render(read.read(m, fewest=3, levels=True)), bytes_each)
    truth = {}
    for task in m.tasks():
        for vma in m.maps(task.pid):
            for addr in range(vma.start, vma.end, PAGE) if vma.start < m.mm(task.pid).task_size else ():
                if (walk := m.walk(task.pid, addr)).phys is not None:
                    truth[task.pid, addr] = walk.phys >> 12, walk.steps[-1].entry_addr
    assert {key: (pfn, at) for key, (pfn, _, at) in found.items()} == truth
    assert len(truth) > 20


def test_arrows_of_some_processes_only():
    m = story()
    assert arrows_of(svg.render(read.read(m, [2]))) == {key: value for key, value in present_pages(m).items() if key[0] == 2}


@pytest.mark.parametrize("seed", range(5))
def test_it_refers_to_nothing_outside_and_tells_itself_in_words(seed):
    text = svg.render(read.read(drawn_machine(seed)))
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    named = {element.get("id"): element.text for element in root.iter() if element.get("id")}
    assert all(named[name] for name in root.get("aria-labelledby").split())
    assert set(re.findall(r"https?://[^\"<]*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<script|@import|url\((?!#)|href", text)
    assert all(rect.find(NS + "title") is not None for group in root.iter(NS + "g") for rect in group.iter(NS + "rect"))


def test_the_same_machine_gives_the_same_bytes():
    assert svg.render(read.read(drawn_machine(3))) == svg.render(read.read(drawn_machine(3)))


def test_a_name_that_is_no_xml_is_drawn_with_question_marks():
    m = boot()
    m.spawn("a\x1b<b>\udcff", None, [b"x"], [])
    ET.fromstring(svg.render(read.read(m)))


def test_the_grid_counts_every_frame():
    m = story()
    scene = read.read(m, detail="processes")
    assert [sum(column) for column in zip(*scene.blocks.counts, strict=True)][0] == sum(
        nr for kind, nr in scene.summary if kind in ("free", "pcp")
    )
    assert sum(map(sum, scene.blocks.counts)) == m.max_pfn()
    root = ET.fromstring(svg.render(scene))
    told = [title.text for title in root.iter(NS + "title") if title.text.startswith("frames 0x")]
    counted = {}
    for line in told:
        for nr, use in re.findall(r"(\d+) ([a-z ]+)", line.split(": ")[1]):
            counted[use] = counted.get(use, 0) + int(nr)
    assert counted["page cache"] == dict(m.frames_summary())["file"]
    assert counted["anonymous"] == dict(m.frames_summary())["anon"]
