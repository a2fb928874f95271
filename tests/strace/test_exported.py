"""A log inside another format."""

import json
from html import escape

import pytest

from vmtool.strace.clean import clean

LOG = ('execve("./a", ["./a", "\\n"], 0x7ffd /* 3 vars */) = 0\n', "brk(NULL) = 0x1000\n", "munmap(0x7000, 4096 <unfinished ...>\n",
       "<... munmap resumed>) = 0\n", 'openat(AT_FDCWD, "/a b/\\"c", O_RDONLY) = 3\n', "+++ exited with 0 +++\n")


def row(n, line):
    return f'"{n}",box,"' + line[:-1].replace('"', '""') + '"\n'


@pytest.mark.parametrize("put", [
    lambda n, line: json.dumps({"log": line, "stream": "stderr", "time": f"2026-11-29T07:11:00.{n}Z"}) + "\n",
    lambda n, line: json.dumps({"_PID": n, "MESSAGE": line[:-1], "tags": ["a"]}) + "\n",
    row,
    lambda n, line: f"<li>{escape(line[:-1])}</li>\n",
    lambda n, line: f"{escape(line[:-1])}<br />\n",
    lambda n, line: f"  <tr><td class='n'>{n + 1}</td><td>{escape(line[:-1], quote=False)}</td></tr>\n",
    lambda n, line: line.replace("=", "=3D")], ids=["container", "journal", "csv", "list", "br", "table", "mail"])
def test_the_log_is_taken_out(put):
    assert [line.strip() for line in clean(put(n, line) for n, line in enumerate(LOG))] == [line.strip() for line in LOG]


def test_a_mail_as_it_is_stored_has_its_broken_lines_joined():
    stored = [line.replace("=", "=3D") for line in LOG]
    broken = [part for line in stored for part in (line[:9] + "=\n", line[9:])]
    found = list(clean(broken))
    assert [line for line in found if line != "\n"] == list(LOG) and len(found) == len(broken)


def test_a_path_that_looks_like_an_element_is_none():
    lines = ["close(3</pre>) = 0\n", "fchdir(4</b>) = 0\n", "openat(AT_FDCWD</p>, \"x\", 0) = 3</a>\n", "brk(NULL) = 0x1000\n"]
    assert list(clean(lines)) == lines


def test_records_of_something_else_stay():
    lines = ['{"a": 1}\n', '{"a": "b"}\n', "{" * 5000 + "\n", '"x","y"\n', '[1,"2"]\n']
    assert list(clean(lines)) == lines
