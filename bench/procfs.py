"""/proc: CPU time of a file as the library makes it and as the live kernel does, of a read over FUSE, of a list of 10,000 processes."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Row, alternate, cpu_of, ms, vmtool_command

NR_AREAS = 65500  # the limit of a process is 65,530
TOUCHED = 1 << 30
NR_PROCESSES = 10000
PAGE = 4096
READS = 20

Tool = Callable[[int, Callable[[str], str]], str]

KERNEL = """
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
what, size, nr = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
base = libc.mmap(None, ctypes.c_size_t(size), 3, 0x22, -1, ctypes.c_long(0))
if what == "smaps":
    ctypes.memset(base, 1, size)
for i in range(nr):
    libc.mprotect(ctypes.c_void_p(base + (2 * i + 1) * 4096), ctypes.c_size_t(4096), 1)
sys.stdout.write("ready\\n"); sys.stdout.flush()
for line in sys.stdin:
    began = time.process_time()
    with open("/proc/self/" + what, "rb", buffering=0) as f:
        while f.read(131072):
            pass
    sys.stdout.write(f"{time.process_time() - began}\\n"); sys.stdout.flush()
"""


class Live:
    """A process of the host that reads its own file when it is asked to."""

    def __init__(self, what: str, nr_bytes: int, nr_splits: int) -> None:
        words = [sys.executable, "-c", KERNEL, what, str(nr_bytes), str(nr_splits)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def __call__(self) -> dict[str, float]:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        return {"cpu": float(self._line())}

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def simulated(what: str, nr_bytes: int, nr_splits: int, tool: Tool | None) -> Callable[[], dict[str, float]]:
    """The same process in a machine, and its file as vmtool.Machine gives it, or what a tool makes of that."""
    import vmtool

    machine = vmtool.Machine()
    machine.boot(ram_bytes=4 << 30)
    pid = machine.spawn("bench", None, [b"bench"], [])
    base = machine.mmap(pid, 0, nr_bytes, 3, 0x22)
    if what == "smaps":
        machine.touch(pid, base, nr_bytes, "w")
    for i in range(nr_splits):
        machine.mprotect(pid, base + (2 * i + 1) * PAGE, PAGE, 1)

    def text(name: str) -> str:
        found = machine.procfs[f"{pid}/{name}"]
        return found if isinstance(found, str) else found.decode()

    def read() -> dict[str, float]:
        began = time.process_time()
        if tool is None:
            text(what)
        else:
            tool(pid, text)
        return {"cpu": time.process_time() - began}
    return read


def pmap(pid: int, read: Callable[[str], str]) -> str:
    from vmtool.tools.pmap import run
    from vmtool.tools.pmap_area import Options

    return run(pid, read, Options())


def files(rounds: int) -> Iterator[Row]:
    for what, words, nr_bytes, nr_splits, tool in (
        ("maps", "maps of 65,500 areas: kernel", NR_AREAS * PAGE, NR_AREAS // 2 - 20, None),
        ("maps", "pmap of 65,500 areas: kernel's maps", NR_AREAS * PAGE, NR_AREAS // 2 - 20, pmap),
        ("smaps", "smaps of 1 GiB of touched memory: kernel", TOUCHED, 0, None),
    ):
        live = Live(what, nr_bytes, nr_splits)
        taken = alternate(rounds, {"ours": simulated(what, nr_bytes, nr_splits, tool), "kernel": live})
        live.close()
        ours, kernel = taken["ours"].median["cpu"], taken["kernel"].median["cpu"]
        yield Row(words + " / vmtool", ms(ours), "kernel " + ms(kernel), kernel / ours, 1, at_least=True)


def wall_of_reads(path: str) -> float:
    began = time.perf_counter()
    for _ in range(READS):
        with open(path, "rb") as f:
            f.read()
    return time.perf_counter() - began


def mounted(rounds: int) -> Iterator[Row]:
    """A read has its cost in the server, so this is wall time."""
    if shutil.which("fusermount3") is None or not os.access("/dev/fuse", os.W_OK):
        return
    with tempfile.TemporaryDirectory() as directory:
        state, point = Path(directory, "m.vmt"), Path(directory, "proc")
        point.mkdir()
        subprocess.run([*vmtool_command(), "-s", str(state), "run", "-"], input="init\nspawn one\n", text=True,
                       stdout=subprocess.DEVNULL, check=True)
        server = subprocess.Popen([*vmtool_command(), "-s", str(state), "mount", str(point)], stdout=subprocess.DEVNULL)
        try:
            for _ in range(200):
                if os.path.exists(point / "meminfo"):
                    break
                time.sleep(0.05)
            else:
                return
            sides = {"fuse": f"{point}/1/smaps", "real": "/proc/self/smaps"}
            taken = alternate(rounds, {name: lambda path=path: {"wall": wall_of_reads(path)} for name, path in sides.items()})
        finally:
            server.terminate()
            server.wait()
        ours, real = taken["fuse"].median["wall"] / READS, taken["real"].median["wall"] / READS
        yield Row("smaps over FUSE / of the real /proc (wall)", ms(ours), "real " + ms(real), ours / real, 5)


def listed(rounds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory, "m.vmt")
        lines = ["init --ram 4G", "sysctl kernel.pid_max=40000"] + [f"spawn p{i}" for i in range(NR_PROCESSES)]
        subprocess.run([*vmtool_command(), "-s", str(state), "run", "-"], input="\n".join(lines), text=True, stdout=subprocess.DEVNULL,
                       check=True)
        taken = alternate(rounds, {"ps": lambda: {"cpu": cpu_of([*vmtool_command(), "-s", str(state), "ps", "-e"])}})
        cpu = taken["ps"].median["cpu"]
        yield Row("ps -e of 10,000 processes / a second", ms(cpu), "1,000 ms", cpu, 1)


def rows(rounds: int) -> Iterator[Row]:
    yield from files(rounds)
    yield from mounted(rounds)
    yield from listed(min(rounds, 3))
