"""Starting up: CPU time of `vmtool touch` of one page, on a small and on a large machine, and of bare Python."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.measure import Row, alternate, cpu_of, ms, vmtool_command

NR_PROCESSES = 1000
NR_RUNS = 10  # of each command in a turn

DEFAULT = "init\nspawn\n"
ALIKE = "import sys; sys.argv[0] = 'vmtool'\n{}from vmtool.__main__ import leave, main\nleave(main())"
WITHOUT_HISTORY = """\
from vmtool.store.chunks import Chunks
class Nothing:
    step = 0
    def keeps(self, nr_changes): return False
    def add(self, entry, header, replaced): pass
    def packed(self): return 0
Chunks.history = property(lambda self: Nothing)
Nothing = Nothing()
"""
"""The store as it would be if it overwrote what changes, and had no log."""
LARGE = "init --ram 1T\n" + "spawn\n" * NR_PROCESSES


class Touch:
    """`vmtool touch` of the next untouched page, NR_RUNS times; CPU seconds of one. The script's last line is a spawn."""

    def __init__(self, path: Path, script: str, command: Sequence[str] = ()) -> None:
        self.vmtool = [*(command or vmtool_command()), "-s", str(path)]
        pid = self.output("run", "-", text=script).split()[-1]
        self.address = int(self.output("mmap", pid, "64M"), 16)
        self.pid = pid

    def output(self, *words: str, text: str = "") -> str:
        done = subprocess.run([*self.vmtool, *words], input=text, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout

    def __call__(self) -> dict[str, float]:
        total = 0.0
        for _ in range(NR_RUNS):
            total += cpu_of([*self.vmtool, "touch", self.pid, hex(self.address)])
            self.address += 4096
        return {"cpu": total / NR_RUNS}


def through_python(patch: str) -> list[str]:
    """The command `vmtool` after some lines of Python."""
    return [sys.executable, "-c", ALIKE.format(patch)]


def python(statement: str) -> Callable[[], dict[str, float]]:
    return lambda: {"cpu": sum(cpu_of([sys.executable, "-c", statement]) for _ in range(NR_RUNS)) / NR_RUNS}


def rows(rounds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as directory:
        taken = alternate(
            rounds,
            {
                "default": Touch(Path(directory, "default.vmt"), DEFAULT),
                "large": Touch(Path(directory, "large.vmt"), LARGE),
                "history": Touch(Path(directory, "history.vmt"), DEFAULT, through_python("")),
                "no history": Touch(Path(directory, "none.vmt"), DEFAULT, through_python(WITHOUT_HISTORY)),
                "click": python("import click"),
                "bare": python("pass"),
            },
        )
    names = ("default", "large", "click", "bare", "history", "no history")
    default, large, click, bare, history, without = (taken[name].median["cpu"] for name in names)
    yield Row("touch / python -c 'import click'", ms(default), "python " + ms(click), default / click, 1.3)
    yield Row("the same, 1 TiB and 1,000 processes", ms(large), "python " + ms(click), large / click, 1.3)
    yield Row("1 TiB and 1,000 processes / default machine", ms(large), "default " + ms(default), large / default, 1.1)
    yield Row("touch / python -c pass", ms(default), "python " + ms(bare), default / bare, 1.6)
    yield Row("touch with history / without", ms(history), "without " + ms(without), history / without, 1.2)
