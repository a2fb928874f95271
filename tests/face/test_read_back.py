"""Each picture of a structure says all that the machine has of it, and nothing else: what is drawn is read back from the SVG and from the
characters, box by box, and is the machine's records; test_svg.py and test_terminal.py do so with pages, tables and frames."""

import contextlib
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from vmtool.errors import Signal
from vmtool.face import buddy, cache, figure_svg, figure_text, heap, lru, space, tlb, vmas

from .conftest import PAGE, boot, drawn_machine

NS = "{http://www.w3.org/2000/svg}"
KINDS = {"data": "d", "code": "i", "shared": "s"}
KEPT = {"kept by a tcache or fastbin": {"tcache", "fastbin"}}


def boxes(svg):
    """What the SVG of a figure shows: (heading, label, the letters of a box, its title), in the order of the lines."""
    heading = label = ""
    found = []
    previous = None
    for element in ET.fromstring(svg):
        if element.tag == NS + "text":
            if previous is not None and previous.tag == NS + "rect":
                found.append((heading, label, element.text or "", previous.find(NS + "title").text))
            elif element.get("class") == "col":
                heading = element.text
            elif element.get("class") is None:
                label = element.text
        previous = element
    return found


def rows_of(figure):
    """The characters of a figure: (heading, label, what stands behind it), with lines that go on joined."""
    labels = {(group.heading, row.label) for group in figure.groups for row in group.rows}
    heading, found = "", []
    for line in figure_text.render(figure, width=1000).plain().splitlines()[1:]:
        if not line.startswith("  "):
            heading = line
            continue
        here = sorted([label for place, label in labels if place == heading], key=len, reverse=True)
        label = next((label for label in here if line[2:].startswith(label)), None)
        if label is not None:
            found.append((heading, label, line[2 + len(label):].strip()))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_buddy_the_boxes_are_the_blocks_of_each_order_and_type(seed):
    m = drawn_machine(seed)
    figure = buddy.figure(m)
    drawn = Counter()
    for heading, label, letter, title in boxes(figure_svg.render(figure)):
        order, kind = re.match(r"a free block of order (\d+), \w+, in a (\w+) pageblock", title).groups()
        assert int(order) == int(label.split()[1]) and buddy.LETTERS[buddy.TYPES.index(kind)] == letter
        drawn[heading.split()[1].rstrip(":"), int(order), kind] += 1
    told = Counter()
    for heading, label, words in rows_of(figure):
        if label.startswith("order"):
            for nr, kind in re.findall(r"(\d+) ([a-z]+)", words.rpartition(":")[2]):
                told[heading.split()[1].rstrip(":"), int(label.split()[1]), kind] += int(nr)
    truth = Counter({
        (zone.name, order, buddy.TYPES[kind]): nr
        for zone in m.zones() if zone.present for kind, counts in enumerate(zone.free_by_type) for order, nr in enumerate(counts) if nr})
    assert told == truth
    for zone in m.zones():
        for order, nr in enumerate(zone.free_area):
            mine = {at: drawn[at] for at in drawn if at[:2] == (zone.name, order)}
            assert sum(mine.values()) == min(nr, buddy.MOST_BOXES)
            assert all(count <= truth[at] for at, count in mine.items()) and (nr > buddy.MOST_BOXES or mine == {
                at: truth[at] for at in truth if at[:2] == (zone.name, order)})


