"""`import`: a process as it is, from /proc/PID or a saved copy of its files.

What is taken: maps decides the areas, byte for byte, of any kernel; smaps (VmFlags) their other flags; stat, status and comm the name and
the marks of the space (start_brk, brk, start_stack); pagemap, or smaps' counts where it is not permitted, which pages are there.
A saved copy is a directory with these files, or a maps file alone. Lines may be separated by blanks or tabs.
Simplified: the pages' contents are zeros. Without pagemap the lowest pages of an area stand for those that smaps counts.
Invariant: what cat-maps prints of the new process is what maps said, in the kernel's own columns.
"""

import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from vmtool.errors import HostError, KernelError, Signal
from vmtool.records import Vma
from vmtool.uapi import VM_ACCOUNT, VM_GROWSDOWN, VM_MAYSHARE

MAPS_LINE = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16})\s+([r-][w-][x-][ps])\s+([0-9a-f]{1,16})\s+"
                       r"([0-9a-f]+):([0-9a-f]+)\s+(\d+)(?:[ \t]+(.*?))?[ \t\r]*$")
PAGE = 4096
PERMISSIONS = {"r": 1, "w": 2, "x": 4, "s": 8}
MAY_BITS = 0x70
PRESENT, FILE_OR_SHARED = 1 << 63, 1 << 61
MOST_BYTES = 1 << 26  # a maps or smaps file
SPECIAL_32 = 1 << 32
MOST_PAGES = 1 << 22

FLAG_BITS = {"rd": 0x1, "wr": 0x2, "ex": 0x4, "sh": 0x8, "mr": 0x10, "mw": 0x20, "me": 0x40, "ms": 0x80, "gd": 0x100, "pf": 0x400,
             "lo": 0x2000,
             "io": 0x4000, "sr": 0x8000, "rr": 0x10000, "dc": 0x20000, "de": 0x40000, "ac": 0x100000, "nr": 0x200000, "ht": 0x400000,
             "wf": 0x2000000, "dd": 0x4000000, "mm": 0x10000000, "hg": 0x20000000, "nh": 0x40000000, "mg": 0x80000000}
"""VmFlags of smaps (Linux v6.12 fs/proc/task_mmu.c:show_smap_vma_flags()) whose bits are the same on every configuration."""


class Counted(NamedTuple):
    """What smaps says of one area."""

    flags: int | None
    rss_pages: int
    anonymous_pages: int


def import_process(machine: Any, source: str) -> int:
    """A new simulated process with the areas of `source`, a PID or a path. Returns: its PID.

    HostError: nothing there, no maps, or a line that is none.
    """
    files = _Files(source)
    areas = parse_maps(files.need("maps"), files.label)
    if not areas:
        raise HostError(f"{files.label}: maps is empty: a kernel thread, or a process that has ended")
    counted = parse_smaps(files.text("smaps"))
    areas = [_with_flags(area, counted.get(area.start)) for area in areas]
    marks = _marks(files, areas)
    pid = machine.adopt(_name(files, areas), areas, **marks)
    _populate(machine, pid, areas, counted, files)
    return int(pid)


class _Files:
    """The files of one process, live or saved."""

    def __init__(self, source: str) -> None:
        self.maps_only = ""
        self.directory = source
        self.label = source
        if source.isdigit() and not os.path.exists(source):
            self.directory = f"/proc/{source}"
            if not os.path.isdir(self.directory):
                raise HostError(f"ESRCH (No such process): {source}")
        elif os.path.isfile(source):
            self.maps_only = source
        elif not os.path.isdir(source):
            raise HostError(f"ENOENT (No such file or directory): {source}")

    def text(self, name: str) -> str | None:
        """A file's text, None when it is not there or not permitted."""
        if self.maps_only and name != "maps":
            return None
        try:
            with open(self.maps_only or f"{self.directory}/{name}", "rb") as f:
                data = f.read(MOST_BYTES + 1)
        except OSError:
            return None
        if len(data) > MOST_BYTES:
            raise HostError(f"{self.label}: {name} has more than {MOST_BYTES} bytes")
        return data.decode("utf-8", "surrogateescape")

    def need(self, name: str) -> str:
        found = self.text(name)
        if found is None:
            raise HostError(f"{self.label}: {name} cannot be read")
        return found

    def pagemap(self) -> Any:
        if self.maps_only:
            return None
        try:
            return open(f"{self.directory}/pagemap", "rb", buffering=0)
        except OSError:
            return None


def parse_maps(text: str, label: str) -> list[Vma]:
    """The areas of a maps file, of any kernel since 2.6. HostError names the first line that is none."""
    areas: list[Vma] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        found = MAPS_LINE.match(line.strip(" \t"))
        if found is None:
            raise HostError(f"{label}: line {number} is no line of maps: {''.join(c if c.isprintable() else '?' for c in line[:60])}")
        area = _area(found)
        if area.start >= area.end or area.start % PAGE or area.end % PAGE or areas and area.start < areas[-1].end:
            raise HostError(f"{label}: line {number}: areas must be whole pages in ascending order")
        areas.append(area)
    return areas


def _area(found: re.Match[str]) -> Vma:
    start, end, offset = int(found[1], 16), int(found[2], 16), int(found[4], 16)
    perms, name, inode = found[3], found[8] or "", int(found[7])
    flags = sum(PERMISSIONS.get(c, 0) for c in perms) | MAY_BITS
    if perms[3] == "s":
        flags |= VM_MAYSHARE
    elif perms[1] == "w":
        flags |= VM_ACCOUNT
    if name == "[stack]":
        flags |= VM_GROWSDOWN
    is_file = inode != 0
    # anonymous areas count their pages by address; maps shows 0 for them
    pgoff = offset // PAGE if is_file or offset else start // PAGE
    return Vma(start=start, end=end, flags=flags, pgoff=pgoff, offset=offset, dev_major=int(found[5], 16), dev_minor=int(found[6], 16),
               inode=inode,
               name=name.replace("\\012", "\n"), is_file=is_file, anon_vma=0, vm_file=0)


