"""How many frames an import takes, and how much RAM a machine must have for it.

Counted are the pages themselves (of a file, and of a frame that processes share, once), the page tables that map them, and what the
kernel keeps for areas, tasks and cached pages. The last is an estimate, on the safe side; so is the RAM that is named. What a machine of
some size can give is asked of one, booted aside: free frames of the zones that user pages come from, less their watermarks.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vmtool.errors import HostError, KernelError
from vmtool.outside.proc_pages import FILE, ZERO
from vmtool.outside.proc_text import PAGE

if TYPE_CHECKING:
    from vmtool.outside.importer import Process

TABLE_SHIFTS = (21, 30, 39, 48)  # what a table of each level covers
TASK_FRAMES = 24  # kernel stack, task_struct and its like, top table; each slab may be a new one
THREAD_FRAMES = 8  # kernel stack, task_struct, pid
AREAS_A_FRAME = 10  # vm_area_struct, anon_vma, anon_vma_chain
FILES_A_FRAME = 2
FRAMES_A_THREAD = 32  # of a machine's memory: kernel.threads-max lets stacks have an eighth of it
PAGES_A_NODE_FRAME = 400  # of the cache's tree
SPARE_FRAMES = 512
LA57_FROM = 1 << 47
MIB = 1 << 20
MOST_RAM = 1 << 46
MOST_PAGES = 1 << 25  # 128 GiB: a GiB of records


class Needs:
    """Of all the processes of one import."""

    def __init__(self, processes: "list[Process]") -> None:
        self.label = processes[0].label
        self.needs_la57 = any(process.space.areas[-1].vma.end > LA57_FROM for process in processes)
        own, tables, areas, threads = 0, 0, 0, 0
        files: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        shared: set[int] = set()
        for process in processes:
            areas += len(process.space.areas)
            threads += len(process.threads.others)
            spans: list[tuple[int, int]] = []
            for area, runs in zip(process.space.areas, process.runs, strict=True):
                vma = area.vma
                for run in runs:
                    spans.append((run.addr, run.addr + run.nr * PAGE))
                    if run.what == FILE:
                        first = (vma.offset + run.addr - vma.start) // PAGE
                        files.setdefault((vma.dev_major, vma.dev_minor, vma.inode), []).append((first, first + run.nr))
                    elif run.pfn:
                        shared.update(range(run.pfn, run.pfn + run.nr))
                    elif run.what != ZERO:
                        own += run.nr
                    if run.nr > MOST_PAGES:
                        raise HostError(f"{process.label}: {_kb(run.nr)} kB in one piece are more than can be taken in")
            tables += sum(_covered(spans, shift) for shift in TABLE_SHIFTS)
        cached = sum(_union(parts) for parts in files.values())
        self.pages = own + len(shared) + cached
        if self.pages > MOST_PAGES:
            raise HostError(f"{self.label}: {_kb(self.pages)} kB are resident, more than the {_kb(MOST_PAGES)} that can be taken in")
        self.nr_tasks = len(processes) + threads
        if self.nr_tasks * FRAMES_A_THREAD > MOST_PAGES:
            raise HostError(f"{self.label}: {threads} threads are more than the {MOST_PAGES // FRAMES_A_THREAD} that can be taken in")
        self.frames = max(self.nr_tasks * FRAMES_A_THREAD, self.pages + tables + len(processes) * TASK_FRAMES + threads * THREAD_FRAMES
                          + areas // AREAS_A_FRAME + len(files) // FILES_A_FRAME + cached // PAGES_A_NODE_FRAME)

    def check(self, machine: Any) -> None:
        """HostError, with the RAM that would do, where the machine cannot hold the pages."""
        if usable(machine) < self.pages:
            raise HostError(f"{self.label}: {ram_for(machine, self)}")


def _kb(pages: int) -> int:
    return pages * PAGE >> 10


def _covered(spans: Iterable[tuple[int, int]], shift: int) -> int:
    """How many tables of one level the spans, in ascending order, need."""
    nr, last = 0, -1
    for start, end in spans:
        first, final = max(start >> shift, last + 1), (end - 1) >> shift
        if final >= first:
            nr += final - first + 1
            last = final
    return nr


def _union(parts: list[tuple[int, int]]) -> int:
    nr, last = 0, 0
    for start, end in sorted(parts):
        nr += max(0, end - max(start, last))
        last = max(last, end)
    return nr


def usable(machine: Any) -> int:
    """Free frames that a user's page may take: not those of DMA, which is kept, nor those below the watermarks."""
    return sum(max(0, zone.free + sum(cpu[0] for cpu in zone.pcp) - zone.high) for zone in machine.zones() if zone.name != "DMA")


def ram_for(machine: Any, needs: Needs) -> str:
    """In words: what the machine lacks, and the --ram of one that would do for what is in it and for this, too."""
    info = machine.info()
    in_use = usable(_booted(type(machine), info.ram_bytes, info.arch)) - usable(machine)
    ram = ram_bytes(type(machine), info.arch, needs.frames + max(in_use, 0))
    return (f"{_kb(needs.pages)} kB are resident, more than this machine of {in_words(info.ram_bytes)} has free: "
            f"--ram {in_words(ram)} would do")


def ram_bytes(make: Any, arch: str, frames: int) -> int:
    """The smallest size, in steps that people write, of a machine that has so many frames to give."""
    wanted = frames + frames // 64 + SPARE_FRAMES
    ram = 128 * MIB
    while usable(_booted(make, ram, arch)) < wanted:
        short = wanted * PAGE - ram
        step = 64 * MIB if ram < 1 << 30 else 256 * MIB if ram < 8 << 30 else 1 << 30
        ram = (ram + max(step, short)) // step * step
        if ram > MOST_RAM:
            raise HostError("no machine has that much memory")
    return ram


def _booted(make: Any, ram: int, arch: str) -> Any:
    machine = make()
    try:
        machine.boot(ram_bytes=ram, arch=arch)
    except KernelError as failure:
        raise HostError(str(failure)) from None
    return machine


def in_words(nr_bytes: int) -> str:
    """As --ram takes it."""
    for unit, letter in ((1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")):
        if nr_bytes % unit == 0:
            return f"{nr_bytes // unit}{letter}"
    return str(nr_bytes)
