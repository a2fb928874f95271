"""A machine that was saved and opened again shows what it showed before, in every view, with real commands on the real core."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.killing import ROOT

STORY = Path(ROOT, "fixtures", "snapshots", "story.vmtool")
VIEWS = """\
ps
cat-maps 1
cat-maps 2
smaps 1
smaps 2 --rollup
status 2
statm 1
stat 2
pagemap 1
pagewalk 2 stack
fincore /scene.dat
frames --summary
tlb
tlb --stats
free
meminfo
buddyinfo
vmstat
zoneinfo
slabinfo
trace
fsck
"""


def vmtool(path, *words):
    return subprocess.run([sys.executable, "-m", "vmtool", "-s", path, *words], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("options", [[], ["--commit-each"]])
def test_every_view_is_the_same_after_reopening(tmp_path, options):
    """In the script each view is of the machine in memory, with all that was ever loaded; afterwards of what a new process loads."""
    path, script = str(tmp_path / "machine.vmt"), tmp_path / "script"
    views = [f"{line} --json" for line in VIEWS.splitlines()]
    script.write_text(STORY.read_text() + "\n".join(views))
    ran = vmtool(path, "run", "--jsonl", *options, str(script))
    assert (ran.returncode, ran.stderr) == (0, "")
    shown = [json.loads(line)["out"] for line in ran.stdout.splitlines()][-len(views) :]
    for view, before in zip(views, shown, strict=True):
        assert vmtool(path, *view.split()).stdout.rstrip("\n") == before, view
