"""`import`: processes as they are, from /proc/PID or from saved copies of its files.

What is taken: maps (or smaps alone) decides the areas, byte for byte, of any kernel; smaps their other flags and what is resident;
pagemap, where it is permitted, which pages these are and which frames processes share; stat, status, comm, cmdline, limits, oom_score_adj
what the task was, and task/TID its threads.
Simplified: the pages' contents are zeros, but for the command line.
Invariants: what cat-maps prints of the new process is what maps said; its Rss, Anonymous, Private_Dirty … are smaps'. All is read before
anything is made, and what fails then leaves the machine to the byte as it was.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from typing import Any

from vmtool.errors import HostError, KernelError
from vmtool.outside.frames_needed import Needs, ram_bytes, ram_for
from vmtool.outside.lineage import Lineage
from vmtool.outside.pagemap import Pagemap
from vmtool.outside.proc_marks import marks_of, space_flags, task_size
from vmtool.outside.proc_pages import ANON, FILE, GUARDED, HUGE, HUGE_PAGES, LAZY, ZERO, Run, pages_of
from vmtool.outside.proc_source import Source, sources_of
from vmtool.outside.proc_text import PAGE, Area, Space, decimal, parse_limits, parse_space, parse_stat, parse_status, status_kb
from vmtool.outside.proc_threads import PID_MAX_DEFAULT, threads_of
from vmtool.records import Vma
from vmtool.uapi import MADVISE, VM_HUGETLB

RESERVED_PIDS = 300
MOST_CMDLINE = 1 << 21
MOST_FILE = (1 << 63) - 1  # MAX_LFS_FILESIZE


class Process:
    """All that was read of one process. `runs`: of each area."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.label = source.label
        maps, why = source.text("maps"), source.why
        self.space = _space(maps, source.text("smaps"), source.label, why)
        self.stat = parse_stat(source.text("stat"))
        self.status = parse_status(source.text("status"))
        self.limits = parse_limits(source.text("limits"))
        self.cmdline = (source.read("cmdline") or b"")[:MOST_CMDLINE]
        self.threads = threads_of(source, self.stat, self.status, self.name())
        self.oom_score_adj = _oom_score_adj((source.text("oom_score_adj") or "").strip())
        self.exe = source.exe()
        self.runs = self._read_pages(source)
        self.sizes = _file_sizes(source, self.space.areas)
        self.knows_pages = any(self.runs) or any("Rss" in area.kb for area in self.space.areas)

    def _read_pages(self, source: Source) -> list[list[Run]]:
        opened = source.pagemap()
        pagemap = Pagemap(opened, source.is_live) if opened is not None else None
        try:
            return [pages_of(area, pagemap) for area in self.space.areas]
        finally:
            if pagemap is not None:
                pagemap.close()

    @property
    def parent(self) -> int:
        """Its parent's PID there; 0: unknown."""
        return decimal(self.status.get("PPid", "")) or 0

    def name(self) -> str:
        comm = self.source.text("comm") or self.status.get("Name", "")
        if comm:
            return comm.rstrip("\n")[:15]
        first = next((area.vma.name for area in self.space.areas if area.vma.is_file and area.vma.name.startswith("/")), "imported")
        return first.removesuffix(" (deleted)").rsplit("/", 1)[-1][:15] or "imported"


def _oom_score_adj(word: str) -> int:
    value = decimal(word.removeprefix("-"))
    return (-value if word[:1] == "-" else value) if value is not None and value <= 1000 else 0


def _space(maps: str | None, smaps: str | None, label: str, why: str) -> Space:
    """The areas as maps has them, with smaps' counts where it has the same ones; as smaps has them where there is no maps."""
    if not (maps or "").strip() and smaps is not None:
        maps, smaps = smaps, None
    if maps is None:
        raise HostError(f"{label}: maps cannot be read" + (f": {why}" if why else ""))
    space = parse_space(maps, label)
    if not space.areas:
        raise HostError(f"{label}: maps is empty: a kernel thread, or a process that has ended")
    if not smaps:
        return _of_pages(space, label)
    counted = {(area.vma.start, area.vma.end): area for area in parse_space(smaps, f"{label}: smaps").areas}
    areas = []
    for area in space.areas:
        other = counted.get((area.vma.start, area.vma.end))
        is_same = other is not None and other.vma._replace(flags=0) == area.vma._replace(flags=0)
        areas.append(other if is_same and other is not None else area)
    return _of_pages(space._replace(areas=areas), label)


def _of_pages(space: Space, label: str) -> Space:
    """HostError: of a kernel with larger pages, as its smaps says."""
    page_kb = min([area.kb["KernelPageSize"] for area in space.areas if "KernelPageSize" in area.kb], default=0)  # a pool's are larger
    if page_kb << 10 > PAGE:
        raise HostError(f"{label}: its pages are of {page_kb} kB, and only those of {PAGE >> 10} kB can be taken in")
    return space


