"""Programs that others wrote, over the exported tree, over the mount, under `enter`: each ends well, without a warning, with our figures.

Those that are not installed are skipped with a sentence; `make tools` installs what Debian has and runs all (VMTOOL_REQUIRE_HOST=1).
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time

import pytest

core = pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
VMTOOL = [sys.executable, "-m", "vmtool"]
REQUIRED = os.environ.get("VMTOOL_REQUIRE_HOST") == "1"
SCRIPT = """
init --ram 256M --swap 64M --force
p = spawn render
brk $p --by 1M
touch $p heap 400K
fork $p
spawn server --threads 3
mkfile /scene.dat 64K
read $p /scene.dat 0 1000
"""
PSUTIL = """
import psutil
psutil.PROCFS_PATH = JUDGED
p = psutil.Process(1)
print(p.memory_info().rss >> 10, p.memory_full_info().uss >> 10, psutil.virtual_memory().total >> 10, len(p.memory_maps(grouped=False)),
      psutil.Process(3).num_threads(), [t.id for t in psutil.Process(3).threads()], psutil.pids())
"""
PROMETHEUS = """
package main

import (
	"fmt"
	"os"

	"github.com/prometheus/procfs"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	fs, err := procfs.NewFS(os.Args[1])
	must(err)
	memory, err := fs.Meminfo()
	must(err)
	_, err = fs.Zoneinfo()
	must(err)
	_, err = fs.BuddyInfo()
	must(err)
	p, err := fs.Proc(1)
	must(err)
	status, err := p.NewStatus()
	must(err)
	stat, err := p.Stat()
	must(err)
	rollup, err := p.ProcSMapsRollup()
	must(err)
	maps, err := p.ProcMaps()
	must(err)
	server, err := fs.Proc(3)
	must(err)
	threads, err := server.Stat()
	must(err)
	fmt.Println(*memory.MemTotal, status.VmRSS>>10, stat.Comm, rollup.Pss>>10, len(maps), threads.NumThreads)
}
"""


def facts(text, *labels):
    return [re.search(rf"(?m)^{label}:\s+(\d+)", text)[1] for label in labels]


class Expected:
    """Figures out of the files themselves."""

    def __init__(self, read):
        self.total, self.free = facts(read("meminfo"), "MemTotal", "MemFree")
        self.rss, self.size = facts(read("1/status"), "VmRSS", "VmSize")
        self.pss, = facts(read("1/smaps_rollup"), "Pss")
        self.nr_areas = len(read("1/maps").splitlines())
        self.stat_rss = str(int(read("1/stat").split()[23]) * 4)


# a line of a shell; PROC is where the tree is; what it must print
JUDGES = {
    "free": ("free -k", lambda e: [e.total, e.free]),
    "ps": ("ps -eo pid,rss,comm", lambda e: [rf"1 +{e.rss} render"]),
    "ps -L": ("ps -eLf", lambda e: [r" 3 +0 +4 +0 +3 .* server"]),
    "ps -T": ("ps -T -p 3 -o pid,tid,nlwp,comm", lambda e: [rf" 3 +{tid} +3 server" for tid in (3, 4, 5)]),
    "top -H": ("top -H -b -n1", lambda e: [r"Threads: +5 total", r"\n +4 .* server"]),
    "pidstat -t": ("pidstat -t -r -p ALL", lambda e: [r" 3 +- .* server\n.* - +3 .*server\n.* - +4 .*server\n.* - +5 .*server"]),
    "top": ("top -b -n1", lambda e: [rf"1 .* {e.rss} .* render"]),
    "vmstat": ("vmstat", lambda e: [e.free]),
    "vmstat -a": ("vmstat -a -w", lambda e: [e.free]),
    "vmstat -s": ("vmstat -s", lambda e: [rf"{e.total} K total memory", rf"{e.free} K free memory"]),
    "vmstat -m": ("vmstat -m", lambda e: ["(?m)^task_struct "]),
    "vmstat -d": ("vmstat -d", lambda e: []),  # those of them that the host's /sys/block has
    "slabtop": ("slabtop -o", lambda e: ["task_struct"]),
    "pmap": ("pmap -x 1", lambda e: [rf"total kB +{int(e.size) + 4} +{e.rss} "]),
    "pmap -X": ("pmap -X 1", lambda e: [r"VmFlags|Rss", rf" {e.pss} "]),
    "pmap -XX": ("pmap -XX 1", lambda e: [rf" {e.rss} "]),
    "uptime": ("uptime", lambda e: ["load average"]),
    "htop": ("printf q | TERM=xterm COLUMNS=100 LINES=30 script -qec 'htop -C' /dev/null", lambda e: ["render", "server"]),
    "smem": ("smem -H -c 'pid pss rss name'", lambda e: [rf"1 +{e.pss} +{e.rss} +render"]),
    "pidstat": ("pidstat -r -p ALL", lambda e: [rf" 1 .* {e.size} +{e.stat_rss} .*render"]),
    "pidstat -s": ("pidstat -s -p 1", lambda e: ["render"]),
    "sar": ("sar -r 0", lambda e: [e.free]),
    "sar -S": ("sar -S 0", lambda e: ["kbswpfree"]),
    "busybox": ("busybox ps && busybox top -b -n1", lambda e: [rf"{e.free}K free", "render"]),
    "busybox ps -T": ("busybox ps -T", lambda e: [rf"(?m)^ +{tid} .* server$" for tid in (3, 4, 5)]),
    "node": ("node -e 'console.log(process.memoryUsage().rss / 1024, os.totalmem() / 1024)'", lambda e: [rf"{e.stat_rss} {e.total}"]),
    "lsof": ("lsof -w -p 1", lambda e: [r"render +1 .*\btxt\b.* /usr/bin/render"]),
    "fuser": ("fuser -v /usr; test $? = 1", lambda e: []),
    "pstree": ("pstree -pA", lambda e: [r"render\(1\)---render\(2\)"]),
    "page-types": ("page-types && page-types -p 1 -l -r -C", lambda e: [
        rf"\t +{int(e.free) // 4} .*\tbuddy\n", rf"total\t +{256 * 256} ", r"(?m)^[0-9a-f]+\t@1\t[0-9a-f]+\t1\t___U.*M[as]"]),
    "psutil": (None, lambda e: [rf"{e.rss} \d+ {e.total} {e.nr_areas} 3 \[3, 4, 5\] \[1, 2, 3\]"]),
    "prometheus": (None, lambda e: [f"{e.total} {e.rss} render {e.pss} {e.nr_areas} 3"]),
}
NOT_OF_DEBIAN = ("page-types",)
"""Of the kernel's sources (tools/mm); nobody has to have them."""
OUTSIDE_PROC = ("psutil", "prometheus")
"""Those who take a directory in place of /proc."""
ASKS_FOR_TIDS = ("busybox ps -T",)
"""They open /proc/TID, which Linux answers and does not list: plain files cannot; threads have their names in brackets there."""


