"""Programs that nobody knows: an image and a layout that agree with what the log shows, and a sentence that says what was assumed.

What is modelled: a log names the program and shows where its heap begins (brk(NULL)), where the dynamic linker made the RELRO part of the
program and of itself read-only, and where the first mapping went. An image with these parts is laid out as execve would:
    text    a page at the usual base           data    from the RELRO part to a page behind it
    ld.so   where the first mapping leaves room for it, from its RELRO part
Old kernels put mappings upwards from a third of the address space (0x40000000), and 32-bit kernels end it at 0xc0000000.
Simplified: sizes that no line shows are a page; the file has no contents.
Invariant: nothing here is used for a program that the host or a sidecar knows.
"""

from typing import NamedTuple

from vmtool.images import ExecLayout, Image, Segment
from vmtool.strace import hot, parser
from vmtool.strace.geometry import Geometry
from vmtool.strace.layout import Clues, clues
from vmtool.strace.lexer import Event
from vmtool.uapi import ADDR_COMPAT_LAYOUT, ADDR_LIMIT_3GB, ADDR_NO_RANDOMIZE, MAP_32BIT

R, RX, RW = 4, 5, 6
BASE_64, BASE_32 = 0x400000, 0x8048000
PIE_64, PIE_32 = 0x550000000000, 0x56000000  # where the heap of a position-independent program lies, or above
FARTHEST_BRK = 2 << 30  # from a program's end to its randomized heap
THIRD_32 = 0x40000000
MALLOC_STEP = 0x21000  # by which malloc moves the break
CALLS_32 = frozenset({"mmap2", "old_mmap", "_llseek", "fstat64", "fstatat64", "fcntl64", "ftruncate64", "truncate64", "sendfile64"})


class Guess(NamedTuple):
    """An image, where it goes, and what that assumes."""

    image: Image
    layout: ExecLayout
    said: str


def is_32(following: list[Event], bits: str, g: Geometry) -> bool:
    """Whether a program is a 32-bit one, by its calls, or by strace's own word."""
    shown = bits_shown(following, bits, g)
    first = first_mapping(following, g)
    return shown == 32 or shown == 0 and first is not None and first[0] < 1 << 32


def bits_shown(following: list[Event], bits: str, g: Geometry) -> int:
    """32 or 64, where a program can be no other; else 0: a 64-bit one may be kept below 4 GB."""
    if bits:
        return 32 if bits == "32" else 64
    if any(event[2] in CALLS_32 for event in following):
        return 32
    first = first_mapping(following, g)
    return 64 if first is not None and first[0] >= 1 << 32 else 0


def heap_start(following: list[Event], found: Clues, g: Geometry) -> int:
    """Where the heap begins: brk(NULL) tells; else as much below the first answer as malloc asks for. 0: no line tells."""
    if found.brk is not None:
        return found.brk
    for _, _, name, text, _ in following:
        if name == "brk":
            try:
                addr, answer, _ = hot.brk(text)
            except ValueError:
                continue
            return max(g.up(answer) - MALLOC_STEP, 0) if answer and answer == addr else 0
    return 0


def first_mapping(following: list[Event], g: Geometry) -> tuple[int, int] | None:
    """(start, end) of the first mapping whose place was the kernel's choice."""
    for _, _, name, text, _ in following:
        if name in ("mmap", "mmap2", "old_mmap"):
            try:
                call = parser.mmap(text)
            except ValueError:
                continue
            if call.result.value and not call.result.errno and call.addr == 0 and not call.flags & MAP_32BIT:
                return call.result.value, g.up(call.result.value + call.length)
    return None


