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


@pytest.mark.parametrize("prefix", ["2024-05-01T12:00:{n:02}.1234567Z ", "#12 0.{n:03} ", "web_1  | ", "[2024-05-01T12:00:00.000Z] ",
                                    "May 01 12:00:{n:02} host strace[99]: ", "Nov 29 ", "Sun Nov 29 07:00:{n:02} UTC 2026 ",
                                    "out/strace.log:{n}:", "strace.log-{n}-", "[   12.{n:06}] ", "E       ", "12:00:{n:02}  ", "+", "    "])
def test_what_a_build_system_writes_before_each_line_goes(prefix):
    log = [f"7 {line}" for line in LOG] + ["7 write(1, \"hi\\n\", 3hi\n", ")                 = 3\n", "7 exit_group(0) = ?\n"]
    assert list(clean(prefix.format(n=n + 8) + line for n, line in enumerate(log))) == log


def test_lines_broken_at_a_width_are_joined():
    lines = ["7 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fc0000\n", "7 close(3) = 0\n"] * 5
    broken = [part + "\n" for line in lines for part in (line[:80].rstrip("\n"), line[80:].rstrip("\n")) if part]
    assert [line for line in clean(broken) if line != "\n"] == lines and len(list(clean(broken))) == len(broken)


def test_lines_broken_between_words_are_joined():
    lines = ["7 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fc0000\n",
             "7 open(\"/etc/ld.so.nohwcap\", O_RDONLY) = -1 ENOENT (No such file or directory)\n"] * 5
    broken = []
    for line in lines:
        at = line.rindex(" ", 0, 60)
        broken += [line[:at] + "\n", line[at + 1 :]]
    assert [line for line in clean(broken) if line != "\n"] == lines


def test_lines_of_one_length_that_are_none_of_strace_stay_apart():
    lines = [f"true 30667 page-faults:u:     7f9cff6c9b7{n}\n" for n in range(6)]
    assert list(clean(lines)) == lines


@pytest.mark.parametrize("widest", [40, 79, 80, 100, 120])
def test_lines_broken_at_any_width_are_joined_also_when_some_end_there(widest):
    lines = ["7 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fc0000" + "1" * 60 + "\n",
             "7 open(\"/".ljust(widest - 23, "x") + "\", O_RDONLY|O_CLOEXEC) = 3\n", "7 close(3) = 0\n"] * 5
    broken = [line[at : at + widest].rstrip("\n") + "\n" for line in lines for at in range(0, len(line) - 1, widest)]
    assert [line for line in clean(broken) if line != "\n"] == lines


def test_lines_that_a_mail_lets_flow_are_joined():
    lines = ["7 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fc0000\n"] * 9
    broken = [part for line in lines for part in (line[:40].rpartition(" ")[0] + " \n", line[len(line[:40].rpartition(" ")[0]) + 1 :])]
    assert [line for line in clean(broken) if line != "\n"] == lines


def test_zeros_of_a_file_that_was_emptied_go():
    assert [line for line in clean(["\0" * 4096 + LOG[0], *LOG[1:]])] == list(LOG)


def test_the_numbers_of_a_list_that_stand_alone_go():
    lines = [part for n, line in enumerate(LOG) for part in (f"  {n + 1}.\n", "      " + line)]
    assert [line.lstrip(" ") for line in clean(["A strace:\n", *lines]) if line != "\n"] == ["A strace:\n", *LOG]


def test_a_mails_quoted_lines_with_blank_ones_between_are_plain():
    assert [line for line in clean(part for line in LOG for part in ("\n", "> " + line)) if line != "\n"] == list(LOG)


def test_what_strace_says_of_itself_goes():
    lines = [" [wait(0x057f) = 23] WIFSTOPPED,sig=SIGTRAP\n", "brk(0 [wait(0x057f) = 23] WIFSTOPPED,sig=SIGTRAP\n", ") = 0x1000\n"]
    assert list(clean(lines)) == ["\n", "brk(0\n", ") = 0x1000\n"]
