"""what-if: a command on a copy, what it cost there, and nothing of it in the file."""

import json

import pytest

BATCH_KB = 32 * 4  # VmHWM is raised by a counter that a processor's share is added to in batches of 32 pages

pytestmark = pytest.mark.parametrize("on", ["real_state"], indirect=True)


@pytest.fixture
def scene(vmtool, script):
    assert script("spawn render\nbrk 1 --by 16M\ntouch 1 heap 1M\n").status == 0
    return vmtool


def cost(ran):
    assert ran.err == ""
    return json.loads(ran.out)


def figures(vmtool):
    meminfo, vmstat, ps = (json.loads(vmtool(f"{line} --json").out) for line in ("meminfo", "vmstat", "ps"))
    rss = {process["pid"]: process["rss_kb"] for process in ps}
    faults = vmstat["pgfault"] - vmstat["pgmajfault"], vmstat["pgmajfault"]
    return meminfo["mem_free_kb"], meminfo["page_tables_kb"], rss, faults


@pytest.mark.parametrize("line", ["fork 1", "touch 1 heap 16M", "munmap 1 heap 1M", "kill 1 -9", "brk 1 --by 4M", "spawn other", "exit 1",
                                  "mmap 1 2M --populate", "mkfile /f 64K", "push 1 64K", "ps", "drop-caches 3"])
def test_what_it_says_is_what_the_command_then_does(scene, real_state, line):
    file = real_state.read_bytes()
    said = cost(scene(f"what-if --json {line}"))
    assert real_state.read_bytes() == file
    before = figures(scene)
    assert scene(line).status == said["exit_status"] == 0
    after = figures(scene)
    assert (said["mem_free_before_kb"], said["mem_free_after_kb"]) == (before[0], after[0])
    assert (said["page_tables_before_kb"], said["page_tables_after_kb"]) == (before[1], after[1])
    assert (said["nr_minor_faults"], said["nr_major_faults"]) == (after[3][0] - before[3][0], after[3][1] - before[3][1])
    changed = {pid: (before[2].get(pid), after[2].get(pid)) for pid in {*before[2], *after[2]} if before[2].get(pid) != after[2].get(pid)}
    told = {p["pid"]: (p["rss_before_kb"], p["rss_after_kb"]) for p in said["processes"]}
    assert {pid: (old or 0, new or 0) for pid, (old, new) in changed.items()} == {pid: (a or 0, b or 0) for pid, (a, b) in told.items()}


def test_pages_copied_are_those_of_copy_on_write(scene):
    scene("fork 1")
    said = cost(scene("what-if --json touch 2 heap 16M"))
    assert said["nr_pages_copied"] == 256
    assert said["nr_minor_faults"] == 4096
    assert cost(scene("what-if --json touch 1 heap 1M -r"))["nr_pages_copied"] == 0


def test_pages_of_zeros_are_not_copied(scene):
    scene("touch 1 heap+1M 64K -r")
    said = cost(scene("what-if --json touch 1 heap+1M 64K -w"))
    assert (said["nr_pages_copied"], said["nr_minor_faults"]) == (0, 16)


def test_the_peak_is_measured_where_it_was(scene, tmp_path):
    """The script gives back what it took: only the peak tells of it."""
    (tmp_path / "s").write_text("a = mmap 1 8M\ntouch 1 $a 8M\nmunmap 1 $a 8M\nb = mmap 1 2M\ntouch 1 $b 2M\nmunmap 1 $b 2M\n")
    said = cost(scene("what-if --json run s"))
    assert 8192 <= said["peak_in_use_kb"] <= 8192 + 64
    (process,) = said["processes"]
    assert process["rss_before_kb"] == process["rss_after_kb"]
    assert process["rss_before_kb"] + 8192 - BATCH_KB <= process["peak_rss_kb"] <= process["rss_before_kb"] + 8192
    alone = [cost(scene(f"what-if --json {line}"))["peak_in_use_kb"] for line in ("munmap 1 heap 1M", "mmap 1 8M", "fork 1")]
    assert alone[0] == 0 and alone[1] == 0 and 0 < alone[2] < 100


def test_the_text_has_the_same_figures(scene):
    text, said = scene("what-if touch 1 heap 2M").out, cost(scene("what-if touch 1 heap 2M --json"))
    assert f"faults: {said['nr_minor_faults']} minor, 0 major; pages copied: 0; at its peak {said['peak_in_use_kb']} kB more" in text
    for key, value in said.items():
        assert key == "processes" or str(value) in text


def test_a_command_that_fails_says_so_and_has_its_status(scene, real_state):
    file = real_state.read_bytes()
    ran = scene("what-if touch 1 0")
    assert (ran.status, ran.err) == (139, "vmtool: what-if: touch: SIGSEGV at 0x0 (SEGV_MAPERR)\n")
    assert "RSS of 1 render" in ran.out
    ran = scene("what-if munmap 1 123 4K")
    assert (ran.status, ran.err) == (1, "vmtool: what-if: munmap: EINVAL (Invalid argument)\n")
    assert real_state.read_bytes() == file


@pytest.mark.parametrize("line, said", [
    ("what-if", "missing COMMAND"), ("what-if frobnicate", "no such command"), ("what-if fork", "missing PID"),
    ("what-if init", "does nothing to a machine"), ("what-if what-if fork 1", "does nothing to a machine"),
    ("what-if record -- ls", "does nothing to a machine"), ("what-if run --commit-each s", "nothing is committed"),
    ("what-if mmap 1 4K --frob", "no such option --frob")])
def test_wrong_usage_is_a_line(scene, line, said):
    ran = scene(line)
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


def test_it_needs_a_machine_and_makes_none(vmtool, real_state):
    ran = vmtool("what-if spawn")
    assert (ran.status, ran.out) == (1, "")
    assert not real_state.exists()


def test_the_setting_of_explain_does_not_matter(scene):
    plain = cost(scene("what-if --json touch 1 heap 4M"))
    scene("explain on")
    assert cost(scene("what-if --json touch 1 heap 4M")) == plain
    assert cost(scene("what-if --json explain off"))["nr_minor_faults"] == 0
    assert json.loads(scene("explain --json").out)["is_tracing"] is True


def test_it_is_refused_in_a_script(script):
    ran = script("spawn\nwhat-if fork 1\n")
    assert (ran.status, "not in a script" in ran.err) == (2, True)


def test_readers_and_writers_go_on_beside_it(scene, real_state):
    """It holds a reader's lock: another command may write, if not commit, meanwhile; afterwards nothing is locked."""
    cost(scene("what-if --json touch 1 heap 16M"))
    assert scene("touch 1 heap 4K").status == 0
    assert scene("fsck").out == ""
