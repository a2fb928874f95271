"""Where execve put a program when addresses were randomized: inferred from the lines that follow.

What is modelled: the inverse of load_elf_binary() and mmap_base() (Linux v6.12 fs/binfmt_elf.c, arch/x86/mm/mmap.c). No line shows what
execve mapped, but the dynamic linker soon names parts of it:
    brk(NULL) = B                    the start of the heap
    mprotect(A, L, PROT_READ)        the RELRO part of a program header known from the file, so A minus its place is the load bias;
                                     of the program (below) and of ld.so (above), the ranges that no mmap of the log covers
    mmap(NULL, L, …) = A             the highest hole: it ends where the vdso's block begins
The top of the mmap area is the end of ld.so, which takes the highest hole; the vdso is glued below ld.so. In a legacy layout
(ADDR_COMPAT_LAYOUT) ld.so takes the lowest hole from a third of the space on.
Simplified: the place of the stack cannot be known; it stays at the machine's own.
"""

from typing import NamedTuple

from vmtool.images import Image
from vmtool.strace import hot, parser
from vmtool.strace.geometry import Geometry
from vmtool.strace.lexer import Event
from vmtool.uapi import ADDR_LIMIT_3GB, PROT_READ

BOTTOM_UP_64 = 0x2AAAAAAAB000, 0x3AAAAAAAB000  # where a legacy layout begins: a third of the space, and 28 bits of pages above
PIE_64 = 0x555555554000
TASK_SIZE_64, TASK_SIZE_32, TASK_SIZE_3GB = 0x7FFFFFFFF000, 0xFFFFE000, 0xC0000000
GAP = 128 << 20  # from the end of the space to mmap_base, with a stack of up to 127 MB


class Clues(NamedTuple):
    """What the first lines of a program tell."""

    brk: int | None
    first_mmap_end: int | None
    protected: list[tuple[int, int]]  # (address, length) of mprotect(PROT_READ) outside the log's own mappings


class Layout(NamedTuple):
    """The bases of one execve; None: not known, the kernel's own rule without randomization."""

    mmap_base: int | None = None
    exe_base: int | None = None
    interp_base: int | None = None
    vdso: int | None = None
    start_brk: int | None = None
    is_bottom_up: bool = False


def span(image: Image, g: Geometry) -> int:
    """Bytes from an image's first page to its last."""
    return g.up(max(s.vaddr + s.memsz for s in image.segments)) - g.down(image.segments[0].vaddr)


def relro(image: Image, g: Geometry) -> tuple[int, int] | None:
    """(first page, length) that the dynamic linker makes read-only: both ends rounded down."""
    if image.relro is None:
        return None
    start = g.down(image.relro[0])
    end = g.down(image.relro[0] + image.relro[1])
    return (start, end - start) if end > start else None


def task_size(image: Image, person: int) -> int:
    """Where a program's address space ends."""
    if not image.is_32:
        return TASK_SIZE_64
    return TASK_SIZE_3GB if person & ADDR_LIMIT_3GB else TASK_SIZE_32


