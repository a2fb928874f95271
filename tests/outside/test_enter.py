"""enter: real programs under a simulated PID, with the simulated /proc; nothing is left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

core = pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)
VMTOOL = [sys.executable, "-m", "vmtool"]
SCRIPT = "p = spawn render\nbrk $p --by 1M\ntouch $p heap 400K\nfork $p\nspawn 'we ird) (x'\n"


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    if subprocess.run(["unshare", "-Urmp", "--fork", "true"], capture_output=True).returncode:
        pytest.skip("user namespaces are not allowed here")
    place = tmp_path_factory.mktemp("enter")
    (place / "script").write_text(SCRIPT)
    subprocess.run([*VMTOOL, "-s", str(place / "m.vmt"), "run", str(place / "script")], check=True, capture_output=True)
    return str(place / "m.vmt")


def enter(state, *words, **more):
    return subprocess.run([*VMTOOL, "-s", state, "enter", *words], capture_output=True, text=True, timeout=60, **more)


def vmtool(state, *words):
    return subprocess.run([*VMTOOL, "-s", state, *words], capture_output=True, text=True, check=True).stdout


def test_a_program_reads_the_simulated_proc_and_is_one_of_its_processes(state):
    code = "import os; print(os.getpid(), open('/proc/self/comm').read().strip(), *sorted(p for p in os.listdir('/proc') if p.isdigit()))"
    assert enter(state, "--", sys.executable, "-c", code).stdout == "1 render 1 2 3\n"
    assert enter(state, "--pid", "2", "--", sys.executable, "-c", code).stdout.startswith("2 render ")


@pytest.mark.parametrize("line", ["free -w", "ps aux", "ps -ef", "pmap -X 2", "vmstat -s", "slabtop -o", "uptime -p"])
def test_procps_shows_what_our_tools_show(state, line):
    if shutil.which(line.split()[0]) is None or b"4.0.2" not in subprocess.run(["free", "-V"], capture_output=True).stdout:
        pytest.skip("procps 4.0.2 is not installed here")
    if "slabtop" in line and os.geteuid():
        pytest.skip("slabinfo is root's")
    ran = enter(state, "--", *line.split(), env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"})
    assert (ran.returncode, ran.stderr) == (0, "")
    ours = vmtool(state, *line.split())
    assert sorted(ran.stdout.splitlines()) == sorted(ours.splitlines())


def test_the_status_is_the_programs(state):
    assert enter(state, "--", "sh", "-c", "exit 3").returncode == 3
    assert enter(state, "--pid", "2", "--", "sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM


def test_what_cannot_be_run(state):
    ran = enter(state, "--", "no-such-program")
    assert (ran.returncode, ran.stderr) == (1, "vmtool: enter: ENOENT (No such file or directory): no-such-program\n")
    assert enter(state, "--pid", "77", "--", "true").returncode == 1
    assert enter(state, "--").returncode == 2


def test_a_machine_without_processes_has_no_pid_to_lend(tmp_path):
    vmtool(str(tmp_path / "m.vmt"), "init", "--ram", "64M")
    assert "has no process" in enter(str(tmp_path / "m.vmt"), "--", "true").stderr


def copies():
    names = [name for place in ("/dev/shm", "/tmp") if os.path.isdir(place) for name in os.listdir(place)]
    return {name for name in names if name.startswith("vmtool-enter.")}


@pytest.mark.parametrize("delay", [0, 0.02, 0.1, 0.5, 2])  # while it copies, while it starts the program, later
def test_ended_by_a_signal_it_leaves_nothing(state, delay):
    before = copies()
    own = f"77.{os.getpid()}{delay * 100:03.0f}"  # the same test runs beside this one
    process = subprocess.Popen([*VMTOOL, "-s", state, "enter", "--", "sleep", own])
    deadline = time.monotonic() + 30
    made = set()  # and those of whoever enters a machine of his own meanwhile, which end, too
    while not made and time.monotonic() < deadline:
        time.sleep(0.01)
        made = copies() - before
    time.sleep(delay)
    made |= copies() - before
    process.terminate()
    assert process.wait(30) != 0
    while made & copies() and time.monotonic() < deadline + 30:
        time.sleep(0.05)
    assert made and not made & copies()
    assert f"sleep\0{own}\0" not in _cmdlines()


def test_a_signal_to_a_program_that_has_ended_is_nobodys():
    """The signal comes between the program's end and the next instruction: a trace function gives it there."""
    program = ("import os, signal, sys\n"
               "from vmtool.outside import enter\n"
               "def trace(frame, event, argument):\n"
               "    if frame.f_code.co_name == '_status_of' and event == 'call' and os.getpid() == first:\n"
               "        os.kill(first, signal.SIGTERM)\n"
               "    return None\n"
               "first = os.getpid()\n"
               "child = os.fork()\n"
               "if child == 0: os._exit(7)\n"
               "sys.settrace(trace)\n"
               "status = enter._wait(child)\n"
               "sys.settrace(None)\n"
               "sys.exit(status)\n")
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (7, "")


def _cmdlines():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                yield file.read()
        except OSError:
            pass


def test_live_it_follows_the_machine_and_can_be_written(state):
    pytest.importorskip("mfusepy", reason="mfusepy is not installed: pip install vmtool[mount]", exc_type=ImportError)
    if not os.access("/dev/fuse", os.W_OK) or not shutil.which("fusermount3"):
        pytest.skip("/dev/fuse is not there for us, or fusermount3 not installed")
    line = "cat /proc/self/comm; echo 77 >/proc/self/oom_score_adj; cat /proc/2/oom_score_adj; readlink /proc/self"
    ran = enter(state, "--live", "--pid", "2", "--", "sh", "-c", line)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "render\n77\n2\n", "")
    assert vmtool(state, "cat", "/proc/2/oom_score_adj") == "77\n"
    assert "vmtool-enter." not in open("/proc/mounts").read()
    ran = enter(state, "--live", "--", "no-such-program")
    assert (ran.returncode, ran.stderr) == (1, "vmtool: enter: ENOENT (No such file or directory): no-such-program\n")
