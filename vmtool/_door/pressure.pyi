"""Memory pressure."""

from typing import Any

class Pressure:
    def swapon(self, nr_bytes: int, priority: int | None = None, rotational: bool = False, file: bool = False) -> str:
        """Switch an area on; its path. KernelError(EINVAL): too small or too large; EPERM: no more areas."""

    def swapoff(self, path: str | None = None) -> None:
        """Switch one off, or all. KernelError(ENOMEM): what is in it does not fit into memory; it stays on."""

    def swaps(self) -> list[tuple[str, int, int, int, bool]]:
        """The areas: path, size and used in kB, priority, whether it is a partition."""

    def reclaim(self, nr_pages: int, group: str | None = None) -> int:
        """Reclaim from a group or the machine; pages reclaimed. KernelError(EAGAIN): fewer than asked for."""

    def sleep(self, microseconds: int) -> None:
        """Let the logical clock pass, and the flusher do what is due."""

    def lru_lists(self) -> list[tuple[str, list[list[tuple[int, int]]]]]:
        """Of each group: its path, and its lists (inactive anon, active anon, inactive file, active file).

        A list has (pfn, pages) of each folio, the one that reclaim looks at first in front.
        """

    def kmsg(self) -> list[tuple[int, str]]:
        """The kernel's log: microseconds since boot, and the line."""

    def cgroup_create(self, name: str) -> None:
        """KernelError(EEXIST, ENOENT for a parent, EINVAL, ENOMEM)."""

    def cgroup_remove(self, name: str) -> None:
        """KernelError(EBUSY): it has processes or groups below it."""

    def cgroup_move(self, name: str, pid: int) -> None: ...
    def cgroup_set(self, name: str, file: str, value: int | None) -> None:
        """A limit in bytes (None: max), or memory.oom.group; memory.reclaim reclaims that many bytes."""

    def cgroup(self, name: str) -> dict[str, Any]:
        """What its files say: bytes (None: max), or a table."""

    def cgroups(self) -> list[str]:
        """Paths of all groups, parents first."""
