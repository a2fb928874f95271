"""import of live processes: every line of smaps of every area, and the figures of status, are the live ones.

Each program sets its memory up, is stopped, and is compared while it stands still. Where processes that do not come along map a page of an
area too, who is private there is shared here: then clean and dirty pages are compared in all. Needs root (frames, map_files), gcc for
most of the programs, and the program itself for the others.
"""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from tests.outside.test_importer import sound, taken
from vmtool.outside import pagemap, proc_pages
from vmtool.procfs import pid_maps, pid_smaps, pid_status

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="frames of a live process are root's to see"),
    pytest.mark.skipif(not os.path.exists("/proc/kpagecount"), reason="this kernel does not show its frames (CONFIG_PROC_PAGE_MONITOR)"),
    pytest.mark.xdist_group("import_live"),
]

SOURCE = Path(__file__).parent / "sleeper.c"
PAGE, PRESENT, PFN_MASK = 4096, 1 << 63, (1 << 55) - 1
FILE_HUGE = ("ShmemPmdMapped", "FilePmdMapped")
SUMS = (("Shared_Clean", "Private_Clean"), ("Shared_Dirty", "Private_Dirty"))
BY_SHARERS = {"Pss", "Pss_Dirty", "SwapPss", "Locked", *SUMS[0], *SUMS[1]}
NOT_FOR_THIS_KERNEL = (126, 127)
STATUS = ("Name", "VmPeak", "VmSize", "VmLck", "VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmData", "VmStk", "VmExe",
          "VmLib", "Threads")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Compile the sleeper with some options; the path, or a skip."""
    directory = tmp_path_factory.mktemp("built")

    def build(*options):
        path = directory / ("sleeper" + "".join(options))
        if not path.exists():
            if shutil.which("cc") is None:
                pytest.skip("no C compiler")
            done = subprocess.run(["cc", "-O1", "-w", *options, "-o", str(path), str(SOURCE), "-lpthread"], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"the compiler makes no program with {' '.join(options)}")
            os.sync()  # else the program's own pages are dirty until some moment of the comparison
        return str(path)
    return build


@pytest.fixture
def started(tmp_path):
    """Start a program, wait for its line, stop it and what it forked; its PIDs, the program's own first."""
    running = []

    def start(*command, says=b"ready"):
        """`says` None: it says nothing, and is there when it has not ended after a second."""
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
                                   start_new_session=True)
        running.append(process)
        line = b"" if says is not None else said_nothing(process)
        while says is not None and (line := process.stdout.readline()) and says not in line:
            pass
        if not line:
            message = f"{command[0]} does not run here: exit status {process.wait()} {process.stderr.read()!r}"
            assert "sleeper" not in command[0] or process.returncode in NOT_FOR_THIS_KERNEL, message
            pytest.skip(message)
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(0.1)
        return family(process.pid)
    yield start
    for process in running:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def said_nothing(process):
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        return b"it runs"
    return b""


def family(pid):
    found = [pid]
    for each in found:
        for tid in os.listdir(f"/proc/{each}/task"):
            found += [int(word) for word in Path(f"/proc/{each}/task/{tid}/children").read_text().split()]
    return found


# --- what the kernel says ----------------------------------------------------------------------------------------------

def areas_in(text):
    """(line of maps, fields) of each area of a text of smaps."""
    found = []
    for line in text.splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            found.append((line, {}))
        else:
            name, _, value = line.partition(":")
            found[-1][1][name] = value.strip()
    return found


