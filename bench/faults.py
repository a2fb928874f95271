"""Faults, copies, fork, TLB hits: vmtool's core, the plain C model, the live kernel (CPU time a page or an access)."""

import ctypes
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Row, alternate, compiled, figures_of, ns

NR_PAGES = 32768
NR_ACCESSES = 1 << 20
NR_HOT_PAGES = 32  # fit the first level of every TLB
PROT_RW = 3
MAP_PRIVATE_ANON = 0x22
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h

# What the model must take at most for the comparison to be honest, ns at -O2 on the machine of the targets.
MODEL_LIMITS = {"fault": 20, "cow": 30, "fork": 9, "hit": 2}


def keep_heap() -> None:
    """What is freed stays the process's: each round's machine gets warm pages of the host, as the model's has after its first round.

    Else it hangs on what happens to lie at the heap's end whether glibc gives it back: 9 ns for each fault of one side or another.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, 1 << 30)
        mallopt(M_MMAP_THRESHOLD, 32 << 20)  # which stays at 128K else, where it would have risen by itself


def new_machine():
    """A machine with room for two copies of the pages, and a process with one area over them."""
    from vmtool._core import Machine

    machine = Machine()
    machine.boot(ram_bytes=1 << 30)
    pid = machine.spawn("bench", None, [b"bench"], [])
    return machine, pid, machine.mmap(pid, 0, NR_PAGES << 12, PROT_RW, MAP_PRIVATE_ANON)


def hot_accesses(base: int) -> bytes:
    """The records of bench/model.c: 32 pages in turn, 8 bytes, every second one a write."""
    return b"".join(
        struct.pack("<QII", base + (i * 7 % NR_HOT_PAGES << 12) + i % 500 * 8, 8, i & 1) for i in range(NR_ACCESSES)
    )


def timed(call, nr: int) -> float:
    """CPU time of a call, in ns for each of `nr`."""
    start = time.process_time_ns()
    call()
    return (time.process_time_ns() - start) / nr


class Simulated:
    """One round of vmtool's side, with the same counters as the model's."""

    def __init__(self) -> None:
        self.accesses: bytes | None = None

    def __call__(self) -> dict[str, float]:
        machine, pid, base = new_machine()
        if self.accesses is None:
            self.accesses = hot_accesses(base)
        before, mm_before = machine.task(pid), machine.mm(pid)
        length = NR_PAGES << 12
        figures: dict[str, float] = {"fault": timed(lambda: machine.touch(pid, base, length, "w"), NR_PAGES)}
        figures["fork"] = timed(lambda: machine.fork(pid), NR_PAGES)
        figures["cow"] = timed(lambda: machine.touch(pid, base, length, "w"), NR_PAGES)
        machine.access_stream(pid, self.accesses[: 16 * NR_HOT_PAGES * 2])
        hits = sum(cpu.l1_hits + cpu.l2_hits for cpu in machine.tlb_stats())
        figures["hit"] = timed(lambda: machine.access_stream(pid, self.accesses), NR_ACCESSES)
        figures["tlb_hits"] = sum(cpu.l1_hits + cpu.l2_hits for cpu in machine.tlb_stats()) - hits
        figures["pgfault"] = machine.task(pid).min_flt - before.min_flt
        figures["rss_anon"] = machine.mm(pid).rss_anon - mm_before.rss_anon
        return figures


def with_commit() -> dict[str, float]:
    """Fresh pages in a new file, from the first fault to the end of the commit."""
    from vmtool.store.session import init_machine, open_machine

    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "bench.vmt")
        with init_machine(path) as session:
            session.machine.boot(ram_bytes=1 << 30)
            pid = session.machine.spawn("bench", None, [b"bench"], [])
            base = session.machine.mmap(pid, 0, NR_PAGES << 12, PROT_RW, MAP_PRIVATE_ANON)
            session.commit()
        with open_machine(path, write=True) as session:
            def both() -> None:
                session.machine.touch(pid, base, NR_PAGES << 12, "w")
                session.commit()

            return {"fault": timed(both, NR_PAGES)}


def counters_differ(model: dict[str, float], core: dict[str, float]) -> Iterator[str]:
    for name in ("pgfault", "rss_anon", "tlb_hits"):
        if model[name] != core[name]:
            yield f"  NOT COMPARABLE: {name} is {model[name]:.0f} in the model, {core[name]:.0f} in vmtool"


def rows(rounds: int) -> Iterator[Row]:
    keep_heap()
    model, kernel = compiled("model.c"), compiled("kernel.c")
    sides: dict[str, Callable[[], dict[str, float]]] = {
        "model": lambda: figures_of(model, NR_PAGES, NR_ACCESSES),
        "kernel": lambda: figures_of(kernel, NR_PAGES),
        "core": Simulated(),
        "commit": with_commit,
    }
    taken = alternate(rounds, sides)
    c, linux, core = (taken[name].median for name in ("model", "kernel", "core"))
    for name, limit in MODEL_LIMITS.items():
        best = taken["model"].best[name]
        yield Row(f"the model at its best: {name}", ns(best), f"limit {limit} ns", best / limit, 1.0)
    for name, what, target, most in (("fault", "demand-zero fault", 20, 2), ("cow", "copy-on-write", 20, 2),
                                     ("fork", "fork, a page", 5, None)):
        yield Row(f"{what}: kernel / vmtool", ns(core[name]), "kernel " + ns(linux[name]), linux[name] / core[name], target, True)
        yield Row(f"{what}: vmtool / C model", ns(core[name]), "model " + ns(c[name]), core[name] / c[name], most)
    saved = taken["commit"].median["fault"]
    yield Row("demand-zero fault and commit: kernel / vmtool", ns(saved), "kernel " + ns(linux["fault"]), linux["fault"] / saved, 12, True)
    yield Row("TLB hit: vmtool / C model", ns(core["hit"]), "model " + ns(c["hit"]), core["hit"] / c["hit"], 2.5)
    for line in counters_differ(c, core):
        print(line, file=sys.stderr)
