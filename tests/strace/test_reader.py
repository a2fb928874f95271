"""Unfinished and resumed halves."""

from collections import defaultdict, namedtuple

from vmtool.strace.lexer import lex
from vmtool.strace.lines import FIRST_HALF as BEGUN
from vmtool.strace.lines import SECOND_HALF as ENDED
from vmtool.strace.lines import WHOLE
from vmtool.strace.reader import Reader

C = namedtuple("C", "line tid name text state")
WANTED = frozenset({"mmap", "read", "close", "clone", "execve", "exit_group"})


def calls(text, sleepers=frozenset({"read"}), at_begin=frozenset({"close", "execve", "exit_group"})):
    return [C(*call) for call in Reader(lex(text.splitlines(True), WANTED, defaultdict(int)), sleepers, at_begin)]


def test_a_call_in_two_parts_is_known_whole_where_it_begins():
    found = calls("7 mmap(NULL, 4096, <unfinished ...>\n8 mmap(1) = 2\n7 <... mmap resumed>PROT_READ) = 0x1000\n")
    assert [(c.line, c.tid, c.state, c.text) for c in found] == [
        (1, 7, BEGUN, "NULL, 4096,PROT_READ) = 0x1000\n"),
        (2, 8, WHOLE, "1) = 2\n"),
        (3, 7, ENDED, "NULL, 4096,PROT_READ) = 0x1000\n"),
    ]


def test_a_call_that_may_sleep_is_delivered_at_its_end():
    found = calls('7 read(3,  <unfinished ...>\n8 mmap(1) = 2\n7 <... read resumed>"x", 1) = 1\n')
    assert [(c.tid, c.name, c.state) for c in found] == [(8, "mmap", WHOLE), (7, "read", WHOLE)]
    assert found[1].text == '3, "x", 1) = 1\n'


def test_a_second_half_without_a_first_is_passed_over():
    assert calls("7 <... mmap resumed>) = 0x1000\n") == []


def test_a_close_that_never_ends_is_known_where_it_begins():
    assert [c.text for c in calls("7 close(3 <unfinished ...>\n7 +++ killed by SIGKILL +++\n") if c.name == "close"] == ["3) = ?\n"]


def test_an_execve_of_a_thread_goes_on_under_the_first_threads_number():
    found = calls('9 execve("/bin/true", [] <unfinished ...>\n7 +++ superseded by execve in pid 9 +++\n7 <... execve resumed>) = 0\n')
    assert [(c.tid, c.name, c.state) for c in found] == [(9, "execve", BEGUN), (7, "+superseded", WHOLE), (7, "execve", ENDED)]


def test_without_o_a_process_has_a_number_only_while_there_are_others():
    found = calls("mmap(NULL, 4096 <unfinished ...>\n[pid     7] <... mmap resumed>) = 0x1000\n")
    assert [(c.tid, c.state, c.text) for c in found] == [(0, BEGUN, "NULL, 4096) = 0x1000\n"), (0, ENDED, "NULL, 4096) = 0x1000\n")]