def lack(sentence):
    if REQUIRED:
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    place = tmp_path_factory.mktemp("judges")
    (place / "script").write_text(SCRIPT)
    subprocess.run([*VMTOOL, "-s", str(place / "m.vmt"), "run", str(place / "script")], check=True, capture_output=True)
    return place / "m.vmt"


@pytest.fixture(scope="module")
def expected(state):
    def read(path):
        return subprocess.run([*VMTOOL, "-s", str(state), "cat", f"/proc/{path}"], check=True, capture_output=True, text=True).stdout
    return Expected(read)


@pytest.fixture(scope="module")
def line_of(tmp_path_factory):
    """The line of a judge; it is skipped where it is not to be had."""
    made = {}

    def line(name):
        if name == "psutil":
            interpreters = (sys.executable, "/usr/bin/python3")
            python = next((p for p in interpreters if not subprocess.run([p, "-c", "import psutil"], capture_output=True).returncode), None)
            if python is None:
                lack("psutil is not installed here")
            return f"{python} -c \"$JUDGE_PSUTIL\""
        if name == "prometheus":
            sources = "/usr/share/gocode/src/github.com/prometheus/procfs"
            if shutil.which("go") is None or not os.path.isdir(sources):
                lack("Go or golang-github-prometheus-procfs-dev is not installed here")
            if name not in made:
                place = tmp_path_factory.mktemp("go")
                (place / "main.go").write_text(PROMETHEUS)
                env = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(place / "cache"), "GOFLAGS": ""}
                subprocess.run(["go", "build", "-o", place / "judge", place / "main.go"], env=env, check=True, timeout=400)
                made[name] = place / "judge"
            return f"{made[name]} $JUDGE_PROC"
        if shutil.which(name.split()[0]) is None:
            (pytest.skip if name in NOT_OF_DEBIAN else lack)(f"{name.split()[0]} is not installed here")
        return JUDGES[name][0]
    return line


