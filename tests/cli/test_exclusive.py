"""Options that exclude each other are declared so, and both readers and the help know it."""

import pytest

from vmtool.cli import click_app, parse, table
from vmtool.errors import UsageError

COMMANDS = [table.find(name) for name in table.names()]


@pytest.mark.parametrize("line, pair", [
    ("mmap 1 4K --shared --private", "--shared and --private"), ("mmap --private 1 --shared 4K", "--shared and --private"),
    ("touch 1 heap -wr", "--write and --read"), ("touch -x 1 heap -w", "--write and --exec"), ("free -b -k", "--bytes and --kibi"),
    ("free -hm", "--mebi and --human"), ("pmap -x -X 1", "--extended and --expand"), ("pmap -dx 1", "--extended and --device"),
    ("brk 1 heap --by 4K", "ADDR and --by"), ("store 1 heap x --hex 00", "TEXT and --hex"), ("write 1 f 0 x --hex=00", "DATA and --hex"),
    ("frames 1 --summary", "PFN and --summary"), ("run --echo --jsonl f", "--echo and --jsonl"),
    ("load 1 heap 4 --raw --hex", "--hex and --raw"),
    ("fail-io f --read --write", "--read and --write"), ("fincore f -b --pages", "--bytes and --pages")])
def test_two_of_a_group_are_wrong_usage(vmtool, line, pair):
    words = line.split()
    for read in (lambda: parse.read(table.find(words[0]), words[1:]), lambda: click_app.read(words)):
        with pytest.raises(UsageError, match=f"^{pair} exclude each other$"):
            read()
    ran = vmtool(line)
    assert (ran.status, ran.out, ran.err) == (2, "", f"vmtool: {words[0]}: {pair} exclude each other\n")


@pytest.mark.parametrize("line", ["mmap 1 4K --shared --shared", "pmap -XX 1", "touch 1 heap -w -w", "free -h --si", "frames 1 2 --raw"])
def test_one_of_a_group_may_stand_twice(line):
    words = line.split()
    assert parse.read(table.find(words[0]), words[1:]) == click_app.read(words)[1]


def test_switches_of_one_name_with_different_values_exclude_each_other():
    """Two of them in a line would contradict each other, whatever the command."""
    for command in COMMANDS:
        by_name = {}
        for param in command.params:
            if param.flags and param.kind is None and not param.count:
                by_name.setdefault(param.name, []).append(param)
        for params in by_name.values():
            if len(params) > 1:
                assert any(set(params) <= set(group) for group in command.exclusive), (command.name, params[0].name)


def test_help_says_so():
    assert "(not with --private)" in " ".join(click_app.read(["mmap", "--help"]).split())
    assert "(not with ADDR)" in click_app.read(["brk", "--help"])
