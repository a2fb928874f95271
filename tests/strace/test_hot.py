"""The plainest lines: what C reads of them is what expressions read."""

import re
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmtool.strace import hot, parser
from vmtool.strace.flags import number
from vmtool.strace.lines import Lines


def test_ranges_of_two_three_and_four_arguments():
    assert hot.ranges("0x7ffff7fb5000, 41927)     = 0\n") == (0x7FFFF7FB5000, 41927, 0, 0, 0, "")
    assert hot.ranges("0x7000, 16384, PROT_READ|PROT_WRITE) = 0 <0.000011>\n") == (0x7000, 16384, 3, 0, 0, "")
    assert hot.ranges("0x7000, 4096, PROT_READ, 1) = 0\n") == (0x7000, 4096, 1, 1, 0, "")


def test_failures_have_the_errnos_symbol():
    assert hot.ranges("0x10012c000, 0)            = -1 EINVAL (Invalid argument)\n") == (0x10012C000, 0, 0, 0, -1, "EINVAL")
    assert hot.ranges("0x7000, 4096, 0x3e7 /* MADV_??? */) = -1 EINVAL (Invalid argument)\n")[2] == 999


def test_an_answer_that_never_came_is_none():
    assert hot.brk("NULL) = ?\n") == (0, None, "")


def test_the_break_may_answer_with_any_number():
    assert hot.brk("0x555555581000)                     = 0x555555581000\n") == (0x555555581000, 0x555555581000, "")


@pytest.mark.parametrize(
    "text, fd",
    [
        ("3</tmp/a b>) = 0\n", (3, "/tmp/a b", False)),
        ("6</dev/shm/sem.x>(deleted)) = 0\n", (6, "/dev/shm/sem.x", True)),
        ("0</dev/null<char 1:3>>) = 0\n", (0, "/dev/null<char 1:3>", False)),
        ("5<socket:[123]>) = 0\n", (5, "socket:[123]", False)),
        ("5<TCP:[127.0.0.1:80->127.0.0.1:9]>) = 0\n", (5, "TCP:[127.0.0.1:80->127.0.0.1:9]", False)),
        ("3</tmp/a>b>) = 0\n", (3, "/tmp/a>b", False)),
        ("3</tmp/a<b>) = 0\n", (3, "/tmp/a<b", False)),
        ("3</tmp/x>(deleted)>(deleted)) = 0\n", (3, "/tmp/x>(deleted)", True)),
        ("0xffffffff) = 0\n", (-1, "", False)),
    ],
)
def test_descriptors_with_what_they_refer_to(text, fd):
    assert hot.close(text)[:3] == fd


def test_reads_show_their_count_and_perhaps_their_buffer():
    assert hot.file_io('3</x>, "\\177ELF, \\"...) = 9"..., 832) = 832\n', False) == (3, "/x", False, 0, 832, None, 832, "")
    assert hot.file_io("0x3, 0x7fffffffdf98, 0x340)  = 0x340\n", False) == (3, "", False, 0x7FFFFFFFDF98, 832, None, 832, "")
    assert hot.file_io('3, "x"..., 784, 64) = 784\n', True) == (3, "", False, 0, 784, 64, 784, "")
    assert hot.file_io('3, "", 4096)                 = 0\n', False)[6] == 0


def test_seeks_have_a_descriptor_and_an_answer():
    assert hot.descriptor_and_answer("3</x>, 0, SEEK_SET) = 4096\n") == (3, 4096, "")


@pytest.mark.parametrize("text", [
    "NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fc0000\n",
    "0x7ffff7dfa000, 1400832, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3</usr/lib/libc.so.6>, 0x26000) = 0x7ffff7dfa000\n",
    "NULL, 100, PROT_READ, MAP_SHARED, 5</dev/shm/sem.x>(deleted), 0) = -1 ENODEV (No such device)\n",
    "0, 0x2000, 0x3, 0x22, 0xffffffff, 0)  = 0x7ffff7fc0000 <0.000012>\n",
    "NULL, 4096, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = ?\n"])
def test_a_mapping_read_by_c_is_what_the_expression_reads(text):
    assert parser.mmap(text) == parser._unusual_mmap(text)


