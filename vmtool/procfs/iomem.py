"""/proc/iomem: the map of physical memory.

Counterpart: Linux v6.18 kernel/resource.c:r_show(), arch/x86/kernel/e820.c. Only what the machine has: RAM, the kernel's image in
it, and what the firmware kept. Without devices the holes have no lines.
"""

from collections.abc import Iterable

HOLE = "hole"
IMAGE = {"kernel code": "Kernel code", "kernel rodata": "Kernel rodata", "kernel data": "Kernel data", "kernel bss": "Kernel bss"}
LOW_BYTES = 1 << 20
"""Holes below it are the firmware's."""


def render(reserved: Iterable[tuple[int, int, str]], max_pfn: int, page_shift: int) -> str:
    """The file. `reserved`: (first frame, number of frames, what) of what boot kept."""
    ranges = sorted(reserved)
    lines = []
    pfn = 0
    for start, nr, what in [*ranges, (max_pfn, 0, HOLE)]:
        if what != HOLE:
            continue
        if start > pfn:
            lines.append(_line(pfn, start, "System RAM", page_shift))
            lines += [_line(at, at + n, IMAGE[name], page_shift, "  ") for at, n, name in ranges if name in IMAGE and pfn <= at < start]
        if nr and (start + nr) << page_shift <= LOW_BYTES:
            lines.append(_line(start, start + nr, "Reserved", page_shift))
        pfn = start + nr
    return "".join(lines)


def _line(start, end, name, page_shift, indent=""):
    return f"{indent}{start << page_shift:08x}-{(end << page_shift) - 1:08x} : {name}\n"
