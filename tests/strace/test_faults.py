"""Page-fault events in the three forms they come in, and access traces."""

import struct
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmtool.strace.accesses import guess_form, runs
from vmtool.strace.faults import END, ENTER, EXEC, FAULT, FORK, Faults, access_of, parse

TRACEFS = """\
# tracer: nop
            true-28409   [000] ...1.  4159.909336: page_fault_user: address=0x7ffff7fe5c20 ip=0x7ffff7fe5c20 error_code=0x14
  my prog 2-28409   [000] d..1.  4159.909336: page_fault_kernel: address=0x7fffffffef50 ip=__put_user_4 error_code=0x3
            true-28409   [000] .....  4159.909400: sys_enter: NR 9 (0, 2000, 3, 22, ffffffff, 0)
            bash-28409   [001] .....  4159.910000: sched_process_fork: comm=bash pid=28409 child_comm=bash child_pid=28410
            true-28410   [001] .....  4159.910000: sched_process_exec: filename=/usr/bin/true pid=28410 old_pid=28410
            true-28410   [001] .....  4159.910000: sched_process_exit: comm=true pid=28410 prio=120
            true-28409   [000] .....  4159.909336: mm_page_alloc: page=0000 pfn=0x1
"""


def test_tracefs_events():
    assert list(parse(TRACEFS.splitlines(True))) == [
        (28409, FAULT, 0x7FFFF7FE5C20, 0x14),
        (28409, FAULT, 0x7FFFFFFFEF50, 3),
        (28409, ENTER, 9, 0),
        (28409, FORK, 28410, 0),
        (28410, EXEC, 0, 0),
        (28410, END, 0, 0),
    ]


def test_perf_script_events():
    line = "true 28409/28410 [000]  4159.909336: exceptions:page_fault_user: address=0x7ffff7fe5c20 ip=0x7ffff7fe5c20 error_code=0x6\n"
    assert list(parse([line])) == [(28410, FAULT, 0x7FFFF7FE5C20, 6)]


def test_short_events():
    assert list(
        parse(["# comment\n", "7 fault 7ffff7fe5c20 14 0\n", "7 enter 9 (0, 1)\n", "7 alloc 0 0 GFP\n", "7 fork 8\n", "7 end\n"])
    ) == [(7, FAULT, 0x7FFFF7FE5C20, 0x14), (7, ENTER, 9, 0), (7, FORK, 8, 0), (7, END, 0, 0)]


def test_a_childs_faults_are_its_own_before_its_fork_is_read():
    """Two children of one parent; the log comes to the second one's calls first."""
    touched = []
    machine = SimpleNamespace(touch=lambda mid, addr, *_: touched.append((mid, addr)))
    parent, first, second = (
        SimpleNamespace(pid=pid, parent=1, tids=set(), space=SimpleNamespace(mid=pid, is_32=False)) for pid in (1, 2, 3)
    )
    replay = SimpleNamespace(machine=machine, root=parent)
    events = "1 fork 2", "1 enter 9", "1 fork 3", "3 fault 3000 6 0", "3 enter 11", "2 fault 2000 6 0", "2 enter 11"
    faults = Faults([line + "\n" for line in events])
    faults.until(replay, parent, 1, "mmap")
    faults.until(replay, second, 3, "munmap")
    faults.until(replay, first, 2, "munmap")
    assert touched == [(3, 0x3000), (2, 0x2000)]


@pytest.mark.parametrize("code, access", [(0x4, "r"), (0x6, "w"), (0x7, "w"), (0x14, "x"), (0x2, "w"), (0x15, "x")])
def test_an_error_code_says_which_access(code, access):
    assert access_of(code) == access


