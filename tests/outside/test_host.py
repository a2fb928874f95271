"""read_file(): the only door to the host's files."""

import os

import pytest

from tests.store.processes import run_as_nobody
from vmtool.errors import HostError
from vmtool.outside import host


def refused(path, *args):
    with pytest.raises(HostError) as e:
        host.read_file(str(path), *args)
    assert "\n" not in str(e.value)
    return str(e.value)


def test_whole_file_with_its_identity(tmp_path):
    path = tmp_path / "scene.dat"
    path.write_bytes(b"abc" * 3000)
    got = host.read_file(str(path))
    assert (got.data, got.size, got.path) == (b"abc" * 3000, 9000, os.path.realpath(path))
    assert got.inode == path.stat().st_ino


def test_only_the_bytes_asked_for_are_read(tmp_path):
    path = tmp_path / "scene.dat"
    path.write_bytes(b"0123456789")
    assert host.read_file(str(path), 4).data == b"0123"
    assert host.read_file(str(path), 4).size == 10
    assert host.read_file(str(path), 400).data == b"0123456789"
    assert host.read_file(str(path), 0).data == b""


def test_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    assert host.read_file(str(tmp_path / "empty"))[4:] == (0, b"")


@pytest.mark.skipif(not os.path.exists("/proc/meminfo"), reason="there is no /proc here")
def test_a_file_of_proc_says_it_has_no_bytes_and_is_read_all_the_same():
    assert os.stat("/proc/meminfo").st_size == 0
    assert host.read_file("/proc/meminfo").data.startswith(b"MemTotal:")
    assert host.read_file("/proc/meminfo", 8).data == b"MemTotal"


def test_errors_name_the_errno_and_the_path(tmp_path):
    assert refused(tmp_path / "no") == f"ENOENT (No such file or directory): {tmp_path}/no"
    assert refused(tmp_path) == f"EISDIR (Is a directory): {tmp_path}"
    assert refused("/dev/null").startswith("EINVAL (Invalid argument): /dev/null")
    os.mkfifo(tmp_path / "fifo")
    assert refused(tmp_path / "fifo").startswith("EINVAL ")
    (tmp_path / "loop").symlink_to("loop")
    assert refused(tmp_path / "loop").startswith("ELOOP ")


def test_unreadable_file(tmp_path):
    path = tmp_path / "secret"
    path.touch(0o000)
    assert run_as_nobody(str(path), lambda: refused(path)) == f"EACCES (Permission denied): {path}"


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge"
    path.touch()
    os.truncate(path, host.MAX_BYTES + 1)
    assert refused(path).startswith("EFBIG ")
    assert host.read_file(str(path), 16).data == bytes(16)
