"""scripts/build.sh: says what it does, on how many cores, and ends as the build did."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("jobs, words", [("1", "1 core"), ("3", "3 cores")])
@pytest.mark.parametrize("python, status", [("true", 0), ("false", 1)])
def test_it_says_what_it_does_and_has_the_status_of_the_build(tmp_path, python, status, jobs, words):
    (tmp_path / "vmtool" / "mm").mkdir(parents=True)
    for name in ("a.pyx", "mm/b.pyx"):
        (tmp_path / "vmtool" / name).touch()
    ran = subprocess.run(["sh", str(ROOT / "scripts" / "build.sh"), python, jobs], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (status, f"vmtool: compiling what changed of 2 modules (release, {words})\n")


def test_all_cores_are_used():
    assert "JOBS   ?= $(shell nproc" in (ROOT / "Makefile").read_text("utf-8")