def _file_sizes(source: Source, areas: list[Area]) -> dict[tuple[int, int, int], int]:
    """Of each file: the host's own where it is the same file, else up to the last byte that an area maps."""
    sizes: dict[tuple[int, int, int], int] = {}
    asked: set[tuple[int, int, int]] = set()
    ends: dict[tuple[int, int, int], int] = {}
    for vma in (area.vma for area in areas if area.vma.is_file):
        key = vma.dev_major, vma.dev_minor, vma.inode
        ends[key] = max(ends.get(key, 0), min(vma.offset + vma.end - vma.start, MOST_FILE))
        if key not in asked:
            asked.add(key)
            st = source.area_file(vma.start, vma.end, vma.name)
            if st is not None and stat.S_ISREG(st.st_mode) and (os.major(st.st_dev), os.minor(st.st_dev), st.st_ino) == key and st.st_size:
                sizes[key] = st.st_size
    return {**ends, **sizes}


def _ordinary(vma: Vma) -> Vma:
    """An area of a pool of huge pages is taken in as ordinary memory: this machine has no such pool, and no file in one."""
    return vma._replace(flags=vma.flags & ~VM_HUGETLB)


def read_processes(words: list[str], tree: bool) -> list[Process]:
    """Parents before their children. HostError; nothing is made yet."""
    sources = [source for word in words for source in sources_of(word)]
    if tree:
        sources = _with_descendants(sources)
    seen: set[str] = set()
    for source in sources:
        if source.label in seen:
            raise HostError(f"{source.label}: named twice")
        seen.add(source.label)
    return [Process(source) for source in sources]


def _with_descendants(sources: list[Source]) -> list[Source]:
    found = list(sources)
    for source in found:  # grows as it goes
        if not source.is_live or not source.pid:
            raise HostError(f"{source.label}: --tree is for live processes")
        have = {other.pid for other in found}
        found += [child for pid in _children(source.pid) if pid not in have for child in sources_of(f"/proc/{pid}")]
    return found


def _children(pid: int) -> list[int]:
    """Of all its threads, by their `children` files."""
    found: list[int] = []
    try:
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/children", "rb") as f:
                found += [int(word) for word in f.read().split()]
    except OSError:
        pass
    return sorted(found)


# --- into the machine ------------------------------------------------------------------------------------------------------------

def prepare_machine(machine: Any, processes: list[Process], ram: int | None) -> None:
    """Boot it: with so much memory, or as much as the processes need; like their host where that is known."""
    needs = Needs(processes)
    arch = "x86-64-la57" if needs.needs_la57 else "x86-64"
    machine.boot(ram_bytes=ram if ram is not None else ram_bytes(type(machine), arch, needs.frames), arch=arch)
    if needs.nr_tasks >= PID_MAX_DEFAULT - RESERVED_PIDS:
        machine.set_sysctl("kernel.pid_max", str(needs.nr_tasks + PID_MAX_DEFAULT))
    if any(process.source.is_live for process in processes) and (mode := _host_thp_mode()):
        machine.set_sysctl("transparent_hugepage/enabled", mode)


def _host_thp_mode() -> str:
    """What the host says between brackets; it decides which areas are eligible for huge pages."""
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled", "rb") as f:
            words = re.findall(r"\[(always|madvise|never)\]", f.read(256).decode("ascii", "replace"))
    except OSError:
        return ""
    return words[0] if words else ""


def import_processes(machine: Any, processes: list[Process]) -> list[int]:
    """New simulated processes, in their order. Returns: their PIDs. Whatever fails leaves the machine as it was."""
    if 1 << machine.info().page_shift != PAGE:
        raise HostError(f"{processes[0].label}: its pages are of {PAGE >> 10} kB, this machine's are not")
    needs = Needs(processes)
    needs.check(machine)
    point = machine.savepoint()
    try:
        return _Import(machine, processes).run()
    except BaseException as failure:
        machine.rollback(point)
        if isinstance(failure, KernelError):
            detail = ram_for(machine, needs) if failure.errno == errno.ENOMEM else str(failure)
            if failure.errno == errno.EAGAIN:
                detail = f"{needs.nr_tasks} tasks are more than kernel.threads-max and kernel.pid_max of this machine let in"
            raise HostError(f"{processes[0].label}: {detail}") from None
        raise


