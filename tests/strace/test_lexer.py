"""Lines of strace 5 and 6 in every form that strace(1) describes."""

from collections import defaultdict, namedtuple

import pytest

from vmtool.strace import lexer
from vmtool.strace.lexer import LogError, Tally, lex, seconds
from vmtool.strace.lines import FIRST_HALF, SECOND_HALF

E = namedtuple("E", "line tid name text part")

WANTED = frozenset({"mmap", "brk", "read", "write", "clone", "exit_group"})


def events(text, wanted=WANTED, tally=None):
    counts = defaultdict(int)
    found = [E(*event) for event in lex(text.splitlines(True), wanted, counts, tally)]
    return found, dict(counts)


def read(text, wanted=WANTED):
    """The events and what was strange."""
    tally = Tally()
    found, _ = events(text, wanted, tally)
    return found, tally


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


@pytest.mark.parametrize("text, line", [("some words\n7 brk(NULL) = 0x1000\nmore\nwords\n", 1), ("\x7fELF\x02\x01\n", 1),
                                        ("\nint main(void)\n{\n    int x = f(3);\n    puts(\"x\");\n    exit(0);\n}\n", 2)])
def test_a_log_of_which_most_is_none_is_refused_with_its_first_such_line(text, line):
    _, tally = read(text)
    with pytest.raises(LogError) as raised:
        tally.judge()
    assert raised.value.line == line and f"line {line}: " in str(raised.value)


def test_a_file_without_any_call_is_given_up_early():
    lines = ("no line of strace\n" for _ in iter(int, 1))  # without end
    with pytest.raises(LogError):
        list(lex(lines, WANTED, defaultdict(int)))


@pytest.mark.parametrize("text", ["user@host:~$ strace ./hello\n", "returned address\n", "Segmentation fault (core dumped)\n", "```\n",
                                  "On Monday, someone wrote:\n", "main.c:12: warning: x\n", "a = b\n", "\x00\x01\x02\n"])
def test_other_text_is_passed_over_and_counted(text):
    found, tally = read("brk(NULL) = 0x1000\n" + text + "brk(0x2000) = 0x2000\n")
    assert [e.text.split(")")[0] for e in found] == ["NULL", "0x2000"]
    assert tally.nr_strange == 1 and tally.first == (2, "".join(c if c >= " " else "?" for c in text[:-1]))
    tally.judge()


@pytest.mark.parametrize("line", ["Hello worldbrk(0x2000) = 0x2000", "$ brk(0x2000) = 0x2000", "> brk(0x2000) = 0x2000",
                                  "2023-05-01T12:00:00.1234567Z brk(0x2000) = 0x2000",
                                  "Jan 01 12:00:00 host strace[99]: brk(0x2000) = 0x2000",
                                  "#8 0.312 brk(0x2000) = 0x2000", "ci_1  | brk(0x2000) = 0x2000", "\x1b[32mbrk(0x2000)\x1b[0m = 0x2000",
                                  "01-01 12:00:00.000  1234  1234 I strace  : brk(0x2000) = 0x2000"])
def test_a_call_behind_other_text_is_found(line):
    found, tally = read(line + "\n")
    assert [(e.name, e.text[:9]) for e in found] == [("brk", "0x2000) =")] and tally.nr_strange == 0


def test_a_thread_behind_other_text_is_found():
    found, _ = read("[build] 12 brk(NULL) = 0x1000\n[build] [pid  13] brk(NULL) = 0x1000\n[build] 12 +++ exited with 0 +++\n")
    assert [(e.tid, e.name) for e in found] == [(12, "brk"), (13, "brk"), (12, "+exited")]


@pytest.mark.parametrize("line", ["the answer of brk(NULL) is = 0x1000", "we call mmap(NULL, length, …) = -1 there",
                                  "see brk(2) = the manual"])
def test_prose_about_a_call_is_none(line):
    assert read(line + "\n")[0] == []


@pytest.mark.parametrize("text, line", [("7 brk(NULL) = 0x1000\n7 mmap(NULL, 40", 2), ("7 brk(NULL) = 0x1000\n7 brk(0x5000) = 0x50", 2),
                                        ("7 brk(NULL) = 0x1000\n7 read(5, \n", 2), ("brk(NULL) = 0x1000\nwrite(1, \"x\\n\", 2x\n\n", 2)])
