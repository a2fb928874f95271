"""Access traces on a machine: processes that are made for them, signals that are counted, lines that are passed over."""

from pathlib import Path

import pytest

from vmtool.errors import Signal
from vmtool.strace import accesses
from vmtool.strace.lexer import LogError, Tally
from vmtool.strace.samples import parse

WILD = Path(__file__).parents[2] / "fixtures" / "strace" / "wild"


@pytest.fixture
def machine():
    core = pytest.importorskip("vmtool._core", reason="the extension modules are not built")
    made = core.Machine()
    made.boot(ram_bytes=1 << 28)
    yield made
    assert made.fsck() == []


def text(machine, data, form, pid=None, goes_on=False):
    said = []
    return accesses.replay_text(machine, pid, [data], form, said.append, goes_on), said


def samples(machine, lines, form="faults", pid=None):
    said = []
    return accesses.replay_samples(machine, pid, lines.splitlines(True), form, said.append), said


def test_an_access_of_page_0_is_a_fault(machine):
    with pytest.raises(Signal) as raised:
        text(machine, (WILD / "csapp-short.lackey").read_bytes(), "lackey")
    assert (raised.value.name, raised.value.code, raised.value.addr) == ("SIGSEGV", "SEGV_MAPERR", 0x10)


def test_the_rest_goes_on_where_that_is_asked_for(machine):
    totals, said = text(machine, (WILD / "csapp-short.lackey").read_bytes(), "lackey", goes_on=True)
    assert (totals.accesses, totals.signals) == (7, 7)
    assert said[0] == "access 1: SIGSEGV at 0x10 (SEGV_MAPERR)" and len(said) == 7


def test_accesses_around_a_signal_are_made_once(machine):
    totals, said = text(machine, b" S 10000,4\n S 10,4\n L 10000,4\n L 20,4\n S 20000,4\n", "lackey", goes_on=True)
    assert (totals.accesses, totals.signals, totals.minor) == (5, 2, 2)
    assert [line.split(":")[0] for line in said] == ["access 2", "access 4"]


def test_a_write_where_only_reads_are_allowed_is_found_between_them(machine):
    pid = machine.spawn("x", None, [b"x"], [])
    addr = machine.mmap(pid, 0, 4096, 1, 0x22)
    lines = "".join(f"{kind} {addr:x} 4\n" for kind in "rrwrw").encode()
    totals, said = text(machine, lines, "list", pid, goes_on=True)
    assert [line.split(":")[0] for line in said] == ["access 3", "access 5"] and totals.minor == 1


def test_addresses_that_no_program_has_are_faults(machine):
    totals, _ = text(machine, b"0x1: R 0xffffffff81000000\n0x1: W 0x800000000000\n0x1: R 0x1000\n", "pinatrace", goes_on=True)
    assert (totals.accesses, totals.signals) == (3, 2)


def test_output_in_a_lackey_log_is_counted(machine):
    totals, _ = text(machine, (WILD / "lackey-with-output.lackey").read_bytes(), "lackey")
    assert (totals.accesses, totals.passed_over, totals.first_passed) == (4, 1, (6, "hello world"))


@pytest.mark.parametrize("form", ["lackey", "pinatrace", "dinero", "memtrace"])
def test_a_file_without_accesses_is_refused(machine, form):
    with pytest.raises(LogError, match="line 1: not an access: Some words"):
        text(machine, b"Some words\nand more\n", form)


def test_faults_that_end_in_a_signal_are_reported(machine):
    totals, said = samples(machine, (WILD / "faults-all-dropped.txt").read_text())
    assert (totals.accesses, totals.signals, totals.fetches, totals.writes) == (2, 2, 1, 1)
    assert [line.split(" (")[0] for line in said] == ["line 1: process 1234: SIGSEGV at 0x7fda3ea48290",
                                                      "line 4: process 1234: SIGSEGV at 0x7ffd000"]
    assert machine.task(1234).comm == "cat" and any("1234 is not on the machine" in note for note in totals.notes)


def test_page_faults_are_writes_where_that_may_be(machine):
    pid = machine.spawn("x", None, [b"x"], [])
    writable, readable = machine.mmap(pid, 0, 4096, 3, 0x22), machine.mmap(pid, 0, 4096, 1, 0x22)
    totals, _ = samples(machine, f"x {pid} 1.1:   1 page-faults:u:   {writable:x} 400000 main+0x0 (/x)\n"
                                 f"x {pid} 1.2:   1 page-faults:u:   {readable:x} 400000 main+0x0 (/x)\n"
                                 f"x {pid} 1.3:   1 page-faults:u:   400200 main+0x0 (/x)\n")
    assert (totals.writes, totals.reads, totals.fetches, totals.signals) == (1, 1, 1, 0)


