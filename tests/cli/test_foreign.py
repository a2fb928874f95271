"""--procfs: a directory whose texts are damaged is a failure in one line, or is read; it is never a mistake of vmtool's."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

COMMANDS = [
    "free", "free -w -t -v", "free --json", "free --meter", "pmap {pid}", "pmap -x {pid}", "pmap -d {pid}", "pmap -X {pid}",
    "pmap --json {pid}", "ps aux", "ps -ef", "ps -eL -o pid,pss,stat,start,wchan,pcpu,vsz", "ps -e --json", "vmstat", "vmstat -s",
    "vmstat -m", "vmstat -d",
    "vmstat -D", "vmstat -f", "slabtop -o", "slabtop --json", "uptime", "uptime -p", "uptime -s", "top -b -n 1", "top -b -n 1 --json",
]  # fmt: skip
SYSTEM = ("meminfo", "uptime", "stat", "loadavg", "vmstat", "slabinfo", "diskstats", "cpuinfo", "sys/kernel/pid_max")
OF_PROCESS = ("stat", "status", "statm", "cmdline", "maps", "smaps", "smaps_rollup", "wchan", "oom_score")


@pytest.fixture(scope="module")
def tree():
    import vmtool as library

    machine = library.Machine()
    machine.boot(ram_bytes=1 << 30)
    pid = machine.spawn("one", None, [b"one"], [])
    text = {name: machine.procfs[name] for name in SYSTEM}
    return pid, text | {f"{pid}/{name}": machine.procfs[f"{pid}/{name}"] for name in OF_PROCESS}


def damaged(data, how, at, junk):
    """A text cut, with bytes in its middle, with a line gone, or with its numbers changed."""
    place = at % (len(data) + 1)
    if how == "cut":
        return data[:place]
    if how == "junk":
        return data[:place] + junk + data[place:]
    if how == "line":
        lines = data.splitlines(True)
        return b"".join(lines[:at % (len(lines) or 1)] + lines[at % (len(lines) or 1) + 1:])
    return data.translate(bytes.maketrans(b"0123456789", b"9876543210" if how == "swapped" else b"0000000000"))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=st.sampled_from(COMMANDS), which=st.integers(0, 99), how=st.sampled_from(["cut", "junk", "line", "swapped", "zeros"]),
       at=st.integers(0, 1 << 20), junk=st.sampled_from([b"-", b"\n", b"zz", b" ", b"\xff", b"\0", b"9" * 30, b"0-0 r"]))
def test_damaged_texts(tree, vmtool, tmp_path_factory, command, which, how, at, junk):
    directory = tmp_path_factory.mktemp("proc")
    pid, texts = tree
    hit = sorted(texts)[which % len(texts)]
    for name, data in texts.items():
        data = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
        place = directory / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(damaged(data, how, at, junk) if name == hit else data)
    ran = vmtool(f"{command.format(pid=pid)} --procfs {directory}")
    assert ran.status in (0, 1), (hit, ran.err)
    assert ran.status == 0 or ran.err.count("\n") == 1
