"""The two readers of a command line, by hand and by click, against each other.

Neither is the truth about the other: getopt_long(3) is about both, where a case below spells out
what it gives. The rest must only be the same: the values, or the refusal.
"""

import random

import pytest

from vmtool.cli import click_app, parse, table
from vmtool.errors import UsageError

SAMPLES = {
    "TOLD": ["on", "off", "1", "onn"], "PID": ["1", "42", "x", "-1", "1.5", "99999999999"],
    "ADDR": ["7ffff7fef000", "0x1000", "heap", "heap+4K", "libc.so.6+0x10", "+1", "", "10000000000000000", "0xzz"],
    "SIZE": ["0", "4096", "64K", "0x10", "0xffffffffffffffff", "18446744073709551616", "-4K", "1_0", "٣", "K"],
    "DELTA": ["4K", "-4K", "-0x10", "+8", "--", "-", "x"],
    "INT": ["0", "-1", "7", "-1000", "4294967296", "x"],
    "TLB": ["skylake", "none"], "SYSCTL": ["vm.swappiness", "a=b"], "COMMAND": ["fork", "1"],
    "WORD": ["word", "-w", "a=b", ""],
    "PATH": ["/f", "f g", ""], "PROCPATH": ["meminfo", "/proc/1/maps", ""], "HOSTPATH": ["/bin/cat", "-", ""],
    "PROT": ["rw", "none", "rwx", "rr", "q", ""],
    "ADVICE": ["dontneed", "99", "nothing"],
    "RLIMIT": ["stack", "as", "stacks"], "LIMIT": ["unlimited", "64K", "-1"],
    "SIGNAL": ["-KILL", "-9", "TERM", "-65", "-FOO", "--foo"],
    "PLAINADDR": ["555560000000", "0x1000", "heap"],
    "DEVICE": ["8:1", "8", "4096:0"],
    "DATA": ["hello", "-x", "-4", "", "--text", "é"],
    "HEX": ["00ff", "0", "zz"],
    "PFNS": ["0x1000", "1-5", "5-1"],
    "ENV": ["A=b", "=b", "A"],
}
COMMON = ["--", "--json", "--help-me", "--json=1", "-q", "-", "-xw", "-h", "extra", "--no", "-9"]


def by_hand(command, words):
    try:
        return parse.read(command, words)
    except UsageError:
        return "refused"


def by_click(command, words):
    try:
        read, values, _ = click_app.read([command.name, *words])
    except UsageError:
        return "refused"
    assert read is command
    return values


def samples(param):
    return list(param.kind) + ["other"] if isinstance(param.kind, tuple) else SAMPLES[param.kind]


def likely(command, rng):
    """A line that is mostly right: arguments in order, some options among them, now and then a stranger."""
    words = []
    for param in command.arguments:
        if param.required or rng.random() < 0.6:
            for _ in range(rng.randint(1, 3) if param.repeat else 1):
                words.append(samples(param)[0] if rng.random() < 0.7 else rng.choice(samples(param)))
    for flag, param in command.options.items():
        if rng.random() < 0.25:
            at = rng.randint(0, len(words))
            value = None if param.kind is None else rng.choice(samples(param)[:2]) if rng.random() < 0.8 else rng.choice(samples(param))
            if value is None:
                words[at:at] = [flag]
            elif flag.startswith("--") and rng.random() < 0.3:
                words[at:at] = [f"{flag}={value}"]
            else:
                words[at:at] = [flag, value] if flag.startswith("--") or rng.random() < 0.5 else [flag + value]
    if rng.random() < 0.3:
        words.insert(rng.randint(0, len(words)), rng.choice(COMMON))
    if command.rest is not None and rng.random() < 0.5:
        words += ["--", rng.choice(["a", "--json", "--"]), "b"]
    return words


@pytest.mark.parametrize("name", table.names())
def test_both_readers_give_the_same(name):
    command = table.find(name)
    rng = random.Random(name)
    accepted = 0
    for _ in range(150):
        words = likely(command, rng)
        hand = by_hand(command, words)
        assert hand == by_click(command, words), words
        accepted += hand != "refused"
    assert accepted > 10, "the lines tried are nearly all wrong: they compare nothing"