@pytest.mark.parametrize(
    "head, kind",
    [
        (b"==28832== Lackey, an example Valgrind tool\n", "lackey"),
        (b"I  004014f0,2\n L 1fff000cb0,8\n", "lackey"),
        (TRACEFS.encode(), "faults"),
        (b"7 fault 7ffff7fe5c20 14 0\n", "faults"),
        (b" L 10,1\n M 20,1\n", "lackey"),
        (b"hello\nI  04001000,3\n", "lackey"),
        (b"0x7f11e0a40093: R 0x7ffd3c6c9d28\n0x7f11e0a40095: W 0x7ffd3c6c9d20\n#eof\n", "pinatrace"),
        (b"2 0\n0 1000acac\n1 70f60888\n", "dinero"),
        (b"Format: <data address>: <data size>, <(r)ead/(w)rite/opcode>\n0x00007fff2c60:  8, w\n", "memtrace"),
        (b"0x401000,r,8,0x7ffd0010\n", "memtrace"),
        (b"   11   1:   3264 ifetch   3 byte(s) @ 0x00007f46f7c1c290 48 89 e7  mov %rsp, %rdi\n", "memtrace"),
        (b"cat 1234 100.1:   30 cpu/mem-loads,ldlat=30/P:   7ffdf1391b0c  10268100142 |OP LOAD|LVL L1 hit|SNP None 5\n", "perf-mem"),
        (b"  0.084 ( 0.000 ms): cat/1234 minfault [_start+0x0] => /usr/lib/ld.so@0x1ab70 (d.)\n", "perf-trace"),
        (b"  0.084 ( 0.000 ms): minfault [main+0x12] => 0x7ffe2f1a9ff8 (?.)\n", "perf-trace"),
        (b"cat 1234 100.1:          1 page-faults:u:      7fda3ea48290 _start+0x0 (/lib/ld.so)\n", "faults"),
        (b"r 1000\nw 0x2000 8\n# x\n", "list"),
        (b"1000\n", "list"),
        (b'7 execve("/bin/true", ["true"], 0x7ff /* 5 vars */) = 0\n', "strace"),
        (b"brk(NULL) = 0x1000\n", "strace"),
    ],
)
def test_a_traces_beginning_tells_its_kind(head, kind):
    assert guess_form(head) == kind


def test_runs_of_pages():
    assert runs([1, 2, 3, 7, 9, 10]) == [(1, 3), (7, 7), (9, 10)]


def scanner(form):
    scan = pytest.importorskip("vmtool.strace.scan", reason="the extension modules are not built")
    return scan.Scanner(getattr(scan, form))


def records(data):
    return list(struct.iter_unpack("<QII", data))


def test_lackey_lines():
    s = scanner("LACKEY")
    assert records(s.feed(b"==1== x\nI  004014f0,2\n L 1fff000cb0,8\n S 1000,4\n M 2000,1\n\n", True)) == [
        (0x4014F0, 2, 2),
        (0x1FFF000CB0, 8, 0),
        (0x1000, 4, 1),
        (0x2000, 1, 1),
    ]
    assert (s.nr_reads, s.nr_writes, s.nr_fetches, s.bad_line) == (1, 2, 1, 0)


def test_list_lines():
    s = scanner("LIST")
    assert records(s.feed(b"r 1000\nw 0x2000 8\nx abc 0x10\n 7ffff 4 # c\n\nabc", True)) == [
        (0x1000, 1, 0),
        (0x2000, 8, 1),
        (0xABC, 16, 2),
        (0x7FFFF, 4, 0),
        (0xABC, 1, 0),
    ]


def test_lines_may_be_cut_anywhere_between_blocks():
    text = b" S 1000,4\nI  2000,3\n L 3000,8\n"
    for cut in range(len(text) + 1):
        s = scanner("LACKEY")
        assert records(s.feed(text[:cut]) + s.feed(text[cut:], True)) == [(0x1000, 4, 1), (0x2000, 3, 2), (0x3000, 8, 0)]


