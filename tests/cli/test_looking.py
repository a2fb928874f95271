"""Commands that look: text by default, the same facts with --json; nothing is changed."""

import json

import pytest

KEYS = {
    "ps": {"pid", "ppid", "comm", "state", "mm"},
    "cat-maps 1": {"start", "end", "perms", "offset", "dev", "inode", "path"},
    "smaps 1": {"start", "end", "perms", "resident", "pss", "swap", "kernel_page_bytes"},
    "pmap 1": {"start", "end", "perms", "path"},
    "pmap -x 1": {"start", "resident"},
    "smaps 1 --rollup": {"start", "end", "resident", "pss"},
    "status 1": {"Name", "Pid", "VmSize", "VmRSS", "RssAnon", "Threads"},
    "statm 1": {"size", "resident", "shared", "text", "lib", "data", "dt"},
    "stat 1": {"task", "mm"},
    "cat /proc/1/statm": {"path", "text"},
    "free": {"total", "used", "free", "shared", "buffers", "cache", "available", "swap"},
    "meminfo": {"MemTotal", "MemFree"},
    "vmstat": {"nr_free_pages", "pgfault"},
    "buddyinfo": {"node", "zone", "free_area"},
    "zoneinfo": {"node", "name", "free", "min", "low", "high", "spanned", "present", "managed"},
    "pagetypeinfo": {"node", "zone", "free_by_type", "pageblocks"},
    "slabinfo": {"name", "active_objs", "num_objs", "objsize"},
    "pagewalk 1 heap": {"addr", "root", "steps", "phys", "page_bytes", "reason"},
    "pagemap 1 heap 8K": {"addr", "entry"},
    "frames 0x123": {"pfn", "zone", "flags", "refcount", "mapcount", "kind"},
    "frames": {"free", "anon"},
    "tlb": {"cpu", "set", "way", "vpn", "pfn"},
    "tlb --stats": {"cpu", "misses", "flushes_all"},
    "explain": {"tracing", "steps"},
    "fincore f": {"path", "size", "nr_pages", "pages"},
    "sysctl": {"vm.swappiness"},
    "mincore 1 heap 4K": {"pages"},
    "translate 1 heap": {"address", "phys"},
}
MAY_BE_EMPTY = {"explain", "trace"}
BOTH = pytest.mark.parametrize("on", ["state", "real_state"], indirect=True)


@pytest.fixture
def booted(vmtool):
    vmtool("spawn render")
    vmtool("brk 1 --by 128K")
    vmtool("touch 1 heap")
    vmtool("mkfile f 4K")
    return vmtool


@BOTH
@pytest.mark.parametrize("line", [*KEYS, "trace", "pagemap 1", "cat /proc/meminfo"])
def test_there_is_text_and_it_ends_in_a_newline(booted, line):
    ran = booted(line)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.endswith("\n") or line in MAY_BE_EMPTY and not ran.out


@BOTH
@pytest.mark.parametrize("line", KEYS)
def test_json_has_its_keys(booted, line):
    ran = booted(line + " --json")
    assert (ran.status, ran.err) == (0, "")
    shown = json.loads(ran.out)
    assert KEYS[line] <= set(shown[0] if isinstance(shown, list) else shown)


@pytest.mark.parametrize("line", [*KEYS, "trace"])
def test_looking_commits_nothing(booted, state, line):
    commits = state.commits
    assert booted(line).status == 0
    assert state.commits == commits


def test_addresses_are_hexadecimal_strings_in_json(booted):
    assert json.loads(booted("cat-maps 1 --json").out)[1]["start"] == "0x555555559000"
    assert json.loads(booted("pagewalk 1 heap --json").out)["steps"][0]["table"] == "0x1000"
    assert json.loads(booted("pagemap 1 heap --json").out) == [{"addr": "0x555555559000", "entry": "0x8100000000000123"}]


def test_raw_pagemap_is_address_and_entry(booted):
    words = booted("pagemap 1 heap 8K --raw").out.split()
    assert [int(word, 16) for word in words] == [0x555555559000, 0x8100000000000123, 0x55555555A000, 0x8100000000000123]


def test_the_numbers_of_status_are_numbers_in_json(booted):
    status = json.loads(booted("status 1 --json").out)
    assert status["Name"] == "render"
    assert status["Pid"] == 1
    assert isinstance(status["VmSize"], int)


def test_free_takes_the_units_of_procps(booted):
    kib, mib = (booted(f"free {option}").out.splitlines()[1].split()[1] for option in ("-k", "-m"))
    assert (kib, mib) == ("1000", "0")


def test_free_reads_a_captured_directory_without_a_machine(vmtool, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 2048 kB\nMemFree: 1024 kB\nMemAvailable: 1024 kB\n")
    ran = vmtool(f"free --procfs {tmp_path}")
    assert ran.status == 0
    assert ran.out.splitlines()[1].split()[:4] == ["Mem:", "2048", "1024", "1024"]


@pytest.mark.parametrize("text", [None, ""])
def test_free_without_a_meminfo_is_one_line(vmtool, tmp_path, text):
    if text is not None:
        (tmp_path / "meminfo").write_text(text)
    ran = vmtool(f"free --procfs {tmp_path}")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)


def test_a_dump_shows_addresses_digits_and_letters(booted):
    booted("store 1 heap scene")
    assert booted("load 1 heap 5").out.split()[1:6] == ["73", "63", "65", "6e", "65"]
