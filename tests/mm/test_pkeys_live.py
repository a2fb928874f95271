"""Protection keys and mseal() against the kernel that runs here: random calls and accesses, each answer alike, error codes included."""

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from vmtool._core import Machine
from vmtool.errors import KernelError, Signal
from vmtool.procfs.vmflags import permissions, vmflags_line

BASE, PAGE = 0x20000000, 4096
CODES = {"SEGV_MAPERR": 1, "SEGV_ACCERR": 2, "SEGV_PKUERR": 4, "BUS_ADRERR": 2}
CPU = Path("/proc/cpuinfo").read_text()
RELEASE = tuple(int(n) for n in re.findall(r"\d+", Path("/proc/sys/kernel/osrelease").read_text())[:2])

pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="the judge is a C program, and there is no compiler"),
    pytest.mark.skipif(not re.search(r"\bospke\b", CPU), reason="this processor has no protection keys"),
    pytest.mark.skipif(RELEASE < (6, 18), reason="the kernel here is older than the simulated one"),
]


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    program = tmp_path_factory.mktemp("judge") / "pkeys_judge"
    subprocess.run(["cc", "-O1", "-w", "-o", program, Path(__file__).with_name("pkeys_judge.c")], check=True)
    return program


class Simulated:
    """The same operations on a machine of ours, answered in the judge's words."""

    def __init__(self):
        self.m = Machine()
        self.m.boot(ram_bytes=64 << 20, pku=True)
        self.pid = self.m.spawn("demo", None, [b"/demo"], [])
        self.m.set_trace(True)

    def __call__(self, line):
        op, *words = line.split()
        a, b, c, d = [*map(int, words), 0, 0, 0, 0][:4]
        try:
            return str(self.call(op, BASE + a * PAGE, a, b * PAGE, c, d) or 0)
        except KernelError as failure:
            return str(-failure.errno)

    def call(self, op, at, a, length, c, d):
        m, pid = self.m, self.pid
        if op in "rwx":
            return self.access(op, at)
        if op == "k":
            return self.show(at)
        if op == "m":
            m.mmap(pid, at, length, c, 0x32 | d)
            return 0
        if op == "z":
            m.mremap(pid, at, length, c * PAGE)
            return 0
        return {"p": lambda: m.pkey_mprotect(pid, at, length, c, d), "u": lambda: m.munmap(pid, at, length),
                "s": lambda: m.mseal(pid, at, length), "d": lambda: m.madvise(pid, at, length, c), "l": lambda: m.mlock(pid, at, length),
                "a": lambda: m.pkey_alloc(pid, 0, a), "f": lambda: m.pkey_free(pid, a), "v": lambda: m.pkru(pid, a) and 0,
                "g": lambda: f"{m.pkru(pid):x}"}[op]()

    def access(self, op, at):
        self.m.trace_reset()
        try:
            if op == "w":
                self.m.store(self.pid, at, b"\xc3", probe=True)
            else:
                self.m.touch(self.pid, at, 1, op, probe=True)
        except Signal as signal:
            error = [record.args["error_code"] for record in self.m.trace() if record.event == "page_fault"][-1]
            return f"signal {signal.signo} {CODES[signal.code]} {error:x}"
        return "ok"

    def show(self, at):
        for smap in self.m.smaps(self.pid):
            if smap.vma.start <= at < smap.vma.end:
                flags = vmflags_line(smap.vma.flags)[9:-2]
                return f"{smap.vma.start:x}-{smap.vma.end:x} {permissions(smap.vma.flags)} {smap.protection_key} {flags}"
        return "none"


def script(rng, nr):
    """Lines that a program could have: keys 0 to 15, rights that leave key 0 open; about one call in six is wrong."""
    lines = [f"m 0 16 {rng.choice((3, 3, 4, 7))} 0"]
    for _ in range(nr):
        page = rng.randrange(16)
        n = rng.randint(1, 16 - page)
        key = rng.choice((0, 1, 1, 2, 2, 3, 4, -1, -1, -1, 15))
        prot = rng.choice((0, 1, 3, 3, 3, 4, 4, 5, 7))
        lines.append(rng.choice((
            f"p {page} {n} {prot} {key}", f"p {page} {n} {prot} {key}", f"r {page}", f"w {page}", f"x {page}", f"w {page}", f"k {page}",
            f"a {rng.choice((0, 0, 1, 2, 3, 4))}", f"f {rng.choice((1, 1, 2, 2, 3, 7))}", f"v {rng.getrandbits(32) & ~3}", "g",
            f"m {page} {n} {prot} {rng.choice((0, 0x8000, 0x2000))}", f"u {page} {n}", f"l {page} {n}",
            f"z {page} {n} {rng.randint(1, 16 - page)}",
            f"d {page} {n} {rng.choice((4, 8, 22, 23, 24, 102))}", f"s {page} {min(n, 3)}" if rng.random() < 0.3 else f"k {page}")))
    return lines


@pytest.mark.parametrize("seed", range(24))
def test_every_answer_is_the_kernels(judge, seed):
    lines = script(random.Random(seed), 120)
    run = subprocess.run([judge], input="\n".join(lines), text=True, capture_output=True, check=True)
    simulated = Simulated()
    for number, (line, expected) in enumerate(zip(lines, run.stdout.splitlines(), strict=True)):
        assert simulated(line) == expected, (line, lines[max(number - 12, 0):number])
    assert simulated.m.fsck() == []
