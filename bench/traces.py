"""Traces: replayed lines beside a loop of one compiled expression a line, lackey's own rate of writing, and wc -l (CPU time a line)."""

import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Row, alternate, cpu_of, ns, vmtool_command

FIXTURE = Path(__file__).parents[1] / "fixtures" / "strace" / "python3.tar.gz"
PROGRAMS = FIXTURE.with_name("make.tar.gz")
NR_LINES = 200_000
LACKEY_LINES = 2_000_000
LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (.*)")
MAPPING = "0x10000000, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x10000000\n"


def strace_log(directory: Path) -> Path:
    """A long log: the start of a recorded python3, then its file calls again and again, with a mapping made and dropped each time."""
    with tarfile.open(FIXTURE) as archive:
        member = archive.extractfile("strace.log")
        assert member is not None
        lines = member.read().decode("latin-1").splitlines(True)
    pid = lines[0].split()[0]
    body = [line for line in lines if not re.search(r" (execve|mmap|munmap|mprotect|brk|exit_group|prlimit64)\(|\+\+\+", line)]
    body += [f"{pid} mmap({MAPPING}", f"{pid} munmap(0x10000000, 8192)             = 0\n"]
    path = directory / "python3.log"
    with path.open("w", encoding="latin-1") as out:
        out.writelines(line for line in lines if "exit_group" not in line and "+++" not in line)
        for _ in range(NR_LINES // len(body)):
            out.writelines(body)
    return path


def programs_log(directory: Path) -> Path:
    """Starts and ends of programs without end: a recorded make -j2 again and again, its processes under new numbers each time."""
    with tarfile.open(PROGRAMS) as archive:
        member = archive.extractfile("strace.log")
        assert member is not None
        text = member.read().decode("latin-1")
    numbers = sorted(set(re.findall(r"(?m)^(\d+) ", text)))
    anywhere = re.compile(r"\b(" + "|".join(numbers) + r")\b")
    path = directory / "make.log"
    with path.open("w", encoding="latin-1") as out:
        for i in range(NR_LINES // text.count("\n")):
            out.write(anywhere.sub(lambda found, i=i: str(int(found[1]) + 1000 * i), text))
    return path


def lackey_log(directory: Path) -> Path:
    path = directory / "lackey.log"
    block = "".join(f"I  {0x401000 + i * 4:08x},4\n L {0x1FFF000000 + i * 8:08x},8\n S {0x1FFF001000 + i * 8:08x},8\n"
                    f"I  {0x401000 + i * 4:08x},3\n" for i in range(1000))
    with path.open("w") as out:
        for _ in range(LACKEY_LINES // 4000):
            out.write(block)
    return path


def count_lines(path: Path) -> int:
    with path.open("rb") as f:
        return sum(block.count(b"\n") for block in iter(lambda: f.read(1 << 20), b""))


def expression(path: Path) -> Callable[[], dict[str, float]]:
    """The floor: read the lines, match one expression, nothing else."""
    nr = count_lines(path)

    def side() -> dict[str, float]:
        match, start = LINE.match, time.process_time_ns()
        with path.open(encoding="latin-1", newline="\n") as f:
            for line in f:
                match(line)
        return {"line": (time.process_time_ns() - start) / nr}

    return side


def words_of(path: Path, command: list[str], empty: Path) -> Callable[[], dict[str, float]]:
    """A command on the trace, less the same on an almost empty one."""
    nr = count_lines(path)
    return lambda: {"line": (cpu_of([*command, str(path)]) - cpu_of([*command, str(empty)])) * 1e9 / nr}


def lackey_itself() -> float | None:
    """CPU time a line of lackey writing to nowhere, None where it is not installed."""
    if shutil.which("valgrind") is None:
        return None
    command = ["valgrind", "--tool=lackey", "--trace-mem=yes", "/bin/true"]
    done = subprocess.run(command, capture_output=True, check=False)
    nr = done.stderr.count(b"\n")
    return cpu_of([*command[:-1], "--log-file=/dev/null", "/bin/true"]) * 1e9 / nr if nr else None


def rows(rounds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        vmtool = [*vmtool_command(), "-s", str(directory / "traces.vmt")]
        subprocess.run([*vmtool, "init"], check=True)
        log, programs, lackey = strace_log(directory), programs_log(directory), lackey_log(directory)
        short_log, short_lackey = directory / "short.log", directory / "short-lackey.log"
        short_log.write_text("7 getpid() = 7\n")
        short_lackey.write_text("I  00401000,4\n")
        replay = [*vmtool, "replay"]
        taken = alternate(rounds, {
            "expression": expression(log), "strace": words_of(log, [*replay, "--as", "strace"], short_log),
            "programs": words_of(programs, [*replay, "--as", "strace"], short_log), "its expression": expression(programs),
            "wc": words_of(log, ["wc", "-l"], short_log), "lackey": words_of(lackey, [*replay, "--as", "lackey"], short_lackey),
            "wc of lackey": words_of(lackey, ["wc", "-l"], short_lackey)})
        median = {side: got.median["line"] for side, got in taken.items()}
    yield Row("a line of strace / one expression", ns(median["strace"]), "re " + ns(median["expression"]) + ", wc " + ns(median["wc"]),
              median["strace"] / median["expression"], 5)
    yield Row("a line of make -j2 / one expression", ns(median["programs"]), "re " + ns(median["its expression"]),
              median["programs"] / median["its expression"], 5)
    yield Row("a line of lackey", ns(median["lackey"]), "limit 30 ns", median["lackey"] / 30, 1)
    theirs = lackey_itself()
    if theirs is not None:
        yield Row("a line of lackey / lackey's own writing", ns(median["lackey"]),
                  "lackey " + ns(theirs) + ", wc " + ns(median["wc of lackey"]), median["lackey"] / theirs, 1 / 3)
