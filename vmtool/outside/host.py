"""Host files: opened here and nowhere else, read whole, and described as /proc/PID/maps would.

What is modelled: nothing; this is the door to the real file system. `read_file` gives a file's
bytes (for `mkfile --from` and for ELF images) with the device, inode and path that a mapping of
it shows. The kernel prints the device of the superblock there (Linux v6.12
fs/proc/task_mmu.c:show_map_vma()), which stat() hides on some file systems (btrfs subvolumes, overlays), so a
mapping is made and asked where /proc has one; elsewhere stat() answers.

Simplified: a file that changes while it is read gives whatever the reads returned.
"""

import errno
import io
import os
import stat
from typing import NamedTuple, NoReturn

from vmtool.errors import HostError

MAX_BYTES = 1 << 30
"""No host file is read beyond this: the largest programs are a fifth of it."""

_tells_truth: dict[int, bool] = {}  # by st_dev: whether stat() names the files of a mounted file system as maps does


class HostFile(NamedTuple):
    """A host file's contents and identity. `path` is absolute, without links, as maps prints it."""

    path: str
    dev_major: int
    dev_minor: int
    inode: int
    size: int  # the whole file's, also when fewer bytes were asked for (of a file of /proc only what was read is known)
    data: bytes


def stat_tells(device: int) -> bool:
    """Whether stat() is known to name the files of a device as maps does."""
    return _tells_truth.get(device, False)


def fail(number: int, path: str, detail: str = "") -> NoReturn:
    """Raise the one-line HostError for an errno: `ENOENT (No such file or directory): PATH[: DETAIL]`."""
    # a path with a newline must not break the promise of one line
    text = f"{errno.errorcode.get(number, number)} ({os.strerror(number)}): {path!s}".replace("\n", "\\012")
    raise HostError(f"{text}: {detail}" if detail else text)


def read_file(path: str, nr_bytes: int | None = None) -> HostFile:
    """The first `nr_bytes` bytes of a regular host file, all of it by default.

    HostError: ENOENT, EACCES, ENOTDIR, ELOOP, … as open() gives them; EISDIR for a directory, EINVAL for
    a device, FIFO or socket (their contents have no end), EFBIG above MAX_BYTES.
    """
    try:
        opened = open_regular(path)
    except OSError as e:
        fail(e.errno or errno.EIO, path)
    try:
        fd = opened.fileno()
        st = os.fstat(fd)
        wanted = st.st_size if nr_bytes is None else min(nr_bytes, st.st_size)
        if wanted > MAX_BYTES:
            fail(errno.EFBIG, path, f"{wanted} bytes, at most {MAX_BYTES} are read")
        data = _read_all(fd, wanted) if st.st_size else _read_unsized(fd, MAX_BYTES if nr_bytes is None else nr_bytes)
        real = os.path.realpath(path)
        major, minor, inode = _identity(fd, real, st)
        return HostFile(real, major, minor, inode, st.st_size or len(data), data)
    except OSError as e:
        fail(e.errno or errno.EIO, path)
    finally:
        opened.close()


def open_regular(path: str) -> io.FileIO:
    """A regular file, open to be read. OSError as open() gives it; HostError for anything whose contents have no end, and for a NUL."""
    try:
        # O_NONBLOCK: opening a FIFO without a writer would wait for ever
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError:
        fail(errno.ENOENT, path.replace("\0", "\\000"))
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        if stat.S_ISDIR(mode):
            fail(errno.EISDIR, path)
        fail(errno.EINVAL, path, "not a regular file")
    return io.FileIO(fd, "rb")


def _read_all(fd: int, nr_bytes: int) -> bytes:
    """Up to nr_bytes from the start; fewer when the file shrank meanwhile."""
    with open(fd, "rb", closefd=False) as f:
        return f.read(nr_bytes)


def _read_unsized(fd: int, nr_bytes: int) -> bytes:
    """The same of a file that says it has no bytes: it is empty, or one of /proc, made as it is read."""
    parts = []
    with open(fd, "rb", closefd=False) as f:
        while nr_bytes > 0 and (part := f.read(min(nr_bytes, 1 << 16))):
            parts.append(part)
            nr_bytes -= len(part)
    return b"".join(parts)


def _identity(fd: int, real: str, st: os.stat_result) -> tuple[int, int, int]:
    """(major, minor, inode) as a mapping of the file shows them."""
    told = os.major(st.st_dev), os.minor(st.st_dev), st.st_ino
    if st.st_size == 0 or _tells_truth.get(st.st_dev):
        return told
    import mmap

    try:
        with mmap.mmap(fd, 1, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE), open("/proc/self/maps", "rb") as maps:
            name = os.fsencode(real.replace("\n", "\\012"))
            for line in maps:
                words = line.rstrip(b"\n").split(None, 5)
                if len(words) == 6 and words[5] == name:
                    major, _, minor = words[3].partition(b":")
                    shown = int(major, 16), int(minor, 16), int(words[4])
                    _tells_truth[st.st_dev] = shown == told
                    return shown
    except (OSError, ValueError):  # no /proc, or a file system without mmap
        pass
    return told
