"""Processes doing anything, in any order, on machines of several kinds: no promise that fsck knows may break."""

import random

import pytest

from vmtool._core import Machine
from vmtool.errors import KernelError, Signal

MIB, PAGE = 1 << 20, 4096
MAP_PRIVATE, MAP_SHARED, MAP_ANONYMOUS, MREMAP_MAYMOVE = 2, 1, 0x20, 1
FREE, REMOVE, HUGEPAGE, NOHUGEPAGE, COLD, PAGEOUT, DONTNEED, GUARD = 8, 9, 14, 15, 20, 21, 4, 102  # MADV_
ADVICE = (DONTNEED, FREE, REMOVE, HUGEPAGE, NOHUGEPAGE, COLD, PAGEOUT, GUARD)
STEPS = 300


class Use:
    """A machine and what its processes have mapped."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.machine = Machine()
        self.machine.boot(ram_bytes=self.rng.choice([64, 256, 1024]) * MIB, nr_cpus=2, pcid=bool(seed & 1),
                          tlb=self.rng.choice(["", "none", "l1d=16x4,l2=64x8"]))
        self.machine.mkfile("/file", 100_000, b"block" * 1000)
        self.areas = {self.spawn(): [] for _ in range(2)}

    def spawn(self):
        return self.machine.spawn("prog", None, [b"prog"], [])

    def part(self, pid):
        """A few pages of one area: address, bytes."""
        start, pages = self.rng.choice(self.areas[pid])
        first = self.rng.randrange(pages)
        return start + first * PAGE, self.rng.randrange(1, min(pages - first, 500) + 1) * PAGE

    def map(self, pid):
        pages = self.rng.choice([1, 3, 17, 600, 1500])
        flags = self.rng.choice([MAP_PRIVATE, MAP_SHARED]) | MAP_ANONYMOUS
        self.areas[pid].append((self.machine.mmap(pid, 0, pages * PAGE, self.rng.choice([1, 3, 3, 3, 7, 0]), flags), pages))

    def map_file(self, pid):
        flags = self.rng.choice([MAP_PRIVATE, MAP_SHARED])
        self.areas[pid].append((self.machine.mmap(pid, 0, 20 * PAGE, 3, flags, "/file"), 20))

    def touch(self, pid):
        self.machine.touch(pid, *self.part(pid), self.rng.choice("rww"), probe=True)

    def protect(self, pid):
        self.machine.mprotect(pid, *self.part(pid), self.rng.choice([0, 1, 3]))

    def advise(self, pid):
        self.machine.madvise(pid, *self.part(pid), self.rng.choice(ADVICE))

    def unmap(self, pid):
        start, pages = self.areas[pid].pop(self.rng.randrange(len(self.areas[pid])))
        self.machine.munmap(pid, start, pages * PAGE)

    def move(self, pid):
        i = self.rng.randrange(len(self.areas[pid]))
        start, pages = self.areas[pid][i]
        new = self.rng.choice([1, pages, 2 * pages + 3])
        self.areas[pid][i] = self.machine.mremap(pid, start, pages * PAGE, new * PAGE, MREMAP_MAYMOVE), new

    def fork(self, pid):
        if len(self.areas) < 6:
            self.areas[self.machine.fork(pid)] = list(self.areas[pid])

    def switch(self, pid):
        self.machine.switch(pid, self.rng.randrange(2))

    def leave(self, pid):
        if len(self.areas) > 2:
            del self.areas[pid]
            self.machine.exit(pid)

    def step(self):
        pid = self.rng.choice(list(self.areas))
        what = self.rng.choice([self.map, self.map_file, self.touch, self.touch, self.touch, self.protect, self.advise,
                                self.unmap, self.move, self.fork, self.switch, self.leave])
        if not self.areas[pid]:
            what = self.map
        try:
            what(pid)
        except KernelError:
            pass  # a refusal is an answer too
        except Signal as signal:
            if signal.killed:
                del self.areas[pid]
                self.areas[self.spawn()] = []
        return what.__name__


@pytest.mark.parametrize("seed", range(12))
def test_any_use_keeps_every_promise(seed):
    use = Use(seed)
    steps = []
    for _ in range(STEPS // 20):
        steps = [use.step() for _ in range(20)]
        assert use.machine.fsck() == [], steps
    use.machine.check()
    for pid in list(use.areas):
        use.machine.exit(pid)
    assert use.machine.fsck() == []
