"""Swap and size: a page written to swap, and found there again, beside the live kernel; faults on 1 GiB and on 1 TiB (CPU time a page).

What MADV_PAGEOUT wrote stays in the swap cache until it is reclaimed: the reads are minor faults, on both sides.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.faults import MAP_PRIVATE_ANON, PROT_RW, keep_heap, timed
from bench.measure import Row, alternate, compiled, figures_of, ns

NR_PAGES = 16384
MADV_PAGEOUT = 21
LENGTH = NR_PAGES << 12


def simulated() -> dict[str, float]:
    from vmtool._core import Machine

    machine = Machine()
    machine.boot(ram_bytes=1 << 30)
    machine.swapon(2 * LENGTH)
    pid = machine.spawn("bench", None, [b"bench"], [])
    base = machine.mmap(pid, 0, LENGTH, PROT_RW, MAP_PRIVATE_ANON)
    for page in range(NR_PAGES):
        machine.store(pid, base + (page << 12), (page + 1).to_bytes(8, "little"))
    figures: dict[str, float] = {"out": timed(lambda: machine.madvise(pid, base, LENGTH, MADV_PAGEOUT), NR_PAGES)}
    figures["in"] = timed(lambda: machine.touch(pid, base, LENGTH, "r"), NR_PAGES)
    assert machine.vmstat()["pswpout"] >= NR_PAGES
    figures["major_faults"] = machine.task(pid).maj_flt
    return figures


@contextmanager
def swap_area() -> Iterator[bool]:
    """A swap area of the live kernel's for the while; false: none can be had."""
    if os.geteuid() or not shutil.which("mkswap"):
        yield False
        return
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name:
        path = Path(name) / "swap"
        path.write_bytes(bytes(2 * LENGTH))
        path.chmod(0o600)
        made = all(subprocess.run([tool, str(path)], capture_output=True, check=False).returncode == 0 for tool in ("mkswap", "swapon"))
        try:
            yield made
        finally:
            if made:
                subprocess.run(["swapoff", str(path)], check=True)


def of_size(ram_bytes: int) -> dict[str, float]:
    from vmtool._core import Machine

    machine = Machine()
    machine.boot(ram_bytes=ram_bytes)
    pid = machine.spawn("bench", None, [b"bench"], [])
    base = machine.mmap(pid, 0, LENGTH, PROT_RW, MAP_PRIVATE_ANON)
    return {"fault": timed(lambda: machine.touch(pid, base, LENGTH, "w"), NR_PAGES)}


def rows(rounds: int) -> Iterator[Row]:
    keep_heap()
    taken = alternate(rounds, {"small": lambda: of_size(1 << 30), "large": lambda: of_size(1 << 40)})
    small, large = (taken[name].median["fault"] for name in ("small", "large"))
    yield Row("a fault on 1 TiB / on 1 GiB", ns(large), "1 GiB " + ns(small), large / small, 1.25)
    with swap_area() as made:
        if not made:
            print("  skipped: no swap area of the live kernel's (root, mkswap and swapon are needed)", file=sys.stderr)
            return
        program = compiled("kernel_swap.c")
        taken = alternate(rounds, {"kernel": lambda: figures_of(program, NR_PAGES), "vmtool": simulated})
    for way, what in (("out", "a page to swap"), ("in", "a page that the swap cache has")):
        ours, theirs = taken["vmtool"].median[way], taken["kernel"].median[way]
        yield Row(f"{what}: kernel / vmtool", ns(ours), "kernel " + ns(theirs), theirs / ours, 10, True)
    if taken["vmtool"].median["major_faults"] != taken["kernel"].median["major_faults"]:
        print("  NOT COMPARABLE: the major faults differ", file=sys.stderr)