def parse_smaps(text: str | None) -> dict[int, Counted]:
    """By start address, what smaps adds to maps; empty without it."""
    found: dict[int, Counted] = {}
    start: int | None = None
    rss = anonymous = 0
    flags: int | None = None
    for line in (text or "").split("\n"):
        head = MAPS_LINE.match(line)
        if head is not None:
            if start is not None:
                found[start] = Counted(flags, rss, anonymous)
            start, rss, anonymous, flags = int(head[1], 16), 0, 0, None
        elif line.startswith("Rss:"):
            rss = int(line.split()[1]) * 1024 // PAGE
        elif line.startswith("Anonymous:"):
            anonymous = int(line.split()[1]) * 1024 // PAGE
        elif line.startswith("VmFlags:"):
            flags = sum(FLAG_BITS.get(word, 0) for word in line.split()[1:])
    if start is not None:
        found[start] = Counted(flags, rss, anonymous)
    return found


def _with_flags(area: Vma, counted: Counted | None) -> Vma:
    if counted is None or counted.flags is None:
        return area
    return area._replace(flags=counted.flags)


def _name(files: _Files, areas: list[Vma]) -> str:
    comm = files.text("comm")
    if comm:
        return comm.rstrip("\n")[:15]
    for line in (files.text("status") or "").split("\n"):
        if line.startswith("Name:"):
            return line[5:].strip()[:15]
    first = next((a.name for a in areas if a.is_file and a.name.startswith("/")), "imported")
    return first.removesuffix(" (deleted)").rsplit("/", 1)[-1][:15] or "imported"


def _marks(files: _Files, areas: list[Vma]) -> dict[str, int]:
    """start_brk, brk, start_stack, mmap_base: from stat where it tells, else from the areas' names."""
    marks = {"start_brk": 0, "brk": 0, "start_stack": 0}
    heap = [a for a in areas if a.name == "[heap]"]
    stack = [a for a in areas if a.name == "[stack]"]
    if heap:
        marks["start_brk"], marks["brk"] = heap[0].start, heap[-1].end
    if stack:
        marks["start_stack"] = stack[-1].end - 16
    fields = (files.text("stat") or "").rpartition(")")[2].split()
    if len(fields) > 46 and fields[25] != "0":
        marks["start_stack"] = int(fields[25])
        if int(fields[44]):
            marks["start_brk"] = int(fields[44])
            marks["brk"] = max(marks["brk"], marks["start_brk"])
    user = [a for a in areas if a.name not in ("[vsyscall]",)]
    below = [a.end for a in user if not stack or a.end <= stack[-1].start]
    marks["mmap_base"] = max(below, default=0)
    marks["is_32"] = int(all(a.end <= SPECIAL_32 for a in areas))
    return marks


# --- pages -----------------------------------------------------------------------------------------------


def _populate(machine: Any, pid: int, areas: list[Vma], counted: dict[int, Counted], files: _Files) -> None:
    """Bring in the pages that are there; where nobody says, none."""
    pagemap = files.pagemap()
    left = MOST_PAGES
    for area in areas:
        if area.name in ("[vsyscall]", "[vdso]", "[vvar]", "[vvar_vclock]") or left <= 0:
            continue
        for first, nr, is_written in _present(area, counted.get(area.start), pagemap):
            left -= nr
            _bring_in(machine, pid, area, first, min(nr, left + nr), is_written)
    if pagemap is not None:
        pagemap.close()


def _present(area: Vma, counted: Counted | None, pagemap: Any) -> Iterator[tuple[int, int, bool]]:
    """Runs of present pages as (address, number, whether the process wrote them)."""
    data = _entries(area, pagemap)
    if data is None:
        if counted is not None and counted.rss_pages:
            if counted.anonymous_pages:
                yield area.start, counted.anonymous_pages, True
            rest = counted.rss_pages - counted.anonymous_pages
            if rest > 0:
                yield area.start + counted.anonymous_pages * PAGE, rest, False
        return
    last: tuple[int, int, bool] | None = None
    for i, entry in enumerate(data):
        if not entry & PRESENT:
            continue
        is_written = not entry & FILE_OR_SHARED
        addr = area.start + i * PAGE
        if last is not None and last[0] + last[1] * PAGE == addr and last[2] == is_written:
            last = (last[0], last[1] + 1, is_written)
        else:
            if last is not None:
                yield last
            last = (addr, 1, is_written)
    if last is not None:
        yield last


def _entries(area: Vma, pagemap: Any) -> memoryview | None:
    """The area's entries, None when pagemap is not there or does not hold them."""
    nr = (area.end - area.start) // PAGE
    if pagemap is None or nr > MOST_PAGES:
        return None
    try:
        data = os.pread(pagemap.fileno(), nr * 8, area.start // PAGE * 8)
    except OSError:
        return None
    return memoryview(data).cast("Q") if len(data) == nr * 8 else None


def _bring_in(machine: Any, pid: int, area: Vma, first: int, nr: int, is_written: bool) -> None:
    nr = min(nr, (area.end - first) // PAGE)
    if nr <= 0:
        return
    wants_write = is_written and area.flags & 2
    if not wants_write and not area.flags & 1:
        return  # nothing that this process could do now brings such a page in
    try:
        machine.touch(pid, first, nr * PAGE, "w" if wants_write else "r", True)
    except (Signal, KernelError):
        return
