"""A script's line becomes words as in a shell; where sh can be asked, it is."""

import os
import shutil
import subprocess

import pytest

from vmtool.cli.words import split
from vmtool.errors import UsageError

VARIABLES = {"p": "1", "a": "0x7000", "two": "a b", "_x9": "y"}

LINES = [
    "mmap $p 4K", "  touch\t$p   $a  ", "ps # all of them", "# nothing", "", "   ", "a # b # c",
    "store $p heap 'two words'", 'store $p heap "two words"', "store $p heap two\\ words", "echo 'it''s' \"a'b\" 'a\"b'",
    "touch ${p} ${a}+0x10 $a+0x10", "x$p.y ${p}z",
    "'$p' \"$p\" \\$p \"\\$p\"", "\"\"", "''", "a'' ''b", "\"a\\\\b\" \"a\\nb\" 'a\\\\b'",
    "'#' \"# x\" \\# # y", "$ a$ '$'", "\"a $two b\"", "é ünï", "a\u00a0b c\u2003d", "a\\'b", "$_x9", "${_x9}",
]


@pytest.mark.parametrize("line", LINES)
def test_as_sh_splits(line):
    shell = shutil.which("sh")
    if shell is None:
        pytest.skip("there is no sh to ask")
    # -f: no file names from the words; each word ends in a NUL.
    asked = subprocess.run([shell, "-fc", f"IFS=\nprintf '%s\\0' begin {line}"], capture_output=True, env={**os.environ, **VARIABLES})
    assert ["begin", *split(line, VARIABLES)] == asked.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("line, words", [
    ("touch ${p} $a+0x10", ["touch", "1", "0x7000+0x10"]),
    ("store 1 heap scene#2", ["store", "1", "heap", "scene"]),  # unlike in sh, where a blank must come before it
    ("store 1 'heap' scene#2", ["store", "1", "heap", "scene"]),
    ("store 1 heap 'scene#2'", ["store", "1", "heap", "scene#2"]),
    ("ps # all", ["ps"]),
    ("#", []),
    ("'a b' \"c $p\" d\\ e", ["a b", "c 1", "d e"]),
    ("$two", ["a b"]),  # one word, whatever it holds
    ("a$", ["a$"]),
    ("''", [""]),
])
def test_words(line, words):
    assert split(line, VARIABLES) == words


@pytest.mark.parametrize("line, message", [
    ("touch $q", "$q is not set"), ("touch $pz", "$pz is not set"), ("'a", "not closed"), ('"a', "not closed"), ("${p", "is not ${NAME}"),
    ("${}", "is not ${NAME}"), ("${p-1}", "is not ${NAME}"), ('"$q"', "$q is not set"),
])
def test_a_wrong_line(line, message):
    with pytest.raises(UsageError, match=message.replace("$", r"\$").replace("{", r"\{").replace("}", r"\}")):
        split(line, VARIABLES)
