"""Pictures: CPU time of `vmtool draw` of a full machine, and the size of a page of 200 steps."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Row, alternate, cpu_of, ms, vmtool_command
from bench.startup import python

NR_PROCESSES = 1000
NR_STEPS = 200
MIB = 1 << 20


def full_machine(path: Path) -> None:
    """1,000 processes with 900 kB each: 1 GiB with their tables, on a machine that has a little more."""
    lines = ["init --ram 1152M"]
    for pid in range(1, NR_PROCESSES + 1):
        lines += [f"spawn p{pid}", f"a = mmap {pid} 900K", f"touch {pid} $a 900K"]
    words = [*vmtool_command(), "-s", str(path), "run", "-"]
    subprocess.run(words, input="\n".join(lines), text=True, stdout=subprocess.DEVNULL, check=True)


def draw(path: Path, *more: str) -> Callable[[], dict[str, float]]:
    return lambda: {"cpu": cpu_of([*vmtool_command(), "-s", str(path), "draw", *more])}


def page_bytes(directory: Path) -> int:
    """Of a script in which four processes map, write, fork, and give back."""
    lines = ["init", "mkfile scene.dat 1M"]
    for pid in range(1, 5):
        lines += [f"spawn p{pid}", f"brk {pid} --by 256K", f"m{pid} = mmap {pid} 1M --private --file scene.dat"]
    pid = 5
    while len(lines) < NR_STEPS:
        i = len(lines)
        who, at = i % 4 + 1, i % 60 * 4
        turns = (f"touch {who} heap+{at}K 8K", f"touch {who} $m{who}+{at}K 16K -r", f"store {who} $m{who}+{at}K hello",
                 f"madvise {who} heap+{at}K 4K dontneed", f"mprotect {who} $m{who}+{at}K 4K {'r' if i % 2 else 'rw'}")
        lines.append(turns[i % len(turns)] if i % 50 else f"fork {who}")
    script, page = directory / "story.vmt", directory / "story.html"
    script.write_text("\n".join(lines))
    words = [*vmtool_command(), "-s", str(directory / "none.vmt"), "report", str(script), "-o", str(page)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return page.stat().st_size


def rows(rounds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as directory:
        full = Path(directory, "full.vmt")
        full_machine(full)
        sides = {"text": draw(full), "svg": draw(full, "--svg", "-"), "click": python("import click")}
        taken = alternate(rounds, sides)
        click = taken["click"].median["cpu"]
        for name, what in (("text", "draw of 1,000 processes / import click"), ("svg", "the same, --svg")):
            cpu = taken[name].median["cpu"]
            yield Row(what, ms(cpu), "python " + ms(click), cpu / click, 30)
        size = page_bytes(Path(directory))
        yield Row(f"a page of {NR_STEPS} steps / 5 MiB", f"{size / MIB:.2f} MiB", "5.00 MiB", size / (5 * MIB), 1.0)
