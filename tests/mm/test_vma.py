"""Areas: permutations of neighbours, written pages, calls and ranges (tests/mm/drawn_spaces.py) leave the areas that Linux leaves.

Each 331st of them is recorded, each 197th asked of this kernel (`make check`: each 7th).
"""

import gzip
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")
from tests.mm.drawn_spaces import Case, Simulated, cases  # noqa: E402

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "fixtures" / "areas" / "drawn.tsv.gz"
JUDGE = (6, 17)  # from this kernel on mremap() moves several areas and is_mergeable_anon_vma() knows copies


def case_of(line):
    space, written, call, first, last, is_child, answer = line.split("\t")
    return Case(space, written, call, int(first), int(last), is_child == "True"), answer


def alike(lines):
    simulated = Simulated()
    wrong = []
    for case, answer in map(case_of, lines):
        if (ours := simulated.answer(case)) != answer:
            wrong.append(f"{case}: {ours}, in Linux {answer}")
    simulated.machine.close_file(simulated.file)
    assert not wrong, "\n".join(wrong[:10])
    assert simulated.machine.fsck() == []


def test_areas_become_what_they_became_in_linux():
    lines = gzip.decompress(RECORDED.read_bytes()).decode().splitlines()
    assert len(lines) == sum(1 for _ in cases(331, 7))
    assert len({line.split("\t")[2] for line in lines}) > 20
    alike(lines)


def test_areas_become_what_they_become_on_this_kernel():
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("the judge is Linux on x86-64")
    if tuple(map(int, platform.release().split("-")[0].split(".")[:2])) < JUDGE:
        pytest.skip(f"this kernel, {platform.release()}, merges areas by older rules")
    step = "7" if os.environ.get("VMTOOL_DRAW") == "fresh" else "197"
    ran = subprocess.run([sys.executable, "-m", "tests.mm.drawn_spaces", step, "3"], cwd=ROOT, capture_output=True, text=True, timeout=1200)
    assert ran.returncode == 0, ran.stderr
    alike(ran.stdout.splitlines())