@pytest.mark.parametrize("text", ['AT_FDCWD, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3\n',
                                  'AT_FDCWD</tmp>, "x y", O_CREAT|O_RDWR, 0644) = 4</tmp/x y>\n',
                                  'AT_FDCWD</tmp>, "/tmp", O_RDWR|O_TMPFILE, 0600) = 6</tmp/#123>(deleted)\n',
                                  'AT_FDCWD, "/x", O_RDONLY) = -1 ENOENT (No such file or directory)\n',
                                  'AT_FDCWD</>, "/dev/null", O_RDWR) = 3</dev/null<char 1:3>> <0.000012>\n'])
def test_an_open_read_by_c_is_what_the_expression_reads(text):
    try:
        path, flags, value, errno, answer, shown = hot.openat(text)
    except ValueError:
        assert "<char" in text  # left to the expression
        return
    _, its_shown, its_path, its_flags, result = parser.openat(text)
    assert (f'"{path}"', flags, value, errno, answer, shown) == (its_path, number(its_flags), *result, its_shown)


@pytest.mark.parametrize("text", ['5, "x", O_RDONLY) = 3\n', 'AT_FDCWD, "a\\nb", O_RDONLY) = 3\n',
                                  'AT_FDCWD, "abc"..., O_RDONLY) = 3\n', "AT_FDCWD"])
def test_an_unusual_open_is_left_to_the_expression(text):
    with pytest.raises(ValueError):
        hot.openat(text)


@pytest.mark.parametrize(
    "text", ["", "x", "0x7000", "0x7000, 4096", "0x7000, 4096) 0\n", "0x7000 4096) = 0\n", "0x, 4096) = 0\n", "0x7000, 4096, ) = 0\n"]
)
def test_what_cannot_be_read_is_a_value_error(text):
    for read in (hot.ranges, hot.brk, hot.close):
        with pytest.raises(ValueError):
            read(text)


NUMBERS = st.integers(0, (1 << 47) - 1)
PLAIN = re.compile(r"(0x[0-9a-f]+|\d+), (0x[0-9a-f]+|\d+), (0x[0-9a-f]+|\d+)\) += (0x[0-9a-f]+|-?\d+)(?: (E[A-Z]+))?")


@given(
    NUMBERS,
    NUMBERS,
    st.integers(0, 1 << 20),
    st.sampled_from(["= 0", "   = -1 ENOMEM (Cannot allocate memory)", "= 0x7f00"]),
    st.booleans(),
)
def test_ranges_agree_with_an_expression(a, b, c, answer, is_hex):
    text = f"{a:#x}, {b if is_hex else hex(b)}, {c}) {answer}\n"
    found = PLAIN.match(text)
    assert hot.ranges(text) == (int(found[1], 0), int(found[2], 0), int(found[3], 0), 0, int(found[4], 0), found[5] or "")


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_line_is_beyond_reading(text):
    """Any text is read, or refused; nothing else happens."""
    for read in (
        hot.ranges,
        hot.brk,
        hot.close,
        hot.arguments,
        hot.mmap,
        hot.openat,
        hot.descriptor_and_answer,
        lambda t: hot.file_io(t, False),
        lambda t: hot.file_io(t, True),
    ):
        try:
            read(text)
        except ValueError:
            pass
    slow = []
    list(
        Lines(
            [text + "\n"], frozenset({"brk"}), lambda line, number: slow.append(line) or [], lambda lines: lines.flush(defaultdict(int))
        )
    )


@pytest.mark.parametrize("text, parts", [
    ("3</tmp/a>b>, 8192", ["3</tmp/a>b>", "8192"]), ("AT_FDCWD</tmp/d>e/f, g>, \"x\"", ["AT_FDCWD</tmp/d>e/f, g>", '"x"']),
    ("[{fd=3</tmp/a>b>, events=POLLIN}, {fd=4</x>, events=0}], 2", ["[{fd=3</tmp/a>b>, events=POLLIN}, {fd=4</x>, events=0}]", "2"]),
    ("{flags=0} => {parent_tid=[9]}, 88", ["{flags=0} => {parent_tid=[9]}", "88"]),
    ("21<<MAP_HUGE_SHIFT, -1", ["21<<MAP_HUGE_SHIFT", "-1"]), ("-100 /* AT_FDCWD */</a, b>, 3", ["-100 /* AT_FDCWD */</a, b>", "3"])])
def test_names_may_have_what_ends_them_in_the_middle(text, parts):
    assert hot.arguments(text) == parts
