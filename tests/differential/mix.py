"""The mix of calls and the lengths of the scripts, beside those of the recordings that the project is measured by.

RECORDED: for each sub-category the lengths (least, mean, most) and the calls of a mean script that are not dumps.
"""

from collections import Counter, defaultdict

from tests.differential.writer import Writer

RECORDED = {
    "exec/static": (10, 10.0, 10, "smaps:3.0 pagemap:2.0 cat-maps:1.0 status:1.0 statm:1.0 touch:1.0"),
    "exec/static-touch": (28, 28.0, 28, "touch:11.0 status:11.0 load:3.0 cat-maps:1.0 smaps:1.0"),
    "exec/two-instances": (17, 17.0, 17, "touch:6.0 smaps:4.0 status:3.0 exit:1.0"),
    "fault/anon": (24, 29.2, 36, "touch:13.9 mmap:3.2 smaps:2.0 status:1.9 mprotect:1.9 cat-maps:1.9 mincore:1.4 munmap:1.1 pagemap:1.0"),
    "fault/brk": (22, 24.8, 28, "touch:8.0 brk:7.0 smaps:4.8 cat-maps:1.8 status:1.2 mincore:1.0"),
    "fault/fileread": (19, 27.8, 38, "touch:13.6 smaps:2.5 mmap:1.8 pagemap:1.8 cat-maps:1.6 status:1.6 madvise:1.5 read:1.0 munmap:0.4"),
    "fault/filewrite": (15, 28.6, 40, "touch:8.8 load:3.2 smaps:3.0 madvise:1.6 status:1.6 mmap:1.5 cat-maps:1.5 pagemap:1.4 "
        "mincore:1.1 mprotect:1.1 read:1.0 store:0.8"),
    "fault/forkcow": (19, 35.0, 46, "touch:16.0 smaps:5.0 fork:2.7 pagemap:2.1 status:2.0 store:1.9 load:1.9 exit:1.1 mmap:1.0"),
    "fault/hwm": (25, 29.0, 37, "status:10.5 mmap:6.2 touch:4.2 munmap:4.2 madvise:1.8 statm:1.0"),
    "fault/madvise": (25, 34.4, 44, "touch:11.7 madvise:6.8 smaps:4.1 cat-maps:2.2 pagemap:1.7 status:1.6 mmap:1.4 mprotect:1.1 "
        "read:1.0 mlock:0.6 munlock:0.3"),
    "fault/mix": (39, 54.0, 61, "touch:18.3 mmap:5.0 smaps:5.0 madvise:3.8 mprotect:3.6 status:3.2 munmap:3.2 mremap:2.6 fork:2.2 "
        "cat-maps:1.7 munlock:1.4 read:1.0 exit:0.8"),
    "fault/mlock": (21, 29.8, 40, "touch:7.0 mmap:3.8 smaps:3.5 munlock:2.2 status:2.2 mlock:2.2 cat-maps:1.8 mremap:1.5 read:1.0 "
        "madvise:1.0 brk:1.0 mlockall:0.5"),
    "fault/mremap": (15, 28.7, 37, "touch:7.8 mremap:7.8 smaps:3.0 mmap:1.8 cat-maps:1.7 status:1.5 pagemap:1.0 read:0.8 "
        "munmap:0.8 store:0.5"),
    "fault/pss": (21, 31.8, 38, "touch:13.8 smaps:6.2 mmap:4.2 munmap:1.5 fork:1.5 read:1.0 status:0.3"),
    "fault/pte": (19, 31.0, 36, "status:10.2 touch:6.8 mmap:6.0 munmap:1.8 smaps:1.4 cat-maps:1.4 mremap:0.6 fork:0.6 exit:0.6 "
        "madvise:0.6"),
    "fault/shanon": (16, 26.7, 44, "touch:7.3 smaps:4.2 cat-maps:2.7 status:1.8 mremap:1.7 madvise:1.5 store:1.3 load:1.3 "
        "pagemap:1.3 fork:1.3 mmap:1.2"),
    "fault/shared": (14, 28.2, 39, "touch:7.9 smaps:3.8 mmap:2.1 cat-maps:2.1 status:1.9 load:1.6 pagemap:1.6 msync:1.5 store:1.2 "
        "read:1.0 madvise:0.8 fork:0.4"),
    "fault/signals": (33, 40.8, 46, "touch:18.3 mmap:5.0 mprotect:3.5 smaps:2.8 status:1.8 cat-maps:1.8 munmap:1.8 truncate:1.5 "
        "madvise:1.2 read:1.0"),
    "fault/stack": (21, 27.8, 35, "touch:15.0 smaps:4.0 cat-maps:2.2 fork:2.0 status:1.8 setrlimit:1.0 madvise:0.8"),
    "pagecache/cached": (25, 31.8, 40, "touch:5.8 mincore:3.2 smaps:3.0 truncate:2.5 cat-maps:2.5 read:2.2 store:2.2 write:2.0 "
        "sync:1.8 status:1.2 drop-caches:1.2 mmap:1.0 msync:0.5 load:0.5"),
    "pagecache/coldmap": (11, 17.2, 24, "touch:3.0 mincore:2.8 read:1.4 smaps:1.2 cat-maps:1.2 mmap:1.0 madvise:1.0 sync:1.0 "
        "drop-caches:1.0 status:1.0 pagemap:0.6"),
    "pagecache/coldread": (12, 16.4, 20, "read:3.2 mincore:3.2 touch:2.0 mmap:1.0 sync:1.0 drop-caches:1.0 cat-maps:1.0 smaps:1.0 "
        "status:1.0"),
    "pagecache/dirty": (19, 23.2, 27, "touch:5.5 smaps:4.5 mmap:2.0 write:2.0 sync:1.8 read:1.0 madvise:1.0 load:1.0 cat-maps:1.0 "
        "status:1.0 msync:0.5"),
    "scenario/exit-keeps-cache": (16, 16.0, 16, "touch:4.0 mmap:2.0 smaps:2.0 read:1.0 exit:1.0 mincore:1.0 cat-maps:1.0 status:1.0"),
    "scenario/fork-shell": (25, 25.0, 25, "touch:8.0 smaps:6.0 status:4.0 cat-maps:2.0 brk:1.0 mmap:1.0 fork:1.0 exec:1.0"),
    "scenario/heap-hole": (22, 22.0, 22, "touch:5.0 smaps:4.0 brk:3.0 cat-maps:3.0 status:2.0 madvise:2.0 pagemap:1.0 munmap:1.0"),
    "thp/basic": (13, 20.8, 28, "touch:7.0 madvise:3.2 status:2.8 smaps:2.2 mmap:1.0 pagemap:1.0 cat-maps:1.0 mprotect:0.8 munmap:0.8"),
    "thp/edges": (13, 16.0, 19, "touch:5.3 smaps:4.7 status:1.3 madvise:1.0 cat-maps:1.0 brk:0.7 mmap:0.7 mremap:0.3"),
    "thp/split": (11, 16.0, 22, "touch:4.8 status:3.2 smaps:2.5 mmap:1.2 madvise:1.0 cat-maps:1.0 mprotect:0.5 mlock:0.2 fork:0.2 "
        "exit:0.2"),
    "vma/anonvma": (21, 40.0, 53, "mmap:12.4 touch:10.2 mprotect:7.4 mremap:3.4 cat-maps:2.9 smaps:1.0 status:1.0 munmap:0.7"),
    "vma/brk": (23, 38.5, 54, "brk:21.2 mmap:3.5 cat-maps:3.5 touch:3.3 munmap:2.0 mprotect:2.0 smaps:1.0 status:1.0"),
    "vma/err": (21, 39.1, 60, "mmap:9.7 cat-maps:4.8 mremap:4.6 munmap:3.2 mprotect:2.8 madvise:2.3 mincore:2.2 touch:1.6 "
        "read:1.2 smaps:1.0 status:1.0 msync:0.9 mlock:0.7 brk:0.6 munlock:0.4"),
    "vma/file": (30, 47.0, 58, "mmap:21.5 mprotect:6.6 cat-maps:4.2 munmap:3.9 read:2.5 mremap:1.8 touch:1.0 smaps:1.0 status:1.0"),
    "vma/fork": (20, 47.1, 59, "touch:10.0 mmap:9.0 cat-maps:7.9 mprotect:5.0 fork:2.4 brk:2.2 madvise:2.1 munmap:1.9 mremap:1.6 "
        "read:1.0 smaps:1.0 status:1.0"),
    "vma/madvise": (22, 45.4, 60, "madvise:22.7 mmap:5.4 smaps:3.1 mprotect:2.9 cat-maps:2.4 munmap:2.2 mremap:1.7 touch:1.0 "
        "read:1.0 status:1.0"),
    "vma/merge": (22, 39.9, 53, "mmap:17.1 mprotect:4.9 cat-maps:4.5 madvise:3.2 munmap:2.2 read:2.0 touch:1.0 smaps:1.0 status:1.0"),
    "vma/mix": (21, 39.5, 58, "mmap:9.0 mprotect:4.6 touch:3.9 munmap:3.7 mremap:3.1 madvise:2.8 cat-maps:2.5 status:2.2 "
        "munlock:1.4 brk:1.3 read:1.0 smaps:1.0 mlock:0.9"),
    "vma/mlock": (19, 48.7, 59, "mlock:10.3 mmap:8.5 munlock:7.2 smaps:3.3 status:2.8 mlockall:2.5 mprotect:2.3 munmap:2.0 "
        "mremap:2.0 brk:1.8 touch:1.0 read:1.0 cat-maps:1.0 munlockall:0.8"),
    "vma/mremap": (20, 32.0, 57, "mremap:13.3 cat-maps:5.9 mmap:5.7 touch:1.0 read:1.0 smaps:1.0 status:1.0 munmap:0.7 mprotect:0.4"),
    "vma/place": (22, 36.7, 50, "mmap:25.9 munmap:4.3 cat-maps:3.0 touch:1.0 status:1.0 smaps:0.5"),
    "vma/rlimit": (21, 39.4, 58, "mmap:15.6 mremap:3.1 brk:3.0 touch:2.9 mprotect:2.8 status:2.8 cat-maps:2.6 munmap:1.8 "
        "setrlimit:1.6 smaps:1.0 mlock:1.0"),
    "vma/split": (20, 28.4, 44, "mmap:7.3 mprotect:6.4 cat-maps:4.6 munmap:4.1 touch:1.0 read:1.0 smaps:1.0 status:1.0"),
    "vma/stack": (20, 39.4, 60, "mmap:17.6 touch:13.4 cat-maps:2.9 munmap:1.1 smaps:1.0 status:1.0 setrlimit:0.8 mprotect:0.6"),
}


class Mix:
    """Counts what was written."""

    def __init__(self) -> None:
        self.lengths: dict[str, list[int]] = defaultdict(list)
        self.calls: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, category: str, sub: str, w: Writer) -> None:
        name = f"{category}/{sub}"
        self.lengths[name].append(len(w.lines))
        self.calls[name].update(a.cmd for a in w.answers)

    def table(self) -> str:
        """Two lines for each sub-category: drawn, and recorded."""
        rows = []
        for name, lengths in self.lengths.items():
            nr = len(lengths)
            mean = {call: n / nr for call, n in self.calls[name].most_common()}
            rows.append(f"{name:26} drawn    {min(lengths):3}-{max(lengths):3} mean {sum(lengths) / nr:5.1f}  {_calls(mean)}")
            if name in RECORDED:
                least, middle, most, calls = RECORDED[name]
                pairs = {k: float(v) for k, v in (pair.split(":") for pair in calls.split())}
                rows.append(f"{'':26} recorded {least:3}-{most:3} mean {middle:5.1f}  {_calls(pairs)}")
        return "\n".join(rows)


def _calls(mean: dict[str, float]) -> str:
    return " ".join(f"{call}:{n:.1f}" for call, n in mean.items())
