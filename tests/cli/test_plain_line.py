"""plain_line against the readers that it spares: what it reads they read alike, and what they refuse it leaves to them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

plain_line = pytest.importorskip("vmtool.cli.plain_line", reason="the Cython modules are not built: run `make`")
from vmtool.cli import journal, parse, table  # noqa: E402
from vmtool.cli.words import split  # noqa: E402
from vmtool.errors import UsageError  # noqa: E402

COMMANDS = [*table.names(), "toch", "spaw", ""]
WORDS = st.one_of(
    st.integers(0, 1 << 66).map(str), st.integers(0, 1 << 66).map(hex), st.integers(0, 99999).map(lambda n: f"{n:x}"),
    st.sampled_from(["0x", "007", "00", "0X10", "4K", "heap", "heap+0x10", "-w", "--json", "-1", "=", "$a", "'1'", "#", "2147483648", "10 ",
                     "99999999999", "0" * 17, "f" * 17, "0x" + "0" * 16, "1" * 18, "1" * 19, "AbC", "1-", "abcdefg", "é", "١"]),
    st.text("0123456789abcdefxABFG -=$#'\"\\\t", max_size=6))


def by_the_others(line):
    """(declaration, values), or None: an error."""
    try:
        words = split(line, {})
        if not words or words[1:2] == ["="] or table.find(words[0]) is None:
            return None
        return table.find(words[0]), parse.read(table.find(words[0]), words[1:])
    except UsageError:
        return None


@settings(max_examples=3000, deadline=None)
@given(command=st.sampled_from(COMMANDS), rest=st.lists(WORDS, max_size=6), blank=st.sampled_from([" ", " ", " ", "  ", "\t"]),
       edge=st.sampled_from(["", "", "", " ", "-", "#"]))
def test_what_it_reads_the_others_read_alike(command, rest, blank, edge):
    line = edge + blank.join([command, *rest])
    found = plain_line.read(line)
    if found is not None:
        assert found == by_the_others(line)
        assert journal.line_of(split(line, {})) == line


@pytest.mark.parametrize("line", ["touch 1 0x7ffff3fde000 4096", "touch 1 404000", "munmap 12 7f0000000000 8192", "fork 1",
                                  "push 1 64"])
def test_plain_lines_are_plain(line):
    assert plain_line.read(line) == by_the_others(line) is not None


@pytest.mark.parametrize("line", ["", " ", "touch", "touch 1", "touch 1 heap 1", "touch 1 404000 4K", "touch 1 404000 -w", "spawn",
                                  "touch 1 404000 1 2",
                                  "touch 1 404000 1 ", " touch 1 404000", "touch  1 404000", "touch 9999999999 404000", "nothing 1",
                                  "x = spawn", "-touch 1 404000", "touch 1 404000 # all", "kill -9 1", "exec 1 2"])
def test_others_are_not(line):
    assert plain_line.read(line) is None
