"""riscv64 beside a real kernel's answers: Debian's 6.12.117 with Sv39, Sv48 and Sv57 under QEMU (fixtures/riscv64: how it was asked).

Compared: errno, signal and its code, addresses, counts of touch, areas and what smaps says of them, Vm lines of status, pagemap's bits,
mincore, bytes; of a program's first instruction its stack and auxiliary vector; entries of page tables bit by bit.
Not compared: VmRSS and its parts, which that kernel keeps inexactly; whether neighbours that a later kernel merges are one area (VM_ACCOUNT
stayed in 6.12): they are taken together on both sides.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vmtool.outside.elf import read_image

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures" / "riscv64"
sys.path.insert(0, str(FIXTURES))
from kinds import story  # noqa: E402  # the life of the recorded program

ARCHS = ("riscv64", "riscv64-sv39", "riscv64-sv57")
PARTS = 4  # of an architecture's scripts, for as many cores
RUN = "/tmp/kdarch/run"
EBREAK = bytes.fromhex("73001000")
HEADER = re.compile(r"^([0-9a-f]{8,})-([0-9a-f]{8,}) (\S{4}) ([0-9a-f]{8,}) (\S+ \S+)[ \t]*(.*)$")
SHMEM = "/dev/zero (deleted)"
QUIET = {"init", "spawn", "fork", "exec", "exit", "kill", "mkfile", "read", "write", "truncate", "rmfile", "sync", "drop-caches", "munmap",
         "mprotect", "madvise", "mlock", "munlock", "mlockall", "munlockall", "msync", "setrlimit", "store", "push"}
STATUS = ("VmPeak", "VmSize", "VmLck", "VmPin", "VmData", "VmStk", "VmExe", "VmLib", "VmPTE", "VmSwap")
UNSUMMED = {"KernelPageSize", "MMUPageSize", "THPeligible", "ProtectionKey"}
PAGEMAP = 1 << 63 | 1 << 62 | 1 << 61 | 1 << 58 | 1 << 56


def pattern(nr_bytes):
    """A data file: each 4K begin with a breakpoint and a tag, then bytes that differ from page to page."""
    pages = bytearray()
    for i in range((nr_bytes + 4095) // 4096):
        page = bytearray(bytes((i * 7 + j * 13) & 0xFF for j in range(256)) * 16)
        tag = EBREAK + b"page%06d." % i
        page[: len(tag)] = tag
        pages += page
    return bytes(pages[:nr_bytes])


def areas(text, numbers):
    """[[start, end, perms, offset, device and inode, name], {field: kB}] of maps or smaps, neighbours that could be one together."""
    found = []
    for line in text.splitlines():
        head = HEADER.match(line)
        if head:
            start, end, perms, offset, file, name = head.groups()
            if name == SHMEM:
                file = numbers.setdefault(file, len(numbers))
            now = [int(start, 16), int(end, 16), perms, int(offset, 16), file, name]
            last = found[-1][0] if found else None
            is_one = (last and last[1] == now[0] and last[2] == perms and last[4:] == now[4:] and not name.startswith("[")
                      and (file == "00:00 0" or last[3] + last[1] - last[0] == now[3]))
            if is_one:
                last[1] = now[1]
            else:
                found.append([now, {}])
        elif ":" in line and line.split()[-1] == "kB":
            field, value = line.split(":")
            if field not in UNSUMMED:
                found[-1][1][field] = found[-1][1].get(field, 0) + int(value.split()[0])
    return [(head, {field: value for field, value in fields.items() if value}) for head, fields in found]


def answer(cmd, out, numbers):
    """What is compared of a line's output."""
    out = out if isinstance(out, str) else "" if out is None else json.dumps(out)
    if cmd in QUIET:
        return None
    if cmd in ("mmap", "mremap", "brk"):
        return int(out, 16) if out.startswith("0x") else out
    if cmd == "touch":
        return re.findall(r"=(\d+)", out)[:2]
    if cmd in ("cat-maps", "smaps"):
        return areas(out, numbers)
    if cmd == "status":
        return [line for line in out.splitlines() if line.startswith(STATUS)]
    if cmd == "statm":
        return [out.split()[3], *out.split()[5:]]
    if cmd == "pagemap":
        return [int(word, 16) & PAGEMAP for word in re.findall(r"\b(?:0x)?[0-9a-f]{16}\b", out)]
    return re.sub(r"0x|\s", "", out).lower()


def told(wanted, got, numbers):
    """None, or how the two part."""
    signal = got.get("signal")
    if wanted["signal"]:
        name = signal if not signal or signal.startswith("SIG") else "SIG" + signal
        pair = (wanted["signal"], wanted.get("sigcode")), (name, got.get("sigcode"))
    elif wanted["errno"] or got.get("errno"):
        pair = wanted["errno"], got.get("errno")
    else:
        pair = tuple((answer(wanted["cmd"], side["out"], known), exit) for side, known, exit in (
            (wanted, numbers[0], wanted["exit"]), (got, numbers[1], got.get("exit"))))
    return None if pair[0] == pair[1] else pair


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A sysroot with the programs, and the data files as they are asked for, where the scripts look for them."""
    root = tmp_path_factory.mktemp("run")
    shutil.copytree(FIXTURES / "bin", root / RUN[1:] / "riscv64")
    (root / RUN[1:] / "src").mkdir()
    (root / RUN[1:] / "d").mkdir()
    return root


def scripts_of(arch):
    with gzip.open(FIXTURES / "recorded.jsonl.gz", "rt") as lines:
        return [script for script in map(json.loads, lines) if script["arch"] == arch]


def with_devices(root, text):
    """An expected text with this machine's device and inode of the programs."""
    def device(match):
        info = os.stat(root / RUN[1:] / match[1])
        return f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x} {info.st_ino}"

    return re.sub(r"@DEV:(\S+?)@ @INODE:\S+?@", device, text)