def pie_base(image: Image, person: int, g: Geometry) -> int:
    """Where a position-independent program goes; for 32 bits 16 MB above a third of the space."""
    return g.up(task_size(image, person) // 3) + 0x1000000 if image.is_32 else PIE_64


def expected_brk(image: Image, person: int, g: Geometry) -> int:
    """start_brk of a program that is not randomized."""
    end = g.up(max(s.vaddr + s.memsz for s in image.segments))
    if not image.is_dyn:
        return end
    base = pie_base(image, person, g)
    if image.interp is None:
        return base if image.is_32 else base + g.page
    align = max(s.align for s in image.segments)
    return (base & -max(align, g.page)) + end


def first_clues(events: list[Event], g: Geometry) -> Clues:
    """The heap and the first mapping alone: they tell whether more is needed."""
    brk: int | None = None
    for at, (_, _, name, _, _) in enumerate(events):
        if name == "brk" and brk is None:
            brk = clues(events[at : at + 1], g).brk
        elif name in ("mmap", "mmap2", "old_mmap"):
            return clues(events[at : at + 1], g)._replace(brk=brk)
    return Clues(brk, None, [])


def clues(events: list[Event], g: Geometry) -> Clues:
    """From the lines of one process, in order, after its execve."""
    brk: int | None = None
    first_end: int | None = None
    mapped: list[tuple[int, int]] = []
    protected: list[tuple[int, int]] = []
    for _, _, name, text, _ in events:
        try:
            if name == "brk" and brk is None:
                addr, answer, _ = hot.brk(text)
                brk = answer if addr == 0 else brk
            elif name in ("mmap", "mmap2", "old_mmap"):
                call = parser.mmap(text)
                value = call.result.value
                if value is None or call.result.errno:
                    continue
                if first_end is None and call.addr == 0 and call.length < 1 << 20:
                    first_end = g.up(value + call.length)
                mapped.append((value, g.up(value + call.length)))
            elif name == "mprotect":
                start, length, prot, _, answer, _ = hot.ranges(text)
                if prot == PROT_READ and answer == 0 and not any(a <= start < b for a, b in mapped):
                    protected.append((start, g.up(length)))
        except ValueError:
            continue  # the first half of a call; reported when it is its turn
    return Clues(brk, first_end, protected)


def is_randomized(image: Image, found: Clues, person: int, g: Geometry) -> bool:
    if found.brk is not None:
        return found.brk != expected_brk(image, person, g)
    if found.first_mmap_end is not None:
        top = task_size(image, person) - GAP
        return not top - (64 << 20) <= found.first_mmap_end <= top
    return False


def elsewhere(image: Image, found: Clues, person: int, g: Geometry) -> Layout:
    """Not randomized, but the highest hole ends where RLIMIT_STACK of 8 MB does not put it: another limit that no line shows."""
    top = task_size(image, person) - GAP
    if found.first_mmap_end is None or top - (64 << 20) <= found.first_mmap_end <= top:
        return Layout()
    place = infer(image, found, g)
    return Layout(mmap_base=place.mmap_base, interp_base=place.interp_base, vdso=place.vdso, is_bottom_up=place.is_bottom_up)


def infer(image: Image, found: Clues, g: Geometry) -> Layout:
    """The layout that explains the clues; fields without a clue stay None."""
    exe_base = interp_base = mmap_base = vdso = None
    biases = _biases(image, found, g) if image.is_dyn else []
    if image.interp is not None:
        interp = image.interp
        interp_base = _nearest(_biases(interp, found, g), found)
        if interp_base is None and found.first_mmap_end is not None:
            interp_base = found.first_mmap_end + g.vdso - g.down(interp.segments[0].vaddr)
        others = [b for b in biases if not _same_part(image, b, interp, interp_base, g)]
        exe_base = min(others) if others else None
        if interp_base is not None and not image.is_32 and BOTTOM_UP_64[0] <= interp_base < BOTTOM_UP_64[1]:
            return Layout(interp_base, exe_base, interp_base, None, found.brk, is_bottom_up=True)
        if interp_base is not None:
            mmap_base = interp_base + span(interp, g)
    else:
        exe_base = max(biases) if biases else None
        if found.first_mmap_end is not None:
            mmap_base, vdso = found.first_mmap_end + g.vdso, found.first_mmap_end
        if exe_base is not None and span(image, g) < 2 << 20:
            mmap_base, vdso = exe_base + span(image, g), exe_base - g.vdso
    return Layout(mmap_base, exe_base, interp_base, vdso, found.brk)


def without_program(found: Clues, g: Geometry) -> Layout:
    """For a program that nobody knows: later answers agree when the heap and the highest hole are where they were."""
    end = found.first_mmap_end
    return Layout(mmap_base=None if end is None else end + g.vdso, vdso=end, start_brk=found.brk)


def _nearest(biases: list[int], found: Clues) -> int | None:
    """Of several places for ld.so that which is nearest to the first mapping of the program's own; the highest when there is none."""
    if not biases:
        return None
    end = found.first_mmap_end
    return max(biases) if end is None else min(biases, key=lambda b: abs(b - end))


def _same_part(image: Image, bias: int, other: Image, its_bias: int | None, g: Geometry) -> bool:
    """Whether two images would have their RELRO parts at one place."""
    one, two = relro(image, g), relro(other, g)
    return one is not None and two is not None and its_bias is not None and one[0] + bias == two[0] + its_bias


def _biases(image: Image, found: Clues, g: Geometry) -> list[int]:
    """Load addresses at which one of the protected ranges is this image's RELRO part."""
    part = relro(image, g)
    if part is None:
        return []
    return [addr - part[0] for addr, length in found.protected if length == part[1]]