def program(path: str, following: list[Event], bits: str, g: Geometry) -> Guess:
    """What stands for the program at `path`; `following`: its next calls; `bits`: as strace told, or ''."""
    narrow = is_32(following, bits, g)
    found = clues(following, g)
    heap = heap_start(following, found, g)
    image = _image(path, narrow, found._replace(brk=heap or None), g)
    first = first_mapping(following, g)
    person, base, interp, interp_base, vdso = ADDR_NO_RANDOMIZE, None, None, None, None
    if narrow and first is not None and first[1] <= 0xC0000000:
        person |= ADDR_LIMIT_3GB
    if narrow and first is not None and THIRD_32 <= first[0] < THIRD_32 + (64 << 20):
        person |= ADDR_COMPAT_LAYOUT
        room = first[0] - THIRD_32 - g.vdso
        if room >= 2 * g.page:
            interp, interp_base = _interp(narrow, room, [], g), THIRD_32
        elif room < 0:
            vdso = THIRD_32 - g.vdso
    elif first is not None:
        vdso = first[1]
        relro = [(a, n) for a, n in found.protected if first[1] + g.vdso <= a < first[1] + (8 << 20)]
        base = first[1] + g.vdso
        if relro and base + (4 << 20) < (1 << 32 if narrow else g.task_size):
            size = relro[0][0] + relro[0][1] + g.page - base
            interp, interp_base = _interp(narrow, size, [(relro[0][0] - base, relro[0][1])], g), base
            base += g.up(size)
    image = image._replace(interp=interp)
    data = image.segments[1]
    brk = heap if heap > data.vaddr else None
    layout = ExecLayout(mmap_base=base, exe_base=None, interp_base=interp_base, vdso=vdso, start_brk=brk,
                        stack_top=None, stack_vma_start=None, string_bytes=None, rlimit_stack=None, personality=person)
    said = (f"{path}: nobody knows this program; assumed: {32 if narrow else 64} bits, text at {image.segments[0].vaddr:#x}, "
            f"data at {data.vaddr:#x}-{_end(image, g):#x}" + (f", {interp.path} at {interp_base:#x}" if interp is not None else ""))
    return Guess(image, layout, said)


def _image(path: str, narrow: bool, found: Clues, g: Geometry) -> Image:
    """Two segments: text, and data that begin with the RELRO part where a line shows it. Addresses are absolute, whatever it is."""
    brk = found.brk or 0
    is_pie = brk >= (PIE_32 if narrow else PIE_64)
    mine = [(a, n) for a, n in found.protected if a + n <= brk < a + FARTHEST_BRK]
    base = BASE_32 if narrow else BASE_64
    if is_pie:
        base = (mine[-1][0] if mine else g.down(brk)) - 2 * g.page
    elif 2 * g.page < brk <= base + g.page:  # another processor's linker begins lower: arm's at 0x10000
        base = g.down(brk - 1) - g.page
    if mine and mine[-1][0] <= base:
        base = mine[-1][0] - g.page
    start, size = mine[-1] if mine else (base + g.page, 0)
    size = g.up(size) + g.page
    if brk and start < brk < start + size:  # an old kernel's heap begins within the last page
        size = brk - start
    segments = (Segment(base, 0, g.page, g.page, RX, g.page), Segment(start, g.page, size, size, RW, g.page))
    phoff, phentsize = (52, 32) if narrow else (64, 56)
    return Image(path, 0, 0, 0, g.page + g.up(size), None, False, narrow, base, phoff, 2, phentsize, segments, RW, None,
                 mine[-1] if mine else None)


def _interp(narrow: bool, size: int, relro: list[tuple[int, int]], g: Geometry) -> Image:
    """A dynamic linker of that size from address 0, its data from the RELRO part."""
    path = "/lib/ld-linux.so.2" if narrow else "/lib64/ld-linux-x86-64.so.2"
    size = g.up(size)
    data = relro[0][0] if relro and relro[0][0] >= g.page else size - g.page
    segments = (Segment(0, 0, data, data, RX, g.page), Segment(data, data, size - data, size - data, RW, g.page))
    return Image(path, 0, 0, 0, size, None, True, narrow, 0, 52 if narrow else 64, 2, 32 if narrow else 56, segments, RW, None,
                 relro[0] if relro else None)


def _end(image: Image, g: Geometry) -> int:
    return g.up(max(s.vaddr + s.memsz for s in image.segments))


def begun_before(following: list[Event], g: Geometry) -> ExecLayout:
    """For a process whose log begins too late to show an execve: mappings go on below the first one, the heap where the log has it."""
    first, brk = first_mapping(following, g), heap_start(following, clues(following, g), g)
    top = None if first is None or first[1] + g.vdso > g.task_size else first[1] + g.vdso
    return ExecLayout(mmap_base=top, exe_base=None, interp_base=None, vdso=None if top is None else first and first[1],
                      start_brk=brk if brk > 0x405000 else None, stack_top=None, stack_vma_start=None, string_bytes=None,
                      rlimit_stack=None, personality=None)
