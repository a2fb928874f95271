"""State files of every format that was released open and show what they showed then."""

import difflib
import gzip
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.killing import ROOT
from vmtool.store.schema import FORMAT

SNAPSHOTS = sorted((Path(ROOT) / "fixtures" / "snapshots").glob("v*.vmt.gz"))


def test_the_present_format_has_a_snapshot():
    assert [path for path in SNAPSHOTS if path.name.startswith(f"v{FORMAT}-")], "make it with fixtures/snapshots/NEW.sh"


@pytest.mark.parametrize("snapshot", SNAPSHOTS, ids=lambda path: path.name)
def test_an_old_state_file_shows_what_it_showed(snapshot, tmp_path):
    state = tmp_path / "machine.vmt"
    state.write_bytes(gzip.decompress(snapshot.read_bytes()))
    expected = snapshot.with_name(snapshot.name.replace(".vmt.gz", ".t")).read_text().splitlines()
    found = []
    for line in expected:
        if line.startswith("$ vmtool "):
            words = [sys.executable, "-m", "vmtool", "-s", str(state), *shlex.split(line.replace(" trace", " trace --steps"))[2:]]
            ran = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
            found += [line, *("  " + text for text in ran.stdout.splitlines())]
    assert found == expected, "\n".join(difflib.unified_diff(expected, found, "then", "now", lineterm=""))
