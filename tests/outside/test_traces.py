"""Traces as files: packed, split into many, damaged, without an end."""

import gzip
import os
import resource

import pytest

from vmtool.errors import HostError
from vmtool.outside import traces


def lines_of(path):
    return [line for part in traces.open_trace(str(path)).parts for line in traces.text_lines(part.stream, part.name)]


def test_plain_and_gzip_give_the_same_lines(tmp_path):
    (tmp_path / "a").write_bytes(b"one\ntwo\xff\n")
    (tmp_path / "b").write_bytes(gzip.compress(b"one\ntwo\xff\n"))
    assert lines_of(tmp_path / "a") == lines_of(tmp_path / "b") == ["one\n", "two\xff\n"]


def test_more_files_than_a_process_may_have_open(tmp_path):
    for pid in range(100):
        (tmp_path / f"out.{pid + 1}").write_text(f"{pid}\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, hard))
    try:
        assert lines_of(tmp_path) == [f"{pid}\n" for pid in range(100)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("damage", [lambda data: data[:30], lambda data: data[: len(data) // 2], lambda data: data[:2],
                                    lambda data: data[:200] + bytes(200) + data[400:]], ids=["cut", "half", "magic", "zeros"])
def test_a_damaged_gzip_is_one_error(tmp_path, damage):
    packed = gzip.compress(os.urandom(3000).hex().encode() + b"\n")
    (tmp_path / "x.gz").write_bytes(damage(packed))
    with pytest.raises(HostError, match=r"x\.gz: cannot be read: "):
        lines_of(tmp_path / "x.gz")


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(traces, "LONGEST_LINE", 1 << 20)
    (tmp_path / "x").write_bytes(b"first\n" + bytes(3 << 20))
    lines = traces.text_lines(traces.open_trace(str(tmp_path / "x")).parts[0].stream, "x")
    assert next(lines) == "first\n"
    with pytest.raises(HostError, match="a line of more than 1 MB"):
        next(lines)


def test_a_directory_without_such_files(tmp_path):
    (tmp_path / "notes.txt").write_text("x\n")
    with pytest.raises(HostError, match=r"no file of strace -ff"):
        traces.open_trace(str(tmp_path))