def environment(proc):
    return {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", "JUDGE_PROC": proc, "JUDGE_PSUTIL": PSUTIL.replace("JUDGED", repr(proc))}


def judge(words, env, patterns):
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120, env=env, errors="replace")
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    for pattern in patterns:
        assert re.search(pattern, ran.stdout), (pattern, ran.stdout)


@pytest.mark.parametrize("name", JUDGES)
def test_under_enter(state, expected, line_of, name):
    if subprocess.run(["unshare", "-Urmp", "--fork", "true"], capture_output=True).returncode:
        lack("user namespaces are not allowed here")
    line = line_of(name)
    words = [*VMTOOL, "-s", str(state), "enter", "--pid", "3" if name == "node" else "1", "--", "sh", "-c", line]
    patterns = JUDGES[name][1](expected)
    if name == "node":  # under PID 3, whose own figure it shows
        patterns = [rf" {expected.total}$"]
    judge(words, environment("/proc"), in_plain_files(name, patterns))


@pytest.mark.parametrize("name", ["ps", "top -H", "busybox ps -T", "busybox", "lsof", "pmap -X"])
def test_under_enter_live(state, expected, line_of, name):
    pytest.importorskip("mfusepy", reason="mfusepy is not installed: pip install vmtool[mount]", exc_type=ImportError)
    if subprocess.run(["unshare", "-Urmp", "--fork", "true"], capture_output=True).returncode or not os.access("/dev/fuse", os.W_OK):
        lack("user namespaces, or FUSE, are not allowed here")
    if not shutil.which("fusermount3"):
        lack("fusermount3 is not installed here")
    judge([*VMTOOL, "-s", str(state), "enter", "--live", "--", "sh", "-c", line_of(name)], environment("/proc"), JUDGES[name][1](expected))


def in_plain_files(name, patterns):
    return [re.sub(r"([45] .*) server", r"\1 .server.", pattern) if name in ASKS_FOR_TIDS else pattern for pattern in patterns]


@pytest.fixture(scope="module")
def exported(state):
    place = state.parent / "exported"
    subprocess.run([*VMTOOL, "-s", str(state), "procfs", str(place)], check=True)
    return place


@pytest.mark.parametrize("name", JUDGES)
def test_over_the_exported_tree(exported, expected, line_of, name):
    """Put over /proc in a PID namespace of its own, where a program has the PIDs 1, 2, 3: they are in the tree, as it asks of its own."""
    line = line_of(name)
    if name in OUTSIDE_PROC:
        return judge(["sh", "-c", line], environment(str(exported)), JUDGES[name][1](expected))
    if subprocess.run(["unshare", "-Urmp", "--fork", "true"], capture_output=True).returncode:
        lack("user namespaces are not allowed here")
    words = ["unshare", "-Urmp", "--fork", "sh", "-c", f"mount --bind {exported} /proc && exec sh -c {shlex.quote(line)}"]
    judge(words, environment("/proc"), in_plain_files(name, JUDGES[name][1](expected)))


@pytest.fixture(scope="module")
def mounted(state):
    pytest.importorskip("mfusepy", reason="mfusepy is not installed: pip install vmtool[mount]", exc_type=ImportError)
    place = state.parent / "mounted"
    place.mkdir()
    server = subprocess.Popen([*VMTOOL, "-s", str(state), "mount", str(place)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not os.path.ismount(place) and server.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if server.poll() is not None:
        pytest.skip(f"nothing can be mounted here: {server.stderr.read().strip()}")
    yield place
    server.terminate()
    server.wait(30)
    server.stderr.close()


@pytest.mark.parametrize("name", JUDGES)
def test_over_the_mount(mounted, expected, line_of, name):
    line = line_of(name)
    if name in OUTSIDE_PROC:
        return judge(["sh", "-c", line], environment(str(mounted)), JUDGES[name][1](expected))
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        lack("binding a mount over /proc needs root")
    words = ["unshare", "-m", "--propagation", "private", "sh", "-c", f"mount --bind {mounted} /proc && exec sh -c {shlex.quote(line)}"]
    judge(words, environment("/proc"), JUDGES[name][1](expected))
