"""Machines for pictures, and what their page tables say, asked page by page."""

import random

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

from vmtool.errors import KernelError, Signal  # noqa: E402

PAGE = 4096
PRIVATE, SHARED, ANONYMOUS = 2, 1, 0x20
MADV = (4, 8, 14, 21, 102, 103)  # dontneed, free, hugepage, pageout, guard_install, guard_remove
READ, WRITE = 1, 2
FILE = "/a <&\"'>.dat"


def boot(**how):
    machine = core.Machine()
    machine.boot(**{"ram_bytes": 1 << 30, **how})
    return machine


def story():
    """render and viewer have scene.dat in common; render wrote to its third page."""
    m = boot()
    for name in ("render", "viewer"):
        m.spawn(name, None, [name.encode()], [])
    m.mkfile("/scene.dat", 3 * PAGE, b"first block")
    for pid in (1, 2):
        addr = m.mmap(pid, 0, 3 * PAGE, READ | WRITE, PRIVATE, "/scene.dat")
        m.touch(pid, addr, 3 * PAGE, "r")
    m.store(1, addr + 2 * PAGE, b"THIRD")
    return m


def calls_on(m, rng, pid, area, start, nr):
    """What may be done next."""
    length = area.end - area.start
    return (
        lambda: m.mmap(pid, 0, nr, READ | WRITE, PRIVATE | ANONYMOUS),
        lambda: m.mmap(pid, 0, nr, READ | WRITE, SHARED | ANONYMOUS),
        lambda: m.mmap(pid, 0, nr, READ | WRITE, rng.choice((PRIVATE, SHARED)), FILE),
        lambda: m.mmap(pid, 0, nr, READ, PRIVATE, "/lib/b.so"),
        lambda: m.mmap(pid, 0, 4 << 20, READ | WRITE, PRIVATE | ANONYMOUS),
        lambda: m.touch(pid, start, nr, rng.choice("rw"), True),
        lambda: m.touch(pid, start, nr, rng.choice("rw"), True),
        lambda: m.touch(pid, start, nr, "w", True),
        lambda: m.touch(pid, area.start, length, "r", True),
        lambda: m.munmap(pid, start, PAGE),
        lambda: m.mprotect(pid, start, nr, rng.choice((0, READ, READ | WRITE))),
        lambda: m.madvise(pid, start, nr, rng.choice(MADV)),
        lambda: m.madvise(pid, area.start, length, 14),
        lambda: m.fork(pid) if len(m.tasks()) < 4 else m.exit(pid),
        lambda: m.read(pid, "/lib/b.so", rng.randrange(40) * PAGE, nr),
        lambda: m.brk(pid, m.brk(pid) + nr),
    )


def drawn_machine(seed, **how):
    """A machine after some dozens of calls drawn from a seed: every kind of mapping, forks, holes, huge pages, PROT_NONE, guards."""
    rng = random.Random(seed)
    m = boot(**how)
    m.mkfile(FILE, 9 * PAGE, b"a")
    m.mkfile("/lib/b.so", 40 * PAGE, b"b")
    m.spawn("one", None, [b"one"], [])
    for _ in range(60):
        pids = [task.pid for task in m.tasks() if task.has_mm]
        pid = rng.choice(pids) if pids else m.spawn("again", None, [b"again"], [])
        areas = [vma for vma in m.maps(pid) if vma.start < 1 << 47]
        area = rng.choice(areas)
        start = area.start + rng.randrange(max(1, (area.end - area.start) // PAGE)) * PAGE
        nr = rng.choice((1, 2, 3, 7, 20)) * PAGE
        try:
            rng.choice(calls_on(m, rng, pid, area, start, nr))()
        except (KernelError, Signal):
            pass
    return m


def present_pages(machine):
    """{(pid, page address): (frame, writable, entry's address)} by a walk for each page of each area below the kernel."""
    found = {}
    for task in machine.tasks():
        if not task.has_mm:
            continue
        for vma in machine.maps(task.pid):
            for addr in range(vma.start, vma.end, PAGE) if vma.start < 1 << 47 else ():
                walk = machine.walk(task.pid, addr)
                if walk.phys is not None:
                    last = walk.steps[-1]
                    found[task.pid, addr] = walk.phys >> 12, "RW" in last.flags, last.entry_addr
    return found
