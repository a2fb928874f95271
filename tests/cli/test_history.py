"""log, undo, redo on the real machine: back to every state, chunk for chunk, and a log that makes the machine again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmtool.cli import journal
from vmtool.cli.words import split
from vmtool.store.session import open_machine

pytestmark = pytest.mark.parametrize("on", ["real_state"], indirect=True)
ROOT = Path(__file__).parents[2]

DRAWN = (
    "spawn {name}", "fork {pid}", "exit {pid}", "kill {pid} -KILL", "kill {pid} -TERM", "switch {pid}", "brk {pid} --by {size}",
    "touch {pid} heap {size} {how}", "touch {pid} stack -w", "touch {pid} {addr} --probe", "push {pid} {size}", "store {pid} heap hello",
    "mmap {pid} {size}", "mmap {pid} {size} --populate", "mmap {pid} 64K --shared --file f", "mmap {pid} 64K --file f --prot rwx",
    "touch {pid} f 64K {how}", "munmap {pid} f {size}", "mprotect {pid} heap {size} r", "mremap {pid} heap 16K 128K --maymove",
    "madvise {pid} heap 64K dontneed", "madvise {pid} heap 64K free", "mlock {pid} heap 8K", "munlock {pid} heap 8K",
    "mlockall {pid} --current", "msync {pid} f 64K",
    "mkfile f 256K", "mkfile g{pid} {size}", "truncate f {size}", "rmfile f", "rename f h", "read {pid} f 0 64K",
    "write {pid} f 4096 'some data'", "drop-caches 1", "sync", "malloc {pid} {size}", "malloc-trim {pid}", "setrlimit {pid} stack 64K",
    "sysctl vm.swappiness={pid}", "explain on", "explain off", "oom-score-adj {pid} 100", "clear-refs {pid} 4", "thp-disable {pid} yes",
    "fallocate f 4096 8192 --punch-hole",
    "sysctl transparent_hugepage/enabled=always", "mmap {pid} 4M", "touch {pid} 7ffff7a00000 2M --probe", "fail-io f",
)  # fmt: skip


def drawn(numbers):
    return numbers.choice(DRAWN).format(
        name=numbers.choice(["render", "x1"]), pid=numbers.randrange(1, 5), size=numbers.choice(["4K", "16K", "100K", "2M"]),
        how=numbers.choice(["-r", "-w", "-x --probe"]), addr=numbers.choice(["0", "7ffff7ff0000", "555555559000"]))


def state(path):
    """The whole machine: its header and every chunk that is not zeros."""
    with open_machine(str(path), False) as session:
        chunks = session._chunks
        found = {}
        for key in chunks.keys():
            data = chunks.load(key >> 48, key & ((1 << 48) - 1))
            if data is not None and any(data):
                found[key] = data
        return chunks.header, found


@pytest.mark.parametrize("seed", range(3))
def test_undo_after_any_command_gives_back_the_state_before_it(vmtool, real_state, seed):
    numbers = random.Random(seed)
    vmtool("spawn render")
    for line in ("brk 1 --by 256K", "mkfile f 256K", "touch 1 heap 64K"):
        vmtool(line)
    nr_changes = 0
    before = state(real_state)
    for _ in range(40):
        line = drawn(numbers)
        ran = vmtool(*split(line, {}))
        assert ran.status not in (2, 70), (line, ran.err)
        after = state(real_state)
        if after == before:  # it only looked
            continue
        assert vmtool("undo").status == 0
        assert state(real_state) == before, line
        assert vmtool("redo").status == 0
        assert state(real_state) == after, line
        before, nr_changes = after, nr_changes + 1
    assert nr_changes > 30
    step = len(vmtool("log").out.splitlines())
    assert vmtool("undo", str(step - 1)).status == 0
    assert vmtool("ps -o pid --no-headers").out.split() == ["1"]
    assert vmtool("fsck").out == ""


@pytest.mark.parametrize("seed", range(2))
def test_the_log_is_a_script_that_makes_the_machine_again(vmtool, script, real_state, seed):
    numbers = random.Random(10 + seed)
    vmtool("init --ram 256M --cpus 2")
    lines = [drawn(numbers) for _ in range(30)]
    for line in ("spawn render", "brk 1 --by 256K", *lines[:15]):
        vmtool(*split(line, {}))
    text = "\n".join(["p = spawn second", "store $p heap \"it's\" --probe", "-touch $p 0 --probe", *("-" + line for line in lines[15:])])
    assert script(text).status in (0, 139)
    vmtool("spawn", "a b\nc'")
    vmtool("brk 1 --by 4K")
    vmtool("undo")
    before = state(real_state)
    made = vmtool("log --script")
    assert (made.status, made.err) == (0, "")
    os.rename(real_state, "first.vmt")
    assert script(made.out).status == 0
    assert state(real_state) == before
    assert commands_of(vmtool("log --script").out) == commands_of(made.out)


def commands_of(text):
    return [line for line in text.splitlines() if line[:1] != "#"]


def test_the_log_has_every_command_with_its_number(vmtool, tmp_path):
    (tmp_path / "s.vmt").write_text("p = spawn x\ncat-maps $p\n-touch $p 0 --probe\nstore $p stack 'a  b' --probe\n-fork 99\n")
    vmtool("spawn render")
    vmtool("brk", "1", "--by", "16K")
    vmtool("cat-maps 1")
    vmtool("munmap 1 123 4K")
    vmtool("run s.vmt")
    vmtool("--wait=5", "touch", "1", "heap")
    vmtool("undo")
    assert vmtool("log").out == """\
     1  spawn render
     2  brk 1 --by 16K
     3  munmap 1 123 4K  [1]
     4  run s.vmt
   4.1  spawn x
   4.2  touch 2 0 --probe  [139]
   4.3  store 2 stack 'a  b' --probe
   4.4  fork 99  [1]
     5  touch 1 heap (undone)
