"""Logs as people pass them on: all that they tell is done, and what cannot be read is told."""

from pathlib import Path

import pytest

from vmtool.outside.traces import open_trace, text_lines
from vmtool.strace.clean import clean
from vmtool.strace.lexer import LogError
from vmtool.strace.merge import LogFile
from vmtool.strace.replay import Hooks, Replay
from vmtool.strace.sidecar import Unknown

WILD = Path(__file__).parents[2] / "fixtures" / "strace" / "wild"


class Ran:
    """One log on a fresh machine without the host's files: areas by PID at the end or at exit, what was said."""

    def __init__(self, path, is_strict=False):
        core = pytest.importorskip("vmtool._core", reason="the extension modules are not built")
        self.machine = core.Machine()
        self.machine.boot(ram_bytes=16 << 30)
        self.areas, self.said, self.differences, self.names = {}, [], [], {}
        hooks = Hooks(self._keep, None, self.differences.append, self.said.append)
        self.replay = Replay(self.machine, Unknown(), hooks, is_strict=is_strict)
        trace = open_trace(str(path))
        self.summary = self.replay.run([LogFile(part.name, part.tid, clean(text_lines(part.stream, part.name))) for part in trace.parts])
        for process in self.replay.procs.all():
            self._keep(process)
        assert self.machine.fsck() == []

    def _keep(self, process):
        if process.space.mid:
            self.areas[process.pid] = self.machine.maps(process.space.mid)
            self.names[process.pid] = process.name

    def has(self, start, end, pid=None):
        """Whether every page of the range is mapped."""
        areas = self.areas[pid] if pid is not None else next(iter(self.areas.values()))
        at = start
        for vma in sorted(areas):
            if vma.start <= at < vma.end:
                at = vma.end
        return at >= end


def log(tmp_path, text):
    path = tmp_path / "strace.log"
    path.write_bytes(text.encode("latin-1"))
    return path


@pytest.mark.parametrize("path", sorted(WILD.glob("*.strace")), ids=lambda path: path.stem)
def test_every_log_is_replayed(path):
    assert Ran(path).summary.nr_unreadable == 0


def test_a_byte_order_mark_hides_nothing():
    assert Ran(WILD / "bom.strace").names == {0: "hello"}


@pytest.mark.parametrize("name, line", [("cut-in-last-line", 7), ("hung-in-read", 7)])
def test_a_log_that_ends_too_soon_says_where(name, line):
    ran = Ran(WILD / f"{name}.strace")
    assert [text.split(":")[0] for text in ran.said] == [f"line {line}"]


def test_a_log_that_ends_too_soon_fails_where_that_is_asked(tmp_path):
    with pytest.raises(LogError) as raised:
        Ran(log(tmp_path, "7 getpid() = 7\n7 read(0, \n"), is_strict=True)
    assert raised.value.line == 2


def test_both_processes_of_a_vfork_have_their_maps():
    ran = Ran(WILD / "old-vfork-attached.strace")
    assert ran.names == {0: "sh", 201: "ls"} and ran.has(0x7FFFF7FF5000, 0x7FFFF7FF6000, 201)


def test_execve_of_a_thread_gives_its_process_the_new_program():
    ran = Ran(WILD / "pid-changed-f.strace")
    assert ran.names == {10512: "true"} and ran.differences == []


def test_a_process_that_was_let_go_at_its_execve_has_run_it():
    assert Ran(WILD / "detached-on-execve.strace").names == {100: "a", 101: "echo"}


def test_second_halves_of_strace_4_are_done():
    ran = Ran(WILD / "old-resumed-all-calls.strace")
    assert ran.has(0x7FF133000000, 0x7FF133002000) and not ran.has(0x7FF133800000, 0x7FF133801000)
    assert ran.has(0x7FF133801000, 0x7FF133821000) and not ran.has(0x7FF1337FF000, 0x7FF133800000)


def test_old_mmap_maps():
    ran = Ran(WILD / "old-mmap-skipped.strace")
    assert ran.has(0x42000000, 0x42136000) and not ran.has(0x40030000, 0x40031000)


def test_a_length_of_64_bits_is_refused_as_the_kernel_refused_it():
    assert Ran(WILD / "length-2-64-1.strace").differences == []


@pytest.mark.parametrize("name, strange", [("output-in-write", 0), ("output-line", 1), ("prompt-and-output", 2)])
def test_a_programs_output_is_passed_over(name, strange):
    ran = Ran(WILD / f"{name}.strace")
    assert ran.summary.tally.nr_strange == strange and ran.differences == []


def test_a_call_that_cannot_be_read_is_passed_over_and_told(tmp_path):
    ran = Ran(log(tmp_path, '7 execve("/a", ["a"], 0x7ffd /* 1 var */) = 0\n7 mmap(NULL, what, PROT_READ) = 0x7000\n'
                            "7 munmap(0x7ffff7000000, 99999999999999999999999) = -1 EINVAL (Invalid argument)\n7 brk(NULL) = 0x405000\n"))
    assert ran.summary.nr_unreadable == 2 and [text.split(":")[0] for text in ran.said] == ["line 2", "line 3"]
    assert ran.replay.procs.all()[0].calls == 4


def test_a_log_that_is_none_changes_nothing_and_says_its_first_line(tmp_path):
    with pytest.raises(LogError, match="line 1: not a line of strace: # a README"):
        Ran(log(tmp_path, "# a README\n\nIt has words.\nAnd more.\n"))
