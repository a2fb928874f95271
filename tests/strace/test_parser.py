"""Arguments and answers as strace prints them. The lines are from real logs, or from strace(1)."""

import pytest

from vmtool.strace import parser
from vmtool.strace.flags import number


@pytest.mark.parametrize(
    "text",
    [
        "NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fc0000\n",
        "NULL, 8192, 0x3, 0x22, -1, 0)             = 0x7ffff7fc0000\n",
        "NULL, 8192, 0x3 /* PROT_READ|PROT_WRITE */, 0x22 /* MAP_PRIVATE|MAP_ANONYMOUS */, -1, 0) = 0x7ffff7fc0000\n",
        "0, 0x2000, 0x3, 0x22, 0xffffffff, 0)      = 0x7ffff7fc0000 <0.000011>\n",
    ],
)
def test_mmap_in_every_style_is_the_same_call(text):
    call = parser.mmap(text)
    assert call[:4] == (0, 8192, 3, 0x22) and call.fd.number == -1 and call.result == (0x7FFFF7FC0000, "", "")


def test_mmap_of_a_file_with_its_path():
    call = parser.mmap(
        "0x7ffff7df9000, 1400832, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3</usr/lib/libc.so.6>, 0x26000)"
        " = 0x7ffff7df9000\n"
    )
    assert call.fd == (3, "/usr/lib/libc.so.6", False) and call.offset == 0x26000 and call.flags == 0x812


def test_arguments_are_split_at_top_level_commas_alone():
    args, result = parser.split('AT_FDCWD</a, b>, "c, \\"d", {x=1, y=[2, 3]}, O_RDONLY) = 3</c>\n')
    assert args == ["AT_FDCWD</a, b>", '"c, \\"d"', "{x=1, y=[2, 3]}", "O_RDONLY"] and result == (3, "", "/c")


def test_execs_strings():
    assert parser.strings('["sh", "-c", "a, b"]') == ([b"sh", b"-c", b"a, b"], True)
    assert parser.strings('["sh", "ls / | wc"...]')[1] is False
    assert parser.string('"\\x2f\\57\\n\\0"') == (b"//\n\0", True)


@pytest.mark.parametrize(
    "text, value",
    [
        ("PROT_READ|PROT_WRITE", 3),
        ("PROT_NONE", 0),
        ("MAP_PRIVATE|MAP_FIXED|0x80", 0x92),
        ("0644", 0o644),
        ("8192*1024", 8 << 20),
        ("MADV_POPULATE_WRITE", 23),
        ("21<<MAP_HUGE_SHIFT", 21 << 26),
        ("RLIM64_INFINITY", -1),
        ("-1", -1),
        ("RLIMIT_STACK", 3),
    ],
)
def test_flags_are_numbers(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "PROT_READ", "NULL, 8192, PROT_READ", "x y z"])
def test_what_cannot_be_read_is_a_value_error(text):
    for read in (parser.mmap, parser.mremap, parser.mincore):
        with pytest.raises(ValueError):
            read(text)


def test_mincore_with_a_cut_vector():
    assert parser.mincore("0x7000, 8192, [0, 1, ...]) = 0\n")[:2] == (0x7000, 8192)


def test_openat_in_its_usual_form_and_in_others():
    usual = parser.openat('AT_FDCWD</tmp>, "/etc/x, y", O_RDONLY|O_CLOEXEC) = 3</etc/x>\n')
    assert usual == ("AT_FDCWD", "/tmp", '"/etc/x, y"', "O_RDONLY|O_CLOEXEC", (3, "", "/etc/x"))
    assert parser.openat('-100, "x", 0x80000) = 0x3\n')[4].value == 3
    assert parser.openat('5, "x", O_CREAT|O_RDWR, 0644) = -1 ENOENT (No such file or directory)\n') == (
        "5",
        "",
        '"x"',
        "O_CREAT|O_RDWR",
        (-1, "ENOENT", ""),
    )
