"""For the outside world: open files by number, areas as they are."""

from collections.abc import Iterable
from typing import Any

from vmtool import records as r

class Outside:
    def open_file(self, path: str) -> int:
        """struct file of a file that is there: the mappings of one open merge, those of two do not."""

    def open_new(self, path: str, size: int, dev: tuple[int, int] = (8, 1), inode: int = 0, kind: str = "disk",
                 unlinked: bool = False) -> int:
        """A new file, open. kind: disk, plain (no huge pages: proc, tmpfs, devices), shmem (memfd, SysV: has no link).

        unlinked: maps shows `(deleted)`.
        """

    def open_again(self, file: int) -> int:
        """Another open of the same file, with or without a name."""

    def close_file(self, file: int) -> None: ...
    def unlink_file(self, file: int) -> None: ...
    def rename_file(self, file: int, path: str) -> None: ...
    def truncate_file(self, file: int, size: int) -> None: ...
    def punch_file(self, file: int, offset: int, length: int) -> None: ...
    def identify_file(self, file: int, dev: tuple[int, int], inode: int) -> None:
        """The device and inode number of an open file, when they become known after it was mapped."""

    def lift_limit(self, pid: int, resource: int) -> None:
        """No soft and no hard limit, as CAP_SYS_RESOURCE may set them."""

    def prepare_anon(self, pid: int, addr: int, length: int) -> None:
        """Private writable areas of the range get the anon_vma that a first write would give them, but no page."""

    def like_borders(self, pid: int) -> list[tuple[int, int, str]]:
        """(start, end, name) of anonymous writable neighbours of one name and set of permissions: other writes might have made them one."""

    def adopt(self, name: str, areas: Iterable[r.Vma], *, marks: dict[str, Any] | None = None, flags: Iterable[str] = (),
              sizes: dict[tuple[int, int, int], int] | None = None, files: dict[tuple[int, int, int, str], int] | None = None, pid: int = 0,
              parent: int = 0, task_size: int = 0) -> int:
        """A process with exactly these areas, nothing merged, named as they are, nothing refused that another kernel granted.

        `marks`: fields of mm_struct, and `exe`. `flags`: of SPACE_FLAGS in _adopt.pyx. `sizes`: of files by (major, minor, inode).
        `files`: open files by identity and name, filled here, for processes that come together; the caller closes them.
        """

    def adopt_pages(self, pid: int, addr: int, nr: int, what: str, dirty: bool = False, young: bool = True) -> int:
        """Pages of one area: `anon`, `file`, `zero`, `huge`. Returns how many were mapped; those that cannot be there are left out."""

    def adopt_shared(self, pid: int, addr: int, nr: int, other: int, other_addr: int, parent: int = 0, dirty: bool = False,
                     young: bool = True) -> int:
        """Anonymous pages of another process, as after a fork. Returns how many, from the first on, the two can have in common."""

    def adopt_inherited(self, pid: int, addr: int, nr: int, what: str, other: int, parent: int = 0, dirty: bool = False,
                        young: bool = True) -> int:
        """adopt_pages() of what came from `other`, which has it no more, and what others that came from it share."""

    def adopt_bytes(self, pid: int, addr: int, data: bytes) -> int:
        """Into anonymous pages that are there. Returns how many bytes, from the first on."""

    def adopt_facts(self, pid: int, *, min_flt: int = 0, maj_flt: int = 0, ended_min_flt: int = 0, ended_maj_flt: int = 0,
                    oom_score_adj: int = 0, limits: Iterable[tuple[int, tuple[int, int]]] = (), hiwater_vm: int = 0,
                    hiwater_rss: int = 0) -> None:
        """What the task was; limits by RLIMIT_ number. `ended_…`: faults of threads that are gone."""

    def adopt_threads(self, pid: int, threads: Iterable[tuple[int, str, int, int]]) -> None:
        """More threads of a process: TID (0, or one that is taken: the next free), comm, minor and major faults of their own."""