def given_to(root, number, text):
    """The objects of one `run`, by line."""
    where = root / str(number)
    where.mkdir()
    (where / "script.vmt").write_text(text)
    env = {**os.environ, "VMTOOL_STATE": str(where / "state"), "VMTOOL_SYNC": "off", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-m", "vmtool", "run", "--jsonl", "--keep-going", "script.vmt"], cwd=where, env=env,
                         capture_output=True, text=True, timeout=60)
    shutil.rmtree(where)
    return {value["line"]: value for value in map(json.loads, ran.stdout.replace(str(root), "").splitlines()) if "line" in value}


def differences(root, script, given):
    """(line, its text, what the kernel said and what was given) of each that differs."""
    numbers, lines, wrong = ({}, {}), script["script"].splitlines(), []
    for wanted in script["expect"]:
        got = given.get(wanted["line"], {})
        if wanted.get("skip"):
            for side, known in zip((wanted, got), numbers, strict=True):
                if wanted["cmd"] in ("cat-maps", "smaps"):
                    areas(str(side.get("out") or ""), known)
            continue
        if isinstance(wanted["out"], str):
            wanted["out"] = with_devices(root, wanted["out"])
        ways = [told({**wanted, **other}, got, numbers) for other in ({}, *wanted.get("alt", ()))]
        if None not in ways:
            wrong.append((script["id"], wanted["line"], lines[wanted["line"] - 1], ways[0]))
    return wrong


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("arch", ARCHS)
def test_scripts_are_answered_as_the_kernel_did(arch, part, place):
    wrong = []
    for number, script in enumerate(scripts_of(arch)[part::PARTS]):
        for nr_bytes in set(re.findall(r"pat-riscv64-(\d+)\.bin", script["script"])):
            (place / RUN[1:] / "src" / f"pat-riscv64-{nr_bytes}.bin").write_bytes(pattern(int(nr_bytes)))
        first, rest = script["script"].split("\n", 1)
        asked = f"{first} --kernel 6.12 --sysroot {place}\n" + rest.replace(RUN, f"{place}{RUN}")
        wrong += differences(place, script, given_to(place, number, asked))
    assert not wrong, (len(wrong), wrong[:3])


# --- a program's first instruction, and a page of each kind ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def facts():
    return json.loads(gzip.decompress((FIXTURES / "facts.json.gz").read_bytes()))


@pytest.mark.parametrize("program", ["target", "target-pie", "target-spie"])
@pytest.mark.parametrize("arch", ARCHS)
def test_a_program_begins_as_the_kernel_lets_it(arch, program, place, facts):
    """The program counter and all that lies on the stack but AT_RANDOM's bytes. The name is the recorded one."""
    found, name = facts[arch]["exec"]["programs"][program], f"{RUN}/riscv64/{program}"
    image = read_image(f"{place}{name}", arch=arch, sysroot=str(place))
    machine = core.Machine()
    machine.boot(ram_bytes=1 << 30, arch=arch, kernel="6.12")
    machine.spawn(program, image._replace(path=name), [name.encode()], [])
    mm, sp = machine.mm(1), int(found["sp"], 16)
    assert (mm.entry, mm.sp) == (int(found["pc"], 16), sp)
    stack = bytes.fromhex(found["initial_stack_hex"])
    noise = int(dict(found["auxv"])["RANDOM"], 16) - sp
    own = machine.load(1, sp, len(stack))
    assert own[:noise] + own[noise + 16 :] == stack[:noise] + stack[noise + 16 :]


@pytest.mark.parametrize("arch", ARCHS)
def test_entries_are_the_kernels(arch, place, facts):
    """Each without its frame; what is in swap with its slot. The huge zero page has no mark of its own before 6.13."""
    lines, pages = story(arch)
    (place / "x").write_bytes(pattern(65536))
    asked = [f"init --arch {arch} --kernel 6.12 --swap 16M --sysroot {place}", *lines[1:]]
    text = "\n".join(asked).replace(RUN, f"{place}{RUN}").replace("--from x", f"--from {place}/x")
    given = given_to(place, "entries", "\n".join([text, *(f"pagewalk $p {at:#x} --json" for _, at in pages)]) + "\n")
    recorded = {(entry["what"], int(entry["va"], 16)): int(entry["entries"][-1]["blanked"], 16) for entry in facts[arch]["ptes"]["entries"]}
    wrong = {}
    for number, page in enumerate(pages, 1 + len(asked)):
        entry = int(json.loads(given[number]["out"])["steps"][-1]["entry"], 16)
        if entry & 0x21:
            entry &= ~(((1 << 44) - 1) << 10)
        if entry != recorded[page] and page[0] != "THP rw-, read (huge zero page)":
            wrong[page] = f"{recorded[page]:#x}, here {entry:#x}"
    assert not wrong
