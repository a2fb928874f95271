"""Pages in swap: an entry that is not present and names a slot. Put into a scene by hand: no kernel needs to swap for it."""

import re
import xml.etree.ElementTree as ET

from vmtool.face import dot, read, svg, terminal
from vmtool.face import scene as s

from .conftest import story
from .test_svg import NS, moved


def swapped_scene():
    """The heap page of render is in slot 0x1a of area 0, and so is viewer's: two entries name one slot, as after a fork."""
    scene = read.read(story())
    gone = set()

    def page(found):
        if found.state != s.PRESENT or found.addr != 0x403000:
            return found
        gone.add(found.pfn)
        return found._replace(state=s.SWAPPED, pfn=None, nr_frames=0, slot=(0, 0x1A), entry=0x1A << 9, flags=(), writable=False)

    spaces = tuple(
        space._replace(areas=tuple(area._replace(pages=tuple(map(page, area.pages))) for area in space.areas)) for space in scene.spaces
    )
    return scene._replace(spaces=spaces, frames=tuple(run for run in scene.frames if run.pfn not in gone))


def test_in_characters():
    lines = terminal.render(swapped_scene()).plain().splitlines()
    first, second = (line for line in lines if line.startswith("  403 "))
    assert re.match(r"  403 ◇ ┄+ pte [0-9a-f]+\[3\] +┄*┬?[┄│]*▷ swap 0:1a$", first)
    assert re.search(r"pte [0-9a-f]+\[3\] +[┄│]*┘$", second)
    column = second.index("┘")
    assert first[column] == "┬"
    between = lines[lines.index(first) + 1 : lines.index(second)]
    assert all(line[column] == "│" for line in between)
    ascii = terminal.render(swapped_scene(), ascii=True).plain()
    assert re.search(r"  403 \[~\] \.+ pte .*\.> swap 0:1a\n", ascii)


def test_in_svg():
    root = ET.fromstring(svg.render(swapped_scene()))
    ends = []
    for group in root.iter(NS + "g"):
        _, row_y = moved(group)
        for path in group.iter(NS + "path"):
            if path.get("class") == "arrow swap":
                x, y = moved(path)
                dx, dy = map(float, path.get("d").split()[-2:])
                ends.append((x + dx, row_y + y + dy))
    slots = [(group, rect) for group in root.iter(NS + "g") for rect in group.iter(NS + "rect") if rect.get("data-slot") == "swap 0:1a"]
    ((group, rect),) = slots
    _, y = moved(group)
    assert ends == [(float(rect.get("x")), y + float(rect.get("y")) + float(rect.get("height")) / 2)] * 2


def test_as_a_graph():
    text = dot.render(swapped_scene())
    assert len(re.findall(r"table_\w+:e3 -> swap_0_1a \[arrowhead=empty style=dotted\]", text)) == 2
    assert 'swap_0_1a [label="swap 0:1a"]' in text
