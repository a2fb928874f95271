"""Archives of others: members in any order, and whatever a hostile one can be."""

import bz2
import gzip
import io
import json
import lzma
import random
import stat
import struct
import tarfile
import zipfile

import pytest

from vmtool.errors import HostError
from vmtool.outside import archive, traces
from vmtool.strace import sidecar

LOG = b'7 execve("/bin/x", ["x"], 0x1 /* 1 var */) = 0\n7 +++ exited with 0 +++\n'


def tar(path, members, pack=None, tweak=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as made:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if isinstance(data, bytes):
                info.size = len(data)
                made.addfile(info, io.BytesIO(data))
            else:
                info.type, info.linkname = data
                made.addfile(info)
    data = out.getvalue()
    path.write_bytes(pack(data) if pack else data)
    return path


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members:
            made.writestr(name, data)
    return path


def read(path):
    """(the lines of all logs, the sidecar, the lines of the faults)."""
    trace = traces.open_trace(str(path))
    lines = [(part.tid, line) for part in trace.parts for line in traces.text_lines(part.stream, part.name)]
    return lines, trace.sidecar, list(traces.text_lines(trace.faults, "faults")) if trace.faults else []


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("pack", [None, gzip.compress, bz2.compress, lzma.compress], ids=["plain", "gzip", "bzip2", "xz"])
def test_the_sidecar_counts_wherever_it_stands(tmp_path, order, pack):
    members = [("strace.log", LOG), ("sidecar.json", b"{}"), ("faults.trace", b"7 enter 9\n")]
    random.Random(order).shuffle(members)
    expected = ([(0, line) for line in LOG.decode().splitlines(True)], "{}", ["7 enter 9\n"])
    assert read(tar(tmp_path / "x", [("d/" + name, data) for name, data in members], pack)) == expected
    assert read(zipped(tmp_path / "y", members)) == expected


def test_the_files_of_ff_in_archives(tmp_path):
    members = [("ff/out.12", b"12\n"), ("readme", b"x"), ("ff/out.7", b"7\n")]
    for path in (tar(tmp_path / "x", members), zipped(tmp_path / "y", members)):
        assert read(path)[0] == [(7, "7\n"), (12, "12\n")] and traces.open_trace(str(path)).is_split


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.BLKTYPE])
@pytest.mark.parametrize("name", ["strace.log", "sidecar.json", "faults.trace", "out.7"])
def test_a_member_that_is_no_plain_file_is_refused(tmp_path, kind, name):
    with pytest.raises(HostError, match=f"{name} is not a plain file"):
        read(tar(tmp_path / "x", [("a", b"x"), (name, (kind, "/etc/passwd")), ("strace.log", LOG)]))


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x", "w") as made:
        info = zipfile.ZipInfo("strace.log")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(info, "/etc/passwd")
    with pytest.raises(HostError, match="not a plain file"):
        read(tmp_path / "x")


def test_an_archive_cut_anywhere_is_one_error(tmp_path):
    members = [("sidecar.json", b'{"a": 1}' * 100), ("strace.log", LOG * 100)]
    for made, step in ((tar(tmp_path / "t", members), 97), (tar(tmp_path / "g", members, gzip.compress), 5),
                       (zipped(tmp_path / "z", members), 5)):
        data = made.read_bytes()
        whole = read(made)
        for end in range(0, len(data), step):
            made.write_bytes(data[:end])
            try:
                found = read(made)[0]
                assert found == whole[0] or end < 600  # only padding was lost, or no archive is left of it
            except HostError as refused:
                assert "\n" not in str(refused)


def test_an_archive_of_which_any_byte_is_wrong_is_one_error(tmp_path):
    draw = random.Random(3)
    for made in (tar(tmp_path / "t", [("sidecar.json", b"{}"), ("strace.log", LOG)]),
                 zipped(tmp_path / "z", [("sidecar.json", b"{}"), ("strace.log", LOG)]),
                 tar(tmp_path / "g", [("strace.log", LOG)], gzip.compress)):
        data = made.read_bytes()
        for _ in range(300):
            wrong = bytearray(data)
            for _ in range(draw.randint(1, 4)):
                wrong[draw.randrange(min(len(wrong), 1100))] = draw.randrange(256)
            made.write_bytes(wrong)
            try:
                read(made)
            except HostError as refused:
                assert "\n" not in str(refused)


