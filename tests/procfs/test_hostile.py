"""fixtures/hostile: each script makes what its README says, and every file of its /proc can be written out."""

from pathlib import Path

import pytest

from vmtool.testing import VmProc, vmproc  # noqa: F401 - the fixture

pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
HOSTILE = Path(__file__).resolve().parents[2] / "fixtures" / "hostile"
SHOWS = {  # script: file, what is in it
    "unknown-vmflags": ("1/smaps", b" ?? "),
    "short-vmflags": ("1/smaps", b"VmFlags: ex \n"),
    "paths": ("1/maps", b"/data/a file with blanks\n"),
    "devices": ("1/maps", b" 103:1234 18446744073709551614 "),
    "comm": ("2/stat", b"2 () R 1 (x) "),
    "huge-values": ("1/status", b"VmSize:\t10737"),
    "zones": ("zoneinfo", b"zone   Normal"),
    "meminfo-3.10": ("meminfo", b"VmallocChunk:"),
    "thp-eligible-5.4": ("1/smaps", b"THPeligible:\t\t"),
    "rollup-4.15": ("1/smaps_rollup", b"-ffffffffff601000 ---p"),
    "no-heap": ("2/comm", b"\n"),
    "two-heaps": ("1/maps", b"[heap]\n00405000-00415000 rw-p 00000000 00:00 0                                  [heap]\n"),
}


@pytest.mark.parametrize("name", sorted(path.stem for path in HOSTILE.glob("*.vmt")))
def test_a_machine_that_broke_a_parser(vmproc, name):  # noqa: F811
    script = (HOSTILE / f"{name}.vmt").read_text(errors="surrogateescape")
    first = script.splitlines()[0]
    assert first.startswith("# vmtool init --force")
    vmproc.command(*first.removeprefix("# vmtool ").split())
    (vmproc.directory / "script").write_text(script, errors="surrogateescape")
    vmproc.command("run", str(vmproc.directory / "script"))
    path, shown = SHOWS[name]
    assert shown in (vmproc.tree / path).read_bytes()
    assert vmproc.command("fsck") == ""


def test_the_readme_names_every_script():
    text = (HOSTILE / "README.md").read_text()
    assert sorted(SHOWS) == sorted(path.stem for path in HOSTILE.glob("*.vmt"))
    assert not [name for name in SHOWS if f"`{name}.vmt`" not in text]


def test_time_passes_between_two_looks(vmproc):  # noqa: F811
    vmproc.run("p = spawn slow")
    before, after = vmproc.tree, vmproc.step(2.5, "touch 1 stack")
    ticks = [int(float((tree / "uptime").read_text().split()[0]) * 100) for tree in (before, after)]
    assert 250 <= ticks[1] - ticks[0] <= 255


def test_a_wrong_script_fails_the_test(vmproc):  # noqa: F811
    with pytest.raises(pytest.fail.Exception, match="no process 9"):
        vmproc.run("touch 9 0")
    assert isinstance(vmproc, VmProc)


def test_a_huge_space_is_written_in_no_time(vmproc):  # noqa: F811
    vmproc.run("sysctl vm.overcommit_memory=1\np = spawn big\nmmap $p 100T --noreserve")
    place = vmproc.tree / "1" / "pagemap"
    assert place.stat().st_blocks * 512 < 1 << 20
