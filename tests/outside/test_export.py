"""The exported /proc: the bytes of the tree, links as links, sparse where the space is empty, whole or not at all."""

import os

import pytest

from vmtool.errors import HostError
from vmtool.outside import export as module
from vmtool.outside.export import export
from vmtool.procfs.tree import Tree

core = pytest.importorskip("vmtool._core", reason="the kernel is not built here (make)", exc_type=ImportError)


@pytest.fixture
def tree():
    machine = core.Machine()
    machine.boot(ram_bytes=128 << 20)
    machine.spawn("a (b) c", None, [b"x"], [])
    return Tree(machine)


def test_files_are_what_the_tree_reads(tree, tmp_path):
    nr_files = export(tree, str(tmp_path / "proc"))
    found = [place for place in (tmp_path / "proc").rglob("*") if place.is_file() and not place.is_symlink()]
    assert len(found) == nr_files > 60
    for place in found:
        if place.name != "pagemap":
            assert place.read_bytes() == tree.read(str(place.relative_to(tmp_path / "proc")))
    assert os.readlink(tmp_path / "proc" / "self") == "1"
    assert os.readlink(tmp_path / "proc" / "1" / "exe") == tree.readlink("1/exe")
    assert sorted(os.listdir(tmp_path)) == ["proc"]


def test_a_pagemap_is_sparse_and_as_long_as_the_space(tree, tmp_path):
    export(tree, str(tmp_path / "proc"))
    place = tmp_path / "proc" / "1" / "pagemap"
    assert place.stat().st_size == tree.look("1/pagemap").entry.size(tree, 1)
    assert place.stat().st_blocks * 512 < 1 << 20
    with open(place, "rb") as file:
        for vma in tree.machine.maps(1)[:-1]:
            file.seek(vma.start >> 12 << 3)
            nr_bytes = (vma.end - vma.start) >> 12 << 3
            assert file.read(nr_bytes) == tree.machine.pagemap_bytes(1, vma.start, vma.end - vma.start)


def test_a_directory_with_something_in_it_is_left_alone(tree, tmp_path):
    (tmp_path / "keep").write_text("x")
    for place in (tmp_path, tmp_path / "keep"):
        with pytest.raises(HostError, match="is not an empty directory"):
            export(tree, str(place))
    assert os.listdir(tmp_path) == ["keep"]
    (tmp_path / "empty").mkdir()
    assert export(tree, str(tmp_path / "empty"))


def test_a_copy_that_fails_leaves_nothing(tree, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_pages", full)
    with pytest.raises(HostError, match="No space left"):
        export(tree, str(tmp_path / "proc"))
    assert os.listdir(tmp_path) == []
    with pytest.raises(HostError, match="No such file"):
        export(tree, str(tmp_path / "no" / "where"))