@pytest.mark.parametrize("seed", range(3))
def test_tlb_each_box_is_an_entry_in_its_place(seed):
    m = drawn_machine(seed, tlb="skylake")
    pid = m.tasks()[-1].pid
    m.switch(pid)
    for vma in m.maps(pid)[:6]:
        with contextlib.suppress(Signal):
            m.touch(pid, vma.start, vma.end - vma.start, "r", True)
    figure = tlb.figure(m)
    drawn = set()
    for heading, label, words, title in boxes(figure_svg.render(figure)):
        cpu, level, kind = re.match(r"CPU (\d+) L(\d) (\w+)", heading).groups()
        way, page, pfn, letters, pcid, age = re.match(
            r"way (\d+): page 0x(\w+) is in frame 0x(\w+), (\w*), PCID (\d+), last used at (\d+)", title).groups()
        assert re.fullmatch(rf"(\d+:)?{int(page, 16) >> 12:x}→{pfn} {letters}", words)
        place = (int(cpu), int(level), KINDS[kind], int(label.split()[1]), int(way))
        drawn.add((*place, int(page, 16), int(pfn, 16), letters, int(pcid), int(age)))

    def letters_of(e):
        marks = {"W": e.writable, "U": e.user, "X": not e.nx, "D": e.dirty, "G": e.is_global}
        return "".join([letter for letter, is_set in marks.items() if is_set])

    truth = {(e.cpu, e.level, e.kind, e.set, e.way, e.vpn << e.page_shift, e.pfn, letters_of(e), e.pcid, e.age) for e in m.tlb()}
    assert drawn == truth and truth
    told = Counter(cell for _, label, words in rows_of(figure) if label.startswith("set") for cell in re.findall(r"\[([^\]]*)\]", words))
    assert told == Counter(words for _, _, words, _ in boxes(figure_svg.render(figure)))


@pytest.mark.parametrize("seed", range(3))
def test_lru_each_box_is_a_folio_in_the_order_of_reclaim(seed):
    m = drawn_machine(seed)
    figure = lru.figure(m)
    drawn = {}
    for heading, _, letter, title in boxes(figure_svg.render(figure)):
        pfn, pages = re.match(r"frame 0x(\w+)(?:, (\d+) pages)?:", title).groups()
        drawn.setdefault(heading.split(":")[0], []).append((int(pfn, 16), int(pages or 1)))
        frame = m.frames([int(pfn, 16)])[0]
        assert {"anon": "A", "shmem": "S", "file": "F"}[frame.kind] == letter.upper() and letter.isupper() == ("referenced" in frame.flags)
    ((path, lists),) = m.lru_lists()
    assert path == "/" and drawn == {name: folios for name, folios in zip(lru.LISTS, lists, strict=True) if folios}
    told = Counter()
    for heading, _, letters in rows_of(figure):
        told[heading.split(":")[0]] += len(letters)
    assert told == Counter({name: len(folios) for name, folios in drawn.items()})


