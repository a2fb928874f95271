"""One convention for the JSON of every command, as the README writes it, and nothing in it that the text does not know.

Every command that takes --json has a line here, or this fails: so a new command is held to the convention too.
"""

import json
import re

import pytest

from vmtool.cli import table

pytestmark = pytest.mark.parametrize("on", ["real_state"], indirect=True)

SCENE = """\
init --pku
spawn render
brk 1 --by 64K
explain on
cgroup create night --max 1M
worker = spawn
cgroup move night $worker
heap = mmap $worker 4M
-touch $worker $heap 4M
swapon 16M
mkfile /scene.dat 16K
mmap 1 16K --shared --file /scene.dat
touch 1 scene.dat 8K -r
fork 1
touch 1 heap 12K
"""
LINES = {
    # line: further lines whose text says the rest of it
    "log": [], "undo": [], "redo": [], "diff @1": [],
    "sysctl vm.swappiness transparent_hugepage/enabled": [], "thp-disable 1": [], "thp-disable 1 yes": [],
    "fsck": [], "spawn": [], "fork 1": [], "clone 1": [],
    "ps": ["ps -o pid,ppid,state,vsz,rss,min_flt,maj_flt,comm,args"], "slabtop -o": [], "top -b": [], "uptime": [],
    "vmstat -s": [], "what-if fork 1": [], "brk 1": [], "mmap 1 8K": [],
    "mremap 1 heap 64K 128K --maymove": [], "mincore 1 heap 16K": [], "touch 1 heap 32K": [], "load 1 heap 8": ["load 1 heap 8 --hex"],
    "translate 1 heap": [], "pkey-alloc 1": [], "pkru 1": [], "push 1 8K": [],
    "read 1 /scene.dat 0 16": [], "read 1 /scene.dat 0 16 --hex": ["read 1 /scene.dat 0 16"],
    "write 1 /scene.dat 0 hello": [], "fincore /scene.dat": ["fincore /scene.dat --bytes"],
    "fincore /scene.dat --pages": ["fincore /scene.dat --bytes"], "cat-maps 1": [],
    "cat-maps --kernel": [], "smaps 1": [], "smaps 1 --rollup": [], "status 1": [],
    "statm 1": [], "stat 1": [], "cat /proc/1/statm": [], "free": ["free --wide --lohi --committed"], "pmap 1": [], "pmap -d 1": [],
    "pmap -x 1": [], "pmap -X 1": [], "pmap -XX 1": [], "meminfo": [], "vmstat": [], "buddyinfo": [], "zoneinfo": [], "pagetypeinfo": [],
    "extfrag": [], "extfrag extfrag_index": [],
    "slabinfo": [], "pagewalk 1 heap": ["pagewalk 1 heap --bits"], "pagewalk 1 7fff00000000": ["pagewalk 1 7fff00000000 --bits"],
    "pagemap 1": [], "pagemap 1 heap 8K --raw": [], "frames": [],
    "frames --mapped-by FRAME": [],
    "frames --types": [], "frames -l -M -p 1": [], "frames -L -r -p 1": [],
    "frames 0x1000-0x1010 0x3ee40-0x3ee50": [], "frames 0x3ee48 --raw": [], "tlb": [], "tlb --stats": [], "explain": [],
    "explain 1 heap": [], "trace": ["trace --steps"],
    "reclaim 0": [], "dmesg": [], "cgroup create batch --max 4M": [], "cgroup show night": [], "cgroup show night memory.max": [],
    "kmalloc 100": [], "vmalloc 8K": [], "alloc-pages 2": [], "memory-accounting": [], "vmallocinfo": [],
    "malloc 1 100": [], "calloc 1 2 30": [], "realloc 1 0 10": [], "memalign 1 64 10": [], "malloc-trim 1": [],
    "heap 1": [], "heap 1 --summary": [], "heaptrace heap.txt": [],
    "draw": ["draw --svg -"], "draw --detail processes": ["draw --detail processes --svg -"],
    "draw 1 --space": ["draw 1 --space --svg -"], "draw 1 --vmas": ["draw 1 --vmas --svg -"], "draw 1 --heap": [], "draw --buddy": [],
    "draw --tlb": [], "draw --lru": [], "quiz": [], "quiz --solve": ["quiz --solve"], "draw --cache scene.dat": [],
    "replay --as list --pid 1 accesses": [], "replay log": [], "import saved": [],
}  # fmt: skip
ALONE = {"pid": int, "ppid": int, "child_pid": int, "tgid": int, "ngid": int, "tracer_pid": int, "pgrp": int, "session": int, "tty_nr": int,
         "tpgid": int, "uid": int, "gid": int, "groups": int, "ns_tgid": int, "ns_pid": int, "ns_pgid": int, "ns_sid": int, "cpu": int,
         "cpus_allowed": int, "mems_allowed": int, "node": int, "inode": int, "pfn": int, "old_pfn": int, "new_pfn": int, "vpn": int,
         "index": int, "page_indices": int, "order": int, "pageblock_order": int, "set": int, "way": int, "age": int, "pcid": int,
         "step": int, "tlb_level": int, "swap_area": int, "swap_slot": int, "priority": int, "rt_priority": int, "policy": int, "nice": int,
         "start_time": int, "exit_signal": int, "exit_code": int, "seccomp_mode": int, "code": int, "status": int, "exit_status": int,
         "time_us": int, "seed": int, "level_number": int, "first_pfn": int, "high_bit": int, "low_bit": int,
         "protection_key": int, "unusable_index": float, "extfrag_index": float}  # fmt: skip
