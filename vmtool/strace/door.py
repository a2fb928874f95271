"""What a replay needs of the Machine, on top of its interface: programs with a layout, open files by number.

What is modelled: struct file and its inode, as far as maps shows them. A log maps files that were unlinked, replaced or renamed after they
were opened; so every description that is mapped is an open file of the machine, and closed when the log's last descriptor of it is.
Simplified: a mapped file stays open on the machine until the replay ends.
Invariant: a path of the machine names the file that the log's last open of it would find; after `close_all` no open file is left.
"""

import errno
from typing import Any

from vmtool.errors import KernelError
from vmtool.images import ExecLayout, Image
from vmtool.strace.fds import File, Open

KINDS = {"disk": "disk", "shmem": "shmem"}  # every other kind is mapped as a plain file


class Door:
    """A Machine as a replay sees it; what is not defined here goes to the machine itself."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine
        self._files: dict[int, File] = {}  # by the number of their first open
        self._closed: list[int] = []  # opens that the log has given up

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.machine, name)
        setattr(self, name, method)  # found at once from now on
        return method

    # --- programs --------------------------------------------------------------------------------

    def spawn(self, name: str, image: Image | None, argv: list[bytes], env: list[bytes], layout: ExecLayout | None = None,
              pid: int = 0) -> int:
        """A process under the log's number where the machine has that free."""
        got: int = self.machine.spawn(name, image, argv, env, layout=_given(layout), pid=self._free(pid))
        return got

    def fork(self, parent: int, pid: int) -> int:
        got: int = self.machine.fork(parent, child=self._free(pid))
        return got

    def _free(self, pid: int) -> int:
        """The number itself, or 0 (any) when a process of the machine has it."""
        try:
            self.machine.task(pid)
        except KernelError:
            return pid
        return 0

    def exec(self, pid: int, name: str, image: Image | None, argv: list[bytes], env: list[bytes], layout: ExecLayout | None = None) -> None:
        self.machine.exec(pid, name, image, argv, env, layout=_given(layout))

    # --- files -----------------------------------------------------------------------------------------

    def mmap(self, pid: int, addr: int, length: int, prot: int, flags: int, opened: Open | None = None, offset: int = 0) -> int:
        """mmap of an open file, or of anonymous memory."""
        if opened is None or opened.file is None:
            got: int = self.machine.mmap(pid, addr, length, prot, flags)
            return got
        if opened.mode == "w":
            raise KernelError(errno.EACCES)
        got = self.machine.mmap(pid, addr, length, prot, flags, self.number(opened), offset, read_only=opened.mode == "r")
        return got

    def number(self, opened: Open) -> int:
        """The machine's open file of a description; made when it is first mapped."""
        if opened.number:
            return opened.number
        while self._closed:
            self.machine.close_file(self._closed.pop())
        file = opened.file
        assert file is not None
        if file.handle is None:
            file.handle = self._first_open(file)
            self._files[file.handle] = file
        opened.number = self.machine.open_again(file.handle)
        opened.closed = self._closed
        Open.living.add(opened)
        return opened.number

    def _first_open(self, file: File) -> int:
        kind = KINDS.get(file.kind, "plain")
        if not file.is_deleted and kind != "shmem":
            number = self._present(file)
            if number:
                return number
        opened: int = self.machine.open_new(file.path, file.size, file.dev, file.inode, kind, file.is_deleted)
        return opened

    def _present(self, file: File) -> int:
        """The file that the machine has at this path, when it is this one; another one loses the path."""
        try:
            there = self.machine.file(file.path)
        except KernelError:
            return 0
        number: int = self.machine.open_file(file.path)
        if not file.inode or (there.dev_major, there.dev_minor, there.inode) == (*file.dev, file.inode):
            return number
        self.machine.unlink_file(number)
        self.machine.close_file(number)
        return 0

    def unlink(self, file: File) -> None:
        if file.handle is not None:
            self.machine.unlink_file(file.handle)

    def rename(self, file: File) -> None:
        """The machine's file gets the name that the log's has now."""
        if file.handle is not None:
            self.machine.rename_file(file.handle, file.path)

    def identify(self, file: File) -> None:
        """The machine's file gets the device and inode that are known now."""
        if file.handle is not None:
            self.machine.identify_file(file.handle, file.dev, file.inode)

    def truncate(self, file: File, size: int) -> None:
        if file.handle is not None:
            self.machine.truncate_file(file.handle, size)

    def punch_hole(self, file: File, offset: int, length: int) -> None:
        if file.handle is not None:
            self.machine.punch_file(file.handle, offset, length)

    def file_io(self, pid: int, file: File, offset: int, nr_bytes: int, is_write: bool) -> None:
        """read or write of a file that has a name: its pages come into the cache."""
        if file.is_deleted or KINDS.get(file.kind) == "shmem":
            return
        if file.handle is None:
            file.handle = self._first_open(file)
            self._files[file.handle] = file
        if is_write:
            self.machine.write(pid, file.path, offset, bytes(nr_bytes))
        else:
            self.machine.read(pid, file.path, offset, nr_bytes)

    def close_all(self) -> None:
        """The replay is over: what is mapped stays, what is only open goes."""
        for opened in list(Open.living):
            if opened.closed is self._closed and opened.number:
                self._closed.append(opened.number)
                opened.number = 0
        for number in (*self._closed, *self._files):
            self.machine.close_file(number)
        for file in self._files.values():
            file.handle = None
        self._closed.clear()
        self._files.clear()


def _given(layout: ExecLayout | None) -> dict[str, int]:
    """What is known of a layout, by name."""
    if layout is None:
        return {}
    return {name: value for name, value in layout._asdict().items() if value is not None and name != "stack_vma_start"}
