"""The text files of /proc/PID, of any kernel: maps and smaps as areas with their counts; stat, status, limits as what a task was.

What is modelled: nothing; this reads. Counterpart: Linux v6.18 fs/proc/task_mmu.c:show_map_vma(), show_smap(),
fs/proc/array.c:do_task_stat(), fs/proc/base.c:proc_pid_limits(); and what earlier kernels printed: two-column maps of 32-bit ones,
offsets of anonymous areas (before 2.6.27), 8 MB of [vsyscall] (before 2.6.30), fewer lines in smaps. Blanks and tabs separate as they
come.
Invariant: a line that is none is named by its number; nothing is taken of a text that has one.
"""

import re
from typing import NamedTuple

from vmtool.errors import HostError
from vmtool.procfs import vmflags
from vmtool.records import Vma
from vmtool.uapi import VM_ACCOUNT, VM_GROWSDOWN, VM_MAYSHARE, VM_MAYWRITE, VM_SHARED, VM_SOFTDIRTY, VM_WRITE

MAPS_LINE = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16})[ \t]+([r-][w-][x-][ps])[ \t]+([0-9a-f]{1,16})[ \t]+"
                       r"([0-9a-f]{1,8}):([0-9a-f]{1,8})[ \t]+([0-9]{1,20})(?:[ \t]+(.*?))?[ \t\r]*$")
FIELD = re.compile(r"[ \t]*([A-Z][A-Za-z_]*):[ \t]*(.*?)[ \t\r]*$")
PAGE = 4096  # of the processes that can be taken in
PERMISSIONS = {"r": 1, "w": 2, "x": 4}
MAY_BITS = 0x70
VSYSCALL = 0xFFFFFFFFFF600000
NARROW_COLUMN = 49  # where names begin in maps of a kernel with pointers of 4 bytes
U64_MAX = (1 << 64) - 1
MOST_KB = U64_MAX >> 10

FLAG_BITS = {letters: bit for bit, letters in vmflags.LETTERS}
"""VmFlags of smaps, which fs/proc/task_mmu.c:show_smap_vma_flags() prints."""

LIMITS = ("cpu time", "file size", "data size", "stack size", "core file size", "resident set", "processes", "open files", "locked memory",
          "address space", "file locks", "pending signals", "msgqueue size", "nice priority", "realtime priority", "realtime timeout")
"""Rows of /proc/PID/limits in the order of RLIMIT_ numbers, without their `Max `."""


class Area(NamedTuple):
    """One area, and what smaps counts of it: kB by the name of the line; empty where only maps is known."""

    vma: Vma
    kb: dict[str, int]


class Space(NamedTuple):
    """What maps or smaps tells of an address space."""

    areas: list[Area]
    gate: Vma | None  # [vsyscall], which no process has among its areas
    has_anon_offsets: bool
    is_narrow: bool  # of a kernel with pointers of 4 bytes


def parse_space(text: str, label: str) -> Space:
    """maps or smaps. HostError names the first line that is neither."""
    areas: list[Area] = []
    columns: set[int] = set()
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip(" \t\r")
        found = MAPS_LINE.match(line)
        if found is not None and decimal(found[7]) is not None and int(found[4], 16) % PAGE == 0:
            if found[8] == "[rollup]":
                raise HostError(f"{label}: line {number}: smaps_rollup tells of no area; smaps does")
            vma = _area(found)
            if vma.start >= vma.end or vma.start % PAGE or vma.end % PAGE or areas and vma.start < areas[-1].vma.end:
                raise HostError(f"{label}: line {number}: areas must be whole pages in ascending order")
            areas.append(Area(vma, {}))
            if found[8]:
                columns.add(found.start(8))
        elif line and not _take_field(line, areas):
            raise HostError(f"{label}: line {number} is no line of maps: {printable(line[:60])}")
    gate = areas.pop().vma if areas and areas[-1].vma.start == VSYSCALL else None
    anonymous = [area.vma for area in areas if not area.vma.is_file]
    has_offsets = any(vma.offset for vma in anonymous)
    is_narrow = bool(areas) and gate is None and areas[-1].vma.end <= 1 << 32 and NARROW_COLUMN in columns
    return Space([_settled(area, has_offsets) for area in areas], gate, has_offsets, is_narrow)


