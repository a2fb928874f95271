"""This computer's memory is bounded: what a command would need more of is refused in a line."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from vmtool.cli import bounds
from vmtool.errors import HostError

ROOT = Path(__file__).parents[2]


def test_sizes_are_read_easily():
    sizes = (5, 1 << 10, 9 * (1 << 30) // 10, 900 << 30, (1 << 40) + (1 << 39))
    assert [bounds.size(n) for n in sizes] == ["5 bytes", "1K", "921.5M", "900G", "1.5T"]


def test_simulated_memory_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(bounds, "available", lambda: 16 << 30)
    with pytest.raises(HostError, match="^900G of simulated memory would need 8.7G of this computer's"):
        bounds.check_pages(900 << 30, 12)
    bounds.check_pages(100 << 30, 12)
    bounds.check_pages(900 << 30, 14)
    monkeypatch.setattr(bounds, "available", lambda: None)
    bounds.check_pages(900 << 30, 12)


def test_what_the_host_has_is_read():
    found = bounds.available()
    assert found is None or 1 << 20 < found < 1 << 50


@pytest.mark.parametrize("on", ["real_state"], indirect=True)
def test_large_answers_are_taken_in_parts(vmtool):
    vmtool("spawn")
    for line in ("load 1 heap 2G --hex", "load 1 heap 0xffffffffffffffff --raw", "load 1 heap 65M"):
        ran = vmtool(line)
        assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert "more than one command prints (64M)" in ran.err
    vmtool("mkfile /large 1G")
    assert "more than one command prints" in vmtool("read 1 /large 0 1G --hex").err
    assert vmtool("read 1 /large 1073741820 1G --hex").out == "00000000\n"


@pytest.mark.parametrize("on", ["real_state"], indirect=True)
def test_pieces_of_a_large_touch_are_one_touch(vmtool, script):
    vmtool("init --ram 2G")
    vmtool("spawn")
    addr = vmtool("mmap 1 200M").out.strip()
    assert vmtool(f"touch 1 {addr} 200M").out == "minor=51200 major=0\n"
    assert vmtool(f"touch 1 {addr} 200M --json").out == '{"nr_minor_faults": 0, "nr_major_faults": 0}\n'
    last = int(addr, 16) + (200 << 20) - 4096
    assert vmtool(f"mincore 1 {last:x} 4K").out == "1\n"
    assert vmtool("fsck").out == ""


@pytest.mark.parametrize("on", ["real_state"], indirect=True)
def test_a_fence_that_is_met_leaves_the_state(vmtool, real_state, tmp_path):
    vmtool("init --ram 64G")
    vmtool("spawn")
    addr = vmtool("mmap 1 48G").out.strip()
    before = real_state.read_bytes()
    ran = subprocess.run([sys.executable, "-m", "vmtool", "-s", str(real_state), "touch", "1", addr, "48G"], capture_output=True, text=True,
                         cwd=ROOT, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20)), env=dict(os.environ))
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "vmtool: touch: this computer has not the memory for it\n")
    assert real_state.read_bytes() == before