def test_what_comes_before_a_cut_is_read_and_the_cut_is_told(text, line):
    found, tally = read(text)
    assert [e.name for e in found] == ["brk"] and [number for number, _ in tally.cut] == [line]
    tally.judge()


@pytest.mark.parametrize("line", ["+++ exited with 0 +++", "exit_group(0) = ?", "read(0, \"\", 1) = 0",
                                  "brk(0x1) = -1 ENOMEM (Cannot allocate memory)",
                                  "brk(0x5000) = 0x5000 <0.000012>", "--- SIGCHLD {si_signo=SIGCHLD} ---"])
def test_a_last_line_that_lacks_only_its_end_is_whole(line):
    assert read("brk(NULL) = 0x1000\n" + line)[1].cut == []


def test_the_messages_of_strace_4_are_known():
    text = ("Process 9 attached\nProcess 9 attached (waiting for parent)\nProcess 9 resumed (parent 7 ready)\nProcess 7 suspended\n"
            "Process 7 attached - interrupt to quit\nProcess 7 attached with 3 threads - interrupt to quit\nProcess 9 detached\n"
            "--- SIGCHLD (Child exited) @ 0 (0) ---\n <unfinished ...>\n[ Process PID=7 runs in x32 mode. ]\nstrace: Process 7 detached\n")
    found, tally = read(text)
    assert {e.name for e in found} == {"+attached", "+bits"} and tally.nr_strange == 0


def test_a_second_half_of_strace_4_has_a_blank_before_it():
    found, _ = read("7 <... brk resumed> )              = 0x1000\n")
    assert found == [(1, 7, "brk", ")              = 0x1000\n", SECOND_HALF)]


@pytest.mark.parametrize("text, calls", [
    ('write(1, "Hello\\n", 6Hello\n)           = 6\n', ['1, "Hello\\n", 6)           = 6\n']),
    ('write(1, "Name: ", 6Name: )          = 6\n', ['1, "Name: ", 6Name: )          = 6\n']),
    ('read(0, hello\n"hello\\n", 1024) = 6\n', ['0, "hello\\n", 1024) = 6\n']),
    ("clone(Process 9 attached\nchild_stack=0, flags=SIGCHLD) = 9\n", ["9", "child_stack=0, flags=SIGCHLD) = 9\n"]),
    ("clone(child_stack=0Process 9 attached\n <unfinished ...>\n", ["9", "child_stack=0 <unfinished ...>\n"]),
    ("mmap(NULL, 4096, PROT_READ|PROT_WRITE,\nMAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7000\n",
     ["NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7000\n"]),
    ("mmap(NULL, 4096, PROT_READ, MAP_PRI\nVATE, 3, 0) = 0x7000\n", ["NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7000\n"]),
    ("mmap(NULL, 4096, PROT_READ,\nMAP_PRIVATE, 3,\n0) = 0x7000\n", ["NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7000\n"]),
    ("brk(0x5000)\n= 0x5000\n", ["0x5000) = 0x5000\n"]),
    ("brk(0x5000one\ntwo\nthree)   = 0x5000\n", ["0x5000)   = 0x5000\n"]),
    ('write(1, "abc\\nbrk(0x9000) = 0x9\\nxyz\\n", 26abc\nbrk(0x9000) = 0x9\nxyz\n) = 26\n',
     ['1, "abc\\nbrk(0x9000) = 0x9\\nxyz\\n", 26) = 26\n']),
    ("exit_group(0)\n", ["0) = ?\n"]), ("read(0, 0x7ffd, 10 <detached ...>\n", ["0, 0x7ffd, 10) = ?\n"])])
def test_a_call_in_parts_is_joined(text, calls):
    found, tally = read(text)
    assert [e.text for e in found] == calls and tally.nr_strange == 0 and tally.cut == []


def test_a_call_whose_rest_is_lost_does_not_hold_the_next_ones():
    found, tally = read("brk(0x1000\nbrk(0x2000) = 0x2000\n")
    assert [e.text for e in found] == ["0x2000) = 0x2000\n"] and tally.nr_strange == 1


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


def test_a_file_of_nothing_but_blank_lines_is_refused_early(monkeypatch):
    monkeypatch.setattr(lexer, "BLANK", 1000)
    with pytest.raises(lexer.LogError, match="no call in 1000 lines"):
        read("\n" * 5000)
    found, _ = read("brk(NULL) = 0x1000\n" + "\n" * 5000 + "brk(0x2000) = 0x2000\n")
    assert len(found) == 2
