"""diff: what it says against what the commands that look say themselves, and nothing where nothing differs."""

import json
import os
import random
import re
import shutil
import time

import pytest

from tests.cli.test_history import drawn
from vmtool.cli.words import split
from vmtool.store.session import open_machine

pytestmark = pytest.mark.parametrize("on", ["real_state"], indirect=True)
SCENE = "spawn render\nbrk 1 --by 64K\nmkfile f 64K\nmmap 1 16K --shared --file f\ntouch 1 heap 12K\nstore 1 heap hello\nfork 1\n"


def told(vmtool, *words):
    """The changes by kind and name."""
    ran = vmtool("diff", *words, "--json")
    assert ran.status in (0, 1), ran.err
    found = {}
    for change in json.loads(ran.out):
        facts = change.pop("facts")
        what = change.pop("change")
        found[tuple(change.values())] = (what, facts)
    return found


def test_a_machine_does_not_differ_from_itself(vmtool, script, real_state):
    script(SCENE)
    shutil.copy(real_state, "copy.vmt")
    assert vmtool("diff copy.vmt") == (0, "", "")
    assert vmtool("diff @1") == (0, "", "")
    assert vmtool("diff @1 --json") == (0, "[]\n", "")


def test_the_machine_made_from_a_log_is_the_same(vmtool, script, real_state):
    numbers = random.Random(5)
    for line in ("init --ram 128M", "spawn render", *(drawn(numbers) for _ in range(25))):
        vmtool(*split(line, {}))
    made = vmtool("log --script").out
    os.rename(real_state, "first.vmt")
    assert script(made).status == 0
    assert vmtool("diff first.vmt") == (0, "", "")


def test_a_fault_is_told_as_the_views_tell_it(vmtool, script):
    script(SCENE)
    before = {line: json.loads(vmtool(line + " --json").out) for line in ("vmstat", "stat 1", "status 1")}
    vmtool("touch 1 heap+12K 8K")
    after = {line: json.loads(vmtool(line + " --json").out) for line in before}
    found = told(vmtool, "@1")
    counters = {name[1]: facts["counters"] for name, (_, facts) in found.items() if name[0] == "counter"}
    assert counters == {key: [before["vmstat"][key], value] for key, value in after["vmstat"].items() if value != before["vmstat"][key]}
    _, process = found["process", 1]
    assert process["nr_minor_faults"] == [before["stat 1"]["nr_minor_faults"], after["stat 1"]["nr_minor_faults"]]
    assert process["rss_anon_kb"] == [before["status 1"]["rss_anon_kb"], after["status 1"]["rss_anon_kb"]]
    walk = json.loads(vmtool("pagewalk 1 heap+12K --json").out)
    what, page = found["pages", 1, "0x408000", 2]
    assert (what, page["pfn"][1]) == ("new", walk["pfn"])
    assert page["flags"][1] == [flag for flag in walk["steps"][-1]["flags"]]
    what, frame = found["frames", walk["pfn"], 2]
    assert frame["kind"][1] == "anon"
    assert ("pages", 2, "0x408000", 2) not in found


def test_a_fork_makes_entries_read_only(vmtool, script):
    script(SCENE.removesuffix("fork 1\n"))
    vmtool("fork 1")
    out = vmtool("diff @1").out
    assert "process 2: is new: ppid 1, render, " in out
    assert re.search(r"pages? 0x405000 of process 1(?: ×2)?: (?:frame \S+, )?flags P RW US A D NX -> P US A D NX\n", out)
    assert "frames 0x" in out and "mappings 1 -> 2" in out


def test_bytes_that_differ_are_shown(vmtool, script):
    script(SCENE)
    vmtool("store 1 heap HELLO")
    vmtool("store 1 heap HEXXO")
    out = vmtool("diff @2").out
    assert ", 2 from 0x2 on: 4c4c -> 5858\n" in out


