"""What a replay needs of the Machine beyond one system call at a time, on top of its interface.

What is modelled: files by handle. A log maps files that were unlinked or replaced after they were opened, and a machine
knows files by path. A handle here is a file's identity; before it is used, the machine is given a file of that identity at its path, and one
that has no name any more loses it again after the call, so that maps prints `(deleted)` as the kernel does.
Simplified: what a write does to an area is done to its first page.
Invariant: a path of the machine names the file that the log's last open of it would find.
"""

from typing import Any

from vmtool.errors import KernelError, Signal
from vmtool.records import ExecLayout, Image

FIRST_PAGE = 1
MAP_SHARED = 1
VM_WRITE, VM_SHARED, VM_MAYSHARE = 2, 8, 0x80
SHMEM_DEV = (0, 1)
MADE_UP_INODES = 1 << 40


class _File:
    """One identity."""

    __slots__ = ("path", "size", "dev", "inode", "kind", "is_unlinked")

    def __init__(self, path: str, size: int, dev: tuple[int, int], inode: int, kind: str, is_unlinked: bool) -> None:
        self.path, self.size, self.dev, self.inode, self.kind, self.is_unlinked = path, size, dev, inode, kind, is_unlinked


class Door:
    """A Machine with files by handle; what is not defined here goes to the machine itself."""

    def __init__(self, machine: Any) -> None:
        self.machine = machine
        self._files: dict[int, _File] = {}
        self._present: dict[str, int] = {}  # path -> handle of the file that the machine has there by us

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.machine, name)
        setattr(self, name, method)  # found at once from now on
        return method

    # --- programs --------------------------------------------------------------------------------

    def spawn(self, name: str, image: Image | None, argv: list[bytes], env: list[bytes], layout: ExecLayout | None = None) -> int:
        self._forget(image)
        pid: int = self.machine.spawn(name, image, argv, env, layout=_given(layout))
        return pid

    def exec(self, pid: int, name: str, image: Image | None, argv: list[bytes], env: list[bytes], layout: ExecLayout | None = None) -> None:
        self._forget(image)
        self.machine.exec(pid, name, image, argv, env, layout=_given(layout))

    def _forget(self, image: Image | None) -> None:
        """execve brings its own files: what stood at their paths is looked at again before its next use."""
        while image is not None:
            self._present.pop(image.path, None)
            image = image.interp

    # --- memory ------------------------------------------------------------------------------------

    def mmap(self, pid: int, addr: int, length: int, prot: int, flags: int, path: int | None = None, offset: int = 0,
             file_mode: str = "rw") -> int:
        if path is None:
            got: int = self.machine.mmap(pid, addr, length, prot, flags)
            return got
        file = self._files[path]
        name = self._name(path)
        got = self.machine.mmap(pid, addr, length, prot, flags, name, offset, read_only=file_mode == "r")
        self._after(path)
        return got

    def prepare_anon(self, pid: int, addr: int, length: int) -> None:
        """The private writable areas of a range count as written."""
        if length <= 1 << 40:
            self._write(pid, addr)
            return
        for vma in self.machine.maps(pid):
            if vma.flags & VM_WRITE and not vma.flags & VM_MAYSHARE:
                self._write(pid, vma.start)

    def _write(self, pid: int, addr: int) -> None:
        try:
            self.machine.touch(pid, addr, FIRST_PAGE, "w", True)
        except (Signal, KernelError):
            return  # not writable just now, or beyond the file's end

    # --- files -----------------------------------------------------------------------------------------

    def mkfile(self, path: str, size: int, data: None, dev: tuple[int, int], inode: int, kind: str = "disk", unlinked: bool = False) -> int:
        handle = len(self._files) + 1
        self._files[handle] = _File(path, size, dev, inode, kind, unlinked)
        return handle

    def _name(self, handle: int) -> str:
        """The path under which the machine has this very file."""
        file = self._files[handle]
        if self._present.get(file.path) == handle:
            return file.path
        try:
            there = self.machine.file(file.path)
            same = (there.dev_major, there.dev_minor) == file.dev and (there.inode == file.inode or not file.inode)
            if not same:
                self.machine.rmfile(file.path)
        except KernelError:
            same = False
        if not same:
            self.machine.mkfile(file.path, file.size, None, file.dev, file.inode)
        self._present[file.path] = handle
        return file.path

    def _after(self, handle: int) -> None:
        file = self._files[handle]
        if file.is_unlinked:
            self._drop(file)

    def _drop(self, file: _File) -> None:
        self._present.pop(file.path, None)
        try:
            self.machine.rmfile(file.path)
        except KernelError:
            pass

    def rmfile(self, handle: int) -> None:
        file = self._files[handle]
        file.is_unlinked = True
        if self._present.get(file.path) == handle:
            self._drop(file)

    def rename(self, handle: int, path: str) -> None:
        file = self._files[handle]
        if self._present.get(file.path) == handle:
            del self._present[file.path]
            try:
                self.machine.rename(file.path, path)
                self._present[path] = handle
            except KernelError:
                pass
        file.path = path

    def truncate(self, handle: int, size: int) -> None:
        file = self._files[handle]
        file.size = size
        if self._present.get(file.path) == handle:
            self.machine.truncate(file.path, size)

    def punch_hole(self, handle: int, offset: int, length: int) -> None:
        file = self._files[handle]
        if self._present.get(file.path) == handle:
            self.machine.punch_hole(file.path, offset, length)

    def file_io(self, pid: int, handle: int, offset: int, nr_bytes: int, is_write: bool) -> None:
        file = self._files[handle]
        if file.is_unlinked:
            return
        name = self._name(handle)
        if is_write:
            self.machine.write(pid, name, offset, bytes(nr_bytes))
        else:
            self.machine.read(pid, name, offset, nr_bytes)


def _given(layout: ExecLayout | None) -> dict[str, int]:
    """What is known of a layout, by name."""
    if layout is None:
        return {}
    return {name: value for name, value in layout._asdict().items() if value is not None and name not in ("personality", "stack_vma_start")}
