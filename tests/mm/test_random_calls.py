"""Random calls of several processes: after any of them every invariant holds, and when all have ended nothing is left.

The seeds are fixed, so that a failure comes back; calls that are refused are part of it. More SEEDS search further.
"""

import random

import pytest

from vmtool.errors import KernelError, Signal

core = pytest.importorskip("vmtool._core", reason="the Cython modules are not built: run `make`")

PAGE = 4096
SEEDS = 12
CALLS = 150
FILES = ("/a", "/b", "/c")
ADVICE = (4, 8, 9, 14, 15, 18, 19, 20, 21, 22, 23, 102, 103)  # DONTNEED FREE REMOVE HUGEPAGE … GUARD_REMOVE
PROTECTIONS = (0, 1, 3, 3, 7)


class Player:
    """One machine, and a hand that draws calls."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.nr_cpus = self.draw.choice((1, 2))
        self.m = core.Machine()
        self.m.boot(ram_bytes=1 << 30, nr_cpus=self.nr_cpus, pcid=seed % 2 == 1)
        self.at_rest = self.m.meminfo()
        if seed % 3 == 0:
            self.m.set_sysctl("transparent_hugepage/enabled", "always")
        for path in FILES:
            size = self.draw.choice((1, 5000, 70_000, 1 << 20))
            self.m.mkfile(path, size, b"f" * self.draw.randrange(size + 1))
        self.pids = [self.m.spawn("a", None, [b"a"], [])]

    def part(self, pid):
        """Some pages of some area: (address, bytes)."""
        vma = self.draw.choice([vma for vma in self.m.maps(pid) if vma.start < 1 << 47])
        nr_pages = (vma.end - vma.start) // PAGE
        first = self.draw.randrange(nr_pages)
        return vma.start + first * PAGE, self.draw.choice((1, nr_pages - first, nr_pages)) * PAGE

    def call(self):
        """One call; refusals are answers like others."""
        draw, m = self.draw, self.m
        pid = draw.choice(self.pids)
        name = draw.choice([name for name in dir(self) if name.startswith("do_")])
        try:
            getattr(self, name)(draw, m, pid)
        except KernelError:
            pass
        except Signal as signal:
            if signal.killed:
                self.pids.remove(pid)
        if not self.pids:
            self.pids.append(m.spawn("a", None, [b"a"], []))
        return name

    def do_mmap(self, draw, m, pid):
        flags = draw.choice((0x22, 0x22, 0x21, 0x8022, 0x2022, 0x122))
        m.mmap(pid, 0, draw.choice((1, 5, 16, 1100)) * PAGE, draw.choice(PROTECTIONS), flags)

    def do_mmap_fixed(self, draw, m, pid):
        m.mmap(pid, self.part(pid)[0], draw.choice((1, 20)) * PAGE, 3, draw.choice((0x31, 0x32)))

    def do_mmap_file(self, draw, m, pid):
        length, prot, flags = draw.choice((1, 17, 300)) * PAGE, draw.choice((1, 3)), draw.choice((1, 2, 2))
        m.mmap(pid, 0, length, prot, flags, draw.choice(FILES), draw.choice((0, 16 * PAGE)))

    def do_munmap(self, draw, m, pid):
        m.munmap(pid, *self.part(pid))

    def do_mprotect(self, draw, m, pid):
        m.mprotect(pid, *self.part(pid), draw.choice(PROTECTIONS))

    def do_mremap(self, draw, m, pid):
        addr, length = self.part(pid)
        m.mremap(pid, addr, length, draw.choice((length, length + PAGE, 2 * length, PAGE)), draw.choice((0, 1, 1, 5)))

    def do_madvise(self, draw, m, pid):
        m.madvise(pid, *self.part(pid), draw.choice(ADVICE))

    def do_mlock(self, draw, m, pid):
        draw.choice((m.mlock, m.munlock))(pid, *self.part(pid))

    def do_mlockall(self, draw, m, pid):
        if draw.random() < 0.3:
            m.mlockall(pid, draw.choice((1, 2, 3)))
        else:
            m.munlockall(pid)

    def do_touch(self, draw, m, pid):
        m.touch(pid, *self.part(pid), draw.choice("rww"), True)

    do_touch_again = do_touch_more = do_touch

    def do_name(self, draw, m, pid):
        addr, length = self.part(pid)
        m.set_vma_name(pid, addr, length, draw.choice((None, "one", "two")))

    def do_store(self, draw, m, pid):
        m.store(pid, self.part(pid)[0] + 7, b"s" * draw.choice((5, 10_000)), True)

    def do_brk(self, draw, m, pid):
        m.brk(pid, m.mm(pid).start_brk + draw.choice((0, 1, 600)) * PAGE)

    def do_push(self, draw, m, pid):
        m.push(pid, draw.choice((100, 100_000)))

    def do_fork(self, draw, m, pid):
        if len(self.pids) < 5:
            self.pids.append(m.fork(pid))

    def do_exit(self, draw, m, pid):
        if draw.random() < 0.5:
            m.exit(pid)
            self.pids.remove(pid)

    def do_switch(self, draw, m, pid):
        m.switch(pid, draw.randrange(self.nr_cpus))

    def do_read(self, draw, m, pid):
        m.read(pid, draw.choice(FILES), draw.choice((0, 65536)), draw.choice((1, 100_000)))

    def do_write(self, draw, m, pid):
        m.write(pid, draw.choice(FILES), draw.choice((0, 5000, 200_000)), b"w" * draw.choice((1, 70_000)))

    def do_truncate(self, draw, m, pid):
        m.truncate(draw.choice(FILES), draw.choice((0, 1, 5000, 400_000)))

    def do_punch_hole(self, draw, m, pid):
        m.punch_hole(draw.choice(FILES), draw.choice((0, 5000)), draw.choice((PAGE, 70_000)))

    def do_drop_caches(self, draw, m, pid):
        m.drop_caches(draw.choice((1, 2, 3)))

    def do_sync(self, draw, m, pid):
        draw.choice((m.sync, lambda: m.msync(pid, *self.part(pid), 4)))()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_invariant_holds_after_any_call(seed):
    player = Player(seed)
    calls = []
    for number in range(CALLS):
        calls.append(player.call())
        if number % 5 == 4:
            assert player.m.fsck() == [], calls[-5:]
    for pid in player.pids:
        player.m.exit(pid)
    assert player.m.fsck() == []
    left = player.m.meminfo()
    assert all(left[name] == player.at_rest[name] for name in ("AnonPages", "Shmem", "KernelStack"))