def header(name, size, kind=b"0"):
    """A tar header that says what it likes."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = 0
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\x80" + size.to_bytes(11, "big") if size >= 8**11 else f"{size:011o}\0".encode()
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


@pytest.mark.parametrize("name", ["sidecar.json", "strace.log", "out.7", "faults.trace"])
@pytest.mark.parametrize("size", [1 << 20, 1 << 33, (1 << 62) - 1, 1 << 70, (1 << 87) - 1])
def test_sizes_that_cannot_be_are_one_error(tmp_path, name, size):
    (tmp_path / "x").write_bytes(header(name, size) + LOG.ljust(512, b"\0") + (header("strace.log", len(LOG)) + LOG.ljust(512, b"\0")
                                                                             if name != "strace.log" else b""))
    with pytest.raises(HostError) as refused:
        read(tmp_path / "x")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_header_larger_than_the_memory_is_not_read(tmp_path, kind):
    (tmp_path / "x").write_bytes(header("strace.log", 1 << 40, kind) + bytes(1024))
    with pytest.raises(HostError):
        read(tmp_path / "x")


def test_a_bomb_in_a_zip_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_SIDECAR", 1 << 16)
    with pytest.raises(HostError, match=r"sidecar\.json has more than 65536 bytes"):
        read(zipped(tmp_path / "x", [("sidecar.json", bytes(1 << 20)), ("strace.log", LOG)]))
    data = bytearray(zipped(tmp_path / "y", [("sidecar.json", bytes(1 << 20)), ("strace.log", LOG)]).read_bytes())
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(b"PK\x01\x02"))
    data[at + 24 : at + 28] = struct.pack("<I", 100)  # the directory lies about the size
    (tmp_path / "y").write_bytes(data)
    with pytest.raises(HostError):
        read(tmp_path / "y")


def test_an_encrypted_zip_is_one_error(tmp_path):
    data = bytearray(zipped(tmp_path / "x", [("strace.log", LOG)]).read_bytes())
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(HostError, match="not a sound archive"):
        read(tmp_path / "x")


def test_a_fifo_among_the_files_of_a_directory_is_not_waited_for(tmp_path):
    import os

    os.mkfifo(tmp_path / "out.9")
    (tmp_path / "out.7").write_text("7\n")
    assert read(tmp_path)[0] == [(7, "7\n")]


@pytest.mark.parametrize("text", [
    "", "[]", "7", "null", '"x"', "{", "[" * 100_000, '{"files": []}', '{"files": {"/x": 7}}',
    '{"files": {"/x": {"dev": "zz:1", "inode": 1}}}',
    '{"files": {"/x": {"dev": "0:1", "inode": -1}}}', '{"files": {"/x": {"dev": "0:1", "inode": 1, "elf": {}}}}',
    '{"files": {"/x": {"dev": "0:1", "inode": 1, "elf": {"class": 64, "type": "DYN", "entry": "0x1", "phdrs": [{"type": "LOAD"}]}}}}',
    '{"files": {"/x": {"dev": "0:1", "inode": 1e400}}}', '{"paths": {"/x": 7}}', '{"paths": []}', '{"scripts": {"/x": {}}}',
    '{"execs": {"7": [7]}}', '{"execs": {"7": {}}}', '{"execs": {"7": [{"arg_bytes": "x"}]}}', '{"execs": {"7": [{"personality": "zz"}]}}',
    '{"execs": {"7": [{"rlimit_stack": []}]}}', '{"root": "x"}', '{"root": 99999999999999999999999}', '{"cwd": 7}',
    '{"execs": {"7": [null]}}'])
def test_a_sidecar_that_is_none_is_one_error(text):
    with pytest.raises(HostError, match="^sidecar: "):
        sidecar.load(text, None)


def test_a_sidecar_may_leave_out_what_it_does_not_know():
    data = {"files": {"/x": {"dev": "fe:00", "inode": 7, "size": None, "mode": "0o644", "elf": None}}, "paths": {"/y": None}, "more": [1]}
    assert sidecar.load(json.dumps(data), None).file("/x", False).inode == 7
