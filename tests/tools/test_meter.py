"""htop's meters: what htop 3.2.2 drew, recorded for everywhere, and live in a terminal where it is installed."""

import contextlib
import fcntl
import os
import pty
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from vmtool.tools import meter

MEMINFO = """MemTotal: 218768 kB
MemFree: 103736 kB
Buffers: 0 kB
Cached: 86032 kB
SwapCached: 3996 kB
SwapTotal: 65532 kB
SwapFree: 61536 kB
Shmem: 20480 kB
SReclaimable: 888 kB
"""
SECONDS = 60


@pytest.mark.parametrize("width, lines", [
    (37, ["Mem[|||||***@@@@@@@@@@    27.5M/214M]", "Swp[##                      0K/64.0M]"]),
    (58, ["Mem[|||||||*****@@@@@@@@@@@@@@@@@              27.5M/214M]", "Swp[####                                         0K/64.0M]"]),
])
def test_recorded(width, lines):
    assert meter.run(MEMINFO, width).splitlines() == lines


@pytest.mark.parametrize("kb, text", [
    (0, "0K"), (1023, "1023K"), (1024, "1.00M"), (28112, "27.5M"), (218768, "214M"), (1 << 20, "1.00G"), (-5, "0K")])
def test_figures(kb, text):
    assert meter.human(kb) == text


def test_huge_pages_do_not_count():
    total, (used, *_) = meter.memory({"MemTotal": 1000, "MemFree": 100, "Cached": 200, "Hugetlb": 400})
    assert (total, used) == (600, 300)


def test_figures_that_disagree_break_nothing():
    lines = meter.run("MemTotal: 10 kB\nMemFree: 5000 kB\nShmem: 70 kB\nSwapFree: 9 kB\n", 12).splitlines()
    assert [len(line) for line in lines] == [12, 12]


class Htop:
    """htop without colours in a terminal, until its two meters stand on the screen. Not xterm: pyte knows no `rep`."""

    def __init__(self, words, columns, home):
        pyte = pytest.importorskip("pyte", reason="pyte, which reads the screen, is not installed")
        self.screen = pyte.Screen(columns, 24)
        stream = pyte.ByteStream(self.screen)
        pid, end = pty.fork()
        if pid == 0:
            os.execvpe(words[0], words, {**os.environ, "TERM": "vt100", "HOME": home, "LC_ALL": "C", "HTOPRC": f"{home}/none"})
        try:
            fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                if select.select([end], [], [], 0.5)[0]:
                    try:
                        stream.feed(os.read(end, 65536))
                    except OSError:  # it has ended
                        break
                elif len(self.meters()) == 2:
                    break
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(end)

    def meters(self):
        rows = [row.strip() for row in self.screen.display if row.strip().startswith(("Mem[", "Swp["))]
        return [row[:row.index("]") + 1] for row in rows if "]" in row]


@pytest.fixture
def may_unshare():
    if shutil.which("htop") is None:
        pytest.skip("htop is not installed")
    if subprocess.run(["unshare", "-Urmp", "--fork", "true"], capture_output=True).returncode:
        pytest.skip("user namespaces are not allowed here")


@pytest.mark.parametrize("columns", [80, 133])
def test_htop_over_our_proc_draws_the_same(tmp_path, may_unshare, columns):
    pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
    vmtool = [sys.executable, "-m", "vmtool", "-s", str(tmp_path / "m.vmt")]
    script = ("init --ram 256M\nspawn render\nmkfile scene.dat 64M\nread 1 scene.dat 0 64M\nswapon 64M\na = mmap 1 40M --shared\n"
              "touch 1 $a 20M\nbrk 1 --by 8M\ntouch 1 heap 8M\nmadvise 1 heap 4M pageout\n")
    subprocess.run([*vmtool, "run", "-"], input=script, text=True, check=True, capture_output=True)
    meminfo = subprocess.run([*vmtool, "cat", "meminfo"], capture_output=True, text=True, check=True).stdout
    seen = Htop([*vmtool, "enter", "--", "htop", "-C"], columns, str(tmp_path)).meters()
    assert seen == meter.run(meminfo, len(seen[0])).splitlines()
    ours = subprocess.run([*vmtool, "free", "--meter"], capture_output=True, text=True, check=True).stdout
    assert ours == meter.run(meminfo, 80)


def drawn(rng):
    """A meminfo whose parts fit into the whole: what htop makes of others depends on how its numbers wrap."""
    total, swap = rng.randint(1, 1 << rng.randint(1, 38)), rng.choice((0, rng.randint(1, 1 << rng.randint(1, 30))))
    borders = sorted(rng.randint(0, total) for _ in range(4))
    free, buffers, cached, reclaimable = (b - a for a, b in zip([0, *borders], borders, strict=False))
    used = sorted(rng.randint(0, swap) for _ in range(2))
    figures = {"MemTotal": total, "MemFree": free, "Buffers": buffers, "Cached": cached, "SReclaimable": reclaimable,
               "Shmem": rng.randint(0, cached), "SwapTotal": swap, "SwapFree": used[0], "SwapCached": swap - used[1]}
    return "".join([f"{name + ':':<16}{kb:8} kB\n" for name, kb in figures.items()])


def test_htop_over_drawn_figures_draws_the_same(tmp_path, may_unshare):
    rng = random.Random(5)
    for _ in range(4):
        text = drawn(rng)
        (tmp_path / "meminfo").write_text(text)
        words = ["unshare", "-rm", "sh", "-c", f"mount --bind {tmp_path}/meminfo /proc/meminfo && exec htop -C"]
        seen = Htop(words, 100, str(tmp_path)).meters()
        assert seen == meter.run(text, len(seen[0])).splitlines()
