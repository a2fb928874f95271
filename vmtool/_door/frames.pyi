"""Looking at frames (this changes nothing)."""

from collections.abc import Iterable, Sequence

from vmtool import records as r

class LooksAtFrames:
    def frames(self, pfns: Iterable[int]) -> list[r.Frame]:
        """KernelError(EINVAL) for a pfn beyond the machine's memory."""

    def dump(self, pid: int, addr: int, length: int) -> bytes:
        """The bytes of a range within one area as a core dump takes them: nothing is brought in. KernelError(EFAULT): any other range."""

    def mapped_by(self, pfn: int) -> list[tuple[int, int, int, r.Vma]]:
        """PID, address, bytes of the page, and area of every entry that maps the frame, in that order. KernelError(EINVAL) as frames()."""

    def roots(self) -> list[tuple[int, int, int | None]]:
        """PID, CR3 or TTBR0, and TTBR1 or None, of each process that has an address space."""

    def kernel_map(self, borders: Sequence[int], root: str | None = None) -> list[tuple[int, int, str, int, tuple[str, ...]]]:
        """Runs of like entries in the kernel's half: (first address, last, level, entry without its frame, flags); 0, (): nothing there.

        `borders`: ascending addresses at which a run ends, whatever follows. root `user`: what user mode's tables have of it, with KPTI.
        """

    def held(self, pfn: int, tables_only: bool = False) -> tuple[int, bytes] | None:
        """The first frame from `pfn` on that holds anything but zeros, and its bytes; None when there is none."""

    def frames_summary(self) -> list[tuple[str, int]]:
        """(kind, nr_pages), adding up to all frames; kinds as in Frame.kind."""

    def content_frames(self, contents: Iterable[int]) -> list[int]:
        """The frames that have these records of the pool `content` for their bytes, ascending."""

    def frame_contents(self, pfns: Iterable[int]) -> list[int]:
        """The record of each frame's bytes; 0: zeros, or a file's block."""

    def kpage(self, file: str, pfn: int, nr: int) -> bytes:
        """`nr` entries of /proc/kpageflags, kpagecount or kpagecgroup from a frame on; fewer at the end of memory."""

    def frame_kinds(self, pfn: int, nr: int) -> bytes:
        """A byte a frame: the index of its kind in `frames_summary()`; fewer than `nr` at the end of memory."""

    def reserved(self) -> list[tuple[int, int, str]]:
        """What boot kept: (first frame, number of frames, what: hole, low, kernel code, …)."""

    def max_pfn(self) -> int: ...
