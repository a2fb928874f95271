"""A page walk bit by bit: the address cut into fields, then each entry with every flag in its box; and one self-describing line a level.

    0x7ffffffde010
    |63       48|47     39|38     30|29     21|20     12|11     0|
    |           |     pgd |     pud |     pmd |     pte | offset |
    |           |     255 |     511 |     511 |     478 |   0x10 |

Names of flags are those of the format's own table, as in the walk's rows; a bit that has none in it stays blank.
"""

from typing import NamedTuple

from vmtool.records import Walk, WalkStep


class Box(NamedTuple):
    """Bits high..low under one name."""

    high: int
    low: int
    name: str
    value: str

    def texts(self) -> tuple[str, str, str]:
        bits = str(self.high) if self.high == self.low else f"{self.high}-{self.low}"
        return bits, self.name, self.value


def draw(boxes: list[Box], indent: str = "  ") -> str:
    """A row of boxes: numbers of the bits, names, values. Boxes without a name and a set bit are one gap."""
    columns = [box.texts() for box in boxes]
    widths = [max(len(text) for text in column) for column in columns]
    rule = indent + "+" + "+".join("-" * (width + 2) for width in widths) + "+\n"
    rows = ["".join(f"| {column[row]:>{width}} " for column, width in zip(columns, widths, strict=True)) for row in range(3)]
    return rule + "".join(f"{indent}{row}|\n" for row in rows) + rule


def address_boxes(walk: Walk) -> list[Box]:
    """The fields that the walk cut the address into, the highest first."""
    if not walk.steps:
        return [Box(walk.va_bits - 1, 0, "address", f"0x{walk.addr:x}")]
    top = walk.steps[0].high
    boxes = [Box(walk.va_bits - 1, top + 1, "", f"0x{walk.addr >> top + 1:x}")] if walk.va_bits - 1 > top else []
    boxes += [Box(step.high, step.low, step.level, str(step.index)) for step in walk.steps]
    low = walk.steps[-1].low
    return [*boxes, Box(low - 1, 0, "offset", f"0x{walk.addr & ((1 << low) - 1):x}")]


def entry_boxes(step: WalkStep, entry_bits: int) -> list[Box]:
    """Flags one by one, the address of the frame or table, and what lies between."""
    names = dict(step.names)
    boxes: list[Box] = []
    bit = entry_bits - 1
    while bit >= 0:
        if bit == step.base_high and step.present:
            value = step.entry >> step.base_low & ((1 << step.base_high - step.base_low + 1) - 1)
            boxes.append(Box(bit, step.base_low, "frame" if step.leaf else "table", f"0x{value << step.base_low + step.base_up:x}"))
            bit = step.base_low - 1
            continue
        if bit in names:
            boxes.append(Box(bit, bit, names[bit], str(step.entry >> bit & 1)))
            bit -= 1
            continue
        low = bit
        while low and low - 1 not in names and not (step.present and low - 1 == step.base_high):
            low -= 1
        value = step.entry >> low & ((1 << bit - low + 1) - 1)
        boxes.append(Box(bit, low, "", f"0x{value:x}" if value else ""))
        bit = low - 1
    return boxes


def render_bits(walk: Walk, end: str) -> str:
    """`end`: the last line of the walk's other forms."""
    text = f"address 0x{walk.addr:x}\n" + draw(address_boxes(walk))
    text += f"{walk.register} = 0x{walk.root:x}\n"
    for step in walk.steps:
        text += f"{step.level}[{step.index}] at 0x{step.entry_addr:x} = 0x{step.entry:x}\n"
        boxes = entry_boxes(step, walk.entry_bits)
        half = walk.entry_bits // 2
        rows = [boxes] if walk.entry_bits <= 32 else [[b for b in boxes if b.high >= half], [b for b in boxes if b.high < half]]
        text += "".join(draw(row) for row in rows if row)
        if step.soft:
            text += f"  Linux's own entry: 0x{step.soft:x}\n"
    return text + end + "\n"


def render_flat(walk: Walk, end: str) -> str:
    """One line a level, each telling all of it, for grep."""
    lines = []
    for number, step in enumerate(walk.steps):
        at = f"{walk.register}=0x{walk.root:x}" if number == 0 else f"table=0x{step.table:x}"
        lines.append(f"address=0x{walk.addr:x} level={step.level} {at} index={step.index} bits={step.high}-{step.low} "
                     f"entry_at=0x{step.entry_addr:x} entry=0x{step.entry:x} flags={','.join(step.flags) or '-'}\n")
    return "".join(lines) + f"address=0x{walk.addr:x} {end}\n"
