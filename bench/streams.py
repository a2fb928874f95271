"""Streams of reads over 1 GiB and 64 GiB that are mapped: two levels of TLB and walks, beside the same in plain C (CPU time an access)."""

import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate
from random import Random

from bench.measure import Row, alternate, compiled, figures_of, ns

NR_ACCESSES = 1_000_000
BASE = 0x600000000000
PROT_RW, MAP_ANON_FIXED_NORESERVE = 3, 0x4032
LIMITS = {"sequential": 2, "zipf": 25, "random": 30}  # what the model may take at most over 1 GiB to be a fair one, ns at -O2
COUNTERS = ("l1_hits", "l2_hits", "misses")


def pages_of(what: str, nr_pages: int) -> Iterator[int]:
    """Bytes from the start on: 64 by 64; or anywhere in pages drawn by rank with exponent 1, or all alike."""
    random = Random(1)
    if what == "sequential":
        yield from (i * 64 for i in range(NR_ACCESSES))
    elif what == "random":
        yield from (random.randrange(nr_pages << 12) & ~7 for _ in range(NR_ACCESSES))
    else:
        sums = list(accumulate(1.0 / rank for rank in range(1, min(nr_pages, 1 << 18) + 1)))
        step = nr_pages // len(sums)
        ranked = random.choices(range(len(sums)), cum_weights=sums, k=NR_ACCESSES)
        yield from ((rank * 2654435761 % len(sums) * step << 12) + 8 * (rank & 511) for rank in ranked)


class Sides:
    """One stream over so many pages, as both sides read it."""

    def __init__(self, what: str, nr_pages: int) -> None:
        from vmtool._core import Machine

        self.nr_pages = nr_pages
        self.accesses = b"".join([struct.pack("<QII", BASE + at, 8, 0) for at in pages_of(what, nr_pages)])
        self.trace = tempfile.NamedTemporaryFile(suffix=".accesses")  # noqa: SIM115: as long as this object
        self.trace.write(self.accesses)
        self.trace.flush()
        self.program = compiled("model_stream.c")
        self.machine = Machine()
        self.machine.boot(ram_bytes=1 << 30)
        self.pid = self.machine.spawn("bench", None, [b"bench"], [])
        self.machine.mmap(self.pid, BASE, nr_pages << 12, PROT_RW, MAP_ANON_FIXED_NORESERVE)
        self.machine.touch(self.pid, BASE, nr_pages << 12, "r")

    def model(self) -> dict[str, float]:
        return figures_of(self.program, self.nr_pages, self.trace.name)

    def vmtool(self) -> dict[str, float]:
        self.machine.switch(self.machine.fork(self.pid))  # what the TLB holds goes
        self.machine.switch(self.pid)
        before = self.machine.tlb_stats()[0]
        allocated = self.machine.vmstat()["nr_free_pages"]
        start = time.process_time_ns()
        self.machine.access_stream(self.pid, self.accesses)
        spent = time.process_time_ns() - start
        assert self.machine.vmstat()["nr_free_pages"] == allocated, "an access allocated something"
        after = self.machine.tlb_stats()[0]
        return {"access": spent / NR_ACCESSES, **{name: getattr(after, name) - getattr(before, name) for name in COUNTERS}}


def rows(rounds: int) -> Iterator[Row]:
    for gib in (1, 64):
        for what, limit in LIMITS.items():
            sides = Sides(what, gib << 18)
            taken = alternate(rounds, {"model": sides.model, "vmtool": sides.vmtool})
            ours, theirs = taken["vmtool"].median, taken["model"].median
            if gib == 1:
                best = taken["model"].best["access"]
                yield Row(f"the model at its best: {what}", ns(best), f"limit {limit} ns", best / limit, 1.0)
            yield Row(f"{what} over {gib} GiB: vmtool / C model", ns(ours["access"]), "model " + ns(theirs["access"]),
                      ours["access"] / theirs["access"], 2.0)
            for name in COUNTERS:
                if ours[name] != theirs[name]:
                    print(f"  NOT COMPARABLE: {what}: {name}: model {theirs[name]:.0f}, vmtool {ours[name]:.0f}", file=sys.stderr)