@pytest.mark.parametrize("line, values", [
    ("brk 1 --by -4K", {"pid": 1, "by": -4096}),
    ("brk 1 --by=-4K", {"by": -4096}),
    ("brk --by -4K 1", {"pid": 1, "by": -4096}),
    ("kill 1 -KILL", {"pid": 1, "signal": 9}),
    ("kill 1 -9", {"signal": 9}),
    ("kill 1", {"signal": 15}),
    ("kill 1 -SIGSEGV", {"signal": 11}),
    ("exit 1 -1", {"status": -1}),
    ("oom-score-adj 1 -500", {"value": -500}),
    ("store 1 heap -x", {"text": b"-x"}),
    ("store 1 heap --hex 2d78", {"text": None, "hex": b"-x"}),
    ("store 1 heap -- --hex", {"text": b"--hex"}),
    ("touch 1 0x4000 -x", {"addr": 0x4000, "length": 1, "access": "x"}),
    ("touch 1 0x4000", {"access": "w"}),
    ("touch -r 1 4000 8K --probe", {"addr": 0x4000, "length": 8192, "access": "r", "probe": True}),
    ("touch 1 4000 -rr", {"access": "r"}),
    ("mmap 1 0x4000 --prot rw --addr 0x10090000 --fixed", {"length": 0x4000, "prot": 3, "addr": 0x10090000, "fixed": True}),
    ("mmap 1 4K --private", {"shared": False}),
    ("what-if mmap 1 4K --frob -x", {"command": ["mmap", "1", "4K", "--frob", "-x"], "json": False}),
    ("what-if --json kill 1 -9", {"command": ["kill", "1", "-9"], "json": True}),
    ("mremap 1 1000 4K 8K --maymove --fixed 0x5000", {"old": 4096, "new": 8192, "maymove": True, "fixed": 0x5000}),
    ("munmap 1 1000 0xffffffffffffffff", {"length": (1 << 64) - 1}),
    ("spawn --exe /bin/cat -- -n f", {"name": None, "exe": "/bin/cat", "args": ["-n", "f"]}),
    ("spawn cat --env A=1 --env B=2", {"name": "cat", "env": [b"A=1", b"B=2"], "args": ()}),
    ("mkfile f 64K --from g --dev 8:1 --inode 1001", {"path": "/f", "size": 65536, "source": "g", "dev": (8, 1), "inode": 1001}),
    ("mkfile /dev/shm/f 64K", {"dev": None, "tmpfs": False}),
    ("free -ht", {"unit": "h", "total": True}),
    ("pmap -XXq 1", {"expand": 2, "quiet": True, "detail": ""}),
    ("madvise 1 heap 4K guard_install", {"addr": "heap", "advice": 102}),
    ("sysctl vm.swappiness=1 vm.overcommit_memory", {"settings": ["vm.swappiness=1", "vm.overcommit_memory"]}),
    ("frames 0x10-0x1f 3", {"pfns": [range(16, 32), range(3, 4)]}),
])
def test_a_line_means(line, values):
    name, *words = line.split()
    command = table.find(name)
    for read in (by_hand, by_click):
        given = read(command, words)
        assert {key: given[key] for key in values} == values
        assert set(given) == set(command.defaults)


@pytest.mark.parametrize("line", [
    "mmap", "mmap 1", "mmap 1 x", "mmap 1 4K extra", "mmap 1 4K --prot", "mmap 1 4K --prot q", "mmap 1 4K --pro rw", "mmap 1 4K -x",
    "mmap 1 4K --fixed=1", "mmap x 4K", "mmap 1 -4K", "touch 1 4000 -q", "touch 1 4000 -wq", "kill", "kill 1 -FOO", "kill 1 --foo",
    "kill 1 -9 extra", "brk 1 --by", "brk 1 --by 1 2 3", "tlb extra", "spawn a b",
    "drop-caches 4", "frames 5-1", "madvise 1 heap 4K nothing",
])
def test_wrong_usage_is_refused_by_both(line):
    name, *words = line.split()
    command = table.find(name)
    assert by_hand(command, words) == "refused"
    assert by_click(command, words) == "refused"


@pytest.mark.parametrize("line, message", [
    ("frobnicate", "vmtool: frobnicate: no such command\n"),
    ("mmap", "vmtool: mmap: missing PID\n"),
    ("mmap 1 4K --frob", "vmtool: mmap: no such option --frob\n"),
    ("mmap 1 4K --prot", "vmtool: mmap: option --prot needs a value (PROT)\n"),
    ("mmap 1 4K q", "vmtool: mmap: unexpected argument 'q'\n"),
    ("touch x heap", "vmtool: touch: PID: 'x' is not a PID\n"),
    ("kill 1 -FOO", "vmtool: kill: -SIGNAL: '-FOO' is not a signal\n"),
    ("-s", "vmtool: option '-s' requires an argument\n"),
    ("--wait soon ps", "vmtool: invalid value for '--wait': 'soon' is not a number of seconds\n"),
])
def test_wrong_usage_is_one_line_and_status_2(vmtool, line, message):
    assert vmtool(line) == (2, "", message)


def test_a_script_says_the_same_as_the_command_line(vmtool, script):
    for line in ("mmap", "mmap 1 4K --frob", "touch x heap", "kill 1 -FOO", "frobnicate 1"):
        assert script(line).err == "FILE:1: " + vmtool(line).err


def test_without_words_the_overview_goes_to_stderr(vmtool):
    status, out, err = vmtool("")
    assert (status, out) == (2, "")
    assert err.startswith("Usage: vmtool ")
