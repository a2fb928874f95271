"""The manual pages are installed: setup.py makes them, and man finds them beside the program."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vmtool.cli import table

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The prefix that install_data wrote to, as the build of a wheel runs it; in a copy, for it writes build/."""
    copy, prefix = tmp_path_factory.mktemp("tree") / "tree", tmp_path_factory.mktemp("prefix")
    shutil.copytree(ROOT / "vmtool", copy / "vmtool", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    words = [sys.executable, "setup.py", "-q", "install_data", "--install-dir", str(prefix)]
    ran = subprocess.run(words, cwd=copy, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return prefix


def test_a_page_for_each_command_is_installed(installed):
    found = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    assert found == {"share/man/man1/vmtool.1", *(f"share/man/man1/vmtool-{name}.1" for name in table.names())}


def test_man_finds_them(installed):
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    for name in ("vmtool", "vmtool-touch", "vmtool-cat-maps"):
        env = {**os.environ, "MANPATH": str(installed / "share/man")}
        ran = subprocess.run(["man", "-w", name], env=env, capture_output=True, text=True)
        assert ran.stdout.strip() == str(installed / "share/man/man1" / f"{name}.1"), ran.stderr


def test_nothing_that_is_made_is_in_the_tree():
    listed = subprocess.run(["git", "ls-files", "*.1"], cwd=ROOT, capture_output=True, text=True).stdout
    assert listed == ""
