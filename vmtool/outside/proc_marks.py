"""The fields of an imported address space: from stat where it tells, else from its areas, as execve() would have set them.

Counterpart: Linux v6.18 fs/binfmt_elf.c:load_elf_binary(), struct mm_struct. stat may be hostile: an address beyond all areas is not taken.
"""

from typing import Any

from vmtool.outside.proc_text import PAGE, Space
from vmtool.records import Vma

NARROW_BRK, WIDE_BRK = 0x56555000, 0x555555555000  # ELF_ET_DYN_BASE, to a page
COMPAT_END, NARROW_END = 0xFFFFE000, 1 << 32  # of a 32-bit program's addresses; of a 32-bit kernel's, with its own pages on top
STRINGS_ROOM = 8  # the null word at a stack's very top


def space_flags(space: Space) -> list[str]:
    flags = []
    last = space.areas[-1].vma
    if last.end <= NARROW_END and space.gate is None:
        flags.append("compat")
    if space.gate is None:
        flags.append("no_vsyscall")
    elif space.gate.end - space.gate.start > PAGE:
        flags.append("vsyscall_wide")
    elif space.gate.flags & 1:
        flags.append("vsyscall_read")
    if space.gate is not None and space.gate.name == "[vdso]":
        flags.append("vsyscall_as_vdso")
    if space.has_anon_offsets:
        flags.append("anon_offsets")
    if space.is_narrow:
        flags.append("narrow")
    return flags


def task_size(space: Space) -> int:
    """Of a 32-bit program; 0: the architecture's."""
    last = space.areas[-1].vma.end
    if space.gate is not None or last > NARROW_END:
        return 0
    return COMPAT_END if last <= COMPAT_END else NARROW_END


def marks_of(process: Any) -> dict[str, Any]:
    """By the names of mm_struct's fields, and `exe`."""
    vmas = [area.vma for area in process.space.areas]
    known = {name: value for name, value in process.stat.items() if 1 < value < vmas[-1].end}
    heap = [vma for vma in vmas if vma.name == "[heap]"]
    stack = [vma for vma in vmas if vma.name == "[stack]"]
    exe = process.exe or next((vma.name for vma in vmas if vma.is_file and vma.flags & 4), "")
    if not any(vma.name == exe for vma in vmas):
        exe += " (deleted)"
    marks: dict[str, Any] = {"exe": exe, "mmap_base": max((vma.end for vma in vmas if not stack or vma.end <= stack[-1].start), default=0)}
    text = next((vma for vma in vmas if vma.name == exe and vma.flags & 4), None)
    marks.update(_range(known, "start_code", "end_code", (text.start, text.end) if text is not None else (0, 0)))
    marks.update(_range(known, "start_data", "end_data", (0, 0)))
    marks["start_brk"] = known.get("start_brk") or (heap[0].start if heap else _program_end(vmas, exe) or _no_program_end(process.space))
    marks["brk"] = max(heap[-1].end if heap else 0, marks["start_brk"])
    marks["start_stack"] = known.get("start_stack") or (stack[-1].end - 16 if stack else 0)
    marks.update(_strings(known, exe, stack[-1] if stack else None, process.cmdline))
    return marks


def _range(known: dict[str, int], first: str, last: str, otherwise: tuple[int, int]) -> dict[str, int]:
    """Two marks in their order, or those that the areas tell."""
    start, end = known.get(first, 0), known.get(last, 0)
    return {first: start, last: end} if 0 < start <= end else {first: otherwise[0], last: otherwise[1]}


def _strings(known: dict[str, int], exe: str, stack: Vma | None, cmdline: bytes) -> dict[str, int]:
    """Where arguments and environment are."""
    if "arg_start" in known:
        marks = {**_range(known, "arg_start", "arg_end", (known["arg_start"],) * 2), **_range(known, "env_start", "env_end", (0, 0))}
        marks["arg_end"] = max(marks["arg_start"] + len(cmdline), marks["arg_end"])  # a title may be longer than the arguments were
        return marks
    if stack is None or not cmdline:
        return {}
    end = max(stack.end - STRINGS_ROOM - len(exe) - 1, stack.start)
    return {"arg_start": max(end - len(cmdline), stack.start), "arg_end": end, "env_start": end, "env_end": end}


def _program_end(vmas: list[Vma], exe: str) -> int:
    """Where exec puts the break without randomization: behind the program's last area and the .bss that follows it."""
    end = 0
    for vma in vmas:
        if vma.name == exe or end and vma.start == end and not vma.is_file and not vma.name:
            end = vma.end
        elif end:
            break
    return end


def _no_program_end(space: Space) -> int:
    """Where the break of a program begins that is not among the areas: where it is of a static PIE, or behind what lies there."""
    at = NARROW_BRK if task_size(space) else WIDE_BRK
    for vma in sorted(area.vma for area in space.areas):
        if vma.start <= at < vma.end:
            at = vma.end
    return at