def decimal(word: str, most: int = U64_MAX) -> int | None:
    """A number of ASCII digits; None for anything else, and for one beyond `most`."""
    if not word.isdigit() or not word.isascii() or len(word) > 20:
        return None
    value = int(word)
    return value if value <= most else None


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _take_field(line: str, areas: list[Area]) -> bool:
    """A line `Name:  N kB` or `VmFlags: …` of smaps; whether it is one."""
    found = FIELD.match(line)
    if found is None or not areas:
        return False
    name, words = found[1], found[2].split()
    kb = areas[-1].kb
    if name == "VmFlags":
        kb[name] = sum(FLAG_BITS.get(word, 0) for word in set(words))
        return True
    value = decimal(words[0], MOST_KB) if words else None
    if value is not None:
        kb.setdefault(name, value)
    return bool(words)


def _area(found: re.Match[str]) -> Vma:
    perms, name, inode = found[3], found[8] or "", int(found[7])
    flags = sum(PERMISSIONS.get(c, 0) for c in perms[:3]) | (VM_MAYSHARE if perms[3] == "s" else 0)
    return Vma(start=int(found[1], 16), end=int(found[2], 16), flags=flags, pgoff=0, offset=int(found[4], 16), dev_major=int(found[5], 16),
               dev_minor=int(found[6], 16), inode=inode, name=name.replace("\\012", "\n"), is_file=inode != 0, anon_vma=0, vm_file=0)


def _settled(area: Area, has_offsets: bool) -> Area:
    """The area with its flags and page offset. The permissions are those of its line, whatever VmFlags says."""
    vma = area.vma
    flags = vma.flags
    shared = bool(flags & VM_MAYSHARE)
    known = area.kb.pop("VmFlags", None)
    if known is not None:
        flags |= known & ~(0x7 | VM_SHARED | VM_MAYSHARE) | (known & VM_SHARED if shared else 0) | (flags & 0x7) << 4  # what is, may be
    else:
        flags |= MAY_BITS | (VM_SHARED if shared else VM_ACCOUNT if flags & 2 else 0)
        flags |= VM_GROWSDOWN if vma.name == "[stack]" else VM_SOFTDIRTY
    if shared and flags & (VM_SHARED | VM_WRITE):
        flags |= VM_SHARED
    elif shared:
        flags &= ~VM_MAYWRITE  # do_mmap(): of a file that was opened to be read
    if not vma.is_file:
        flags &= ~VM_SHARED  # nothing to share it by: such areas have the page that a device or the kernel gave
    # anonymous areas count their pages by address; kernels that do not show it say 0
    pgoff = vma.offset // PAGE if vma.is_file or has_offsets or vma.name in ("[vdso]", "[vvar]", "[vvar_vclock]") else vma.start // PAGE
    return Area(vma._replace(flags=flags, pgoff=pgoff), area.kb)


# --- the other files -----------------------------------------------------------------------------------------------------------

STAT_FIELDS = {"min_flt": 10, "maj_flt": 12, "nr_threads": 20, "start_code": 26, "end_code": 27, "start_stack": 28, "start_data": 45,
               "end_data": 46, "start_brk": 47, "arg_start": 48, "arg_end": 49, "env_start": 50, "env_end": 51}
"""Fields of /proc/PID/stat as proc(5) numbers them. Those of addresses are 0 (or 1) for who may not know them."""


def parse_stat(text: str | None) -> dict[str, int]:
    """What stat tells; empty without it."""
    words = (text or "").rpartition(")")[2].split()
    found = {}
    for name, number in STAT_FIELDS.items():
        value = decimal(words[number - 3]) if number - 3 < len(words) else None
        if value is not None:
            found[name] = value
    return found


def parse_status(text: str | None) -> dict[str, str]:
    """The lines `Name:\tvalue` of status."""
    found = {}
    for line in (text or "").split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


def status_kb(status: dict[str, str], name: str) -> int:
    return decimal(status.get(name, "").partition(" ")[0], MOST_KB) or 0


def parse_limits(text: str | None) -> list[tuple[int, tuple[int, int]]]:
    """(RLIMIT_ number, (soft, hard)) of the rows that are there."""
    found = []
    for line in (text or "").split("\n"):
        for number, name in enumerate(LIMITS):
            if line.startswith("Max " + name):
                soft, hard = (_limit(word) for word in (line[4 + len(name):].split() + ["", ""])[:2])
                if soft is not None and hard is not None and soft <= hard:
                    found.append((number, (soft, hard)))
    return found


def _limit(word: str) -> int | None:
    if word == "unlimited":
        return U64_MAX
    return decimal(word)
