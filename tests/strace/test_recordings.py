"""Recordings of real programs: replayed, every process's maps at exit are the kernel's, byte for byte, and no answer differs."""

import os
import shutil
from pathlib import Path

import pytest

from tests.strace.live import PROGRAMS, prepare, read_maps, record_live
from vmtool.outside.traces import open_trace, text_lines
from vmtool.procfs.pid_maps import render
from vmtool.strace import sidecar
from vmtool.strace.faults import Faults
from vmtool.strace.merge import LogFile
from vmtool.strace.replay import Hooks, Replay

FIXTURES = Path(__file__).parents[2] / "fixtures" / "strace"
ARCHIVES = sorted(FIXTURES.glob("*.tar.gz"))
LIVE = ("cat", "ls", "bash", "python3", "perl", "git", "sqlite3", "gcc", "tar", "hello-static", "hello-static-pie", "hello-nopie",
        "hello-m32")


def replayed(archive):
    """(maps at exit by PID, the summary, the differences) of an archive on a machine of its own, without this host's help."""
    core = pytest.importorskip("vmtool._core", reason="the extension modules are not built")
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30)
    trace = open_trace(str(archive))
    maps, differences = {}, []
    hooks = Hooks(lambda p: maps.__setitem__(p.pid, render(machine.maps(p.space.mid))), None, differences.append)
    faults = Faults(text_lines(trace.faults, "faults")) if trace.faults else None
    replay = Replay(machine, sidecar.load(trace.sidecar, None), hooks, faults=faults)
    summary = replay.run([LogFile(part.name, part.tid, text_lines(part.stream, part.name)) for part in trace.parts])
    broken = machine.fsck() if hasattr(machine, "fsck") else []
    assert broken == []
    return maps, summary, differences


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.gz"))
def test_recorded(archive):
    expected = read_maps((FIXTURES / (archive.name.removesuffix(".tar.gz") + ".maps")).read_text())
    maps, _, differences = replayed(archive)
    assert differences == []
    for pid, text in expected.items():
        assert maps[pid] == text, pid


@pytest.mark.parametrize("with_faults", [False, True], ids=["log", "faults"])
@pytest.mark.parametrize("program", LIVE)
def test_live(program, with_faults, tmp_path, monkeypatch):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    if os.geteuid() != 0:
        pytest.skip("another process's memory calls and page faults can be read by root alone")
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    if shutil.which(PROGRAMS[program][0]) is None:
        pytest.skip(f"{program} is not installed, or cannot be built here")
    expected = record_live(PROGRAMS[program], tmp_path / "x.tar.gz", tmp_path, with_faults=with_faults)
    maps, _, differences = replayed(tmp_path / "x.tar.gz")
    assert differences == []
    for pid in expected.keys() & maps.keys():
        assert maps[pid] == expected[pid], pid
