"""Alternate the sides of a comparison, take medians, print each ratio beside its target.

CPU time (user and system) everywhere: this is what a busy machine disturbs least. The sides take turns within
one run, so that what disturbs one disturbs the other; figures of different runs are not to be compared.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "bench"


class Row(NamedTuple):
    """One line of the table. `ratio` is to be at least or at most `target`; a target of None is for information."""

    what: str
    ours: str
    theirs: str
    ratio: float
    target: float | None = None
    at_least: bool = False

    def is_reached(self) -> bool:
        if self.target is None:
            return True
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target

    def text(self) -> str:
        bound = "" if self.target is None else f"{'at least' if self.at_least else 'at most'} {self.target:g}"
        verdict = "" if self.target is None else ("reached" if self.is_reached() else "MISSED")
        return f"  {self.what:<44} {self.ours:>14} {self.theirs:>24} {self.ratio:>8.2f} x  {bound:<14} {verdict}".rstrip()


def print_rows(rows: Iterable[Row]) -> int:
    """How many missed their target."""
    missed = 0
    for row in rows:
        print(row.text(), flush=True)
        missed += not row.is_reached()
    return missed


class Taken(NamedTuple):
    """One side's figures over the rounds."""

    median: dict[str, float]
    best: dict[str, float]


def alternate(rounds: int, sides: Mapping[str, Callable[[], dict[str, float]]]) -> dict[str, Taken]:
    """Each side in turn, `rounds` times after a round that only warms up."""
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in sides.items():
            figures = side()
            if turn:
                taken[name].append(figures)
    return {
        name: Taken({key: median(f[key] for f in all_) for key in all_[0]}, {key: min(f[key] for f in all_) for key in all_[0]})
        for name, all_ in taken.items()
    }


def compiled(source: str) -> Path:
    """Compile bench/NAME.c with cc -O2 when it, or anything beside it, is newer."""
    BUILD.mkdir(parents=True, exist_ok=True)
    sources = [*Path(__file__).parent.glob("*.c"), *Path(__file__).parent.glob("*.h")]
    program = BUILD / Path(source).stem
    if not program.exists() or program.stat().st_mtime < max(s.stat().st_mtime for s in sources):
        subprocess.run(["cc", "-O2", "-o", str(program), str(Path(__file__).parent / source)], check=True)
    return program


def figures_of(program: Path, *words: object) -> dict[str, float]:
    """Run a bench program; its lines `NAME NUMBER`, and `counters A=1 B=2` as counters."""
    out = subprocess.run([str(program), *map(str, words)], check=True, capture_output=True, text=True).stdout
    figures: dict[str, float] = {}
    for line in out.splitlines():
        name, _, rest = line.partition(" ")
        if name == "counters":
            for pair in rest.split():
                key, _, value = pair.partition("=")
                figures[key] = int(value)
        else:
            figures[name] = float(rest)
    return figures


def cpu_of(command: list[str], **options: object) -> float:
    """CPU seconds of a command, its children included. RuntimeError with its stderr when it fails."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload]
    assert process.stderr is not None
    errors = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}: {errors.strip()}")
    return usage.ru_utime + usage.ru_stime


def vmtool_command() -> list[str]:
    """The launcher beside this interpreter, else the one of the tree."""
    beside = Path(sys.executable).parent / "vmtool"
    if beside.exists():
        return [str(beside)]
    os.environ["PYTHONPATH"] = str(ROOT)
    return [sys.executable, str(ROOT / "bin" / "vmtool")]


def ns(value: float) -> str:
    return f"{value:,.1f} ns" if value < 100 else f"{value:,.0f} ns"


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"
