"""Lines of strace 5 and 6 in every form that strace(1) describes."""

from collections import defaultdict, namedtuple

import pytest

from vmtool.strace.lexer import LogError, lex, seconds
from vmtool.strace.lines import FIRST_HALF, SECOND_HALF

E = namedtuple("E", "line tid name text part")

WANTED = frozenset({"mmap", "brk", "read", "write", "clone", "exit_group"})


def events(text, wanted=WANTED):
    counts = defaultdict(int)
    found = [E(*event) for event in lex(text.splitlines(True), wanted, counts)]
    return found, dict(counts)


@pytest.mark.parametrize(
    "line",
    [
        "27 brk(NULL) = 0x1000",
        "27    brk(NULL)                         = 0x1000",
        "[pid    27] brk(NULL) = 0x1000",
        "27 12:34:56 brk(NULL) = 0x1000",
        "27 12:34:56.123456 brk(NULL) = 0x1000 <0.000012>",
        "27 1795354649.123456 brk(NULL) = 0x1000",
        "27      0.000031 brk(NULL) = 0x1000",
        "27 12:34:56.123456 (+     0.000031) brk(NULL) = 0x1000",
        "27 [00007f1234567890] brk(NULL) = 0x1000",
        "27 [  12] brk(NULL) = 0x1000",
        "27 12:34:56 [  12] [00007f1234567890] brk(NULL) = 0x1000",
    ],
)
def test_columns_before_the_call_are_passed_over(line):
    found, counts = events(line + "\n")
    assert [(e.tid, e.name, e.text.split(")")[0]) for e in found] == [(27, "brk", "NULL")]
    assert counts == {"brk": 1}


@pytest.mark.parametrize(
    "line",
    ["brk(NULL) = 0x1000", "12:34:56 brk(NULL) = 0x1000", "     0.000031 brk(NULL) = 0x1000", "1795354649.123456 brk(NULL) = 0x1000"],
)
def test_a_log_without_numbers_has_thread_0(line):
    found, _ = events(line + "\n")
    assert found[0].tid == 0 and found[0].name == "brk"


def test_calls_that_nobody_wants_are_counted():
    found, counts = events('7 getpid() = 7\n7 open("x", O_RDONLY) = 3\n7 getpid() = 7\n')
    assert found == [] and counts == {"getpid": 2, "open": 1}


def test_the_two_halves_of_a_call_are_two_events():
    found, _ = events("7 mmap(NULL, 4096 <unfinished ...>\n8 <... brk resumed>) = 0x1000\n7 <... mmap resumed>) = 0x2000\n")
    assert [(e.tid, e.name, e.part) for e in found] == [(7, "mmap", FIRST_HALF), (8, "brk", SECOND_HALF), (7, "mmap", SECOND_HALF)]


def test_ends_of_processes_are_events():
    found, _ = events("7 +++ exited with 3 +++\n8 +++ killed by SIGSEGV (core dumped) +++\n9 +++ superseded by execve in pid 11 +++\n")
    assert [(e.tid, e.name, e.text) for e in found] == [(7, "+exited", "3"), (8, "+killed", "SIGSEGV"), (9, "+superseded", "11")]


def test_signals_and_messages_are_passed_over():
    text = (
        "7 --- SIGCHLD {si_signo=SIGCHLD, si_pid=8} ---\n7 --- stopped by SIGSTOP ---\nstrace: Process 9 detached\n"
        " > /usr/lib/libc.so.6(read+0x10) [0xf8]\n | 00000  7f 45 4c 46  .ELF |\n"
    )
    assert events(text)[0] == []


def test_a_change_to_32_bits_is_an_event():
    for line in ("[ Process PID=7 runs in 32 bit mode. ]\n", "strace: [ Process PID=7 runs in 32 bit mode. ]\n"):
        assert [(e.tid, e.name, e.text) for e in events(line)[0]] == [(7, "+bits", "32")]


def test_a_line_that_an_attached_message_breaks_is_joined():
    found, _ = events("clone(child_stack=NULL, flags=SIGCHLDstrace: Process 9 attached\n) = 9\n")
    assert [e.name for e in found] == ["+attached", "clone"]
    assert found[1].text == "child_stack=NULL, flags=SIGCHLD) = 9\n"


def test_a_programs_own_output_inside_its_write_is_passed_over():
    found, _ = events('write(1, "hi\\nthere\\n", 9hi\nthere\n)      = 9\nbrk(NULL) = 0x1000\n')
    assert [e.name for e in found] == ["write", "brk"]


@pytest.mark.parametrize(
    "text, line",
    [
        ("7 brk(NULL) = 0x1000\nsome words\n", 2),
        ("\x7fELF\x02\x01\n", 1),
        ("7 brk(NULL) = 0x1000\n7 mmap(NULL, 40", 2),
        ("7 brk(NULL) = 0x1000\n7 brk(NULL) = 0x1000", 2),
    ],
)
def test_what_strace_does_not_write_is_an_error_with_its_line(text, line):
    with pytest.raises(LogError) as raised:
        events(text)
    assert raised.value.line == line and f"line {line}: " in str(raised.value)


def test_times_of_lines():
    assert seconds("7 12:00:01.5 brk(") == (43201.5, False)
    assert seconds("1795354649.25 brk(") == (1795354649.25, False)
    assert seconds("     0.25 brk(") == (0.25, True)
    assert seconds("7 brk(NULL)") is None


def test_a_broken_first_half_is_joined():
    found, _ = events("clone(child_stack=NULL, flags=SIGCHLDstrace: Process 9 attached\n <unfinished ...>\n")
    assert [(e.name, e.part) for e in found] == [("+attached", 0), ("clone", FIRST_HALF)]


def test_a_number_may_have_its_comm():
    found, _ = events("27<my prog> brk(NULL) = 0x1000\n27<sh> <... brk resumed>) = 0x1000\n27<ls> +++ exited with 0 +++\n")
    assert [(e.tid, e.name) for e in found] == [(27, "brk"), (27, "brk"), (27, "+exited")]
