"""Commands that look: text by default, the same facts with --json; nothing is changed."""

import json

import pytest

KEYS = {
    "ps": {"pid", "ppid", "comm", "state", "rss_kb"},
    "cat-maps 1": {"address", "end_address", "perms", "offset_bytes", "dev", "inode", "path"},
    "smaps 1": {"address", "end_address", "perms", "rss_kb", "pss_kb", "swap_kb", "kernel_page_size_kb"},
    "pmap 1": {"pid", "command", "areas"},
    "pmap -x 1": {"pid", "command", "areas"},
    "smaps 1 --rollup": {"address", "end_address", "rss_kb", "pss_kb"},
    "status 1": {"comm", "pid", "size_kb", "rss_kb", "rss_anon_kb", "nr_threads"},
    "statm 1": {"nr_size_pages", "nr_resident_pages", "nr_data_pages"},
    "stat 1": {"pid", "comm", "nr_minor_faults", "size_bytes", "start_code_address"},
    "cat /proc/1/statm": {"path", "text"},
    "free": {"mem_total_kb", "mem_used_kb", "mem_free_kb", "shmem_kb", "buffers_kb", "cache_kb", "mem_available_kb", "swap_total_kb"},
    "meminfo": {"mem_total_kb", "mem_free_kb"},
    "vmstat": {"nr_free_pages", "pgfault"},
    "buddyinfo": {"node", "zone", "nr_free_blocks"},
    "extfrag": {"node", "zone", "unusable_index"},
    "zoneinfo": {"node_counters", "zones"},
    "pagetypeinfo": {"pageblock_order", "zones"},
    "slabinfo": {"name", "nr_active_objects", "nr_objects", "object_bytes"},
    "pagewalk 1 heap": {"address", "root_address", "steps", "physical_address", "page_size_kb"},
    "pagemap 1 heap 8K": {"address", "nr_pages", "pfn"},
    "pagemap 1 heap 8K --raw": {"address", "entry"},
    "frames 0x123": {"pfn", "zone", "flags", "nr_references", "nr_mappings", "kind"},
    "frames": {"kind", "nr_pages", "size_kb"},
    "tlb": {"cpu", "set", "way", "address", "pfn"},
    "tlb --stats": {"cpu", "nr_misses", "nr_flushes_all"},
    "explain": {"is_tracing", "nr_steps", "steps"},
    "fincore f": {"path", "size_bytes", "nr_pages"},
    "fincore f --pages": {"page_indices"},
    "sysctl": {"vm.swappiness"},
    "mincore 1 heap 4K": {"is_resident"},
    "translate 1 heap": {"physical_address"},
}
MAY_BE_EMPTY = {"explain", "trace", "fincore f --pages"}
BOTH = pytest.mark.parametrize("on", ["state", "real_state"], indirect=True)


@pytest.fixture
def booted(vmtool):
    vmtool("spawn render")
    vmtool("brk 1 --by 128K")
    vmtool("touch 1 heap")
    vmtool("mkfile f 4K")
    vmtool("explain on")
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
    assert json.loads(booted("cat-maps 1 --json").out)[1]["address"] == "0x555555559000"
    assert json.loads(booted("pagewalk 1 heap --json").out)["steps"][0]["table_address"] == "0x1000"
    assert json.loads(booted("pagemap 1 heap --raw --json").out) == [{"address": "0x555555559000", "entry": "0x8100000000000123"}]


def test_raw_pagemap_is_address_and_entry(booted):
    words = booted("pagemap 1 heap 8K --raw").out.split()
    assert [int(word, 16) for word in words] == [0x555555559000, 0x8100000000000123, 0x55555555A000, 0x8100000000000123]


def test_the_numbers_of_status_are_numbers_in_json(booted):
    status = json.loads(booted("status 1 --json").out)
    assert status["comm"] == "render"
    assert status["pid"] == 1
    assert isinstance(status["size_kb"], int)


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


def test_raw_frames_are_those_that_are_named(booted):
    assert booted("frames --raw") == (2, "", "vmtool: frames: --raw is of frames: which? (PFN…)\n")
