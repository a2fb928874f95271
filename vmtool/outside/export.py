"""The simulated /proc as plain files of the host, for programs that take a directory in its place, and for keeping.

Files have the bytes that a read of the simulated file gives; links are links, what cannot be read is left out. pagemap, as long as
an address space, is a sparse file. The copy appears whole or not at all: it is made beside its place, and moved there.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile

from vmtool.errors import HostError, KernelError
from vmtool.procfs.tree import DIRECTORY, LINK, Tree

PIECE = 1 << 20
SPARSE_BLOCK = 4096


def export(tree: Tree, directory: str) -> int:
    """Write the tree into a directory that is not there, or is empty; the number of files. HostError."""
    place = os.path.abspath(directory)
    try:
        if os.path.lexists(place) and (not os.path.isdir(place) or os.listdir(place)):
            raise HostError(f"{directory}: is there and is not an empty directory")
        made = tempfile.mkdtemp(prefix=f".{os.path.basename(place)}.", dir=os.path.dirname(place))
    except OSError as error:
        raise HostError(f"{directory}: {error.strerror}") from None
    try:
        nr_files = _directory(tree, "/", made)
        os.chmod(made, 0o755)
        os.rename(made, place)
    except OSError as error:
        raise HostError(f"{error.filename or directory}: {error.strerror}") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return nr_files


def _directory(tree, path, place):
    nr_files = 0
    for name, kind in reversed(tree.list(path)):  # a tmpfs lists what came last first: so processes come in ascending order there
        here, there = f"{path.rstrip('/')}/{name}", os.path.join(place, name)
        if kind == DIRECTORY:
            os.mkdir(there)
            nr_files += _directory(tree, here, there)
        elif kind == LINK:
            os.symlink(os.fsencode(tree.readlink(here)), os.fsencode(there))
        else:
            nr_files += _file(tree, here, there)
    return nr_files


def _file(tree, path, place):
    node = tree.look(path)
    if hasattr(node.entry, "changes"):  # PID/mem: a file of bytes at addresses is no copy of it
        return 0
    try:
        if hasattr(node.entry, "pread"):
            _pages(tree, node, place)
        else:
            with open(place, "wb") as out:
                out.write(tree.read(path))
    except KernelError as failure:
        if failure.errno not in (errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENXIO):
            raise
        if os.path.lexists(place):
            os.unlink(place)
        return 0
    return 1


def _pages(tree, node, place):
    with open(place, "wb") as out:
        for start, length in node.entry.extents(tree, *node.pid):
            for offset in range(start, start + length, PIECE):
                data = node.entry.pread(tree, offset, min(PIECE, start + length - offset), *node.pid)
                _write_sparse(out, offset, data)
        out.truncate(node.entry.size(tree, *node.pid))


def _write_sparse(out, offset, data):
    zeros = bytes(SPARSE_BLOCK)
    for at in range(0, len(data), SPARSE_BLOCK):
        block = data[at:at + SPARSE_BLOCK]
        if block != zeros[:len(block)]:
            out.seek(offset + at)
            out.write(block)
