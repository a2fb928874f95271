"""The README keeps its promises: its links lead somewhere, its targets exist (tests/structure: its commands and statuses)."""

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_links_lead_to_files_of_this_tree():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_targets_that_the_readme_names_are_in_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert set(re.findall(r"`?make ([a-z][a-z-]*)`?", README)) - {"sure"} <= targets


NOT_HERE = re.compile(r"strace|record|import|mount|enter|my-tool")  # they need more of the host than a test has


def test_the_blocks_for_a_shell_run_from_top_to_bottom(tmp_path):
    """As a newcomer would paste them, in a clone without a machine; what a console block shows is a transcript's."""
    pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
    if not Path("/bin/cat").exists():
        pytest.skip("/bin/cat is not here")
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    (tmp_path / "perl.log").write_bytes(gzip.decompress((ROOT / "fixtures" / "heap" / "real_perl.log.gz").read_bytes()))  # valgrind's
    blocks = [block for block in re.findall(r"(?ms)^```sh\n(.*?)^```", README) if not block.startswith("pip ")]  # those are jobs of a CI
    text = "\n".join(blocks).replace(" && my-tool --procfs proc", "")
    lines = [line.partition("  #")[0] for line in text.split("\n") if line.startswith("vmtool ") and not NOT_HERE.search(line)]
    assert len(lines) > 8
    script = 'set -e\nvmtool() { "$PYTHON" -m vmtool "$@"; }\nstep() { echo "$1" >&2; }\n'
    script += "".join([f"step {i}\n{line} >/dev/null\n" for i, line in enumerate(lines)])
    environ = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "VMTOOL_SYNC": "off"}
    environ.pop("VMTOOL_STATE", None)
    ran = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300)
    steps = re.findall(r"(?m)^\d+$", ran.stderr)
    assert (ran.returncode, len(steps)) == (0, len(lines)), lines[len(steps) - 1] + ran.stderr
    assert (tmp_path / "story.html").exists() and (tmp_path / "memory.svg").exists()