def test_samples_of_memory_instructions_map_what_they_name(machine):
    totals, said = samples(machine, "cat 1234 [1] 100.1: 30 cpu/mem-loads,ldlat=30/P:   7ffdf1391b0c  10268100142 |OP LOAD|LVL L1 hit| 5\n"
                                    "cat 1234 [001] 100.2:   30 cpu/mem-stores/P:   7ffdf1391b18  5080144 |OP STORE|LVL L1 hit| 5\n"
                                    "cat 1234 [1] 100.3:    1 l1d-access:      88000182 |OP LOAD|LVL L1 miss|  ffffa7c22b4b2a00 x (y)\n"
                                    "cat 1234 [001] 100.4:   30 cpu/mem-loads/P:   ffff88810000  1 |OP LOAD|LVL L1 hit|\n", "perf-mem")
    assert (totals.reads, totals.writes, totals.minor, said) == (1, 1, 2, [])
    assert any("1 accesses are the kernel's" in note for note in totals.notes)


def test_offsets_of_a_file_are_found_in_what_its_process_has_mapped(machine):
    pid = machine.spawn("x", None, [b"x"], [])
    totals, _ = samples(machine, f"     0.084 ( 0.000 ms): x/{pid} minfault [_start+0x0] => /usr/bin/x@0x2010 (d.)\n"
                                 f"     0.090 ( 0.004 ms): x/{pid} brk() = 0x405000\n"
                                 f"     0.098 (         ): x/{pid} majfault [main+0x4] => 0x401000 (?.)\n"
                                 f"     0.099 (         ): x/{pid} minfault [main+0x4] => /lib/other.so@0x10 (d.)\n", "perf-trace")
    assert (totals.writes, totals.reads, totals.signals) == (1, 1, 0) and len(totals.notes) == 2


def test_perf_trace_of_one_thread_names_no_process(machine):
    totals, said = samples(machine, "     0.031 ( 0.000 ms): minfault [main+0x12] => 0x401000 (?.)\n"
                                    "     0.040 (         ): majfault [main+0x19] => 0x10 (?.)\n", "perf-trace")
    assert (totals.accesses, totals.signals, len(said)) == (2, 2, 2)
    assert "process ? is not on the machine: a fresh one stands for it" in totals.notes


def test_call_chains_and_other_events_are_passed_over():
    tally = Tally()
    lines = ("true 7 5113.7:          1 page-faults:u: \n\t           1ab70 _start+0x0 (/usr/lib/ld.so)\n\n# comment\n"
             "true 7 5113.8: sched:sched_switch: prev_comm=x\ntrue 7 5113.9:  1 page-faults:u:  7f0000001000\nwords of a program\n")
    assert [(s.line, s.addr, s.comm) for s in parse(lines.splitlines(True), tally)] == [(1, 0, "true"), (6, 0x7F0000001000, "true")]
    assert tally.nr_strange == 1


@pytest.mark.parametrize("line, access, addr", [
    ("true 7 5112.0:  1 page-faults:u:  7f9cff6e2e06 _rtld_global+0xde6 (/x)  7f9cff6ca7ad _dl_start+0x3d (/x)", "?", 0x7F9CFF6E2E06),
    ("true 7 page-faults:u:     7f9cff6e2e06", "?", 0x7F9CFF6E2E06),
    ("true 7 5112.0:   1 page-faults:u:   7f9cff6ca7ad 7f9cff6ca7ad", "x", 0x7F9CFF6CA7AD),
    ("true 7/8 [003] 5112.0:   1 minor-faults:   7f9cff6ca7ad _dl_start+0x3d (/ld.so)", "x", 0x7F9CFF6CA7AD),
    ("true 7 5112.0:   1 page-faults:u: \n\t    7f9cff6ca7ad _dl_start+0x3d (/ld.so)", "x", 0x7F9CFF6CA7AD)])
def test_the_fields_of_perf_script(line, access, addr):
    tally = Tally()
    assert [(s.access, s.addr) for s in parse((line + "\n").splitlines(True), tally)] == [(access, addr)] and tally.nr_strange == 0


def test_a_trace_without_any_access_is_refused_also_when_it_was_cut(machine):
    with pytest.raises(LogError):
        text(machine, b"Some words\nand more\nof", "lackey")
