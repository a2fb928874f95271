"""The simulated /proc, live: served over FUSE until it is unmounted, or this process gets SIGINT, SIGTERM or SIGHUP.

Each request is a reader of its own: it sees the last commit of the state file, copies what it shows, and keeps no transaction open while
it waits. A file's text is made when it is opened, as in Linux; a read gives all there is up to the size asked for (direct_io: the sizes
say 0). A write is a writer, with a commit of its own. A reader whose own PID is none of the machine's finds it all the same: as an alias of
`self`, which no directory lists; ps and psutil look for themselves.

Failures are errnos: EIO where the state file is gone or unusable, else what the tree says. A killed server's mount goes by auto_unmount,
where fusermount3 is there to do it.
"""

from __future__ import annotations

import errno
import os
import stat

from vmtool.errors import HostError, KernelError, VmtoolError
from vmtool.procfs.tree import DIRECTORY, FILE, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NOBODY = 65534
ENDED_BY_SIGNAL = 8
"""What fuse_main() gives for a loop that a signal ended; it has unmounted then."""
KIND_BITS = {DIRECTORY: stat.S_IFDIR | 0o555, FILE: stat.S_IFREG}


def mount(directory: str, open_session: Callable[[bool], Any], own: int = 0) -> None:
    """Serve until the end. `open_session(write)` opens the state file; `self` leads to `own`. HostError, ModuleNotFoundError."""
    place = os.path.abspath(directory)
    try:
        if os.listdir(place):
            raise HostError(f"{directory}: is not empty")
    except OSError as error:
        raise HostError(f"{directory}: {error.strerror}") from None
    try:
        import mfusepy
    except OSError as error:  # the binding is there, libfuse is not
        raise HostError(f"mount needs libfuse: {error}") from None

    requests = Requests(open_session, mfusepy.fuse_get_context, own)
    requests.tree()  # a state file that cannot be opened is said before anything is mounted
    requests.rest()
    try:
        mfusepy.FUSE(_operations(mfusepy, requests), place, foreground=True, nothreads=True, direct_io=True, attr_timeout=0,
                     entry_timeout=0, negative_timeout=0, auto_unmount=True, fsname="vmtool", subtype="proc")  # fmt: skip
    except RuntimeError as error:
        if error.args[:1] != (ENDED_BY_SIGNAL,):
            raise HostError(f"{directory}: libfuse gave up with status {error}") from None
    finally:
        requests.close()