def frames_of(pid, line):
    """The frames that an area's entries map."""
    start, end = (int(word, 16) for word in line.split(" ")[0].split("-"))
    if start >= 1 << 47 or end - start > 1 << 32:
        return []
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as f:
        data = os.pread(f.fileno(), (end - start) // PAGE * 8, start // PAGE * 8)
    return [entry & PFN_MASK for (entry,) in struct.iter_unpack("Q", data) if entry & PRESENT and entry & PFN_MASK]


def shared_outside(pids, lines):
    """The areas, (PID, line), of which others than these processes map a page; large holes count among them."""
    frames = {(pid, line): frames_of(pid, line) for pid in pids for line in lines[pid]}
    mapped = {}
    for each in frames.values():
        for pfn in each:
            mapped[pfn] = mapped.get(pfn, 0) + 1
    with open("/proc/kpagecount", "rb", buffering=0) as f:
        others = {pfn for pfn, nr in mapped.items() if struct.unpack("Q", os.pread(f.fileno(), 8, pfn * 8))[0] != nr}
    return {key for key, each in frames.items() if others.intersection(each)}


def steady(pid):
    return areas_in(Path(f"/proc/{pid}/smaps").read_text("utf-8", "surrogateescape"))


def at_rest(smaps):
    """What is to be the same before and after: khugepaged may fill a huge page of a sleeping process at any time."""
    return {pid: [(line, fields["Rss"], fields.get("AnonHugePages")) for line, fields in areas] for pid, areas in smaps.items()}


def number(text):
    return int(text.split()[0])


def differences(wanted, got, is_shared):
    found = [f"{name} {got.get(name)} instead of {value}" for name, value in wanted.items()
             if name != "ProtectionKey" and not (is_shared and name in BY_SHARERS) and got.get(name) != value]
    if is_shared:
        for names in SUMS:
            sums = [sum(number(fields[name]) for name in names) for fields in (wanted, got)]
            if sums[0] != sums[1]:
                found.append(f"{' + '.join(names)} {sums[1]} kB instead of {sums[0]}")
    return found


def same_as_live(pids, *words, tree=False, which_is_known=True):
    """Import and compare. Returns: how many areas nobody outside has a page of. What files' areas share hangs on which pages are there."""
    for _ in range(9):
        before = {pid: steady(pid) for pid in pids}
        machine, made = taken(*(word() if callable(word) else word for word in words), tree=tree)
        live = {pid: steady(pid) for pid in pids}
        if at_rest(before) == at_rest(live):
            break
    for pid in pids:
        for (_, old), (_, new) in zip(before[pid], live[pid], strict=True):
            for name in ("Referenced", "THPeligible"):
                if old[name] != new[name] or name == "THPeligible" and not which_is_known:
                    del new[name]  # the host ages pages (DAMON), and its huge pages are another's to set
    shared = shared_outside(pids, {pid: [line for line, _ in areas] for pid, areas in live.items()})
    # two processes outside have [vdso], too
    shared |= {(pid, line) for pid, areas in live.items() for line, _ in areas if "[vdso]" in line or not which_is_known and "/" in line}
    wrong = []
    for pid, ours in zip(pids, made, strict=True):
        text = pid_smaps.render(machine.smaps(ours), machine.word_bytes(ours))
        maps = Path(f"/proc/{pid}/maps").read_text("utf-8", "surrogateescape")
        assert pid_maps.render(machine.maps(ours), machine.word_bytes(ours)) == maps
        for (line, wanted), (_, got) in zip(live[pid], areas_in(text), strict=True):
            wrong += [f"{line}: {text}" for text in differences(wanted, got, (pid, line) in shared)]
        wrong += task_differences(machine, pid, ours)
    assert not wrong, "\n".join(wrong[:20])
    for ours in made:
        machine.exit(ours)
        sound(machine)
    assert machine.meminfo()["Committed_AS"] == 0
    return sum(len(areas) for areas in live.values()) - len(shared)


def fields_of(text):
    return {name: " ".join(value.split()) for name, _, value in (line.partition(":") for line in text.splitlines())}


def task_differences(machine, pid, ours):
    wanted = fields_of(Path(f"/proc/{pid}/status").read_text())
    got = fields_of(pid_status.render(machine.task(ours), machine.mm(ours), 1, 12))
    found = [f"{name} {got[name]} instead of {wanted[name]}" for name in STATUS if got[name] != wanted[name]]
    if machine.cmdline(ours) != Path(f"/proc/{pid}/cmdline").read_bytes():
        found.append(f"cmdline {machine.cmdline(ours)!r}")
    if machine.task(ours).oom_score_adj != int(Path(f"/proc/{pid}/oom_score_adj").read_text()):
        found.append("oom_score_adj")
    return found


# --- programs ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options", [(), ("-static",), ("-static-pie",), ("-no-pie",), ("-m32",)], ids=" ".join)
@pytest.mark.parametrize("mode", ["plain", "threads"])
def test_programs_of_every_make(built, started, options, mode):
    pids = started(built(*options), mode)
    assert same_as_live(pids, *pids) > 4


@pytest.mark.parametrize("mode", ["huge", "areas", "files", "go"])
def test_memory_of_every_kind(built, started, mode):
    pids = started(built(), mode)
    assert same_as_live(pids, *pids) > 4


def test_a_family_has_the_frames_in_common_that_it_shares(built, started):
    pids = started(built(), "family")
    assert len(pids) == 5
    assert same_as_live(pids, pids[0], tree=True) > 40


JAVA = """public class Sleep {
    public static void main(String[] words) throws Exception {
        byte[][] kept = new byte[100][];
        for (int i = 0; i < 100; i++) kept[i] = new byte[100000];
        System.out.println("ready");
        Thread.sleep(1000000);
    }
}
"""


@pytest.mark.parametrize("command", [
    ("python3", "-c", "import json, ssl, time; x = [bytearray(5000) for _ in range(3000)]; print('ready', flush=True); time.sleep(999)"),
    ("node", "-e", "let x = Array(100000).fill().map((_, i) => ({i})); console.log('ready'); setInterval(() => x, 1e6)"),
    ("bash", "-c", "x=$(seq 1000); echo ready; read y; :"),
    ("java", "Sleep.java"),
], ids=lambda command: command[0])
def test_programs_that_people_run(started, tmp_path, command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / "Sleep.java").write_text(JAVA)
    pids = started(*command)
    assert same_as_live(pids, *pids) > 4


def test_a_go_program(started, tmp_path):
    """It waits for a server's answer that never comes."""
    if shutil.which("docker") is None:
        pytest.skip("docker, a program in Go, is not installed")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen(8)
        pids = started("docker", "-H", f"unix://{tmp_path}/socket", "version", says=None)
        assert same_as_live(pids, *pids) > 4


# --- what is known without root ------------------------------------------------------------------------------------------

SAVED = ("maps", "smaps", "stat", "status", "comm", "cmdline", "limits", "oom_score_adj")


@pytest.mark.parametrize("mode", ["plain", "huge", "files", "areas"])
@pytest.mark.parametrize("knows", ["no frames", "counts alone"])
def test_less_knowledge_gives_the_same_figures(built, started, tmp_path, monkeypatch, mode, knows):
    """Without frames (one's own processes), and from smaps alone (a saved directory)."""
    pid, = started(built(), mode)
    if knows == "no frames":
        monkeypatch.setattr(proc_pages, "PM_PFRAME_MASK", 0)
        monkeypatch.setattr(pagemap.Pagemap, "_open_flags", lambda self: False)
        same_as_live([pid], pid)
    else:
        same_as_live([pid], lambda: saved(pid, tmp_path / "saved"), which_is_known=False)


def saved(pid, where):
    """The files of a process as a user's `cp` leaves them."""
    where.mkdir(exist_ok=True)
    for name in SAVED:
        (where / name).write_bytes(Path(f"/proc/{pid}/{name}").read_bytes())
    if not (where / "exe").is_symlink():
        (where / "exe").symlink_to(os.readlink(f"/proc/{pid}/exe"))
    return where
