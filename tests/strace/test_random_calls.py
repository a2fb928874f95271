"""Programs that make random memory calls and fork: with their page faults recorded, every process's maps come out as the kernel's."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.strace.live import record_live
from tests.strace.test_recordings import replayed

SEEDS = 6
SOURCE = Path(__file__).parent / "random_calls.c"
MADE_UP = re.compile(r" 00:01 \d+ +")  # /dev/zero (deleted): its inode is a counter of the kernel's


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_process_ends_with_the_kernels_maps(seed, tmp_path, monkeypatch):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    if os.geteuid() != 0:
        pytest.skip("another process's memory calls and page faults can be read by root alone")
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    monkeypatch.chdir(tmp_path)
    subprocess.run(["gcc", "-O1", "-o", "random_calls", str(SOURCE)], check=True)
    (tmp_path / "file.dat").write_bytes(bytes(200_000))
    command = ["./random_calls", str(seed), "150", str(seed % 3 * 2), "file.dat"]
    expected = record_live(command, tmp_path / "x.tar.gz", tmp_path, with_faults=True)
    maps, _, differences = replayed(tmp_path / "x.tar.gz")
    assert differences == []
    for pid in expected.keys() & maps.keys():
        assert MADE_UP.sub(" ", maps[pid]) == MADE_UP.sub(" ", expected[pid]), pid
    assert expected.keys() & maps.keys()
