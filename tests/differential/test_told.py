"""The stories' facts on the live kernel and on vmtool: every answer, which pages share a frame, and each frame's flags."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.differential import conditions, simulator
from tests.differential.compare import Comparison
from tests.differential.kernel import Kernel
from tests.differential.told import STORIES
from tests.differential.writer import write_pattern

pytest.importorskip("vmtool._core")
pytestmark = [
    pytest.mark.skipif(conditions.obstacle() is not None, reason=conditions.obstacle() or ""),
    pytest.mark.xdist_group("readahead"),  # sets the disk's for the while
]
PFN = (1 << 55) - 1
# What kpageflags says of a frame and a story is about. Left out: what the file system keeps with its pages (private, mappedtodisk), and
# lru: on the live kernel other programs fill the CPU's batch, so that a page is on its list at once.
KPF = {"referenced": 2, "uptodate": 3, "dirty": 4, "active": 6, "mmap": 11, "anon": 12, "swapbacked": 14, "unevictable": 18,
       "thp": 22, "zero": 24, "mlocked": 33}


@pytest.fixture(scope="module")
def root():
    try:
        with conditions.workplace() as directory:
            yield directory
    except conditions.Unsuitable as e:
        pytest.skip(str(e))


def steps(root, name):
    """(line, what it must answer) of a story, its files' contents ready."""
    text = STORIES[name].replace("@", root)
    for path, nr_bytes in re.findall(r"--from (\S+pattern-(\d+)\.bin)", text):
        write_pattern(path, int(nr_bytes))
    return [(line.partition(" => ")[0], line.partition(" => ")[2]) for line in text.split("\n") if line]


def said(answer):
    if answer.signal:
        return f"{answer.signal} {answer.sigcode} {answer.sigaddr:#x}"
    return answer.errno or answer.out


def frames(outputs):
    """Page frames by the order of their first appearance: who shares with whom, and who has moved."""
    seen = {0: 0}
    return [[seen.setdefault(int(line.split()[1], 16) & PFN, len(seen)) for line in out.split("\n")] for out in outputs]


def flags(value):
    return {name for name, bit in KPF.items() if value >> bit & 1}


def kernel_flags(pfns):
    with open("/proc/kpageflags", "rb") as f:
        return [flags(int.from_bytes(os.pread(f.fileno(), 8, pfn * 8), "little")) for pfn in pfns]


def vmtool_flags(env, pfns):
    command = [sys.executable, "-m", "vmtool", "frames", *map(hex, pfns), "--raw"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return [flags(int(line.split()[1], 16)) for line in done.stdout.splitlines()]


def pfns_of(out):
    return [pfn for line in out.split("\n") if (pfn := int(line.split()[1], 16) & PFN) and int(line.split()[1], 16) >> 63]


def judged(name):
    is_roots = name == "hugetlb" and os.geteuid() != 0
    return pytest.param(name, marks=pytest.mark.skipif(is_roots, reason="a pool of huge pages is root's to set up"))


@pytest.mark.parametrize("name", [judged(name) for name in STORIES])
def test_every_step_of_the_story(root, name):
    """The kernel says what the transcript tells, and vmtool says the same."""
    script = steps(root, name)
    with Kernel(root) as kernel:
        answers = [kernel.run(line) for line, _ in script]
    for (line, wanted), answer in zip(script, answers, strict=True):
        assert re.search(wanted, said(answer)), f"{line}\n{said(answer)}"
    objects, complaint = simulator.run("\n".join(line for line, _ in script) + "\n")
    comparison = Comparison()
    found = [d for (line, _), answer in zip(script, answers, strict=True) if (d := comparison.line(line, answer, objects.get(answer.line)))]
    assert not found, "\n".join(map(str, found))
    assert not complaint


@pytest.mark.skipif(os.geteuid() != 0, reason="frame numbers and their flags are shown to root alone")
@pytest.mark.parametrize("name", [name for name, text in STORIES.items() if "pagemap" in text])
def test_the_same_pages_share_a_frame_and_the_frames_have_the_same_flags(root, name, tmp_path):
    lines = [line for line, _ in steps(root, name)]
    with Kernel(root) as kernel:
        outs = [kernel.run(line).out for line in lines]
        live = [out for line, out in zip(lines, outs, strict=True) if line.startswith("pagemap")]
        live_flags = kernel_flags(pfns_of(live[-1]))
    env = dict(os.environ, VMTOOL_STATE=str(tmp_path / "machine.vmt"), PYTHONPATH=simulator.PROJECT)
    (tmp_path / "script").write_text("\n".join(lines) + "\n")
    done = subprocess.run([sys.executable, "-m", "vmtool", "run", "--jsonl", "--keep-going", str(tmp_path / "script")], env=env,
                          capture_output=True, text=True, check=False)
    ours = [json.loads(line)["out"] for line in done.stdout.splitlines() if json.loads(line)["cmd"] == "pagemap"]
    assert frames(ours) == frames(live)
    assert vmtool_flags(env, pfns_of(ours[-1])) == live_flags


def test_every_story_is_told():
    transcripts = Path(simulator.PROJECT, "fixtures", "transcripts", "stories")
    judged_elsewhere = {"cat-real",  # on files of this machine
                        "heap",  # against the C library: tests/libc
                        "memory-fills",  # a machine short of memory
                        "kernel-memory",  # against a kernel with nothing else to do: tests/mm/test_costs.py
                        "kernel-half",  # a recorded kernel's tables: tests/mm/test_kernel_areas.py
                        "kpti",  # a kernel with pti=on, and QEMU: tests/mm/test_kpti.py, tests/outside/test_core_physical.py
                        "incremental-dump",  # a kernel with CONFIG_MEM_SOFT_DIRTY: tests/mm/test_soft_dirty.py
                        "architectures"}  # other processors
    assert {path.stem for path in transcripts.glob("*.t")} - judged_elsewhere == set(STORIES)
