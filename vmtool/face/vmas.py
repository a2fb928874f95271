"""The tree by which an address finds its area; each node knows the largest gap in its subtree, so that free room is found, too.

In Linux v6.18 it is a maple tree (lib/maple_tree.c), here a treap (vmtool/mm/vma.pyx): same answers, other nodes. The treap is drawn.
"""

from __future__ import annotations

from vmtool.face import palette, rows
from vmtool.face import scene as s
from vmtool.face.styled import Line, Text
from vmtool.face.svg_document import LEFT, ROW, document
from vmtool.face.xml import element, escape, title
from vmtool.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine
    from vmtool.records import VmaNode

STEP, BOX_WIDTH, TOP = 150, 330, 50


class Node(NamedTuple):
    """A node in its place. `text` is the area's line."""

    node: VmaNode
    text: str
    depth: int
    parent: int | None  # its first address


class Tree(NamedTuple):
    title: str
    nodes: tuple[Node, ...]  # by address


def read(machine: Machine, pid: int) -> Tree:
    """KernelError(ESRCH)."""
    nodes = {node.start: node for node in machine.vma_tree(pid)}
    parents = {child: node.start for node in nodes.values() for child in (node.left, node.right) if child is not None}
    texts = {vma.start: rows.area_text(s.Area(vma, (), 0, 0, 0)) for vma in machine.maps(pid)}
    depths: dict[int, int] = {}
    waiting = [start for start in nodes if start not in parents]
    for start in waiting:  # grows while it is read: children come after their parent
        depths[start] = depths[parents[start]] + 1 if start in parents else 0
        waiting += [child for child in (nodes[start].left, nodes[start].right) if child is not None and child in nodes]
        if len(waiting) > len(nodes):
            break  # a damaged tree may go round
    placed = [
        Node(node, texts.get(start, f"{start:08x}-{node.end:08x}"), depths.get(start, 0), parents.get(start))
        for start, node in nodes.items()
    ]
    deepest = max([node.depth for node in placed], default=0)
    comm = machine.task(pid).comm
    return Tree(f"The areas of {comm} ({pid}): {len(placed)} in a tree of {deepest + 1} levels", tuple(placed))


def gap_text(node: VmaNode) -> str:
    return f"gap {rows.about(node.subtree_gap)}"


def render(tree: Tree, *, width: int, ascii: bool = False) -> Text:
    """Sideways, the highest address on top, as an address space is drawn."""
    lines = [Line().add(rows.printable(tree.title), palette.HEAD)]
    by_start = {node.node.start: node for node in tree.nodes}
    for node in reversed(tree.nodes):
        line = Line().add(_stem(node, by_start), palette.FAINT).add(rows.printable(node.text))
        lines.append(line.add("  ").pad(width - 12).add(gap_text(node.node), palette.FAINT))
    text = Text(lines)
    return text.in_ascii() if ascii else text


def _stem(node, by_start):
    """Lines from the parents above and below to this node: `│   ┌─ `."""
    drawn = []
    child, parent = node, by_start.get(node.parent)
    if parent is None:
        return ""
    drawn.append("┌─ " if child.node.start > parent.node.start else "└─ ")
    while parent is not None and (grand := by_start.get(parent.parent)) is not None:
        # Between a node and its own child on the other side of it runs the line to the node's parent.
        is_between = (parent.node.start > grand.node.start) != (child.node.start > parent.node.start)
        drawn.append("│  " if is_between else "   ")
        child, parent = parent, grand
    return "".join(reversed(drawn))


def render_svg(tree: Tree) -> str:
    place = {node.node.start: (LEFT + node.depth * STEP, TOP + i * ROW) for i, node in enumerate(reversed(tree.nodes))}
    lines = [element("text", escape(tree.title), x=LEFT, y=26, class_="process")]
    for node in tree.nodes:
        x, y = place[node.node.start]
        if node.parent in place:
            px, py = place[node.parent]
            side = -8 if y < py else 8
            lines.append(element("path", d=f"M{px + 20} {py + 8 + side}V{y + 8}H{x}", class_="wire"))
    for node in tree.nodes:
        x, y = place[node.node.start]
        facts = (
            f"0x{node.node.start:x}-0x{node.node.end:x}; the largest gap before an area of its subtree has {node.node.subtree_gap} bytes"
        )
        box = element("rect", title(facts), x=x, y=y, width=BOX_WIDTH, height=15, class_="box none")
        lines.append(
            box
            + element("text", escape(node.text), x=x + 6, y=y + 12)
            + element("text", gap_text(node.node), x=x + BOX_WIDTH + 8, y=y + 12, class_="faint")
        )
    deepest = max([node.depth for node in tree.nodes], default=0)
    return document(
        lines,
        LEFT * 2 + deepest * STEP + BOX_WIDTH + 110,
        TOP + len(tree.nodes) * ROW + 20,
        tree.title,
        "; ".join([f"{'  ' * node.depth}{node.text}" for node in tree.nodes]),
    )


def as_object(tree: Tree) -> dict:
    nodes = [
        {
            "address": f"0x{node.node.start:x}",
            "end_address": f"0x{node.node.end:x}",
            "gap_bytes": node.node.subtree_gap,
            "left_address": _address(node.node.left),
            "right_address": _address(node.node.right),
        }
        for node in tree.nodes
    ]
    return {"title": tree.title, "nodes": nodes}


def _address(value):
    return None if value is None else f"0x{value:x}"