@pytest.mark.parametrize("seed", range(2))
def test_each_step_differs_and_backwards_it_is_the_same_turned_round(vmtool, script, seed):
    numbers = random.Random(20 + seed)
    script(SCENE)
    for _ in range(12):
        vmtool(*split(drawn(numbers), {}))
    last = len(vmtool("log").out.splitlines()) - SCENE.count("\n")
    for step in range(1, last):
        there, back = told(vmtool, f"@{step}", f"@{step + 1}"), told(vmtool, f"@{step + 1}", f"@{step}")
        assert there
        turned = {"new": "gone", "gone": "new", "changed": "changed"}
        assert {name: (turned[what], {key: pair[::-1] for key, pair in facts.items()}) for name, (what, facts) in back.items()} == there
        assert vmtool("diff", f"@{step}", f"@{step + 1}").status == 1


def test_what_no_view_shows_is_told_by_its_record(vmtool, script, real_state):
    script(SCENE)
    shutil.copy(real_state, "other.vmt")
    with open_machine("other.vmt", True) as session:
        session.machine.poke("anon_vma", 1, "parent", 77)
        session.commit()
    assert vmtool("diff other.vmt") == (1, "records of anon_vma, 1 of them: differ in what no view shows\n", "")


def test_machines_of_other_kinds_are_told_apart(vmtool, script):
    script(SCENE)
    assert vmtool("-s", "other.vmt", "init", "--arch", "arm64", "--ram", "64M", "--kernel", "5.4").status == 0
    out = vmtool("diff other.vmt").out
    assert out.startswith("machine: arch arm64 -> x86-64; kernel 5.4 -> 6.18; ram 67108864 bytes -> 1073741824 bytes;")
    assert "process 1: is new: " in out


def test_within_a_script_it_sees_what_is_not_committed(script):
    script(SCENE)
    ran = script("touch 1 heap+12K\n-diff @1\nfork 1\n")
    assert "page 0x408000 of process 1: is new: frame 0x" in ran.out
    assert ran.status == 0


@pytest.mark.parametrize(("words", "status", "text"), [
    ("@7", 1, "@7: the steps that are kept are 1 to 1"), ("@x", 2, "'@x' is not @STEP"), ("nowhere.vmt", 1, "no such state file"),
    ("@1 @1 @1", 2, "unexpected argument"), ("", 2, "missing"),
])  # fmt: skip
def test_what_is_not_there_is_said(vmtool, script, words, status, text):
    script(SCENE)
    ran = vmtool("diff", *words.split())
    assert (ran.status, ran.out, ran.err.count("\n")) == (status, "", 1)
    assert text in ran.err


def test_a_large_machine_is_compared_in_seconds(vmtool, script):
    script("init --ram 2G\np = spawn big\na = mmap $p 1G\ntouch $p $a 1G")
    vmtool("touch 1 7fffb7ff7000 4K -r")
    start = time.process_time()
    assert vmtool("diff @1").status == 1
    assert time.process_time() - start < 5


def test_the_entries_of_a_flushed_tlb_are_counted(vmtool, script):
    script(SCENE)
    vmtool("touch 1 heap 64K")
    entries = [(entry["tlb_level"], entry["kind"]) for entry in json.loads(vmtool("tlb --json").out)]
    vmtool("switch 2")
    lines = [line for line in vmtool("diff @2").out.splitlines() if line.startswith("TLB entries")]
    counts = {kind: entries.count(kind) for kind in sorted(set(entries))}
    assert lines == [f"TLB entries of CPU 0, L{level} {kind}: {nr} are gone" for (level, kind), nr in counts.items()]
    assert counts[1, "data"] >= 16


@pytest.mark.parametrize("arch, register, space", [("arm64", "ttbr0", ", ASID "), ("arm", "ttbr0", ", ASID "), ("i386", "cr3", ""),
                                                   ("x86-64", "cr3", ", PCID ")])
def test_registers_and_spaces_have_the_architectures_names(vmtool, script, arch, register, space):
    script(f"init --arch {arch} --force\nspawn a\nspawn b\nswitch 1\nswitch 2\ntouch 2 stack\n")
    vmtool("switch 1")
    vmtool("touch 1 stack")
    out = vmtool("diff @1").out
    lines = [line for line in out.splitlines() if line.startswith("TLB entry")]
    assert lines and all((f" kB{space}" if space else " kB: ") in line for line in lines)
    assert f"; {register} loads " in out
    names = {"cr3", "ttbr0", "PCID", "ASID"} - {register, space.strip(" ,")}
    assert not any(name in out for name in names)
    assert f"a (1), in {register.upper()} " in vmtool("draw").out
