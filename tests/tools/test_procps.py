"""ps, vmstat, slabtop, top, uptime: byte for byte what procps 4.0.2 prints over the same files."""

import gzip
import json
import os
import re
import subprocess

import pytest
from procfs.captured import FIXTURES

from tools.procps_lines import LINES, Files, files_of, machine_of
from tools.real import need
from vmtool.tools import ps, ps_fields, slabtop, uptime, vmstat

core = pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
RECORDED = json.loads(gzip.decompress((FIXTURES / "procps-4.0.2" / "tools.json.gz").read_bytes()))


def without_clock(text):
    return re.sub(r"\d\d:\d\d:\d\d up", "TIME up", text)


@pytest.fixture(scope="module")
def files():
    return Files(RECORDED["files"])


@pytest.mark.parametrize("line", LINES)
def test_recorded(files, line):
    if not files.read("1/oom_score") and "oom" in line:
        pytest.skip("the recorded files have no oom_score")
    ours, theirs = without_clock(LINES[line](files)), without_clock(RECORDED["out"][line])
    assert in_order(ours, line) == in_order(theirs, line)


def run_real(texts, lines, directory):
    """{line: stdout} of the installed tools, over the texts as /proc in namespaces where their own PID is one of them."""
    own = {"self/stat": texts["1/stat"], "self/status": texts["1/status"], "self/task/1/stat": ""}  # without self/task ps knows no threads
    for path, text in {**texts, **own}.items():
        place = directory / "proc" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode("utf-8", "surrogateescape"))
    env = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": os.environ["PATH"]}
    command = 'mount --bind "$0" /proc && exec "$@"'
    found = {}
    for line in lines:
        words = ["unshare", "-mpf", "--propagation", "private", "sh", "-c", command, str(directory / "proc"), *line.split()]
        ran = subprocess.run(words, capture_output=True, env=env, timeout=60)
        assert ran.stderr == b"", line
        found[line] = ran.stdout.decode("utf-8", "surrogateescape")
    return found


def in_order(text, reference):
    """Rows of processes in the order of the directory, which differs by file system."""
    return sorted(text.splitlines()) if reference.startswith(("ps", "top")) else text


def test_live(tmp_path):
    need("ps")
    files = Files(files_of(machine_of(core)))
    for line, out in run_real(files.texts, list(LINES)[::5], tmp_path).items():  # the others are recorded
        ours, theirs = without_clock(LINES[line](files)), without_clock(out)
        assert in_order(ours, line) == in_order(theirs, line), line


def test_what_ps_refuses():
    for line in ("-o nothing", "-z", "--nothing", "-p", "-o pid,", "--sort nothing", "-y", "--width 0", "-p ,", "aul", "-o pid:x"):
        with pytest.raises(ps.PsError):
            ps.parse(line.split())
    with pytest.raises(ps.PsError):
        ps.run(Files(RECORDED["files"]), ["-p", "x"])


def test_selecting_nobody_is_status_1(files):
    assert ps.run(files, ["-p", "999"])[1] == 1
    assert ps.run(files, ["-p", "1"])[1] == 0


def test_the_calendar():
    assert ps_fields.civil(0) == (1970, 0, 1, 0)
    assert ps_fields.civil(951782400) == (2000, 1, 29, 59)
    assert ps_fields.civil(1798761599) == (2026, 11, 31, 364)


def test_start_times_by_their_distance(files):
    files = Files({**RECORDED["files"], "stat": "btime 1000000000\n"})
    for now, want in ((1000000100, "01:47"), (1000100000, "Sep09"), (1040000000, "2001")):
        files.now = now
        assert ps.run(files, ["-p", "1", "-o", "stime="])[0].strip() == want


def test_files_that_are_none_of_proc():
    with pytest.raises(slabtop.SlabError):
        slabtop.run(Files({"slabinfo": "slabinfo - version: 2.1\nbroken line\n"}))
    with pytest.raises(slabtop.SlabError):
        slabtop.run(Files({}))
    with pytest.raises(vmstat.VmstatError):
        vmstat.run(Files({"vmstat": "pgpgin 1\n"}))
    assert ps.run(Files({"7/stat": "", "8/stat": "8 (x"}), ["-e"])[0] == "  PID TTY          TIME CMD\n"


def test_long_uptimes():
    text = uptime.run(Files({"uptime": "700000.5 1.0\n", "loadavg": "1.5 0.25 0.125 1/2 3\n"}))
    assert text.partition(" up ")[2] == "8 days,  2:26,  0 user,  load average: 1.50, 0.25, 0.12\n"
    assert uptime.run(Files({"uptime": "700000.5 1.0\n"}), True) == "up 1 week, 1 day, 2 hours, 26 minutes\n"


def test_disks_and_their_partitions():
    text = "   8       0 sda 1 2 3 4 5 6 7 8 2000 10000 11 0 0 0 0\n   8       1 sda1 9 9 9 9 9 9 9 9 9 9 9 0 0 0 0\n"
    lines = vmstat.run_disks(Files({"diskstats": text})).splitlines()
    assert lines[2] == "sda        1      2       3       4      5      6       7       8      2     10"
    assert vmstat.run_disk_sums(Files({"diskstats": text})).splitlines()[:2] == ["            1 disks", "            1 partitions"]