def test_cache_the_frames_are_those_that_hold_the_file():
    m = boot()
    m.mkfile("/f", 100 * PAGE)
    m.spawn("p", None, [b"p"], [])
    m.read(1, "/f", 3 * PAGE, 100)
    address = m.mmap(1, 0, 100 * PAGE, 3, 1, "/f")
    m.touch(1, address + 60 * PAGE, 2 * PAGE, "r")
    m.write(1, "/f", 90 * PAGE, b"x" * PAGE)
    m.store(1, address + 61 * PAGE, b"y")
    figure = cache.figure(m, "/f")
    truth = {frame.index: (frame.pfn, frame.mapcount, "dirty" in frame.flags)
             for frame in m.frames(range((1 << 30) // PAGE)) if frame.mapping == "/f"}
    drawn = {}
    for _, _, letter, title in boxes(figure_svg.render(figure)):
        match = re.fullmatch(r"block (\d+) is in frame 0x(\w+), mapped (\d+) times(, dirty)?", title)
        if match is None:
            assert letter == "."
            continue
        index, pfn, mapped, dirty = match.groups()
        drawn[int(index)] = (int(pfn, 16), int(mapped), dirty is not None)
        assert letter == ("*" if dirty else "M" if int(mapped) else "F")
    assert drawn == truth and any(dirty for _, _, dirty in truth.values()) and any(mapped for _, mapped, _ in truth.values())
    told = {}
    for _, label, words in rows_of(figure):
        if (match := re.match(r"blocks? (\d+)(?:\.\.(\d+))?$", label)) and (frames := re.match(r"frames (\w+)(?:\.\.(\w+))?", words)):
            first, last, pfn = int(match[1]), int(match[2] or match[1]), int(frames[1], 16)
            told |= {first + i: pfn + i for i in range(last - first + 1)}
    assert told == {index: pfn for index, (pfn, _, _) in truth.items()}


def test_heap_each_box_is_what_lies_there():
    m = boot()
    m.spawn("p", None, [b"p"], [])
    blocks = [m.malloc(1, size) for size in (24, 100, 2000, 100, 3000, 50, 90000, 24, 24, 40)]
    for i in (1, 2, 4, 6, 8):
        m.free(1, blocks[i])
    listed = json.loads(b"[" + m.heap_chunks(1, True) + b"]")
    chunks = [(int(chunk["address"], 16), chunk["size_bytes"], chunk["state"]) for chunk in listed]
    figure = heap.figure(m, 1)
    seen, drawn = set(), boxes(figure_svg.render(figure))
    for _, _, letter, title in drawn:
        start, unit, words = re.match(r"0x(\w+), (\d+) bytes: (.*)", title).groups()
        there = {(at, state) for at, size, state in chunks if at < int(start, 16) + int(unit) and int(start, 16) < at + size}
        seen |= there
        states = {state for _, state in there}
        if words == "several":
            assert letter == "+" and len(states) > 1
        else:
            assert states <= KEPT.get(words, {words}) or words.startswith("table") or words == "fence", (title, states)
    on_heap = {(at, state) for at, size, state in chunks if state not in ("mapped", "mmapped")}
    assert seen >= on_heap and len({state for _, state in seen}) >= 4
    assert "".join(words for _, _, words in rows_of(figure)) == "".join(letter for _, _, letter, _ in drawn)


@pytest.mark.parametrize("seed", range(3))
def test_vmas_the_lines_join_parents_and_children(seed):
    m = drawn_machine(seed)
    pid = m.tasks()[-1].pid
    root = ET.fromstring(vmas.render_svg(vmas.read(m, pid)))
    at = {}
    truth = {node.start: node for node in m.vma_tree(pid)}
    for rect in root.iter(NS + "rect"):
        start, end, gap = re.match(r"0x(\w+)-0x(\w+); .* has (\d+) bytes", rect.find(NS + "title").text).groups()
        node = truth[int(start, 16)]
        assert (node.end, node.subtree_gap) == (int(end, 16), int(gap))
        at[int(rect.get("x")), int(rect.get("y"))] = node.start
    assert len(at) == len(truth)
    joined = set()
    for path in root.iter(NS + "path"):
        if path.get("class") == "wire":
            px, py, y, x = map(int, re.fullmatch(r"M(\d+) (\d+)V(\d+)H(\d+)", path.get("d")).groups())
            parent = next(at[px - 20, py - 8 - side] for side in (-8, 8) if (px - 20, py - 8 - side) in at and (side < 0) == (y < py))
            joined.add((parent, at[x, y - 8]))
    assert joined == {(node.start, child) for node in truth.values() for child in (node.left, node.right) if child is not None}


@pytest.mark.parametrize("seed", range(3))
def test_space_the_parts_are_the_areas_with_their_entries(seed):
    m = drawn_machine(seed)
    pid = m.tasks()[-1].pid
    shown = space.read(m, pid)
    root = ET.fromstring(space.render_svg(shown))
    parts = [re.fullmatch(r"0x(\w+)-0x(\w+): (.*)", rect.find(NS + "title").text).groups() for rect in root.iter(NS + "rect")]
    areas = {}
    for start, last, what in parts:
        if match := re.search(r", (\d+) entr(?:y|ies)$", what):
            areas[int(start, 16), int(last, 16) + 1] = int(match[1])
    truth = {}
    for vma in m.maps(pid):
        if vma.start < m.mm(pid).task_size:
            words = m.entries(pid, vma.start, vma.end)
            present = sum(int.from_bytes(words[i + 32:i + 40], "little") >> 16 & 1 for i in range(0, len(words), 40))
            truth[vma.start, vma.end] = present
    assert areas == truth and sum(truth.values())
    borders = [int(text.text, 16) for text in root.iter(NS + "text") if re.fullmatch(r"[0-9a-f]{16}", text.text or "")]
    assert borders == [int(parts[0][1], 16), *[int(start, 16) for start, _, _ in parts]]
    for start, last, what in parts:
        if what.endswith(" mapped") and "nothing" not in what:
            assert any(m.entries(pid, int(start, 16), int(last, 16)))
