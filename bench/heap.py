"""A heap: operations of a trace on vmtool and on the host's C library (CPU time an operation), and vmtool's memory over its length."""

import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import ROOT, Row, alternate, ns

NR_OPS = 400_000
NR_LIVE = 3000
LEAST_RATIO = 0.1  # of the real library's speed
MOST_GROWTH = 1.05  # of memory, over the second half of the trace


def trace(nr_ops: int) -> bytes:
    """A program's life: strings, nodes, buffers that grow; nine tenths below 512 bytes."""
    draw = random.Random(1)
    live: list[int] = []
    lines = []
    for n in range(nr_ops):
        what = draw.random()
        size = draw.randrange(16, 512) if draw.random() < 0.9 else draw.randrange(512, 20000)
        if len(live) > NR_LIVE or (live and what < 0.45):
            at = draw.randrange(len(live))
            live[at], live[-1] = live[-1], live[at]
            lines.append(f"f {live.pop()}")
        elif live and what < 0.55:
            lines.append(f"r {live[draw.randrange(len(live))]} {size}")
        else:
            lines.append(f"m {n} {size}")
            live.append(n)
    return "\n".join(lines).encode() + b"\n"


def command(words: list[str]) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def simulated(lines: bytes) -> dict[str, float]:
    from vmtool._core import Machine

    machine = Machine()
    machine.boot(ram_bytes=1 << 30)
    run = machine.heap_trace(machine.spawn("bench", None, [b"bench"], []))
    half = lines.index(b"\n", len(lines) // 2) + 1
    start = time.process_time_ns()
    run.feed(lines[:half])
    middle = resident()
    run.feed(lines[half:])
    return {"op": (time.process_time_ns() - start) / NR_OPS, "growth": resident() / middle}


def rows(rounds: int) -> Iterator[Row]:
    lines = trace(NR_OPS)
    with tempfile.TemporaryDirectory() as directory:
        program, path = str(Path(directory) / "replayer"), str(Path(directory) / "trace")
        command(["cc", "-O2", "-fno-builtin", "-Wl,-z,now", "-o", program, str(ROOT / "tests/libc/replayer.c")])
        Path(path).write_bytes(lines)
        taken = alternate(rounds, {"vmtool": lambda: simulated(lines), "glibc": lambda: {"op": float(command([program, path, "time"]))}})
    ours, theirs = taken["vmtool"].median["op"], taken["glibc"].median["op"]
    yield Row("an operation of a heap's trace, speed", ns(ours), f"glibc {ns(theirs)}", theirs / ours, LEAST_RATIO, at_least=True)
    growth = taken["vmtool"].median["growth"]
    yield Row("memory over its second half", "", "", growth, MOST_GROWTH)