class Requests:
    """What the kernel asks, without FUSE in it."""

    def __init__(self, open_session: Callable[[bool], Any], context: Callable[[], tuple[int, int, int]], own: int = 0) -> None:
        self.open_session = open_session
        self.context = context
        self.own = own
        self.session: Any = None
        self.stamp: tuple[int, int] | None = None
        self.texts: dict[int, bytes] = {}
        self.next_handle = 1

    def tree(self) -> Tree:
        """The tree of the last commit, within a read transaction that rest() ends."""
        if self.session is not None and self._stamp() != self.stamp:
            self.close()
        if self.session is None:
            self.session = self.open_session(False)
            self.stamp = self._stamp()
        else:
            self.session.pause()
            self.session.renew()
        return Tree(self.session.machine, self.own)

    def _stamp(self) -> tuple[int, int]:
        """Which file it is: another one may have taken its place, or none."""
        found = os.stat(self.session.path)
        return found.st_dev, found.st_ino

    def rest(self) -> None:
        if self.session is not None:
            self.session.pause()

    def close(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            session.close()

    def path(self, tree: Tree, path: str) -> str:
        """Where a path leads: the reader's own PID is an alias of `self`."""
        name, slash, rest = path.strip("/").partition("/")
        if not name.isdigit() or not name.isascii():
            return path
        caller = self.context()[2]
        if name not in (str(caller), _tgid(caller)) or any(str(task.pid) == name for task in tree.machine.tasks()):
            return path
        return f"/{tree.self_process()}{slash}{rest}"

    def getattr(self, path: str) -> dict[str, int]:
        tree = self.tree()
        node = tree.look(self.path(tree, path), follow=False)
        mode = KIND_BITS.get(node.kind, stat.S_IFLNK | 0o777)
        size = 0
        if node.entry is not None:
            mode |= node.entry.mode
            size = node.entry.size(tree, *node.pid) if hasattr(node.entry, "size") else 0
        return {"st_mode": mode, "st_nlink": 2 if node.kind == DIRECTORY else 1, "st_size": size or len(node.target), "st_uid": NOBODY,
                "st_gid": NOBODY}  # fmt: skip

    def readdir(self, path: str) -> list[str]:
        tree = self.tree()
        return [".", "..", *[name for name, _ in tree.list(self.path(tree, path))]]

    def readlink(self, path: str) -> str:
        tree = self.tree()
        return tree.readlink(self.path(tree, path))

    def open(self, path: str, flags: int) -> int:
        """A handle: of the text, made now; 0 for what is read in pieces, or written."""
        tree = self.tree()
        node = tree.look(self.path(tree, path))
        if node.entry is None:
            raise KernelError(errno.EISDIR, path)
        is_written = flags & os.O_ACCMODE != os.O_RDONLY
        if is_written and node.entry.write is None:
            raise KernelError(errno.EACCES, path)
        if is_written or hasattr(node.entry, "pread"):
            return 0
        handle = self.next_handle
        self.next_handle += 1
        self.texts[handle] = tree.read(self.path(tree, path))
        return handle

    def read(self, path: str, size: int, offset: int, handle: int) -> bytes:
        if handle:
            return self.texts[handle][offset:offset + size]
        tree = self.tree()
        node = tree.look(self.path(tree, path))
        if node.entry is None or not hasattr(node.entry, "pread"):
            return tree.read(self.path(tree, path))[offset:offset + size]
        if not hasattr(node.entry, "changes"):
            return node.entry.pread(tree, offset, size // 8 * 8 or size, *node.pid)
        try:
            return node.entry.pread(tree, offset, size, *node.pid)
        finally:
            self.close()  # what was faulted in for it is not kept

    def release(self, handle: int) -> None:
        self.texts.pop(handle, None)

    def write(self, path: str, data: bytes, offset: int = 0) -> int:
        tree = self.tree()
        where = self.path(tree, path)
        self.rest()
        with self.open_session(True) as session:
            session.machine.tick()
            done = Tree(session.machine).write(where, data, *([offset] if where.endswith("/mem") else []))
            session.commit()
        return len(data) if done is None else done


def _tgid(thread: int) -> str:
    """The process of a thread of the host."""
    try:
        with open(f"/proc/{thread}/status") as file:
            return next((line.split()[1] for line in file if line.startswith("Tgid:")), "")
    except OSError:
        return ""


def _operations(mfusepy: Any, requests: Requests) -> Any:
    """The door of the binding: a failure of ours as an errno, and no transaction left open."""
    def answered(ask, *arguments):
        try:
            return ask(*arguments)
        except KernelError as failure:
            raise mfusepy.FuseOSError(failure.errno) from None
        except (VmtoolError, OSError):
            requests.close()
            raise mfusepy.FuseOSError(errno.EIO) from None
        finally:
            requests.rest()

    class Operations(mfusepy.Operations):
        use_ns = True

        def getattr(self, path, fh=None):
            return answered(requests.getattr, path)

        def readdir(self, path, fh):
            return answered(requests.readdir, path)

        def readlink(self, path):
            return answered(requests.readlink, path)

        def open(self, path, flags):
            return answered(requests.open, path, flags)

        def read(self, path, size, offset, fh):
            return answered(requests.read, path, size, offset, fh)

        def release(self, path, fh):
            requests.release(fh)
            return 0

        def write(self, path, data, offset, fh):
            return answered(requests.write, path, data, offset)

        def truncate(self, path, length, fh=None):
            return 0  # `echo 1 >clear_refs` opens with O_TRUNC

    return Operations()
