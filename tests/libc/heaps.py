"""A trace on vmtool, as `vmtool heaptrace` runs it, and on the host's C library, as replayer.c does."""

import gzip
import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from vmtool._core import Machine

FIXTURES = Path(__file__).parents[2] / "fixtures" / "heap"
HEAP_START = 0x555560000000
MMAP_TOP = 0x7FFFF7000000
REPLAYER = Path(__file__).with_name("replayer.c")


class Run:
    """One trace, replayed in a process of its own on a machine of its own."""

    def __init__(self, trace: bytes, ram_bytes: int = 4 << 30):
        self.machine = Machine()
        self.machine.boot(ram_bytes=ram_bytes)
        layout = {"start_brk": HEAP_START, "mmap_base": MMAP_TOP, "vdso": MMAP_TOP}  # plugs what is above
        self.pid = self.machine.spawn("heaptrace", None, [b"heaptrace"], [], layout)
        self.trace = self.machine.heap_trace(self.pid, None, True, True)
        self.trace.feed(trace)
        self.log = self.trace.take_log().decode()
        self.calls = self.trace.take_calls().decode()
        self.final = self.trace.final()
        self.faults = self.trace.counts().minor


def recorded(name, kind):
    return gzip.decompress((FIXTURES / f"{name}.{kind}.gz").read_bytes())


def as_in(text):
    """Lines without comments, in an order of kinds: the operations, then @ and = lines as they come."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def real_library():
    """Why the host cannot judge; empty when it can."""
    name, version = platform.libc_ver()
    if platform.machine() != "x86_64" or name != "glibc" or version != "2.36":
        return f"the host's C library is {name} {version} on {platform.machine()}: glibc 2.36 on x86-64 is the judge"
    if shutil.which("cc") is None:
        return "no C compiler on this host"
    return ""


def require_real_library():
    if (why := real_library()):
        if os.environ.get("VMTOOL_REQUIRE_HOST") == "1":
            pytest.fail(why)
        pytest.skip(why)


@cache
def replayer(directory):
    program = os.path.join(directory, "replayer")
    subprocess.run(["cc", "-O2", "-fno-builtin", "-Wl,-z,now", "-o", program, REPLAYER], check=True)
    return program


def really(program, directory, trace, what):
    """What the real library does with a trace: the text of `log`, `each` or `faults`."""
    path = os.path.join(directory, "trace.txt")
    Path(path).write_bytes(trace)
    return subprocess.run([program, path, what], check=True, capture_output=True, text=True, timeout=60).stdout