class _Import:
    """One import: the files and the shared frames of its processes."""

    def __init__(self, machine: Any, processes: list[Process]) -> None:
        self.machine = machine
        self.processes = processes
        self.files: dict[tuple[int, int, int, str], int] = {}
        self.frames: dict[int, tuple[int, int]] = {}  # the host's frame -> (PID, address) of whom it came with
        self.huge: dict[int, tuple[int, int]] = {}  # the same of the first frame of a huge page
        self.pids: list[int] = []  # ours, in their order
        self.lineage = Lineage(processes)

    def run(self) -> list[int]:
        sizes: dict[tuple[int, int, int], int] = {}
        for process in self.processes:
            for key, size in process.sizes.items():
                sizes[key] = max(size, sizes.get(key, 0))
        for process in self.processes:
            self.adopt(process, sizes)
        for file in self.files.values():
            self.machine.close_file(file)
        return self.pids

    def adopt(self, process: Process, sizes: dict[tuple[int, int, int], int]) -> None:
        space = process.space
        marks = marks_of(process)
        number = len(self.pids)
        parent = self.lineage.parent[number]
        areas = [_ordinary(area.vma) for area in space.areas]
        pid = int(self.machine.adopt(process.name(), areas, marks=marks, flags=space_flags(space), sizes=sizes, files=self.files,
                                     parent=0 if parent is None else self.pids[parent], task_size=task_size(space)))
        self.pids.append(pid)
        self.add_pages(number, process)
        self.add_cmdline(pid, process, marks)
        self.add_facts(pid, process)

    def add_pages(self, number: int, process: Process) -> None:
        """Those that are shared come first: they decide from whom an area's pages come."""
        own: list[Run] = []
        for runs in process.runs:
            for run in runs:
                own += self.share(number, run) if run.pfn and run.what in (ANON, HUGE) and len(self.processes) > 1 else (run,)
        for run in own:
            self.add_run(self.pids[number], run)

    def share(self, number: int, run: Run) -> Iterator[Run]:
        """Pages that a process before this one brought, or that come from an ancestor; gives the rest back, which are this one's own."""
        pid, elder = self.pids[number], self.lineage.elder[number]
        parent = 0 if elder is None else self.pids[elder]
        step = HUGE_PAGES if run.what == HUGE else 1
        for at in range(0, run.nr, step):
            addr, pfn = run.addr + at * PAGE, run.pfn + at
            other = self.brought(pfn)
            if other is not None and other[0] != pid and self.machine.adopt_shared(
                    pid, addr, step, *other, parent, run.dirty, run.young) == step:
                continue
            (self.huge if run.what == HUGE else self.frames).setdefault(pfn, (pid, addr))
            ancestor = self.lineage.ancestor(pfn, number)
            if ancestor is None:
                yield run._replace(addr=addr, nr=step, pfn=0)
            else:
                self.machine.adopt_inherited(pid, addr, step, run.what, self.pids[ancestor], parent, run.dirty, run.young)

    def brought(self, pfn: int) -> tuple[int, int] | None:
        found = self.frames.get(pfn)
        if found is None and (head := self.huge.get(pfn - pfn % HUGE_PAGES)) is not None:
            return head[0], head[1] + pfn % HUGE_PAGES * PAGE
        return found

    def add_run(self, pid: int, run: Run) -> None:
        machine = self.machine
        if run.what in (ANON, FILE, HUGE, ZERO):
            machine.adopt_pages(pid, run.addr, run.nr, run.what, run.dirty, run.young)
            return
        if run.what == LAZY:
            machine.adopt_pages(pid, run.addr, run.nr, ANON, True, True)
        try:
            machine.madvise(pid, run.addr, run.nr * PAGE, MADVISE["guard_install" if run.what == GUARDED else "free"])
        except KernelError:
            pass  # an area that was locked later

    def add_cmdline(self, pid: int, process: Process, marks: dict[str, Any]) -> None:
        """The only bytes that come along. Where nobody knows which pages are there, those that they need are."""
        start = marks.get("arg_start", 0)
        if not process.cmdline or not start:
            return
        done = self.machine.adopt_bytes(pid, start, process.cmdline)
        if done == len(process.cmdline) or process.knows_pages:
            return
        first = (start + done) // PAGE * PAGE
        nr = (start + len(process.cmdline) - first + PAGE - 1) // PAGE
        if any(area.vma.start <= first and first + nr * PAGE <= area.vma.end for area in process.space.areas):
            self.machine.adopt_pages(pid, first, nr, ANON, True, True)
            self.machine.adopt_bytes(pid, start, process.cmdline)

    def add_facts(self, pid: int, process: Process) -> None:
        status = process.status
        self.machine.adopt_facts(
            pid, **process.threads.leader_faults, oom_score_adj=process.oom_score_adj, limits=process.limits,
            hiwater_vm=status_kb(status, "VmPeak") * 1024 // PAGE, hiwater_rss=status_kb(status, "VmHWM") * 1024 // PAGE)
        self.machine.adopt_threads(pid, process.threads.others)
