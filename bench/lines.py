"""Scripts: a line of `vmtool run` beside Python's own split of it with three int() calls (CPU time a line)."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Row, alternate, cpu_of, ns, vmtool_command

NR_LINES = 20000


def split_by_python(lines: list[str]) -> Callable[[], dict[str, float]]:
    """The floor: words, and three numbers of them, and nothing done with them."""
    def side() -> dict[str, float]:
        start = time.process_time_ns()
        for line in lines:
            words = line.split()
            int(words[1]), int(words[2], 16), int(words[3])
        return {"line": (time.process_time_ns() - start) / len(lines)}

    return side


class Run:
    """The same lines through `vmtool run`, less what a run of the set-up alone takes."""

    def __init__(self, directory: Path, setup: str, lines: list[str]) -> None:
        self.scripts = {}
        for name, script in (("none", setup), ("all", setup + "\n".join(lines) + "\n")):
            self.scripts[name] = directory / f"{name}.script"
            self.scripts[name].write_text(script)
        self.command = [*vmtool_command(), "-s", str(directory / "lines.vmt"), "run"]
        self.nr_lines = len(lines)

    def __call__(self) -> dict[str, float]:
        cpu = {name: cpu_of([*self.command, str(script)]) for name, script in self.scripts.items()}
        return {"line": (cpu["all"] - cpu["none"]) * 1e9 / self.nr_lines}


def first_mapping(directory: Path) -> tuple[str, int]:
    """PID and address of `spawn` and `mmap 64M` on a new machine."""
    command = [*vmtool_command(), "-s", str(directory / "probe.vmt"), "run", "-"]
    done = subprocess.run(command, input="spawn\n", capture_output=True, text=True, check=True)
    pid = done.stdout.split()[-1]
    done = subprocess.run(command, input=f"mmap {pid} 64M\n", capture_output=True, text=True, check=True)
    return pid, int(done.stdout, 16)


def rows(rounds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        pid, base = first_mapping(directory)
        lines = [f"touch {pid} {base + (i % 16384) * 4096:#x} 4096" for i in range(NR_LINES)]
        setup = "init --force\nspawn\nmmap " + pid + " 64M\n"
        taken = alternate(rounds, {"python": split_by_python(lines), "run": Run(directory, setup, lines)})
    ours, floor = taken["run"].median["line"], taken["python"].median["line"]
    yield Row("a line of vmtool run / split and 3 int()", ns(ours), "python " + ns(floor), ours / floor, 10)
