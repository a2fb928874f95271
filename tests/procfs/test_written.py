"""Writes of rubbish, and of what is none: this host's kernel says of each what the machine must say."""

import ast
import errno
import os
import subprocess
import sys

import pytest

from vmtool.errors import KernelError
from vmtool.procfs.tree import Tree

core = pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
WORDS = [
    b"1", b"1\n", b" 1 ", b"+1", b"-0", b"0", b"6", b"5", b"0x1", b"01", b"1x", b"rubbish", b"\n", b"\0", b"1\0", b"1\0junk",
    b"99999999999", b"2147483647", b"2147483648", b"-2147483649", b"1" + b" " * 20, b" " * 20 + b"1", b"1\n2\n", b"\xff", b"0b1",
    b"1 2", b"000000000001", b"0000000000001", b"0x", b"0X2", b"0xg", b"010", b"08", b"- 1", b"--1", b"+-1", b"\t1", b"\x0b1",
    b"1\r\n", b"\xa01", b"1\n\n", b"+", b"a\\b", b"(a) b", b"a name that is too long", b"nl\n", b"bell\a", b"\xc3\xa4\xff",
]  # fmt: skip
LIVE = """
import errno, os, sys
name, words = sys.argv[1], eval(sys.argv[2])
for word in words:
    pid = os.fork()
    if pid == 0:
        try:
            said = os.write(os.open(f"/proc/self/{name}", os.O_WRONLY), word)
        except OSError as failure:
            said = errno.errorcode[failure.errno]
        left = open(f"/proc/self/{name}", "rb").read() if name != "clear_refs" else b""
        stat = open("/proc/self/stat", "rb").read()
        print((said, left, open("/proc/self/status", "rb").readline(), stat.split(b" ", 1)[1].rpartition(b")")[0]))
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(pid, 0)
"""


def ours(name, word):
    machine = core.Machine()
    machine.boot(ram_bytes=64 << 20)
    pid = machine.spawn("python3", None, [], [])
    tree = Tree(machine)
    try:
        taken = tree.write(f"{pid}/{name}", word)
        said = len(word) if taken is None else taken
    except KernelError as failure:
        said = errno.errorcode[failure.errno]
    left = tree.read(f"{pid}/{name}") if name != "clear_refs" else b""
    return said, left, tree.read(f"{pid}/status").split(b"\n")[0] + b"\n", tree.read(f"{pid}/stat").split(b" ", 1)[1].rpartition(b")")[0]


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="this host's /proc has no clear_refs")
@pytest.mark.parametrize("name", ["clear_refs", "oom_score_adj", "comm"])
def test_it_is_taken_as_linux_takes_it(name, tmp_path):
    python = tmp_path / "python3"  # the name of the process there and here
    python.symlink_to(sys.executable)
    ran = subprocess.run([python, "-c", LIVE, name, repr(WORDS)], capture_output=True, text=True, check=True)
    theirs = [ast.literal_eval(line) for line in ran.stdout.splitlines()]
    found = [ours(name, word) for word in WORDS]
    assert len(theirs) == len(WORDS)
    assert [pair for pair in zip(WORDS, theirs, found, strict=True) if pair[1] != pair[2]] == []


@pytest.mark.parametrize("word, error", [(b"rubbish", "EINVAL"), (b"0x1", "EINVAL"), (b"6", "EINVAL"), (b"4294967297", "ERANGE")])
def test_rubbish_changes_nothing(word, error):
    machine = core.Machine()
    machine.boot(ram_bytes=64 << 20)
    pid = machine.spawn("render", None, [], [])
    before = machine.smaps(pid)
    with pytest.raises(KernelError, match=error):
        Tree(machine).write(f"{pid}/clear_refs", word)
    assert machine.smaps(pid) == before and not machine.fsck()