"""Numbers that are neither sizes nor counts: identities and places. A new one is added here with care: is it not a count or an address?"""
BITS = ("entry", "linux_entry", "kpageflags")
NAMED_BY_LINUX = ("vmstat", "sysctl", "cgroup")  # whose keys are the kernel's own names
COUNTERS = ("counters", "node_counters", "settings")  # the same, inside an object

STRACE = """\
7 execve("/nowhere/prog", ["prog"], 0x7ffe /* 1 var */) = 0
7 brk(NULL) = 0x555555559000
7 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fc0000
7 getpid() = 7
7 exit_group(0) = ?
7 +++ exited with 0 +++
"""
MAPS = "00400000-00401000 r--p 00000000 08:01 77 /bin/x\n7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]\n"


@pytest.fixture
def scene(vmtool, script, tmp_path):
    assert script(SCENE).status == 0
    for line in ("touch 1 heap", "touch 1 heap", "undo"):
        assert vmtool(line).status == 0
    (tmp_path / "accesses").write_text("w 405000\nr 406000 4\n")
    (tmp_path / "heap.txt").write_text("m 1 100\nm 2 200000\nf 1\n")
    (tmp_path / "log").write_text(STRACE)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "maps").write_text(MAPS)
    pfn = json.loads(vmtool("pagewalk 1 heap --json").out)["pfn"]
    return lambda line: vmtool(line.replace("FRAME", f"{pfn:#x}"))


