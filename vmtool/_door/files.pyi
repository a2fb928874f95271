"""Files."""

from vmtool import records as r

class Files:
    def mkfile(self, path: str, size: int, data: bytes | None = None, dev: tuple[int, int] | None = None, inode: int = 0,
               tmpfs: bool = False) -> None:
        """inode 0: the next free one. EEXIST when the path is there. tmpfs, which /dev/shm is: shared memory with a name."""

    def read(self, pid: int, path: str, offset: int, length: int) -> bytes:
        """What read() returns: shorter at the end of the file."""

    def write(self, pid: int, path: str, offset: int, data: bytes) -> int: ...
    def truncate(self, path: str, size: int) -> None: ...
    def punch_hole(self, path: str, offset: int, length: int) -> None: ...
    def rmfile(self, path: str) -> None: ...
    def rename(self, path: str, to: str) -> None: ...
    def fincore(self, path: str) -> list[int]:
        """Indices of the pages in the page cache, ascending."""

    def fail_io(self, path: str, write: bool = False, times: int = 1) -> None:
        """The next `times` reads (or writes) of the file's disk blocks fail with EIO."""

    def files(self) -> list[r.FileInfo]:
        """By path."""

    def file(self, path: str) -> r.FileInfo: ...
    def drop_caches(self, what: int) -> None: ...
    def sync(self) -> None: ...