"""
    assert vmtool("log --script").out == """\
spawn render
brk 1 --by 16K
-munmap 1 123 4K
# run s.vmt
spawn x
-touch 2 0 --probe
store 2 stack 'a  b' --probe
-fork 99
"""
    told = json.loads(vmtool("log --json").out)
    assert [step["command"] for step in told] == ["spawn render", "brk 1 --by 16K", "munmap 1 123 4K", "run s.vmt", "touch 1 heap"]
    assert [(step["is_kept"], step["is_undone"]) for step in told] == [(False, False), *[(True, False)] * 3, (True, True)]
    assert told[3]["lines"][1] == {"command": "touch 2 0 --probe", "exit_status": 139}


def test_lines_committed_each_are_steps_each(vmtool, script):
    script("spawn a\nps\nbrk 1 --by 4K\n-fork 9\ntouch 1 heap", "--commit-each")
    assert vmtool("log").out.splitlines() == ["     1  spawn a", "     2  brk 1 --by 4K", "     3  fork 9  [1]", "     4  touch 1 heap"]
    assert vmtool("undo 3").out.splitlines() == ["     4  touch 1 heap", "     3  fork 9  [1]", "     2  brk 1 --by 4K"]


def test_what_cannot_be_taken_back_is_said(vmtool):
    vmtool("spawn render")
    assert vmtool("undo") == (1, "", "vmtool: undo: there is no step that can be taken back\n")
    vmtool("fork 1")
    assert vmtool("undo 2") == (1, "", "vmtool: undo: 1 step can be taken back, not 2\n")
    assert vmtool("redo").status == 1
    assert vmtool("undo 0").status == 2
    vmtool("undo")
    assert vmtool("ps -o pid --no-headers").out.split() == ["1"]
    assert vmtool("redo").out == "     2  fork 1\n"
    vmtool("undo")
    vmtool("brk 1 --by 4K")
    assert vmtool("redo").status == 1
    assert vmtool("log").out.splitlines()[-1] == "     2  brk 1 --by 4K"


def test_so_many_steps_are_kept(vmtool):
    vmtool("spawn render")
    vmtool("log --keep 2")
    for _ in range(4):
        vmtool("brk 1 --by 4K")
    assert vmtool("undo 3").err == "vmtool: undo: 2 steps can be taken back, not 3\n"
    assert vmtool("undo 2").status == 0
    vmtool("log --keep 0")
    vmtool("brk 1 --by 4K")
    assert vmtool("undo").status == 1
    assert len(vmtool("log").out.splitlines()) == 6
    assert vmtool("log --keep 1000000").status == 2
    assert vmtool("fsck").out == ""


def test_what_another_program_left_is_said_in_the_script(vmtool, tmp_path):
    vmtool("spawn render")
    with open_machine("machine.vmt", True) as session:
        session.machine.tick()
        session.commit()
    (tmp_path / "accesses").write_text("w 405000\n")
    vmtool("brk 1 --by 4K")
    ran = vmtool("log --script")
    assert ran == (1, "spawn render\n# step 2: (no command of vmtool)\nbrk 1 --by 4K\n", "vmtool: log: step 2 was made by no command\n")
    assert vmtool("log").out.splitlines()[1] == "     2  (no command of vmtool)"


@pytest.mark.parametrize("words", [
    ["store", "1", "heap", "a'b\nc\t\\"], ["spawn", "x", "--", "", "$HOME", "#1", "a b", "\udcff", "é'", "\u2028"], ["spawn", "="],
    ["write", "1", "/f", "0", "\x00\x7f\x1b[0m"],
])  # fmt: skip
def test_a_line_of_the_log_is_split_into_the_words_it_was_made_of(on, words):
    line = journal.line_of(words)
    assert "\n" not in line
    assert split(line, {})[-len(words):] == words


def test_a_long_script_is_packed_and_comes_back(on):
    lines = [(number % 3, f"touch 1 {number:x}") for number in range(5000)]
    data = journal.entry(["run", "long"], 1, [f"{status} {line}" for status, line in lines])
    assert len(data) < 40_000
    assert journal.lines_of(data) == [(1, "run long"), *lines]
    assert journal.lines_of(b"znonsense") == journal.lines_of(b"") == []


def test_an_undo_killed_at_random_instants_leaves_one_of_the_two(vmtool, real_state):
    numbers = random.Random(1)
    vmtool("spawn render")
    vmtool("mmap 1 32M")
    before = state(real_state)
    vmtool("touch 1 7ffff5ff7000 32M")
    after = state(real_state)
    saved = real_state.read_bytes()
    command = [sys.executable, "-m", "vmtool", "-s", str(real_state), "undo"]
    start = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - start
    assert state(real_state) == before
    for _ in range(12):
        real_state.write_bytes(saved)
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        time.sleep(numbers.uniform(0.3, 1.1) * whole)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert state(real_state) in (before, after)
    assert vmtool("fsck").out == ""
