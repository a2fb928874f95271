"""A whole address space, to scale by logarithm, the kernel's half on top: what lies between which borders, and how much of it is mapped.

    ffffffffffffffff ┬────────────────────────────┐
                     │ kernel                     │
    ffff800000000000 ├────────────────────────────┤
                     │ no addresses               │
    00007ffffffff000 ├────────────────────────────┤

An address is where the part above it begins. The height of a part is the logarithm of its size. Parts of the kernel's half are what its
tables map, read from the process's own
top table, which has them all; names of its regions as Documentation/arch/x86/x86_64/mm.rst of Linux v6.18 gives them.
"""

from __future__ import annotations

import struct

from vmtool.face import palette, rows
from vmtool.face import scene as s
from vmtool.face.styled import Line, Text
from vmtool.face.svg_document import LEFT, document
from vmtool.face.xml import element, escape, title
from vmtool.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine

ENTRY = struct.Struct("<5Q")
IS_PRESENT = 1 << 16
TOP = (1 << 64) - 1
REGIONS = {  # by number of levels: (start, what the kernel has from there on)
    4: (
        (0xFFFF888000000000, "direct map of all memory"),
        (0xFFFFC90000000000, "vmalloc"),
        (0xFFFFEA0000000000, "struct page of each frame"),
        (0xFFFFFFFF80000000, "kernel text and data"),
        (0xFFFFFFFFA0000000, "modules"),
    ),
    5: (
        (0xFF11000000000000, "direct map of all memory"),
        (0xFFA0000000000000, "vmalloc"),
        (0xFFD4000000000000, "struct page of each frame"),
        (0xFFFFFFFF80000000, "kernel text and data"),
        (0xFFFFFFFFA0000000, "modules"),
    ),
}


class Part(NamedTuple):
    """From `start` to `last`, both inside. `use` is a class of a picture."""

    start: int
    last: int
    what: str
    use: str


class Space(NamedTuple):
    title: str
    parts: tuple[Part, ...]  # from the top down
    digits: int


def read(machine: Machine, pid: int) -> Space:
    """KernelError(ESRCH)."""
    task, mm, info = machine.task(pid), machine.mm(pid), machine.info()
    bits = machine.word_bytes(pid) * 8
    vmas = [vma for vma in machine.maps(pid) if vma.start < mm.task_size]
    parts: list[Part] = []
    at = 0
    for vma in vmas:
        if vma.start > at:
            parts.append(Part(at, vma.start - 1, "", "none"))
        present = sum([1 for entry in ENTRY.iter_unpack(machine.entries(pid, vma.start, vma.end)) if entry[4] & IS_PRESENT])
        name = rows.area_text(s.Area(vma, (), 0, 0, 0)).split(" ", 1)[1]
        parts.append(
            Part(
                vma.start,
                vma.end - 1,
                f"{name}, {rows.size_text(vma.end - vma.start)}, {_count(present)}",
                "file" if vma.is_file else "anon",
            )
        )
        at = vma.end
    if at < mm.task_size:
        parts.append(Part(at, mm.task_size - 1, "", "none"))
    parts += _kernel_half(machine, pid, mm.task_size, info, bits)
    kind = f"{info.arch}, {bits} bits" if info.levels < 4 else f"{info.arch}, {info.levels} levels"
    return Space(f"The address space of {task.comm} ({pid}), {kind}", tuple(reversed(parts)), bits // 4)


def _kernel_half(machine, pid, task_size, info, bits):
    """What is above the user's part, from the bottom up."""
    top = (1 << bits) - 1
    start = task_size
    parts = []
    if bits == 64 and info.arch.startswith("x86"):
        half = (1 << 64) - (1 << info.page_shift + info.pmd_order * info.levels - 1)
        parts.append(Part(task_size, half - 1, "no addresses: the upper bits are not all alike", "absent"))
        start = half
    mapped = _mapped(machine, pid, start, top)
    names = REGIONS.get(info.levels, ()) if info.arch.startswith("x86") else ()
    borders = [(address, name) for address, name in names if address > start]
    for i, (address, name) in enumerate([(start, "kernel"), *borders]):
        last = borders[i][0] - 1 if i < len(borders) else top
        inside = sum([min(b, last) - max(a, address) + 1 for a, b in mapped if a <= last and b >= address])
        words = f"{name}, {rows.size_text(inside)} mapped" if inside else f"{name}, nothing mapped"
        parts.append(Part(address, last, words, "kernel" if inside else "none"))
    return parts


def _mapped(machine, pid, start, top):
    """Ranges that the tables map, both ends inside."""
    found: list[list[int]] = []
    for addr, _, _, _, marks in ENTRY.iter_unpack(machine.entries(pid, start, top)):
        if marks & IS_PRESENT:
            last = addr + (1 << (marks >> 8 & 0xFF)) - 1
            if found and found[-1][1] + 1 == addr:
                found[-1][1] = last
            else:
                found.append([addr, last])
    return found


def _count(nr):
    return f"{nr} {'entry' if nr == 1 else 'entries'}"


def height(part: Part) -> int:
    """In rows: one for a page, one more for each factor of 4,096."""
    return 1 + max(0, (part.last - part.start + 1).bit_length() - 13) // 12


def render(space: Space, *, width: int, ascii: bool = False) -> Text:
    """In characters: an address at each border."""
    inner = width - space.digits - 4
    lines = [Line().add(space.title, palette.HEAD)]
    border, edge = space.parts[0].last, "┬" + "─" * inner + "┐"
    for part in space.parts:
        lines.append(Line().add(f"{border:0{space.digits}x} ", palette.FAINT).add(edge))
        border, edge = part.start, "├" + "─" * inner + "┤"
        text = rows.printable(part.what or f"free, {rows.about(part.last - part.start + 1)}")
        for i in range(height(part)):
            words = text[: inner - 2] if i == 0 else ""
            style = part.use if part.use in palette.SGR else palette.FAINT
            lines.append(Line().pad(space.digits + 1).add("│ ").add(f"{words:<{inner - 1}}", style).add("│"))
    lines.append(Line().add(f"{border:0{space.digits}x} ", palette.FAINT).add("┴" + "─" * inner + "┘"))
    made = Text(lines)
    return made.in_ascii() if ascii else made


def render_svg(space: Space) -> str:
    border = space.parts[0].last
    y, lines = 40, [element("text", escape(space.title), x=LEFT, y=24, class_="process")]
    for part in space.parts:
        tall = 22 * height(part)
        what = part.what or f"free, {rows.about(part.last - part.start + 1)}"
        facts = f"0x{part.start:x}-0x{part.last:x}: {what}"
        box = element("rect", title(facts), x=160, y=y, width=460, height=tall, class_=f"box {part.use}")
        words = element("text", escape(what), x=170, y=y + 15, class_=None if part.what else "faint")
        lines.append(box + words + element("text", f"{border:0{space.digits}x}", x=LEFT, y=y + 5, class_="faint"))
        border = part.start
        y += tall
    lines.append(element("text", f"{border:0{space.digits}x}", x=LEFT, y=y + 5, class_="faint"))
    return document(lines, 640, y + 24, space.title, "; ".join([f"0x{part.start:x}: {part.what or 'free'}" for part in space.parts]))


def as_object(space: Space) -> dict:
    return {
        "title": space.title,
        "parts": [
            {"address": f"0x{part.start:x}", "last_address": f"0x{part.last:x}", "what": part.what or "free"} for part in space.parts
        ],
    }
