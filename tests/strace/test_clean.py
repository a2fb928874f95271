"""What others have put around the lines of a log."""

import pytest

from vmtool.strace.clean import clean

LOG = ('execve("./a", ["./a"], 0x7ffd /* 3 vars */) = 0\n', "brk(NULL) = 0x1000\n", "munmap(0x7000, 4096 <unfinished ...>\n",
       "<... munmap resumed>) = 0\n", "close(3</tmp/x>) = -1 EBADF (Bad file descriptor)\n", "+++ exited with 0 +++\n")


def test_a_log_as_strace_wrote_it_is_passed_through():
    assert tuple(clean(iter(LOG))) == LOG


@pytest.mark.parametrize("worn", [
    lambda n, line: ("\xef\xbb\xbf" if n == 0 else "") + line,
    lambda n, line: line[:-1] + "\r\n",
    lambda n, line: "\x1b[1;32m" + line[:-1] + "\x1b[0m\x1b[K\n",
    lambda n, line: line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;"),
    lambda n, line: line.replace(' "', " \xe2\x80\x9c").replace('"', "\xe2\x80\x9d")
    .replace("...", "\xe2\x80\xa6").replace("-1", "\xe2\x80\x931"),
    lambda n, line: line.replace(" ", "\xc2\xa0"),
    lambda n, line: "> " + line,
    lambda n, line: ">>> " + line,
    lambda n, line: f"{n + 1:6}\t{line}",
    lambda n, line: f"{n + 8}: {line}",
    lambda n, line: f" {n + 99} | {line}",
    lambda n, line: f"{n + 1}:{line[:-1]}\r\n"],
    ids=["mark", "crlf", "colours", "html", "typed", "no-break", "mail", "mail of mail", "cat -n", "grep -n", "listing", "two of them"])
def test_what_was_put_around_it_goes(worn):
    assert tuple(clean(worn(n, line) for n, line in enumerate(LOG))) == LOG


def test_the_numbers_of_processes_are_not_the_lines_numbers():
    lines = [f"{n % 3 + 7} brk(NULL) = 0x1000\n" for n in range(30)]
    assert list(clean(lines)) == lines


def test_the_frames_of_a_stack_keep_their_mark():
    lines = ["brk(NULL) = 0x1000\n", " > /usr/lib/libc.so.6(brk+0x10) [0xf8]\n", " > /usr/bin/a(main+0x1) [0x3]\n"]
    assert list(clean(lines)) == lines