@pytest.mark.parametrize(
    "form, text",
    [
        ("LIST", b"r 1000\nq 1\n"),
        ("LIST", b"1\nr\n"),
        ("LIST", b"1\n1000 0\n"),
        ("LIST", b"1\nr 12345678901234567\n"),
        ("LIST", b"1\nr 1000 8 9\n"),
    ],
)
def test_the_first_line_that_is_no_access_is_named(form, text):
    s = scanner(form)
    s.feed(text, True)
    assert s.bad_line == 2


@pytest.mark.parametrize("text, first", [(b" L 1000,8\n S 1000\n", 2), (b" L 1000,8\nnonsense\n", 2), (b"hello\n L 1000,8\n", 1)])
def test_a_programs_output_in_a_lackey_log_is_passed_over(text, first):
    s = scanner("LACKEY")
    assert records(s.feed(text, True)) == [(0x1000, 8, 0)]
    assert (s.bad_line, s.nr_other, s.first_other) == (0, 1, first)


def test_an_access_behind_the_programs_output_is_found():
    s = scanner("LACKEY")
    assert records(s.feed(b"hello L 1000,8\nnameI  2000,3\n--7-- warning\n", True)) == [(0x1000, 8, 0), (0x2000, 3, 2)] and s.nr_other == 0


def test_a_lackey_log_that_was_cut_is_known():
    s = scanner("LACKEY")
    assert records(s.feed(b" L 1000,8\n S 10", True)) == [(0x1000, 8, 0)] and s.is_cut
    s = scanner("LACKEY")
    assert records(s.feed(b" L 10,1\n M 20,1", True)) == [(0x10, 1, 0), (0x20, 1, 1)] and not s.is_cut


@pytest.mark.parametrize("form, text, found", [
    ("PINATRACE", b"0x7f11: R 0x7ffd3c6c9d28\n0x7f13: W 0x1000 8 0x0\n#eof\n", [(0x7FFD3C6C9D28, 1, 0), (0x1000, 8, 1)]),
    ("DINERO", b"2 400120\n0 1000acac\n1 70f60888 4\n3 0\n4 0\nr 0x10 8\ni 20\n",
     [(0x400120, 1, 2), (0x1000ACAC, 1, 0), (0x70F60888, 4, 1), (0x10, 8, 0), (0x20, 1, 2)]),
    ("MEMTRACE", b"Format: <data address>: <data size>, <(r)ead/(w)rite/opcode>\n0x00001000:  8, w\n0x1008: 4, r\n0x2000:  3, mov\n",
     [(0x1000, 8, 1), (0x1008, 4, 0), (0x2000, 3, 2)]),
    ("MEMTRACE", b"Format: <instr address>,<(r)ead/(w)rite>,<data size>,<data address>\n0x401000,r,8,0x7ffd0010\n0x401003,w,4,0x20\n",
     [(0x7FFD0010, 8, 0), (0x20, 4, 1)]),
    ("MEMTRACE", b"Output format:\n<--record#-> <--instr#->: <---tid---> <record details>\n------\n   1   0:   3264 <marker: version 3>\n"
     b"  11   1:   3264 ifetch   3 byte(s) @ 0x00007f46 48 89 e7  mov %rsp, %rdi\n"
     b"  15   3:   3264 write    8 byte(s) @ 0x00007ffe by PC 0x7f\n",
     [(0x7F46, 3, 2), (0x7FFE, 8, 1)])])
def test_the_lines_of_other_tracers(form, text, found):
    s = scanner(form)
    assert records(s.feed(text, True)) == found and s.nr_other == 0
    for cut in range(0, len(text), 7):
        s = scanner(form)
        assert records(s.feed(text[:cut]) + s.feed(text[cut:], True)) == found


@pytest.mark.parametrize("form", ["LACKEY", "LIST", "PINATRACE", "DINERO", "MEMTRACE"])
@given(st.binary(max_size=200))
def test_no_bytes_are_beyond_a_scanner(form, data):
    s = scanner(form)
    s.feed(data[: len(data) // 2])
    s.feed(data[len(data) // 2 :], True)
