"""The live kernel's answers to drawn_pages: processes without a life of their own (tests/differential/tracee.py), as root.

`python -m tests.mm.live_pages fault` records those of tests/mm/test_fault.py in fixtures/pages.
"""

import contextlib
import gzip
import importlib
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator

from tests.differential import conditions, kernel, swap_areas, tracee
from tests.differential.conditions import Unsuitable
from tests.differential.script import Words
from tests.mm import drawn_around, drawn_counts, drawn_huge, drawn_pages
from tests.mm.drawn_pages import PAGE, Area, Backend, Case

__all__ = ["Unsuitable", "answers", "obstacle"]
SETTLING = 0.05  # seconds until what MADV_PAGEOUT writes has arrived; else it waits in a batch, and do_swap_page() sees a reference more
SYSCALLS = {"mmap": 9, "mprotect": 10, "munmap": 11, "mremap": 25, "madvise": 28, "mlock": 149, "munlock": 150,
            "mlockall": 151, "munlockall": 152, "mlock2": 325, "msync": 26}  # fmt: skip


def obstacle() -> str | None:
    """Why this kernel cannot judge, or None."""
    return conditions.obstacle() or (None if os.geteuid() == 0 else "needs root, to read which frame a page is in")


class Live(Backend):
    def __init__(self, root: str) -> None:
        self.root = root
        self.drainer = tracee.Drainer()
        self.swap = swap_areas.SwapAreas(root)
        self.looks = {name: os.open(f"/proc/{name}", os.O_RDONLY) for name in ("kpageflags", "kpagecount")}
        self.path: str | None = None

    def close(self) -> None:
        self.swap.close()

    def spawn(self, case: Case) -> tracee.Tracee:
        if case.needs_swap and not self.swap.areas:
            self.swap.swapon(Words(["64M"]))
        if not case.needs_swap and self.swap.areas:
            self.swap.close()
            self.swap = swap_areas.SwapAreas(self.root)
        if case.needs_file:
            self.path = f"{self.root}/d/drawn"
            with open(self.path, "xb") as f:
                f.write(bytes(self.file_pages * PAGE))  # blocks, as a simulated file has them: no hole
                os.fchmod(f.fileno(), 0o666)
                os.fsync(f.fileno())
                kernel.forget(f.fileno())
            with open(self.path, "rb", buffering=0) as f:
                os.pread(f.fileno(), self.file_pages * PAGE, 0)
        task = tracee.start(f"{self.root}/target", self.root)
        task.touch(task.stub, 1, "x")  # the measuring's own page
        if self.path:
            link = f"{self.root}/f"
            if not os.path.lexists(link):
                os.symlink(self.path, link)
            self.fd = kernel.check(task.syscall(2, task.stub + kernel.target.NAME, os.O_RDWR))
        return task

    def clear(self) -> None:
        for task in self.tasks.values():
            task.kill()
        if self.path:
            os.unlink(self.path)
            self.path = None

    def fork(self, task: tracee.Tracee) -> tracee.Tracee:
        child = task.fork()
        child.touch(child.stub, 1, "x")
        return child

    def exit(self, task: tracee.Tracee) -> None:
        task.exit()

    def faults(self, task: tracee.Tracee) -> tuple[int, int]:
        return task.faults()

    def touch(self, task: tracee.Tracee, addr: int, length: int, access: str) -> str:
        try:
            if access in drawn_pages.STORED:
                for at in range(addr, addr + length, PAGE):
                    task.store(at, drawn_pages.STORED[access])
            else:
                task.touch(addr, length, access)
        except tracee.Fault as fault:
            return fault.code + self.place(fault.addr)
        return ""

    def map(self, task: tracee.Tracee, kind: str, first: int, last: int) -> int:
        prot, flags, ahead = self.kinds[kind]
        flags |= drawn_pages.FIXED | (drawn_pages.ANONYMOUS if ahead is None else 0)
        fd, offset = (-1, 0) if ahead is None else (self.fd, (ahead + first) * PAGE)
        return self.syscall(task, "mmap", self.low + first * self.unit, (last - first) * self.unit, prot, flags, fd, offset)

    def syscall(self, task: tracee.Tracee, name: str, *words: int) -> int:
        got = task.syscall(SYSCALLS[name], *words)
        if name == "madvise" and words[2] == drawn_pages.ADVICE["pageout"]:
            time.sleep(SETTLING)
        return -got if -4096 < got < 0 else 0

    def mincore(self, task: tracee.Tracee, addr: int, length: int) -> str:
        vector = task.stub + kernel.target.SCRATCH
        got = task.syscall(27, addr, length, vector)
        return drawn_pages.ERRNO[-got] if got else "".join(str(byte & 1) for byte in task.load(vector, length // PAGE))

    def drain(self) -> None:
        self.drainer.drain()
        if self.swap.areas:
            if self.path:
                with open(self.path, "rb") as f:
                    os.fsync(f.fileno())
            self.swap.settle()
            self.drainer.drain_all()

    def entries(self, task: tracee.Tracee) -> tuple[int, ...]:
        with open(f"/proc/{task.pid}/pagemap", "rb", buffering=0) as f:
            return self.table.unpack(os.pread(f.fileno(), self.table.size, self.low // PAGE * 8))

    def kpages(self, file: str, pfn: int, nr: int) -> bytes:
        return os.pread(self.looks[file], nr * 8, pfn * 8)

    def areas(self, task: tracee.Tracee) -> Iterator[Area]:
        with open(f"/proc/{task.pid}/smaps", encoding="utf-8") as f:
            lines = f.read().splitlines()
        heads = [i for i, line in enumerate(lines) if line.split()[0][-1] != ":"]
        for head, end in zip(heads, [*heads[1:], len(lines)], strict=True):
            words = lines[head].split()
            start, stop = (int(word, 16) for word in words[0].split("-"))
            if self.low <= start < self.low + self.table.size // 8 * PAGE:
                perms = self.rights(words[1], lines[end - 1])
                sums = {line.split(":")[0]: int(line.split()[1]) for line in lines[head + 1 : end] if line.endswith(" kB")}
                first, last = (start - self.low) // self.unit, (stop - self.low) // self.unit
                yield Area(first, last, perms, tuple(sums[name] for name in self.sums))


class LiveHuge(drawn_huge.Huge, Live):
    pass


class LiveCounted(drawn_counts.Counted, Live):
    def truncate(self, size: int) -> None:
        os.truncate(self.path, size)

    def drop(self) -> None:
        with open(self.path, "rb") as f:
            os.fsync(f.fileno())
            kernel.forget(f.fileno())

    def limit(self, task: tracee.Tracee, name: str, nr_bytes: int) -> None:
        tracee.set_limit(task.pid, name, nr_bytes)

    def load(self, task: tracee.Tracee, addr: int, nr: int) -> str:
        return self.signal_or_bytes(lambda: task.load(addr, nr))

    def store(self, task: tracee.Tracee, addr: int, data: bytes) -> str:
        return self.signal_or_bytes(lambda: task.store(addr, data))

    def signal_or_bytes(self, access: Callable[[], bytes | None]) -> str:
        try:
            return (access() or b"").hex()
        except tracee.Fault as fault:
            return fault.code + self.place(fault.addr)

    def counts(self, task: tracee.Tracee) -> dict[str, int]:
        with open(f"/proc/{task.pid}/status", encoding="ascii") as f:
            lines = dict(line.split(":", 1) for line in f)
        return {name: int(lines[name].split()[0]) for name in drawn_counts.COUNTED}


class LiveAround(drawn_around.Around, LiveCounted):
    reader: int | None = None  # who reads and punches holes has one open file

    def clear(self) -> None:
        if self.reader is not None:
            os.close(self.reader)
            self.reader = None
        super().clear()

    def open(self) -> int:
        if self.reader is None:
            self.reader = os.open(self.path, os.O_RDWR)
        return self.reader

    def cached(self, offset: int, length: int) -> None:
        os.pread(self.open(), length, offset)

    def hole(self, offset: int, length: int) -> None:
        kernel.punch_hole(self.open(), offset, length)

    def written(self, offset: int, length: int) -> None:
        os.pwrite(self.open(), bytes(length), offset)


class LiveCountedHuge(drawn_huge.CountedHuge, LiveCounted):
    def events(self) -> dict[str, int]:
        with open("/proc/vmstat", encoding="ascii") as f:
            lines = dict(line.split() for line in f)
        return {name: int(lines[name]) for name in drawn_huge.EVENTS}


LIVE = {drawn_pages.Simulated: Live, drawn_huge.SimulatedHuge: LiveHuge, drawn_counts.SimulatedCounted: LiveCounted,
        drawn_around.SimulatedAround: LiveAround, drawn_huge.SimulatedCountedHuge: LiveCountedHuge}


def answers(cases: Iterable[Case], make: type[drawn_pages.Simulated] = drawn_pages.Simulated) -> Iterator[tuple[Case, str]]:
    """Of the kernel, in place of such a machine; those without swap first."""
    with conditions.workplace() as root, contextlib.closing(LIVE[make](root)) as judge:
        if why := conditions.obstacle():  # asked again: who had the place before may have had swap
            raise Unsuitable(why)
        for case in sorted(cases, key=lambda case: case.needs_swap):
            if not case.needs_swap or swap_areas.obstacle() is None:
                yield case, judge.answer(case)


def main(names: list[str]) -> int:
    """What a Machine answers otherwise is asked twice more: of what the kernel does not always answer alike nothing is recorded.

    (A processor may mark an entry accessed that nobody asked it for. Where DAMON runs, it takes such a mark away and leaves it with the
    folio, so that all who map it have it under Referenced. A folio that waits in some CPU's batch has one more reference.)
    """
    if why := obstacle():
        print(f"live_pages: {why}", file=sys.stderr)
        return 1
    for name in names:
        module = importlib.import_module(f"tests.mm.test_{name}")
        make = getattr(module, "MACHINE", drawn_pages.Simulated)
        found = dict(answers(module.cases(), make))
        simulated = make()
        ours = {}
        for case in found:
            ours[case] = simulated.answer(case)
            simulated.forget()
        odd = [case for case, answer in found.items() if ours[case] != answer]
        again = [dict(answers(odd, make)) for _ in range(2)]
        for case in odd:
            said = [found[case], *(answer[case] for answer in again)]
            print(f"{name}: {case.space!r} {case.steps}\n  {ours[case]}", *said, sep="\n  ", file=sys.stderr)
            if len(set(said)) > 1:
                del found[case]
        print(f"{name}: {len(found)} cases, {len(odd)} of them first said otherwise than here", file=sys.stderr)
        lines = [f"# {platform.release()}", *("\t".join((*case, answer)) for case, answer in found.items())]
        (drawn_pages.RECORDED / f"{name}.tsv.gz").write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
