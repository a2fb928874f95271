"""A page walk, level by level: which table, which entry in it, what the entry says; then the frame.

The hardware does this at each TLB miss: CR3 names the top table, a part of the address the entry in it, the entry the next
table. Counterparts: Intel SDM volume 3 chapter 5; `vtop` of the crash utility for the second form, whose
rows on the area and on struct page are left out here (their addresses in the kernel's memory are not shown).
"""

from vmtool.records import Walk, WalkStep

VTOP_FLAGS = (
    (1 << 0, "PRESENT"),
    (1 << 1, "RW"),
    (1 << 2, "USER"),
    (1 << 3, "PWT"),
    (1 << 4, "PCD"),
    (1 << 5, "ACCESSED"),
    (1 << 6, "DIRTY"),
    (1 << 7, "PSE"),
    (1 << 8, "GLOBAL"),
    (1 << 63, "NX"),
)
SWP_OFFSET_LOW = 9  # of x86-64's entries: the offset is in bits 58 to 9, inverted
PAGE_SIZES = {1 << 20: "1MB", 2 << 20: "2MB", 4 << 20: "4MB", 32 << 20: "32MB", 1 << 30: "1GB"}


def size_text(nr_bytes: int) -> str:
    """`4 kB`, `2 MB`, `1 GB`."""
    for shift, unit in ((30, "GB"), (20, "MB")):
        if nr_bytes >> shift:
            return f"{nr_bytes >> shift} {unit}"
    return f"{nr_bytes >> 10} kB"


def render(walk: Walk) -> str:
    """The walk as a table, and where it ended."""
    from vmtool.views.table import table

    width = walk.entry_bits // 4
    rows = [
        (step.level, f"{step.table:x}", step.index, f"{step.entry_addr:x}", f"{step.entry:0{width}x}", " ".join(step.flags) or "-")
        for step in walk.steps
    ]
    steps = table(("level", "table", "index", "entry at", "entry", "flags"), rows, left="level flags") if rows else ""
    return f"address 0x{walk.addr:x}, {walk.register} 0x{walk.root:x}\n{steps}{end(walk)}\n"


def end(walk: Walk) -> str:
    """Where the walk ended, and how the processor tells the kernel when a program's read fails there."""
    from vmtool.views.walk_fault import fault

    told = fault(walk)
    if walk.phys is None:
        at = f" at {walk.steps[-1].level}" if walk.steps else ""
        return f"no translation: {walk.reason or 'not present'}{at}" + (f"; {told}" if told else "")
    found = f"frame 0x{walk.phys >> walk.page_shift:x}, physical address 0x{walk.phys:x}, page of {size_text(walk.page_bytes)}"
    return found + (f"; a program's read: {told}" if told else "")


def render_vtop(walk: Walk, is_zero_page: bool = False) -> str:
    """The same as crash's `vtop` prints it, up to the entry's flags."""
    mapped = "(not mapped)" if walk.phys is None else f"{walk.phys:<16x}"
    text = f"{'VIRTUAL':<10}  {'PHYSICAL':<16}\n{walk.addr:<10x}  {mapped}\n\n"
    text += "".join([f"{step.level.upper():>6}: {step.entry_addr:x} => {step.entry:x}\n" for step in walk.steps])
    if walk.phys is None or not walk.steps:
        last = walk.steps[-1] if walk.steps else None
        is_swapped = last is not None and last.entry and last.level == "pte" and walk.arch.startswith("x86-64")
        return text + (("\n" + _vtop_swap(last)) if is_swapped else "") + "\n"
    size = PAGE_SIZES.get(walk.page_bytes, "")
    if size:
        mark = f"({size}, ZERO PAGE)" if is_zero_page else f"({size})"
    else:
        mark = "(ZERO PAGE)" if is_zero_page else ""
    return text + f"  PAGE: {walk.phys & ~(walk.page_bytes - 1):x}  {mark}\n\n{_vtop_entry(walk.steps[-1], walk.register == 'CR3')}\n"


def _centred(text: str, width: int, rest_left: bool = False) -> str:
    """In the middle of `width`; the odd blank goes to the right, or to the left."""
    blanks = max(width - len(text), 0)
    before = (blanks + rest_left) // 2
    return " " * before + text + " " * (blanks - before)


def _vtop_entry(step: WalkStep, is_x86: bool) -> str:
    """PTE, PHYSICAL and FLAGS of the entry that maps the page; crash has names of its own for x86's."""
    base = step.entry >> step.base_low & ((1 << step.base_high - step.base_low + 1) - 1)
    entry, phys = f"{step.entry:x}", f"{base << step.base_low + step.base_up:x}"
    widths = max(len(entry), 3), max(len(phys), 8)
    flags = "|".join([name for bit, name in VTOP_FLAGS if step.entry & bit] if is_x86 else step.flags)
    return (
        f"{_centred('PTE', widths[0])}  {_centred('PHYSICAL', widths[1])}  FLAGS\n"
        f"{_centred(entry, widths[0], True)}  {_centred(phys, widths[1], True)}  ({flags})\n"
    )


def _vtop_swap(step: WalkStep) -> str:
    """A page in swap: the type in the entry's top five bits, the complement of the offset below (x86-64)."""
    entry, device = f"{step.entry:x}", f"{step.entry >> 59}"
    offset = str((~step.entry & ((1 << 59) - 1)) >> SWP_OFFSET_LOW)
    widths = max(len(entry), 3), max(len(device), 4), max(len(offset), 6)
    heads = (_centred(word, width) for word, width in zip(("PTE", "SWAP", "OFFSET"), widths, strict=True))
    values = (_centred(word, width, True) for word, width in zip((entry, device, offset), widths, strict=True))
    return "  ".join(heads) + "\n" + "  ".join(values) + "\n"
