"""Reclaim: streams that do not fit memory, beside libcachesim's LRU on the same trace (CPU time an access)."""

import struct
import sys
import tempfile
import time
from array import array
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from random import Random

from bench.measure import Row, alternate, ns

NR_ACCESSES = 1_000_000
RAM = 256 << 20
PROT_RW, MAP_PRIVATE_ANON_NORESERVE = 3, 0x4022
MARGIN = 4096  # pages: tables and slabs of the process that maps four times the memory


def new_machine(times: float):
    """A machine, its process, an area of so many times the free memory, with swap for all of it; pages: free ones, the area's."""
    from vmtool._core import Machine

    machine = Machine()
    machine.boot(ram_bytes=RAM)
    memory = machine.vmstat()["nr_free_pages"] - MARGIN
    nr_pages = int(memory * times)
    machine.swapon((nr_pages + 1024) << 12)
    pid = machine.spawn("bench", None, [b"bench"], [])
    return machine, pid, machine.mmap(pid, 0, nr_pages << 12, PROT_RW, MAP_PRIVATE_ANON_NORESERVE), memory, nr_pages


def zipf(nr_pages: int) -> array:
    """Page numbers, drawn by rank with exponent 1; which page has which rank is drawn, too."""
    random = Random(1)
    sums = list(accumulate(1.0 / rank for rank in range(1, nr_pages + 1)))
    pages = list(range(nr_pages))
    random.shuffle(pages)
    return array("Q", [pages[bisect(sums, random.random() * sums[-1])] for _ in range(NR_ACCESSES)])


def loop(nr_pages: int) -> array:
    return array("Q", [i % nr_pages for i in range(NR_ACCESSES)])


class Sides:
    """One stream: vmtool's machine and the cache simulator, each begun anew in every round."""

    def __init__(self, times: float, draw) -> None:
        self.times = times
        _, _, self.base, self.memory, nr_pages = new_machine(times)
        self.pages = draw(nr_pages)
        self.accesses = b"".join([struct.pack("<QII", self.base + (page << 12), 1, 1) for page in self.pages])
        self.trace = tempfile.NamedTemporaryFile(suffix=".oracleGeneral")  # noqa: SIM115: as long as this object
        self.trace.write(b"".join([struct.pack("<IQIq", 0, page + 1, 1, -1) for page in self.pages]))
        self.trace.flush()

    def vmtool(self) -> dict[str, float]:
        machine, pid, base, _, _ = new_machine(self.times)
        assert base == self.base
        start = time.process_time_ns()
        touched = machine.access_stream(pid, self.accesses)
        spent = time.process_time_ns() - start
        assert machine.vmstat()["pswpin"] + machine.vmstat()["swpin_zero"] > 0
        return {"access": spent / NR_ACCESSES, "misses": (touched.major + touched.minor) / NR_ACCESSES}

    def libcachesim(self) -> dict[str, float]:
        import libcachesim

        reader = libcachesim.TraceReader(trace=self.trace.name, trace_type=libcachesim.TraceType.ORACLE_GENERAL_TRACE,
                                         reader_init_params=libcachesim.ReaderInitParam(ignore_obj_size=True))
        cache = libcachesim.LRU(cache_size=self.memory)
        start = time.process_time_ns()
        misses, _ = cache.process_trace(reader)
        return {"access": (time.process_time_ns() - start) / NR_ACCESSES, "misses": misses}


def rows(rounds: int) -> Iterator[Row]:
    try:
        import libcachesim  # noqa: F401
    except ImportError:
        print("  skipped: the Python package libcachesim is not installed", file=sys.stderr)
        return
    for what, times, draw in (("zipf 1.0 over 4 x the memory", 4, zipf), ("loop over 1.5 x the memory", 1.5, loop)):
        sides = Sides(times, draw)
        taken = alternate(rounds, {"vmtool": sides.vmtool, "libcachesim": sides.libcachesim})
        ours, theirs = taken["vmtool"].median, taken["libcachesim"].median
        yield Row(f"{what}: vmtool / libcachesim", ns(ours["access"]), "libcachesim " + ns(theirs["access"]),
                  ours["access"] / theirs["access"], 1.0)
        yield Row(f"{what}: misses", f"{ours['misses']:.3f}", f"libcachesim {theirs['misses']:.3f}", ours["misses"] / theirs["misses"])