def pairs(value, path=()):
    """(path of keys, scalar) of everything in a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from pairs(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from pairs(inner, path)
    else:
        yield path, value


def wrong(command, path, value):
    """What a key and its value have against the convention, or None."""
    key = path[-1] if path else ""
    if command in NAMED_BY_LINUX or any(name in path for name in COUNTERS):
        return "a number in a string" if isinstance(value, str) and value.isdigit() else None
    if not re.fullmatch(r"[a-z][a-z0-9_]*", key):
        return "a key is made of small letters, digits and underscores" if path else None
    is_address = key == "address" or key.endswith("_address")
    if value is None:
        return None
    if isinstance(value, bool):
        return None if key.startswith("is_") else "a truth is called is_…"
    if isinstance(value, (int, float)):
        if key.endswith(("_bytes", "_kb")) or key.startswith("nr_") or key in ALONE:
            return None
        return "a size ends in _bytes or _kb, a count begins with nr_"
    if is_address or key in BITS or key.endswith("_mask"):
        return None if re.fullmatch("0x[0-9a-f]+", value) else "an address or a pattern of bits is a 0x… string"
    if (command, key) == ("quiz", "answer"):
        return None  # as it is to be written down, whatever its form
    if re.fullmatch("0x[0-9a-f]+", value):
        return "a 0x… string is called address"
    if value.isdigit() and key not in ("umask", "hex", "comm", "text"):
        return "a number is a number"
    return f"{key} is for a number" if key.endswith(("_bytes", "_kb")) or key.startswith(("nr_", "is_")) or key in ALONE else None


def test_every_command_with_json_has_a_line(vmtool):
    with_json = {name for name in table.names() if "--json" in table.find(name).options}
    assert with_json == {line.split()[0] for line in LINES}


@pytest.mark.parametrize("line", LINES)
def test_keys_and_values_are_as_agreed(scene, line):
    ran = scene(line + " --json")
    assert ran.status == (line.split()[0] == "diff"), ran.err
    found = list(pairs(json.loads(ran.out)))
    assert found or line == "fsck"
    assert not [(path, value, said) for path, value in found if (said := wrong(line.split()[0], path, value))]


def test_a_key_has_one_type_in_all_commands(scene):
    types = {}
    for line in LINES:
        if line.split()[0] not in NAMED_BY_LINUX:
            for path, value in pairs(json.loads(scene(line + " --json").out)):
                if path and value is not None and not any(name in path for name in COUNTERS):
                    types.setdefault(path[-1], {}).setdefault(type(value), line)
    assert not {key: found for key, found in types.items() if len(found) > 1}


def numbers_of(text):
    """Every number that a text says, in decimal, hexadecimal or with a unit."""
    units = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    found = set()
    for word in re.findall(r"(?:(?<=\s)-)?[0-9a-fA-Fx]+[KMG]?B?", text):
        for base in (10, 16):
            try:
                found.add(int(word, base))
            except ValueError:
                pass
        if size := re.fullmatch(r"(\d+)([KMG])B?", word):
            found.update((int(size[1]) * units[size[2]], int(size[1]) * units[size[2]] >> 10))
    return found


CHANGES = ("spawn", "fork", "clone", "mmap", "mremap", "touch", "push", "replay", "import", "write", "brk", "malloc", "calloc",
           "pkey-alloc", "realloc", "memalign", "malloc-trim", "heaptrace", "undo", "redo", "kmalloc", "vmalloc",
           "alloc-pages")  # a second run gives another answer


@pytest.mark.parametrize("line", [line for line in LINES if line.split()[0] not in CHANGES])
def test_json_says_no_number_that_the_text_does_not(scene, line):
    shown = json.loads(scene(line + " --json").out)
    text = scene(line).out + "".join(scene(more).out for more in LINES[line])
    known = numbers_of(text)
    is_bytes = line.split()[0] == "load"
    for path, value in pairs(shown):
        if isinstance(value, str) and value.startswith("0x"):
            value = int(value, 16)
        if isinstance(value, int) and not isinstance(value, bool) and not (is_bytes and path[-1] in ("length_bytes", "address")):
            assert value in known or (path and path[-1] == "step"), (path, value)


def test_pss_is_in_kb(scene):
    heap = next(area for area in json.loads(scene("smaps 1 --json").out) if area["path"] == "[heap]")
    assert (heap["rss_kb"], heap["pss_kb"], heap["pss_dirty_kb"]) == (12, 12, 12)


def test_the_readme_writes_the_convention(vmtool):
    from pathlib import Path
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    for word in ("`address`", "`_address`", "`_bytes`", "`_kb`", "`nr_`", "`is_`", "`_mask`"):
        assert word in readme
