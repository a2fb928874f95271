"""Page-fault events in the three forms they come in, and access traces."""

import struct
from types import SimpleNamespace

import pytest

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
        ("LACKEY", b" L 1000,8\n S 1000\n"),
        ("LACKEY", b" L 1000,8\nnonsense\n"),
        ("LACKEY", b" L 1000,8\n S 10"),
    ],
)
def test_the_first_line_that_is_no_access_is_named(form, text):
    s = scanner(form)
    s.feed(text, True)
    assert s.bad_line == 2
