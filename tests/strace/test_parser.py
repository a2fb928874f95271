"""Arguments and answers as strace prints them. The lines are from real logs, or from strace(1)."""

import pytest

from vmtool.strace import parser
from vmtool.strace.flags import number


@pytest.mark.parametrize("text", [
    "NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fc0000\n",
    "NULL, 8192, 0x3, 0x22, -1, 0)             = 0x7ffff7fc0000\n",
    "NULL, 8192, 0x3 /* PROT_READ|PROT_WRITE */, 0x22 /* MAP_PRIVATE|MAP_ANONYMOUS */, -1, 0) = 0x7ffff7fc0000\n",
    "0, 0x2000, 0x3, 0x22, 0xffffffff, 0)      = 0x7ffff7fc0000 <0.000011>\n",
])
def test_mmap_in_every_style_is_the_same_call(text):
    call = parser.mmap(text)
    assert call[:4] == (0, 8192, 3, 0x22) and call.fd.number == -1 and call.result == (0x7FFFF7FC0000, "", "")


def test_mmap_of_a_file_with_its_path():
    call = parser.mmap("0x7ffff7df9000, 1400832, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3</usr/lib/libc.so.6>, 0x26000) = 0x7ffff7df9000\n")
    assert call.fd == (3, "/usr/lib/libc.so.6", False) and call.offset == 0x26000 and call.flags == 0x812


@pytest.mark.parametrize("text, fd", [
    ("3</tmp/a b>) = 0\n", (3, "/tmp/a b", False)),
    ("6</dev/shm/sem.x>(deleted)) = 0\n", (6, "/dev/shm/sem.x", True)),
    ("0</dev/null<char 1:3>>) = 0\n", (0, "/dev/null", False)),
    ("5<socket:[123]>) = 0\n", (5, "socket:[123]", False)),
    ("4</tmp/a\\nb>) = 0\n", (4, "/tmp/a\nb", False)),
])
def test_descriptors_with_what_they_refer_to(text, fd):
    assert parser.close(text)[0] == fd


def test_failures_have_the_errnos_symbol():
    assert parser.ranges("0x10012c000, 0)            = -1 EINVAL (Invalid argument)\n") == ([0x10012C000, 0], (-1, "EINVAL", ""))
    assert parser.ranges("0x7000, 4096, 0x3e7 /* MADV_??? */) = -1 EINVAL (Invalid argument)\n")[0] == [0x7000, 4096, 999]


def test_an_answer_that_never_came_is_none():
    assert parser.brk("NULL) = ?\n")[1].value is None
    assert parser.split("0) = ?\n") == (["0"], (None, "", ""))


def test_reads_show_their_count_and_perhaps_their_buffer():
    io = parser.file_io('3</x>, "\\177ELF, \\"...) = 9"..., 832) = 832\n', False)
    assert (io.fd.number, io.count, io.buffer, io.result.value) == (3, 832, 0, 832)
    raw = parser.file_io("0x3, 0x7fffffffdf98, 0x340)  = 0x340\n", False)
    assert (raw.fd.number, raw.count, raw.buffer, raw.result.value) == (3, 832, 0x7FFFFFFFDF98, 832)
    at = parser.file_io('3, "x"..., 784, 64) = 784\n', True)
    assert (at.count, at.offset) == (784, 64)


def test_arguments_are_split_at_top_level_commas_alone():
    args, result = parser.split('AT_FDCWD</a, b>, "c, \\"d", {x=1, y=[2, 3]}, O_RDONLY) = 3</c>\n')
    assert args == ["AT_FDCWD</a, b>", '"c, \\"d"', "{x=1, y=[2, 3]}", "O_RDONLY"] and result == (3, "", "/c")


def test_execs_strings():
    assert parser.strings('["sh", "-c", "a, b"]') == ([b"sh", b"-c", b"a, b"], True)
    assert parser.strings('["sh", "ls / | wc"...]')[1] is False
    assert parser.string('"\\x2f\\57\\n\\0"') == (b"//\n\0", True)


@pytest.mark.parametrize("text, value", [
    ("PROT_READ|PROT_WRITE", 3), ("PROT_NONE", 0), ("MAP_PRIVATE|MAP_FIXED|0x80", 0x92), ("0644", 0o644), ("8192*1024", 8 << 20), ("MADV_POPULATE_WRITE", 23),
    ("21<<MAP_HUGE_SHIFT", 21 << 26), ("RLIM64_INFINITY", -1), ("-1", -1), ("RLIMIT_STACK", 3)])
def test_flags_are_numbers(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "PROT_READ", "NULL, 8192, PROT_READ", "x y z"])
def test_what_cannot_be_read_is_a_value_error(text):
    for read in (parser.mmap, parser.ranges, parser.brk, parser.mremap, parser.close):
        with pytest.raises(ValueError):
            read(text)


def test_mincore_with_a_cut_vector():
    assert parser.mincore("0x7000, 8192, [0, 1, ...]) = 0\n")[:2] == (0x7000, 8192)
