"""Pictures of the other structures, each read back and held against what the machine says in another way."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

from vmtool.face import buddy, cache, figure_svg, figure_text, heap, lru, space, tlb, vmas

from .conftest import PAGE, boot, drawn_machine, story

NS = "{http://www.w3.org/2000/svg}"


def drawn(figure):
    """(text, titles of the SVG's boxes): every cell stands in both."""
    text = figure_text.render(figure, width=100).plain()
    root = ET.fromstring(figure_svg.render(figure))
    titles = [title.text for title in root.iter(NS + "title")][1:]
    cells = [cell for group in figure.groups for row in group.rows for cell in row.cells]
    assert titles == [cell.facts for cell in cells]
    assert root.find(NS + "desc").text == figure.description
    assert figure_text.render(figure, width=100, ascii=True).plain().isascii()
    return text, titles


@pytest.mark.parametrize("seed", range(3))
def test_free_blocks_add_up_to_the_free_pages(seed):
    m = drawn_machine(seed)
    text, titles = drawn(buddy.figure(m))
    for zone in m.zones():
        if zone.present:
            section = text.split(f"zone {zone.name}: free {zone.free},")[1].split("\nzone")[0]
            counts = {int(order): int(nr) for order, nr in re.findall(r"order +(\d+) +\w+ ×(\d+)", section)}
            assert tuple(counts.values()) == zone.free_area
            assert sum(nr << order for order, nr in counts.items()) == zone.free
            assert [int(nr) for nr in re.findall(r"CPU \d+ list ×(\d+)", section)] == [lists[0] for lists in zone.pcp]
    small = [nr for zone in m.zones() for nr in zone.free_area if nr <= buddy.MOST_BOXES]
    assert len(titles) == sum(small) + buddy.MOST_BOXES * sum(nr > buddy.MOST_BOXES for zone in m.zones() for nr in zone.free_area)


@pytest.mark.parametrize("seed", range(3))
def test_the_tlb_has_each_entry_once_in_its_set(seed):
    m = drawn_machine(seed)
    text, titles = drawn(tlb.figure(m))
    assert len(titles) == len(m.tlb()) == text.count("→") - 1  # one in the legend
    for entry in m.tlb():
        assert f"{entry.vpn:x}→{entry.pfn:x} " in text or entry.page_shift > 12


def test_what_the_tlb_shows_is_what_a_walk_finds():
    m = story()
    _, titles = drawn(tlb.figure(m))
    current = next(task.pid for task in m.tasks() if task.current)
    assert titles
    for page, pfn in [re.search(r"page 0x(\w+) is in frame 0x(\w+)", title).groups() for title in titles]:
        assert m.translate(current, int(page, 16)) >> 12 == int(pfn, 16)


def test_a_file_s_blocks_are_those_of_fincore():
    m = boot()
    m.mkfile("/f", 300 * PAGE + 1)
    m.spawn("p", None, [b"p"], [])
    m.read(1, "/f", 5 * PAGE, 100)
    m.read(1, "/f", 200 * PAGE, 9 * PAGE)
    m.write(1, "/f", 40 * PAGE, b"x" * PAGE)
    text, titles = drawn(cache.figure(m, "/f"))
    held = [title for title in titles if " is in frame " in title]
    assert [int(re.match(r"block (\d+)", title)[1]) for title in held] == m.fincore("/f")
    assert len(titles) == 301
    for title in held:
        index, pfn = re.match(r"block (\d+) is in frame 0x(\w+)", title).groups()
        frame = m.frames([int(pfn, 16)])[0]
        assert (frame.mapping, frame.index, "dirty" in frame.flags) == ("/f", int(index), title.endswith(", dirty"))
    letters = "".join(re.findall(r"block \d+ +([F*M.]+)", text))
    assert letters.count("*") == 1 and letters[40] == "*"


def test_the_heap_s_map_is_that_of_its_chunks():
    m = boot()
    m.spawn("p", None, [b"p"], [])
    blocks = [m.malloc(1, size) for size in (100, 2000, 100, 3000, 50)]
    m.free(1, blocks[1])
    m.free(1, blocks[3])
    text, titles = drawn(heap.figure(m, 1))
    chunks = json.loads(b"[" + m.heap_chunks(1, True) + b"]")
    for title in titles:
        start, unit, words = re.match(r"0x(\w+), (\d+) bytes: (.*)", title).groups()
        start, end = int(start, 16), int(start, 16) + int(unit)
        states = {
            chunk["state"]
            for chunk in chunks
            if int(chunk["address"], 16) < end and start < int(chunk["address"], 16) + chunk["size_bytes"]
        }
        if len(states) == 1 and states <= {"live", "free", "top"}:
            assert words == states.pop()
    assert "3 live chunks" in text


@pytest.mark.parametrize("seed", range(3))
def test_the_lru_lists_are_as_long_as_the_kernel_counts(seed):
    m = drawn_machine(seed)
    text, titles = drawn(lru.figure(m))
    counts = m.vmstat()
    for name in (*lru.LISTS, "unevictable"):
        assert int(re.search(rf"(?m)^{name}: (\d+) pages", text)[1]) == counts[f"nr_{name}"]
    for title in titles:
        frame = m.frames([int(re.match(r"frame 0x(\w+)", title)[1], 16)])[0]
        assert frame.kind in ("anon", "file", "shmem") and "lru" in frame.flags
        assert ("referenced" in frame.flags) == (not title.endswith("not referenced") and "referenced" in title)


def test_reclaim_takes_the_front_of_a_list():
    m = boot()
    m.mkfile("/f", 400 * PAGE)
    m.spawn("p", None, [b"p"], [])
    m.read(1, "/f", 0, 400 * PAGE)
    section = next(group for group in lru.figure(m).groups if group.heading.startswith("inactive_file"))
    order = [int(cell.facts.split(":")[0].removeprefix("frame 0x"), 16) for row in section.rows for cell in row.cells]
    pages = {frame.pfn: frame.index for frame in m.frames(order) if frame.mapping == "/f"}
    m.reclaim(40)
    gone = set(pages.values()) - set(m.fincore("/f"))
    assert gone and gone == {pages[pfn] for pfn in [pfn for pfn in order if pfn in pages][: len(gone)]}


@pytest.mark.parametrize("seed", range(3))
def test_the_tree_finds_each_area_and_the_largest_gap(seed):
    m = drawn_machine(seed)
    pid = m.tasks()[-1].pid
    tree = vmas.read(m, pid)
    nodes = {node.node.start: node for node in tree.nodes}
    areas = [vma for vma in m.maps(pid) if vma.start < 1 << 63]
    assert [(node.node.start, node.node.end) for node in tree.nodes] == [(vma.start, vma.end) for vma in areas]
    gaps = {vma.start: vma.start - (areas[i - 1].end if i else 0) for i, vma in enumerate(areas)}

    def walk(start):
        if start is None:
            return []
        node = nodes[start].node
        left, right = walk(node.left), walk(node.right)
        assert node.subtree_gap == max(gaps[at] for at in [*left, start, *right])
        return [*left, start, *right]

    (root,) = [node for node in tree.nodes if node.parent is None]
    assert walk(root.node.start) == [vma.start for vma in areas]
    text = vmas.render(tree, width=100).plain()
    assert re.findall(r"(?m)^[ │┌└─]*([0-9a-f]+)-[0-9a-f]+ ", text) == [f"{vma.start:08x}" for vma in reversed(areas)]
    assert [line.index(f"{nodes[vma.start].text[:8]}") // 3 for line, vma in zip(text.splitlines()[1:], reversed(areas), strict=True)] == [
        nodes[vma.start].depth for vma in reversed(areas)
    ]
    root = ET.fromstring(vmas.render_svg(tree))
    assert len(list(root.iter(NS + "rect"))) == len(areas)
    assert len([path for path in root.iter(NS + "path") if path.get("class") == "wire"]) == len(areas) - 1


@pytest.mark.parametrize(
    "arch, top, user", [("x86-64", "f" * 16, 0x7FFFFFFFF000), ("i386", "f" * 8, 0xC0000000), ("arm64", "f" * 16, 1 << 48)]
)
def test_a_space_is_drawn_from_the_first_address_to_the_last(arch, top, user):
    m = boot(arch=arch)
    m.spawn("p", None, [b"p"], [])
    shown = space.read(m, 1)
    parts = list(reversed(shown.parts))
    assert parts[0].start == 0 and f"{parts[-1].last:x}" == top
    assert all(below.last + 1 == above.start for below, above in zip(parts, parts[1:], strict=False))
    assert any(part.start == user for part in parts)
    areas = [(vma.start, vma.end - 1) for vma in m.maps(1) if vma.start < user]
    assert [(part.start, part.last) for part in parts if re.search(r", \d+ entr(y|ies)$", part.what)] == areas
    text = space.render(shown, width=80).plain()
    borders = re.findall(r"(?m)^([0-9a-f]+) [├┴]", text)
    assert [int(border, 16) for border in borders] == [part.start for part in shown.parts]
    assert max(map(len, text.splitlines())) <= 80
    root = ET.fromstring(space.render_svg(shown))
    heights = [float(rect.get("height")) for rect in root.iter(NS + "rect")]
    assert heights == [22 * space.height(part) for part in shown.parts]
    assert space.height(parts[-1]) >= 1


def test_the_kernel_s_half_is_what_its_tables_map():
    m = boot(ram_bytes=512 << 20)
    m.spawn("p", None, [b"p"], [])
    part = next(part for part in space.read(m, 1).parts if part.what.startswith("direct map"))
    assert part.what == "direct map of all memory, 512M mapped"
    assert m.walk(1, part.start).phys == 0
